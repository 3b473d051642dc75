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
    precondition(bytes.byteCount % 2 == 0, "bytes are read in pairs")
    precondition(start >= 0 && start + 4 * bytes.byteCount <= trits.count, "output inside the buffer")
    return bytes.withUnsafeBytes { bytes in
      trits.withUnsafeMutableBufferPointer { trits in
        guard let input = bytes.baseAddress, let first = trits.baseAddress else { return 0 }
        let output = UnsafeMutableRawPointer(first + start)
        var invalid = 0
        for pair in 0..<bytes.count / 2 {
          let value = UInt64(UInt16(littleEndian: input.loadUnaligned(fromByteOffset: 2 &* pair, as: UInt16.self)))
          let joined = value & 0xFF | (value & 0xFF00) << 24
          let nibbles = (joined | joined << 12) & 0x000F_000F_000F_000F
          let codes = (nibbles | nibbles << 6) & 0x0303_0303_0303_0303
          // Seldom there, and counting bits takes long where no instruction does it.
          let threes = codes & codes >> 1 & 0x0101_0101_0101_0101
          if threes != 0 { invalid &+= threes.nonzeroBitCount }
          // The highest bit keeps the subtraction of 1 inside its byte.
          let less = ((codes | 0x8080_8080_8080_8080) &- 0x0101_0101_0101_0101) ^ 0x8080_8080_8080_8080
          output.storeBytes(of: less.littleEndian, toByteOffset: 8 &* pair, as: UInt64.self)
        }
        return invalid
      }
    }
  }
}
