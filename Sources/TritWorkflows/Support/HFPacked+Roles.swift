// Tritsmith: which tensors packed Hugging Face checkpoints can hold.

import TritCore
import TritLayouts
import TritModel

extension HFPacked {
  /// Source: transformers `replace_with_bitnet_linear`, which replaces `nn.Linear` alone and leaves the output head.
  static let linearOnly = "transformers packs linear layers, and neither embeddings nor the head: it cannot load this"

  /// Whether transformers would not load a packed tensor of this role.
  static func isUnloadable(_ encoding: TensorEncoding, _ role: TensorRole) -> Bool {
    encoding == .ternary(id) && (role == .embedding || role == .outputHead)
  }
}
