// Tritsmith: the printable stand-ins for bytes that byte-level vocabularies are spelled in.

/// GPT-2's mapping of the 256 bytes to printable characters, in which byte-level vocabularies write their tokens.
///
/// Printable Latin-1 stands for itself; the 68 other bytes take U+0100 and up in byte order, so a space is `Ġ`
/// (U+0120) and a newline `Ċ` (U+010A). The mapping is a bijection, so this library keeps text as bytes all the way and
/// looks at the stand-ins only where a pre-tokenizer is applied after the mapping.
enum ByteAlphabet {
  /// The stand-in of each byte.
  static let scalars: [UInt32] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return UInt32(byte)
      default:
        defer { next += 1 }
        return next
      }
    }
  }()

  /// The byte a scalar stands for, or -1; scalars past the table stand for none.
  private static let bytes: [Int16] = {
    var table = [Int16](repeating: -1, count: 0x180)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = Int16(byte) }
    return table
  }()

  static func byte(of scalar: Unicode.Scalar) -> UInt8? {
    guard scalar.value < bytes.count else { return nil }
    return UInt8(exactly: bytes[Int(scalar.value)])
  }

  /// The bytes a token is spelled for, or nil when it holds a scalar outside the alphabet.
  static func decode(_ token: String) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(token.utf8.count)
    for scalar in token.unicodeScalars {
      guard let byte = byte(of: scalar) else { return nil }
      result.append(byte)
    }
    return result
  }
}
