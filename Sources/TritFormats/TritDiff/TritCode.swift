// Tritsmith: trits of which no base is known.

/// Trits plus 1, five in a byte.
package enum TritCode {
  /// Codes below 3, five in a byte, the first one lowest.
  package static func pack(_ codes: Span<UInt8>) -> [UInt8] {
    let whole = codes.count / 5
    var result = [UInt8](repeating: 0, count: (codes.count + 4) / 5)
    for index in 0..<whole {
      let at = 5 * index
      let (a, b, c) = (codes[unchecked: at], codes[unchecked: at + 1], codes[unchecked: at + 2])
      let (d, e) = (codes[unchecked: at + 3], codes[unchecked: at + 4])
      result[index] = a + 3 * b + 9 * c + 27 * d + 81 * e
    }
    var factor: UInt8 = 1
    for index in 5 * whole..<codes.count {
      result[whole] += factor * codes[index]
      factor *= 3
    }
    return result
  }

  /// The five codes of each byte below 243.
  static let unpacked: [[UInt8]] = (0..<243).map { byte in [1, 3, 9, 27, 81].map { UInt8(byte / $0 % 3) } }

  /// The first `count` codes of packed bytes; nil when a byte is above 242, or names codes past the last one.
  package static func unpack(_ bytes: Span<UInt8>, count: Int) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: 5 * bytes.count)
    for index in 0..<bytes.count {
      let byte = bytes[unchecked: index]
      guard byte < 243 else { return nil }
      let codes = unpacked[Int(truncatingIfNeeded: byte)]
      for place in 0..<5 { result[5 * index + place] = codes[place] }
    }
    guard result[count...].allSatisfy({ $0 == 0 }) else { return nil }
    result.removeLast(result.count - count)
    return result
  }
}
