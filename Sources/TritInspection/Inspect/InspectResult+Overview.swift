// Tritsmith: an inspection in a few lines: sizes, tokenizer, bits, programs, and the next command.

import TritConversion
import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritReport
import TritSurvey
import VisibleText

/// What the files state about a model for people: its name and its licence.
package struct StatedIdentity: Sendable, Hashable {
  package var name: String?
  package var licence: String?
  private static let readme = "README.md"
  /// A longer page is no model card.
  private static let mostBytes = 1 << 20

  /// GGUF has keys, and so has a configuration at times; beside safetensors the page of the model begins with them.
  init(of source: any TensorSource) {
    let manifest = source.manifest
    name = manifest.entry("general.name")?.string
    licence =
      manifest.entry("general.license")?.string
      ?? ["license_name", "license"].lazy.compactMap { manifest.configuration?[$0]?.string }.first
    // A look over a network stays small.
    guard licence == nil, !RemoteFolders.contains(manifest.path),
      manifest.companions.contains(where: { $0.name == Self.readme && $0.byteCount <= Self.mostBytes }),
      let bytes = try? source.companion(named: Self.readme)
    else { return }
    let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    guard lines.first == "---" else { return }
    let head = lines.dropFirst().prefix { $0 != "---" }
    licence = head.first { $0.hasPrefix("license:") }.map { line in
      String(line.dropFirst("license:".count).filter { $0 != "\"" && $0 != "'" }.drop { $0 == " " })
    }
  }
}

extension InspectResult {
  /// What a reader asks first, each in a line.
  var overview: ReportFacts {
    var facts = ReportFacts(key: "overview")
    if let name = identity.name { facts.append(ReportFact("Name", .text(name))) }
    if let licence = identity.licence { facts.append(ReportFact("Licence", .text(licence))) }
    if let shape { facts.append(ReportFact("Shape", .text(shape))) }
    // A lone file of safetensors has nothing beside it.
    let isWhole = manifest.format != SafetensorsFormat.id || !manifest.companions.isEmpty
    if tokenizer != nil || isWhole && !manifest.tensors.isEmpty && part == nil {
      facts.append(ReportFact("Tokenizer", .text(tokenizer ?? "none"), note: tokenizerFault))
    }
    if !manifest.tensors.isEmpty { facts.append(ReportFact("Bits", .text(bitsByRole), key: "bits_by_role")) }
    if let assumed = survey.structure?.assumed, !assumed.isEmpty {
      facts.append(ReportFact("Assumed", .text(assumed.joined(separator: ", ")), note: "the files do not say it"))
    }
    if let loading { facts.append(loading) }
    facts.append(ReportFact("Next", .text(next), key: "next", kind: .command))
    return facts
  }

  /// Keys of facts that are shown by default.
  var overviewKeys: Set<String> {
    var keys: Set = ["format", "block_size"]
    if survey.className != nil { keys.insert("class") }
    keys.formUnion(overview.facts.map(\.key))
    if !isObvious { keys.insert("kind_evidence_1") }
    if chatTemplate != nil { keys.insert("chat_template") }
    if !manifest.scaleFinding.evidence.isEmpty { keys.insert("convention") }
    return keys.union(proofKeys)
  }

  /// Keys of evidence that was asked for: it is told whatever it came to, also where another already decided.
  var proofKeys: Set<String> {
    let asked: Set<ScaleEvidence.Origin> = [.sibling, .activations]
    let evidence = manifest.scaleFinding.evidence
    return Set(evidence.indices.filter { asked.contains(evidence[$0].origin) }.map { "evidence_\($0 + 1)" })
  }

  /// Whether the headline alone says what kind of model this is.
  private var isObvious: Bool {
    if vocabularyAlone != nil { return true }
    let projections = zip(manifest.tensors, survey.roles).filter { $1.isProjection && $0.shape.isMatrix }
    return survey.kind == .packed && projections.allSatisfy { $0.0.encoding.isTernary }
  }

  /// Tokens of a file that holds a vocabulary and no tensor; nil for all others.
  var vocabularyAlone: Int? {
    manifest.tensors.isEmpty ? manifest.entry("tokenizer.ggml.tokens")?.array?.count : nil
  }

