// Tritsmith: carrying out a conversion.

import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritVerification

/// What a conversion did.
package struct ConversionResult: Sendable {
  package var plan: ConversionPlan
  /// Dense tensors that were ternary already and were taken as they are.
  package var recognised: [String]
  package var audit: VerifyResult
  /// What storing dense tensors in another type did to them, by their names in the output; only what changed.
  package var rounded: [(name: String, report: RoundingReport)]
  /// What `check` warns of in weights, found while they passed.
  var findings: [CheckFinding]
  /// Bytes of everything written.
  package var writtenBytes: UInt64
  package var seconds: Double
}

/// Converts a model: plan, stream, audit, put in place.
///
/// Tensors are streamed one at a time, bands of rows in parallel; what is resident does not grow with the model. The
/// output is built under a temporary name, reopened, compared with the source by an independent decoder, and renamed
/// only when everything is equal.
package struct ConvertWorkflow: Sendable {
  package let request: ConversionRequest
  package let work: WorkOptions

  package init(_ request: ConversionRequest, work: WorkOptions = WorkOptions()) {
    var request = request
    // A path that means no model is an error when it is opened.
    request.input = (try? ModelPlace.lasting(request.input)) ?? request.input
    self.request = request
    self.work = work
  }

  /// The plan alone: nothing is written.
  package func plan() throws -> ConversionPlan {
    let source = try ModelOpener.open(request.input, request.inputOptions, hasCompanions: true)
    return try Planner(source, request).plan()
  }

  /// Throws when the output may not appear where it was asked for.
  package func checkPlace() throws { try OutputPlace.check(request) }

  /// Converts.
  ///
  /// - Parameter announce: called with the plan before anything is written.
  package func run(announce: (ConversionPlan) -> Void = { _ in }) throws -> ConversionResult {
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
    if let denied = ConvertWorkflow.deniedScales(output, plan, source) { throw denied }
    // The values are compared with the source's below, which were looked at on the way.
    let isKnown = self.request.quantize.isEmpty || (try? plan.survey.description.get()) != nil
    if !isPart, isKnown,
      let error = try ModelChecks.withoutValues(output, ModelSurvey(of: output))
        .first(where: { self.request.refuses($0, from: source) })
    {
      throw WorkflowError(.auditFailed(error.sentence), file: self.request.output)
    }
    if isPart { request.only = Set(plan.tensors.map { ExactString($0.source.name) }) }
    return try VerifyWorkflow(
      source: source, converted: output, request: request, work: work, calibration: calibration, witnesses: witnesses
    ).run()
  }
}
