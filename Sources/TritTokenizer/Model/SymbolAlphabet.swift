// Tritsmith: what a word is before anything is merged.

/// The symbols a word starts as.
enum SymbolAlphabet: Sendable {
  /// One symbol a byte: the id of the one-byte token of each, or -1.
  case bytes([Int32])
  /// One symbol a character, as in vocabularies made by SentencePiece.
  case characters(CharacterAlphabet)
}

/// Tokens of one character each, and those that stand for the bytes of characters without one.
struct CharacterAlphabet: Sendable {
  private var ascii = [Int32](repeating: -1, count: 128)
  private var others = PairTable()
  /// Ids of `<0x00>` to `<0xFF>`, -1 where there is none; nil when characters are not taken apart (`byte_fallback`).
  let byteTokens: [Int32]?

  init(_ vocabulary: Vocabulary, byteFallback: Bool) {
    byteTokens =
      byteFallback
      ? (0..<256).map { vocabulary.id(of: CharacterAlphabet.name(of: UInt8($0))).map { Int32(clamping: $0) } ?? -1 }
      : nil
    for id in vocabulary.ids {
      guard let spelling = vocabulary.spelling(of: id), spelling.count <= 4, let token = vocabulary.token(id) else {
        continue
      }
      let scalars = token.unicodeScalars
      guard let scalar = scalars.first, scalars.count == 1 else { continue }
      if scalar.value < 128 {
        ascii[Int(scalar.value)] = Int32(clamping: id)
      } else {
        others.set(PairTable.key(0, Int32(bitPattern: scalar.value)), to: UInt64(id))
      }
    }
  }

  /// The id of a character's token, or -1.
  @inline(__always)
  func id(of value: UInt32) -> Int32 {
    if value < 128 { return ascii[Int(value)] }
    return others[PairTable.key(0, Int32(bitPattern: value))].map { Int32(truncatingIfNeeded: $0) } ?? -1
  }

  /// Appends the tokens of a character's bytes; false when they are not all there.
  func appendBytes(_ range: Range<Int>, of text: [UInt8], to symbols: inout [Int32]) -> Bool {
    guard let byteTokens, range.allSatisfy({ byteTokens[Int(text[$0])] >= 0 }) else { return false }
    for index in range { symbols.append(byteTokens[Int(text[index])]) }
    return true
  }

  /// What the token of a byte is called.
  static func name(of byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x\(digits.utf8.count < 2 ? "0" : "")\(digits)>"
  }

  /// The byte that a token stands for where bytes have tokens.
  static func byte(named token: String) -> UInt8? {
    guard token.utf8.count == 6, token.hasPrefix("<0x"), token.hasSuffix(">") else { return nil }
    return UInt8(token.dropFirst(3).dropLast(), radix: 16)
  }
}
