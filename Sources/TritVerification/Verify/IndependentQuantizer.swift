// Tritsmith: quantizing a second time, with nothing the conversion uses.

import TritCore
import TritKernels
import TritQuantizers
import TritSurvey

/// Absmean's steps over bfloat16 weights, written once more for the audit; shares no code with the kernels.
enum IndependentQuantizer {
  /// Σ|w| in the order that is part of the definition (`Docs/Numerics.md`, Sum of magnitudes).
  static func magnitudeSum(_ pass: WeightPass, _ parallelism: Parallelism) throws -> Double {
    let blockBytes = 2 * sumBlock
    let count = pass.tensor.location.byteCount
    let bands = (count + bandBytes - 1) / bandBytes
    let sums = try parallelism.mapBands(bands) { band in
      let range = band * bandBytes..<min(count, (band + 1) * bandBytes)
      defer { pass.source.release(range, of: pass.tensor) }
      return try pass.source.withBytes(range, of: pass.tensor) { bytes in
        stride(from: 0, to: bytes.byteCount, by: blockBytes).map { start in
          blockSum(bytes.extracting(start..<min(start + blockBytes, bytes.byteCount)))
        }
      }
    }
    return sums.reduce(0) { $1.reduce($0, +) }
  }

  private static func blockSum(_ bytes: RawSpan) -> Double {
    bytes.withUnsafeBytes { bytes in
      @inline(__always) func magnitude(_ index: Int) -> Double {
        let bits = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        return Double(Float(bitPattern: UInt32(bits & 0x7FFF) << 16))
      }
      var (a, b, c, d, e, f, g, h) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
      let count = bytes.count / 2
      var index = 0
      while index + 8 <= count {
        a += magnitude(index)
        b += magnitude(index + 1)
        c += magnitude(index + 2)
        d += magnitude(index + 3)
        e += magnitude(index + 4)
        f += magnitude(index + 5)
        g += magnitude(index + 6)
        h += magnitude(index + 7)
        index += 8
      }
      var rest = [a, b, c, d, e, f, g, h]
      for lane in 0..<count - index { rest[lane] += magnitude(index + lane) }
      return ((rest[0] + rest[1]) + (rest[2] + rest[3])) + ((rest[4] + rest[5]) + (rest[6] + rest[7]))
    }
  }

  /// The magnitudes at which the rule changes its answer, by walking there from half the mean.
  static func thresholds(_ quantizer: any ThresholdQuantizer, _ decision: TernaryDecision) -> TritThresholds {
    func first(_ sign: Float) -> UInt16 {
      func isNonzero(_ pattern: UInt16) -> Bool {
        quantizer.trit(sign * BFloat16(bits: pattern).float, decision) != 0
      }
      let half = BFloat16(decision.absmean / 2).magnitudeBits
      var pattern = min(half, BFloat16.infinityMagnitude - 1)
      while pattern > 0, isNonzero(pattern - 1) { pattern -= 1 }
      while pattern < BFloat16.infinityMagnitude, !isNonzero(pattern) { pattern += 1 }
      return pattern
    }
    return TritThresholds(positive: first(1), negative: first(-1))
  }

  /// Trits of bfloat16 weights. As signed 16-bit integers positive weights are in their order of magnitude, and so are
  /// negative ones when their sign bit is flipped.
  static func trits(_ weights: RawSpan, _ thresholds: TritThresholds, into trits: inout [Int8]) {
    precondition(weights.byteCount == 2 * trits.count, "one trit for each weight")
    let up = Int16(thresholds.positive) - 1
    let down = Int16(thresholds.negative) - 1
    weights.withUnsafeBytes { weights in
      trits.withUnsafeMutableBufferPointer { trits in
        guard let source = weights.baseAddress, let target = trits.baseAddress else { return }
        // Bare addresses: with the buffers' own bounds checks this loop is not vectorized, 12 times slower.
        for index in 0..<trits.count {
          let weight = Int16(littleEndian: source.loadUnaligned(fromByteOffset: 2 &* index, as: Int16.self))
          let plus: Int8 = weight > up ? 1 : 0
          let minus: Int8 = weight ^ Int16.min > down ? 1 : 0
          target[index] = plus &- minus
        }
      }
    }
  }
}
