// Tritsmith: what kind of value a GGUF key has.

import TritCore

/// The kind of value of each key that is read here.
///
/// A value of another kind is no absent one: llama.cpp refuses such a file. Integers and numbers of any width are taken,
/// of which llama.cpp takes one each. Source: llama.cpp `llama-model-loader.cpp`, `GKV::get_kv`.
enum GGUFKeyTypes {
  enum Kind: String {
    case integer = "an integer"
    case perLayer = "an integer, or a list with one for each layer"
    case number = "a number"
    case text = "a string"
    case flag = "true or false"
    case texts = "a list of strings"
    case integers = "a list of integers"
    case numbers = "a list of numbers"
    case flags = "a list of true and false"

    func holds(_ value: MetadataValue) -> Bool {
      switch self {
      case .integer: value.integer != nil
      case .perLayer: value.integer != nil || Kind.isIntegerList(value)
      case .number: value.double != nil
      case .text: value.string != nil
      case .flag: value.bool != nil
      case .texts: value.strings != nil
      case .integers: Kind.isIntegerList(value)
      case .numbers:
        switch value {
        case .array(.float32), .array(.float64): true
        default: false
        }
      case .flags: if case .array(.bool) = value { true } else { false }
      }
    }

    /// Whether `integers` gives this list, without the copy that makes: a vocabulary has a type for each token.
    private static func isIntegerList(_ value: MetadataValue) -> Bool {
      switch value {
      case .array(.int8), .array(.uint8), .array(.int16), .array(.uint16), .array(.int32), .array(.uint32),
        .array(.int64):
        true
      default: false
      }
    }
  }

  /// Of the architecture's keys, by what follows its name.
  private static func ofArchitecture(_ key: String) -> Kind? {
    switch key {
    case "block_count", "context_length", "embedding_length", "vocab_size", "attention.key_length",
      "attention.value_length", "rope.dimension_count", "rope.scaling.original_context_length", "expert_count",
      "expert_used_count", "ssm.conv_kernel", "ssm.state_size", "ssm.group_count", "ssm.time_step_rank",
      "ssm.inner_size", "full_attention_interval", "nextn_predict_layers":
      .integer
    case "rope.dimension_sections": .integers
    case "attention.recurrent_layers": .flags
    case "feed_forward_length", "attention.head_count", "attention.head_count_kv": .perLayer
    case "attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor", "rope.scaling.attn_factor",
      "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast",
      "rope.scaling.yarn_beta_slow", "rope.scaling.yarn_log_multiplier", "embedding_scale", "residual_scale",
      "logit_scale":
      .number
    case "rope.scaling.type": .text
    case "rope.scaling.finetuned", "attention.causal": .flag
    default: nil
    }
  }

  private static func ofTokenizer(_ key: String) -> Kind? {
    switch key {
    case "model", "pre": return .text
    case "tokens", "merges": return .texts
    case "token_type": return .integers
    case "scores": return .numbers
    case "add_space_prefix", "remove_extra_whitespaces": return .flag
    case "token_type_count": return .integer
    default:
      if key.hasSuffix("_token_id") { return .integer }
      return key.hasPrefix("add_") && key.hasSuffix("_token") ? .flag : nil
    }
  }

  /// Whether a key of a tokenizer is one that no reader here knows.
  static func isUnknownOfTokenizer(_ key: String) -> Bool {
    key.hasPrefix(tokenizerPrefix) && ofTokenizer(String(key.dropFirst(tokenizerPrefix.count))) == nil
  }

  static let tokenizerPrefix = "tokenizer.ggml."

  /// The kind of a key of the file's architecture or of its tokenizer; nil for one that is not read here.
  ///
  /// - Parameter prefix: of the architecture's keys, with its dot.
  static func kind(_ key: String, prefix: String?) -> Kind? {
    if let prefix, key.hasPrefix(prefix) { return ofArchitecture(String(key.dropFirst(prefix.count))) }
    if key.hasPrefix(tokenizerPrefix) { return ofTokenizer(String(key.dropFirst(tokenizerPrefix.count))) }
    return key == "tokenizer.chat_template" ? .text : nil
  }

  /// The first key of another kind than its readers take.
  static func mismatch(_ manifest: ModelManifest) -> GGUFModelError? {
    let prefix = manifest.entry(GGUFDescription.architectureKey)?.string.map { $0 + "." }
    for entry in manifest.entries {
      let kind = kind(entry.key, prefix: prefix)
      guard let kind, !kind.holds(entry.value) else { continue }
      return GGUFModelError(
        .badType(expected: kind.rawValue, found: "\(entry.value.typeName) \(printable(entry.value.text(), limit: 40))"),
        file: manifest.path, field: entry.key)
    }
    return nil
  }
}
