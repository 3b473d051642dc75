// Tritsmith: bytes for people, and bytes made wrong on purpose.

/// Bytes and hexadecimal text.
package enum Hex {
  /// Lower-case digits without spaces.
  package static func text(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// The bytes of digits; spaces and line ends between them are ignored.
  package static func bytes(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    precondition(digits.count.isMultiple(of: 2), "half a byte in '\(text)'")
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}

/// Ways to damage bytes.
package enum ByteMutator {
  /// The bytes with one bit of one byte turned over.
  package static func flipping(bit: Int, of index: Int, in bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    result[index] ^= 1 << UInt8(bit)
    return result
  }

  /// The bytes with a run of the same length put in their place.
  package static func replacing(at index: Int, with replacement: [UInt8], in bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    result.replaceSubrange(index..<index + replacement.count, with: replacement)
    return result
  }
}

/// Little-endian integers out of bytes, written out so that nothing under test takes part.
package enum LittleEndian {
  package static func u16(_ bytes: [UInt8], at index: Int = 0) -> UInt16 {
    UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8
  }

  package static func u32(_ bytes: [UInt8], at index: Int = 0) -> UInt32 {
    UInt32(u16(bytes, at: index)) | UInt32(u16(bytes, at: index + 2)) << 16
  }

  package static func u64(_ bytes: [UInt8], at index: Int = 0) -> UInt64 {
    UInt64(u32(bytes, at: index)) | UInt64(u32(bytes, at: index + 4)) << 32
  }

  package static func u16s(_ bytes: [UInt8]) -> [UInt16] {
    stride(from: 0, to: bytes.count, by: 2).map { u16(bytes, at: $0) }
  }

  package static func u32s(_ bytes: [UInt8]) -> [UInt32] {
    stride(from: 0, to: bytes.count, by: 4).map { u32(bytes, at: $0) }
  }

  package static func bytes(_ value: UInt16) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8)] }

  package static func bytes(_ value: UInt32) -> [UInt8] {
    bytes(UInt16(value & 0xFFFF)) + bytes(UInt16(value >> 16))
  }

  package static func bytes(_ value: UInt64) -> [UInt8] {
    bytes(UInt32(value & 0xFFFF_FFFF)) + bytes(UInt32(value >> 32))
  }
}
