// Tritsmith: merges of a vocabulary that has scores for them.

import TritCore

/// Every pair of pieces that together are a piece, ranked by that piece's score.
///
/// SentencePiece merges whatever two neighbours make a piece, the highest score first, the leftmost among equals.
package struct ScoredMerges: Sendable {
  private let pieces: [SentencePieceModel.Piece]
  private let file: String
  private var table = ByteStringTable()
  /// Index of a piece by its place in the table.
  private var indices: [Int] = []
  /// Whether a normal piece has so many bytes: without a look at them, most places a long piece is cut at lead to none.
  private var isLength: [Bool]

  package init(_ pieces: [SentencePieceModel.Piece], file: String) throws(TokenizerError) {
    self.pieces = pieces
    self.file = file
    isLength = Array(repeating: false, count: 1 + (pieces.map(\.text.utf8.count).max() ?? 0))
    for (index, piece) in pieces.enumerated() {
      if piece.type == .normal { isLength[piece.text.utf8.count] = true }
      guard table.insert(Array(piece.text.utf8)) != nil else {
        throw TokenizerError(.duplicateKey(piece.text), file: file, field: "pieces[\(index)]")
      }
      indices.append(index)
    }
  }

  /// Merges as pairs, and the rank of each; merges of one score have one rank.
  ///
  /// Within a rank longer left parts come first, the order in which transformers writes them.
  package func list() throws(TokenizerError) -> (merges: [JSONValue], ranks: [Int]) {
    var found: [(piece: Int, split: Int)] = []
    var byteCount = 0
    let limits = mergeLimits
    for (index, piece) in pieces.enumerated() where piece.type == .normal {
      let bytes = Array(piece.text.utf8)
      for split in 1..<max(1, bytes.count) where bytes[split] & 0xC0 != 0x80 {
        guard isLength[split], isLength[bytes.count - split] else { continue }
        if isNormal(0..<split, of: bytes), isNormal(split..<bytes.count, of: bytes) {
          found.append((index, split))
          byteCount += bytes.count
        }
      }
      guard found.count <= limits.count else {
        throw TokenizerError(.tooLarge(what: "number of merges", found: found.count, limit: limits.count), file: file)
      }
      guard byteCount <= limits.bytes else {
        throw TokenizerError(.tooLarge(what: "bytes of merges", found: byteCount, limit: limits.bytes), file: file)
      }
    }
    found.sort {
      let (one, two) = (pieces[$0.piece].score, pieces[$1.piece].score)
      return one != two ? one > two : $0.split != $1.split ? $0.split > $1.split : $0.piece < $1.piece
    }
    var merges: [JSONValue] = []
    var ranks: [Int] = []
    merges.reserveCapacity(found.count)
    for (index, merge) in found.enumerated() {
      let bytes = pieces[merge.piece].text.utf8
      let left = String(decoding: bytes.prefix(merge.split), as: UTF8.self)
      let right = String(decoding: bytes.dropFirst(merge.split), as: UTF8.self)
      merges.append(.array([.string(left), .string(right)]))
      let isSame = index > 0 && pieces[found[index - 1].piece].score == pieces[merge.piece].score
      ranks.append(isSame ? ranks[index - 1] : (ranks.last ?? -1) + 1)
    }
    return (merges, ranks)
  }

  /// Merges that pieces may have, and their bytes. Llama 2's 32,000 pieces have 61,000, Gemma's 262,000 have 580,000; of
  /// pieces made for it 1 MB has a million, of hundreds of bytes each.
  private var mergeLimits: (count: Int, bytes: Int) {
    (min(Vocabulary.idLimit, 1 << 16 + 4 * pieces.count), 1 << 22 + 8 * table.byteCount)
  }

  /// Two pieces of one score that merges lead to: a list of merges cannot say that the leftmost is made first.
  ///
  /// Runs of marks may share a score, as Llama 2's do: from scores and from the list alike each grows from its left, by one
  /// mark at a time.
  package func tie() throws(TokenizerError) -> (String, String)? {
    let (merges, ranks) = try list()
    let growsByOne = runsGrowByOne
    func joined(_ merge: JSONValue) -> String { (merge.array ?? []).compactMap(\.string).joined() }
    for index in merges.indices.dropFirst() where ranks[index] == ranks[index - 1] {
      let (one, two) = (joined(merges[index - 1]), joined(merges[index]))
      if growsByOne, ScoredMerges.isRun(one), ScoredMerges.isRun(two) { continue }
      if ExactString(one) != ExactString(two) { return (one, two) }
    }
    return nil
  }

  private static func isRun(_ text: String) -> Bool { text.unicodeScalars.allSatisfy { $0 == Metaspace.mark } }

  /// Whether there is a run of marks of each length up to the longest, those of two and more have one score, and no other
  /// piece holds a run, so that nothing else is made of one.
  private var runsGrowByOne: Bool {
    var scores: [Int: Float] = [:]
    for piece in pieces where piece.type == .normal {
      let scalars = piece.text.unicodeScalars
      if ScoredMerges.isRun(piece.text) {
        scores[scalars.count] = piece.score
      } else if scalars.dropFirst().contains(Metaspace.mark) {
        return false
      }
    }
    return (1...max(1, scores.count)).allSatisfy { scores[$0] != nil && ($0 == 1 || scores[$0] == scores[2]) }
  }

  private func isNormal(_ range: Range<Int>, of bytes: [UInt8]) -> Bool {
    guard let place = table.index(of: range, in: bytes, hash: table.hash(range, in: bytes)) else { return false }
    return pieces[indices[place]].type == .normal
  }
}
