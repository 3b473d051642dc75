// Tritsmith: keys without which llama.cpp loads no GGUF file.

import TritCore

/// Keys of a GGUF file that llama.cpp, and programs made of it, stop without, whatever the tensors are.
///
/// Source: llama.cpp `llama-model.cpp` (`load_hparams`), `models/*.cpp` (`load_arch_hparams`), `llama-vocab.cpp` (`load`).
package enum GGUFLoaderKeys {
  private static let model = [
    "context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count",
    "attention.layer_norm_rms_epsilon",
  ]
  private static let deltaNets = [
    "rope.dimension_sections", "ssm.conv_kernel", "ssm.inner_size", "ssm.state_size", "ssm.time_step_rank",
    "ssm.group_count",
  ]
  private static let tokenizer = "tokenizer.ggml."

  /// The first key that is missing; nil where all are there.
  ///
  /// - Parameter value: of a key of the file.
  package static func missing(_ family: any Architecture, _ value: (String) -> MetadataValue?) -> String? {
    let prefix = (value(GGUFDescription.architectureKey)?.string ?? family.gguf?.architecture ?? "") + "."
    var needed = model
    if family.keys.layerKinds == .deltaNets { needed += deltaNets }
    // Without one of the two it is taken for embedding_length ÷ head_count.
    let widths = ["attention.key_length", "attention.value_length"]
    func number(_ key: String) -> Int? { value(prefix + key)?.integer }
    if let stated = widths.compactMap(number).first, let hidden = number("embedding_length"),
      let heads = number("attention.head_count"), heads > 0, hidden / heads != stated
    {
      needed += widths
    }
    return (needed.map { prefix + $0 } + vocabulary(prefix, value)).first { value($0) == nil }
  }

  private static func vocabulary(_ prefix: String, _ value: (String) -> MetadataValue?) -> [String] {
    let model = tokenizer + "model"
    switch value(model)?.string {
    case nil: return [model]
    case "no_vocab", "none": return [prefix + "vocab_size"]
    // It looks for no merges under one name of how text is cut.
    case "gpt2":
      return [tokenizer + "tokens"] + (value(tokenizer + "pre")?.string == "kimi-k2" ? [] : [tokenizer + "merges"])
    default: return [tokenizer + "tokens"]
    }
  }
}
