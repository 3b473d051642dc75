// Tritsmith: the tensors of a conversion passing one after the other.

import TritCore
import TritSurvey
import TritVerification

extension ConvertWorkflow {
  /// What streaming found on the way.
  package struct Streamed {
    package var recognised: [String] = []
    var rounded: [(name: String, report: RoundingReport)] = []
    /// What `check` says of numbers that have passed; warnings, as errors are thrown.
    var findings: [CheckFinding] = []
    package var witnesses = AuditWitnesses()
    let large = LargeNumbers()
  }

  /// What the tensors share while they pass.
  private struct Passage {
    let plan: ConversionPlan
    let source: any TensorSource
    let calibration: CalibrationStatistics?
    let writer: OutputWriter
    /// Over a network each byte is fetched once: what is read twice is held, whatever its size.
    let isRemote: Bool
    /// A ternary tensor is read twice: once for its mean, once for its trits.
    let held: HeldSource
    /// Whether `check` has rules for the model.
    let isKnown: Bool
    var result = Streamed()
    /// Planes of one matrix follow each other and are fitted once.
    var last: TernaryWeight?
    var singles = SingleScales()

    /// - Throws: `WorkflowError.unsound` for an error, which leaves no output.
    mutating func add(_ finding: CheckFinding?) throws {
      guard let finding, isKnown else { return }
      guard finding.severity != .error || finding.isMendedByConversion else {
        throw WorkflowError(.unsound(finding), file: source.manifest.path)
      }
      result.findings.append(finding)
    }
  }

  package func stream(
    _ plan: ConversionPlan, _ source: any TensorSource, _ calibration: CalibrationStatistics?, to writer: OutputWriter
  ) throws -> Streamed {
    let isRemote = source.isRemote
    let total = plan.tensors.reduce(UInt64(0)) {
      $0 + UInt64($1.source.location.byteCount) * ($1.step == .quantize || $1.step == .snap ? 2 : 1)
    }
    work.progress.began(ProgressPhase(name: "converting", totalBytes: total))
    defer { work.progress.ended() }
    var passage = Passage(
      plan: plan, source: source, calibration: calibration, writer: writer, isRemote: isRemote,
      held: HeldSource(source, limit: isRemote ? 0 : work.heldBytes), isKnown: request.knowsRules(of: plan.survey))
    let order = plan.streamingOrder
    let remote = try RemoteTensors(order, source)
    defer { remote?.ahead.stop() }
    for (index, tensor) in order.enumerated() {
      work.progress.reached(tensor.source.name, number: index + 1, of: plan.tensors.count)
      let copying = remote?.copying(index) ?? .atHand
      try remote?.enter(index)
      defer {
        remote?.leave(index)
        // A file may keep scales until they are forgotten.
        if isRemote { source.release(0..<tensor.source.location.byteCount, of: tensor.source) }
      }
      if isRemote, tensor.plane == 0 { try checkFetched(tensor, &passage) }
      try convert(tensor, copying, &passage)
    }
    passage.result.findings += passage.isKnown ? passage.singles.outliers : []
    return passage.result
  }

  /// What was not looked at before, of a tensor that has come over a network.
  private func checkFetched(_ tensor: PlannedTensor, _ passage: inout Passage) throws {
    let source = passage.source
    try source.checkIntegrity(of: tensor.source, work.parallelism, SilentProgress())
    if TernaryCheck.isRemoteScale(of: tensor.source, in: source) {
      let check = TernaryCheck(source: source, survey: passage.plan.survey)
      try passage.add(check.scaleFinding(tensor.source, tensor.role, &passage.singles))
    }
    if !tensor.isRecognised { try prove(tensor, scaleOfWhole(tensor.source, source), source) }
  }

  private func convert(
    _ tensor: PlannedTensor, _ copying: RemoteTensors.Copying, _ passage: inout Passage
  ) throws {
    let (held, writer, large) = (passage.held, passage.writer, passage.result.large)
    let zeros = ZeroWatch(tensor.source, tensor.role)
    if tensor.step == .recode {
      let report = try DenseStream(
        source: held, work: work, nonFinite: request.nonFinite, zeros: zeros, large: large
      ).recode(tensor, to: writer)
      if report.changed > 0 { passage.result.rounded.append((tensor.name, report)) }
      try passage.add(zeros.finding)
    } else if tensor.step == .restore {
      if tensor.source.encoding.isTernary { large.look(at: try held.scale(of: tensor.source)) }
      let restoration = LatentRestoration(source: held, work: work)
      try restoration.write(tensor, to: writer)
      if passage.isRemote {
        passage.result.witnesses.ternary[ExactString(tensor.source.name)] = try restoration.witness(of: tensor.source)
      }
    } else if tensor.becomesTernary {
      try makeTernary(tensor, zeros, &passage)
    } else {
      passage.result.witnesses.copies[ExactString(tensor.source.name)] = try copy(
        tensor, passage.source, copying, zeros, large, to: writer)
      try passage.add(zeros.finding)
    }
  }

