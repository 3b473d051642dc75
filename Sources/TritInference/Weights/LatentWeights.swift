// Tritsmith: latents made ternary when a model is loaded.

import Synchronization
import TritCore
import TritKernels
import TritLayouts
import TritQuantizers

/// Latents made ternary as a conversion makes them: the same trits, the same scales before they are stored.
struct TernaryLatents {
  /// Two bits a trit, `SplitRow.twoBit`.
  var bytes: [UInt8]
  /// What trits are multiplied by.
  var absmean: Float
  /// What trits are divided by.
  var inverse: Float
}

extension FloatWeights {
  /// Elements a band holds: whole blocks of a magnitude sum.
  private static let bandElements = (1 << 20) / sumBlock * sumBlock

  /// Trits and scale by a quantizer; a matrix of −a, 0 and +a is taken as it is, as a conversion takes it.
  ///
  /// - Returns: nil when a weight is infinite or not a number.
  func madeTernary(by quantizer: any ThresholdQuantizer, _ engine: InferenceEngine) throws -> TernaryLatents? {
    let parallelism = Parallelism(threads: engine.threads)
    guard let found = try summary(quantizer, engine, parallelism) else { return nil }
    if found.largest > 0, found.largest == found.smallest {
      let magnitude = found.largest
      let thresholds = FloatTritThresholds(positive: magnitude.bitPattern, negative: magnitude.bitPattern)
      let pattern = BFloat16(magnitude).bits
      return TernaryLatents(
        bytes: try packed(
          TritThresholds(positive: pattern, negative: pattern), thresholds, roundsFirst: false, engine, parallelism),
        absmean: magnitude, inverse: TernaryScale.divisor(ofMagnitude: magnitude))
    }
    let decision = quantizer.decide(WeightSummary(count: rows * columns, magnitudeSum: found.sum))
    return TernaryLatents(
      bytes: try packed(
        decision.thresholds, decision.floatThresholds, roundsFirst: quantizer.roundsWeightsToBFloat16, engine,
        parallelism),
      absmean: decision.absmean, inverse: decision.inverse)
  }

  fileprivate struct Findings {
    var blockSums: [Double] = []
    /// Largest and smallest magnitude that is not zero, in the weights' own type.
    var largest: Float = 0
    var smallest: Float = .infinity
  }

  /// Sum of magnitudes in the order `Kernels.summarize` defines, and their extremes; nil for a weight that is no
  /// finite number.
  private func summary(
    _ quantizer: any ThresholdQuantizer, _ engine: InferenceEngine, _ parallelism: Parallelism
  ) throws -> (sum: Double, largest: Float, smallest: Float)? {
    let count = rows * columns
    let kernels = KernelChoice.best
    let bands = (count + FloatWeights.bandElements - 1) / FloatWeights.bandElements
    let results = Mutex([Findings?](repeating: nil, count: bands))
    try parallelism.forEachBand(bands) { band in
      let range = band * FloatWeights.bandElements..<min(count, (band + 1) * FloatWeights.bandElements)
      let found = try withElements(range) { bytes -> Findings? in
        guard element == .bf16 else {
          return Findings(of: engine.widen(bytes, element, 0..<range.count), rounds: quantizer.roundsWeightsToBFloat16)
        }
        var result = Findings(blockSums: [Double](repeating: 0, count: (range.count + sumBlock - 1) / sumBlock))
        var sums = result.blockSums.mutableSpan
        let extremes = kernels.summarize(bf16: bytes, blockSums: &sums)
        guard extremes.isFinite else { return nil }
        result.largest = BFloat16(bits: extremes.largest).float
        if extremes.smallestNonzero > 0 { result.smallest = BFloat16(bits: extremes.smallestNonzero).float }
        return result
      }
      results.withLock { $0[band] = found }
    }
    var total = (sum: 0.0, largest: Float(0), smallest: Float.infinity)
    for found in results.withLock({ $0 }) {
      guard let found else { return nil }
      for sum in found.blockSums { total.sum += sum }
      total.largest = max(total.largest, found.largest)
      total.smallest = min(total.smallest, found.smallest)
    }
    return total
  }

  /// Trits by threshold, packed, in bands of rows.
  private func packed(
    _ thresholds: TritThresholds, _ floatThresholds: FloatTritThresholds, roundsFirst: Bool, _ engine: InferenceEngine,
    _ parallelism: Parallelism
  ) throws -> [UInt8] {
    guard let shape = TensorShape([rows, columns]) else { return [] }
    let layout = SplitRow(.twoBit)
    let kernels = KernelChoice.best
    let bands = layout.bands(shape, rowsPerBand: max(1, FloatWeights.bandElements / max(1, columns)))
    let results = Mutex([[UInt8]](repeating: [], count: bands.count))
    try parallelism.forEachBand(bands.count) { index in
      let band = bands[index]
      let first = band.rows[0].lowerBound
      var trits = [Int8](repeating: 0, count: band.rowCount * columns)
      try withElements(first * columns..<first * columns + trits.count) { bytes in
        var output = trits.mutableSpan
        guard element != .bf16 else { return kernels.quantize(bf16: bytes, thresholds, into: &output) }
        let values = engine.widen(bytes, element, 0..<output.count)
        for index in values.indices {
          output[index] = floatThresholds.trit(roundsFirst ? BFloat16.rounded(values[index]) : values[index])
        }
      }
      var packed = [UInt8](repeating: 0, count: band.bytes.count)
      var output = packed.mutableSpan
      layout.pack(trits.span, band, shape, with: kernels, into: &output)
      results.withLock { $0[index] = packed }
    }
    return results.withLock { $0.flatMap { $0 } }
  }

  private func withElements<Result>(_ range: Range<Int>, _ body: (RawSpan) throws -> Result) throws -> Result {
    let width = element.byteCount
    return try bytes.withBytes(range.lowerBound * width..<range.upperBound * width, body)
  }
}

extension FloatWeights.Findings {
  /// Of weights in Float; rounded to bfloat16 for the sum, when the quantizer rounds them first.
  fileprivate init?(of values: [Float], rounds: Bool) {
    for start in stride(from: 0, to: values.count, by: sumBlock) {
      let block = values[start..<min(start + sumBlock, values.count)].map { rounds ? BFloat16.rounded($0) : $0 }
      guard block.allSatisfy(\.isFinite) else { return nil }
      blockSums.append(WeightSummary(of: block).magnitudeSum)
    }
    for value in values where value != 0 {
      largest = max(largest, value.magnitude)
      smallest = min(smallest, value.magnitude)
    }
  }
}
