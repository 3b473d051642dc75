// Tritsmith: Q8_0 of ggml, for embeddings and heads.

import TritCore

/// Blocks of 32 values in 34 bytes: an f16 scale d = largest magnitude / 127, then 32 signed bytes; value = d × byte.
///
/// A value read back is exact in Float. Source: llama.cpp, `ggml-quants.c`.
package enum Q8_0: WritableBlockCodec {
  /// Its name in listings.
  package static let name = "Q8_0"
  /// Its number in GGUF files.
  package static let ggmlType: UInt32 = 8
  /// Numbers in a block.
  package static let blockElements = 32
  /// Bytes of a block: a scale as half float, then the numbers as int8.
  package static let blockBytes = 34
  /// A block begins with its scale.
  package static let scaleOffsets = [0]
  /// 127 steps of the largest f16 number.
  package static let largest: Float = 127 * 65504

  /// Blocks of the values, whose number must be a multiple of 32.
  package static func encode(_ values: [Float]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(values.count / blockElements * blockBytes)
    for start in stride(from: 0, to: values.count, by: blockElements) {
      var largest: Float = 0
      for index in start..<start + blockElements { largest = max(largest, abs(values[index])) }
      let scale = largest / 127
      let inverse = scale == 0 ? 0 : 1 / scale
      let bits = HalfFloat(scale).bits
      result.append(UInt8(truncatingIfNeeded: bits))
      result.append(UInt8(truncatingIfNeeded: bits >> 8))
      for index in start..<start + blockElements {
        // The C library's roundf: half away from zero. Above 127 only when the reciprocal of a subnormal overflows.
        let rounded = (values[index] * inverse).rounded(.toNearestOrAwayFromZero)
        result.append(UInt8(bitPattern: Int8(max(-128, min(127, rounded.isNaN ? 0 : rounded)))))
      }
    }
    return result
  }

  /// Values of whole blocks.
  package static func decode(_ bytes: RawSpan) -> [Float] {
    blocks(of: bytes) { start, values, first in
      let scale = half(bytes, at: start)
      for half in [0, 16] {
        let numbers = SIMD16<Int8>(truncatingIfNeeded: bytes.codes(at: start + 2 + half))
        values.put(numbers, at: first + half, scale: scale)
      }
    }
  }

  /// Half a step, and what storing the step as f16 did to 127 of them.
  package static func bound(_ value: Float, at index: Int, in block: RawSpan) -> Double {
    let step = half(block, at: 0)
    let rounding = halfStep(ofHalf: step)
    return (abs(Double(step)) + rounding) / 2 * (1 + 0x1p-20) + 127 * rounding
  }
}
