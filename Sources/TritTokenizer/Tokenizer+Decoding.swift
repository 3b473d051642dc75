// Tritsmith: from ids to text.

import TritCore

extension Tokenizer {
  /// The text of ids; ill-formed UTF-8 becomes U+FFFD, as the library and Unicode recommend.
  /// - Throws: a `DiagnosticError`, `misuse`, when an id has no token.
  public func decode(_ ids: [Int], skipSpecialTokens: Bool = false) throws -> String {
    guard case .pieces(let decoder) = detokenizer else { return try joined(ids, skipSpecialTokens: skipSpecialTokens) }
    var joiner = PieceJoiner(decoder)
    var text = ""
    var bytes: [UInt8] = []
    for id in ids {
      bytes += try join(id, skipSpecialTokens: skipSpecialTokens, to: &joiner, decoder)
      // What is certain ends with a character.
      guard bytes.count >= 1 << 16 else { continue }
      text += String(decoding: bytes, as: UTF8.self)
      bytes.removeAll(keepingCapacity: true)
    }
    return text + String(decoding: bytes + joiner.finish(), as: UTF8.self)
  }

  /// The text of ids that are spelled in bytes, some thousands at a time: a long text is not held twice.
  private func joined(_ ids: [Int], skipSpecialTokens: Bool) throws(TokenizerError) -> String {
    let part = 4096
    guard ids.count > part else {
      return String(decoding: try decodedBytes(of: ids[...], skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
    }
    var text = ""
    let lengths = ids.lazy.map { vocabulary.contains($0) ? decodedBounds[$0 + 1] - decodedBounds[$0] : 0 }
    text.reserveCapacity(lengths.reduce(0, +))
    var decoder = streamingDecoder(skipSpecialTokens: skipSpecialTokens)
    for start in stride(from: 0, to: ids.count, by: part) {
      text += try decoder.append(ids[start..<min(start + part, ids.count)])
    }
    text += decoder.finish()
    return text
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
  package func decodedBytes(of ids: [Int], skipSpecialTokens: Bool = false) throws(TokenizerError) -> [UInt8] {
    try decodedBytes(of: ids[...], skipSpecialTokens: skipSpecialTokens)
  }

  func decodedBytes(of ids: ArraySlice<Int>, skipSpecialTokens: Bool) throws(TokenizerError) -> [UInt8] {
    var bytes: [UInt8] = []
    for id in ids {
      guard vocabulary.contains(id) else { throw TokenizerError(.idOutsideVocabulary(id)) }
      if skipSpecialTokens, isSpecial[id] { continue }
      bytes.append(contentsOf: decodedBytes[decodedBounds[id]..<decodedBounds[id + 1]])
    }
    return bytes
  }

  /// A decoder for ids that arrive one by one.
  package func streamingDecoder(skipSpecialTokens: Bool = true) -> StreamingDecoder {
    StreamingDecoder(tokenizer: self, skipSpecialTokens: skipSpecialTokens)
  }
}

/// Turns ids into text as they are generated, holding back bytes until they complete a character.
///
/// All pieces together, with that of `finish()`, are what `decode` gives for all ids.
package struct StreamingDecoder: Sendable {
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
  package mutating func append(_ id: Int) throws(TokenizerError) -> String {
    if let (current, decoder) = pieces {
      var joiner = current
      let bytes = try tokenizer.join(id, skipSpecialTokens: skipSpecialTokens, to: &joiner, decoder)
      pieces = (joiner, decoder)
      return String(decoding: bytes, as: UTF8.self)
    }
    return try append([id])
  }

  /// Takes ids that are spelled in bytes.
  fileprivate mutating func append(_ ids: ArraySlice<Int>) throws(TokenizerError) -> String {
    pending += try tokenizer.decodedBytes(of: ids, skipSpecialTokens: skipSpecialTokens)
    let complete = pending.count - UTF8Coding.unfinishedTail(of: pending)
    defer { pending.removeFirst(complete) }
    return String(decoding: pending[..<complete], as: UTF8.self)
  }

  /// The rest, with U+FFFD for a character that was never completed.
  package mutating func finish() -> String {
    defer { pending = [] }
    if let rest = pieces?.joiner.finish() { return String(decoding: rest, as: UTF8.self) }
    return String(decoding: pending, as: UTF8.self)
  }
}
