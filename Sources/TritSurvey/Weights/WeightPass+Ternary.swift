// Tritsmith: dense weights that hold only −s, 0, +s, with one s for the tensor, a row or a group of a row.

import Synchronization
import TritCore
import TritKernels

extension WeightPass {
  /// Group sizes that are looked for, the smallest first; each divides the next.
  static let groupSizes = [32, 64, 128, largestGroup]
  static let largestGroup = 256
  /// A row or group with fewer weights than this proves nothing: a single number always has one magnitude.
  static let leastWeights = 16

  /// The scales of weights that are ternary as they stand: of the tensor, of rows, or of groups of 256, 128, 64 or 32
  /// columns, the largest that holds in every row; nil for other weights, and for zeros alone.
  ///
  /// A group of zeros has scale 0: it fits any. Latent weights fail in the first group, so this costs them nothing.
  package func ternaryScale(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws -> TernaryScale? {
    if mayHaveGroups {
      let scale = try scaleOfGroups(parallelism, progress)
      return scale?.granularity == .tensor && scale?.stored == [0] ? nil : scale
    }
    return try findings(parallelism, progress).ternaryMagnitude.map {
      TernaryScale(stored: $0, storage: dtype, convention: .multiply)
    }
  }

  /// The scales of rows or groups of weights that are ternary as they stand; nil for one scale, for zeros alone, and for
  /// all other weights.
  package func spreadScale(_ parallelism: Parallelism) throws -> TernaryScale? {
    guard mayHaveGroups, let scale = try scaleOfGroups(parallelism, SilentProgress()) else { return nil }
    return scale.granularity == .tensor ? nil : scale
  }

  /// Whether rows are long enough to prove anything, and of a type that files of ternary weights have.
  var mayHaveGroups: Bool {
    tensor.shape.isMatrix && tensor.shape.rows > 0 && tensor.shape.columns >= WeightPass.leastWeights
      && dtype.bits <= 32
  }

  /// The scales of a matrix on the coarsest grid that holds them; a 0 for zeros alone; nil for other weights.
  private func scaleOfGroups(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws -> TernaryScale? {
    guard !tensor.shape.hasLongRows else { return try scaleOfLongRows(parallelism, progress) }
    // A few rows tell latent weights from ternary ones, and how small the groups are at least.
    guard let sampled = try sampledScale() else { return nil }
    let coarsest = WeightPass.groupSizes.lastIndex { size in
      if case .group(let columns) = sampled.granularity { size <= columns } else { true }
    }
    for size in WeightPass.groupSizes[...(coarsest ?? 0)].reversed() {
      if let scale = try scale(groupsOf: size, parallelism, progress) { return scale }
    }
    return nil
  }

  /// The scales where each group of `size` columns has one; nil where one has several.
  private func scale(
    groupsOf size: Int, _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws -> TernaryScale? {
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    let granularity = ScaleGranularity.group(columns: size)
    // Small bands, so that what a read has put into a core's cache is looked at there.
    let step = max(1, bandBytes / 16 / columns)
    let bandCount = (rows + step - 1) / step
    let parts = Mutex<[[Float]?]>(Array(repeating: [], count: bandCount))
    let isOther = Atomic<Bool>(false)
    try parallelism.forEachBand(bandCount) { band in
      guard !isOther.load(ordering: .relaxed) else { return }
      let range = tensor.shape.band(band * step..<min(rows, (band + 1) * step))
      let found = try magnitudes(of: range, size)
      release(range)
      progress.advanced(by: byteRange(range).count)
      if found == nil { isOther.store(true, ordering: .relaxed) }
      parts.withLock { $0[band] = found }
    }
    guard !isOther.load(ordering: .relaxed) else { return nil }
    var stored: [Float] = []
    stored.reserveCapacity(granularity.count(rows: rows, columns: columns))
    parts.withLock { parts in
      for band in parts.indices {
        stored += parts[band] ?? []
        parts[band] = nil
      }
    }
    return TernaryScale(stored: stored, storage: dtype, convention: .multiply, granularity: granularity)
      .coarsest(rows: rows, columns: columns, upTo: WeightPass.largestGroup)
  }

  /// The scales of rows that are read in pieces; nil for other weights than ternary ones.
  ///
  /// - Throws: `WorkflowError.rowTooLong` where a row has several: of its groups there may be more than memory is for.
  private func scaleOfLongRows(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws -> TernaryScale? {
    var stored: [Float] = []
    for row in 0..<tensor.shape.rows {
      var scale: Float = 0
      for band in tensor.shape.bands(of: row..<row + 1, elements: 1 << 20) {
        try parallelism.cancellation.check()
        guard let found = try magnitudes(of: band, WeightPass.groupSizes[0]) else { return nil }
        release(band)
        progress.advanced(by: byteRange(band).count)
        for magnitude in found where magnitude > 0 {
          guard scale == 0 || scale == magnitude else {
            throw WorkflowError(
              .rowTooLong(columns: tensor.shape.columns), file: source.manifest.files[tensor.location.file].path,
              tensor: tensor.name)
          }
          scale = magnitude
        }
      }
      stored.append(scale)
    }
    return TernaryScale(stored: stored, storage: dtype, convention: .multiply, granularity: .row)
      .coarsest(rows: tensor.shape.rows, columns: tensor.shape.columns)
  }

  /// How many weights share a scale, by at most 16 rows spread over the matrix; nil when they are not ternary.
  package func sampledGranularity() throws -> ScaleGranularity? {
    guard mayHaveGroups, let sampled = try sampledScale() else { return nil }
    return sampled.stored.contains { $0 > 0 } ? sampled.granularity : nil
  }

  /// The scales of at most 16 rows spread over the matrix; nil when they are not ternary.
  private func sampledScale() throws -> TernaryScale? {
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    let smallest = ScaleGranularity.group(columns: WeightPass.groupSizes[0])
    var stored: [Float] = []
    let count = min(rows, 16)
    // Of a long row the beginning: what is told here is told of the whole when it is read.
    let looked = tensor.shape.hasLongRows ? 1 << 18 : columns
    let sampled = (0..<count).map { tensor.shape.band(0..<looked, ofRow: rows / count * $0) }
    try source.expect(sampled.map { ExpectedRange(tensor, byteRange($0)) })
    for row in sampled {
      guard let found = try magnitudes(of: row, WeightPass.groupSizes[0]) else { return nil }
      stored += found
    }
    return TernaryScale(stored: stored, storage: dtype, convention: .multiply, granularity: smallest)
      .coarsest(rows: count, columns: looked, upTo: WeightPass.largestGroup)
  }

  /// The one magnitude of each group of a band, 0 for a group of zeros; nil when a group has several.
  func magnitudes(of band: MatrixBand, _ size: Int) throws -> [Float]? {
    let (rows, columns) = (band.rows.count, band.columns.count)
    let width = dtype.bits == 16 ? OneMagnitude.Width.bits16 : .bits32
    return try source.withBytes(byteRange(band), of: tensor) { data in
      var result: [Float] = []
      result.reserveCapacity(ScaleGranularity.group(columns: size).count(rows: rows, columns: columns))
      var isFinite = true
      for row in 0..<rows {
        let elements = row * columns..<(row + 1) * columns
        let isTernary = OneMagnitude.find(in: data, width, elements, runsOf: size) { bits in
          let magnitude = float(bits)
          isFinite = isFinite && magnitude.isFinite
          result.append(magnitude)
        }
        guard isTernary, isFinite else { return nil }
      }
      return result
    }
  }

  /// The one finite magnitude beside zero of some elements, 0 when all are zero; nil when there are several.
  func magnitude(_ data: RawSpan, _ elements: Range<Int>) -> Float? {
    let width = dtype.bits == 16 ? OneMagnitude.Width.bits16 : .bits32
    guard let found = OneMagnitude.find(in: data, width, elements).map(float), found.isFinite else { return nil }
    return found
  }

  private func float(_ bits: UInt32) -> Float {
    switch dtype {
    case .bf16: BFloat16(bits: UInt16(truncatingIfNeeded: bits)).float
    case .f16: HalfFloat(bits: UInt16(truncatingIfNeeded: bits)).float
    default: Float(bitPattern: bits)
    }
  }
}
