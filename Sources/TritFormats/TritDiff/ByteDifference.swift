// Tritsmith: what bytes of numbers become.

import TritCore

/// Codings of dense numbers: combined with the base's, and split so that like bytes lie together.
///
/// Works on pieces of 1 MiB; a piece of m numbers of w bytes becomes the first byte of each, then the second, and so on.
public enum ByteDifference {
  /// Bytes that are coded at a time.
  public static let piece = TritPackSection.chunk

  /// Numbers in the coding of a patch, plane by plane.
  ///
  /// - Parameters:
  ///   - bytes: the target's numbers, little-endian.
  ///   - base: bytes of the same count; not looked at by `planes`.
  ///   - coding: what is stored.
  ///   - width: bytes of a number.
  public static func encode(
    _ bytes: Span<UInt8>, _ base: Span<UInt8>, _ coding: TritDiffCoding, width: Int
  ) -> [UInt8] {
    let count = bytes.count / width
    var result = [UInt8](repeating: 0, count: bytes.count)
    var output = result.mutableSpan
    for index in 0..<count {
      var value = number(bytes, index * width, width)
      switch coding {
      case .xor: value ^= number(base, index * width, width)
      case .difference: value = zigzag(value &- number(base, index * width, width), width)
      default: break
      }
      for plane in 0..<width {
        output[unchecked: plane * count + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * plane))
      }
    }
    return result
  }

  /// The target's numbers again; the other way round of `encode`.
  public static func decode(
    _ content: Span<UInt8>, _ base: Span<UInt8>, _ coding: TritDiffCoding, width: Int
  ) -> [UInt8] {
    let count = content.count / width
    var result = [UInt8](repeating: 0, count: content.count)
    var output = result.mutableSpan
    for index in 0..<count {
      var value: UInt64 = 0
      for plane in 0..<width { value |= UInt64(content[unchecked: plane * count + index]) << UInt64(8 * plane) }
      switch coding {
      case .xor: value ^= number(base, index * width, width)
      case .difference: value = unzigzag(value) &+ number(base, index * width, width)
      default: break
      }
      for place in 0..<width {
        output[unchecked: index * width + place] = UInt8(truncatingIfNeeded: value >> UInt64(8 * place))
      }
    }
    return result
  }

  @inline(__always)
  private static func number(_ bytes: Span<UInt8>, _ offset: Int, _ width: Int) -> UInt64 {
    var value: UInt64 = 0
    for place in 0..<width { value |= UInt64(bytes[unchecked: offset + place]) << UInt64(8 * place) }
    return value
  }

  /// A difference of `width` bytes with its sign in the lowest bit: 0, −1, 1, −2 become 0, 1, 2, 3.
  @inline(__always)
  private static func zigzag(_ value: UInt64, _ width: Int) -> UInt64 {
    let unused = UInt64(64 - 8 * width)
    let signed = Int64(bitPattern: value << unused) >> Int64(unused)
    return UInt64(bitPattern: signed << 1 ^ signed >> 63)
  }

  @inline(__always)
  private static func unzigzag(_ value: UInt64) -> UInt64 { value >> 1 ^ (0 &- value & 1) }
}
