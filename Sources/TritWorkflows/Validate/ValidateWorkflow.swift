// Tritsmith: does a model compute what another one computes?

import TritCore
import TritFormats
import TritModel

/// Which model to hold against what.
public struct ValidateRequest: Sendable {
  /// The model to be validated: Q.
  public var path: String
  /// A model, or a file of reference logits: P.
  public var reference: String
  /// Nothing means the prompts of the reference file, or a built-in text.
  public var inputs: [TokenInput] = []
  public var gates = ValidationGates()
  /// Relative error from which on a hidden state counts as another one.
  public var hiddenBound = ValidateRequest.defaultHiddenBound
  public var options = RunOptions()
  /// How P is run, when it is a model and not run as Q is.
  public var referenceOptions: RunOptions?
  /// More evidence on what stored scales mean; a dense model that is validated against is always a witness.
  public var proof = ScaleProof()

  /// Above what exchanged roundings of activations do, below what a wrong weight does.
  public static let defaultHiddenBound = 0.01

  public init(path: String, against reference: String) {
    self.path = path
    self.reference = reference
  }

  /// What models are run on when nothing is given: ordinary prose, a list and some code.
  public static let sampleText = """
    In the beginning was the Word. The children of the city came down to the river in the morning, and they said one \
    to another: let us build a bridge, that we may go over to the other side.

    1. Measure twice; cut once.
    2. Numbers: 3.14159, 2026, -7.

    for (i = 0; i < n; i++) { sum += a[i]; }
    """
}

/// Runs a model in lock-step with another one, or along a file of reference logits.
public struct ValidateWorkflow: Sendable {
  let request: ValidateRequest
  let progress: any ProgressObserver
  /// Tokens that go through one model before the other follows.
  private static let chunk = 64

  public init(_ request: ValidateRequest, progress: any ProgressObserver = SilentProgress()) {
    self.request = request
    self.progress = progress
  }

  /// - Throws: `RunError` when the two cannot be compared, `ModelError`, `TokenizerError`, and what opening throws.
  public func run() throws -> ValidateResult {
    let engine = try request.options.engine()
    let work = WorkOptions(
      parallelism: Parallelism(threads: request.options.threads, cancellation: request.options.cancellation),
      kernels: try request.options.kernels.kernels(), progress: progress)
    let referenceOptions = request.referenceOptions ?? request.options
    let other = try ModelOpener.open(request.reference, referenceOptions.open, hasCompanions: true)
    let model = try RunnableModel(request.path, request.options, engine: engine)
    var side = ValidatedSide(path: other.manifest.path)
    let scale = try scaleFinding(of: model.source, beside: other, work)
    let prompts: [LogitAgreement]
    let total: LogitAgreement
    var hidden: [HiddenStateAgreement] = []
    if ReferenceLogits.matches(other) {
      (total, prompts) = try compare(model, with: try ReferenceLogits(other))
    } else {
      let reference = try RunnableModel(other, referenceOptions, engine: engine)
      side.run = reference.description
      side.codeStream = try CodeStream.model(of: other, work)
      (total, prompts, hidden) = try compare(model, with: reference)
    }
    let gates = request.gates
    return ValidateResult(
      reference: side,
      model: ValidatedSide(
        path: model.path, run: model.description, codeStream: try CodeStream.model(of: model.source, work),
        scale: scale),
      agreement: total, prompts: prompts, hiddenStates: hidden, hiddenBound: request.hiddenBound,
      gates: [
        GateResult(name: "mean_kl", found: total.meanKL, bound: gates.maximumMeanKL, isUpperBound: true),
        GateResult(name: "top1", found: total.topOne, bound: gates.minimumTopOne, isUpperBound: false),
        GateResult(name: "logit_nmse", found: total.nmse, bound: gates.maximumNMSE, isUpperBound: true),
      ])
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
    let isWitness = other.manifest.tensors.contains { tensor in
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

  private func compare(
    _ model: RunnableModel, with reference: ReferenceLogits
  ) throws -> (LogitAgreement, [LogitAgreement]) {
    let path = reference.source.manifest.path
    guard request.inputs.isEmpty else { throw RunError(.promptsBesideReference, file: path) }
    let vocabulary = model.model.configuration.vocabularySize
    guard reference.vocabulary == vocabulary else {
      throw RunError(.vocabularyMismatch(expected: vocabulary, found: reference.vocabulary), file: path)
    }
    for prompt in reference.prompts { try model.check(prompt.ids) }
    began(reference.prompts.map(\.ids))
    defer { progress.ended() }
    var total = LogitComparison()
    var prompts: [LogitAgreement] = []
    for prompt in reference.prompts {
      var comparison = LogitComparison()
      try model.session(for: prompt.ids.count).prefill(prompt.ids, logits: .all) { position, row in
        try request.options.cancellation.check()
        let found = row.withUnsafeBufferPointer { Array($0) }
        let expected = try reference.row(position, of: prompt)
        comparison.add(expected, found)
        total.add(expected, found)
        progress.advanced(by: 1)
      }
      prompts.append(comparison.result)
    }
    return (total.result, prompts)
  }

  // MARK: - Against a model

  private func compare(
    _ model: RunnableModel, with reference: RunnableModel
  ) throws -> (LogitAgreement, [LogitAgreement], [HiddenStateAgreement]) {
    let (p, q) = (reference.model.configuration, model.model.configuration)
    guard p.vocabularySize == q.vocabularySize else {
      throw RunError(
        .vocabularyMismatch(expected: p.vocabularySize, found: q.vocabularySize), file: model.path)
    }
    guard p.layers == q.layers else {
      throw RunError(.layerMismatch(expected: p.layers, found: q.layers), file: model.path)
    }
    let inputs = request.inputs.isEmpty ? [TokenInput.text(ValidateRequest.sampleText)] : request.inputs
    let prompts = try TokenInput.prompts(inputs, of: model.source)
    for ids in prompts {
      try model.check(ids)
      try reference.check(ids)
    }
    began(prompts)
    defer { progress.ended() }
    let hidden = HiddenStateComparison()
    var total = LogitComparison()
    var results: [LogitAgreement] = []
    for ids in prompts {
      var comparison = LogitComparison()
      let left = try reference.session(for: ids.count)
      let right = try model.session(for: ids.count)
      for start in stride(from: 0, to: ids.count, by: ValidateWorkflow.chunk) {
        try request.options.cancellation.check()
        let piece = Array(ids[start..<min(ids.count, start + ValidateWorkflow.chunk)])
        hidden.beginChunk()
        var expected: [[Float]] = []
        try left.prefill(piece, logits: .all, observer: hidden.reference) { _, row in
          expected.append(row.withUnsafeBufferPointer { Array($0) })
        }
        try right.prefill(piece, logits: .all, observer: hidden) { position, row in
          let found = row.withUnsafeBufferPointer { Array($0) }
          comparison.add(expected[position - start], found)
          total.add(expected[position - start], found)
        }
        progress.advanced(by: piece.count)
      }
      results.append(comparison.result)
    }
    return (total.result, results, hidden.result)
  }
}
