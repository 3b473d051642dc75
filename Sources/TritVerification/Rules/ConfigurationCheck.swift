// Tritsmith: a configuration held against the tensors.

import TritCore
import TritFormats
import TritModel
import TritSurvey

/// Checks that `config.json` describes the tensors that are there.
struct ConfigurationCheck {
  let source: any TensorSource
  let survey: ModelSurvey
  /// How much of a head that should be the embeddings is held against them.
  var headBytes = Int.max
  /// The tensors held against the description; nil where nobody has made it yet.
  var inventory: TensorInventory?

  private var manifest: ModelManifest { source.manifest }

  func run() throws -> [CheckFinding] { try described() + typesOfKeys() }

  private func described() throws -> [CheckFinding] {
    guard let object = manifest.configuration else {
      if source is GGUFModelView { return ggufFindings() }
      return [CheckFinding(.noConfiguration, "config.json", "there is none; sizes and class cannot be checked")]
    }
    if let foreign = ForeignQuantization(configuration: object) {
      let weights = manifest.tensors.count { ForeignPacking.hasScales($0) }
      let held = weights > 0 ? ": \(plural(weights, "weight is", "weights are")) \(ForeignPacking.ownBytes)" : ""
      return [
        CheckFinding(
          .quantization, "quantization_config",
          "the model is quantized with \(foreign.text), which is not BitNet\(held); nothing here can read it")
      ]
    }
    switch survey.description {
    case .success(let description):
      return try quantizationFindings(object)
        + tensorFindings(description, inventory ?? TensorInventory(manifest, description)) + typeFindings(object)
        + modelTypeFindings(object)
    case .failure(let error):
      var rule: CheckRule =
        switch error.location.field {
        case "model_type": .modelType
        // A row of the embeddings that is not there: transformers refuses such a model, llama.cpp takes another id.
        case SpecialTokens.Role.padding.rawValue: .specialToken
        default: .badConfiguration
        }
      if case .rotatedModules = error.kind { rule = .rotation }
      var finding = ModelChecks.finding(rule, error)
      // Kept key for key, it would still be about tensors that are written in another form.
      let isOfQuantization = QuantizationScheme.keys.contains {
        error.location.field == $0 || error.location.field?.hasPrefix($0 + ".") == true
      }
      finding.isNotUnderstood = error.kind.isNotUnderstood && !isOfQuantization
      let structural = try survey.structure.map { try tensorFindings($0, TensorInventory(manifest, $0)) } ?? []
      return quantizationFindings(object) + [finding] + structural + modelTypeFindings(object)
    }
  }

  /// Of a GGUF file whose keys give no configuration.
  private func ggufFindings() -> [CheckFinding] {
    let key = GGUFDescription.architectureKey
    guard let name = manifest.entry(key)?.string else {
      // llama.cpp and all that read such files go by it.
      return [CheckFinding(.badConfiguration, key, "is missing, and no program loads a GGUF file without it")]
    }
    let why = if case .failure(let error) = survey.description { error.placedSummary } else { "it is not understood" }
    return [
      CheckFinding(
        .noConfiguration, key,
        "sizes and class of '\(printable(name, limit: 60))' cannot be checked: \(why)")
    ]
  }

  /// One that is there and contradicts the class is an error of whoever reads the description.
  private func modelTypeFindings(_ object: JSONObject) -> [CheckFinding] {
    guard object["model_type"] ?? .null == .null else { return [] }
    let type = survey.architecture.map { "\"\($0.modelType)\"" }
    return [
      CheckFinding(
        .modelType, "config.json, model_type",
        "there is none, and transformers refuses such a file; add \"model_type\": \(type ?? "the type of its class")",
        severity: .warning)
    ]
  }

  /// Keys of a GGUF file that are read here and not by llama.cpp.
  private func typesOfKeys() -> [CheckFinding] {
    guard let entries = (source as? GGUFModelView)?.base.manifest.entries else { return [] }
    return GGUFKeyMisfit.all(entries).map { misfit in
      CheckFinding(
        .keyType, misfit.key,
        "is \(misfit.found), expected \(misfit.expected): llama.cpp refuses the file; "
          + (misfit.value == nil
            ? "no type it takes holds the value" : "'tritsmith convert' to GGUF writes the type it takes"))
    }
  }

