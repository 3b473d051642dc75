// Tritsmith: what a GGUF file says of its tokenizer that no tokenizer made here holds.

import TritCore

/// Keys and types of tokens that `GGUFTokenizerFile` leaves out; engines may go by them.
package enum GGUFTokenizerRest {
  /// Keys that the reader, or the comparison of special tokens, goes by.
  private static let read: Set<String> = [
    "model", "pre", "tokens", "token_type", "scores", "merges", "add_space_prefix", "add_bos_token", "add_eos_token",
    "bos_token_id", "eos_token_id", "padding_token_id", "unknown_token_id", "eot_token_id", "eom_token_id",
  ]

  /// Entries that are not read, those of templates aside.
  package static func entries(_ manifest: ModelManifest) -> [MetadataEntry] {
    manifest.entries.filter { entry in
      guard entry.key.hasPrefix("tokenizer."), !entry.key.hasPrefix("tokenizer.chat_template") else { return false }
      let prefix = GGUFKeyTypes.tokenizerPrefix
      return !entry.key.hasPrefix(prefix) || !read.contains(String(entry.key.dropFirst(prefix.count)))
    }
  }

  /// Names of keys that nothing is known of, by which an engine may give a text other ids.
  package static func unknownKeys(_ manifest: ModelManifest) -> [String] {
    manifest.entries.map(\.key).filter(GGUFKeyTypes.isUnknownOfTokenizer)
  }

  /// Tokens that are of two types, where the reader does not tell the types apart: unused, byte, or none that is known.
  ///
  /// llama.cpp prints a token by its type, and some types not at all. Rows without a token are left aside. Source:
  /// llama.cpp `llama-vocab.cpp`, `token_to_piece`.
  package static func differingTypes(
    _ first: ModelManifest, _ second: ModelManifest
  ) -> [(id: Int, first: Int, second: Int)] {
    let sides = [first, second].map { manifest in
      let tokens = manifest.entry("tokenizer.ggml.tokens")?.strings ?? []
      let types = manifest.entry("tokenizer.ggml.token_type")?.integers ?? []
      return (tokens: tokens, types: types)
    }
    func type(_ side: Int, _ id: Int) -> Int? {
      let (tokens, types) = sides[side]
      guard id < tokens.count else { return nil }
      let type = id < types.count ? types[id] : Int(clamping: GGUFTokenizer.TokenType.normal.rawValue)
      let canFill = type == GGUFTokenizer.TokenType.unused.rawValue || isTold(type)
      return canFill && tokens[id] == GGUFTokenizer.filler(id) ? nil : type
    }
    var result: [(id: Int, first: Int, second: Int)] = []
    for id in 0..<max(sides[0].tokens.count, sides[1].tokens.count) {
      guard let left = type(0, id), let right = type(1, id), left != right, !(isTold(left) && isTold(right))
      else { continue }
      result.append((id, left, right))
    }
    return result
  }

  /// Whether the reader tells a type from the others.
  private static func isTold(_ type: Int) -> Bool {
    switch GGUFTokenizer.TokenType(rawValue: Int32(clamping: type)) {
    case .normal, .unknown, .control, .userDefined: true
    case .unused, .byte, nil: false
    }
  }
}
