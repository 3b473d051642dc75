// Tritsmith: looking at a model.

import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritVerification
import VisibleText

/// What a user wants to see of a model.
package struct InspectRequest: Sendable {
  package var path: String
  package var open: OpenOptions
  /// Only tensors that match one of these; all when empty.
  package var tensors: [Glob]
  /// Also read the weights.
  package var statistics: Bool
  /// Also read the weights and keep what a page draws.
  package var pictures: Bool
  /// More evidence on what stored scales mean than headers hold.
  package var proof = ScaleProof()

  package init(path: String) {
    self.path = path
    open = OpenOptions()
    tensors = []
    statistics = false
    pictures = false
  }
}

/// A tensor as inspected.
package struct InspectedTensor: Sendable {
  package var descriptor: TensorDescriptor
  package var role: TensorRole
  package var scale: TernaryScale?
  /// Held apart: most listings have none, and they are larger than all the rest.
  private var box: Box<TensorStatistics>?

  package var statistics: TensorStatistics? {
    get { box?.value }
    set { box = newValue.map { Box($0) } }
  }

  init(descriptor: TensorDescriptor, role: TensorRole, scale: TernaryScale?) {
    self.descriptor = descriptor
    self.role = role
    self.scale = scale
  }
}

/// What a model holds.
public struct InspectResult: Sendable {
  package var manifest: ModelManifest
  package var survey: ModelSurvey
  /// Those asked for, in file order.
  package var tensors: [InspectedTensor]
  package var recipe: JSONObject?
  package var hasStatistics: Bool
  /// nil for a model without one.
  package var chatTemplate: ChatTemplateFinding?
  /// How the weights are rotated; nil where no key says that they are.
  package var rotation: WeightRotation?
  /// Name and licence, where they are stated.
  package var identity: StatedIdentity
  /// Whether the files say, in whatever form, that weights are rotated.
  var isRotated: Bool { storedRotation != nil }
  /// What they say of it, under the names of the model.
  var storedRotation: StoredRotation?
  /// Why the tokenizer's file is of no use, as far as its outline tells; nil where it may be one.
  var tokenizerFault: String?
  /// The first thing the model needs and the files lack, by their headers; nil where all is there.
  var incompleteness: String?
  /// Weights in bytes that nothing here reads.
  var undecoded: UndecodedWeights
  /// Errors of `check` that headers show, the first of each rule.
  var faults: [CheckFinding]
  /// What the files say that scales mean; more evidence may say it to this command alone.
  var statedConvention: ScaleConvention?

  /// False when evidence on the scale convention was asked for and does not decide it.
  package var hasProvenScale: Bool { manifest.scaleFinding.evidence.isEmpty || manifest.scaleFinding.convention != nil }

  /// Bytes of all tensors, scales included.
  package var tensorBytes: Int { manifest.tensors.reduce(0) { $0 + $1.storedBytes } }
  /// Bytes of the files.
  package var fileBytes: UInt64 { manifest.files.reduce(0) { $0 + $1.byteCount } }
  /// Numbers the model has; a packed tensor counts its trits, bytes that are not decoded what the model's description
  /// gives, and scales are not counted.
  package var logicalParameters: Int { manifest.tensors.reduce(0) { $0 + undecoded.count($1) } }
  /// Stored tensor bits for each logical parameter, embeddings included.
  public var bitsPerWeight: Double {
    logicalParameters == 0 ? 0 : 8 * Double(tensorBytes) / Double(logicalParameters)
  }
}

