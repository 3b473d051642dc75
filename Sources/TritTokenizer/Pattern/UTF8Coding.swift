// Tritsmith: UTF-8, byte by byte.

import TritCore

/// What the encoder and decoders need to know of UTF-8.
enum UTF8Coding {
  /// The scalar that begins at a position of valid UTF-8, and the position after it.
  @inline(__always)
  static func scalar(at position: Int, in bytes: [UInt8]) -> (value: UInt32, next: Int) {
    let lead = UInt32(bytes[position])
    if lead < 0x80 { return (lead, position + 1) }
    let second = UInt32(bytes[position + 1]) & 0x3F
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | second, position + 2) }
    let third = UInt32(bytes[position + 2]) & 0x3F
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | second << 6 | third, position + 3) }
    let fourth = UInt32(bytes[position + 3]) & 0x3F
    return ((lead & 0x07) << 18 | second << 12 | third << 6 | fourth, position + 4)
  }

  /// Appends the bytes of a scalar.
  @inline(__always)
  static func append(_ value: UInt32, to bytes: inout [UInt8]) {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: value >> shift & 0x3F | 0x80) }
    switch value {
    case 0..<0x80: bytes.append(UInt8(truncatingIfNeeded: value))
    case 0x80..<0x800:
      bytes.append(UInt8(truncatingIfNeeded: value >> 6 | 0xC0))
      bytes.append(tail(0))
    case 0x800..<0x10000:
      bytes.append(UInt8(truncatingIfNeeded: value >> 12 | 0xE0))
      bytes.append(tail(6))
      bytes.append(tail(0))
    default:
      bytes.append(UInt8(truncatingIfNeeded: value >> 18 | 0xF0))
      bytes.append(tail(12))
      bytes.append(tail(6))
      bytes.append(tail(0))
    }
  }

  /// How many bytes at the end begin a sequence that later bytes could still complete: 0 to 3.
  static func unfinishedTail(of bytes: [UInt8]) -> Int {
    for length in 1...3 where length <= bytes.count {
      let start = bytes.count - length
      if bytes[start] & 0xC0 == 0x80 { continue }
      guard let (whole, second) = WellFormedUTF8.sequence(ledBy: bytes[start]), whole > length else { return 0 }
      return length == 1 || second.contains(bytes[start + 1]) ? length : 0
    }
    return 0
  }
}
