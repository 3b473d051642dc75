// Tritsmith: from text to ids.

import TritCore

/// Memory an encoding call works in.
struct EncodingWorkspace: Sendable {
  var words = BytePairModel.Workspace()
  var matchers: [PatternMatcher] = []
  var cache = WordCache()

  /// Lets go of what a long text needed: workspaces stay as long as the tokenizer.
  mutating func shrink() {
    let limit = 1 << 18
    if words.symbols.capacity > limit { words = BytePairModel.Workspace() }
  }
}

/// The ids of words met before.
struct WordCache: Sendable {
  private var table = ByteStringTable()
  private var bounds: [UInt32] = [0]
  private var ids: [Int32] = []
  /// Longer words are rare, and repeat rarely.
  private static let wordLimit = 128
  /// Bytes it may take, about: a word costs some 40 beside its own and those of its ids.
  private static let byteLimit = 4 << 20

  private var size: Int { table.byteCount + 4 * ids.count + 40 * table.count }

  static func holds(wordOf length: Int) -> Bool { length <= wordLimit }

  @inline(__always)
  func hash(_ range: Range<Int>, in text: [UInt8]) -> UInt64 { table.hash(range, in: text) }

  /// Appends the ids of a word and says true, if it is known.
  @inline(__always)
  func append(_ range: Range<Int>, of text: [UInt8], hash: UInt64, to output: inout [Int]) -> Bool {
    guard let index = table.index(of: range, in: text, hash: hash) else { return false }
    for position in Int(bounds[index])..<Int(bounds[index + 1]) { output.append(Int(ids[position])) }
    return true
  }

  /// Remembers a word; starts over when the memory allowed is full.
  mutating func insert(_ range: Range<Int>, of text: [UInt8], hash: UInt64, _ symbols: [Int32]) {
    if size > WordCache.byteLimit { self = WordCache() }
    // The multipliers of a table are those of the process, so the hash stays good for a new one.
    guard table.insert(range, of: text, hash: hash) != nil else { return }
    ids.append(contentsOf: symbols)
    bounds.append(UInt32(ids.count))
  }
}

extension Tokenizer {
  /// The ids of a text.
  ///
  /// Added tokens are recognised wherever they are written, special ones too, as the library does by default.
  /// `addSpecialTokens` puts those around the text that the post-processor says, such as a BOS.
  /// What has no token is dropped where the vocabulary has no unknown token, as by the library.
  /// - Throws: a `DiagnosticError`, `malformedInput`, when a pattern takes absurdly long on the text.
  public func encode(_ text: String, addSpecialTokens: Bool = true) throws -> [Int] {
    try encodeValid(Array(text.utf8), addSpecialTokens: addSpecialTokens)
  }

  /// The ids of a text in UTF-8; bytes that are not UTF-8 are an error with their offset, never replaced.
  package func encode(utf8 bytes: [UInt8], addSpecialTokens: Bool = true) throws(TokenizerError) -> [Int] {
    if let offset = WellFormedUTF8.firstInvalid(in: bytes) {
      throw TokenizerError(.invalidUTF8, byteOffset: UInt64(offset))
    }
    return try encodeValid(bytes, addSpecialTokens: addSpecialTokens)
  }

  private func encodeValid(_ bytes: [UInt8], addSpecialTokens: Bool) throws(TokenizerError) -> [Int] {
    var workspace = workspaces.take()
    var ids = addSpecialTokens ? postProcessor.prefix : []
    // An array that grows by doubling takes three times its size on the way; room that is not written to takes none.
    ids.reserveCapacity(min(bytes.count, bytes.count / 2 + (8 << 20)) + 16)
    for segment in rawTokens.segments(of: 0..<bytes.count, in: bytes) {
      if let id = segment.id {
        ids.append(id)
      } else {
        let piece = Piece(start: segment.start, end: segment.end)
        try encode(piece, isAtStart: segment.start == 0, of: bytes, &workspace, into: &ids)
      }
    }
    if addSpecialTokens { ids += postProcessor.suffix }
    workspace.shrink()
    workspaces.give(workspace)
    return ids
  }