  private var shape: String? {
    guard let model = (try? survey.description.get()) ?? survey.structure else { return outline }
    let shared = model.attention.keyValueHeads
    let heads =
      "\(plural(model.attention.heads, "head"))"
      + (shared == model.attention.heads ? "" : ", \(plural(shared, "key head"))")
    return "\(plural(model.layers, "layer")) × \(grouped(model.hiddenSize)) wide, feed-forward "
      + "\(grouped(model.intermediateSize)), "
      + "\(heads), context \(grouped(model.contextLength)), vocabulary \(grouped(model.vocabularySize))"
  }

  /// What can be told of a model whose family is not known: its matrices, and sizes by the names most files give them.
  private var outline: String? {
    let matrices = survey.matrices(of: manifest)
    guard matrices > 0 else { return nil }
    let stated = StatedSizes(manifest)
    return [
      stated.layers.map { plural($0, "layer") }, stated.hiddenSize.map { "\(grouped($0)) wide" },
      plural(matrices, "matrix", "matrices"), stated.vocabularySize.map { "vocabulary \(grouped($0))" },
    ].compactMap { $0 }.joined(separator: ", ")
  }

  private var tokenizer: String? {
    if let kind = manifest.entry("tokenizer.ggml.model")?.string {
      // Names of having none.
      if ["no_vocab", "none"].contains(kind) { return nil }
      let rule = manifest.entry("tokenizer.ggml.pre")?.string.map { ", \($0)" } ?? ""
      let count = manifest.entry("tokenizer.ggml.tokens")?.array?.count
      return kind + rule + (count.map { ", \(grouped($0)) tokens" } ?? "")
    }
    return tokenizerStandIn == nil && tokenizerFault == nil ? tokenizerFile : "none usable"
  }

  private var tokenizerFile: String? {
    let names = manifest.companions.map(\.name)
    return ["tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"].first(where: names.contains)
  }

  private var folder: String {
    FileSystem.kind(of: manifest.path) == .folder ? manifest.path : FileSystem.parent(of: manifest.path)
  }

  /// What was saved in place of the tokenizer; nil where it may be one.
  private var tokenizerStandIn: StandIn? { tokenizerFile.flatMap { standIn(of: $0) } }

  /// What was saved in place of a file beside the weights; nil for anything that may be the file itself.
  private func standIn(of name: String) -> StandIn? {
    guard manifest.format != GGUFFormat.id, !RemoteFolders.contains(manifest.path) else { return nil }
    return try? InputFile(path: FileSystem.join(folder, name), mode: .buffered).standIn()
  }

  /// What gets a file that a download left out and no command goes on without, the tokenizer first; nil where none is
  /// missing.
  private var fetching: String? {
    var names = [tokenizerFile].compactMap { $0 }
    if manifest.format == SafetensorsFormat.id {
      names += manifest.companions.map(\.name).filter { CompanionName.isNeeded($0) }
    }
    let found = names.lazy.compactMap { name in standIn(of: name).map { (name, $0) } }.first
    guard let (name, standIn) = found else { return nil }
    let folder = shellWord(folder)
    return switch standIn {
    case .gitLFSPointer: "git -C \(folder) lfs pull"
    case .gitAnnexPointer: "git -C \(folder) annex get \(shellWord(name))"
    case .webPage, .serverMessage: "hf download OWNER/NAME \(shellWord(name)) --local-dir \(folder)"
    }
  }

  /// What takes room, by what it is for.
  private static let largeRoles: [(name: String, matches: @Sendable (TensorRole) -> Bool)] = [
    ("projections", { $0.isProjection }), ("embeddings", { $0 == .embedding }), ("head", { $0 == .outputHead }),
  ]

