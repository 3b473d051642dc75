// Tritsmith: finding one text in another.

/// The library of Swift that does this brings the whole engine of regular expressions along: a megabyte of the program,
/// none of which is used. `.ci/release` checks that it stays out.
extension StringProtocol {
  /// The first place of a text in this one, byte for byte; the start for an empty one, nil where there is none.
  package func firstRange(ofText text: String) -> Range<Index>? {
    let own = utf8
    // Both are whole scalars: a place that begins like one ends like one.
    guard let offset = firstPlace(of: text, in: own) else { return nil }
    let start = own.index(own.startIndex, offsetBy: offset)
    return start..<own.index(start, offsetBy: text.utf8.count)
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

extension String {
  /// The same for a whole text: generic code looks its types up at each call, which takes longer than a name.
  package func contains(text: String) -> Bool { firstPlace(of: text, in: utf8) != nil }
}

@inline(__always)
private func firstPlace(of text: String, in own: some Collection<UInt8>) -> Int? {
  withBytes(own) { own in withBytes(text.utf8) { firstPlace(of: $0, in: own) } }
}

/// Gives `body` the bytes of a text, where they are if they lie side by side.
private func withBytes<Result>(
  _ bytes: some Collection<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Result
) -> Result {
  bytes.withContiguousStorageIfAvailable(body) ?? Array(bytes).withUnsafeBufferPointer(body)
}

/// Plain loops over bytes: through the views of a text, names of 360 tensors took a third of `inspect`'s time.
private func firstPlace(of wanted: UnsafeBufferPointer<UInt8>, in own: UnsafeBufferPointer<UInt8>) -> Int? {
  guard let first = wanted.first else { return 0 }
  var place = 0
  while place + wanted.count <= own.count {
    if own[place] == first {
      var length = 1
      while length < wanted.count, own[place + length] == wanted[length] { length += 1 }
      if length == wanted.count { return place }
    }
    place += 1
  }
  return nil
}
