// Tritsmith: a health check of a model.

import TritCore
import TritFormats
import TritModel

/// Which model to check, and how strictly.
public struct CheckRequest: Sendable {
  public var path: String
  public var open: OpenOptions
  public var isStrict: Bool
  /// Whether a text is scored as well, which takes as long as running it.
  public var scoresText: Bool
  /// Another form of the model, whose weights it must hold; rotated weights whose keys were lost are found by it.
  public var sibling: String?

  public init(
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
public struct CheckWorkflow: Sendable {
  let request: CheckRequest
  let work: WorkOptions

  public init(_ request: CheckRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// - Throws: `TensorIOError` when the path cannot be opened or read; a malformed file is a finding.
  public func run() throws -> CheckResult {
    var result = CheckResult(
      path: request.path, tensors: 0, readTensors: 0, findings: [], isStrict: request.isStrict, notes: [])
    result.findings += CheckWorkflow.folderFindings(request.path)
    let source: any TensorSource
    let survey: ModelSurvey
    do {
      // What is stored is checked; what is computed, below, is computed with unfolded weights.
      source = try ModelOpener.open(request.path, request.open.keepingRotation, hasCompanions: true)
      survey = try ModelSurvey(of: source)
    } catch let error as GGUFModelError where error.speaksOfRotation {
      result.findings.append(CheckWorkflow.finding(.rotation, error))
      return result
    } catch let error as ModelError where error.location.field == MLXRotation.modulesKey {
      result.findings.append(CheckWorkflow.finding(.rotation, error))
      return result
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      result.findings.append(CheckWorkflow.finding(.unreadable, error))
      return result
    }
    let manifest = source.manifest
    result.format = manifest.format.rawValue
    result.kind = survey.kind
    result.tensors = manifest.tensors.count
    do {
      try source.checkIntegrity(work.parallelism, work.progress)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      result.findings.append(CheckWorkflow.finding(.checksum, error))
    }
    let (noted, notes) = CheckWorkflow.noted(manifest)
    result.findings += noted
    result.notes += notes
    let values = try ValueCheck(source: source, roles: survey.roles, work: work).run()
    result.findings += values.findings
    result.readTensors = values.read
    result.notes += values.notes
    result.findings += try CheckWorkflow.described(source, survey)
    result.findings += try CheckWorkflow.partlyTernary(source, survey, work)
    let sibling = try request.sibling.map {
      try SiblingCheck(source: source, sibling: $0, open: request.open, work: work).run()
    }
    if let sibling {
      result.sibling = sibling.comparison
      result.findings += sibling.findings
      result.notes += sibling.notes
      result.cautions += sibling.cautions
    }
    if let assumed = survey.structure?.assumed, !assumed.isEmpty {
      let list = assumed.joined(separator: ", ")
      result.cautions.append("settings the files leave out, with the loaders' defaults that were taken: \(list)")
    }
    var predictsText: Bool?
    // What is wrong already needs no text to show it.
    if result.count(.error) == 0 {
      let computed = try ComputationCheck(
        path: request.path, open: request.open, work: work, scoresText: request.scoresText
      ).run()
      result.findings += computed.findings
      result.notes += computed.notes
      predictsText = computed.predictsText
      if request.scoresText, let reason = computed.unscored { result.cautions.append(reason) }
    }
    if let note = RotationCheck.headerNote(source, sibling, predictsText: predictsText, wasAsked: request.scoresText) {
      result.cautions.append(note)
    }
    // Errors first, otherwise in the order of the rules.
    let order = Dictionary(uniqueKeysWithValues: CheckRule.allCases.enumerated().map { ($0.element, $0.offset) })
    result.findings = result.findings.enumerated().sorted { left, right in
      let (a, b) = (left.element, right.element)
      if a.severity != b.severity { return a.severity == .error }
      if a.rule != b.rule { return order[a.rule, default: 0] < order[b.rule, default: 0] }
      return left.offset < right.offset
    }.map(\.element)
    return result
  }

  /// Findings that opening a model has noted already, and the other notes.
  private static func noted(_ manifest: ModelManifest) -> (findings: [CheckFinding], notes: [String]) {
    var (findings, notes): ([CheckFinding], [String]) = ([], [])
    for note in manifest.notes {
      if note.contains("total_size") {
        findings.append(CheckFinding(.indexSize, ShardIndex.name, note))
      } else if note.contains("twice") {
        findings.append(CheckFinding(.duplicateKey, "config.json", note))
      } else if note.contains(GGUFFormat.surplus) {
        findings.append(CheckFinding(.unreadable, FileSystem.name(of: manifest.path), note, severity: .warning))
      } else if note.contains("byte order mark") {
        findings.append(CheckFinding(.badConfiguration, "config.json", note, severity: .warning))
      } else if note.contains("--gguf-pre") {
        let isKnown = !note.contains("no program known here")
        var finding = CheckFinding(.preTokenizer, "tokenizer.ggml.pre", note, severity: isKnown ? .warning : .error)
        // A program newer than this one may know the name.
        finding.isNotUnderstood = !isKnown
        findings.append(finding)
      } else if note.hasPrefix(WeightRotation.orderKey) {
        findings.append(CheckFinding(.rotation, WeightRotation.orderKey, note, severity: .warning))
      } else if !note.contains("both exist") {
        notes.append(note)
      }
    }
    return (findings, notes)
  }

  /// Trits and scales, configuration, tokenizer: all rules that read no weights.
  private static func described(
    _ source: any TensorSource, _ survey: ModelSurvey, leavesRemoteScales: Bool = false
  ) throws -> [CheckFinding] {
    try TernaryCheck(source: source, survey: survey, leavesRemoteScales: leavesRemoteScales).run()
      + ConfigurationCheck(source: source, survey: survey).run()
      + TokenizerCheck(source: source).run()
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

  /// What a conversion looks at before it writes, and again in what it has written; numbers, and scales that come over a
  /// network, are looked at in its pass.
  static func withoutValues(_ source: any TensorSource, _ survey: ModelSurvey) throws -> [CheckFinding] {
    folderFindings(source.manifest.path) + noted(source.manifest).findings
      + (try described(source, survey, leavesRemoteScales: true))
  }

  /// An error of a library as a finding.
  static func finding(_ rule: CheckRule, _ error: any DiagnosticError) -> CheckFinding {
    let place = [error.location.file.map { FileSystem.name(of: $0) }, error.location.field].compactMap { $0 }
    let text = [error.summary, error.remedy].compactMap { $0 }.joined(separator: "; ")
    return CheckFinding(rule, error.location.tensor ?? place.joined(separator: ", "), text)
  }

  /// What lies in a model's folder and should not.
  private static func folderFindings(_ path: String) -> [CheckFinding] {
    guard FileSystem.kind(of: path) == .folder, let names = try? FileSystem.names(in: path) else { return [] }
    var findings: [CheckFinding] = []
    for name in names where [".partial", ".part", ".incomplete", ".tmp", ".crdownload"].contains(where: name.hasSuffix)
    {
      findings.append(CheckFinding(.leftover, name, "an unfinished file of a conversion or a download"))
    }
    let weights = names.filter { $0.hasSuffix(".safetensors") && !$0.hasPrefix(".") }
    if names.contains(OutputCompanions.adapter) {
      findings.append(
        CheckFinding(
          .badConfiguration, OutputCompanions.adapter,
          "\(OutputCompanions.adapterMeaning); move it away, or 'tritsmith merge' what belongs to it",
          severity: .warning))
    }
    guard names.contains(ShardIndex.name) else {
      if weights.contains("model.safetensors"), weights.count > 1 {
        findings.append(
          CheckFinding(
            .mixedShards, "model.safetensors",
            "other weight files lie beside it and are not used: \(list(weights.filter { $0 != "model.safetensors" }))"))
      }
      return findings
    }
    if names.contains("model.safetensors") {
      if ShardIndex.namesSingleFile(in: path) { return findings }
      findings.append(
        CheckFinding(.mixedShards, ShardIndex.name, "model.safetensors and an index both exist; the file is used"))
    } else if let bytes = try? InputFile(path: FileSystem.join(path, ShardIndex.name), mode: .buffered)
      .contents(limit: 100 << 20), let index = try? ShardIndex(json: bytes, path: path)
    {
      let strays = weights.filter { !index.shards.contains($0) }
      if !strays.isEmpty {
        findings.append(
          CheckFinding(.mixedShards, ShardIndex.name, "the index does not name \(list(strays)); mixed revisions?"))
      }
    }
    return findings
  }

  static func list(_ names: [String]) -> String {
    let shown = names.prefix(4).map { "'\(printable($0))'" }.joined(separator: ", ")
    return shown + (names.count > 4 ? " and \(names.count - 4) more" : "")
  }
}
