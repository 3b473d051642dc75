// Tritsmith: kinds of values that transformers takes for keys that change no logits.

import TritCore

/// Keys whose values no forward pass reads, and whose class refuses a value of another kind: such a file is loaded by
/// nobody.
///
/// Null is left to `neverNull`. Source: `PreTrainedConfig`, `LlamaConfig`, `BitNetConfig`, `Qwen3Config` of
/// transformers 5.23, tried key by key.
enum KeyKinds {
  /// Names of torch's types that weights can be made in. Other names of torch are no types of weights.
  private static let types: Set<String> = ["bfloat16", "float16", "float32", "float64", "half", "float", "double"]

  static func check(_ reader: inout ConfigurationReader, _ architecture: any Architecture) throws(ModelError) {
    _ = try reader.flag("use_cache")
    try reader.check("initializer_range", "a number with a point or an exponent") { value in
      guard let number = value.number, let double = number.double, number.integer == nil else { return false }
      return architecture.modelType != Llama().modelType || (0...1).contains(double)
    }
    try reader.check("attention_dropout", "a number") { $0.number?.double != nil }
    if architecture.modelType == Llama().modelType {
      try reader.check("pretraining_tp", "a whole number") { $0.number?.integer != nil }
    }
    try reader.check("id2label", "an object with whole numbers for keys") {
      $0.object?.entries.allSatisfy { JSONNumber(text: $0.key).integer != nil } ?? false
    }
    if reader.value("id2label") == nil {
      try reader.refuseNull("num_labels", "a whole number")
      try reader.check("num_labels", "a whole number") { $0.number?.integer != nil || $0.bool != nil }
    }
    // The newer of two spellings is the one that counts.
    let type = reader.value("dtype") == nil ? "torch_dtype" : "dtype"
    try reader.check(type, types.sorted().joined(separator: ", ")) { $0.string.map(types.contains) ?? false }
  }
}

extension ConfigurationReader {
  /// Throws for a value that is there, is not null and is not what belongs there.
  fileprivate mutating func check(
    _ key: String, _ expected: String, _ isRight: (JSONValue) -> Bool
  ) throws(ModelError) {
    guard let value = value(key), !isRight(value) else { return }
    throw error(.wrongType(expected: expected, found: describe(value)), key)
  }
}
