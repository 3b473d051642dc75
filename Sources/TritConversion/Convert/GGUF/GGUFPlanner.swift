// Tritsmith: planning a GGUF file.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// Decides what every tensor of a GGUF file is called and stored as, and what its metadata says.
struct GGUFPlanner {
  let source: any TensorSource
  let request: ConversionRequest
  let survey: ModelSurvey
  /// Nil for a GGUF file of a family that is not known: names, rows and keys stay as they are.
  let architecture: (any Architecture)?
  /// As far as it is understood where the source is a GGUF file: its keys come along as they are.
  let description: ModelDescription?
  /// Nil for a model of this machine.
  private let sampler: ScaleSampler?
  private let found: FoundScales

  init(
    _ source: any TensorSource, _ request: ConversionRequest, _ survey: ModelSurvey, _ sampler: ScaleSampler?,
    _ found: FoundScales
  ) throws {
    self.source = source
    (self.sampler, self.found) = (sampler, found)
    self.request = request
    self.survey = survey
    if let view = source as? GGUFModelView {
      description = view.statedDescription
      architecture = description?.architecture
    } else {
      if source.manifest.configuration == nil {
        throw WorkflowError(.noSettings("and GGUF needs the model's sizes from it"), file: source.manifest.path)
      }
      let understood = try survey.description.get()
      (description, architecture) = (understood, understood.architecture)
    }
    if let architecture, architecture.gguf == nil {
      throw GGUFModelError(.unknownFamily(architecture.className), file: source.manifest.path)
    }
  }

  // MARK: - Tensors

  /// Tensors in the order of the file.
  func tensors(
    _ used: [(TensorDescriptor, TensorRole)], _ warnings: inout [String]
  ) throws -> [PlannedTensor] {
    var result: [(position: [Int], tensor: PlannedTensor)] = []
    var misfits = GGUFMisfits()
    for (index, (tensor, role)) in used.enumerated() {
      let file = source.manifest.files[tensor.location.file].path
      guard let architecture else {
        result.append(([index], try planned(tensor, role, nil, tensor.name, file: file, &misfits)))
        continue
      }
      guard let place = architecture.place(of: tensor.name), let stored = place.storedName else {
        throw GGUFModelError(.noName, file: file, tensor: tensor.name)
      }
      let planned = try planned(tensor, role, place, stored, file: file, &misfits)
      result.append((architecture.position(place), planned))
    }
    if request.gguf.misfits != .dense, let error = misfits.error(request.gguf.weights) {
      throw WorkflowError(error, file: source.manifest.path)
    }
    if let warning = misfits.warning(request.gguf.weights) { warnings.append(warning) }
    return result.sorted { $0.position.lexicographicallyPrecedes($1.position) }.map(\.tensor)
  }

  private func planned(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ place: ModulePlace?, _ stored: String, file: String,
    _ misfits: inout GGUFMisfits
  ) throws -> PlannedTensor {
    let columns = try place.flatMap { try columnOrder($0, tensor) }
    let (encoding, step) = try form(tensor, role, place, columns, file: file, &misfits)
    var planned = PlannedTensor(
      source: tensor, role: role, step: step, encoding: encoding,
      byteCount: try byteCount(tensor, encoding, file: file))
    planned.outputName = stored
    planned.rowOrder = try place.flatMap {
      try description?.permutation(
        $0, rows: tensor.shape.rank == 1 ? tensor.shape.elementCount : tensor.shape.rows, in: source.manifest.path)
    }
    planned.columnOrder = columns
    planned.storedValues = place?.template.values ?? .same
    if place?.template.form == .convolution {
      planned.outputShape = TensorShape([tensor.shape.rows, tensor.shape.columns])
    }
    if encoding.isTernary { planned.scaleConvention = .multiply }
    // Blocks are copied as they stand in a file of the same family, rows in the same order.
    guard step == .copy, encoding.blockCodec == nil else { return planned }
    // So are numbers that stand for others: to Hugging Face's and back some would be rounded.
    if planned.storedValues != .same, encoding == self.stored(tensor) {
      planned.copiesStored = true
    } else if !planned.isInOrder {
      planned.step = .recode
    }
    return planned
  }

