// Tritsmith: metadata of a GGUF file that a forward pass must know.

import TritCore

extension GGUFModelView {
  /// Keys of an architecture that sizes and rotary embedding are read from, or that change no logits.
  private static let knownKeys: Set<String> = [
    "block_count", "context_length", "embedding_length", "feed_forward_length", "vocab_size", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
    "attention.causal", "rope.dimension_count", "rope.freq_base", "rope.scaling.type", "rope.scaling.factor",
    // What rope scaling started from; linear scaling needs the factor only.
    "rope.scaling.original_context_length", "rope.scaling.finetuned", "tensor_data_layout",
  ]

  /// Throws for a key of the architecture that is not known, or a setting the forward pass has no form for.
  ///
  /// Conversion leaves such keys out; a forward pass that did so would compute other logits.
  public func checkRunnable() throws(ModelError) {
    guard let configuration, let architecture = base.manifest.entry("general.architecture")?.string else {
      throw ModelError(
        .noArchitecture, location: ErrorLocation(file: manifest.path, field: "general.architecture"))
    }
    let prefix = architecture + "."
    func location(_ key: String) -> ErrorLocation { ErrorLocation(file: manifest.path, field: prefix + key) }
    for entry in base.manifest.entries where entry.key.hasPrefix(prefix) {
      let key = String(entry.key.dropFirst(prefix.count))
      guard GGUFModelView.knownKeys.contains(key) else { throw ModelError(.unknownKey, location: location(key)) }
      let expected: String?
      switch key {
      case "attention.value_length", "rope.dimension_count":
        expected = entry.value.integer == configuration.headSize ? nil : "\(configuration.headSize), the head's size"
      case "rope.scaling.type":
        expected = ["none", "linear"].contains(entry.value.string) ? nil : "none or linear"
      case "attention.causal": expected = entry.value == .bool(true) ? nil : "true"
      default: expected = nil
      }
      if let expected {
        throw ModelError(
          .unsupportedValue(expected: expected, found: entry.value.text()), location: location(key))
      }
    }
  }
}
