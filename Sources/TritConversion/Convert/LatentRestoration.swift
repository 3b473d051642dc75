// Tritsmith: packed models turned back into ones that can be trained.

import TritCore
import TritFormats
import TritKernels
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// Makes latent weights of trits: `convert --to trainable`.
///
/// The latents a model was trained with are lost. What can be had is trit × c, with c chosen so that absmean gives the
/// scale again: of a matrix with N weights, K of them not zero, mean |w| = c·K/N, so c = m·N/K for a mean of m. That c is
/// hardly ever a bfloat16 number, so the two neighbours are used in the proportion that gives the mean, spread evenly.
/// |w| / m is then at least about 1 where a trit is ±1 and 0 where it is 0: every rounding gives the same trits. Two
/// magnitudes also keep the weights from being taken for a finished ternary matrix.
struct LatentRestoration {
  let source: any TensorSource
  let work: WorkOptions

  /// Those that must all give the trits again.
  private static let arithmetics: [AbsMean] = [.bf16, .float32, .kernel]

  /// The magnitudes of a matrix's latents: the lower one, the next bfloat16, and how many of `nonzero` get that.
  struct Magnitudes: Equatable {
    var lower: BFloat16
    var upper: BFloat16
    var uppers: Int
    var nonzero: Int

    /// - Parameters:
    ///   - mean: what mean |w| shall be.
    ///   - count: weights of the matrix.
    /// - Returns: nil where no two neighbouring finite bfloat16 numbers enclose the magnitude wanted.
    init?(mean: Float, count: Int, nonzero: Int) {
      let wanted = nonzero == 0 ? 0 : Double(mean) * Double(count) / Double(nonzero)
      guard wanted >= 0, wanted < Double(BFloat16(bits: 0x7F7F).float) else { return nil }
      var lower = BFloat16(Float(wanted))
      if Double(lower.float) > wanted { lower.bits -= 1 }
      self.lower = lower
      upper = BFloat16(bits: lower.bits + 1)
      let share = (wanted - Double(lower.float)) / Double(upper.float - lower.float)
      let exact = Int((share * Double(nonzero)).rounded())
      // At least one of each, where there are two.
      uppers = nonzero < 2 ? min(exact, nonzero) : max(1, min(nonzero - 1, exact))
      self.nonzero = nonzero
    }

    /// Whether weights with these magnitudes become ±1 by an arithmetic, which takes no mean for smaller than its floor.
    func giveTrits(by quantizer: AbsMean, count: Int) -> Bool {
      guard nonzero > 0 else { return true }
      let sum = Double(lower.float) * Double(nonzero - uppers) + Double(upper.float) * Double(uppers)
      let thresholds = quantizer.decide(WeightSummary(count: count, magnitudeSum: sum)).thresholds
      return max(thresholds.positive, thresholds.negative) <= lower.bits
    }

    /// The magnitude of the weight that is number `index` among those not zero.
    func value(_ index: Int) -> BFloat16 {
      // Evenly spread: the running share of uppers never strays by one.
      let (_, before) = nonzero.dividingFullWidth(index.multipliedFullWidth(by: uppers))
      return before + uppers >= nonzero ? upper : lower
    }
  }

  /// The mean of latents that gives a stored scale.
  ///
  /// A divisor s was made as bf16(1/m) of a bfloat16 mean m; the m nearest to 1/s with that property is taken, so that
  /// arithmetic in bfloat16 steps gives s again. Where there is none, 1/s.
  static func mean(of scale: TernaryScale) -> Float {
    guard scale.convention == .divide, scale.stored[0] != 0 else { return scale.stored[0] }
    let nearest = BFloat16(1 / scale.stored[0])
    let candidates = [nearest.bits, nearest.bits &- 1, nearest.bits &+ 1].map { BFloat16(bits: $0).float }
    return candidates.first { $0 > 0 && $0.isFinite && BFloat16.rounded(1 / $0) == scale.stored[0] }
      ?? 1 / scale.stored[0]
  }

  /// Trits of the source, whatever they are stored in, with their scale.
  private func weight(_ tensor: TensorDescriptor, _ work: WorkOptions) throws -> (TernaryWeight, TernaryScale) {
    let weight = try TernaryWeight(source, tensor, quantizer: AbsMean.float32, work: work)
    // Groups that all have the same scale are one.
    let scale = try weight.scale(.multiply).coarsest(rows: tensor.shape.rows, columns: tensor.shape.columns)
    guard scale.granularity == .tensor else {
      throw WorkflowError(
        .oneScaleOnly(found: scale.granularity == .row ? "per-row" : "per-group"), tensor: tensor.name)
    }
    return (weight, scale)
  }