  /// The order of columns in the file; rotated ones stand as they are rotated.
  private func columnOrder(_ place: ModulePlace, _ tensor: TensorDescriptor) throws -> RowPermutation? {
    if let rotated = source as? any ModelView, rotated.rotation(of: tensor) != nil { return nil }
    return try description?.columnPermutation(place, columns: tensor.shape.columns, in: source.manifest.path)
  }

  /// What a tensor becomes, and by which step.
  private func form(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ place: ModulePlace?, _ columns: RowPermutation?, file: String,
    _ misfits: inout GGUFMisfits
  ) throws -> (TensorEncoding, ConversionStep) {
    let isKept = request.keep.contains { $0.matches(tensor.name) }
    let isForced = request.quantize.contains { $0.matches(tensor.name) }
    if isKept, isForced { throw WorkflowError(.contradictoryGlobs, file: file, tensor: tensor.name) }
    switch tensor.encoding {
    case .opaque: throw WorkflowError(.unread(tensor), file: file, tensor: tensor.name)
    case .ternary:
      return isKept ? (.dense(.f16), .dequantize) : try packedForm(tensor, role, columns, file: file, &misfits)
    case .dense
    where request.unfolds && role.isProjection || (source as? any ModelView)?.unfoldedBlock(of: tensor) != nil:
      let asked = role.isProjection ? nil : request.gguf.embeddings?.encoding
      return (asked ?? .dense(request.gguf.weights.dtype ?? .f16), .recode)
    case .dense where staysRotated(tensor, role) && !isKept && !isForced:
      let encoding = TensorEncoding.dense(request.gguf.weights.dtype ?? .f16)
      return (encoding, encoding == tensor.encoding ? .copy : .recode)
    case .dense(let dtype) where isKept && isDenseProjection(tensor, role, dtype):
      // In a file of dense projections it has their type.
      let encoding = TensorEncoding.dense(request.gguf.weights.dtype ?? dtype)
      return (encoding, encoding == tensor.encoding ? .copy : .recode)
    case .dense(let dtype):
      if !isKept, isForced || role.isProjection && !Planner.staysDense(tensor, role, survey) {
        if tensor.shape.isMatrix, dtype.isFloatWeight {
          return try ternaryForm(tensor, .quantize, .snap, columns, &misfits)
        }
        if isForced { throw WorkflowError(.notQuantizable(tensor), file: file, tensor: tensor.name) }
      }
      if !isKept, try isTernaryTable(tensor, role) {
        return try ternaryForm(tensor, .quantize, .snap, columns, &misfits)
      }
      return try denseForm(tensor, role, place, dtype, file: file)
    }
  }

  /// What packed trits become that are not asked to stay dense.
  private func packedForm(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ columns: RowPermutation?, file: String,
    _ misfits: inout GGUFMisfits
  ) throws -> (TensorEncoding, ConversionStep) {
    guard role == .embedding || role == .outputHead, let asked = request.gguf.embeddings else {
      return try ternaryForm(tensor, .repack, .dequantize, columns, &misfits)
    }
    guard asked.encoding.dtype != nil else {
      throw WorkflowError(
        .unsupportedEncoding(found: tensor.encoding.name, wanted: "dense numbers, which \(asked.rawValue) rounds,"),
        file: file, tensor: tensor.name)
    }
    return (asked.encoding, .dequantize)
  }

  /// What numbers become that are not made trits.
  private func denseForm(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ place: ModulePlace?, _ dtype: DType, file: String
  ) throws -> (TensorEncoding, ConversionStep) {
    guard dtype.isFloatWeight else {
      throw WorkflowError(
        .unsupportedEncoding(found: dtype.rawValue, wanted: "BF16, F16, F32 or F64"), file: file, tensor: tensor.name)
    }
    if survey.binaryType != nil, role.isProjection { return (.dense(request.gguf.weights.dtype ?? .f16), .recode) }
    // llama.cpp convolves in F32 alone.
    let encoding = place?.template.form == .convolution ? .dense(.f32) : denseEncoding(tensor, role, dtype)
    let isSame = encoding == tensor.encoding || encoding.blockCodec != nil && encoding == stored(tensor)
    return (encoding, isSame ? .copy : .recode)
  }

  /// Whether a tensor is a projection of plain numbers, for a file without trits.
  private func isDenseProjection(_ tensor: TensorDescriptor, _ role: TensorRole, _ dtype: DType) -> Bool {
    role.isProjection && tensor.shape.isMatrix && dtype.isFloatWeight && request.gguf.layout == nil
      && storedBlocks(tensor, isTable: false) == nil
  }

