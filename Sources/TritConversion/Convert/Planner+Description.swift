// Tritsmith: a conversion held against what the model says it is.

import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritVerification

extension Planner {
  /// Holds the tensors against what the configuration describes, before anything is written.
  ///
  /// A folder or a TritPack file keeps its configuration key for key, so that one which is not understood can come
  /// along; another container has to say all of it, and so has a folder for mlx-lm, whose classes read other keys.
  ///
  /// - Returns: names of tensors that no forward pass reads; an output leaves them out.
  func checkDescription(
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
      guard error.kind.isNotUnderstood, !changesEntry else { throw error }
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
    warnAssumed(description, &warnings)
    try checkBiases(description, convention)
    return try checkTensors(description, &warnings)
  }

  /// Another form than GGUF has to state what a GGUF file leaves open.
  private func warnAssumed(_ description: ModelDescription, _ warnings: inout [String]) {
    guard source is GGUFModelView, request.target != .gguf, !description.assumed.isEmpty else { return }
    let list = description.assumed.joined(separator: ", ")
    warnings.append("settings the file leaves out are written as the loaders' defaults: \(list)")
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
          + "\(count == 1 ? "it" : "them"): \(ModelChecks.layers(inventory.setAside))")
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
  /// - Parameter told: warnings that were found otherwise.
  /// - Returns: warnings that these do not say, for people.
  /// - Throws: `WorkflowError` naming the first rule that is broken.
  func checkSource(beside told: [String]) throws -> [String] {
    if request.target != .gguf, let unread = (source as? GGUFModelView)?.unreadTokenizer {
      throw WorkflowError(
        .unsound(CheckFinding(.badTokenizer, "tokenizer.ggml.model", unread)), file: source.manifest.path)
    }
    let findings = try ModelChecks.withoutValues(source, survey)
    if request.knowsRules(of: survey), let error = findings.first(where: { request.refuses($0, from: source) }) {
      throw WorkflowError(.unsound(error), file: source.manifest.path)
    }
    return findings.filter { finding in
      switch finding.rule {
      case .noTokenizer where told.contains(GGUFPlanner.noTokenizerWarning): false
      // Whoever says what scales mean has it written: there is nothing to warn of.
      case .quantization where finding.isMendedByConversion && source.manifest.scaleFinding.isChosen: false
      case .mixedForms where finding.severity == .warning:
        !told.contains { $0.contains(Planner.denseInPacked) }
      default: !told.contains(where: finding.isTold)
      }
    }.map(\.sentence)
  }

  /// Whether a dense projection stays as it is: it was left dense where the model was packed, or the configuration
  /// says so.
  package static func staysDense(_ tensor: TensorDescriptor, _ role: TensorRole, _ survey: ModelSurvey) -> Bool {
    guard role.isProjection, !tensor.encoding.isTernary else { return false }
    if survey.kind == .packed || survey.binaryType != nil { return true }
    guard case .success(let description) = survey.description else { return false }
    return description.architecture.place(of: tensor.name).map { description.quantization.excludes($0.module) } ?? false
  }

  private static let denseInPacked = "dense in a packed model"

  func warnDenseProjections(
    _ tensors: [(TensorDescriptor, TensorRole)], _ warnings: inout [String]
  ) {
    guard request.target != .trainable else { return }
    let kept = tensors.filter { tensor, role in
      role.isProjection && survey.kind == .latent && !Planner.staysDense(tensor, role, survey)
        && request.keep.contains { $0.matches(tensor.name) }
    }.map(\.0.name)
    if !kept.isEmpty {
      warnings.append(
        plural(kept.count, "projection is latents", "projections are latents")
          + " that the source computes as trits; left dense, the output computes with ordinary numbers there and is "
          + "another model: " + ModelChecks.layers(kept))
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
          + "is new, the output is another model: " + ModelChecks.layers(beside))
    }
    let dense = tensors.filter { tensor, role in
      Planner.staysDense(tensor, role, survey) && tensor.encoding.dtype?.isFloatWeight == true
        && !request.quantize.contains { $0.matches(tensor.name) } && !request.keep.contains { $0.matches(tensor.name) }
    }.map(\.0.name)
    guard !dense.isEmpty, survey.binaryType == nil else { return }
    let why = survey.kind == .packed ? Planner.denseInPacked : "named by modules_to_not_convert"
    warnings.append(
      plural(dense.count, "projection is \(why) and stays as it is", "projections are \(why) and stay as they are")
        + "; --quantize makes \(dense.count == 1 ? "it" : "them") ternary: " + ModelChecks.layers(dense))
  }
}