  /// What each large role gives; roles that follow each other and give the same are named together.
  private func byRole(_ told: ([TensorDescriptor]) -> String?) -> [(roles: String, text: String)] {
    var groups: [(roles: [String], text: String)] = []
    for role in InspectResult.largeRoles {
      let tensors = zip(manifest.tensors, survey.roles).filter { role.matches($1) && $0.shape.isMatrix }.map(\.0)
      guard !tensors.isEmpty, let text = told(tensors) else { continue }
      if groups.last?.text == text {
        groups[groups.count - 1].roles.append(role.name)
      } else {
        groups.append(([role.name], text))
      }
    }
    return groups.map { group in
      let first = group.roles.dropLast().joined(separator: ", ")
      return (first + (first.isEmpty ? "" : " and ") + (group.roles.last ?? ""), group.text)
    }
  }

  /// Stored bits per weight of what takes room, and of all.
  private var bitsByRole: String {
    let parts = byRole { tensors in
      let count = tensors.reduce(0.0) { $0 + Double(undecoded.count($1)) }
      guard count > 0 else { return nil }
      return NumberText.fixed(8 * tensors.reduce(0.0) { $0 + Double(undecoded.bytes($1)) } / count, digits: 2)
    }
    let all = NumberText.fixed(bitsPerWeight, digits: 2)
    let told = parts.count == 1 && parts[0].text == all ? [] : parts.map { "\($0.text) in \($0.roles)" }
    return (told + [all + " in all"]).joined(separator: ", ")
  }

  /// Types and layouts of what takes room: "TQ2_0; embeddings and head BF16".
  var typesByRole: String? {
    func types(_ tensors: [TensorDescriptor]) -> String? {
      var names: [String] = []
      for tensor in tensors where !names.contains(tensor.encoding.name) { names.append(tensor.encoding.name) }
      return names.isEmpty ? nil : names.joined(separator: ", ")
    }
    let parts = byRole(types)
    // Where no role is known by name, all matrices tell.
    guard parts.count > 1 else { return parts.first?.text ?? types(manifest.tensors.filter(\.shape.isMatrix)) }
    return parts.map { $0.roles.hasPrefix("projections") ? $0.text : "\($0.roles) \($0.text)" }.joined(separator: "; ")
  }

  // MARK: - Programs

  /// The form that programs tell files apart by; nil where the table has none for it.
  private var form: OutputForm? {
    let encodings = Set(zip(manifest.tensors, survey.roles).filter { $1.isProjection }.map { $0.0.encoding })
    // Programs that do not know rotated weights compute nonsense with them, or refuse the type of model.
    guard !hasRotatedForm, let encoding = encodings.first else { return nil }
    if isLoadedAsLatents { return .trainable }
    guard survey.kind != .latent else { return nil }
    // Programs that know one of these types know them all, and files mix them. They need not know what trained them.
    if manifest.format == GGUFFormat.id, encodings.allSatisfy({ OutputForm.numberTypes.contains($0.name) }) {
      return .numbers
    }
    guard survey.kind != .undetermined || isOfPlainNumbers, encodings.count == 1 else { return nil }
    switch manifest.format {
    case TritPackFormat.id: return .tritpack
    case GGUFFormat.id:
      if let order = I2SOrder.allCases.first(where: { $0.layout.rawValue == encoding.name }) { return .i2s(order) }
      return GGUFWeightType(rawValue: encoding.name).map(OutputForm.gguf)
    default:
      switch encoding {
      case .dense: return .dense
      case .ternary(HFPacked.id): return .hfPacked
      case .ternary(MLXTwoBit.id): return .mlx
      case .ternary, .opaque: return nil
      }
    }
  }

  /// Whether all projections are numbers that programs read as they are, whatever they were trained for.
  private var isOfPlainNumbers: Bool {
    let projections = zip(manifest.tensors, survey.roles).filter { $1.isProjection && $0.shape.isMatrix }
    return !projections.isEmpty && projections.allSatisfy { $0.0.encoding.dtype?.isFloatWeight == true }
  }