  private func makeTernary(_ tensor: PlannedTensor, _ zeros: ZeroWatch, _ passage: inout Passage) throws {
    let (plan, held, writer) = (passage.plan, passage.held, passage.writer)
    let (large, isRemote) = (passage.result.large, passage.isRemote)
    let name = ExactString(tensor.source.name)
    let fitted = tensor.plane > 0 && passage.last?.tensor.name == tensor.source.name ? passage.last : nil
    let isHeld = fitted == nil && (isRemote || held.keep(tensor.source))
    var weight =
      try fitted
      ?? TernaryWeight(
        held, tensor.source, quantizer: plan.quantizer, calibration: passage.calibration,
        recognition: request.recipe?.recognition ?? .takenAsTheyAre, known: plan.found.take(tensor.source), work: work)
    weight.plane = tensor.plane
    if tensor.isRecognised { try prove(tensor, weight.magnitude, passage.source) }
    passage.last = plan.hasPlanes ? weight : nil
    if case .recognised(let pass, _) = weight.origin {
      passage.result.recognised.append(tensor.source.name)
      if tensor.step == .snap, pass.dtype == .bf16, tensor.encoding == .dense(.bf16), tensor.isInOrder {
        // It is what it is to become, down to the sign of its zeros.
        passage.result.witnesses.copies[name] = try copy(tensor, held, .atHand, zeros, large, to: writer)
        return
      }
    }
    try refusePartlyTernary(weight, tensor, plan)
    var scale = try tensor.outputScale ?? outputScale(weight, plan)
    if request.target == .mlx, let storage = tensor.scaleStorage, tensor.encoding.isTernary {
      scale = try tensor.mlxScale(try fitting(scale, storage, weight, .beside))
    }
    large.look(at: scale)
    switch tensor.encoding {
    case .ternary(let id):
      try pack(weight, tensor, id, scale, zeros, to: writer)
      try passage.add(zeros.finding)
    default: try densify(weight, tensor, scale, to: writer)
    }
    if tensor.outputScale == nil || isRemote {
      passage.result.witnesses.ternary[name] = try witness(
        of: weight, tensor, scale.convention, isHeld: isHeld, isRemote: isRemote)
    }
  }

  /// Holds what samples said of a tensor's scales, by which the output was planned, against all of it.
  private func prove(
    _ tensor: PlannedTensor, _ found: @autoclosure () throws -> TernaryScale?, _ source: any TensorSource
  ) throws {
    guard let sampled = tensor.sampled else { return }
    guard let found = try found() else {
      let file = source.manifest.files[tensor.source.location.file].path
      throw WorkflowError(.partlyTernary(try firstBreak(tensor.source, source)), file: file, tensor: tensor.source.name)
    }
    let scale = SampledScale(found)
    guard scale != sampled else { return }
    throw WorkflowError(
      .samplesMislead(sampled: sampled.noun, found: scale.noun), file: source.manifest.path, tensor: tensor.source.name)
  }

  /// The scales of trits, packed or in a dense type; nil for other numbers.
  private func scaleOfWhole(_ tensor: TensorDescriptor, _ source: any TensorSource) throws -> TernaryScale? {
    if tensor.encoding.isTernary { return try source.scale(of: tensor) }
    let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: work.kernels)
    return try pass.ternaryScale(work.parallelism, SilentProgress())
  }

  /// What the audit need not read a weight again for; nil where it does.
  private func witness(
    of weight: TernaryWeight, _ planned: PlannedTensor, _ convention: ScaleConvention, isHeld: Bool, isRemote: Bool
  ) throws -> AuditWitness? {
    // Absmean of bfloat16 latents only: fits are compared with a fresh fit.
    // GGUF has rows, names and scales of its own; its audit works from the source, where that is at hand.
    // MLX has a scale for each group, and the same number in all of them.
    if planned.encoding.isTernary, isHeld, request.target != .gguf || isRemote, request.target != .mlx,
      let witness = try AuditWitness(weight, convention, work: work)
    {
      return witness
    }
    return isRemote && request.recipe == nil && planned.columnOrder == nil
      ? try AuditWitness(of: weight, work: work) : nil
  }

  /// A dense file does not say which of its matrices are ordinary ones: the user must.
  private func refusePartlyTernary(
    _ weight: TernaryWeight, _ tensor: PlannedTensor, _ plan: ConversionPlan
  ) throws {
    guard plan.survey.kind == .ternaryDense, request.recipe == nil, case .quantized(let pass, _, _) = weight.origin,
      !request.quantize.contains(where: { $0.matches(tensor.source.name) }),
      try pass.findings(work.parallelism, SilentProgress()).largest != 0
    else { return }
    throw WorkflowError(
      .partlyTernary(try firstBreak(tensor.source, weight.source)),
      file: weight.source.manifest.files[tensor.source.location.file].path, tensor: tensor.source.name)
  }

  /// Where a matrix that is ternary otherwise is not; nil for other tensors.
  private func firstBreak(_ tensor: TensorDescriptor, _ source: any TensorSource) throws -> TernaryBreak? {
    guard tensor.encoding.dtype?.isFloatWeight == true else { return nil }
    return try WeightPass(source, tensor, roundsToBFloat16: false, kernels: work.kernels).firstBreak(work.parallelism)
  }

  /// The scale a tensor gets in the output.
  private func outputScale(_ weight: TernaryWeight, _ plan: ConversionPlan) throws -> TernaryScale {
    // GGUF, MLX and dense weights hold multipliers: of weights that are ternary already, the magnitude itself, not one made
    // from a divisor, which could round it once more.
    let holdsMultipliers = [.gguf, .dense, .mlx].contains(request.target)
    if holdsMultipliers, weight.hasMultiplier {
      return try weight.magnitude ?? weight.scale(.multiply)
    }
    let scale = try weight.scale(plan.convention)
    // What loaders divide by: of a divisor of 0 they would make NaN. The audit proves that no weight depends on it.
    return holdsMultipliers ? scale : scale.withSoundDivisors
  }
}
