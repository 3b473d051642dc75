// Tritsmith: stored bytes compared as they are.

import TritCore
import TritSurvey

/// Compares tensors byte for byte, in bands.
package enum StoredBytes {
  package static func areEqual(
    _ left: TensorDescriptor, in first: any TensorSource, _ right: TensorDescriptor, in second: any TensorSource,
    cancellation: CancellationFlag
  ) throws -> Bool {
    let count = left.location.byteCount
    guard count == right.location.byteCount else { return false }
    for start in stride(from: 0, to: count, by: bandBytes) {
      try cancellation.check()
      let range = start..<min(start + bandBytes, count)
      let same = try first.withBytes(range, of: left) { left in
        try second.withBytes(range, of: right) { right in left.isByteEqual(to: right) }
      }
      first.release(range, of: left)
      second.release(range, of: right)
      guard same else { return false }
    }
    return true
  }

  /// The bytes of scales and biases that stand beside their codes, with how they are stored.
  package static func ofScale(_ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [UInt8] {
    guard let scale = tensor.scale, scale.location.byteCount > 0 else { return [] }
    let meaning = Array("\(scale.storage.rawValue) \(scale.granularity) \(scale.convention?.rawValue ?? "") ".utf8)
    return try meaning + source.scaleBytes(of: tensor)
  }
}

extension RawSpan {
  /// True when both hold the same bytes.
  package func isByteEqual(to other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    let words = byteCount / 8
    var difference: UInt64 = 0
    for index in 0..<words {
      difference |=
        unsafeLoadUnaligned(fromUncheckedByteOffset: 8 * index, as: UInt64.self)
        ^ other.unsafeLoadUnaligned(fromUncheckedByteOffset: 8 * index, as: UInt64.self)
    }
    for index in 8 * words..<byteCount {
      difference |= UInt64(
        unsafeLoad(fromByteOffset: index, as: UInt8.self) ^ other.unsafeLoad(fromByteOffset: index, as: UInt8.self))
    }
    return difference == 0
  }
}