  /// Programs that load the file, or why none is known to; nil for a file without tensors. The table speaks of models
  /// whose settings are understood.
  private var loading: ReportFact? {
    func fact(_ value: String, _ note: String?) -> ReportFact {
      ReportFact("Loads in", .text(value), key: "loaded_by", note: note)
    }
    let none = "no program that is known"
    guard !manifest.tensors.isEmpty else { return nil }
    guard let family = survey.architecture else {
      if let name = survey.className { return fact("not known for class \(name)", nil) }
      return fact(none, InspectResult.cause(survey.description) ?? "no model class is named")
    }
    if let why = whyNothingLoads { return fact(none + ", as it is", why) }
    let cause = InspectResult.cause(survey.description)
    let lacking = manifest.format == GGUFFormat.id ? GGUFLoaderKeys.missing(family) { manifest.entry($0) } : nil
    let why = cause ?? incompleteness ?? unfitness
    if lacking == nil, let why { return fact(none, why) }
    guard let form else {
      let reason = hasRotatedForm ? "the weights are rotated" : "the projections are stored in several types"
      return fact(cause == nil ? "tritsmith" : none, cause ?? reason + ": no other program was tried")
    }
    let rows = RuntimeTable.known(family.className, form, lacking: lacking)
    func names(_ outcome: String) -> String? {
      let names = rows.filter { $0.outcome.name == outcome }.map(\.runtime.name)
      return names.isEmpty ? nil : names.joined(separator: ", ")
    }
    let notes = [
      survey.kind == .undetermined && form != .numbers ? "as ordinary numbers: latent weights, convert first" : nil,
      names("misreads").map { "misread by \($0)" },
      lacking.map { "llama.cpp refuses it: '\($0)' is missing" },
    ].compactMap { $0 }
    let programs = why == nil ? names("loads") ?? "tritsmith" : none
    return fact(programs, notes.isEmpty ? nil : notes.joined(separator: "; "))
  }

  /// What is not understood of the settings; nil where all is.
  private static func cause(_ description: Result<ModelDescription, ModelError>) -> String? {
    guard case .failure(let error) = description else { return nil }
    return (error.location.field.map { printable($0) + ": " } ?? "") + error.summary
  }

  private var hasRotatedForm: Bool {
    rotation != nil || isRotated || manifest.configuration.map { MLXRotation.isStated($0) } ?? false
  }

  /// Latents that loaders make trits of whenever they compute, as the configuration asks, or that hold no other numbers.
  private var isLoadedAsLatents: Bool {
    survey.kind == .latent && manifest.format == SafetensorsFormat.id
      && (survey.quantization?.mode == .online || survey.isRestored)
  }

  /// Whether nothing says what stored scales mean, or what says it is contradicted.
  private var isScaleUnknown: Bool {
    !manifest.scaleFinding.evidence.isEmpty && manifest.scaleFinding.convention == nil
  }

  /// What headers say against each other, of which no program is known to make the model; nil where they agree. Programs
  /// leave a tensor too many aside, and do not look how weights came to be.
  private var unfitness: String? {
    if isScaleUnknown {
      return "the meaning of its scales is " + (manifest.scaleFinding.isConflicting ? "contradicted" : "not known")
    }
    let others: Set<CheckRule> = [.unusedTensor, .damaged, .rounded, .conventionUnknown]
    let fault = faults.first { !others.contains($0.rule) }
    return fault.map { ($0.subject.isEmpty ? "" : "\(printable($0.subject)): ") + $0.detail }
  }

  /// Whether no command converts or runs the model as it is.
  private var isStopped: Bool {
    guard vocabularyAlone == nil else { return tokenizerFault != nil }
    return incompleteness != nil || isScaleUnknown
      || faults.contains { $0.rule != .conventionUnknown && !$0.isMendedByConversion }
  }

  /// Says what scales mean to a command that needs it said: it was an option here, or proved to this command alone.
  private var scaleOption: String {
    guard let convention = manifest.scaleFinding.convention,
      statedConvention == nil || manifest.scaleFinding.isChosen
    else { return "" }
    return " --scale-convention \(convention.rawValue)"
  }

  /// Why the table speaks of what the model becomes, and not of it; nil where it may speak of it.
  private var whyNothingLoads: String? {
    guard !hasRotatedForm, form == nil else { return nil }
    switch survey.kind {
    case .latent: return "latent weights: convert first"
    case .undetermined: return isOfPlainNumbers ? nil : "the kind of its weights is not certain"
    case .packed, .ternaryDense, .ordinary: return nil
    }
  }

