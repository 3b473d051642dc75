// Tritsmith: dense weights that hold only −s, 0, +s, with one s for the tensor, a row or a group of a row.

import Synchronization
import TritCore
import TritKernels

extension WeightPass {
  /// Group sizes that are looked for, the smallest first; each divides the next.
  static let groupSizes = [64, 128, 256]
  /// A row or group with fewer weights than this proves nothing: a single number always has one magnitude.
  static let leastWeights = 16

  /// The scales of weights that are ternary as they stand: of the tensor, of rows, or of groups of 256, 128 or 64 columns,
  /// the largest that holds in every row; nil for other weights, and for zeros alone.
  ///
  /// A group of zeros has scale 0: it fits any. Latent weights fail in the first group, so this costs them nothing.
  ///
  /// - Parameter findings: of the first pass, which knows the extremes of the tensor.
  func ternaryScale(_ findings: WeightFindings, _ parallelism: Parallelism) throws -> TernaryScale? {
    guard findings.largest > 0 else { return nil }
    if let magnitude = findings.ternaryMagnitude {
      return TernaryScale(stored: magnitude, storage: dtype, convention: .multiply)
    }
    return try spreadScale(parallelism)
  }

  /// The scales of rows or groups of weights that are ternary as they stand; nil for one scale, for zeros alone, and for
  /// all other weights.
  func spreadScale(_ parallelism: Parallelism) throws -> TernaryScale? {
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    guard tensor.shape.isMatrix, rows > 0, columns >= WeightPass.leastWeights, dtype.bits <= 32 else { return nil }
    guard !tensor.shape.hasLongRows else { return try scaleOfLongRows(parallelism) }
    let smallest = ScaleGranularity.group(columns: WeightPass.groupSizes[0])
    let perRow = smallest.groups(columns: columns)
    // The first rows on one thread: they tell latent weights from ternary ones.
    let first = min(rows, 4, max(1, TensorShape.longestRow / columns))
    guard let head = try magnitudes(of: tensor.shape.band(0..<first)) else { return nil }
    let step = max(1, bandBytes / 4 / columns)
    let rest = head.count / perRow..<rows
    let bandCount = (rest.count + step - 1) / step
    let parts = Mutex<[[Float]?]>(Array(repeating: [], count: bandCount))
    let isOther = Atomic<Bool>(false)
    try parallelism.forEachBand(bandCount) { band in
      guard !isOther.load(ordering: .relaxed) else { return }
      let first = rest.lowerBound + band * step
      let range = tensor.shape.band(first..<min(rows, first + step))
      let found = try magnitudes(of: range)
      release(range)
      if found == nil { isOther.store(true, ordering: .relaxed) }
      parts.withLock { $0[band] = found }
    }
    guard !isOther.load(ordering: .relaxed) else { return nil }
    let stored = head + parts.withLock { $0.flatMap { $0 ?? [] } }
    let scale = TernaryScale(stored: stored, storage: dtype, convention: .multiply, granularity: smallest)
      .coarsest(rows: rows, columns: columns, upTo: WeightPass.groupSizes[WeightPass.groupSizes.count - 1])
    return scale.granularity == .tensor ? nil : scale
  }

  /// The scales of rows that are read in pieces; nil for other weights than ternary ones.
  ///
  /// - Throws: `WorkflowError.rowTooLong` where a row has several: of its groups there may be more than memory is for.
  private func scaleOfLongRows(_ parallelism: Parallelism) throws -> TernaryScale? {
    var stored: [Float] = []
    for row in 0..<tensor.shape.rows {
      var scale: Float = 0
      for band in tensor.shape.bands(of: row..<row + 1, elements: 1 << 20) {
        try parallelism.cancellation.check()
        guard let found = try magnitudes(of: band) else { return nil }
        release(band)
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
    let scale = TernaryScale(stored: stored, storage: dtype, convention: .multiply, granularity: .row)
      .coarsest(rows: tensor.shape.rows, columns: tensor.shape.columns)
    return scale.granularity == .tensor ? nil : scale
  }

  /// How many weights share a scale, by at most 16 rows spread over the matrix; nil when they are not ternary.
  func sampledGranularity() throws -> ScaleGranularity? {
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    guard tensor.shape.isMatrix, rows > 0, columns >= WeightPass.leastWeights, dtype.bits <= 32 else { return nil }
    let smallest = ScaleGranularity.group(columns: WeightPass.groupSizes[0])
    var stored: [Float] = []
    let count = min(rows, 16)
    // Of a long row the beginning: what is told here is told of the whole when it is read.
    let looked = tensor.shape.hasLongRows ? 1 << 18 : columns
    let sampled = (0..<count).map { tensor.shape.band(0..<looked, ofRow: rows / count * $0) }
    try source.expect(sampled.map { ExpectedRange(tensor, byteRange($0)) })
    for row in sampled {
      guard let found = try magnitudes(of: row) else { return nil }
      stored += found
    }
    guard stored.contains(where: { $0 > 0 }) else { return nil }
    return TernaryScale(stored: stored, storage: dtype, convention: .multiply, granularity: smallest)
      .coarsest(rows: count, columns: looked, upTo: WeightPass.groupSizes[WeightPass.groupSizes.count - 1]).granularity
  }

  /// The one magnitude of each of the smallest groups of a band, 0 for a group of zeros; nil when a group has several.
  private func magnitudes(of band: MatrixBand) throws -> [Float]? {
    let places = ScalePlaces(.group(columns: WeightPass.groupSizes[0]), columns: band.columns.count)
    return try source.withBytes(byteRange(band), of: tensor) { data in
      var result: [Float] = []
      for row in 0..<band.rows.count {
        var isTernary = true
        places.forEachRun(ofRow: row) { columns, _ in
          guard isTernary else { return }
          let first = row * places.columns
          let found = magnitude(data, first + columns.lowerBound..<first + columns.upperBound)
          isTernary = found != nil
          result.append(found ?? 0)
        }
        guard isTernary else { return nil }
      }
      return result
    }
  }

  /// The one magnitude beside zero of some elements, 0 when all are zero; nil when there are several.
  private func magnitude(_ data: RawSpan, _ elements: Range<Int>) -> Float? {
    func pattern<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_: Bits.Type) -> Bits? {
      let width = MemoryLayout<Bits>.size
      let mask = Bits.max >> 1
      // Less 1, zero is the largest number of all: the smallest of those belongs to the smallest other magnitude.
      var (largest, smallest) = (Bits(0), Bits.max)
      for index in elements {
        let bits = Bits(littleEndian: data.unsafeLoadUnaligned(fromByteOffset: index * width, as: Bits.self)) & mask
        largest = max(largest, bits)
        smallest = min(smallest, bits &- 1)
      }
      return largest == 0 || smallest &+ 1 == largest ? largest : nil
    }
    switch dtype {
    case .bf16: return pattern(UInt16.self).map { BFloat16(bits: $0).float }
    case .f16: return pattern(UInt16.self).map { HalfFloat(bits: $0).float }
    default: return pattern(UInt32.self).map { Float(bitPattern: $0) }
    }
  }
}
