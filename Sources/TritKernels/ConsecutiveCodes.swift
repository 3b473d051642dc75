// Tritsmith: four consecutive trits in a byte.

import TritCore

extension Kernels {
  /// Bytes of consecutive trits, 2 bits each, first trit lowest: code = trit + 1.
  ///
  /// Four trits at a time in a word of 32 bits: compilers make vectors of such a loop.
  ///
  /// - Parameters:
  ///   - first: of the trits; 4 × `range.count` are packed.
  ///   - range: of the bytes they become.
  package func packQuads(
    from trits: Span<Int8>, at first: Int, into bytes: inout MutableSpan<UInt8>, _ range: Range<Int>
  ) {
    precondition(first >= 0 && first + 4 * range.count <= trits.count, "trits inside the buffer")
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "output inside the buffer")
    let data = trits.bytes
    for index in 0..<range.count {
      let word = UInt32(
        littleEndian: data.unsafeLoadUnaligned(fromUncheckedByteOffset: first &+ 4 &* index, as: UInt32.self))
      // −1, 0 and 1 are 3, 0 and 1 in their lowest bits; one more is 0, 1 and 2 there.
      let codes = ((word & 0x0303_0303) &+ 0x0101_0101) & 0x0303_0303
      let nibbles = codes | codes >> 6
      bytes[unchecked: range.lowerBound &+ index] = UInt8(truncatingIfNeeded: nibbles | nibbles >> 12)
    }
  }

  /// Consecutive trits of bytes, put at `start`. Returns how many codes were 3, which no packer writes; they read as 2.
  package func unpackQuads(_ bytes: RawSpan, into trits: inout MutableSpan<Int8>, at start: Int) -> Int {
    precondition(bytes.byteCount % 4 == 0, "bytes are read in fours")
    precondition(start >= 0 && start + 4 * bytes.byteCount <= trits.count, "output inside the buffer")
    return bytes.withUnsafeBytes { bytes in
      trits.withUnsafeMutableBufferPointer { trits in
        guard let input = bytes.baseAddress, let first = trits.baseAddress else { return 0 }
        let output = UnsafeMutableRawPointer(first + start)
        var seen = SIMD4<UInt32>.zero
        for place in stride(from: 0, to: bytes.count, by: 4) {
          // A byte becomes a word, and its four codes the lowest bits of the bytes of that. What overlaps is masked off;
          // of shifts without overlap compilers make multiplications, which baseline x86-64 has not.
          let words = SIMD4<UInt32>(
            truncatingIfNeeded: input.loadUnaligned(fromByteOffset: place, as: SIMD4<UInt8>.self))
          let pairs = words | words &<< 6
          let codes = (pairs | pairs &<< 12) & 0x0303_0303
          seen |= codes & codes &>> 1
          output.storeBytes(
            of: unsafeBitCast(codes, to: SIMD16<UInt8>.self) &- 1, toByteOffset: 4 &* place, as: SIMD16<UInt8>.self)
        }
        // Threes are seldom there: they are counted apart.
        guard seen & 0x0101_0101 != .zero else { return 0 }
        return trits[start..<start + 4 * bytes.count].count { $0 == 2 }
      }
    }
  }
}