  /// Whether a projection is dense in the output as in the source, in the basis it is rotated into: what its weights are
  /// turned back says nothing of the numbers that stand there, so none of them is made a trit.
  private func staysRotated(_ tensor: TensorDescriptor, _ role: TensorRole) -> Bool {
    role.isProjection && request.gguf.layout == nil && (source as? any ModelView)?.rotation(of: tensor) != nil
  }

  private func ternaryForm(
    _ tensor: TensorDescriptor, _ pack: ConversionStep, _ dense: ConversionStep, _ columns: RowPermutation?,
    _ misfits: inout GGUFMisfits
  ) throws -> (TensorEncoding, ConversionStep) {
    guard let id = request.gguf.layout, let layout = LayoutRegistry.layout(id) else {
      return (.dense(request.gguf.weights.dtype ?? .f16), dense)
    }
    do throws(LayoutError) {
      try layout.checkForWriting(tensor.shape)
    } catch {
      misfits.append(tensor, error.summary)
      return (.dense(.f16), dense)
    }
    if tensor.encoding.isTernary, try !hasRoom(layout, tensor) {
      // A layout with one scale for the tensor, or one for 256 columns, cannot hold finer ones.
      let weight = try TernaryWeight(source, tensor, quantizer: AbsMean.float32, work: WorkOptions())
      _ = try weight.scale(try source.scale(of: tensor), asHeldBy: layout, request.scaleLoss, columns)
    }
    return (.ternary(id), pack)
  }

  /// Whether headers and samples show that a layout has room for the scales of a tensor: over a network they are read
  /// when it passes.
  private func hasRoom(_ layout: any TernaryLayout, _ tensor: TensorDescriptor) throws -> Bool {
    guard let sampler, let held = layout.embeddedScale?.granularity, let stated = tensor.scale?.granularity else {
      return false
    }
    return try held.holds(stated) || sampler.packed(tensor).map { held.holds($0.granularity) } ?? false
  }

  /// Whether an embedding or head is ternary as well, and stays so. Where nothing else was asked for, it is packed like any other matrix; in bitnet.cpp's own type it could not be looked up.
  private func isTernaryTable(_ tensor: TensorDescriptor, _ role: TensorRole) throws -> Bool {
    guard request.gguf.embeddings == nil, request.gguf.layout != nil, request.gguf.weights != .i2s else { return false }
    return try Planner.isTernaryTable(tensor, role, source, survey, sampler, found)
  }

  private func stored(_ tensor: TensorDescriptor) -> TensorEncoding? {
    (source as? GGUFModelView)?.stored(tensor).encoding
  }

  /// The blocks a GGUF source holds a tensor in, which go on as they are; nil for other tensors.
  private func storedBlocks(_ tensor: TensorDescriptor, isTable: Bool) -> TensorEncoding? {
    guard let encoding = stored(tensor), encoding.blockCodec != nil else { return nil }
    return isTable && request.gguf.embeddings.map { $0.encoding != encoding } ?? false ? nil : encoding
  }

  /// Norms and biases in F32, embeddings and head as asked or as they are, other matrices as they are.
  private func denseEncoding(_ tensor: TensorDescriptor, _ role: TensorRole, _ dtype: DType) -> TensorEncoding {
    if tensor.shape.rank < 2 { return .dense(.f32) }
    let isTable = role == .embedding || role == .outputHead
    if let blocks = storedBlocks(tensor, isTable: isTable) { return blocks }
    if isTable { return request.gguf.embeddings?.encoding ?? GGUFEmbeddingType.encoding(keeping: dtype) }
    return .dense(dtype == .f64 ? .f32 : dtype)
  }

  private func byteCount(_ tensor: TensorDescriptor, _ encoding: TensorEncoding, file: String) throws -> Int {
    switch encoding {
    case .dense(let dtype): return tensor.shape.elementCount * (dtype.bits / 8)
    case .ternary(let id): return LayoutRegistry.layout(id)?.byteCount(tensor.shape) ?? 0
    case .opaque(let name):
      let codec = encoding.blockCodec
      guard let codec, tensor.shape.columns % codec.blockElements == 0,
        let count = codec.byteCount(elements: tensor.shape.elementCount)
      else {
        throw WorkflowError(
          .blocksDoNotFit(type: name, columns: tensor.shape.columns, block: codec?.blockElements ?? 1), file: file,
          tensor: tensor.name)
      }
      return count
    }
  }

