// Tritsmith: which bytes are UTF-8.

/// Well-formed UTF-8, as table 3-7 of the Unicode standard has it.
package enum WellFormedUTF8 {
  /// The bytes that may follow a lead byte, and the length of its sequence; nil when it leads none.
  package static func sequence(ledBy lead: UInt8) -> (length: Int, second: ClosedRange<UInt8>)? {
    switch lead {
    case 0x00...0x7F: (1, 0x80...0xBF)
    case 0xC2...0xDF: (2, 0x80...0xBF)
    case 0xE0: (3, 0xA0...0xBF)
    case 0xE1...0xEC, 0xEE...0xEF: (3, 0x80...0xBF)
    case 0xED: (3, 0x80...0x9F)
    case 0xF0: (4, 0x90...0xBF)
    case 0xF1...0xF3: (4, 0x80...0xBF)
    case 0xF4: (4, 0x80...0x8F)
    default: nil
    }
  }

  /// Whether a byte can stand in UTF-8 at all.
  package static func occurs(_ byte: UInt8) -> Bool {
    byte < 0xC0 || sequence(ledBy: byte) != nil
  }

  /// Offset of the first byte that belongs to no well-formed sequence.
  package static func firstInvalid(in bytes: [UInt8]) -> Int? {
    var index = 0
    while index < bytes.count {
      if bytes[index] < 0x80 {
        index += 1
        continue
      }
      guard let (length, second) = sequence(ledBy: bytes[index]), index + length <= bytes.count,
        second.contains(bytes[index + 1])
      else { return index }
      for next in (index + 2)..<max(index + 2, index + length) where bytes[next] & 0xC0 != 0x80 { return index }
      index += length
    }
    return nil
  }
}
