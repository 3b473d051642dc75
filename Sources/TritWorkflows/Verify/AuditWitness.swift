// Tritsmith: what an output must hold, worked out while the source is in memory.

import Synchronization
import TritCore
import TritFormats
import TritQuantizers

/// Fingerprints of the trits a tensor must have, and its scale, from the source's bytes.
///
/// A conversion reads its source once; its audit, which comes last and reads only the output, needs to know what to
/// find. A witness is worked out between the two by arithmetic of its own, on the same bytes: the mean is summed by
/// other code than the kernels', the thresholds are found by walking along the rule of the quantizer, and the trits are
/// compared as signed integers. A fault in kernels, packing, rows, scales or on the disk is then a difference.
struct AuditWitness: Sendable {
  let bands: WitnessBands
  /// XXH64 of each band's trits as int8, row-major.
  let fingerprints: [UInt64]
  let scales: WeightScales
  /// The scale that goes with the trits where it is stored as checkpoints store it; nil for weights that were ternary.
  let stored: TernaryScale?

  /// Nil for weights that are not bfloat16 latents; the audit then reads their source again.
  ///
  /// - Throws: `WorkflowError.auditFailed` when the kernels decided otherwise.
  init?(_ weight: TernaryWeight, _ convention: ScaleConvention, work: WorkOptions) throws {
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
    scales = WeightScales(isPacked: false, magnitude: nil, scale)
    bands = WitnessBands(pass.tensor.shape)
    fingerprints = try AuditWitness.fingerprints(bands, work) { rows, trits in
      try pass.source.withBytes(pass.byteRange(rows), of: pass.tensor) { bytes in
        if trits.count != bytes.byteCount / 2 { trits = [Int8](repeating: 0, count: bytes.byteCount / 2) }
        IndependentQuantizer.trits(bytes, thresholds, into: &trits)
      }
    }
  }

  /// The same of any weight with one scale, as it is read: for an audit that cannot read it again.
  ///
  /// Nil for fits, which are compared with a fresh fit, and for scales of groups, which would take much memory.
  init?(of weight: TernaryWeight, work: WorkOptions) throws {
    if case .fitted = weight.origin { return nil }
    let scales = WeightScales(weight)
    guard let multiplier = try? scales.of(.multiply), let divisor = try? scales.of(.divide),
      multiplier.granularity == .tensor
    else { return nil }
    stored = nil
    self.scales = WeightScales(isPacked: scales.isPacked, magnitude: scales.magnitude) {
      $0 == .multiply ? multiplier : divisor
    }
    let columns = weight.tensor.shape.columns
    bands = WitnessBands(weight.tensor.shape)
    fingerprints = try AuditWitness.fingerprints(bands, work) { rows, trits in
      if trits.count != rows.count * columns { trits = [Int8](repeating: 0, count: rows.count * columns) }
      try weight.read(rows, into: &trits, at: 0)
    }
  }

  private static func fingerprints(
    _ bands: WitnessBands, _ work: WorkOptions, _ read: @Sendable (Range<Int>, inout [Int8]) throws -> Void
  ) throws -> [UInt64] {
    let found = Mutex<[UInt64]>(Array(repeating: 0, count: bands.count))
    try work.parallelism.forEachBand(bands.count, workspace: [Int8]()) { index, trits in
      try read(bands.rows(index), &trits)
      let hash = XXH64.hash(trits.span.bytes)
      found.withLock { $0[index] = hash }
    }
    return found.withLock { $0 }
  }

  /// True when rows of a written tensor have these trits; scales are the caller's to judge.
  ///
  /// - Parameter look: gets the trits of each run of rows.
  func agrees(
    cancellation: CancellationFlag, _ read: (Range<Int>) throws -> [Int8],
    look: ([Int8], Range<Int>) -> Void = { _, _ in }
  ) throws -> Bool {
    for band in 0..<bands.count {
      try cancellation.check()
      let trits = try read(bands.rows(band))
      guard XXH64.hash(trits.span.bytes) == fingerprints[band] else { return false }
      look(trits, bands.rows(band))
    }
    return true
  }

  /// True when a written tensor has these trits and this scale.
  func agrees(
    with tensor: TensorDescriptor, _ scale: TernaryScale, in source: any TensorSource, cancellation: CancellationFlag,
    _ read: (Range<Int>) throws -> [Int8]
  ) throws -> Bool {
    guard try source.scale(of: tensor) == scale else { return false }
    var trits: [Int8] = []
    if tensor.encoding == .ternary(LayoutID(rawValue: "hf-packed")) {
      // One read of a packed row gives its four rows.
      for band in 0..<bands.count / 4 {
        try cancellation.check()
        var agrees = true
        try IndependentDecoder.allQuarters(
          packedRows: bands.rows(band), of: tensor, in: source, trits: &trits
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
struct WeightScales: Sendable {
  let isPacked: Bool
  /// Of weights that were ternary in a dense type.
  let magnitude: TernaryScale?
  let of: @Sendable (ScaleConvention) throws -> TernaryScale

  init(
    isPacked: Bool, magnitude: TernaryScale?, _ scale: @escaping @Sendable (ScaleConvention) throws -> TernaryScale
  ) {
    self.isPacked = isPacked
    self.magnitude = magnitude
    of = scale
  }

  /// How trits and scale came about, for a verdict that they are equal.
  var origin: String {
    if isPacked { return "trits and scale equal" }
    return magnitude == nil
      ? "trits and scale equal a fresh quantization" : "source is ternary already; trits and scale equal"
  }

  init(_ weight: TernaryWeight) {
    self.init(isPacked: weight.isPacked, magnitude: weight.magnitude) { try weight.scale($0) }
  }
}

/// Runs of rows with a fingerprint each; in a matrix that can be cut into four quarters no run crosses one.
struct WitnessBands: Sendable, Hashable {
  private let partRows: Int
  private let step: Int
  private let parts: Int
  private let inPart: Int

  init(_ shape: TensorShape) {
    parts = shape.rows % 4 == 0 ? 4 : 1
    partRows = shape.rows / parts
    step = max(1, (1 << 18) / max(1, shape.columns))
    inPart = (partRows + step - 1) / step
  }

  var count: Int { parts * inPart }

  func rows(_ index: Int) -> Range<Int> {
    let (part, band) = (index / inPart, index % inPart)
    return part * partRows + band * step..<part * partRows + min(partRows, (band + 1) * step)
  }
}