  // MARK: - Tensors

  private func tensorFindings(
    _ description: ModelDescription, _ inventory: TensorInventory
  ) throws -> [CheckFinding] {
    let head = description.architecture.module(.head).map { ModulePlace($0, layer: nil, piece: .weight).name }
    let other = try TiedHead.differing(source, description, upTo: headBytes)
    let unread = inventory.setAside.filter { $0 == head }.map { name in
      other.map { CheckFinding(.tiedHead, $0.name, ModelError(.headBesideTie).summary, severity: .error) }
        ?? CheckFinding(.tiedHead, name, "is the embeddings once more: the configuration ties the head to them")
    }
    // What nothing says of the weights is said once, and so is that packed rows have no scale.
    let findings = inventory.findings.filter {
      switch $0 {
      case .unused(let name): !MLXPacking.isPartOfUnsaid(name, manifest)
      case .shape(let name, _, _): manifest.tensor(named: name)?.encoding != ForeignPacking.withoutScale
      default: true
      }
    }
    // What other shards hold is no fault of the model.
    let own = manifest.loneShard == nil ? findings : findings.filter { !$0.isAbsence }
    var result: [CheckFinding] = []
    if let part = manifest.loneShard, own.count < findings.count {
      result.append(
        CheckFinding(
          .missingTensor, FileSystem.name(of: manifest.path),
          "this is shard \(part.number) of \(part.count) of a model, without the others: name the folder that holds them all"
        ))
    }
    let one = ConfigurationCheck.oneSize(own)
    if let one { result.append(one) }
    let others = one == nil ? own : own.filter { if case .shape = $0 { false } else { true } }
    return result + others.map(ConfigurationCheck.finding) + unread
  }

  /// One wrong size that many tensors show: their shapes differ in one number, and in the same. Nil for other shapes.
  private static func oneSize(_ findings: [TensorInventory.Finding]) -> CheckFinding? {
    var sizes: Set<[Int]> = []
    var result: CheckFinding?
    var count = 0
    for found in findings {
      guard case .shape(_, let expected, let shape) = found else { continue }
      guard shape.dimensions.count == expected.count else { return nil }
      for (size, wanted) in zip(shape.dimensions, expected) where size != wanted { sizes.insert([size, wanted]) }
      result = result ?? finding(found)
      count += 1
    }
    guard count > 4, sizes.count == 1, let size = sizes.first else { return nil }
    result?.detail += "; \(count - 1) more tensors have \(size[0]) for \(size[1])"
    return result
  }

  private static func finding(_ finding: TensorInventory.Finding) -> CheckFinding {
    switch finding {
    case .missing(let tensor):
      return CheckFinding(.missingTensor, tensor.name, "needed with shape \(tensor.shape), and not there")
    case .missingLayers(let layers):
      let first = "\(ModulePlace.layerPrefix)\(layers.lowerBound)"
      return layers.count == 1
        ? CheckFinding(.missingTensor, first, "nothing of this layer is there")
        : CheckFinding(
          .missingTensor, "\(first) to \(layers.upperBound - 1)", "nothing of these \(layers.count) layers is there")
    case .moreMissing(let count): return CheckFinding(.missingTensor, "model", "\(count) more are not there")
    case .shape(let name, let expected, let found):
      return CheckFinding(.shape, name, "has shape \(found), the configuration gives \(expected)")
    case .type(let name, let found):
      return CheckFinding(
        .dtype, name, "is \(found), and no forward pass reads numbers of that type here", severity: .error)
    case .unused(let name): return CheckFinding(.unusedTensor, name, "no part of the configured model uses it")
    case .wrapped, .adapter:
      let error = finding.error(file: "")
      return CheckFinding(
        .missingTensor, error?.location.tensor ?? "",
        [error?.summary, error?.remedy].compactMap { $0 }.joined(separator: "; "))
    }
  }

  // MARK: - Keys