  // MARK: - What to do

  /// What to do next: a command that works.
  private var next: String {
    // Text of a model without its tokenizer goes nowhere.
    if let fetching { return fetching }
    if part != nil, manifest.path.hasSuffix(InspectResult.shardEnding) {
      return "tritsmith inspect \(shellWord(FileSystem.parent(of: manifest.path)))"
    }
    let path = shellWord(place)
    if case .failure(let error) = survey.description {
      switch error.kind {
      // No verb converts or runs it; check says why, and what would help.
      case .noArchitecture, .unknownArchitecture: return "tritsmith check \(path)"
      default: break
      }
    }
    // Check says what is wrong, or is not understood.
    if isStopped { return "tritsmith check \(path)" }
    if survey.kind == .latent, let size = likelyGroup {
      return "tritsmith convert \(path) model.gguf --layout Q2_0 --quantizer absmean-group\(size)"
    }
    return nextCommand(path) + (survey.kind == .packed ? scaleOption : "")
  }

  private static let shardEnding = ".safetensors"

  /// Which part of a model a lone file is; nil for a whole one.
  var part: NumberedPart? { manifest.loneShard }

  /// The path that opens the model again: a folder with other models beside is told by its configuration.
  private var place: String {
    guard (try? ModelPlace.resolved(manifest.path)) == nil else { return manifest.path }
    return FileSystem.join(manifest.path, "config.json")
  }

  /// Weights with one scale, where latents of the class are usually trained so; nil where rows do not hold them.
  private var likelyGroup: Int? {
    guard survey.architecture?.defaults.packedProjections == .linear, survey.quantization == nil else { return nil }
    let projections = zip(manifest.tensors, survey.roles).filter { $1.isProjection && $0.shape.isMatrix }
    return [128, 64].first { size in projections.allSatisfy { $0.0.shape.columns % size == 0 } }
  }

  private func nextCommand(_ path: String) -> String {
    if vocabularyAlone != nil { return "tritsmith tokenize \(path) --text \"In the beginning\"" }
    let check = "tritsmith check \(path)"
    // Without a tokenizer the model takes ids alone.
    let run =
      tokenizer == nil || tokenizerFault != nil
      ? "tritsmith logits \(path) --ids 1,2,3 --output logits.safetensors"
      : "tritsmith run \(path) --prompt \"In the beginning\""
    if case .failure(let error) = survey.description, error.kind != .noConfiguration { return check }
    let isUnderstood = (try? survey.description.get()) != nil
    if isRotated, isUnderstood { return run }
    // Layers of hf-packed round inputs, which models of some families take as they are.
    let takesPlainInputs = survey.architecture?.defaults.packedProjections == .linear
    switch survey.kind {
    case .latent: return "tritsmith convert \(path) OUTPUT --to hf-packed"
    // Convert asks what each of the ordinary ones is.
    case .ternaryDense where survey.isMixed: return isUnderstood ? run : check
    case .ternaryDense where survey.finest == .tensor && !takesPlainInputs:
      return "tritsmith convert \(path) OUTPUT --to hf-packed"
    case .ternaryDense: return "tritsmith convert \(path) \(groupedOutput)"
    case .packed where manifest.format != GGUFFormat.id: return "tritsmith convert \(path) \(groupedOutput)"
    case .packed, .ordinary: return isUnderstood ? run : check
    case .undetermined: return isUnderstood && (isOfPlainNumbers || form != nil) ? run : check
    }
  }

  /// An output with room for the scales: the first GGUF layout that has it and whose blocks the rows fill, or TritPack,
  /// which takes all.
  private var groupedOutput: String {
    let types = ScaleRoom(manifest, survey, isRotated: isRotated).types
    // A form that some program loads goes before a smaller one that none does.
    let family = survey.architecture?.className ?? ""
    let loaded = types.first { RuntimeTable.known(family, .gguf($0)).contains { $0.outcome == .loads } }
    guard let type = loaded ?? types.first else { return "OUTPUT.tritpack" }
    return "model.gguf" + (type == GGUFOptions().weights ? "" : " --layout \(type.rawValue)")
  }
}
