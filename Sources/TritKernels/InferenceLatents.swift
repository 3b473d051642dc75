// Tritsmith: weights made ready for a forward pass when a model is loaded.

import TritCore

/// Latent weights made ternary, two bits a trit in `PackedTritOrder.splitRows`.
public struct QuantizedLatents: Sendable {
  public var bytes: [UInt8]
  /// What a trit stands for: 1 / (1 / max(mean |w|, 1e-5)) in Float, as transformers divides by its inverse scale.
  public var value: Float
}

extension InferenceEngine {
  /// Absmean quantization in Float: trit = clip(round_half_even(w · s), ±1), s = 1 / max(mean |w|, 1e-5).
  ///
  /// Magnitudes are summed as `Kernels.summarize` does (eight Double lanes a block of 4096), so trits agree with those
  /// of a conversion by the same formula. Source: transformers `integrations/bitnet.py`, `WeightQuant`.
  ///
  /// - Returns: nil when a weight is not finite.
  public func quantizeLatents(_ weights: RawSpan, _ element: FloatElement, rows: Int, columns: Int) -> QuantizedLatents?
  {
    let count = rows * columns
    precondition(weights.byteCount == count * element.byteCount && count > 0, "weights have every row")
    return weights.withUnsafeBytes { weights in
      guard let base = weights.baseAddress else { return nil }
      let sum = magnitudeSum(base, element, count)
      guard sum.isFinite else { return nil }
      let inverse = 1 / max(Float(sum) / Float(count), 1e-5)
      let part = (columns + 3) / 4
      var bytes = [UInt8](repeating: 0, count: rows * part)
      bytes.withUnsafeMutableBufferPointer { bytes in
        guard let bytes = bytes.baseAddress else { return }
        team.forEach(rows, grain: grain(rowBytes: columns * element.byteCount)) { range in
          for row in range {
            for index in 0..<part {
              var byte: UInt8 = 0
              for plane in 0..<4 {
                let column = plane * part + index
                var code: UInt8 = 1
                if column < columns {
                  let product = element.load(base, row * columns + column) * inverse
                  // Half to even: exactly one half becomes 0.
                  code = product > 0.5 ? 2 : product < -0.5 ? 0 : 1
                }
                byte |= code << UInt8(2 * plane)
              }
              bytes[row * part + index] = byte
            }
          }
        }
      }
      return QuantizedLatents(bytes: bytes, value: 1 / inverse)
    }
  }

  /// How many 2-bit codes of a packed matrix are 3, which stands for no trit.
  public func invalidCodes(_ bytes: RawSpan) -> Int {
    bytes.withUnsafeBytes { bytes in
      let block = 1 << 20
      var counts = [Int](repeating: 0, count: (bytes.count + block - 1) / block)
      counts.withUnsafeMutableBufferPointer { counts in
        team.run(counts.count) { index in
          let part = UnsafeRawBufferPointer(rebasing: bytes[index * block..<min(bytes.count, (index + 1) * block)])
          var found = 0
          let whole = part.count / 8 * 8
          for offset in stride(from: 0, to: whole, by: 8) {
            let word = part.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            found += (word & word >> 1 & 0x5555_5555_5555_5555).nonzeroBitCount
          }
          for offset in whole..<part.count { found += (part[offset] & part[offset] >> 1 & 0x55).nonzeroBitCount }
          counts[index] = found
        }
      }
      return counts.reduce(0, +)
    }
  }

  /// The bytes as an array.
  public func copy(_ bytes: RawSpan) -> [UInt8] {
    bytes.withUnsafeBytes { Array($0) }
  }

  /// The numbers as an array.
  public func array(_ values: Span<Float>) -> [Float] {
    values.withUnsafeBufferPointer { Array($0) }
  }

  /// Elements `range` of float data, widened.
  public func widen(_ bytes: RawSpan, _ element: FloatElement, _ range: Range<Int>) -> [Float] {
    precondition(range.lowerBound >= 0 && bytes.byteCount >= range.upperBound * element.byteCount, "range inside")
    return bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return [] }
      return range.map { element.load(base, $0) }
    }
  }

  private func magnitudeSum(_ base: UnsafeRawPointer, _ element: FloatElement, _ count: Int) -> Double {
    var sums = [Double](repeating: 0, count: (count + sumBlock - 1) / sumBlock)
    sums.withUnsafeMutableBufferPointer { sums in
      team.forEach(sums.count, grain: 16) { range in
        for block in range {
          var lanes = SIMD8<Double>.zero
          let start = block * sumBlock
          for index in start..<min(start + sumBlock, count) {
            lanes[(index - start) & 7] += Double(element.load(base, index).magnitude)
          }
          sums[block] = joined(lanes)
        }
      }
    }
    return sums.reduce(0, +)
  }
}