  private func bands(_ shape: TensorShape) -> MatrixBands { shape.bands(elements: bandBytes / 2) }

  private func trits(_ weight: TernaryWeight, _ band: MatrixBand) throws -> [Int8] {
    defer { weight.release(band) }
    return try weight.trits(band)
  }

  func write(_ planned: PlannedTensor, to writer: OutputWriter) throws {
    let (weight, scale) = try weight(planned.source, work)
    let shape = planned.source.shape
    let bands = bands(shape)
    // First pass: where each band's non-zero weights begin in the count of all.
    let counts = LockedArray<Int>(count: bands.count, filler: 0)
    try work.parallelism.forEachBand(bands.count) { index in
      counts.set(index, try trits(weight, bands[index]).count { $0 != 0 })
    }
    let starts = counts.all.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let mean = LatentRestoration.mean(of: scale)
    guard let magnitudes = Magnitudes(mean: mean, count: shape.elementCount, nonzero: starts[bands.count]) else {
      throw WorkflowError(.latentsOverflow(mean: mean), tensor: planned.name)
    }
    guard LatentRestoration.arithmetics.allSatisfy({ magnitudes.giveTrits(by: $0, count: shape.elementCount) }) else {
      throw WorkflowError(.latentsVanish(mean: mean), tensor: planned.name)
    }
    try work.parallelism.forEachBand(bands.count) { index in
      var position = starts[index]
      let values = try trits(weight, bands[index]).map { trit -> UInt16 in
        guard trit != 0 else { return 0 }
        defer { position += 1 }
        return (magnitudes.value(position).bits | (trit < 0 ? 0x8000 : 0)).littleEndian
      }
      try writer.write(values.span.bytes, to: planned.name, at: bands[index].elements.lowerBound * 2)
      work.progress.advanced(by: bands[index].count / 4)
    }
  }

  // MARK: - Check

  /// Makes the written latents ternary again by every absmean arithmetic and compares with the source; tensors that were
  /// copied are compared byte for byte.
  ///
  /// A trit that comes out another fails. A scale that does is told: a divisor no bfloat16 mean gives cannot come back.
  ///
  /// - Parameter witnesses: of what need not be read again.
  func check(
    _ plan: ConversionPlan, _ output: any TensorSource, _ witnesses: AuditWitnesses
  ) throws -> VerifyResult {
    let results = LockedArray<TensorVerification?>(count: plan.tensors.count, filler: nil)
    let single = work.silentSingle
    work.progress.began(ProgressPhase(name: "auditing", totalBytes: UInt64(plan.outputBytes)))
    defer { work.progress.ended() }
    try work.parallelism.forEachBand(plan.tensors.count) { index in
      let planned = plan.tensors[index]
      guard let found = output.manifest.tensor(named: planned.name) else {
        throw WorkflowError(.auditFailed("'\(planned.name)' is missing"), file: plan.request.output)
      }
      let name = ExactString(planned.source.name)
      if planned.step == .restore {
        let result = try witnesses.ternary[name].flatMap { try requantized(planned, found, output, $0, single) }
        results.set(index, try result ?? requantized(planned, found, output, single))
      } else {
        results.set(
          index,
          try TensorComparison(
            source: source, converted: output, expected: planned.source, found: found, role: planned.role,
            quantizer: AbsMean.float32, depth: .audit, work: single, copy: witnesses.copies[name]
          ).run().0)
      }
      work.progress.advanced(by: planned.byteCount)
    }
    return VerifyResult(
      source: source.manifest.path, converted: plan.request.output, quantizer: "absmean",
      quantizerReason: "all three arithmetics", structure: [], tensors: results.all.compactMap { $0 })
  }

  /// Of a matrix whose latents give all it was again.
  static let sameAgain = "requantized: trits and scale equal by all arithmetics"

  private func requantized(
    _ planned: PlannedTensor, _ found: TensorDescriptor, _ output: any TensorSource, _ work: WorkOptions
  ) throws -> TensorVerification {
    let (expected, expectedScale) = try weight(planned.source, work)
    return try requantized(planned, found, output, expectedScale, work) { again, result in
      var nonzero = 0
      for band in bands(found.shape) {
        let (left, right) = (try trits(expected, band), try trits(again, band))
        nonzero += left.count { $0 != 0 }
        for index in left.indices where left[index] != right[index] {
          result.mismatches += 1
          if result.firstMismatch == nil {
            let (row, column) = (band.elements.lowerBound + index).quotientAndRemainder(dividingBy: found.shape.columns)
            result.firstMismatch = .init(row: row, column: column, expected: left[index], found: right[index])
          }
        }
      }
      return nonzero
    }
  }

