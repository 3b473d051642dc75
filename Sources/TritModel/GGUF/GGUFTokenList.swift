// Tritsmith: tokens of a Hugging Face tokenizer as GGUF lists them.

import TritCore

/// Tokens and their types, by id.
struct GGUFTokenList {
  var tokens: [String]
  var types: [GGUFTokenizer.TokenType]
  var idOfToken: [ExactString: Int] = [:]

  init(
    _ tokenizer: JSONObject, _ model: JSONObject, _ vocab: JSONObject, _ size: Int, file: String
  ) throws(GGUFModelError) {
    tokens = []
    tokens.reserveCapacity(size)
    for id in 0..<size { tokens.append(GGUFTokenizer.filler(id)) }
    types = Array(repeating: .unused, count: size)
    idOfToken.reserveCapacity(vocab.entries.count)
    // A byte-level vocabulary has no use for one, and engines would look for its spelling in texts.
    let fallsBack = model["byte_fallback"]?.bool == true
    let unknown = fallsBack ? model["unk_token"]?.string : nil
    for entry in vocab.entries {
      guard let id = entry.value.number?.integer, id >= 0 else {
        let kind = GGUFModelError.Kind.unsupportedTokenizer("token '\(printable(entry.key))' has no id")
        throw GGUFModelError(kind, file: file, field: "vocab")
      }
      guard id < size else { throw GGUFModelError(.tokenBeyondVocabulary(id: id, size: size), file: file) }
      tokens[id] = entry.key
      types[id] = entry.key == unknown ? .unknown : fallsBack && GGUFTokenList.isByte(entry.key) ? .byte : .normal
      idOfToken[ExactString(entry.key)] = id
    }
    for token in tokenizer["added_tokens"]?.array?.compactMap(\.object) ?? [] {
      guard let id = token["id"]?.number?.integer, let text = token["content"]?.string, id >= 0 else { continue }
      guard id < size else { throw GGUFModelError(.tokenBeyondVocabulary(id: id, size: size), file: file) }
      tokens[id] = text
      if types[id] != .unknown { types[id] = token["special"]?.bool == true ? .control : .userDefined }
      idOfToken[ExactString(text)] = id
    }
    for id in 0..<size where types[id] == .unused {
      guard let other = idOfToken[ExactString(tokens[id])] else { continue }
      // Readers end when a spelling stands twice.
      let detail = "token \(other) is called '\(tokens[id])', as row \(id), which has no token, would have to be"
      throw GGUFModelError(.unsupportedTokenizer(detail), file: file, field: "vocab")
    }
  }

  /// Whether a token is called as that of a byte is, such as `<0x0A>`.
  static func isByte(_ token: String) -> Bool {
    guard token.utf8.count == 6, token.hasPrefix("<0x"), token.hasSuffix(">") else { return false }
    return UInt8(token.dropFirst(3).dropLast(), radix: 16) != nil
  }

  /// Scores by which a SentencePiece reader merges in the order of the merges.
  func scores(_ merges: [String]) -> [Float] {
    GGUFTokenList.scores(of: tokens, merges) { types[$0] == .normal }
  }

  /// The same for tokens that stand elsewhere: the earlier the merge, the higher the score.
  static func scores(of tokens: [String], _ merges: [String], isNormal: (Int) -> Bool) -> [Float] {
    var rank: [ExactString: Int] = [:]
    for (index, merge) in merges.enumerated() {
      let joined = ExactString(merge.split(separator: " ", maxSplits: 1).joined())
      if rank[joined] == nil { rank[joined] = index }
    }
    return tokens.indices.map { id in
      isNormal(id) ? -Float(rank[ExactString(tokens[id])] ?? merges.count + id) : 0
    }
  }
}