  // MARK: - Metadata

  /// Everything the header says but the record of the conversion.
  func entries(_ tensors: [PlannedTensor], _ warnings: inout [String]) throws -> [MetadataEntry] {
    let isQuantized = tensors.contains { $0.encoding.isTernary || $0.encoding.blockCodec != nil }
    let fileType = MetadataEntry("general.file_type", .uint32(request.gguf.weights.fileType))
    let version = MetadataEntry("general.quantization_version", .uint32(2))
    let order =
      request.gguf.weights == .i2s
      ? [MetadataEntry(GGUFSource.i2sOrderKey, .string(request.gguf.i2sOrder.rawValue))] : []
    let arithmetic = try description.flatMap { try GGUFArithmetic(of: source, $0, survey, tensors)?.entries } ?? []
    if let view = source as? GGUFModelView {
      return try kept(view, fileType, isQuantized ? version : nil, &warnings) + arithmetic + order
    }
    let file = FileSystem.join(source.manifest.path, "config.json")
    guard let description else { throw WorkflowError(.noSettings("to make the keys from"), file: file) }
    let keys = try GGUFDescription.entries(description, name: file)
    warnRotary(description, &warnings)
    return [
      MetadataEntry(GGUFDescription.architectureKey, .string(description.architecture.gguf?.architecture ?? "")),
      MetadataEntry("general.type", .string("model")),
      MetadataEntry("general.name", .string(modelName)), fileType,
    ] + (try companion("generation_config.json").map(GGUFSampling.entries) ?? [])
      + (isQuantized ? [version] : []) + keys + arithmetic + (try tokenizer(description.vocabularySize, &warnings))
      + order
  }

  /// Tells where llama.cpp takes other factors than transformers: by the size of its context, not of the text.
  private func warnRotary(_ description: ModelDescription, _ warnings: inout [String]) {
    guard case .longrope(let long) = description.rotary.scaling, long.short != long.long,
      description.contextLength > long.originalContext
    else { return }
    warnings.append(
      "with a context above \(long.originalContext) tokens, llama.cpp takes the long factors of longrope for short "
        + "texts too; transformers goes by the length of the text")
  }

  /// Settings that are tensors in GGUF; those of a GGUF source as they are.
  var settingTensors: [(name: String, values: [Float])] {
    (source as? GGUFModelView)?.settingTensors ?? description?.rotaryTensors ?? []
  }

  /// The keys of a GGUF source, known or not: only what speaks of the bytes changes, and types
  /// that llama.cpp refuses.
  private func kept(
    _ view: GGUFModelView, _ fileType: MetadataEntry, _ version: MetadataEntry?, _ warnings: inout [String]
  ) throws -> [MetadataEntry] {
    var entries = view.base.manifest.entries
    if let name = request.gguf.preTokenizer ?? request.open.preTokenizer {
      GGUFTokenizer.setName(name, in: &entries)
      if let warning = GGUFTokenizer.warning(of: name, in: request.gguf.engine) { warnings.append(warning) }
    } else if request.gguf.hasTokenizer {
      let note = try GGUFTokenizer.rename(
        &entries, from: view.engine, to: request.gguf.engine, file: source.manifest.path)
      if let note { warnings.append(note) }
    }
    var result: [MetadataEntry] = []
    var hasTokenizer = false
    for entry in entries {
      switch entry.key {
      case fileType.key:
        result.append(fileType)
        if let version { result.append(version) }
      case "general.quantization_version", "general.alignment", GGUFSource.i2sOrderKey, Recipe.ggufKey,
        "split.no", "split.count", "split.tensors.count":
        continue
      case let key where description != nil && GGUFArithmetic.owns(key): continue
      // What is unfolded is rotated no more.
      case let key where request.unfolds && WeightRotation.owns(key): continue
      case let key where GGUFTokenizer.isKey(key) && !request.gguf.hasTokenizer:
        if !hasTokenizer { result += GGUFPlanner.noTokenizer }
        hasTokenizer = true
      default: result.append(entry)
      }
    }
    if !result.contains(where: { $0.key == fileType.key }) { result.append(fileType) }
    return try GGUFKeyMisfit.mended(result, file: source.manifest.path)
  }

