// Tritsmith: carrying out a conversion.

import Synchronization
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// What a conversion did.
public struct ConversionResult: Sendable {
  public var plan: ConversionPlan
  /// Dense tensors that were ternary already and were taken as they are.
  public var recognised: [String]
  public var audit: VerifyResult
  /// What storing dense tensors in another type did to them, by their names in the output; only what changed.
  public var rounded: [(name: String, report: RoundingReport)]
  /// What `check` warns of in weights, found while they passed.
  var findings: [CheckFinding]
  /// Bytes of everything written.
  public var writtenBytes: UInt64
  public var seconds: Double
}

/// Converts a model: plan, stream, audit, put in place.
///
/// Tensors are streamed one at a time, bands of rows in parallel; what is resident does not grow with the model. The
/// output is built under a temporary name, reopened, compared with the source by an independent decoder, and renamed
/// only when everything is equal.
public struct ConvertWorkflow: Sendable {
  public let request: ConversionRequest
  package let work: WorkOptions

  public init(_ request: ConversionRequest, work: WorkOptions = WorkOptions()) {
    var request = request
    // A path that means no model is an error when it is opened.
    request.input = (try? ModelPlace.lasting(request.input)) ?? request.input
    self.request = request
    self.work = work
  }

  /// The plan alone: nothing is written.
  public func plan() throws -> ConversionPlan {
    let source = try ModelOpener.open(request.input, request.inputOptions, hasCompanions: true)
    return try Planner(source, request).plan()
  }

  /// Throws when the output may not appear where it was asked for.
  public func checkPlace() throws { try OutputPlace.check(request) }

  /// Converts.
  ///
  /// - Parameter announce: called with the plan before anything is written.
  public func run(announce: (ConversionPlan) -> Void = { _ in }) throws -> ConversionResult {
    try OutputPlace.check(request)
    return try build(announce: announce) { staged in
      try staged.writer.staging.commit()
      return staged.result
    }
  }

  /// Builds and audits the output under its temporary name; what `conclude` does not commit is removed.
  ///
  /// - Parameter rehearsal: true when `conclude` commits nothing.
  package func build<Result>(
    rehearsal: Bool = false, announce: (ConversionPlan) -> Void = { _ in },
    conclude: (StagedConversion) throws -> Result
  ) throws -> Result {
    let start = Platform.monotonicSeconds
    let source = try ModelOpener.open(request.input, request.inputOptions, hasCompanions: true)
    var plan = try Planner(source, request).plan()
    announce(plan)
    try OutputPlace.checkSpace(for: plan)
    try ConvertWorkflow.checkIntegrity(source, work)
    let calibration = try request.calibration.map {
      try CalibrationStatistics(request.input, request.open, $0, work: work)
    }
    if let calibration { plan.remarks["calibration"] = .object(calibration.record) }
    let writer = try OutputWriter(plan, source: source, work: work, rehearsal: rehearsal)
    let streamed = try ScaleRoom.naming(source, plan.survey, request) {
      try stream(plan, source, calibration, to: writer)
    }
    try writer.complete()
    try source.checkUnchanged()
    // The disk writes while the audit reads; both must be done before anything is put in place.
    let syncing = BackgroundWork { try writer.sync() }
    let audited = Swift.Result { try self.audit(plan, source, calibration, writer, streamed.witnesses) }
    let synced = Swift.Result { try syncing.wait() }
    let audit = try audited.get()
    try synced.get()
    guard audit.passed else {
      throw WorkflowError(.auditFailed(audit.firstProblem ?? "it differs from its source"), file: request.output)
    }
    if streamed.large.areThere { try checkComputation(plan, source, writer) }
    try work.parallelism.cancellation.check()
    return try conclude(
      StagedConversion(
        plan: plan, source: source, writer: writer, audit: audit, recognised: streamed.recognised,
        rounded: streamed.rounded, findings: streamed.findings, start: start))
  }

