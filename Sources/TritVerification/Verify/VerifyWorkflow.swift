// Tritsmith: comparing a converted model with its source.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritQuantizers
import TritSurvey

/// Compares a converted model with its source: structure, then trits, then scales, then round-trip errors.
///
/// Trits are compared with a fresh quantization of the source, decoded by `IndependentDecoder`, which shares no code
/// with the packers: a mistake that packing and unpacking have in common does not pass.
package struct VerifyWorkflow: Sendable {
  let source: any TensorSource
  let converted: any TensorSource
  let request: VerifyRequest
  let work: WorkOptions
  /// Of a conversion whose audit this is; otherwise made anew from the request.
  let given: CalibrationStatistics?
  /// What the conversion's audit may go by instead of reading a tensor's source again; by the source's names.
  private let witnesses: AuditWitnesses

  package init(
    source: any TensorSource, converted: any TensorSource, request: VerifyRequest, work: WorkOptions = WorkOptions()
  ) {
    self.init(
      source: source, converted: converted, request: request, work: work, calibration: nil,
      witnesses: AuditWitnesses())
  }

  /// The audit of a conversion.
  package init(
    source: any TensorSource, converted: any TensorSource, request: VerifyRequest, work: WorkOptions,
    calibration: CalibrationStatistics?, witnesses: AuditWitnesses
  ) {
    given = calibration
    self.witnesses = witnesses
    self.source = source
    self.converted = converted
    self.request = request
    self.work = work
  }

  /// - Throws: `TensorIOError`, `FormatError` or `WorkflowError`; models that differ are a result.
  package func run() throws -> VerifyResult {
    let survey = try ModelSurvey(of: source)
    let (quantizer, reason) = try chooseQuantizer(survey)
    var structure: [String] = []
    // Latents for scales of groups are in files that state no arithmetic, under class names that have another by habit.
    let isStated = survey.quantization != nil || !(quantizer is AbsMeanGroup)
    let usesOther = survey.kind == .latent && isStated && quantizer.id.rawValue != survey.defaultQuantizer.name
    if usesOther, request.quantizer == nil {
      structure.append(
        "its trits were made by \(quantizer.id.rawValue), and the source computes as \(survey.defaultQuantizer.name) "
          + "makes them: another model; --quantizer or --arithmetic \(quantizer.id.rawValue) says that it was meant")
    }
    let calibration = try self.calibration(quantizer)
    let hasPlanes = (quantizer as? any FittingQuantizer)?.planes == 2
    let pairing = try TensorPairing(source, converted, only: request.only, hasPlanes: hasPlanes)
    let permission = DensePermission(source, survey.kind, request)
    let (tensors, sums) = try compare(
      pairing.pairs, survey.roles, quantizer, calibration, permission, restoring: try restoring(survey.kind))
    var result = VerifyResult(
      source: source.manifest.path, converted: converted.manifest.path, quantizer: quantizer.id.rawValue,
      quantizerReason: reason, structure: structure + self.structure(pairing), tensors: tensors)
    result.setAside = pairing.setAside
    let packed = Set(source.manifest.tensors.filter(\.encoding.isTernary).map { ExactString($0.name) })
    result.usesQuantizer = tensors.contains { $0.isTernary && !packed.contains(ExactString($0.name)) }
    result.scaleLossPolicy = request.scaleLoss
    // A worker's part of a conversion has tensors only.
    let others =
      request.only == nil
      ? try PartsComparison(first: source, second: converted, isExcused: permission.allowsAnotherClass).run() : []
    result.parts = PartFindings(
      [result.weightsFinding] + others, needed: request.only == nil ? request.parts : [.weights])
    if result.parts.needed.contains(.weights) {
      result.parts.remarks += remarks(result, survey, quantizer, isStated: isStated, usesOther: usesOther)
    }
    if request.depth == .full {
      addTotals(sums, to: &result)
      let differing = Set(result.tensors.filter { $0.mismatches > 0 }.map { ExactString($0.name) })
      let wrong = pairing.pairs.filter { differing.contains(ExactString(source.manifest.tensors[$0.source].name)) }
      result.hints = try byteOrders(wrong, quantizer, calibration)
      if !result.passed, let hint = try swapped(survey.kind) { result.hints.insert(hint, at: 0) }
    }
    if !request.isAudit { result.hints += ModelOpener.rotationNotes([source, converted]) }
    return result
  }

  /// What of the two sides has no partner.
  private func structure(_ pairing: TensorPairing) -> [String] {
    let (sources, found) = (source.manifest.tensors, converted.manifest.tensors)
    var unpaired = UnpairedTensors()
    for pair in pairing.reshaped {
      let (tensor, other) = (sources[pair.source], found[pair.converted])
      unpaired.add(tensor, "tensor '\(printable(tensor.name))' has shape \(other.shape), expected \(tensor.shape)")
    }
    unpaired.add(
      pairing.absent, lackedBy: found, layers: { "nothing of \($0) is there" },
      single: { "tensor '\(printable($0.name))' is missing" })
    unpaired.add(
      pairing.extra, lackedBy: sources, layers: { "nothing of \($0) is in the source" },
      single: { "tensor '\(printable($0.name))' is not in the source" })
    return unpaired.lines
  }

  /// What was asked of the weights and makes another model of them, as far as it was found.
  private func remarks(
    _ result: VerifyResult, _ survey: ModelSurvey, _ quantizer: any Quantizer, isStated: Bool, usesOther: Bool
  ) -> [String] {
    var remarks: [String] = []
    let kept = result.tensors.count(where: \.isKept)
    if kept > 0 {
      remarks.append(
        plural(kept, "projection") + " not made ternary, as asked: \(kept == 1 ? "it computes" : "they compute") as "
          + "ordinary numbers")
    }
    guard !request.isAudit else { return remarks }
    let beside = result.tensors.count { $0.isTernary && !$0.role.isProjection && isNamed($0.name) }
    if beside > 0 {
      remarks.append("\(beside) \(beside == 1 ? "tensor" : "tensors") beside the projections made ternary, as asked")
    }
    if usesOther {
      remarks.append(
        "trits by \(quantizer.id.rawValue), as asked: the source computes as \(survey.defaultQuantizer.name) makes them"
      )
    } else if survey.kind == .ordinary || survey.kind == .latent && !isStated,
      result.tensors.contains(where: \.isTernary)
    {
      let what = survey.kind == .ordinary ? "an ordinary model" : "latents that state no arithmetic"
      remarks.append("trits of \(what), made by \(quantizer.id.rawValue)")
    }
    return remarks
  }

  /// The hash and the errors of the whole model.
  private func addTotals(_ sums: [Int: ErrorSums], to result: inout VerifyResult) {
    let streams = result.tensors.compactMap { tensor in tensor.stream.map { (tensor.name, $0) } }
    result.modelHash = streams.isEmpty ? nil : CodeStream.model(streams)
    var total = ErrorSums()
    for index in sums.keys.sorted() { sums[index].map { total.add($0) } }
    result.total = total.count == 0 ? nil : total.result
  }

  /// Whether the user says that a tensor was made ternary on purpose.
  private func isNamed(_ tensor: String) -> Bool { request.quantize.contains { $0.matches(tensor) } }

  /// What latents that were made of the source's trits become ternary by; nil where the converted side was not made to
  /// be trained on.
  private func restoring(_ kind: ModelKind) throws -> (any Quantizer)? {
    guard kind == .packed || kind == .ternaryDense,
      Recipe.recorded(in: converted)?["target"]?.string == ConversionTarget.trainable.rawValue
    else { return nil }
    return QuantizerRegistry.quantizer(
      QuantizerID(rawValue: try ModelSurvey(of: converted).defaultQuantizer.name))
  }

  /// Asks whether the two were given in the wrong order: trits for the source, and latent weights for what came of it.
  private func swapped(_ kind: ModelKind) throws -> String? {
    guard kind == .packed || kind == .ternaryDense, try ModelSurvey(of: converted).kind == .latent else { return nil }
    return "the first model is ternary and the second holds latent weights: the source goes first; try "
      + "'tritsmith verify \(printable(converted.manifest.path)) \(printable(source.manifest.path))'"
  }

  /// Asks of I2_S tensors that differ whether another byte order explains it.
  private func byteOrders(
    _ pairs: [TensorPair], _ quantizer: any Quantizer, _ calibration: CalibrationStatistics?
  ) throws -> [String] {
    guard !pairs.isEmpty else { return [] }
    let single = work.silentSingle
    let ofConverted = I2SOrderProbe(source: converted) { tensor, band in
      guard let original = source.manifest.tensor(named: tensor.name) else { return nil }
      return try TernaryWeight(
        source, original, quantizer: quantizer, calibration: calibration, work: single
      ).trits(band)
    }
    let ofSource = I2SOrderProbe(source: source) { tensor, band in
      try converted.manifest.tensor(named: tensor.name).flatMap {
        try TernaryReader(converted, $0, single)?.trits(band)
      }
    }
    return try [
      ofConverted.finding(pairs.map { converted.manifest.tensors[$0.converted] }),
      ofSource.finding(pairs.map { source.manifest.tensors[$0.source] }),
    ].compactMap { $0 }
  }

  /// A recipe of onebitllms quantizes ternary weights once more, and so must whoever redoes it.
  private var recognition: TernaryRecognition {
    (request.recipe ?? Recipe.recipe(of: converted))?.recognition ?? .takenAsTheyAre
  }

  private func chooseQuantizer(_ survey: ModelSurvey) throws -> (any Quantizer, String) {
    func named(_ name: String) throws -> any Quantizer {
      try QuantizerRegistry.known(QuantizerID(rawValue: name))
    }
    if let name = request.quantizer { return (try named(name), "chosen") }
    if let name = Recipe.quantizer(of: converted) { return (try named(name), "recorded in the converted model") }
    let (name, reason) = survey.defaultQuantizer
    return (try named(name), reason)
  }

  // MARK: - Tensors

  /// Tensors in parallel, the largest first so that no thread is left with a big one at the end.
  ///
  /// - Returns: what was found, in the order of `pairs`, and the error sums of those that have any.
  private func compare(
    _ pairs: [TensorPair], _ roles: [TensorRole], _ quantizer: any Quantizer, _ calibration: CalibrationStatistics?,
    _ permission: DensePermission, restoring: (any Quantizer)?
  ) throws -> ([TensorVerification], [Int: ErrorSums]) {
    let (sources, others) = (source.manifest.tensors, converted.manifest.tensors)
    func byteCount(_ pair: TensorPair) -> Int { sources[pair.source].location.byteCount }
    // Calibration is gathered layer by layer.
    let order = pairs.indices.sorted {
      calibration != nil
        ? roles[pairs[$0].source].layer < roles[pairs[$1].source].layer
        : byteCount(pairs[$0]) > byteCount(pairs[$1])
    }
    // Filled in place: results of many tensors are large, and are moved to the caller rather than copied.
    let results = Mutex<[TensorVerification]>(
      pairs.map { pair in
        let tensor = sources[pair.source]
        return TensorVerification(
          name: tensor.name, role: roles[pair.source], shape: tensor.shape, outcome: .differs, detail: "not compared")
      })
    let sums = Mutex<[Int: ErrorSums]>([:])
    let total = pairs.reduce(UInt64(0)) { $0 + UInt64(byteCount($1)) }
    work.progress.began(
      ProgressPhase(name: request.depth == .audit ? "auditing" : "verifying", totalBytes: total))
    defer { work.progress.ended() }
    let single = work.silentSingle
    try work.parallelism.forEachBand(order.count) { index in
      let pair = pairs[order[index]]
      let tensor = sources[pair.source]
      let comparison = TensorComparison(
        source: source, converted: converted, expected: tensor, found: others[pair.converted],
        role: roles[pair.source], quantizer: quantizer, depth: request.depth, work: single, plane: pair.plane,
        calibration: calibration, witness: witnesses.ternary[ExactString(tensor.name)],
        copy: witnesses.copies[ExactString(tensor.name)], permission: permission, restoring: restoring,
        recognition: recognition, isOwnOutput: request.isAudit)
      var (result, errors) = try comparison.run()
      result.forgetSpreadScales()
      results.withLock { $0[order[index]] = result }
      if let errors { sums.withLock { $0[order[index]] = errors } }
      work.progress.advanced(by: tensor.location.byteCount)
    }
    return (
      results.withLock { all in
        let taken = all
        all = []
        return taken
      }, sums.withLock { $0 }
    )
  }
}
