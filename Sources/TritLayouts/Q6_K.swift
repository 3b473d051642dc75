// Tritsmith: Q6_K of ggml, for embeddings and heads.

import TritCore

/// Blocks of 256 values in 210 bytes: 16 groups of 16, each with a scale of 8 bits, all times an f16 number d.
///
///     bytes 0…127    low 4 bits of code: columns 128·h + m and + 64 share byte 64·h + m, + 32 and + 96 byte 64·h + 32 + m
///     bytes 128…191  high 2 bits: byte 128 + 32·h + m holds columns 128·h + m + 32·n at bits 2n   h = 0, 1   m = 0…31
///     bytes 192…207  scale of group j, a signed byte
///     bytes 208, 209 d
///
/// value = d × scale × (code − 32). The encoder is `quantize_row_q6_K_ref`, operation by operation: each Float sum in its
/// order, so that the bytes are its bytes. Source: llama.cpp, `ggml-quants.c`.
package enum Q6_K: WritableBlockCodec {
  /// Its name in listings.
  package static let name = "Q6_K"
  /// Its number in GGUF files.
  package static let ggmlType: UInt32 = 14
  /// Numbers in a block.
  package static let blockElements = 256
  /// Bytes of a block.
  package static let blockBytes = 210
  /// d comes last.
  package static let scaleOffsets = [scaleOffset]
  /// 32 levels of a scale of 128 times the largest f16 number.
  package static let largest: Float = 32 * 128 * 65504
  private static let scaleOffset = 208
  private static let groupElements = 16
  private static let groups = 16
  /// Below this ggml takes all of a group for zero.
  private static let smallest: Float = 1e-15

  // MARK: - Encoding

  /// Blocks of the values, whose number must be a multiple of 256.
  package static func encode(_ values: [Float]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: values.count / blockElements * blockBytes)
    var codes = [Int32](repeating: 0, count: blockElements)
    var scales = [Float](repeating: 0, count: groups)
    let input = values.span
    var output = result.mutableSpan
    for block in 0..<values.count / blockElements {
      encode(input, block, &codes, &scales, &output)
    }
    return result
  }

  private static func encode(
    _ values: Span<Float>, _ block: Int, _ codes: inout [Int32], _ scales: inout [Float],
    _ output: inout MutableSpan<UInt8>
  ) {
    let (first, place) = (block * blockElements, block * blockBytes)
    var largest: Float = 0
    for group in 0..<groups {
      scales[group] = fit(values, first + groupElements * group, &codes, groupElements * group)
      if abs(scales[group]) > abs(largest) { largest = scales[group] }
    }
    // All bytes are 0 then.
    guard abs(largest) >= smallest else { return }
    let inverse = -128 / largest
    let half = HalfFloat(1 / inverse)
    for group in 0..<groups {
      let scale = Int8(truncatingIfNeeded: min(127, nearest(inverse * scales[group])))
      output[place + 192 + group] = UInt8(bitPattern: scale)
      let step = half.float * Float(scale)
      guard step != 0 else { continue }
      for index in groupElements * group..<groupElements * (group + 1) {
        codes[index] = max(-32, min(31, nearest(values[first + index] / step))) + 32
      }
    }
    for (byte, shift) in [(scaleOffset, 0), (scaleOffset + 1, 8)] {
      output[place + byte] = UInt8(truncatingIfNeeded: half.bits >> UInt16(shift))
    }
    for part in 0..<2 {
      for index in 0..<32 {
        let (a, b) = (codes[128 * part + index], codes[128 * part + index + 32])
        let (c, d) = (codes[128 * part + index + 64], codes[128 * part + index + 96])
        output[place + 64 * part + index] = UInt8(truncatingIfNeeded: (a & 15) | (c & 15) << 4)
        output[place + 64 * part + index + 32] = UInt8(truncatingIfNeeded: (b & 15) | (d & 15) << 4)
        output[place + 128 + 32 * part + index] = UInt8(
          truncatingIfNeeded: a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6)
      }
    }
  }

  /// The scale of a group that makes Σ x²(x − scale·l)² smallest among 19 ways to round it, and its codes.
  private static func fit(_ values: Span<Float>, _ first: Int, _ codes: inout [Int32], _ place: Int) -> Float {
    var peak: Float = 0
    for index in 0..<groupElements where abs(values[first + index]) > abs(peak) { peak = values[first + index] }
    guard abs(peak) >= smallest else {
      for index in 0..<groupElements { codes[place + index] = 0 }
      return 0
    }
    func level(_ index: Int, _ inverse: Float) -> Int32 { max(-32, min(31, nearest(inverse * values[first + index]))) }
    func sums(_ inverse: Float) -> (product: Float, square: Float) {
      var (product, square): (Float, Float) = (0, 0)
      for index in 0..<groupElements {
        let value = values[first + index]
        let weight = value * value
        let level = Float(level(index, inverse))
        product += weight * value * level
        square += weight * level * level
      }
      return (product, square)
    }
    func take(_ inverse: Float) {
      for index in 0..<groupElements { codes[place + index] = level(index, inverse) + 32 }
    }
    take(-32 / peak)
    var (product, square) = sums(-32 / peak)
    var scale = square != 0 ? product / square : 0
    var best = scale * product
    for trial in -9...9 where trial != 0 {
      let inverse = -(32 + 0.1 * Float(trial)) / peak
      (product, square) = sums(inverse)
      guard square > 0, product * product > best * square else { continue }
      take(inverse)
      scale = product / square
      best = scale * product
    }
    return scale
  }

  /// ggml's `nearest_int`: half to even by adding 1.5 · 2^23. Never traps, whatever the value.
  private static func nearest(_ value: Float) -> Int32 {
    Int32(bitPattern: (value + 12_582_912).bitPattern & 0x007F_FFFF) - 0x0040_0000
  }

  // MARK: - Decoding

  /// Values of whole blocks.
  package static func decode(_ bytes: RawSpan) -> [Float] {
    blocks(of: bytes) { place, values, first in
      let scale = half(bytes, at: place + scaleOffset)
      for group in 0..<groups {
        let (part, column) = (group / 8, group % 8 * groupElements)
        let low = bytes.codes(at: place + 64 * part + column % 64) &>> (column < 64 ? 0 : 4) & 15
        let high = bytes.codes(at: place + 128 + 32 * part + column % 32) &>> UInt8(2 * (column / 32)) & 3
        let own = Float(bytes.unsafeLoad(fromByteOffset: place + 192 + group, as: Int8.self))
        values.put(low | high &<< 4, at: first + group * groupElements, scale: scale * own, zero: 32)
      }
    }
  }

  private static func groupScale(_ index: Int, _ block: RawSpan) -> Float {
    Float(block.unsafeLoad(fromByteOffset: 192 + index / groupElements, as: Int8.self))
  }

  /// Half a step of the group inside its 64 levels. Beyond them the last level, and how far beyond a value may lie: the
  /// fit leaves two steps over, rounding the group's scale to whole multiples of d half of d for each of 32 levels, and
  /// storing d as f16 its own error 32 · 128 times.
  package static func bound(_ value: Float, at index: Int, in block: RawSpan) -> Double {
    let unit = half(block, at: scaleOffset)
    let step = Double(unit * groupScale(index, block))
    let ends = [-32 * step, 31 * step].sorted()
    let near = abs(step) / 2 * (1 + 0x1p-20)
    let excess = max(ends[0] - Double(value), Double(value) - ends[1])
    guard excess > 0 else { return near }
    return min(excess, 2 * abs(step) + 16.5 * abs(Double(unit)) + 4096 * halfStep(ofHalf: unit)) + near
  }
}
