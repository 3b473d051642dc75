// Tritsmith: statistics of one tensor.

import Synchronization
import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritSurvey

/// Statistics of a tensor's values, in Double. For a packed tensor a value is trit × multiplier.
package struct TensorStatistics: Sendable, Hashable {
  package var count: Int
  package var minimum: Double
  package var maximum: Double
  package var mean: Double
  /// Mean of |w|.
  package var absmean: Double
  /// √(mean of w²)
  package var rms: Double
  /// √(mean of (w − mean)²), the population's.
  package var standardDeviation: Double
  /// Values equal to zero, either sign.
  package var zeros: Int
  /// Infinities and NaNs; the other figures leave them out.
  package var nonfinite: Int
  /// Only for ternary values, packed or dense.
  package var ternary: TernaryStatistics?
  /// See `PatternHistogram.edgeDensity`; only for bfloat16 and half.
  package var edgeDensity: Double?
  /// Where the weights lie; only for matrices of dense numbers that are not ternary, and only when asked for.
  package var latents: LatentHistogram?
}

// MARK: - Computing

/// Computes statistics of one tensor at a time, bands in parallel.
struct StatisticsPass: Sendable {
  let source: any TensorSource
  /// The same with binary weights of MLX as numbers.
  var binary: MLXBinaryView?
  let work: WorkOptions
  /// Whether to keep histograms of matrices.
  var keepsLatents = false

  func statistics(of tensor: TensorDescriptor) throws -> TensorStatistics? {
    switch tensor.encoding {
    case .ternary(let id): return try LayoutRegistry.layout(id).map { try packed(tensor, $0) }
    case .dense(.bf16): return try recognised(tensor, fromHistogram(tensor, .bfloat16))
    case .dense(.f16): return try recognised(tensor, fromHistogram(tensor, .half))
    case .dense(let dtype) where dtype.isDecodable:
      return try recognised(tensor, direct(tensor, step: dtype.bits / 8) { DenseValues.doubles($0, dtype) })
    case .opaque where MLXPacking.isBinary(tensor.encoding): return try binary.flatMap { try numbers(of: tensor, $0) }
    case .opaque:
      return try tensor.encoding.blockCodec.map { type in
        try direct(tensor, step: type.blockBytes) { type.decode($0).map { Double($0) } }
      }
    default: return nil
    }
  }

  /// Of binary weights: no zeros are among them, so they are not looked at for trits.
  private func numbers(of tensor: TensorDescriptor, _ view: MLXBinaryView) throws -> TensorStatistics? {
    guard let shown = view.manifest.tensor(named: tensor.name), let dtype = shown.encoding.dtype else { return nil }
    let pass = StatisticsPass(source: view, work: work, keepsLatents: keepsLatents)
    return try pass.direct(shown, step: dtype.bits / 8) { DenseValues.doubles($0, dtype) }
  }

