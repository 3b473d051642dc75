// Tritsmith: what bytes of numbers become.

import TritCore

/// Codings of dense numbers: combined with the base's or not, and split so that like bytes lie together.
///
/// Works on pieces of 1 MiB; a piece of m numbers of w bytes becomes the first byte of each, then the second, and so on.
package enum BytePlanes {
  /// Bytes that are coded at a time.
  package static let piece = TritPackSection.chunk

  /// Numbers, little-endian, in the coding of a patch: plane by plane.
  ///
  /// - Parameter width: bytes of a number.
  package static func split(_ bytes: Span<UInt8>, width: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: bytes.count)
    var output = result.mutableSpan
    let count = bytes.count / width
    for plane in 0..<width {
      for index in 0..<count { output[unchecked: plane * count + index] = bytes[unchecked: index * width + plane] }
    }
    return result
  }

  /// The same of numbers combined with the base's, of which there are as many.
  package static func split(_ bytes: Span<UInt8>, xor base: Span<UInt8>, width: Int) -> [UInt8] {
    let combined = xor(bytes, base)
    return split(combined.span, width: width)
  }

  /// Numbers of a coding again; the other way round of `split`.
  package static func join(_ content: Span<UInt8>, width: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: content.count)
    var output = result.mutableSpan
    let count = content.count / width
    for plane in 0..<width {
      for index in 0..<count { output[unchecked: index * width + plane] = content[unchecked: plane * count + index] }
    }
    return result
  }

  /// The same of numbers that were combined with the base's.
  package static func join(_ content: Span<UInt8>, xor base: Span<UInt8>, width: Int) -> [UInt8] {
    let combined = join(content, width: width)
    return xor(combined.span, base)
  }

  private static func xor(_ bytes: Span<UInt8>, _ base: Span<UInt8>) -> [UInt8] {
    precondition(bytes.count == base.count, "a tensor and its base have the same bytes")
    var result = [UInt8](repeating: 0, count: bytes.count)
    var output = result.mutableSpan
    for index in 0..<bytes.count { output[unchecked: index] = bytes[unchecked: index] ^ base[unchecked: index] }
    return result
  }
}
