// Tritsmith: whether numbers are all −a, 0 or +a.

/// Looks at bit patterns of floats in words of 8 bytes: a sign bit above a magnitude, whatever the type.
package enum OneMagnitude {
  /// How wide the numbers are.
  package enum Width: Int, Sendable {
    case bits16 = 2
    case bits32 = 4

    /// The highest bit of each number in a word.
    fileprivate var signs: UInt64 { self == .bits16 ? 0x8000_8000_8000_8000 : 0x8000_0000_8000_0000 }
  }

  /// The one magnitude beside zero of some elements, as its bit pattern; 0 when all are zero, nil when there are several.
  ///
  /// - Parameters:
  ///   - data: little-endian numbers.
  ///   - elements: which of them; they must lie inside.
  package static func find(in data: RawSpan, _ width: Width, _ elements: Range<Int>) -> UInt32? {
    let bytes = width.rawValue
    precondition(elements.lowerBound >= 0 && elements.upperBound <= data.byteCount / bytes, "elements inside the data")
    let (signs, below) = (width.signs, ~width.signs)
    let perWord = 8 / bytes
    let words = elements.count / perWord
    let first = elements.lowerBound * bytes
    let rest = elements.lowerBound + words * perWord..<elements.upperBound
    // Where all that are not zero are one number, that number is all of them joined bit by bit.
    var union: UInt64 = 0
    for index in 0..<words { union |= word(data, first &+ 8 &* index) }
    for index in rest { union |= number(data, index, width) }
    union = (union | union >> 32) & 0x7FFF_FFFF
    if width == .bits16 { union = (union | union >> 16) & 0x7FFF }
    let everywhere = union &* (width == .bits16 ? 0x0001_0001_0001_0001 : 0x0000_0001_0000_0001)
    // A magnitude that is not 0 carries into its sign bit; another is found where one is neither 0 nor `union`.
    var others: UInt64 = 0
    for index in 0..<words {
      let magnitudes = word(data, first &+ 8 &* index) & below
      others |= (magnitudes &+ below) & ((magnitudes ^ everywhere) &+ below)
    }
    // Above a single number the word is 0, which is no other magnitude.
    for index in rest {
      let magnitude = number(data, index, width) & below
      others |= (magnitude &+ below) & ((magnitude ^ everywhere) &+ below)
    }
    return others & signs == 0 ? UInt32(truncatingIfNeeded: union) : nil
  }

  @inline(__always)
  private static func word(_ data: RawSpan, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: data.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  private static func number(_ data: RawSpan, _ index: Int, _ width: Width) -> UInt64 {
    switch width {
    case .bits16:
      UInt64(UInt16(littleEndian: data.unsafeLoadUnaligned(fromUncheckedByteOffset: 2 &* index, as: UInt16.self)))
    case .bits32:
      UInt64(UInt32(littleEndian: data.unsafeLoadUnaligned(fromUncheckedByteOffset: 4 &* index, as: UInt32.self)))
    }
  }
}
