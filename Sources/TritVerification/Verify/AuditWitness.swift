// Tritsmith: what an output must hold, worked out while the source is in memory.

import TritCore
import TritFormats
import TritQuantizers
import TritSurvey

/// Fingerprints of the trits a tensor must have, and its scale, from the source's bytes.
///
/// A conversion reads its source once; its audit, which comes last and reads only the output, needs to know what to
/// find. A witness is worked out between the two by arithmetic of its own, on the same bytes: the mean is summed by
/// other code than the kernels', the thresholds are found by walking along the rule of the quantizer, and the trits are
/// compared as signed integers. A fault in kernels, packing, rows, scales or on the disk is then a difference.
package struct AuditWitness: Sendable {
  let bands: WitnessBands
  /// XXH64 of each band's trits as int8, row-major.
  let fingerprints: [UInt64]
  package let scales: Scales
  /// The scale that goes with the trits where it is stored as checkpoints store it; nil for weights that were ternary.
  let stored: TernaryScale?

  package enum Scales: Sendable {
    /// One for the tensor.
    case one(WeightScales)
    /// Of rows or groups: there may be millions, so only fingerprints of them are kept.
    case spread(SpreadScales)
  }

  /// Nil for weights that are not bfloat16 latents; the audit then reads their source again.
  ///
  /// - Throws: `WorkflowError.auditFailed` when the kernels decided otherwise.
  package init?(_ weight: TernaryWeight, _ convention: ScaleConvention, work: WorkOptions) throws {
    guard case .quantized(let pass, let quantizer, let decided) = weight.origin, pass.dtype == .bf16 else { return nil }
    let sum = try IndependentQuantizer.magnitudeSum(pass, work.parallelism)
    let decision = quantizer.decide(WeightSummary(count: pass.tensor.shape.elementCount, magnitudeSum: sum))
    let thresholds = IndependentQuantizer.thresholds(quantizer, decision)
    guard decision == decided, thresholds == decided.thresholds else {
      throw WorkflowError(
        .auditFailed("its mean or thresholds were computed wrong: \(decided), expected \(decision)"),
        tensor: pass.tensor.name)
    }
    @Sendable func scale(_ convention: ScaleConvention) -> TernaryScale {
      TernaryScale(
        stored: BFloat16.rounded(convention == .multiply ? decision.absmean : decision.inverse), storage: .bf16,
        convention: convention)
    }
    stored = scale(convention)
    scales = .one(WeightScales(isPacked: false, magnitude: nil, scale))
    bands = WitnessBands(pass.tensor.shape)
    fingerprints = try AuditWitness.fingerprints(bands, work) { _, band, trits in
      try pass.source.withBytes(pass.byteRange(band), of: pass.tensor) { bytes in
        if trits.count != bytes.byteCount / 2 { trits = [Int8](repeating: 0, count: bytes.byteCount / 2) }
        IndependentQuantizer.trits(bytes, thresholds, into: &trits)
      }
    }
  }

  /// The same of any weight as it is read, for an audit that cannot read it again.
  ///
  /// Nil for fits, which are compared with a fresh fit, and for divisors of rows or groups, which nothing writes.
  package init?(of weight: TernaryWeight, work: WorkOptions) throws {
    if case .fitted = weight.origin { return nil }
    let own = WeightScales(weight)
    guard let multiplier = try? own.of(.multiply), let divisor = try? own.of(.divide) else { return nil }
    stored = nil
    let bands = WitnessBands(weight.tensor.shape)
    self.bands = bands
    let columns = weight.tensor.shape.columns
    @Sendable func read(_ band: MatrixBand, _ trits: inout [Int8]) throws {
      if trits.count != band.count { trits = [Int8](repeating: 0, count: band.count) }
      try weight.read(band, into: &trits, at: 0)
    }
    guard multiplier.granularity != .tensor else {
      scales = .one(
        WeightScales(isPacked: own.isPacked, magnitude: own.magnitude) { $0 == .multiply ? multiplier : divisor })
      fingerprints = try AuditWitness.fingerprints(bands, work) { _, band, trits in try read(band, &trits) }
      return
    }
    guard multiplier.convention == .multiply else { return nil }
    let units = ScaleUnits(multiplier.granularity, columns: columns)
    let grid = multiplier.grid(columns: columns)
    let spread = LockedArray<UInt64?>(count: bands.count, filler: nil)
    fingerprints = try AuditWitness.fingerprints(bands, work) { index, band, trits in
      try read(band, &trits)
      spread.set(index, units.fingerprint(trits, grid, band))
    }
    let complete = spread.all.compactMap { $0 }
    guard complete.count == bands.count else { return nil }
    scales = .spread(
      SpreadScales(
        units: units, granularity: multiplier.granularity, isPacked: weight.isPacked, fingerprints: complete))
  }

  private static func fingerprints(
    _ bands: WitnessBands, _ work: WorkOptions, _ read: @Sendable (Int, MatrixBand, inout [Int8]) throws -> Void
  ) throws -> [UInt64] {
    let found = LockedArray<UInt64>(count: bands.count, filler: 0)
    try work.parallelism.forEachBand(bands.count, workspace: [Int8]()) { index, trits in
      try read(index, bands[index], &trits)
      found.set(index, XXH64.hash(trits.span.bytes))
    }
    return found.all
  }

  /// True when bands of a written tensor have these trits; scales are the caller's to judge.
  ///
  /// - Parameter look: gets the trits of each band.
  package func agrees(
    cancellation: CancellationFlag, _ read: (MatrixBand) throws -> [Int8],
    look: (_ trits: [Int8], _ band: MatrixBand, _ index: Int) -> Void = { _, _, _ in }
  ) throws -> Bool {
    for index in 0..<bands.count {
      try cancellation.check()
      let band = bands[index]
      let trits = try read(band)
      guard XXH64.hash(trits.span.bytes) == fingerprints[index] else { return false }
      look(trits, band, index)
    }
    return true
  }

  /// True when a written tensor has these trits and this scale.
  func agrees(
    with tensor: TensorDescriptor, _ scale: TernaryScale, in source: any TensorSource, cancellation: CancellationFlag,
    _ read: (MatrixBand) throws -> [Int8]
  ) throws -> Bool {
    guard try source.scale(of: tensor) == scale else { return false }
    var trits: [Int8] = []
    if tensor.encoding == .ternary(LayoutID(rawValue: "hf-packed")) {
      // One read of a packed row gives its four rows.
      for band in 0..<bands.count / 4 {
        try cancellation.check()
        var agrees = true
        try IndependentDecoder.allQuarters(
          packed: bands[band], of: tensor, in: source, trits: &trits
        ) { quarter, trits in
          let expected = fingerprints[quarter * (bands.count / 4) + band]
          agrees = agrees && XXH64.hash(trits.span.bytes) == expected
        }
        guard agrees else { return false }
      }
      source.release(0..<tensor.location.byteCount, of: tensor)
      return true
    }
    let agrees = try agrees(cancellation: cancellation, read)
    source.release(0..<tensor.location.byteCount, of: tensor)
    return agrees
  }
}

