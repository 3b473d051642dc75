// Tritsmith: whether numbers are all −a, 0 or +a.

/// Looks at bit patterns of floats: a sign bit above a magnitude, whatever the type.
package enum OneMagnitude {
  /// How wide the numbers are.
  package enum Width: Int, Sendable {
    case bits16 = 2
    case bits32 = 4
  }

  /// The one magnitude beside zero of some elements, as its bit pattern; 0 when all are zero, nil when there are several.
  ///
  /// - Parameters:
  ///   - data: little-endian numbers.
  ///   - elements: which of them; they must lie inside.
  package static func find(in data: RawSpan, _ width: Width, _ elements: Range<Int>) -> UInt32? {
    check(elements, data, width)
    return found(data, width, elements.lowerBound, elements.count)
  }

  /// The one magnitude of each run of so many elements; the last run may be shorter.
  ///
  /// Matrices have millions of runs: what holds for all of them is worked out once.
  ///
  /// - Returns: false when a run has several, and the magnitudes of those in front of it.
  package static func find(
    in data: RawSpan, _ width: Width, _ elements: Range<Int>, runsOf size: Int, _ add: (UInt32) -> Void
  ) -> Bool {
    precondition(size > 0, "runs that are not empty")
    check(elements, data, width)
    var start = elements.lowerBound
    while start < elements.upperBound {
      let count = min(size, elements.upperBound - start)
      guard let magnitude = found(data, width, start, count) else { return false }
      add(magnitude)
      start += count
    }
    return true
  }

  private static func check(_ elements: Range<Int>, _ data: RawSpan, _ width: Width) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= data.byteCount / width.rawValue, "inside the data")
  }

  private static func found(_ data: RawSpan, _ width: Width, _ start: Int, _ count: Int) -> UInt32? {
    switch width {
    case .bits16: found(data, Int16.self, start, count).map { UInt32(truncatingIfNeeded: $0) }
    case .bits32: found(data, Int32.self, start, count).map { UInt32(truncatingIfNeeded: $0) }
    }
  }

  /// Loops without a way out of them, which compilers make vectors of.
  @inline(__always)
  private static func found<Bits: FixedWidthInteger & SignedInteger & BitwiseCopyable>(
    _ data: RawSpan, _: Bits.Type, _ start: Int, _ count: Int
  ) -> Bits? {
    let width = Bits.bitWidth / 8
    func magnitude(_ index: Int) -> Bits {
      let offset = width &* (start &+ index)
      return Bits(littleEndian: data.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Bits.self)) & Bits.max
    }
    // Where all that are not zero are one number, that number is all of them joined bit by bit.
    var union: Bits = 0
    for index in 0..<count { union |= magnitude(index) }
    // Only of 0 and of that number is the smaller of the number and its difference 0.
    var others: Bits = 0
    for index in 0..<count { others |= min(magnitude(index), magnitude(index) ^ union) }
    return others == 0 ? union : nil
  }
}
