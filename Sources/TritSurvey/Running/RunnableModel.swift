// Tritsmith: a model opened to compute with.

import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritTokenizer

/// Which model to run, and how.
public struct RunOptions: Sendable {
  /// Which arithmetic: transformers', or integers.
  package var mode: ArithmeticMode
  /// Whether fast arithmetic may round inputs that the model takes as they are. If not, such a model computes in
  /// reference arithmetic, whatever `mode` is: what is measured then is the model.
  package var roundsPlainInputs = true
  /// How dense projections are taken; latents as trits when nothing is said.
  package var projections: ProjectionOverride
  package var kernels: KernelChoice
  /// 0 means one for each processor.
  package var threads: Int
  /// How its files are opened. Mapped, weights are used in place; buffered, they are read into memory once.
  package var open: OpenOptions
  package var cancellation: CancellationFlag

  /// How a model is run.
  ///
  /// - Parameters:
  ///   - mode: which arithmetic: transformers', or integers.
  ///   - projections: how dense projections are taken.
  ///   - kernels: which implementation; results do not depend on it in `reference` arithmetic.
  ///   - threads: 0 means one for each processor. Results do not depend on it.
  ///   - open: how its files are opened; nil maps them, and weights are used in place.
  ///   - cancellation: ends the run with an error, `interrupted`.
  public init(
    mode: ArithmeticMode = .reference, projections: ProjectionOverride = .automatic, kernels: KernelChoice = .auto,
    threads: Int = 0, open: OpenOptions? = nil,
    cancellation: CancellationFlag = CancellationFlag()
  ) {
    self.mode = mode
    self.projections = projections
    self.kernels = kernels
    self.threads = threads
    self.open = open ?? OpenOptions(access: .mapped)
    self.cancellation = cancellation
  }

  package func engine() throws -> InferenceEngine { try InferenceEngine(threads: threads, kernels: kernels) }
}

/// A model opened to compute with: weights loaded once, any number of texts.
///
///     let model = try RunnableModel("falcon-e/bitnet")
///     let session = try model.session(for: ids.count)
///     let logits = try session.prefill(ids)
public struct RunnableModel: Sendable {
  /// Under Hugging Face's names, whatever the format calls its tensors.
  package let source: any TensorSource
  package let model: LanguageModel
  package let engine: InferenceEngine
  package let mode: ArithmeticMode
  /// What its numbers say about how it computes, for reports.
  private let remarks: DenseRemarks

  /// Opens a model of any format.
  ///
  /// Latents of a BitNet model compute as trits unless `options` say otherwise, whatever the configuration says: run as
  /// ordinary numbers they are another model.
  ///
  /// - Throws: what opening throws; `ModelError` for a model whose forward pass is not known, or `KernelError`.
  package init(_ path: String, _ options: RunOptions = RunOptions()) throws {
    try self.init(path, options, engine: options.engine())
  }

  package init(_ path: String, _ options: RunOptions, engine: InferenceEngine) throws {
    try self.init(ModelOpener.toRun(path, options.open), options, engine: engine)
  }

  package init(_ source: any TensorSource, _ options: RunOptions, engine: InferenceEngine) throws {
    self.source = source
    self.engine = engine
    (model, remarks) = try RunnableModel.locating(source.manifest.path) {
      let remarks = try DenseRemarks(source)
      let load = LoadOptions(projections: options.projections, dense: remarks.kind.denseProjections)
      return (try LanguageModel(source, options: load, engine: engine), remarks)
    }
    // Where no projection rounds, both are one arithmetic, which is then called by its name.
    let isPlain = model.roundedGroups != nil || model.roundsNoInputs
    mode = options.roundsPlainInputs || !isPlain ? options.mode : .reference
  }

  package var path: String { source.manifest.path }

  /// How it runs, for reports.
  package var description: RunDescription {
    RunDescription(
      path: path, format: source.manifest.format.rawValue, architecture: model.configuration.architecture.className,
      projections: model.projectionClasses.map(\.rawValue), mode: mode, kernels: engine.kernelName,
      threads: engine.threads, notes: source.manifest.notes + model.notes + remarks.notes(model) + fastNotes,
      warnings: remarks.warnings(model))
  }

  /// Inputs that share a scale where this arithmetic rounds what the model takes as it is; nil where it does not.
  package var groupsRoundedByMode: Int? { mode == .fast ? model.roundedGroups : nil }

  /// Whether this arithmetic rounds inputs that both models take as they are in the same groups of columns. A GGUF file
  /// whose value heads take turns has other groups than the model it was made of.
  package func roundsByMode(as other: RunnableModel) -> Bool {
    let groups = [self, other].map { $0.groupsRoundedByMode == nil ? [] : $0.model.roundedGroupsOfProducts }
    return groups[0] == groups[1]
  }

