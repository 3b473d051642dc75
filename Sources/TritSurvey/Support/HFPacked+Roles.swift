// Tritsmith: which tensors packed Hugging Face checkpoints can hold.

import TritCore
import TritLayouts
import TritModel

extension HFPacked {
  /// Source: transformers `replace_with_bitnet_linear`, which replaces `nn.Linear` alone. A head is one, and is packed
  /// where `modules_to_not_convert` does not name it.
  package static let linearOnly = "transformers packs linear layers and no embeddings: it cannot load this"

  /// Whether transformers would not load a packed tensor of this role.
  package static func isUnloadable(_ encoding: TensorEncoding, _ role: TensorRole) -> Bool {
    encoding == .ternary(id) && role == .embedding
  }
}