  private func quantizationFindings(_ object: JSONObject) -> [CheckFinding] {
    let key = "quantization_config"
    let contradiction = ConfigurationCheck.contradiction(source, quantization: survey.quantization)
    guard let quantization = survey.quantization else {
      return contradiction.map { [unsaid($0, key)] } ?? []
    }
    let named = manifest.tensors.filter {
      $0.encoding.isTernary
        && HFQuantization.names(quantization.leftAlone, HFQuantization.module(of: $0.name))
    }
    if !named.isEmpty {
      let modules = ModelChecks.list(named.map { HFQuantization.module(of: $0.name) })
      return [
        CheckFinding(
          .quantization, "\(key).\(HFQuantization.listKey)",
          quantization.modulesToNotConvert == nil
            ? "is missing, so loaders take for ordinary what is packed: \(modules); write a list without it"
            : "names modules that are packed, which loaders then take for ordinary ones: "
              + "\(modules); take them off the list")
      ]
    }
    return contradiction.map { [CheckFinding(.quantization, key, $0)] } ?? []
  }

  /// Packed tensors of which the configuration says nothing: whoever says what their scales mean has it written.
  private func unsaid(_ contradiction: String, _ key: String) -> CheckFinding {
    let option = manifest.scaleFinding.isChosen ? "" : " with --scale-convention"
    var finding = CheckFinding(
      .quantization, key, contradiction + "; a conversion\(option) writes it where it is needed")
    finding.isMendedByConversion = true
    return finding
  }

  /// What a configuration says of the form of the weights that is not so; nil where they agree.
  static func contradiction(_ source: any TensorSource, quantization: HFQuantization?) -> String? {
    let manifest = source.manifest
    let packed = manifest.tensors.count { $0.encoding.isTernary }
    guard let quantization else {
      guard packed > 0, manifest.format == SafetensorsFormat.id, let object = manifest.configuration,
        MLXQuantization(configuration: object, file: manifest.path) == nil
      else { return nil }
      return "\(packed) tensors are packed, and the configuration does not say so"
    }
    if quantization.mode == .online, packed > 0 {
      return "says online, which means latent weights, and \(packed) tensors are packed"
    }
    if quantization.mode == .offline, packed == 0, !manifest.tensors.contains(where: ForeignPacking.hasScales),
      manifest.tensors.contains(where: { ArchitectureRegistry.role(of: $0.name).isProjection })
    {
      return "says \(quantization.linearClass.rawValue), and no projection is packed"
    }
    // The head of a tied model is a layer like any other.
    let isHeadPacked = manifest.tensor(named: HFQuantization.head + ".weight")?.encoding.isTernary == true
    guard isHeadPacked == HFQuantization.names(quantization.leftAlone, HFQuantization.head) else { return nil }
    return isHeadPacked
      ? "leaves \(HFQuantization.head) alone, which is packed"
      : "\(HFQuantization.listKey) does not name \(HFQuantization.head), so loaders make a ternary layer of the head, "
        + "which is none; add \"\(HFQuantization.head)\" to the list"
  }

  private func typeFindings(_ object: JSONObject) -> [CheckFinding] {
    // Of a GGUF file the key was made here: it has a type for each tensor and none for all.
    guard manifest.format == SafetensorsFormat.id else { return [] }
    let key = object["dtype"] != nil ? "dtype" : "torch_dtype"
    guard let name = object[key]?.string else { return [] }
    let types: [String: DType] = ["bfloat16": .bf16, "float16": .f16, "float32": .f32]
    guard let stated = types[name] else { return [] }
    let embedding = zip(manifest.tensors, survey.roles).first { $0.1 == .embedding }?.0
    guard let embedding, let found = embedding.encoding.dtype, found != stated else { return [] }
    // Where dense projections need another type of 16 bits, or more digits, the key is theirs.
    let isOfProjections = zip(manifest.tensors, survey.roles).contains {
      $0.1.isProjection && $0.0.shape.isMatrix && $0.0.encoding == .dense(stated)
    }
    if found != .f32, isOfProjections { return [] }
    return [
      CheckFinding(.dtype, key, "says \(name), '\(printable(embedding.name))' is \(found.rawValue)")
    ]
  }
}

extension TensorInventory.Finding {
  /// Whether it is about tensors that are not there.
  fileprivate var isAbsence: Bool {
    switch self {
    case .missing, .missingLayers, .moreMissing: true
    case .shape, .type, .unused, .wrapped, .adapter: false
    }
  }
}
