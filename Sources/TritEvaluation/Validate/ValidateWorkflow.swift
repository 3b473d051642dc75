// Tritsmith: does a model compute what another one computes?

import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritSurvey
import TritTokenizer
import TritVerification

/// Which model to hold against what.
package struct ValidateRequest: Sendable {
  /// The model to be validated: Q.
  package var path: String
  /// A model, or a file of reference logits: P.
  package var reference: String
  /// Nothing means the prompts of the reference file, or `TextInput.sampleOpening`.
  package var inputs: [TokenInput] = []
  /// Compares only this many positions, those of the first prompts; nil means all. A file of logits has its own.
  package var tokenLimit: Int?
  /// What stands behind the last message of a conversation.
  package var ending = ChatEnding.answer
  package var gates = ValidationGates()
  /// Files of hidden states beside a file of logits, `hidden_prompt<i>.safetensors` each.
  package var hiddenStates: [String] = []
  /// Relative error from which on a hidden state counts as another one; nil takes the default, which is 1e-4 for states
  /// of files where nothing but sums is rounded.
  package var hiddenBound: Double?
  /// How this model is run.
  package var options = RunOptions()
  /// How P is run, when it is a model and not run as Q is.
  package var referenceOptions: RunOptions?
  /// More evidence on what stored scales mean; a dense model that is validated against is always a witness.
  package var proof = ScaleProof()

  /// Above what exchanged roundings of activations do, below what a wrong weight does.
  package static let defaultHiddenBound = 0.01

  package init(path: String, against reference: String) {
    self.path = path
    self.reference = reference
  }
}