  /// What fast arithmetic does that the model does not.
  private var fastNotes: [String] {
    guard let group = groupsRoundedByMode else { return [] }
    return [
      "fast arithmetic rounds inputs of packed weights to int8, one scale for each \(group) inputs, which the model does "
        + "not; reference arithmetic does not either"
    ]
  }

  /// A context for a text of that many tokens.
  ///
  /// - Throws: a `DiagnosticError`, `misuse`, when the model was made for fewer.
  public func session(for tokens: Int) throws -> Session { try session(for: tokens, running: model) }

  /// The same for another form of its model.
  ///
  /// - Parameter mode: another arithmetic than its own.
  package func session(for tokens: Int, running model: LanguageModel, _ mode: ArithmeticMode? = nil) throws -> Session {
    let context = model.configuration.contextLength
    guard tokens <= context else {
      throw ModelError(.contextOverflow(capacity: context, needed: tokens), file: path)
    }
    return try Session(
      model, mode: mode ?? self.mode, contextCapacity: max(1, tokens), textLength: tokens, engine: engine)
  }

  /// Checks ids before any work is done: some, all in the vocabulary, not more than the context holds.
  ///
  /// - Throws: a `DiagnosticError`, `misuse`, for others.
  package func check(_ ids: [Int]) throws {
    let location = ErrorLocation(file: path)
    guard !ids.isEmpty else { throw ModelError(.emptyPrompt, location: location) }
    let vocabulary = model.configuration.vocabularySize
    for id in ids where id < 0 || id >= vocabulary {
      throw ModelError(.tokenOutOfRange(id: id, vocabulary: vocabulary), location: location)
    }
    let context = model.configuration.contextLength
    guard ids.count <= context else {
      throw ModelError(.contextOverflow(capacity: context, needed: ids.count), location: location)
    }
  }

  /// Throws `ModelError.notFiniteState` for a row of logits with an infinity or what is no number, naming where it comes
  /// from.
  package func checkFinite(_ logits: Span<Float>, of ids: [Int]) throws {
    try RunnableModel.locating(path) { try model.checkFinite(logits, of: ids, mode: mode, engine: engine) }
  }

  /// Where numbers stop being finite on the first of some texts on which they do.
  package func firstNonFinite(in texts: [[Int]]) throws -> NonFiniteState? {
    for ids in texts {
      if let state = try model.firstNonFinite(in: ids, mode: mode, engine: engine) { return state }
    }
    return nil
  }

  /// Adds the model's path to errors of the forward pass, which knows none.
  package static func locating<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as ModelError {
      throw error.placed(file: path)
    }
  }
}

/// How a model was run, for reports.
package struct RunDescription: Sendable, Hashable {
  package var path: String
  package var format: String
  package var architecture: String
  /// The classes projections computed as.
  package var projections: [String]
  package var mode: ArithmeticMode
  /// `scalar`, `avx2`, `avx512-vnni`, `neon`, `neon-dotprod` or `neon-i8mm`.
  package var kernels: String
  package var threads: Int
  package var notes: [String]
  /// What makes the numbers something else than the model's.
  package var warnings: [String] = []
}

extension RunDescription {
  /// Notes or warnings of several runs: those of all as they are, others after the names of their sides.
  package static func remarks(
    _ key: KeyPath<RunDescription, [String]>, of sides: [(name: String, run: RunDescription?)]
  ) -> [String] {
    let runs = sides.compactMap { side in side.run.map { (side.name, Set($0[keyPath: key])) } }
    return Set(runs.flatMap(\.1)).sorted().map { remark in
      let names = runs.filter { $0.1.contains(remark) }.map(\.0)
      return names.count == runs.count ? remark : names.joined(separator: " and ") + ": " + remark
    }
  }
}

/// What the numbers of dense projections say about how they should compute.
private struct DenseRemarks {
  let kind: ModelKind
  private let evidence: String

  /// Samples the dense projections of a model that has some.
  ///
  /// - Throws: `ModelError` for a description that is not understood, before any weight is read.
  init(_ source: any TensorSource) throws {
    _ = try ModelDescription.read(source)
    let survey = try ModelSurvey(of: source)
    kind = survey.kind
    evidence = survey.evidence.first ?? ""
  }

  func notes(_ model: LanguageModel) -> [String] {
    let isLinear = model.projectionClasses.contains(.linear)
    switch kind {
    case .latent where !isLinear:
      return ["the weights are latents of a BitNet model and compute as trits with int8 inputs: \(evidence)"]
    case .ternaryDense where isLinear:
      return ["the weights are already ternary and compute as ordinary matrices: inputs are not rounded to int8"]
    default: return []
    }
  }

  func warnings(_ model: LanguageModel) -> [String] {
    guard kind == .latent, model.projectionClasses == [.linear] else { return [] }
    return [
      "latent weights are run as ordinary numbers, which is another model than the one that was trained (\(evidence))"
    ]
  }
}

extension ModelKind {
  /// What a loader is told of dense projections where the configuration does not say.
  package var denseProjections: DenseProjections { self == .latent ? .latent : .ordinary }
}