/// Looks at a model: headers and a bounded sample, or with statistics the weights too.
package struct InspectWorkflow: Sendable {
  let request: InspectRequest
  let work: WorkOptions

  package init(_ request: InspectRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  private var readsWeights: Bool { request.statistics || request.pictures }

  /// - Throws: `TensorIOError` or `FormatError` when the model cannot be opened or read.
  package func run() throws -> InspectResult {
    let source = try FormatRegistry.open(request.path, request.open)
    // A GGUF file is listed as it is; what its tensors are for is told by the names they have elsewhere.
    let isGGUF = source.manifest.format == GGUFFormat.id
    var unread: (any DiagnosticError)?
    let view = isGGUF ? InspectWorkflow.view(of: source, &unread) : nil
    let binary = isGGUF ? nil : MLXBinaryView(source)
    let checkpoint = isGGUF ? nil : InspectWorkflow.checkpoint(of: binary ?? source, &unread)
    // Over a network a look stays small, unless all weights are read anyway.
    let isBrief = RemoteFolders.contains(source.manifest.path) && !readsWeights
    let model: any TensorSource = view ?? checkpoint ?? binary ?? source
    var survey = try ModelSurvey(of: model, sample: isBrief ? .small : .usual)
    let inventory = (try? survey.description.get()).map { TensorInventory(model.manifest, $0) }
    let faults = try InspectWorkflow.faults(model, survey, inventory, isBrief: isBrief)
    let shown = view as (any ModelView)? ?? checkpoint
    if let shown, shown.manifest.tensors.count != source.manifest.tensors.count {
      survey.roles = InspectWorkflow.roles(of: source, in: shown, survey.roles)
    }
    var tensors = try listed(source, survey.roles)
    if readsWeights {
      try source.checkIntegrity(work.parallelism, work.progress)
      try addStatistics(to: &tensors, source, binary)
    }
    var manifest = source.manifest
    if let checkpoint {
      manifest.notes += checkpoint.manifest.notes.filter { !source.manifest.notes.contains($0) }
    }
    let rotation = InspectWorkflow.rotation(of: &manifest)
    if case .failure(let error) = survey.description, case .rotatedModules = error.kind, unread == nil {
      manifest.notes.append(error.placedSummary)
    }
    if let note = unread?.placedSummary, !manifest.notes.contains(note) { manifest.notes.append(note) }
    if request.proof.isAsked {
      let evidence = try request.proof.evidence(for: request.path, request.open, work: work)
      manifest.scaleFinding = manifest.scaleFinding.adding(evidence)
    }
    return InspectResult(
      manifest: manifest, survey: survey, tensors: tensors, recipe: Recipe.recorded(in: source),
      hasStatistics: request.statistics, chatTemplate: try ChatTemplateFinding(of: source), rotation: rotation,
      identity: StatedIdentity(of: source), storedRotation: shown?.storedRotation,
      tokenizerFault: InspectWorkflow.tokenizerFault(source),
      incompleteness: InspectWorkflow.incompleteness(model.manifest, inventory),
      undecoded: UndecodedWeights(manifest, survey.structure ?? (try? survey.description.get())), faults: faults,
      statedConvention: source.manifest.scaleFinding.convention)
  }

  /// What the keys say of rotated weights; an assumption, or that they cannot be understood, becomes a note.
  private static func rotation(of manifest: inout ModelManifest) -> WeightRotation? {
    do throws(GGUFModelError) {
      let rotation = try WeightRotation(manifest)
      if let assumption = rotation?.assumption { manifest.notes.append(assumption) }
      return rotation
    } catch {
      manifest.notes.append(error.placedSummary)
      return nil
    }
  }

  /// Bytes of a tied head that are held against the embeddings: another head differs in its first row.
  private static let headBytes = 1 << 20

  /// What the rules of `check` that read no weights find wrong; a file without tensors is no model to hold against them.
  private static func faults(
    _ source: any TensorSource, _ survey: ModelSurvey, _ inventory: TensorInventory?, isBrief: Bool
  ) throws -> [CheckFinding] {
    guard !source.manifest.tensors.isEmpty else { return [] }
    // One of each rule is enough: a hostile file has as many as it has tensors.
    var rules: Set<CheckRule> = []
    return try ModelChecks.ofHeaders(source, survey, inventory, headBytes: isBrief ? 0 : headBytes)
      .filter { $0.severity == .error && rules.insert($0.rule).inserted }
  }

  /// Why the tokenizer of a GGUF file is of no use: of one without tensors its tokens tell, else its kind.
  private static func ggufTokenizerFault(_ source: any TensorSource) -> String? {
    let manifest = source.manifest
    if manifest.tensors.isEmpty { return (try? GGUFModelView(source, hasCompanions: true))?.unreadTokenizer }
    guard let model = manifest.entry("tokenizer.ggml.model")?.string, manifest.entry("tokenizer.ggml.tokens") != nil
    else { return nil }
    switch model {
    case "llama", "no_vocab", "none": return nil
    case "gpt2": return manifest.entry("tokenizer.ggml.merges") == nil ? "it has no merges" : nil
    default: return "a tokenizer of model '\(printable(model, limit: 60))' is not read"
    }
  }

  /// Looks at the outline of `tokenizer.json`, not at its tokens; over a network not at all.
  private static func tokenizerFault(_ source: any TensorSource) -> String? {
    let name = "tokenizer.json"
    if source.manifest.format == GGUFFormat.id { return ggufTokenizerFault(source) }
    guard !RemoteFolders.contains(source.manifest.path),
      source.manifest.companions.contains(where: { $0.name == name }), let bytes = try? source.companion(named: name)
    else { return nil }
    let long = [["model", "vocab"], ["model", "merges"], ["added_tokens"]]
    guard let file = try? JSONOutline(parsing: bytes, leaving: long).value else { return "\(name) is no JSON" }
    guard let model = file.object?["model"]?.object else { return "\(name) has no 'model'" }
    guard let type = model["type"]?.string, type != "BPE" else { return nil }
    return "\(name) is of type '\(printable(type))', and only BPE is supported"
  }

  /// What is missing of a model whose settings are understood.
  private static func incompleteness(_ manifest: ModelManifest, _ inventory: TensorInventory?) -> String? {
    if let tensor = manifest.tensors.first(where: { $0.encoding == ForeignPacking.withoutScale }) {
      return "'\(printable(tensor.name))' is packed and has no scale"
    }
    for finding in inventory?.findings ?? [] {
      switch finding {
      case .missing(let tensor): return "'\(printable(tensor.name))' is missing"
      case .missingLayers: return finding.error(file: manifest.path)?.summary
      // Check judges these; some programs load them all the same.
      case .moreMissing, .shape, .type, .unused, .wrapped, .adapter: continue
      }
    }
    return nil
  }

  /// The files are listed as they are, with what the model of a view leaves out.
  private static func roles(
    of source: any TensorSource, in shown: any ModelView, _ roles: [TensorRole]
  ) -> [TensorRole] {
    let byName = Dictionary(
      zip(shown.manifest.tensors, roles).map { (ExactString($0.name), $1) }, uniquingKeysWith: { first, _ in first })
    return source.manifest.tensors.map { tensor in
      shown.name(ofStored: tensor.name).flatMap { byName[ExactString($0)] } ?? .other
    }
  }

  /// The tensors that were asked for.
  private func listed(_ source: any TensorSource, _ roles: [TensorRole]) throws -> [InspectedTensor] {
    for glob in request.tensors where !source.manifest.tensors.contains(where: { glob.matches($0.name) }) {
      throw WorkflowError(.globWithoutMatch(glob.pattern), file: request.path)
    }
    let chosen = source.manifest.tensors.indices.filter { index in
      request.tensors.isEmpty || request.tensors.contains { $0.matches(source.manifest.tensors[index].name) }
    }
    return try chosen.map { index in
      let tensor = source.manifest.tensors[index]
      // Scales spread over all blocks of a tensor are not read for a listing.
      let isSpread =
        tensor.scale.map { ($0.location.byteCount == 0 || $0.biases != nil) && $0.granularity != .tensor } ?? false
      // Numbers that are no trits have scales of another meaning.
      let knowsScale = tensor.encoding.isTernary && tensor.scale?.convention != nil && (!isSpread || readsWeights)
      return InspectedTensor(
        descriptor: tensor, role: roles[index], scale: knowsScale ? try source.scale(of: tensor) : nil)
    }
  }

  /// A folder under the names of its class; nil where it cannot be shown so, and why, where it is about rotated weights:
  /// of all else the description of the model tells.
  private static func checkpoint(
    of source: any TensorSource, _ problem: inout (any DiagnosticError)?
  ) -> CheckpointView? {
    do {
      return try CheckpointView(source, keepsRotation: true)
    } catch {
      let isRotated =
        source.manifest.configuration.map { MLXRotation.isStated($0) } == true
        || source.manifest.companions.contains { $0.name == MLXRotation.repetitionName }
      problem = isRotated ? error as? any DiagnosticError : nil
      return nil
    }
  }

  /// A GGUF file as a model; nil where its keys describe none, and why.
  private static func view(of source: any TensorSource, _ problem: inout (any DiagnosticError)?) -> GGUFModelView? {
    do {
      return try GGUFModelView(source, hasCompanions: false, keepsRotation: true)
    } catch {
      problem = error as? any DiagnosticError
      return nil
    }
  }

  private func addStatistics(
    to tensors: inout [InspectedTensor], _ source: any TensorSource, _ binary: MLXBinaryView?
  ) throws {
    let pass = StatisticsPass(source: source, binary: binary, work: work, keepsLatents: request.pictures)
    work.progress.began(
      ProgressPhase(
        name: "reading weights", totalBytes: tensors.reduce(0) { $0 + UInt64($1.descriptor.location.byteCount) }))
    defer { work.progress.ended() }
    for index in tensors.indices {
      work.progress.reached(tensors[index].descriptor.name, number: index + 1, of: tensors.count)
      tensors[index].statistics = try pass.statistics(of: tensors[index].descriptor)
    }
  }
}