  /// Checks a container's own checksums; over a network those of tensors when they pass.
  package static func checkIntegrity(_ source: any TensorSource, _ work: WorkOptions) throws {
    if source.isRemote {
      try source.checkIntegrityBesideTensors(work.parallelism, work.progress)
    } else {
      try source.checkIntegrity(work.parallelism, work.progress)
    }
  }

  // MARK: - Streaming

  /// What streaming found on the way.
  package struct Streamed {
    package var recognised: [String] = []
    var rounded: [(name: String, report: RoundingReport)] = []
    /// What `check` says of numbers that have passed; warnings, as errors are thrown.
    var findings: [CheckFinding] = []
    package var witnesses = AuditWitnesses()
    let large = LargeNumbers()
  }

  package func stream(
    _ plan: ConversionPlan, _ source: any TensorSource, _ calibration: CalibrationStatistics?, to writer: OutputWriter
  ) throws -> Streamed {
    var result = Streamed()
    // Over a network each byte is fetched once: what is read twice is held, whatever its size.
    let isRemote = source.isRemote
    let held = HeldSource(source, limit: isRemote ? 0 : work.heldBytes)
    // A ternary tensor is read twice: once for its mean, once for its trits.
    let total = plan.tensors.reduce(UInt64(0)) {
      $0 + UInt64($1.source.location.byteCount) * ($1.step == .quantize || $1.step == .snap ? 2 : 1)
    }
    work.progress.began(ProgressPhase(name: "converting", totalBytes: total))
    defer { work.progress.ended() }
    let isKnown = request.knowsRules(of: plan.survey)
    var last: TernaryWeight?
    var singles = SingleScales()
    let order = plan.streamingOrder
    let remote = try RemoteTensors(order, source)
    defer { remote?.ahead.stop() }
    for (index, tensor) in order.enumerated() {
      work.progress.reached(tensor.source.name, number: index + 1, of: plan.tensors.count)
      let zeros = ZeroWatch(tensor.source, tensor.role)
      func conclude() throws { try add(zeros.finding, source, isKnown, to: &result) }
      let copying = remote?.copying(index) ?? .atHand
      try remote?.enter(index)
      defer {
        remote?.leave(index)
        // A file may keep scales until they are forgotten.
        if isRemote { source.release(0..<tensor.source.location.byteCount, of: tensor.source) }
      }
      if isRemote, tensor.plane == 0 {
        try source.checkIntegrity(of: tensor.source, work.parallelism, SilentProgress())
        if TernaryCheck.isRemoteScale(of: tensor.source, in: source) {
          let check = TernaryCheck(source: source, survey: plan.survey)
          try add(check.scaleFinding(tensor.source, tensor.role, &singles), source, isKnown, to: &result)
        }
        if !tensor.isRecognised { try prove(tensor, scaleOfWhole(tensor.source, source), source) }
      }
      if tensor.step == .recode {
        let report = try DenseStream(
          source: held, work: work, nonFinite: request.nonFinite, zeros: zeros, large: result.large
        ).recode(tensor, to: writer)
        if report.changed > 0 { result.rounded.append((tensor.name, report)) }
        try conclude()
        continue
      }
      if tensor.step == .restore {
        if tensor.source.encoding.isTernary { result.large.look(at: try held.scale(of: tensor.source)) }
        let restoration = LatentRestoration(source: held, work: work)
        try restoration.write(tensor, to: writer)
        if isRemote {
          result.witnesses.ternary[ExactString(tensor.source.name)] = try restoration.witness(of: tensor.source)
        }
        continue
      }
      guard tensor.becomesTernary else {
        result.witnesses.copies[ExactString(tensor.source.name)] = try copy(
          tensor, source, copying, zeros, result.large, to: writer)
        try conclude()
        continue
      }
      // Planes of one matrix follow each other and are fitted once.
      let known = tensor.plane > 0 && last?.tensor.name == tensor.source.name ? last : nil
      let isHeld = known == nil && (isRemote || held.keep(tensor.source))
      var weight =
        try known
        ?? TernaryWeight(
          held, tensor.source, quantizer: plan.quantizer, calibration: calibration,
          recognition: request.recipe?.recognition ?? .takenAsTheyAre, known: plan.found.take(tensor.source), work: work
        )
      weight.plane = tensor.plane
      if tensor.isRecognised { try prove(tensor, weight.magnitude, source) }
      last = plan.hasPlanes ? weight : nil
      if case .recognised(let pass, _) = weight.origin {
        result.recognised.append(tensor.source.name)
        if tensor.step == .snap, pass.dtype == .bf16, tensor.encoding == .dense(.bf16), tensor.isInOrder {
          // It is what it is to become, down to the sign of its zeros.
          result.witnesses.copies[ExactString(tensor.source.name)] = try copy(
            tensor, held, .atHand, zeros, result.large, to: writer)
          continue
        }
      }
      try refusePartlyTernary(weight, tensor, plan)
      var scale = try tensor.outputScale ?? outputScale(weight, plan)
      if request.target == .mlx, let storage = tensor.scaleStorage, tensor.encoding.isTernary {
        scale = try tensor.mlxScale(try fitting(scale, storage, weight, .beside))
      }
      result.large.look(at: scale)
      switch tensor.encoding {
      case .ternary(let id):
        try pack(weight, tensor, id, scale, zeros, to: writer)
        try conclude()
      default: try densify(weight, tensor, scale, to: writer)
      }
      if tensor.outputScale == nil || isRemote {
        result.witnesses.ternary[ExactString(tensor.source.name)] = try witness(
          of: weight, tensor, scale.convention, isHeld: isHeld, isRemote: isRemote)
      }
    }
    result.findings += isKnown ? singles.outliers : []
    return result
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

  /// - Throws: `WorkflowError.unsound` for an error, which leaves no output.
  private func add(
    _ finding: CheckFinding?, _ source: any TensorSource, _ isKnown: Bool, to result: inout Streamed
  ) throws {
    guard let finding, isKnown else { return }
    guard finding.severity != .error || finding.isMendedByConversion else {
      throw WorkflowError(.unsound(finding), file: source.manifest.path)
    }
    result.findings.append(finding)
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

  /// - Returns: what the audit will find, of a model that is read over a network.
  private func copy(
    _ planned: PlannedTensor, _ source: any TensorSource, _ copying: RemoteTensors.Copying, _ zeros: ZeroWatch,
    _ large: LargeNumbers, to writer: OutputWriter
  ) throws -> CopyWitness? {
    let (input, stored) = planned.copied(from: source)
    var bandBytes = bandBytes
    // Requests to a network are few and large.
    if case .asked = copying { bandBytes *= 8 }
    let witness = source.isRemote ? CopyFingerprints(stored, bandBytes: bandBytes) : nil
    let bands = PlannedTensor.bands(of: stored, bandBytes)
    // Bytes already in memory: looking at them costs a small part of reading them.
    let check = FiniteCheck(stored, of: input, request.nonFinite, role: planned.role, large: large)
    try work.parallelism.forEachBand(bands.count) { band in
      let range = bands[band]
      func pass() throws {
        try input.withBytes(range, of: stored) { bytes in
          try check?.look(at: bytes, from: range.lowerBound)
          witness?.add(bytes, band: band)
          zeros.look(at: bytes, as: stored.encoding)
          try writer.write(bytes, to: planned.name, at: range.lowerBound)
        }
      }
      if case .ahead(let ahead, let first) = copying {
        try ahead.during(first + band, pass)
      } else {
        try pass()
      }
      input.release(range, of: stored)
      work.progress.advanced(by: range.count)
    }
    return witness?.witness
  }

  /// Buffers of one worker.
  private struct Buffers {
    var trits: [Int8] = []
    var bytes: [UInt8] = []
    var values: [UInt16] = []
  }

  private func pack(
    _ weight: TernaryWeight, _ planned: PlannedTensor, _ id: LayoutID, _ scale: TernaryScale, _ zeros: ZeroWatch,
    to writer: OutputWriter
  ) throws {
    guard let layout = LayoutRegistry.layout(id) else { preconditionFailure("layout \(id) was planned") }
    let shape = weight.tensor.shape
    let columns = shape.columns
    try refuseReordered(planned)
    let embedded = try embedded(scale, planned, layout, weight)?.grid(columns: columns)
    // A quarter of a band's trits stays in a core's cache between reading and packing.
    let bands = layout.bands(shape, rowsPerBand: max(1, bandBytes / 8 / max(1, columns)))
    try work.parallelism.forEachBand(bands.count, workspace: Buffers()) { index, buffers in
      let band = bands[index]
      resize(&buffers.trits, to: band.count(shape), filler: 0)
      resize(&buffers.bytes, to: band.bytes.count, filler: 0)
      var position = 0
      for part in band.parts(of: shape) {
        try weight.read(part, order: planned.rowOrder, into: &buffers.trits, at: position)
        weight.release(part)
        position += part.count
      }
      planned.columnOrder?.reorder(&buffers.trits, columns: columns)
      zeros.look(at: buffers.trits)
      pack(buffers.trits, band, shape, layout, embedded, into: &buffers.bytes)
      try writer.write(buffers.bytes.span.bytes, to: planned.name, at: band.bytes.lowerBound)
      work.progress.advanced(by: band.parts(of: shape).reduce(0) { $0 + progressBytes(weight, $1) })
    }
    if embedded == nil { try writer.writeScale(scale, of: planned.name) }
  }

  private func pack(
    _ trits: [Int8], _ band: LayoutBand, _ shape: TensorShape, _ layout: any TernaryLayout, _ scale: MultiplierGrid?,
    into bytes: inout [UInt8]
  ) {
    var output = bytes.mutableSpan
    layout.pack(trits.span, band, shape, with: work.kernels, into: &output)
    if let scale { layout.embed(scale, band, shape, into: &output) }
  }

  /// Columns in another order are put there row by row.
  private func refuseReordered(_ planned: PlannedTensor) throws {
    guard planned.columnOrder != nil, planned.source.shape.hasLongRows else { return }
    throw WorkflowError(.rowTooLong(columns: planned.source.shape.columns), tensor: planned.source.name)
  }

  /// The scale as a layout puts it among its codes, rows in the output's order; nil when it stands beside them.
  private func embedded(
    _ scale: TernaryScale, _ planned: PlannedTensor, _ layout: any TernaryLayout, _ weight: TernaryWeight
  ) throws -> TernaryScale? {
    guard let storage = layout.embeddedScale?.storage else { return nil }
    try refuseRounding(of: scale, to: storage, weight)
    let held = try weight.scale(
      try fitting(scale, storage, weight, .blocks), asHeldBy: layout, request.scaleLoss, planned.columnOrder)
    guard let order = planned.rowOrder else { return held }
    let shape = planned.source.shape
    return held.reordered(rows: shape.rows, columns: shape.columns) { order.row(ofStored: $0) }
  }

  /// trit × scale as dense numbers.
  private func densify(
    _ weight: TernaryWeight, _ planned: PlannedTensor, _ scale: TernaryScale, to writer: OutputWriter
  ) throws {
    let scale = try planned.encoding.dtype.map { try fitting(scale, $0, weight, .dense(request.target)) } ?? scale
    let shape = weight.tensor.shape
    let columns = shape.columns
    let grid = scale.grid(columns: columns)
    let fitted = weight.fittedGrids(scale)
    try refuseReordered(planned)
    let bands = shape.bands(elements: bandBytes / 2)
    try work.parallelism.forEachBand(bands.count, workspace: Buffers()) { index, buffers in
      let band = bands[index]
      let start = planned.encoding.byteOffset(ofElement: band.elements.lowerBound)
      if planned.encoding == .dense(.bf16), planned.isInOrder {
        resize(&buffers.values, to: band.count, filler: 0)
        if let fitted = fitted.flatMap({ weight.fittedValues(band, $0) }) {
          buffers.values = fitted
        } else if try !weight.snap(band, to: scale, into: &buffers.values) {
          resize(&buffers.trits, to: band.count, filler: 0)
          try weight.read(band, into: &buffers.trits, at: 0)
          DenseTernary.fill(&buffers.values, from: buffers.trits, grid, band)
        }
        try writer.write(buffers.values.span.bytes, to: planned.name, at: start)
      } else {
        resize(&buffers.trits, to: band.count, filler: 0)
        try weight.read(band, order: planned.rowOrder, into: &buffers.trits, at: 0)
        var values = DenseTernary.values(buffers.trits, grid, band, order: planned.rowOrder)
        planned.columnOrder?.reorder(&values, columns: columns)
        let (bytes, _) = DenseRecoder.encode(values, to: planned.encoding)
        try writer.write(bytes.span.bytes, to: planned.name, at: start)
      }
      weight.release(band)
      work.progress.advanced(by: progressBytes(weight, band))
    }
  }

  private func progressBytes(_ weight: TernaryWeight, _ band: MatrixBand) -> Int {
    weight.tensor.shape.byteShare(band, of: weight.tensor.location.byteCount)
  }

  private func resize<Element>(_ buffer: inout [Element], to count: Int, filler: Element) {
    if buffer.count != count { buffer = [Element](repeating: filler, count: count) }
  }

  // MARK: - Audit

  /// Runs a few tokens through the staged output, where numbers are so large that products of them may not be finite.
  ///
  /// - Throws: `WorkflowError.unsound` with what `check` would say of the output.
  private func checkComputation(
    _ plan: ConversionPlan, _ source: any TensorSource, _ writer: OutputWriter
  ) throws {
    guard request.nonFinite == .refuse, request.knowsRules(of: plan.survey) else { return }
    let found = try ComputationCheck(
      path: writer.auditPath, open: request.reopening(writer.auditConvention), work: work
    ).run()
    if let error = found.findings.first { throw WorkflowError(.unsound(error), file: source.manifest.path) }
  }

  package func audit(
    _ plan: ConversionPlan, _ source: any TensorSource, _ calibration: CalibrationStatistics?, _ writer: OutputWriter,
    _ witnesses: AuditWitnesses, isPart: Bool = false
  ) throws -> VerifyResult {
    let output = try ModelOpener.open(
      writer.auditPath, request.reopening(writer.auditConvention), hasCompanions: !isPart)
    let written = (output as? GGUFModelView)?.base ?? output
    let writtenByName = Dictionary(
      written.manifest.tensors.map { (ExactString($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    for tensor in plan.tensors {
      guard let found = writtenByName[ExactString(tensor.name)] else { continue }
      // A tensor of the wrong type is caught here even when its values are right.
      guard found.encoding == tensor.encoding, found.contentBytes == tensor.byteCount else {
        throw WorkflowError(
          .auditFailed("'\(tensor.name)' was written as \(found.encoding.name)"), file: request.output)
      }
    }
    if request.target == .trainable {
      var result = try LatentRestoration(source: source, work: work).check(plan, output, witnesses)
      result.parts = PartFindings(
        [result.weightsFinding] + (try PartsComparison(first: source, second: output).run()), needed: plan.provedParts)
      return result
    }
    var request = VerifyRequest(quantizer: plan.quantizer.id.rawValue, depth: .audit)
    request.isAudit = true
    request.scaleLoss = plan.request.scaleLoss
    request.recipe = plan.request.recipe
    request.plannedDense = Set(
      plan.tensors.filter { !$0.becomesTernary && !$0.isTernaryCopy }.map { ExactString($0.source.name) })
    request.parts = plan.provedParts
    // The values are compared with the source's below, which were looked at on the way.
    let isKnown = self.request.quantize.isEmpty || (try? plan.survey.description.get()) != nil
    if !isPart, isKnown,
      let error = try ModelChecks.withoutValues(output, ModelSurvey(of: output))
        .first(where: { self.request.refuses($0, from: source) })
    {
      throw WorkflowError(
        .auditFailed("\(error.rule.rawValue): \(printable(error.subject)) \(error.detail)"), file: self.request.output)
    }
    if isPart { request.only = Set(plan.tensors.map { ExactString($0.source.name) }) }
    return try VerifyWorkflow(
      source: source, converted: output, request: request, work: work, calibration: calibration, witnesses: witnesses
    ).run()
  }
}