  /// The statistics with counts of trits where the weights hold −s, 0, +s with an s for each row or group.
  private func recognised(_ tensor: TensorDescriptor, _ statistics: TensorStatistics) throws -> TensorStatistics {
    guard statistics.ternary == nil, statistics.nonfinite == 0, tensor.shape.isMatrix,
      tensor.encoding.dtype?.isFloatWeight == true
    else { return statistics }
    let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: work.kernels)
    guard let scale = try pass.spreadScale(work.parallelism) else { return statistics }
    var trits: [Int8] = []
    var counts = TernaryStatistics(negative: 0, zero: 0, positive: 0, invalid: 0)
    for band in tensor.shape.bands(elements: 1 << 20) {
      try work.parallelism.cancellation.check()
      trits = [Int8](repeating: 0, count: band.count)
      try pass.signs(of: band, into: &trits, at: 0)
      pass.release(band)
      let part = TritCounts(trits.span.bytes)
      counts.negative += part.negative
      counts.zero += part.zero
      counts.positive += part.positive
    }
    counts.granularity = scale.granularity
    var result = statistics
    result.ternary = counts
    result.edgeDensity = nil
    result.latents = nil
    return result
  }

  // MARK: 16-bit floats

  private func fromHistogram(_ tensor: TensorDescriptor, _ format: PatternHistogram.Format) throws -> TensorStatistics {
    let count = tensor.location.byteCount
    var histogram = PatternHistogram(format)
    guard count > 64 << 10 else {
      // For a small tensor four tables of 65,536 counts cost more than the values.
      try source.withBytes(0..<count, of: tensor) { data in
        histogram.add(
          patterns: (0..<count / 2).map {
            UInt16(littleEndian: data.unsafeLoadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
          })
      }
      work.progress.advanced(by: count)
      return statistics(histogram, tensor)
    }
    let total = Mutex(histogram)
    // One band a worker, so that tables are made and joined once; inside it, steps that give their memory back.
    let workers = min(work.parallelism.threads, (count + bandBytes - 1) / bandBytes)
    let share = (count / workers + bandBytes - 1) / bandBytes * bandBytes
    try work.parallelism.forEachBand(workers) { worker in
      var tables = [UInt32](repeating: 0, count: 4 * 65536)
      var part = PatternHistogram(format)
      var counted = 0
      for start in stride(from: worker * share, to: min(count, (worker + 1) * share), by: bandBytes) {
        try work.parallelism.cancellation.check()
        let range = start..<min(start + bandBytes, count)
        try source.withBytes(range, of: tensor) { data in
          var span = tables.mutableSpan
          work.kernels.histogram(data, into: &span)
        }
        source.release(range, of: tensor)
        work.progress.advanced(by: range.count)
        counted += range.count / 2
        if counted > 1 << 31 {
          // A 32-bit count must not wrap.
          part.add(tables: tables)
          tables = [UInt32](repeating: 0, count: 4 * 65536)
          counted = 0
        }
      }
      part.add(tables: tables)
      total.withLock { $0.add(part) }
    }
    return statistics(total.withLock { $0 }, tensor)
  }

  private func statistics(_ histogram: PatternHistogram, _ tensor: TensorDescriptor) -> TensorStatistics {
    let occupied = histogram.occupied
    var sums = MomentSums()
    for (value, count) in occupied { sums.add(value, count: Double(count)) }
    var result = sums.firstPass
    let squares = occupied.reduce(0.0) { sum, entry in
      guard entry.value.isFinite else { return sum }
      let deviation = entry.value - result.mean
      return sum + deviation * deviation * Double(entry.count)
    }
    result.finish(squares: squares)
    let magnitudes = Set(occupied.map { abs($0.value) }.filter { $0 > 0 })
    if magnitudes.count == 1, let magnitude = magnitudes.first, magnitude.isFinite, result.count > 1 {
      let negative = occupied.reduce(0) { $0 + ($1.value < 0 ? Int($1.count) : 0) }
      result.ternary = TernaryStatistics(
        negative: negative, zero: result.zeros, positive: result.count - result.zeros - negative, invalid: 0,
        multiplier: magnitude, granularity: .tensor)
    } else {
      result.edgeDensity = histogram.edgeDensity
      if keepsLatents && tensor.shape.isMatrix {
        result.latents = LatentHistogram(histogram, absmean: result.absmean)
      }
    }
    return result
  }

  // MARK: Other numbers

  /// Two passes in steps of whole bands: sums, then squares of deviations. Bands are added in order.
  ///
  /// - Parameters:
  ///   - step: bytes that are decoded together.
  private func direct(
    _ tensor: TensorDescriptor, step: Int, _ decode: @escaping @Sendable (RawSpan) -> [Double]
  ) throws -> TensorStatistics {
    var sums = MomentSums()
    let parts = try mapBands(tensor, step, decode) { values in
      var sums = MomentSums()
      for value in values { sums.add(value, count: 1) }
      return sums
    }
    for part in parts { sums.add(part) }
    var result = sums.firstPass
    let mean = result.mean
    let squares = try mapBands(tensor, step, decode) { values in
      values.reduce(0.0) { $1.isFinite ? $0 + ($1 - mean) * ($1 - mean) : $0 }
    }
    result.finish(squares: squares.reduce(0, +))
    if keepsLatents && tensor.shape.isMatrix {
      let absmean = result.absmean
      for part in try mapBands(tensor, step, decode, { LatentHistogram($0, absmean: absmean) }) {
        guard let part else { continue }
        if result.latents == nil { result.latents = part } else { result.latents?.add(part) }
      }
    }
    work.progress.advanced(by: tensor.location.byteCount)
    return result
  }

  private func mapBands<Result: Sendable>(
    _ tensor: TensorDescriptor, _ step: Int, _ decode: @Sendable (RawSpan) -> [Double],
    _ body: @Sendable ([Double]) -> Result
  ) throws -> [Result] {
    let size = (1 << 20) / step * step
    let count = tensor.location.byteCount
    let bands = (count + size - 1) / size
    let results = Mutex<[Result?]>(Array(repeating: nil, count: bands))
    try work.parallelism.forEachBand(bands) { band in
      let range = band * size..<min(count, (band + 1) * size)
      let values = try source.withBytes(range, of: tensor) { decode($0) }
      source.release(range, of: tensor)
      let result = body(values)
      results.withLock { $0[band] = result }
    }
    return results.withLock { $0.compactMap { $0 } }
  }

  // MARK: Packed

  private func packed(_ tensor: TensorDescriptor, _ layout: any TernaryLayout) throws -> TensorStatistics {
    let bands = tensor.shape.bands(elements: 1 << 20)
    let counts = Mutex(TernaryStatistics(negative: 0, zero: 0, positive: 0, invalid: 0))
    try work.parallelism.forEachBand(bands.count, workspace: [Int8]()) { index, trits in
      let band = bands[index]
      for run in layout.runs(band, tensor.shape) {
        let size = run.count(tensor.shape)
        if trits.count != size { trits = [Int8](repeating: 0, count: size) }
        let invalid = try source.withBytes(run.bytes, of: tensor) { data in
          var span = trits.mutableSpan
          return layout.unpack(data, run, tensor.shape, with: work.kernels, into: &span)
        }
        if !band.isWhole { source.release(run.bytes, of: tensor) }
        let part = TritCounts(trits.span.bytes)
        counts.withLock {
          $0.negative += part.negative
          $0.positive += part.positive
          $0.zero += part.zero
          $0.invalid += invalid
        }
      }
      work.progress.advanced(by: tensor.shape.byteShare(band, of: tensor.location.byteCount))
    }
    source.release(0..<tensor.location.byteCount, of: tensor)
    var ternary = counts.withLock { $0 }
    // An unknown convention is no reason not to count.
    let scale = tensor.scale?.convention == nil ? nil : try source.scale(of: tensor)
    ternary.granularity = scale?.granularity
    if let scale, scale.granularity == .tensor { ternary.multiplier = Double(scale.multiplier()) }
    return statistics(ternary, elements: tensor.shape.elementCount)
  }

  /// Moments of trit × multiplier; with an unknown or manifold scale, of the trits alone.
  private func statistics(_ ternary: TernaryStatistics, elements: Int) -> TensorStatistics {
    let scale = ternary.multiplier ?? 1
    let count = Double(max(1, elements))
    let nonzero = Double(ternary.negative + ternary.positive) / count
    let mean = Double(ternary.positive - ternary.negative) / count * scale
    let square = nonzero * scale * scale
    return TensorStatistics(
      count: elements, minimum: ternary.negative > 0 ? -scale : ternary.zero > 0 ? 0 : scale,
      maximum: ternary.positive > 0 ? scale : ternary.zero > 0 ? 0 : -scale, mean: mean, absmean: nonzero * scale,
      rms: square.squareRoot(), standardDeviation: max(0, square - mean * mean).squareRoot(), zeros: ternary.zero,
      nonfinite: 0, ternary: ternary)
  }
}

