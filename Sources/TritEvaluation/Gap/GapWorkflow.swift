// Tritsmith: how far a ternary model is from its dense counterpart, and why.

import TritCore
import TritFormats
import TritInference
import TritModel
import TritSurvey
import TritTokenizer
import TritVerification

/// Measures a gap on the level of predictions, of layers and of tensors.
///
/// Both models run in lock-step; no logits are kept, and no hidden state of more than one layer. Memory is the weights,
/// keys and values of one window, and a few numbers a token.
package struct GapWorkflow: Sendable {
  let request: GapRequest
  let work: WorkOptions

  package init(_ request: GapRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// - Throws: `RunError` when the two cannot be compared, `ModelError`, `TokenizerError`, and what opening throws.
  package func run() throws -> GapResult {
    let start = Platform.monotonicSeconds
    let (reference, candidate) = try pair()
    let (referenceSource, candidateSource) = (reference.source, candidate.source)
    let (p, q) = (reference.model.configuration, candidate.model.configuration)
    guard p.vocabularySize == q.vocabularySize else {
      throw RunError(.vocabularyMismatch(expected: p.vocabularySize, found: q.vocabularySize), file: candidate.path)
    }
    let text = try GapText(request, reference: referenceSource, candidate: candidateSource)
    for window in text.windows {
      try reference.check(window.ids)
      try candidate.check(window.ids)
    }
    var notes = text.notes + ModelOpener.rotationNotes([referenceSource, candidateSource])
    let hasSameLayers = p.layers == q.layers && p.hiddenSize == q.hiddenSize
    if !hasSameLayers {
      notes.append(
        "layers are not compared: \(p.layers) of width \(p.hiddenSize) against \(q.layers) of width \(q.hiddenSize)")
    }
    let activations = hasSameLayers ? ActivationGap() : nil
    let model = try locatingPair(reference, candidate) {
      try ModelComparison(
        reference: reference, candidate: candidate, text: text, work: work, activations: activations
      ).run()
    }
    if model.nonFinite > 0 {
      notes.append(
        "\(grouped(model.nonFinite)) of \(grouped(text.count)) tokens have logits that are infinite or no numbers; every other number "
          + "leaves them out")
    }
    let attribution = try attribute(reference, candidate, text, hasSameLayers, &notes)
    let sides = try sides(reference, candidate)
    let fidelity = try fidelity(reference, candidate, sides)
    let tensors = try tensorGaps(reference, candidate, &notes)
    return GapResult(
      reference: sides.reference, candidate: sides.candidate, text: text.name, textSHA256: text.sha256,
      idsSHA256: text.idsSHA256, context: request.context, firstTokenRule: text.firstTokenRule, model: model,
      layers: activations?.result ?? [], layerBound: request.layerBound, attribution: attribution?.parts,
      attributionTokens: attribution == nil ? 0 : attributionWindows(text).reduce(0) { $0 + $1.ids.count - 1 },
      tensors: tensors, fidelity: fidelity,
      parts: try parts(reference, candidate, sides, tensors, fidelity, costs: attribution?.costs), gates: gates(model),
      notes: notes, nonFinite: try nonFinite(model, reference, candidate, text),
      seconds: Platform.monotonicSeconds - start, peakMemory: Platform.peakResidentBytes)
  }

  /// Both models, ready to run: what is rotated is unfolded.
  private func pair() throws -> (RunnableModel, RunnableModel) {
    let reference = try ModelOpener.open(request.reference, request.referenceOptions.open, hasCompanions: true)
    let candidate = try ModelOpener.open(request.candidate, request.candidateOptions.open, hasCompanions: true)
    try reference.checkIntegrity(work.parallelism, SilentProgress())
    try candidate.checkIntegrity(work.parallelism, SilentProgress())
    let engine = try request.candidateOptions.engine()
    return (
      try RunnableModel(reference, request.referenceOptions, engine: engine),
      try RunnableModel(candidate, request.candidateOptions, engine: engine)
    )
  }

  private typealias Sides = (reference: GapSide, candidate: GapSide)

  private func sides(_ reference: RunnableModel, _ candidate: RunnableModel) throws -> Sides {
    var sides = (reference: try side(reference), candidate: try side(candidate))
    if !sides.candidate.scale.evidence.isEmpty {
      let witness = try ScaleProof.evidence(for: candidate.source, sibling: reference.source, silent)
      sides.candidate.scale = try sides.candidate.scale.adding([witness]).checked(candidate.path)
    }
    return sides
  }

  private func fidelity(
    _ reference: RunnableModel, _ candidate: RunnableModel, _ sides: Sides
  ) throws -> ConversionFidelity? {
    guard request.checksFidelity else { return nil }
    return try ConversionFidelity(
      reference: reference.source, sides.reference.kind, candidate: candidate.source, sides.candidate.kind,
      quantizer: request.quantizer, work: silent)
  }

  private func tensorGaps(
    _ reference: RunnableModel, _ candidate: RunnableModel, _ notes: inout [String]
  ) throws -> [TensorGap]? {
    guard request.comparesTensors else { return nil }
    let outcome = try TensorGapPass(reference: reference.source, candidate: candidate.source, work: work).run()
    notes += outcome.notes
    return outcome.tensors
  }

  private func parts(
    _ reference: RunnableModel, _ candidate: RunnableModel, _ sides: Sides, _ tensors: [TensorGap]?,
    _ fidelity: ConversionFidelity?, costs: [GapPart: GapPartFinding.Cost]?
  ) throws -> [GapPartFinding] {
    let proved = fidelity?.parts ?? []
    var parts = GapParts(
      reference: reference, candidate: candidate, sides: sides, tensors: tensors, fidelity: fidelity,
      proved: proved.isEmpty
        ? try PartsComparison(first: reference.source, second: candidate.source).run() : proved
    ).findings
    for index in parts.indices { parts[index].cost = costs?[parts[index].part] }
    return parts
  }

  private var silent: WorkOptions { WorkOptions(parallelism: work.parallelism, kernels: work.kernels) }

  /// Errors of the forward pass know no file; a pair names the candidate, which is the one under test.
  private func locatingPair<Result>(
    _ reference: RunnableModel, _ candidate: RunnableModel, _ body: () throws -> Result
  ) throws -> Result {
    try RunnableModel.locating(candidate.path, body)
  }

  // MARK: - Parts

  /// Whole windows, until the tokens asked for are reached.
  private func attributionWindows(_ text: GapText) -> [PerplexityWindow] {
    var result: [PerplexityWindow] = []
    var rest = request.attributionTokens
    for var window in text.windows where rest > 0 {
      let scored = window.ids.count - window.firstScored
      window.ids.removeLast(max(0, scored - rest))
      rest -= min(rest, scored)
      result.append(window)
    }
    return result
  }

  private func attribute(
    _ reference: RunnableModel, _ candidate: RunnableModel, _ text: GapText, _ hasSameLayers: Bool,
    _ notes: inout [String]
  ) throws -> GapAttribution.Result? {
    guard request.attributes else { return nil }
    guard hasSameLayers else {
      notes.append("the gap is not attributed: the models' layers are not alike")
      return nil
    }
    do {
      return try GapAttribution(
        reference: reference, candidate: candidate, windows: attributionWindows(text), work: work
      ).run()
    } catch let error as ModelError {
      guard case .contradiction = error.kind else { throw error }
      notes.append("the gap is not attributed: \(error.summary)")
      return nil
    }
  }

  /// Where the numbers of either model stop being finite, when logits are not.
  private func nonFinite(
    _ model: ModelGap, _ reference: RunnableModel, _ candidate: RunnableModel, _ text: GapText
  ) throws -> [String: NonFiniteState] {
    guard model.nonFinite > 0 else { return [:] }
    var result: [String: NonFiniteState] = [:]
    for side in [reference, candidate] { result[side.path] = try side.firstNonFinite(in: text.windows.map(\.ids)) }
    return result
  }

  private func side(_ model: RunnableModel) throws -> GapSide {
    let source = model.source
    let survey = try ModelSurvey(of: source)
    var tokenizer: Digest?
    if let name = source.manifest.tokenizerFile { tokenizer = SHA256.digest(of: try source.companion(named: name)) }
    return GapSide(
      run: model.description, kind: survey.kind, sha256: try GapWorkflow.digest(of: source, silent),
      codeStream: try CodeStream.model(of: source, silent), tokenizerSHA256: tokenizer,
      scale: source.manifest.scaleFinding)
  }

  /// The SHA-256 of a single weight file; of shards that of the lines `sha256  name` in order of their names.
  static func digest(of source: any TensorSource, _ work: WorkOptions) throws -> Digest {
    let paths = source.manifest.files.map(\.path)
    let digests = try FileHasher(work).digests(paths)
    guard digests.count != 1 else { return digests[0] }
    let lines = zip(paths, digests).map { (FileSystem.name(of: $0), $1) }.sorted {
      ExactString($0.0) < ExactString($1.0)
    }
    return SHA256.digest(of: lines.flatMap { Array("\($0.1)  \($0.0)\n".utf8) })
  }

  private func gates(_ model: ModelGap) -> [GateResult] {
    let budgets = request.budgets
    var gates: [GateResult] = []
    if let bound = budgets.maximumMeanKL {
      gates.append(GateResult(name: "mean_kld", found: model.meanKL, bound: bound, isUpperBound: true))
    }
    if let bound = budgets.minimumTopOne {
      gates.append(GateResult(name: "same_top_1", found: model.sameTopOne.value, bound: bound, isUpperBound: false))
    }
    if let bound = budgets.maximumPerplexityRatio {
      gates.append(GateResult(name: "ppl_ratio", found: model.ratio.value, bound: bound, isUpperBound: true))
    }
    return gates
  }
}
