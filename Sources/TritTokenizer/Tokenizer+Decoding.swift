// Tritsmith: from ids to text.

import TritCore

extension Tokenizer {
  /// The text of ids; ill-formed UTF-8 becomes U+FFFD, as the library and Unicode recommend.
  /// - Throws: when an id has no token.
  public func decode(_ ids: [Int], skipSpecialTokens: Bool = false) throws(TokenizerError) -> String {
    guard case .pieces(let decoder) = detokenizer else {
      return String(decoding: try decodedBytes(of: ids, skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
    }
    var joiner = PieceJoiner(decoder)
    var bytes: [UInt8] = []
    for id in ids { bytes += try join(id, skipSpecialTokens: skipSpecialTokens, to: &joiner, decoder) }
    return String(decoding: bytes + joiner.finish(), as: UTF8.self)
  }

  /// What is certain of a text with its next token.
  func join(
    _ id: Int, skipSpecialTokens: Bool, to joiner: inout PieceJoiner, _ decoder: PieceDecoder
  ) throws(TokenizerError) -> [UInt8] {
    guard vocabulary.contains(id) else { throw TokenizerError(.idOutsideVocabulary(id)) }
    if skipSpecialTokens, isSpecial[id] { return [] }
    if let unknownSurface, unknownSurface.id == id { return joiner.appendWhole(unknownSurface.bytes) }
    if joiner.wantsFirstToken, !isByteToken[id] {
      return joiner.append(decoder.bytes(ofFirst: vocabulary.token(id) ?? "")[...], isByte: false)
    }
    return joiner.append(decodedBytes[decodedBounds[id]..<decodedBounds[id + 1]], isByte: isByteToken[id])
  }

  /// The bytes of ids one after the other, without what a decoder does where they meet or begin. They need not be UTF-8 where ids were cut out of a text.
  public func decodedBytes(of ids: [Int], skipSpecialTokens: Bool = false) throws(TokenizerError) -> [UInt8] {
    var bytes: [UInt8] = []
    for id in ids {
      guard vocabulary.contains(id) else { throw TokenizerError(.idOutsideVocabulary(id)) }
      if skipSpecialTokens, isSpecial[id] { continue }
      bytes.append(contentsOf: decodedBytes[decodedBounds[id]..<decodedBounds[id + 1]])
    }
    return bytes
  }

  /// A decoder for ids that arrive one by one.
  public func streamingDecoder(skipSpecialTokens: Bool = true) -> StreamingDecoder {
    StreamingDecoder(tokenizer: self, skipSpecialTokens: skipSpecialTokens)
  }
}

/// Turns ids into text as they are generated, holding back bytes until they complete a character.
///
/// All pieces together, with that of `finish()`, are what `decode` gives for all ids.
public struct StreamingDecoder: Sendable {
  let tokenizer: Tokenizer
  let skipSpecialTokens: Bool
  private var pending: [UInt8] = []
  /// For tokens spelled as text, with their decoder.
  private var pieces: (joiner: PieceJoiner, decoder: PieceDecoder)?

  init(tokenizer: Tokenizer, skipSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipSpecialTokens = skipSpecialTokens
    if case .pieces(let decoder) = tokenizer.detokenizer { pieces = (PieceJoiner(decoder), decoder) }
  }

  /// Takes the next id; the text that is complete with it, often empty.
  public mutating func append(_ id: Int) throws(TokenizerError) -> String {
    if let (current, decoder) = pieces {
      var joiner = current
      let bytes = try tokenizer.join(id, skipSpecialTokens: skipSpecialTokens, to: &joiner, decoder)
      pieces = (joiner, decoder)
      return String(decoding: bytes, as: UTF8.self)
    }
    pending += try tokenizer.decodedBytes(of: [id], skipSpecialTokens: skipSpecialTokens)
    let complete = pending.count - UTF8Coding.unfinishedTail(of: pending)
    defer { pending.removeFirst(complete) }
    return String(decoding: pending[..<complete], as: UTF8.self)
  }

  /// The rest, with U+FFFD for a character that was never completed.
  public mutating func finish() -> String {
    defer { pending = [] }
    if let rest = pieces?.joiner.finish() { return String(decoding: rest, as: UTF8.self) }
    return String(decoding: pending, as: UTF8.self)
  }
}
