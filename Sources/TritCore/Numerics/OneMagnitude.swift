// Tritsmith: whether numbers are all −a, 0 or +a.

/// Looks at bit patterns of floats in words of 8 bytes: a sign bit above a magnitude, whatever the type.
package enum OneMagnitude {
  /// The one magnitude beside zero of some elements, as its bit pattern; 0 when all are zero, nil when there are several.
  ///
  /// - Parameters:
  ///   - data: little-endian numbers of the width of `Bits`.
  ///   - elements: which of them; they must lie inside.
  package static func find<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _: Bits.Type, in data: RawSpan, _ elements: Range<Int>
  ) -> Bits? {
    let width = MemoryLayout<Bits>.size
    precondition(elements.lowerBound >= 0 && elements.upperBound <= data.byteCount / width, "elements inside the data")
    // The highest bit of each number in a word, and all bits below.
    let signs = stride(from: 0, to: 8, by: width).reduce(UInt64(0)) { $0 | UInt64(0x80) << (8 * ($1 + width - 1)) }
    let below = ~signs
    let perWord = 8 / width
    let words = elements.count / perWord
    let first = elements.lowerBound * width
    func word(_ index: Int) -> UInt64 {
      UInt64(littleEndian: data.unsafeLoadUnaligned(fromUncheckedByteOffset: first &+ 8 &* index, as: UInt64.self))
        & below
    }
    func last(_ index: Int) -> UInt64 {
      UInt64(Bits(littleEndian: data.unsafeLoadUnaligned(fromUncheckedByteOffset: index &* width, as: Bits.self)))
        & below
    }
    let rest = elements.lowerBound + words * perWord..<elements.upperBound
    // Where all that are not zero are one number, that number is all of them joined bit by bit.
    var union: UInt64 = 0
    for index in 0..<words { union |= word(index) }
    for index in rest { union |= last(index) }
    let one = stride(from: 0, to: 8, by: width).reduce(Bits(0)) { $0 | Bits(truncatingIfNeeded: union >> (8 * $1)) }
    let everywhere = stride(from: 0, to: 8, by: width).reduce(UInt64(0)) { $0 | UInt64(one) << (8 * $1) }
    // A magnitude that is not 0 carries into its sign bit; one is found where it is neither 0 nor `one`.
    func others(_ word: UInt64) -> UInt64 { (word &+ below) & ((word ^ everywhere) &+ below) & signs }
    var found: UInt64 = 0
    for index in 0..<words { found |= others(word(index)) }
    // Of a single number the places above are 0, which is no other magnitude.
    for index in rest { found |= others(last(index)) }
    return found == 0 ? one : nil
  }
}
