// Tritsmith: finding one text in another.

/// The library of Swift that does this brings the whole engine of regular expressions along: a megabyte of the program,
/// none of which is used. `.ci/release` checks that it stays out.
extension StringProtocol {
  /// The first place of a text in this one, byte for byte; the start for an empty one, nil where there is none.
  package func firstRange(ofText text: String) -> Range<Index>? {
    let (own, wanted) = (utf8, text.utf8)
    guard let first = wanted.first else { return startIndex..<startIndex }
    var rest = own[...]
    while let found = rest.firstIndex(of: first) {
      // Both are whole scalars: a place that begins like one ends like one.
      if own[found...].starts(with: wanted) { return found..<own.index(found, offsetBy: wanted.count) }
      rest = own[own.index(after: found)...]
    }
    return nil
  }

  /// Whether a text is in this one, byte for byte.
  package func contains(text: String) -> Bool { firstRange(ofText: text) != nil }

  /// All places of a text that is not empty, from front to back; none overlaps another.
  package func ranges(ofText text: String) -> [Range<Index>] {
    guard !text.isEmpty else { return [] }
    var result: [Range<Index>] = []
    var start = startIndex
    while let range = self[start...].firstRange(ofText: text) {
      result.append(range)
      start = range.upperBound
    }
    return result
  }

  /// What stands between the places of a text, also where that is empty.
  package func parts(between text: String) -> [SubSequence] {
    let ranges = ranges(ofText: text)
    let starts = [startIndex] + ranges.map(\.upperBound)
    return zip(starts, ranges.map(\.lowerBound) + [endIndex]).map { self[$0..<$1] }
  }

  /// With another text at each place of one.
  package func replacing(text: String, with other: String) -> String {
    parts(between: text).joined(separator: other)
  }
}