  /// What the trits of a matrix and their scale must be, for a check that cannot read it again.
  func witness(of tensor: TensorDescriptor) throws -> AuditWitness? {
    try AuditWitness(of: weight(tensor, work).0, work: work)
  }

  /// The same by a witness; nil where that does not prove the trits equal.
  private func requantized(
    _ planned: PlannedTensor, _ found: TensorDescriptor, _ output: any TensorSource, _ witness: AuditWitness,
    _ work: WorkOptions
  ) throws -> TensorVerification? {
    guard case .one(let scales) = witness.scales else { return nil }
    var isProved = true
    let result = try requantized(planned, found, output, scales.of(.multiply), work) { again, _ in
      var nonzero = 0
      isProved =
        try witness.agrees(cancellation: work.parallelism.cancellation) {
          try trits(again, $0)
        } look: { trits, _, _ in
          nonzero += trits.count { $0 != 0 }
        } && isProved
      return nonzero
    }
    return isProved ? result : nil
  }

  /// - Parameter compare: compares what a tensor is when it is made ternary again, and counts trits that are not 0.
  private func requantized(
    _ planned: PlannedTensor, _ found: TensorDescriptor, _ output: any TensorSource, _ expectedScale: TernaryScale,
    _ work: WorkOptions, _ compare: (TernaryWeight, inout TensorVerification) throws -> Int
  ) throws -> TensorVerification {
    let convention = expectedScale.convention
    var result = TensorVerification(
      name: planned.name, role: planned.role, shape: planned.source.shape, outcome: .equal, detail: "")
    result.isTernary = true
    result.expectedScale = expectedScale
    var same: [String] = []
    var other: [String] = []
    for quantizer in LatentRestoration.arithmetics {
      let again = try TernaryWeight(output, found, quantizer: quantizer, work: work)
      let nonzero = try compare(again, &result)
      let scale = try again.scale(convention)
      result.foundScale = scale
      let name = quantizer.id.rawValue
      // Without a single ±1 there is nothing to scale.
      if nonzero == 0 || scale.stored == expectedScale.stored {
        same.append(name)
      } else {
        other.append("\(name) gives \(scale.stored[0]) for \(expectedScale.stored[0])")
      }
    }
    result.detail =
      other.isEmpty
      ? LatentRestoration.sameAgain
      : "requantized: trits equal by all arithmetics; scale: " + other.joined(separator: ", ")
    if result.mismatches > 0 {
      result.outcome = .differs
      result.detail = plural(result.mismatches, "trit differs", "trits differ") + " when made ternary again"
    }
    return result
  }
}

extension Planner {
  /// A tensor whose trits become latents; latents stay as they are.
  func restored(_ tensor: TensorDescriptor, _ role: TensorRole, file: String) throws -> PlannedTensor {
    func plan(_ step: ConversionStep, _ encoding: TensorEncoding, _ bytes: Int) -> PlannedTensor {
      PlannedTensor(source: tensor, role: role, step: step, encoding: encoding, byteCount: bytes)
    }
    if tensor.encoding.isTernary {
      let granularity = try granularity(of: tensor)
      guard try granularity == .tensor || oneScale(of: tensor, granularity) != nil else {
        throw WorkflowError(
          .oneScaleOnly(found: granularity == .row ? "per-row" : "per-group"), file: file, tensor: tensor.name)
      }
      return plan(.restore, .dense(.bf16), 2 * tensor.shape.elementCount)
    }
    switch try sampler?.dense(tensor) {
    case .otherNumbers: return plan(.copy, tensor.encoding, tensor.location.byteCount)
    case .ternary(let found) where found.granularity == .tensor:
      return plan(.restore, .dense(.bf16), 2 * tensor.shape.elementCount)
    // What cannot be converted is refused by what is so of the whole tensor.
    case .ternary, .unknown, nil: break
    }
    let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: KernelChoice.best)
    if let scale = try pass.spreadScale(Parallelism(threads: 0)) {
      throw WorkflowError(
        .oneScaleOnly(found: scale.granularity == .row ? "per-row" : "per-group"), file: file, tensor: tensor.name)
    }
    return try pass.looksTernary()
      ? plan(.restore, .dense(.bf16), 2 * tensor.shape.elementCount)
      : plan(.copy, tensor.encoding, tensor.location.byteCount)
  }
}