  /// Readers that want a tokenizer refuse this name with a clear message; without any they say less.
  private static let noTokenizer = [MetadataEntry("tokenizer.ggml.model", .string("no_vocab"))]

  private var modelName: String {
    if let name = source.manifest.entry("general.name")?.string, !name.isEmpty { return name }
    if let name = request.modelName { return name }
    let path = source.manifest.path
    if let repository = FileSystem.hubRepository(of: path) { return repository }
    let name = FileSystem.name(of: FileSystem.resolved(path) ?? path)
    // A revision that was copied out of its cache: the name the model was loaded by says more.
    if name.utf8.count == 40, name.allSatisfy(\.isHexDigit),
      let origin = source.manifest.configuration?["_name_or_path"]?.string, !origin.isEmpty
    {
      return FileSystem.name(of: origin)
    }
    return name
  }

  static let noTokenizerWarning =
    "there is no tokenizer.json or tokenizer.model: the file will have no tokenizer, and programs cannot run text with it"

  private func tokenizer(_ vocabulary: Int, _ warnings: inout [String]) throws -> [MetadataEntry] {
    let none = GGUFPlanner.noTokenizer
    guard request.gguf.hasTokenizer else { return none }
    guard let name = source.manifest.tokenizerFile else {
      warnings.append(GGUFPlanner.noTokenizerWarning)
      return none
    }
    let path = FileSystem.join(source.manifest.path, name)
    let settings = try companion("tokenizer_config.json")
    let template = source.manifest.companions.contains { $0.name == "chat_template.jinja" }
    var files = GGUFTokenizerFiles(
      tokenizer: JSONObject(), settings: settings,
      specialTokensMap: try companion("special_tokens_map.json"),
      generationConfiguration: try companion("generation_config.json"), configuration: source.manifest.configuration,
      chatTemplate: template ? String(decoding: try source.companion(named: "chat_template.jinja"), as: UTF8.self) : nil
    )
    files.addedTokens = try companion("added_tokens.json")
    if name == ModelManifest.sentencePieceFile {
      try files.read(sentencePiece: source.companion(named: name), file: path)
    } else if let tokenizer = try companion(name) {
      try files.read(tokenizer: tokenizer, file: path)
    }
    var result = try GGUFTokenizer(
      files, vocabulary: vocabulary, pre: request.gguf.preTokenizer, engine: request.gguf.engine, file: path)
    warnings += result.warnings
    // One of the class, which the configuration does not say, is no token of this model's files.
    if let tokens = description?.specialTokens, !tokens.unstated.contains(.begin), let begin = tokens.begin {
      result.add(configuredBegin: begin, vocabulary: vocabulary)
    }
    return result.entries + furtherEnds(result.entries, &warnings)
  }

  /// End tokens that `config.json` names beside the tokenizer's own.
  private func furtherEnds(_ entries: [MetadataEntry], _ warnings: inout [String]) -> [MetadataEntry] {
    let own = entries.first { $0.key == "tokenizer.ggml.eos_token_id" }?.value.integer
    let ends = description?.specialTokens.end ?? []
    let further = ends.filter { $0 != own }
    let keys = GGUFDescription.furtherEnds
    if further.count > keys.count {
      warnings.append(
        "config.json names \(ends.count) end tokens, a GGUF file holds \(keys.count + 1): it goes "
          + "without \(further.dropFirst(keys.count).map(String.init).joined(separator: ", "))")
    }
    return zip(keys, further).map { MetadataEntry("tokenizer.ggml.\($0)_token_id", .uint32(UInt32(clamping: $1))) }
  }

  /// A companion that holds a JSON object; nil when it is not there.
  private func companion(_ name: String) throws -> JSONObject? {
    guard source.manifest.companions.contains(where: { $0.name == name }) else { return nil }
    let file = FileSystem.join(source.manifest.path, name)
    // Only `tokenizer.json` is read by a program that knows JSON alone.
    let dialect = name == "tokenizer.json" ? JSONDialect.strict : .python
    return try ConfigurationText.object(try source.companion(named: name), path: file, dialect: dialect)
  }
}