/// Runs a model in lock-step with another one, or along a file of reference logits.
package struct ValidateWorkflow: Sendable {
  let request: ValidateRequest
  let progress: any ProgressObserver
  /// Tokens that go through one model before the other follows.
  private static let chunk = 64

  package init(_ request: ValidateRequest, progress: any ProgressObserver = SilentProgress()) {
    self.request = request
    self.progress = progress
  }

  /// - Throws: `RunError` when the two cannot be compared, `ModelError`, `TokenizerError`, and what opening throws.
  package func run() throws -> ValidateResult {
    let engine = try request.options.engine()
    let work = try work()
    let (options, referenceOptions) = (request.options, request.referenceOptions ?? request.options)
    let other = try ModelOpener.open(request.reference, referenceOptions.open, hasCompanions: true)
    let model = try self.model(options, engine)
    var side = ValidatedSide(path: other.manifest.path)
    let scale = try scaleFinding(of: model.source, beside: other, work)
    var found: Findings
    if ReferenceLogits.matches(other) {
      guard referenceOptions.mode == options.mode, referenceOptions.projections == options.projections else {
        throw RunError(.referenceIsNotRun, file: other.manifest.path)
      }
      let logits = try ReferenceLogits(other)
      let states = try ReferenceStates(logits, files: request.hiddenStates, referenceOptions.open)
      found = try compare(model, with: logits, states)
    } else {
      let reference = try self.reference(other, referenceOptions, engine)
      side.run = reference.description
      side.codeStream = try CodeStream.model(of: other, work)
      found = try compare(model, with: reference)
    }
    let gates = try gates(found, model)
    let fast = try ReferenceLogits.matches(other) ? fastNoise(found, model, gates.results) : nil
    var result = ValidateResult(
      reference: side,
      model: ValidatedSide(
        path: model.path, run: model.description, codeStream: try CodeStream.model(of: model.source, work),
        scale: scale),
      text: found.text, agreement: found.total.result, prompts: found.results.map(\.result),
      hiddenStates: found.hidden, hiddenBound: hiddenBound(found), steps: found.steps,
      unmatchedSteps: found.unmatched, roundedForSteps: found.roundedForSteps,
      stepsInReference: found.stepsInReference, noise: gates.noise,
      gates: gates.results, nonFinite: found.nonFinite)
    (result.unreadTensors, result.logitType, result.explanation) = (found.unread, found.logitType, gates.explanation)
    (result.unmeasuredStep, result.rounded) = (found.unmeasuredStep, found.rounded)
    result.unreachedSteps = found.unreached
    result.fastNoise = fast
    return result
  }

  private func work() throws -> WorkOptions {
    WorkOptions(
      parallelism: Parallelism(threads: request.options.threads, cancellation: request.options.cancellation),
      kernels: try request.options.kernels.kernels(), progress: progress)
  }

  /// Opens the model that is validated; a file of logits in its place is called so.
  private func model(_ options: RunOptions, _ engine: InferenceEngine) throws -> RunnableModel {
    do {
      return try RunnableModel(request.path, options, engine: engine)
    } catch let error as ModelError where error.kind == .noConfiguration {
      guard let source = try? ModelOpener.open(request.path, options.open), ReferenceLogits.matches(source) else {
        throw error
      }
      throw RunError(.logitsAsModel, file: request.path)
    }
  }

  /// Opens the other model, which has no logits; what has no configuration either is none.
  private func reference(
    _ source: any TensorSource, _ options: RunOptions, _ engine: InferenceEngine
  ) throws -> RunnableModel {
    let path = source.manifest.path
    if ReferenceStates.matches(source) { throw RunError(.statesAsReference, file: path) }
    if let file = request.hiddenStates.first { throw RunError(.statesBesideModel, file: file) }
    do {
      return try RunnableModel(source, options, engine: engine)
    } catch let error as ModelError where error.kind == .noConfiguration {
      throw RunError(.neitherModelNorLogits, file: path)
    }
  }

  /// What two sides were found to have in common.
  struct Findings {
    /// What both were run on, for people.
    var text: String
    /// Ids of every prompt.
    var prompts: [[Int]]
    var total = LogitComparison()
    var results: [LogitComparison] = []
    var hidden: [HiddenStateAgreement] = []
    var steps: [StepAgreement] = []
    var unmatched: [String] = []
    var roundedForSteps: String?
    var stepsInReference = false
    var nonFinite: [String: NonFiniteState] = [:]
    /// The roundings that separate the two sides and are no fault of either.
    var differences = RoundingDifferences()
    /// What separates them where no inputs are rounded; nil where some are.
    var floats: FloatAgreement?
    var unread: [String] = []
    var logitType: String?
    var unmeasuredStep: String?
    var unreached: [String] = []
    var rounded = RoundedMatrices()
  }

  /// What the model's stored scales mean, with the evidence of the model it is validated against.
  ///
  /// - Throws: `FormatError` when evidence conflicts.
  private func scaleFinding(
    of source: any TensorSource, beside other: any TensorSource, _ work: WorkOptions
  ) throws -> ScaleFinding {
    let finding = source.manifest.scaleFinding
    guard !finding.evidence.isEmpty else { return finding }
    var evidence: [ScaleEvidence] = []
    if request.proof.isAsked {
      evidence += try request.proof.evidence(for: source.manifest.path, request.options.open, work: work)
    }
    // What is stored rotated are other trits than those of any ordinary weights.
    let isRotated = (source as? any ModelView).map { $0.keepsRotation && $0.storedRotation != nil } ?? false
    let isWitness =
      !isRotated
      && other.manifest.tensors.contains { tensor in
        !tensor.encoding.isTernary && source.manifest.tensor(named: tensor.name)?.encoding.isTernary == true
      }
    if isWitness, request.proof.sibling == nil {
      evidence.append(try ScaleProof.evidence(for: source, sibling: other, work))
    }
    return try finding.adding(evidence).checked(source.manifest.path)
  }

  private func began(_ prompts: [[Int]]) {
    progress.began(ProgressPhase(name: "comparing predictions", totalTokens: prompts.reduce(0) { $0 + $1.count }))
  }

  // MARK: - Against a file

  private func counted(_ prompts: [[Int]]) -> String { plural(prompts.count, "prompt") }

  private func check(_ reference: ReferenceLogits, beside model: RunnableModel) throws {
    let path = reference.source.manifest.path
    guard request.inputs.isEmpty, request.tokenLimit == nil else { throw RunError(.promptsBesideReference, file: path) }
    let vocabulary = model.model.configuration.vocabularySize
    guard reference.vocabulary == vocabulary else {
      throw RunError(.vocabularyMismatch(expected: vocabulary, found: reference.vocabulary), file: path)
    }
    for prompt in reference.prompts { try model.check(prompt.ids) }
  }

  private func compare(
    _ model: RunnableModel, with reference: ReferenceLogits, _ states: ReferenceStates
  ) throws -> Findings {
    try check(reference, beside: model)
    let ids = reference.prompts.map(\.ids)
    began(ids)
    defer { progress.ended() }
    var found = Findings(text: "the \(counted(ids)) of the file", prompts: ids)
    let hidden = StoredStateComparison()
    var types = LogitTypes()
    for prompt in reference.prompts {
      var comparison = LogitComparison()
      var next = 0
      hidden.begin(prompt.index, states[prompt.index], tokens: prompt.ids.count)
      // Without states to look at, packed projections of one input are multiplied in one go.
      let observer = states[prompt.index].isEmpty ? nil : hidden
      try model.session(for: prompt.ids.count).prefill(prompt.ids, logits: .all, observer: observer) { position, row in
        try request.options.cancellation.check()
        guard next < prompt.positions.count, position == prompt.positions[next] else {
          return progress.advanced(by: 1)
        }
        let logits = row.withUnsafeBufferPointer { Array($0) }
        let expected = try reference.row(next, of: prompt)
        next += 1
        types.add(expected)
        comparison.add(expected, logits)
        found.total.add(expected, logits)
        progress.advanced(by: 1)
      }
      hidden.finish()
      found.results.append(comparison)
    }
    (found.hidden, found.unread) = (hidden.result, reference.unread + hidden.unread)
    if let file = request.hiddenStates.first, found.hidden.isEmpty { throw RunError(.noStateOfModel, file: file) }
    found.logitType = types.rounded?.rawValue
    found.floats = types.rounded == nil ? model.agreementWithFile : nil
    if found.total.nonFinite > 0 { found.nonFinite[model.path] = try model.firstNonFinite(in: ids) }
    return found
  }

  // MARK: - Against a model

  private func compare(_ model: RunnableModel, with reference: RunnableModel) throws -> Findings {
    try ValidateWorkflow.checkSizes(model, reference)
    let inputs = request.inputs.isEmpty ? [TokenInput.text(TextInput.sampleOpening)] : request.inputs
    let given = try TokenInput.prompts(inputs, of: model.source, ending: request.ending)
    let prompts = beginning(of: given)
    for ids in prompts {
      try model.check(ids)
      try reference.check(ids)
    }
    began(prompts)
    defer { progress.ended() }
    var found = Findings(
      text: (prompts == given ? "" : "the beginning of ")
        + (request.inputs.isEmpty ? "the built-in text" : counted(prompts)), prompts: prompts)
    // Steps are compared with one arithmetic: where only one side rounds inputs to int8, the other does so too.
    let roundedReference = reference.model.roundingInputs(as: model.model)
    let roundedModel = model.model.roundingInputs(as: reference.model)
    if roundedReference != nil { found.roundedForSteps = "reference" }
    if roundedModel != nil { found.roundedForSteps = roundedReference == nil ? "model" : "reference and model" }
    let vectors = RoundedVectors(reference, model)
    let inSteps = (roundedReference ?? reference.model, vectors.taken(by: roundedModel ?? model.model))
    if vectors.areRounded { found.differences.vectors = (model, vectors.taken(by: model.model)) }
    // Where fast arithmetic rounds what one side alone multiplies by, or in other groups, it would take every step for
    // another one.
    found.stepsInReference = !reference.roundsByMode(as: model)
    if found.stepsInReference {
      found.differences.fast = [reference, model].filter { $0.groupsRoundedByMode != nil }
    }
    let bounds = StepBounds(reference, model, vectors, running: inSteps)
    let sides = Sides(
      reference: reference, model: model, inSteps: inSteps,
      stepMode: found.stepsInReference ? ArithmeticMode.reference : nil,
      steps: StepComparison { bounds.bias(of: $0) })
    for ids in prompts { found.results.append(try compare(ids, sides, &found.total)) }
    found.hidden = sides.hidden.result
    found.unmatched = sides.steps.unmatched
    if found.total.nonFinite > 0 {
      for side in [reference, model] { found.nonFinite[side.path] = try side.firstNonFinite(in: prompts) }
    }
    found.differences.roundedInputs =
      [(reference, roundedReference), (model, roundedModel)].compactMap { side, rounded in rounded.map { (side, $0) } }
    try judge(sides.steps, bounds, &found)
    return found
  }

  /// The first tokens of prompts, as many as were asked for in all.
  private func beginning(of prompts: [[Int]]) -> [[Int]] {
    var rest = request.tokenLimit ?? Int.max
    var kept: [[Int]] = []
    for ids in prompts where rest > 0 {
      kept.append(Array(ids.prefix(rest)))
      rest -= min(rest, ids.count)
    }
    return kept
  }

  private static func checkSizes(_ model: RunnableModel, _ reference: RunnableModel) throws {
    let (expected, found) = (reference.model.configuration, model.model.configuration)
    guard expected.vocabularySize == found.vocabularySize else {
      throw RunError(
        .vocabularyMismatch(expected: expected.vocabularySize, found: found.vocabularySize), file: model.path)
    }
    guard expected.layers == found.layers else {
      throw RunError(.layerMismatch(expected: expected.layers, found: found.layers), file: model.path)
    }
  }

  /// Two models that take the same tokens.
  private struct Sides {
    let reference: RunnableModel
    let model: RunnableModel
    /// The two with one arithmetic, whose steps are compared.
    let inSteps: (reference: LanguageModel, model: LanguageModel)
    let stepMode: ArithmeticMode?
    let hidden = HiddenStateComparison()
    let steps: StepComparison
  }

  /// Compares what both sides predict after every token of a prompt, and their steps on the way.
  private func compare(_ ids: [Int], _ sides: Sides, _ total: inout LogitComparison) throws -> LogitComparison {
    var comparison = LogitComparison()
    let left = try sides.reference.session(for: ids.count)
    let right = try sides.model.session(for: ids.count)
    let lockStep = LockStep(
      reference: try sides.reference.session(for: ids.count, running: sides.inSteps.reference, sides.stepMode),
      candidate: try sides.model.session(for: ids.count, running: sides.inSteps.model, sides.stepMode))
    for start in stride(from: 0, to: ids.count, by: ValidateWorkflow.chunk) {
      try request.options.cancellation.check()
      let chunk = Array(ids[start..<min(ids.count, start + ValidateWorkflow.chunk)])
      sides.hidden.beginChunk()
      var expected: [[Float]] = []
      try left.prefill(chunk, logits: .all, observer: sides.hidden.reference) { _, row in
        expected.append(row.withUnsafeBufferPointer { Array($0) })
      }
      try right.prefill(chunk, logits: .all, observer: sides.hidden) { position, row in
        let logits = row.withUnsafeBufferPointer { Array($0) }
        comparison.add(expected[position - start], logits)
        total.add(expected[position - start], logits)
      }
      try lockStep.prefill(chunk, observers: (sides.steps.reference, sides.steps.model)) { sides.steps.add($0) }
      sides.steps.finishChunk()
      progress.advanced(by: chunk.count)
    }
    return comparison
  }

  /// Gives every step its bound, and notes what the two sides' stored numbers do to the logits.
  private func judge(_ steps: StepComparison, _ bounds: StepBounds, _ found: inout Findings) throws {
    var bounds = bounds
    bounds.compareScales(of: steps.names)
    var roundings = steps.names.reduce(into: [String: StoredRounding]()) { $0[$1] = bounds.rounding($1) }
    // What sums alone explain needs no reading of weights.
    let above = steps.steps(above: UnitBounds.sums)
    let ofOneType = above.filter { roundings[$0] == StoredRounding.none && bounds.mayHoldOtherNumbers($0) }
    let suspects = above.filter { roundings[$0]?.isOfNumbers == true } + ofOneType
    let unreached = bounds.unreached(found.prompts, of: steps.names)
    let alwaysRead = unreached + bounds.small(of: steps.names)
    let read = alwaysRead + bounds.encodable(of: steps.names).filter { !alwaysRead.contains($0) }
    var measured = try bounds.measured(
      suspects + read.filter { bounds.place($0) != nil && !suspects.contains($0) }, of: steps.names,
      [(request.referenceOptions ?? request.options).open, request.options.open], try work())
    for name in unreached where bounds.place(name) == nil { measured[name] = bounds.vectors.taps(name) }
    for name in steps.names where measured[name] == nil { measured[name] = bounds.vectors.rounding(name) }
    for name in ofOneType {
      guard let matrix = measured[name], matrix.isExplained, matrix.scales != nil || !bounds.areFloats(name) else {
        continue
      }
      roundings[name] = bounds.types(name)
    }
    found.steps = steps.result { bounds.bounds($0, $1, roundings[$0], measured[$0]) }
    found.unreached = unreached.filter { measured[$0] == nil }
    for index in found.steps.indices {
      let name = found.steps[index].name
      found.steps[index].note(measured[name], isAlwaysRead: alwaysRead.contains(name), bounds)
    }
    explainFaults(measured, bounds, &found)
    note(roundings, measured, bounds, &found)
    let isFloat = bounds.reference.takesInputsAsTheyAre && bounds.model.takesInputsAsTheyAre
    let unmeasured = suspects.first {
      measured[$0] == nil && roundings[$0] != StoredRounding.none && bounds.place($0) != nil
    }
    let isKnown = found.differences.stored <= .bf16 && unmeasured == nil
    found.floats = isFloat && isKnown ? .exact(stored: nil) : nil
    found.unmeasuredStep = isFloat ? unmeasured : nil
  }

  /// Says of steps that do not pass what differs, as far as it is known.
  private func explainFaults(_ measured: [String: MatrixRounding], _ bounds: StepBounds, _ found: inout Findings) {
    // Units of embeddings are columns, which rounding moves as well; the row is what differs.
    if let index = found.steps.firstIndex(where: { $0.name == "embed" && !$0.passed && $0.otherBlocks == nil }) {
      found.steps[index].strangeRow = measured["embed"]?.strangeRow
    }
    guard let angles = bounds.otherAngles(found.prompts) else { return }
    for index in found.steps.indices where found.steps[index].step == "self_attn.attended" {
      found.steps[index].otherSetting = angles
    }
  }

  /// Takes note of what was rounded apart: for people, and for what it may do to logits.
  private func note(
    _ roundings: [String: StoredRounding], _ measured: [String: MatrixRounding], _ bounds: StepBounds,
    _ found: inout Findings
  ) {
    for step in found.steps where step.passed {
      let matrix = measured[step.name]
      let scales = matrix?.scales ?? bounds.scales[step.name]
      found.rounded.add(step.name, scales, matrix, isOfBlocks: roundings[step.name]?.isOfBlocks == true)
    }
    found.differences.stored = roundings.values.max() ?? .none
    for step in found.steps where roundings[step.name]?.isOfNumbers == true {
      let share = measured[step.name].map(\.share) ?? step.relativeError
      if share > 0, share.isFinite { found.differences.shares[step.name] = Float(share) }
    }
  }
}
