// Tritsmith: from ids to text.

import TritCore

extension Tokenizer {
  /// The text of ids; ill-formed UTF-8 becomes U+FFFD, as the library and Unicode recommend.
  /// - Throws: when an id has no token.
  public func decode(_ ids: [Int], skipSpecialTokens: Bool = false) throws(TokenizerError) -> String {
    String(decoding: try decodedBytes(of: ids, skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
  }

  /// The bytes of ids, which need not be UTF-8 where ids were cut out of a text.
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

  /// Reads the decoder section: byte-level tokens are joined as bytes.
  static func checkDecoder(_ reader: FieldReader?) throws(TokenizerError) {
    guard let reader else {
      throw TokenizerError(.unsupported("a tokenizer without decoder (not byte-level)"), field: "decoder")
    }
    let type = try reader.requiredString("type")
    switch type {
    case "ByteLevel": try reader.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
    case "Sequence":
      try reader.allow(["type", "decoders"])
      let decoders = try reader.readers("decoders")
      guard decoders.count == 1, let only = decoders.first else {
        throw reader.error(.unsupported("a sequence of \(decoders.count) decoders"), at: "decoders")
      }
      try checkDecoder(only)
    default: throw reader.error(.unsupported("decoder '\(printable(type))'"), at: "type")
    }
  }
}

/// Turns ids into text as they are generated, holding back bytes until they complete a character.
///
/// All pieces together, with that of `finish()`, are what `decode` gives for all ids.
public struct StreamingDecoder: Sendable {
  let tokenizer: Tokenizer
  let skipSpecialTokens: Bool
  private var pending: [UInt8] = []

  init(tokenizer: Tokenizer, skipSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipSpecialTokens = skipSpecialTokens
  }

  /// Takes the next id; the text that is complete with it, often empty.
  public mutating func append(_ id: Int) throws(TokenizerError) -> String {
    pending += try tokenizer.decodedBytes(of: [id], skipSpecialTokens: skipSpecialTokens)
    let complete = pending.count - UTF8Coding.unfinishedTail(of: pending)
    defer { pending.removeFirst(complete) }
    return String(decoding: pending[..<complete], as: UTF8.self)
  }

  /// The rest, with U+FFFD for a character that was never completed.
  public mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }
}