  /// Encodes text between tokens that are looked for in the text as given.
  private func encode(
    _ piece: Piece, isAtStart: Bool, of bytes: [UInt8], _ workspace: inout EncodingWorkspace,
    into ids: inout [Int]
  ) throws(TokenizerError) {
    if normalizer.steps.isEmpty, normalizedTokens.isEmpty {
      return try encodeWords(piece, isAtStart: isAtStart, of: bytes, &workspace, into: &ids)
    }
    let isWhole = piece == Piece(start: 0, end: bytes.count)
    let text = normalizer.normalize(isWhole ? bytes : Array(bytes[piece.start..<piece.end]))
    for segment in normalizedTokens.segments(of: 0..<text.count, in: text) {
      if let id = segment.id {
        ids.append(id)
      } else {
        let piece = Piece(start: segment.start, end: segment.end)
        try encodeWords(piece, isAtStart: isAtStart && piece.start == 0, of: text, &workspace, into: &ids)
      }
    }
  }

  private func encodeWords(
    _ piece: Piece, isAtStart: Bool, of bytes: [UInt8], _ workspace: inout EncodingWorkspace,
    into ids: inout [Int]
  ) throws(TokenizerError) {
    var text = bytes
    let (pieces, step) = try preTokenizer.rewrite(
      piece, isAtStart: isAtStart, of: &text, matchers: &workspace.matchers)
    try encode(pieces, from: step, of: text, &workspace, into: &ids)
  }

  /// Encodes what the steps from one on cut pieces into. The words of a long text never lie in memory together.
  private func encode(
    _ pieces: [Piece], from step: Int, of text: [UInt8], _ workspace: inout EncodingWorkspace,
    into ids: inout [Int]
  ) throws(TokenizerError) {
    guard let step = preTokenizer.cuttingStep(from: step) else {
      for piece in pieces { encodeWords(of: piece, of: text, &workspace, into: &ids) }
      return
    }
    var cursor = Splitter.Cursor()
    var words: [Piece] = []
    while cursor.index < pieces.count {
      words.removeAll(keepingCapacity: true)
      try preTokenizer.cut(pieces, from: &cursor, step: step, of: text, into: &words, &workspace.matchers[step])
      try encode(words, from: step + 1, of: text, &workspace, into: &ids)
    }
  }

  /// Encodes a piece, cut before marks where it may be.
  private func encodeWords(
    of piece: Piece, of text: [UInt8], _ workspace: inout EncodingWorkspace, into ids: inout [Int]
  ) {
    var start = piece.start
    while start < piece.end {
      let end = model.wordMark.map { Tokenizer.wordEnd(from: start, to: piece.end, of: text, before: $0) } ?? piece.end
      encode(start..<end, of: text, &workspace, into: &ids)
      start = end
    }
  }

  private func encode(
    _ word: Range<Int>, of text: [UInt8], _ workspace: inout EncodingWorkspace, into ids: inout [Int]
  ) {
    let isCached = WordCache.holds(wordOf: word.count)
    let hash = isCached ? workspace.cache.hash(word, in: text) : 0
    if isCached, workspace.cache.append(word, of: text, hash: hash, to: &ids) { return }
    model.encode(word, of: text, workspace: &workspace.words)
    for symbol in workspace.words.symbols { ids.append(Int(symbol)) }
    if isCached { workspace.cache.insert(word, of: text, hash: hash, workspace.words.symbols) }
  }

  /// Where a word ends: at the first mark that follows another character.
  private static func wordEnd(from start: Int, to end: Int, of text: [UInt8], before mark: [UInt8]) -> Int {
    var markEnd = start
    var position = start
    while position < end {
      guard text[position] == mark[0], text[position..<end].starts(with: mark) else {
        position += 1
        continue
      }
      if position > markEnd { return position }
      position += mark.count
      markEnd = position
    }
    return end
  }
}