/// The scales a weight has, in each meaning one can be stored in.
package struct WeightScales: Sendable {
  let isPacked: Bool
  /// Of weights that were ternary in a dense type.
  let magnitude: TernaryScale?
  package let of: @Sendable (ScaleConvention) throws -> TernaryScale

  init(
    isPacked: Bool, magnitude: TernaryScale?, _ scale: @escaping @Sendable (ScaleConvention) throws -> TernaryScale
  ) {
    self.isPacked = isPacked
    self.magnitude = magnitude
    of = scale
  }

  /// How trits and scale came about, for a verdict that they are equal.
  var origin: String { WeightScales.origin(isPacked: isPacked, isRecognised: magnitude != nil) }

  static func origin(isPacked: Bool, isRecognised: Bool) -> String {
    if isPacked { return "trits and scale equal" }
    return isRecognised
      ? "source is ternary already; trits and scale equal" : "trits and scale equal a fresh quantization"
  }

  init(_ weight: TernaryWeight) {
    self.init(isPacked: weight.isPacked, magnitude: weight.magnitude) { try weight.scale($0) }
  }
}

/// Bands with a fingerprint each; in a matrix that can be cut into four quarters none crosses one.
struct WitnessBands: Sendable, Hashable {
  private let shape: TensorShape
  private let parts: Int
  private let first: MatrixBands

  init(_ shape: TensorShape) {
    self.shape = shape
    parts = shape.rows % 4 == 0 ? 4 : 1
    first = shape.bands(of: 0..<shape.rows / parts, elements: 1 << 18)
  }

  var count: Int { parts * first.count }

  subscript(index: Int) -> MatrixBand {
    let (part, band) = index.quotientAndRemainder(dividingBy: first.count)
    return shape.band(first[band], movedBy: part * (shape.rows / parts))
  }
}
