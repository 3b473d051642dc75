// Tritsmith: the model section of tokenizer.json.

import TritCore

/// What the model section says beside the vocabulary.
struct LoadedModel {
  var model: BytePairModel
  var mergeCount: Int
}

extension Vocabulary {
  /// The model's own tokens.
  init(model reader: FieldReader) throws(TokenizerError) {
    let (place, count, members) = try reader.members("vocab")
    // Added tokens come behind; an array that is full would double for them.
    self.init(minimumCapacity: count + 1024)
    let limit = Vocabulary.idLimit(tokens: count)
    for entry in members {
      guard let number = entry.value.number else { throw place.wrongType(entry.value, "a token id", entry.key) }
      guard let id = number.unsigned, id < limit else {
        throw place.error(.invalidID(found: number.text, limit: limit), at: entry.key)
      }
      if let problem = add(entry.key, id: Int(clamping: id)) { throw reader.error(problem, at: "vocab") }
    }
  }
}

extension LoadedModel {
  /// Checks the kind of model before anything else, so that another kind is named rather than complained about.
  static func checkType(_ reader: FieldReader) throws(TokenizerError) {
    let type = try reader.requiredString("type")
    guard type == "BPE" else { throw reader.error(.unsupportedModelType(type), at: "type") }
    try reader.allow([
      "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
      "ignore_merges", "vocab", "merges",
    ])
    if let dropout = reader.value("dropout"), dropout.number?.double != 0 {
      throw reader.error(.unsupported("dropout"), at: "dropout")
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = try reader.string(key), !affix.utf8.isEmpty { throw reader.error(.unsupported(key), at: key) }
    }
  }

  /// - Parameters:
  ///   - isByteLevel: whether words are spelled in stand-ins for bytes.
  ///   - ranks: the merges' ranks, where they are not their places.
  init(_ reader: FieldReader, _ vocabulary: Vocabulary, isByteLevel: Bool, ranks: [Int]?) throws(TokenizerError) {
    model = try LoadedModel.modelWithoutMerges(reader, vocabulary, isByteLevel: isByteLevel)
    let (count, merges) = try reader.elements("merges") ?? (0, AnyIterator { nil })
    mergeCount = count
    guard count <= Vocabulary.idLimit else {
      throw reader.error(.tooLarge(what: "number of merges", found: count, limit: Vocabulary.idLimit), at: "merges")
    }
    model.merges = PairTable(minimumCapacity: count)
    var buffer: [UInt8] = []
    var rank = 0
    let mark = Array(String(Metaspace.mark).utf8)
    var crossesMarks = isByteLevel || model.wholeWords != nil
    for (index, merge) in merges.enumerated() {
      buffer.removeAll(keepingCapacity: true)
      guard let split = try LoadedModel.parts(of: merge, index, reader, &buffer) else { continue }
      func id(_ range: Range<Int>) throws(TokenizerError) -> Int32 {
        if let id = vocabulary.id(of: range, in: buffer) { return id }
        let token = String(decoding: buffer[range], as: UTF8.self)
        throw reader.error(.mergeOfUnknownToken(rank: index, token: token), at: "merges")
      }
      if !crossesMarks { crossesMarks = LoadedModel.holdsMarkInside(buffer, mark) }
      let key = PairTable.key(try id(0..<split), try id(split..<buffer.count))
      // A pair that stands twice takes its later rank, as in the library.
      let place = ranks.map { $0[min(rank, $0.count - 1)] } ?? rank
      model.merges.set(key, to: UInt64(place) << 32 | UInt64(UInt32(bitPattern: try id(0..<buffer.count))))
      rank += 1
    }
    if !crossesMarks, case .characters(let alphabet) = model.alphabet, alphabet.id(of: Metaspace.mark.value) >= 0 {
      // Where a character is dropped, marks on both sides of it meet.
      let dropsNothing = model.unknownID != nil || alphabet.byteTokens?.allSatisfy { $0 >= 0 } == true
      if dropsNothing { model.wordMark = mark }
    }
  }

  private static func modelWithoutMerges(
    _ reader: FieldReader, _ vocabulary: Vocabulary, isByteLevel: Bool
  ) throws(TokenizerError) -> BytePairModel {
    let fallsBack = try reader.bool("byte_fallback") ?? false
    if isByteLevel, fallsBack {
      throw reader.error(.unsupported("byte_fallback beside a ByteLevel pre-tokenizer"), at: "byte_fallback")
    }
    let alphabet =
      isByteLevel
      ? SymbolAlphabet.bytes(
        ByteAlphabet.scalars.map { value in
          Unicode.Scalar(value).flatMap { vocabulary.id(of: String($0)) }.map { Int32(clamping: $0) } ?? -1
        }) : .characters(CharacterAlphabet(vocabulary, byteFallback: fallsBack))
    var model = BytePairModel(
      alphabet: alphabet, merges: PairTable(), wholeWords: nil, unknownID: nil,
      fusesUnknown: try reader.bool("fuse_unk") ?? false)
    if let unknown = try reader.string("unk_token") {
      guard let id = vocabulary.id(of: unknown) else { throw reader.error(.unknownToken(unknown), at: "unk_token") }
      model.unknownID = Int32(clamping: id)
    }
    if try reader.bool("ignore_merges") ?? false {
      model.wholeWords = LoadedModel.wholeWords(vocabulary, isByteLevel: isByteLevel)
    }
    return model
  }

  /// Whether a mark stands behind another character.
  private static func holdsMarkInside(_ token: [UInt8], _ mark: [UInt8]) -> Bool {
    var isBehindMark = true
    var position = 0
    while position < token.count {
      let isMark = token[position] == mark[0] && token[position...].starts(with: mark)
      if isMark, !isBehindMark { return true }
      isBehindMark = isMark
      position += isMark ? mark.count : 1
    }
    return false
  }

  /// Puts the two tokens of a merge into the buffer, end to end; returns where the second begins, or nil for the
  /// version comment that begins a `merges.txt` and is found in some files made from one.
  private static func parts(
    of merge: JSONValue, _ index: Int, _ reader: FieldReader, _ buffer: inout [UInt8]
  ) throws(TokenizerError) -> Int? {
    if let text = merge.string {
      var split: Int?
      for byte in text.utf8 {
        if byte != UInt8(ascii: " ") {
          buffer.append(byte)
        } else if split == nil {
          split = buffer.count
        } else {
          throw reader.error(.malformedMerge(rank: index), at: "merges")
        }
      }
      if text.utf8.starts(with: "#version".utf8) { return nil }
      guard let split else { throw reader.error(.malformedMerge(rank: index), at: "merges") }
      return split
    }
    guard let pair = merge.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string else {
      throw reader.error(.malformedMerge(rank: index), at: "merges")
    }
    buffer.append(contentsOf: left.utf8)
    let split = buffer.count
    buffer.append(contentsOf: right.utf8)
    return split
  }

  /// Every token of the model by the bytes it is spelled for, for `ignore_merges`.
  private static func wholeWords(_ vocabulary: Vocabulary, isByteLevel: Bool) -> (ByteStringTable, [Int32]) {
    var spellings = ByteStringTable()
    var ids: [Int32] = []
    for id in vocabulary.ids {
      guard let token = vocabulary.token(id),
        let bytes = isByteLevel ? ByteAlphabet.decode(token) : Array(token.utf8)
      else { continue }
      if spellings.insert(bytes) != nil { ids.append(Int32(clamping: id)) }
    }
    return (spellings, ids)
  }
}
