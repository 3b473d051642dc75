// Tritsmith: tokens that are found in the text before it is cut into words.

/// A token beside the model's vocabulary, matched in the text as it is written.
package struct AddedToken: Sendable, Equatable {
  /// Its id.
  package var id: Int
  /// The text it matches.
  package var content: String
  /// Whether it matches only where no word character touches it.
  package var isSingleWord: Bool
  /// Whether it swallows the white space before it.
  package var stripsLeft: Bool
  /// Whether it swallows the white space behind it.
  package var stripsRight: Bool
  /// Whether it is looked for in the normalized text.
  package var isNormalized: Bool
  /// Whether it steers the model rather than standing for text; decoding can leave such tokens out.
  package var isSpecial: Bool
}

/// Finds added tokens: leftmost first, the longest where several begin.
struct AddedTokenMatcher: Sendable {
  /// Text between tokens, or a token.
  struct Segment: Sendable, Equatable {
    var start: Int
    var end: Int
    /// Id of the token; nil for text.
    var id: Int?
  }

  private let tokens: [AddedToken]
  /// A tree of bytes: `PairTable.key(node, byte)` to the next node.
  private var edges = PairTable()
  /// Index of the token that ends at each node, or -1.
  private var ends: [Int32] = [-1]
  /// Whether a token begins with each byte.
  private var begins = [Bool](repeating: false, count: 256)
  private let spaces = ScalarSet(items: [.whiteSpace(true)], unicode: .rust)
  private let words = ScalarSet(items: [.word], unicode: .rust)

  var isEmpty: Bool { tokens.isEmpty }

  /// Looks for the tokens' contents as `spelling` rewrites them; of two with one spelling the first counts.
  init(_ tokens: [AddedToken], spelling: (AddedToken) -> [UInt8]) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() {
      let bytes = spelling(token)
      guard let lead = bytes.first else { continue }
      begins[Int(lead)] = true
      var node: Int32 = 0
      for byte in bytes {
        let key = PairTable.key(node, Int32(byte))
        if let next = edges[key] {
          node = Int32(truncatingIfNeeded: next)
        } else {
          node = Int32(ends.count)
          ends.append(-1)
          edges.set(key, to: UInt64(node))
        }
      }
      if ends[Int(node)] < 0 { ends[Int(node)] = Int32(index) }
    }
  }

  /// Cuts a range of valid UTF-8 into tokens and the text between them.
  ///
  /// The details follow the library: a match that is no single word is passed over as a whole, and one that strips to
  /// the right does not hide tokens inside the white space it takes.
  func segments(of range: Range<Int>, in text: [UInt8]) -> [Segment] {
    var result: [Segment] = []
    var done = range.lowerBound
    var position = range.lowerBound
    while position < range.upperBound {
      guard begins[Int(text[position])], let (token, matchEnd) = longestMatch(at: position, range.upperBound, text)
      else {
        position += 1
        continue
      }
      var start = position
      var end = matchEnd
      position = matchEnd
      if token.isSingleWord, touchesWord(start, end, range, text) { continue }
      if token.stripsLeft {
        while start > range.lowerBound {
          let before = UTF8Text(bytes: text).before(start)
          guard spaces.contains(UTF8Coding.scalar(at: before, in: text).value) else { break }
          start = before
        }
        start = max(start, done)
      }
      if token.stripsRight {
        while end < range.upperBound {
          let (value, next) = UTF8Coding.scalar(at: end, in: text)
          guard spaces.contains(value) else { break }
          end = next
        }
      }
      if done < start { result.append(Segment(start: done, end: start)) }
      result.append(Segment(start: start, end: end, id: token.id))
      done = end
    }
    if done < range.upperBound { result.append(Segment(start: done, end: range.upperBound)) }
    return result
  }

  private func longestMatch(at start: Int, _ limit: Int, _ text: [UInt8]) -> (AddedToken, end: Int)? {
    var node: Int32 = 0
    var found: (AddedToken, Int)?
    var position = start
    while position < limit, let next = edges[PairTable.key(node, Int32(text[position]))] {
      node = Int32(truncatingIfNeeded: next)
      position += 1
      if ends[Int(node)] >= 0 { found = (tokens[Int(ends[Int(node)])], position) }
    }
    return found
  }

  private func touchesWord(_ start: Int, _ end: Int, _ range: Range<Int>, _ text: [UInt8]) -> Bool {
    if start > range.lowerBound {
      let before = UTF8Text(bytes: text).before(start)
      if words.contains(UTF8Coding.scalar(at: before, in: text).value) { return true }
    }
    return end < range.upperBound && words.contains(UTF8Coding.scalar(at: end, in: text).value)
  }
}
