// Tritsmith: a health check of a model.

import TritConversion
import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritVerification

/// Which model to check, and how strictly.
package struct CheckRequest: Sendable {
  package var path: String
  package var open: OpenOptions
  package var isStrict: Bool
  /// Whether a text is scored as well, which takes as long as running it.
  package var scoresText: Bool
  /// Another form of the model, whose weights it must hold; rotated weights whose keys were lost are found by it.
  package var sibling: String?

  package init(
    path: String, open: OpenOptions = OpenOptions(), isStrict: Bool = false, scoresText: Bool = false,
    sibling: String? = nil
  ) {
    self.path = path
    self.open = open
    self.isStrict = isStrict
    self.scoresText = scoresText
    self.sibling = sibling
  }
}

/// Looks for everything that makes a model unusable or suspicious: files, numbers, trits, configuration, tokenizer, and
/// what it computes.
package struct CheckWorkflow: Sendable {
  let request: CheckRequest
  let work: WorkOptions

  package init(_ request: CheckRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// - Throws: `TensorIOError` when the path cannot be opened or read; a malformed file is a finding.
  package func run() throws -> CheckResult {
    var result = CheckResult(
      path: request.path, tensors: 0, readTensors: 0, findings: [], isStrict: request.isStrict, notes: [])
    result.findings += ModelChecks.folderFindings(request.path)
    guard let (source, survey) = try open(&result) else {
      result.findings = CheckWorkflow.inOrder(result.findings)
      return result
    }
    let manifest = source.manifest
    result.format = manifest.format.rawValue
    result.kind = survey.kind
    result.tensors = manifest.tensors.count
    do {
      try source.checkIntegrity(work.parallelism, work.progress)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      result.findings.append(ModelChecks.finding(.checksum, error))
    }
    let (noted, notes) = ModelChecks.noted(manifest)
    result.findings += noted
    result.notes += notes
    let values = try ValueCheck(source: source, roles: survey.roles, work: work).run()
    result.findings += values.findings
    result.readTensors = values.read
    result.notes += values.notes
    result.findings += try ModelChecks.described(source, survey)
    result.findings += try CheckWorkflow.partlyTernary(source, survey, work)
    let sibling = try addSibling(to: &result, source)
    if let assumed = survey.structure?.assumed, !assumed.isEmpty {
      let list = assumed.joined(separator: ", ")
      result.cautions.append("settings the files leave out, with the loaders' defaults that were taken: \(list)")
    }
    let predictsText = try addComputation(to: &result)
    if let note = RotationCheck.headerNote(source, sibling, predictsText: predictsText, wasAsked: request.scoresText) {
      result.cautions.append(note)
    }
    result.findings = CheckWorkflow.inOrder(result.findings)
    return result
  }

  /// Opens the model; nil, with the finding, when it is malformed.
  private func open(_ result: inout CheckResult) throws -> (source: any TensorSource, survey: ModelSurvey)? {
    do {
      // What is stored is checked; what is computed is computed with unfolded weights.
      let source = try ModelOpener.open(request.path, request.open.keepingRotation, hasCompanions: true)
      return (source, try ModelSurvey(of: source))
    } catch let error as GGUFModelError where error.kind.speaksOfRotation {
      result.findings.append(ModelChecks.finding(.rotation, error))
    } catch let error as ModelError where error.location.field == MLXRotation.modulesKey {
      result.findings.append(ModelChecks.finding(.rotation, error))
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      result.findings.append(ModelChecks.finding(.unreadable, error))
    }
    return nil
  }

  /// What another model that was named says of this one; nil when none was.
  private func addSibling(
    to result: inout CheckResult, _ source: any TensorSource
  ) throws -> SiblingCheck.Outcome? {
    let sibling = try request.sibling.map {
      try SiblingCheck(source: source, sibling: $0, open: request.open, work: work).run()
    }
    guard let sibling else { return nil }
    result.sibling = sibling.comparison
    result.findings += sibling.findings
    result.notes += sibling.notes
    result.cautions += sibling.cautions
    return sibling
  }

  /// What the model computes, unless an error was found: what is wrong already needs no text to show it.
  ///
  /// - Returns: whether it predicts text; nil where that was not asked or could not be told.
  private func addComputation(to result: inout CheckResult) throws -> Bool? {
    guard result.count(.error) == 0 else { return nil }
    let computed = try ComputationCheck(
      path: request.path, open: request.open, work: work, scoresText: request.scoresText
    ).run()
    result.findings += computed.findings
    result.notes += computed.notes
    if request.scoresText, let reason = computed.unscored { result.cautions.append(reason) }
    return computed.predictsText
  }

  /// Errors first, otherwise in the order of the rules.
  private static func inOrder(_ findings: [CheckFinding]) -> [CheckFinding] {
    let order = Dictionary(uniqueKeysWithValues: CheckRule.allCases.enumerated().map { ($0.element, $0.offset) })
    return findings.enumerated().sorted { left, right in
      let (a, b) = (left.element, right.element)
      if a.severity != b.severity { return a.severity == .error }
      if a.rule != b.rule { return order[a.rule, default: 0] < order[b.rule, default: 0] }
      return left.offset < right.offset
    }.map(\.element)
  }

  /// Matrices of a dense ternary model that are ternary but for some weights.
  private static func partlyTernary(
    _ source: any TensorSource, _ survey: ModelSurvey, _ work: WorkOptions
  ) throws -> [CheckFinding] {
    guard survey.kind == .ternaryDense else { return [] }
    return try zip(source.manifest.tensors, survey.roles).compactMap { tensor, role in
      guard role.isProjection || role == .embedding || role == .outputHead,
        tensor.encoding.dtype?.isFloatWeight == true, !Planner.staysDense(tensor, role, survey)
      else { return nil }
      let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: work.kernels)
      return try pass.firstBreak(work.parallelism).map {
        CheckFinding(.mixedForms, tensor.name, "ternary but for some weights: \($0.text)")
      }
    }
  }
}
