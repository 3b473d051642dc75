// Tritsmith: making a conversion plan.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey
import TritVerification

/// Decides what happens to every tensor, from headers and a small sample alone.
package struct Planner {
  let source: any TensorSource
  let request: ConversionRequest
  let survey: ModelSurvey
  /// What packed trits times their scale are stored in, where they become dense.
  let denseType: DType
  /// Nil for a model of this machine.
  let sampler: ScaleSampler?
  let found = FoundScales()

  package init(_ source: any TensorSource, _ request: ConversionRequest) throws {
    self.source = source
    self.request = request
    var chosen: (any Architecture)?
    if let name = request.architecture {
      chosen = ArchitectureRegistry.architecture(typed: name)
      if chosen == nil { throw ModelError(.unknownClass(name), file: source.manifest.path) }
    } else if let configuration = source.manifest.configuration, request.quantize.isEmpty {
      let file = FileSystem.join(source.manifest.path, "config.json")
      chosen = try ArchitectureRegistry.architecture(of: configuration, file: file)
    }
    survey = try ModelSurvey(of: source, architecture: chosen)
    sampler = ScaleSampler(source)
    denseType = try request.denseType?.dtype ?? Planner.usualDenseType(of: source, request, survey, sampler)
  }

  package func plan() throws -> ConversionPlan {
    do {
      return try ScaleRoom.naming(source, survey, request) { try made() }
    } catch let error as ModelError where error.kind.isOfInventory {
      throw cause(of: error) ?? error
    }
  }

  /// Why tensors are not those of the model, where the configuration and the files are not to blame.
  private func cause(of error: ModelError) -> WorkflowError? {
    if let part = source.manifest.loneShard {
      return WorkflowError(.loneShard(number: part.number, of: part.count), file: source.manifest.path)
    }
    return request.architecture.map { name in
      WorkflowError(.otherClass(name, detail: error.kind.summary), location: error.location)
    }
  }

  private func made() throws -> ConversionPlan {
    try (source as? GGUFModelView)?.checkHasTensors()
    if request.target == .mlx, request.isBareFile { throw WorkflowError(.needsFolder, file: request.output) }
    let rotation = try checkRotation()
    try checkQuantizationMethod()
    try checkReadable()
    try checkBinary()
    try checkGlobs()
    try request.recipe?.check(source, survey)
    var warnings = source.manifest.notes + (request.recipe?.warnings(survey) ?? [])
    let (quantizer, reason) = try chooseQuantizer()
    let convention = try chooseConvention(quantizer)
    let gguf = request.target == .gguf ? try GGUFPlanner(source, request, survey, sampler, found) : nil
    let setAside = try checkDescription(convention, &warnings)
    let used = zip(source.manifest.tensors, survey.roles).filter { !setAside.contains(ExactString($0.0.name)) }
    warnDenseProjections(used, &warnings)
    var tensors = try plannedTensors(used, gguf, quantizer, convention, &warnings)
    try warnRounding(tensors, &warnings)
    for index in tensors.indices { tensors[index].sampled = sampler?.proofNeeded(of: tensors[index].source) }
    try rotation?.checkKept(tensors, file: source.manifest.path)
    warnCopies(tensors, &warnings)
    try warnTables(tensors, &warnings)
    try checkHasTrits(tensors, isRotated: rotation != nil)
    try checkInputs(tensors, &warnings)
    if tensors.contains(where: { $0.step == .quantize || $0.step == .snap }) {
      try checkNativeness(quantizer, &warnings)
    }
    try checkFitting(quantizer, tensors)
    let configuration = configuration(of: tensors, convention)
    if request.nonFinite == .carry {
      warnings.append("NaN and infinity in tensors that are copied are let through, and not looked for")
    }
    let companions = try companions(configuration, gguf, &warnings)
    let entries = try gguf?.entries(tensors, &warnings) ?? []
    var plan = ConversionPlan(
      request: request, survey: survey, quantizer: quantizer, quantizerReason: reason, convention: convention,
      tensors: tensors, warnings: warnings, companions: companions, configuration: configuration,
      ggufEntries: entries, ggufTensors: gguf?.settingTensors ?? [])
    plan.keepsRotation = rotation != nil
    plan.found = found
    plan.warnings += try checkSource(beside: plan.warnings)
    if !plan.usesQuantizer, request.quantizer != nil {
      plan.warnings.append("\(quantizer.id) was asked for and made nothing: trits are taken as they are")
    }
    if !plan.usesQuantizer, let origin = Recipe.origin(of: source) { plan.remarks["made_from"] = .object(origin) }
    return plan
  }

  private func plannedTensors(
    _ used: [(TensorDescriptor, TensorRole)], _ gguf: GGUFPlanner?, _ quantizer: any Quantizer,
    _ convention: ScaleConvention, _ warnings: inout [String]
  ) throws -> [PlannedTensor] {
    var tensors = try gguf?.tensors(used, &warnings) ?? used.map { try planned($0, $1, convention) }
    try fit(&tensors, quantizer)
    guard gguf == nil else { return tensors }
    if let view = source as? GGUFModelView {
      try GGUFUnpacking(
        view, request.target, convention, denseType, asked: request.denseType?.dtype, sampler
      ).adapt(&tensors, &warnings)
    }
    if request.target == .mlx { try fitGroups(&tensors, &warnings) }
    try checkScales(tensors, convention)
    return tensors
  }

  private func checkHasTrits(_ tensors: [PlannedTensor], isRotated: Bool) throws {
    let hasTrits = tensors.contains { $0.becomesTernary || $0.isTernaryCopy || $0.step == .restore }
    guard request.unfolds || isRotated || survey.binaryType != nil || hasTrits || keepsAll(tensors) else {
      throw WorkflowError(
        request.target == .trainable ? .nothingToRestore(kind: survey.kind.phrase) : .nothingToQuantize,
        file: source.manifest.path)
    }
  }

  /// Whether a GGUF file of an ordinary model is asked for: dense, with every projection kept. Latents that do not compute
  /// as trits any more would be another model.
  private func keepsAll(_ tensors: [PlannedTensor]) -> Bool {
    request.target == .gguf && request.gguf.layout == nil && !request.keep.isEmpty
      && (survey.kind == .ordinary || survey.kind == .undetermined)
      && tensors.allSatisfy { planned in
        !planned.role.isProjection || request.keep.contains { $0.matches(planned.source.name) }
      }
  }

  private func configuration(of tensors: [PlannedTensor], _ convention: ScaleConvention) -> JSONObject? {
    var result = OutputConfiguration(
      source.manifest.configuration, target: request.target, convention: convention, tensors: tensors,
      named: survey.className.flatMap(ArchitectureRegistry.architecture(named:)),
      description: try? survey.description.get(), unfolds: request.unfolds, takesPlainInputs: takesPlainInputs(tensors)
    ).object
    // A GGUF file states no type for all of a model: embeddings that were blocks are F32, and have no other to lose.
    if source is GGUFModelView, result?["torch_dtype"] != nil,
      tensors.contains(where: { $0.role == .embedding && $0.encoding == .dense(.f32) })
    {
      result?["torch_dtype"] = "float32"
    }
    return request.recipe.map { $0.configured(result) } ?? result
  }

  /// The files beside the weights, with their sizes.
  private func companions(
    _ configuration: JSONObject?, _ gguf: GGUFPlanner?, _ warnings: inout [String]
  ) throws -> [(name: String, bytes: Int)] {
    let files = try OutputCompanions.kept(of: source, &warnings)
    guard gguf == nil else {
      if files.contains(where: { CompanionPath.isTemplate($0.name) }) {
        warnings.append(
          "the chat templates of \(CompanionPath.templates) are left out: a GGUF file is given one template")
      }
      return []
    }
    warnNormalization(files, &warnings)
    return files.map { companion in
      let size =
        companion.name == "config.json"
        ? configuration.map { JSONValue.object($0).serialized(.pretty).count } ?? companion.byteCount
        : companion.byteCount
      return (companion.name, size)
    }
  }

  // MARK: - Choices

  /// Whether trits are made by groups, of latents that name no rule, in a family whose packed forms take inputs as they
  /// are: its models with scales of groups were trained so.
  var followsGroups: Bool {
    survey.quantization == nil && survey.architecture?.defaults.packedProjections == .linear
      && request.quantizer.flatMap { QuantizerRegistry.quantizer($0) } is AbsMeanGroup
  }

  private func chooseQuantizer() throws -> (any Quantizer, String) {
    if let id = request.quantizer {
      return (try QuantizerRegistry.known(id), "chosen on the command line")
    }
    let (name, reason) = survey.defaultQuantizer
    return (QuantizerRegistry.quantizer(QuantizerID(rawValue: name)) ?? AbsMean.bf16, reason)
  }

  /// New scales mean what the family's packed checkpoints mean by them; scales that exist keep their meaning.
  private func chooseConvention(_ quantizer: any Quantizer) throws -> ScaleConvention {
    if let convention = try fittedConvention(quantizer) { return convention }
    // Code × scale is all that MLX computes.
    if request.target == .mlx { return .multiply }
    // GGUF always holds multipliers; a checkpoint made from it follows its family.
    // MLX holds multipliers whatever the family's checkpoints hold, as GGUF does.
    let isOfMLX =
      request.target == .hfPacked && source.manifest.tensors.contains { $0.encoding == .ternary(MLXTwoBit.id) }
    if source is GGUFModelView || isOfMLX {
      return request.outputConvention ?? survey.family.packedConvention
    }
    let existing = Set(source.manifest.tensors.compactMap { $0.scale?.convention })
    if request.target == .hfPacked, existing.count > 1 {
      throw WorkflowError(.mixedConventions, file: source.manifest.path)
    }
    if survey.kind == .packed {
      // Reading one scale says whether the convention is known, with the reader's own reasons when it is not.
      for packed in source.manifest.tensors where packed.encoding.isTernary {
        // Over a network scales are read when their tensor passes, where the headers say what they mean.
        if sampler == nil || packed.scale?.convention == nil { _ = try source.scale(of: packed) }
      }
      if let convention = existing.first {
        guard request.outputConvention ?? convention == convention else {
          throw WorkflowError(.keepsConvention(convention), file: source.manifest.path)
        }
        return convention
      }
    }
    return request.outputConvention ?? survey.newScaleConvention
  }

  // MARK: - Tensors

  private func planned(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ convention: ScaleConvention
  ) throws -> PlannedTensor {
    let file = source.manifest.files[tensor.location.file].path
    let kept = request.keep.contains { $0.matches(tensor.name) }
    let forced = request.quantize.contains { $0.matches(tensor.name) }
    if kept, forced { throw WorkflowError(.contradictoryGlobs, file: file, tensor: tensor.name) }
    func copy() -> PlannedTensor {
      PlannedTensor(
        source: tensor, role: role, step: .copy, encoding: tensor.encoding, byteCount: tensor.location.byteCount)
    }
    func dense(_ step: ConversionStep, _ dtype: DType = .bf16) -> PlannedTensor {
      PlannedTensor(
        source: tensor, role: role, step: step, encoding: .dense(dtype),
        byteCount: dtype.bits / 8 * tensor.shape.elementCount)
    }
    switch tensor.encoding {
    case .ternary:
      if request.target == .trainable, !kept { return try restored(tensor, role, file: file) }
      if kept || request.target == .dense { return dense(.dequantize, denseType) }
      return try packed(tensor, role, .repack, convention, file: file)
    case .dense where isUnfolded(tensor): return dense(.recode, denseType)
    case .dense(let dtype):
      let isMeant =
        !request.unfolds && role.isProjection && (request.recipe != nil || !Planner.staysDense(tensor, role, survey))
      let isTable = try !kept && packsTable(tensor, role)
      guard !kept, forced || isMeant || isTable else {
        return request.recipe != nil && dtype != .bf16 ? dense(.recode) : copy()
      }
      guard tensor.shape.isMatrix, dtype.isFloatWeight else {
        guard forced else { return copy() }
        throw WorkflowError(.notQuantizable(tensor), file: file, tensor: tensor.name)
      }
      if request.target == .dense { return dense(.snap, request.denseType?.dtype ?? .bf16) }
      if request.target == .trainable { return try restored(tensor, role, file: file) }
      return try packed(tensor, role, .quantize, convention, file: file)
    case .opaque: throw WorkflowError(.unread(tensor), file: file, tensor: tensor.name)
    }
  }

  private func packed(
    _ tensor: TensorDescriptor, _ role: TensorRole, _ step: ConversionStep, _ convention: ScaleConvention, file: String
  ) throws -> PlannedTensor {
    try checkName(tensor, file)
    let id =
      switch request.target {
      case .hfPacked: HFPacked.id
      case .mlx: MLXTwoBit.id
      default: request.tritpackLayout
      }
    guard let layout = LayoutRegistry.layout(id) else {
      throw WorkflowError(.doesNotFit(layout: id.rawValue, detail: "it is not known"), file: file, tensor: tensor.name)
    }
    do throws(LayoutError) {
      try layout.check(tensor.shape)
    } catch {
      throw LayoutError(error.kind.reason, layout: id, location: ErrorLocation(file: file, tensor: tensor.name))
    }
    let granularity = try granularity(of: tensor)
    let joined = request.target == .hfPacked ? try oneScale(of: tensor, granularity) : nil
    if request.target == .hfPacked, granularity != .tensor, joined == nil {
      throw WorkflowError(.oneScaleOnly(found: granularity == .row ? "per-row" : "per-group"), tensor: tensor.name)
    }
    if HFPacked.isUnloadable(.ternary(id), role) {
      throw WorkflowError(
        .doesNotFit(layout: id.rawValue, detail: HFPacked.linearOnly), file: file, tensor: tensor.name)
    }
    if let scale = joined?.asCheckpointScale(convention) {
      var planned = PlannedTensor(
        source: tensor, role: role, step: step, encoding: .ternary(id),
        byteCount: layout.byteCount(tensor.shape) + scale.storedBytes.count, scaleConvention: scale.convention)
      planned.outputScale = scale
      return planned
    }
    let scaleBits = tensor.scale?.storage.bits ?? DType.bf16.bits
    let scales = granularity.count(rows: tensor.shape.rows, columns: tensor.shape.columns)
    return PlannedTensor(
      source: tensor, role: role, step: step, encoding: .ternary(id),
      byteCount: layout.byteCount(tensor.shape) + scales * scaleBits / 8,
      scaleConvention: tensor.scale?.convention ?? convention)
  }

  /// How many weights of a packed tensor share a scale; one for the tensor where it is none yet.
  ///
  /// What the headers of a GGUF file say is where scales stand; how many there are, the scales themselves.
  func granularity(of tensor: TensorDescriptor) throws -> ScaleGranularity {
    let isEmbedded = source is GGUFModelView && tensor.encoding.isTernary
    if isEmbedded, let sampled = try sampler?.packed(tensor) { return sampled.granularity }
    return isEmbedded ? try source.scale(of: tensor).granularity : tensor.scale?.granularity ?? .tensor
  }

  /// The scale of a packed tensor whose groups all have the same; nil where there are several, and where nothing has to
  /// be joined.
  func oneScale(of tensor: TensorDescriptor, _ granularity: ScaleGranularity) throws -> TernaryScale? {
    guard granularity != .tensor, tensor.encoding.isTernary else { return nil }
    let scale = try source.scale(of: tensor).coarsest(rows: tensor.shape.rows, columns: tensor.shape.columns)
    return scale.granularity == .tensor ? scale : nil
  }
}
