// Tritsmith: how a model is meant to be sampled, for which GGUF has keys and a checkpoint a file.

import TritCore

/// `general.sampling.*` beside the settings of `generation_config.json` they stand for.
///
/// Source: gguf-py, `constants.py` (names), `gguf_writer.py` (types), `metadata.py` (settings).
package enum GGUFSampling {
  private enum Kind { case text, integer, float }

  private static let prefix = "general.sampling."
  private static let table: [(name: String, setting: String, kind: Kind)] = [
    ("sequence", "sequence", .text), ("top_k", "top_k", .integer), ("top_p", "top_p", .float),
    ("min_p", "min_p", .float), ("xtc_probability", "xtc_probability", .float),
    ("xtc_threshold", "xtc_threshold", .float), ("temp", "temperature", .float),
    ("penalty_last_n", "penalty_last_n", .integer), ("penalty_repeat", "penalty_repeat", .float),
    ("mirostat", "mirostat", .integer), ("mirostat_tau", "mirostat_tau", .float),
    ("mirostat_eta", "mirostat_eta", .float),
  ]

  /// The settings that GGUF has a key for, as a reader of the keys gets them; others are left out.
  package static func carried(_ settings: JSONObject) -> JSONObject { self.settings(of: entries(of: settings)) }

  /// The keys of what GGUF can hold of generation settings.
  package static func entries(of settings: JSONObject) -> [MetadataEntry] {
    table.compactMap { name, setting, kind in
      let value: MetadataValue? =
        switch kind {
        case .text: settings[setting]?.string.map { .string($0) }
        case .integer: settings[setting]?.number?.integer.flatMap { Int32(exactly: $0) }.map { .int32($0) }
        case .float: settings[setting]?.number?.double.map { .float32(Float($0)) }
        }
      return value.map { MetadataEntry(prefix + name, $0) }
    }
  }

  /// Keys of sampling as settings; one whose name is not known keeps it.
  package static func settings(of entries: [MetadataEntry]) -> JSONObject {
    var result = JSONObject()
    for entry in entries where entry.key.hasPrefix(prefix) {
      let name = String(entry.key.dropFirst(prefix.count))
      result.add(table.first { $0.name == name }?.setting ?? name, json(entry.value))
    }
    return result
  }

  private static func json(_ value: MetadataValue) -> JSONValue {
    switch value {
    case .float32(let value) where value.isFinite: .number(JSONNumber(text: "\(value)"))
    case .float64(let value) where value.isFinite: .number(JSONNumber(value))
    case .bool(let value): .bool(value)
    case .string(let value): .string(value)
    default: value.integer.map { .number(JSONNumber($0)) } ?? .string("\(value)")
    }
  }

  /// `generation_config.json` of a GGUF file; nil for one that does not speak of sampling.
  ///
  /// transformers takes the ends of a text from this file alone where there is one, so they are in it too.
  static func file(_ manifest: ModelManifest) -> JSONObject? {
    var result = settings(of: manifest.entries)
    guard !result.entries.isEmpty else { return nil }
    for key in ["bos_token_id", "eos_token_id"] {
      if let value = manifest.configuration?[key], !value.isNull { result.add(key, value) }
    }
    return result
  }
}