/// Counts of int8 trits, eight at a time. A code 3 unpacks to 2 and counts as none of the three.
private struct TritCounts {
  var negative = 0
  var zero = 0
  var positive = 0

  init(_ trits: RawSpan) {
    // −1 is 0xFF, +1 is 0x01, 2 is 0x02: the sign bit, the lowest bit and the second one tell them apart.
    var (signs, ones, twos) = (0, 0, 0)
    let words = trits.byteCount / 8
    for index in 0..<words {
      let word = trits.unsafeLoadUnaligned(fromUncheckedByteOffset: 8 * index, as: UInt64.self)
      signs &+= (word & 0x8080_8080_8080_8080).nonzeroBitCount
      ones &+= (word & 0x0101_0101_0101_0101).nonzeroBitCount
      twos &+= (word & 0x0202_0202_0202_0202).nonzeroBitCount
    }
    for index in 8 * words..<trits.byteCount {
      let byte = trits.unsafeLoad(fromByteOffset: index, as: UInt8.self)
      signs += Int(byte >> 7)
      ones += Int(byte & 1)
      twos += Int(byte >> 1 & 1)
    }
    negative = signs
    positive = ones - signs
    zero = trits.byteCount - ones - (twos - signs)
  }
}

/// Sums of a first pass.
private struct MomentSums: Sendable {
  var count = 0.0
  var nonfinite = 0.0
  var zeros = 0.0
  var sum = 0.0
  var magnitudes = 0.0
  var squares = 0.0
  var minimum = Double.infinity
  var maximum = -Double.infinity

  mutating func add(_ value: Double, count times: Double) {
    count += times
    guard value.isFinite else {
      nonfinite += times
      return
    }
    if value == 0 { zeros += times }
    sum += value * times
    magnitudes += abs(value) * times
    squares += value * value * times
    minimum = min(minimum, value)
    maximum = max(maximum, value)
  }

  mutating func add(_ other: MomentSums) {
    count += other.count
    nonfinite += other.nonfinite
    zeros += other.zeros
    sum += other.sum
    magnitudes += other.magnitudes
    squares += other.squares
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
  }

  /// Everything but the deviation; figures of no values at all are zero.
  var firstPass: TensorStatistics {
    let finite = max(1, count - nonfinite)
    return TensorStatistics(
      count: Int(count), minimum: minimum.isFinite ? minimum : 0, maximum: maximum.isFinite ? maximum : 0,
      mean: sum / finite, absmean: magnitudes / finite, rms: (squares / finite).squareRoot(), standardDeviation: 0,
      zeros: Int(zeros), nonfinite: Int(nonfinite))
  }
}

extension TensorStatistics {
  fileprivate mutating func finish(squares: Double) {
    standardDeviation = (squares / Double(max(1, count - nonfinite))).squareRoot()
  }
}
