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
      let field: JSONObject = ["architectures": .array([.string(name)])]
      chosen = try ArchitectureRegistry.architecture(of: field, file: "--architecture")
    } else if let configuration = source.manifest.configuration, request.quantize.isEmpty {
      let file = FileSystem.join(source.manifest.path, "config.json")
      chosen = try ArchitectureRegistry.architecture(of: configuration, file: file)
    }
    survey = try ModelSurvey(of: source, architecture: chosen)
    sampler = ScaleSampler(source)
    // Of unfolded weights, which are ternary no more, bfloat16 would keep too few digits.
    // Scales of binary blocks are F16.
    denseType =
      try request.denseType?.dtype
      ?? (request.unfolds || survey.binaryType != nil ? .f16 : Planner.denseType(of: source, sampler))
  }

  package func plan() throws -> ConversionPlan { try ScaleRoom.naming(source, survey, request) { try made() } }

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
    var tensors: [PlannedTensor]
    if let gguf {
      tensors = try gguf.tensors(used, &warnings)
      try fit(&tensors, quantizer)
    } else {
      tensors = try used.map { try planned($0, $1, convention) }
      try fit(&tensors, quantizer)
      if let view = source as? GGUFModelView {
        try GGUFUnpacking(view, request.target, convention, denseType, sampler).adapt(&tensors, &warnings)
      }
      if request.target == .mlx { try fitGroups(&tensors, &warnings) }
    }
    try warnRounding(tensors, &warnings)
    for index in tensors.indices { tensors[index].sampled = sampler?.proofNeeded(of: tensors[index].source) }
    try rotation?.checkKept(tensors, file: source.manifest.path)
    warnCopies(tensors, &warnings)
    try warnTables(tensors, &warnings)
    let hasTrits = tensors.contains { $0.becomesTernary || $0.isTernaryCopy || $0.step == .restore }
    guard request.unfolds || rotation != nil || survey.binaryType != nil || hasTrits else {
      throw WorkflowError(
        request.target == .trainable ? .nothingToRestore(kind: survey.kind.phrase) : .nothingToQuantize,
        file: source.manifest.path)
    }
    try checkInputs(tensors, &warnings)
    if tensors.contains(where: { $0.step == .quantize || $0.step == .snap }) {
      try checkNativeness(&warnings)
    }
    try checkFitting(quantizer, tensors)
    var configuration = OutputConfiguration(
      source.manifest.configuration, target: request.target, convention: convention, tensors: tensors,
      named: survey.className.flatMap(ArchitectureRegistry.architecture(named:)),
      description: try? survey.description.get(), unfolds: request.unfolds, takesPlainInputs: takesPlainInputs(tensors)
    ).object
    if let recipe = request.recipe { configuration = recipe.configured(configuration) }
    if request.nonFinite == .carry {
      warnings.append("NaN and infinity in tensors that are copied are let through, and not looked for")
    }
    let companionFiles = try OutputCompanions.kept(of: source, &warnings)
    let kept = gguf == nil ? companionFiles : []
    if gguf != nil, companionFiles.contains(where: { CompanionPath.isTemplate($0.name) }) {
      warnings.append(
        "the chat templates of \(CompanionPath.templates) are left out: a GGUF file is given one template")
    }
    let companions = kept.map { companion in
      let size =
        companion.name == "config.json"
        ? configuration.map { JSONValue.object($0).serialized(.pretty).count } ?? companion.byteCount
        : companion.byteCount
      return (companion.name, size)
    }
    let entries = try gguf?.entries(tensors, &warnings) ?? []
    var plan = ConversionPlan(
      request: request, survey: survey, quantizer: quantizer, quantizerReason: reason, convention: convention,
      tensors: tensors, warnings: warnings, companions: companions, configuration: configuration,
      ggufEntries: entries, ggufTensors: gguf?.settingTensors ?? [])
    plan.keepsRotation = rotation != nil
    plan.found = found
    plan.warnings += try checkSource()
    if !plan.usesQuantizer, let origin = Recipe.origin(of: source) { plan.remarks["made_from"] = .object(origin) }
    return plan
  }

  // MARK: - Description

  /// Holds the tensors against what the configuration describes, before anything is written.
  ///
  /// A folder or a TritPack file keeps its configuration key for key, so that one which is not understood can come
  /// along; another container has to say all of it, and so has a folder for mlx-lm, whose classes read other keys.
  ///
  /// - Returns: names of tensors that no forward pass reads; an output leaves them out.
  private func checkDescription(
    _ convention: ScaleConvention, _ warnings: inout [String]
  ) throws -> Set<ExactString> {
    let description: ModelDescription
    switch survey.description {
    case .success(let found): description = found
    case .failure(let error):
      let keepsKeys =
        (request.target == .gguf) == (source is GGUFModelView) && request.target != .mlx
        && (source as? CheckpointView)?.isPartOfConfiguration != true
      // Without a configuration, or with tensors named by hand, there is nothing to hold them against.
      guard keepsKeys else { throw error }
      if error.kind == .noConfiguration || !request.quantize.isEmpty { return [] }
      // What comes along key for key must be sound; an entry that goes away or changes must be understood.
      let changesEntry = survey.quantization?.mode == .online && request.target == .dense
      guard error.isNotUnderstood, !changesEntry else { throw error }
      guard let structure = survey.structure else {
        try TensorInventory.checkNames(source.manifest)
        warnings.append(
          "the configuration is kept key for key and not understood, so whether the tensors are complete was not "
            + "looked at: \(error.placedSummary)")
        return []
      }
      warnings.append("the configuration is kept key for key and not all understood: \(error.placedSummary)")
      return try checkTensors(structure, &warnings)
    }
    if description.quantization.inputNormEpsilon != nil, request.target == .dense || request.target == .trainable {
      let location = ErrorLocation(
        file: FileSystem.join(source.manifest.path, "config.json"), field: "quantization_config.use_rms_norm")
      throw ModelError(
        .unsupportedValue(expected: "false, as dense layers have no norm in front of them", found: "true"),
        location: location)
    }
    if request.target == .mlx {
      let path = source.manifest.path
      try MLXDescription.check(
        description, file: source is GGUFModelView ? path : FileSystem.join(path, "config.json"))
    }
    try checkBiases(description, convention)
    return try checkTensors(description, &warnings)
  }

  /// - Returns: names of tensors that no forward pass reads.
  private func checkTensors(
    _ description: ModelDescription, _ warnings: inout [String]
  ) throws -> Set<ExactString> {
    let inventory = TensorInventory(source.manifest, description)
    try inventory.check(file: source.manifest.path)
    try TiedHead.check(source, description)
    if !inventory.setAside.isEmpty {
      let count = inventory.setAside.count
      warnings.append(
        "\(count == 1 ? "1 tensor is" : "\(count) tensors are") left out, as no loader reads "
          + "\(count == 1 ? "it" : "them"): \(ModelChecks.list(inventory.setAside))")
    }
    return Set(inventory.setAside.map { ExactString($0) })
  }

  /// Refuses biases whose meaning would change: packed layers that multiply by their scale multiply the bias as well.
  ///
  /// Source: transformers `AutoBitLinear.forward`, (x·Wᵀ + b) · scale when offline; all other forms add b last.
  private func checkBiases(_ description: ModelDescription, _ convention: ScaleConvention) throws(ModelError) {
    guard description.hasAttentionBias || description.hasFeedForwardBias else { return }
    let isScaledBefore =
      !(source is GGUFModelView) && survey.kind == .packed
      && source.manifest.tensors.contains { $0.scale?.convention == .multiply }
    let isScaledAfter = convention == .multiply && (request.target == .hfPacked || request.target == .tritpack)
    guard isScaledBefore != isScaledAfter else { return }
    throw ModelError(
      .unsupportedValue(
        expected: "no biases here: packed layers that multiply by their scale multiply a bias too, other forms do not",
        found: "true"),
      location: ErrorLocation(
        file: source.manifest.path, field: description.hasAttentionBias ? "attention_bias" : "mlp_bias"))
  }

  /// Runs the rules of `check` that read no weights.
  ///
  /// - Returns: warnings, for people.
  /// - Throws: `WorkflowError` naming the first rule that is broken.
  private func checkSource() throws -> [String] {
    if request.target != .gguf, let unread = (source as? GGUFModelView)?.unreadTokenizer {
      throw WorkflowError(
        .unsound(CheckFinding(.badTokenizer, "tokenizer.ggml.model", unread)), file: source.manifest.path)
    }
    let findings = try ModelChecks.withoutValues(source, survey)
    if request.knowsRules(of: survey), let error = findings.first(where: { request.refuses($0, from: source) }) {
      throw WorkflowError(.unsound(error), file: source.manifest.path)
    }
    // What opening the model has noted is among the warnings already.
    return findings.filter { finding in !source.manifest.notes.contains { $0 == finding.detail } }.map {
      "\($0.rule.rawValue): \($0.subject.isEmpty ? "" : printable($0.subject) + " ")\($0.detail)"
    }
  }

  /// Whether a dense projection stays as it is: it was left dense where the model was packed, or the configuration
  /// says so.
  package static func staysDense(_ tensor: TensorDescriptor, _ role: TensorRole, _ survey: ModelSurvey) -> Bool {
    guard role.isProjection, !tensor.encoding.isTernary else { return false }
    if survey.kind == .packed || survey.binaryType != nil { return true }
    guard case .success(let description) = survey.description else { return false }
    return description.architecture.place(of: tensor.name).map { description.quantization.excludes($0.module) } ?? false
  }

  private func warnDenseProjections(
    _ tensors: [(TensorDescriptor, TensorRole)], _ warnings: inout [String]
  ) {
    guard request.target != .trainable else { return }
    let kept = tensors.filter { tensor, role in
      role.isProjection && survey.kind == .latent && !Planner.staysDense(tensor, role, survey)
        && request.keep.contains { $0.matches(tensor.name) }
    }.map(\.0.name)
    if !kept.isEmpty {
      warnings.append(
        "\(kept.count) projections are latents that the source computes as trits; kept, they compute as ordinary numbers, "
          + "and the output is another model: " + ModelChecks.list(kept))
    }
    if survey.kind == .latent, !followsGroups,
      request.quantizer.map({ $0.rawValue != survey.defaultQuantizer.name }) == true
    {
      warnings.append(
        "the source computes as \(survey.defaultQuantizer.name) makes its trits; other trits are another model")
    }
    if survey.kind == .latent, request.quantizer == nil, survey.quantization == nil,
      survey.architecture?.defaults.packedProjections == .linear
    {
      warnings.append(
        "each projection gets one scale; ternary models of this class are usually trained with one for 128 weights, "
          + "which latents do not tell: --quantizer absmean-group128")
    }
    let beside = tensors.filter { tensor, role in
      !role.isProjection && !tensor.encoding.isTernary && request.quantize.contains { $0.matches(tensor.name) }
    }.map(\.0.name)
    if !beside.isEmpty {
      warnings.append(
        "\(beside.count == 1 ? "1 tensor" : "\(beside.count) tensors") beside the projections will be ternary; where that "
          + "is new, the output is another model: " + ModelChecks.list(beside))
    }
    let dense = tensors.filter { tensor, role in
      Planner.staysDense(tensor, role, survey) && tensor.encoding.dtype?.isFloatWeight == true
        && !request.quantize.contains { $0.matches(tensor.name) } && !request.keep.contains { $0.matches(tensor.name) }
    }.map(\.0.name)
    guard !dense.isEmpty, survey.binaryType == nil else { return }
    let why = survey.kind == .packed ? "dense in a packed model" : "named by modules_to_not_convert"
    warnings.append(
      "\(dense.count) projections are \(why) and stay as they are; --quantize makes them ternary: "
        + ModelChecks.list(dense))
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
        let found = tensor.shape.isMatrix ? dtype.rawValue : "a tensor of shape \(tensor.shape)"
        throw WorkflowError(
          .unsupportedEncoding(found: found, wanted: "a matrix of BF16, F16, F32 or F64"), file: file,
          tensor: tensor.name)
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
      throw LayoutError(error.kind, layout: id, location: ErrorLocation(file: file, tensor: tensor.name))
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

  // MARK: - Checks

  /// Readers of packed safetensors know a packed tensor, and find its scale, by its name.
  private func checkName(_ tensor: TensorDescriptor, _ file: String) throws(WorkflowError) {
    let names: [String?]
    switch request.target {
    case .hfPacked: names = [PackedName.scale(of: tensor.name)]
    case .mlx: names = [MLXPacking.scales(of: tensor.name), MLXPacking.biases(of: tensor.name)]
    default: return
    }
    for name in names {
      guard let name else { throw WorkflowError(.nameCannotBePacked, file: file, tensor: tensor.name) }
      if source.manifest.tensor(named: name) != nil {
        throw WorkflowError(.scaleNameTaken(name), file: file, tensor: tensor.name)
      }
    }
  }

  private func checkQuantizationMethod() throws {
    guard let foreign = ForeignQuantization(configuration: source.manifest.configuration) else { return }
    throw WorkflowError(.hasForeignQuantization(foreign.text), file: source.manifest.path, field: "quantization_config")
  }

  /// Refuses weights that would be copied as the numbers they are not.
  private func checkReadable() throws {
    for (tensor, role) in zip(source.manifest.tensors, survey.roles) {
      let file = source.manifest.files[tensor.location.file].path
      if tensor.encoding == ForeignPacking.withoutScale {
        throw FormatError(
          .scaleMissing(name: PackedName.scale(of: tensor.name) ?? "weight_scale"), file: file, tensor: tensor.name)
      }
      if MLXPacking.isPlain(tensor.encoding) {
        throw WorkflowError(
          .roundedByMLX(tensor.encoding.name, isDamaged: MLXPacking.isDamaged(tensor.encoding)), file: file,
          tensor: tensor.name)
      }
      if MLXPacking.isUnsaid(tensor, source.manifest) {
        throw FormatError(.mlx(.noEntry), file: file, tensor: tensor.name)
      }
      let isBytes = role.isProjection && tensor.shape.isMatrix && tensor.encoding.dtype?.isFloatWeight == false
      guard isBytes || ForeignPacking.hasScales(tensor) else { continue }
      throw WorkflowError(
        .unsupportedEncoding(found: tensor.encoding.name, wanted: "packed trits with one scale, BF16, F16, F32 or F64"),
        file: file, tensor: tensor.name)
    }
  }

  private func checkGlobs() throws {
    for glob in request.keep + request.quantize
    where !source.manifest.tensors.contains(where: { glob.matches($0.name) }) {
      throw WorkflowError(.globWithoutMatch(glob.pattern), file: source.manifest.path)
    }
    if source.manifest.configuration == nil, request.quantize.isEmpty, survey.kind != .packed,
      !survey.roles.contains(where: \.isProjection)
    {
      throw WorkflowError(.noConfiguration("so the projections are not known"), file: source.manifest.path)
    }
    for (tensor, role) in zip(source.manifest.tensors, survey.roles) where role == .other {
      if tensor.name.hasSuffix("weight_scale"), tensor.encoding != .dense(.u8) {
        throw WorkflowError(
          .unpackedOffline, file: source.manifest.files[tensor.location.file].path, tensor: tensor.name)
      }
    }
  }

  private func checkNativeness(_ warnings: inout [String]) throws {
    if try holdsRotatedTrits() { return }
    switch survey.kind {
    case .latent, .ternaryDense, .packed: return
    case .ordinary, .undetermined:
      let verdict = survey.evidence.joined(separator: "; ")
      if request.requiresNative { throw WorkflowError(.notNative(verdict), file: source.manifest.path) }
      warnings.append(
        survey.kind == .ordinary
          ? "these look like weights of an ordinary model, not of one trained for BitNet. Evidence: \(verdict). Made "
            + "ternary, it will be far worse: expect several times the perplexity (28 becomes 105 for the shipped "
            + "plain-tiny). Measure it with 'tritsmith gap' before use; --require-native refuses such models."
          : "it is not known that these weights were trained for BitNet: \(verdict)")
    }
  }
}
