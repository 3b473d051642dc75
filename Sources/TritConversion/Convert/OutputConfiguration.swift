// Tritsmith: config.json of a converted model.

import TritCore
import TritFormats
import TritModel
import TritSurvey

/// `config.json` as the family's own tool would leave it; everything it does not concern stays as it was.
struct OutputConfiguration {
  let object: JSONObject?

  /// - Parameters:
  ///   - named: the class the configuration names, if it is known.
  ///   - description: what the configuration says, where it is understood: always for MLX.
  ///   - takesPlainInputs: whether trits take inputs as they are in the source.
  ///   - unfolds: whether weights were rotated and become those of the ordinary model.
  init(
    _ configuration: JSONObject?, target: ConversionTarget, convention: ScaleConvention, tensors: [PlannedTensor],
    named: (any Architecture)?, description: ModelDescription?, unfolds: Bool = false, takesPlainInputs: Bool = false
  ) {
    guard var result = configuration else {
      object = nil
      return
    }
    // transformers refuses a file without one.
    if let named, result["model_type"] ?? .null == .null { result["model_type"] = .string(named.modelType) }
    // What MLX says of its own packing is said anew, or no more.
    if MLXQuantization(configuration: result, file: "") != nil {
      for key in [MLXQuantization.key, MLXQuantization.copyKey]
      where result[key]?.object?["quant_method"] == nil { result[key] = nil }
    }
    switch target {
    case .mlx:
      let entry = JSONValue.object(OutputConfiguration.mlx(tensors))
      for key in [MLXQuantization.key, MLXQuantization.copyKey] { result[key] = entry }
      result["is_bitnet_config"] = nil
      if let description { result = MLXDescription.configuration(result, description) }
    case .dense:
      result = OutputConfiguration.dense(result, tensors, unfolds: unfolds)
    case .trainable:
      result = OutputConfiguration.trainable(result, convention, tensors, named)
    case .gguf:
      // GGUF has metadata in its place.
      object = nil
      return
    case .tritpack where takesPlainInputs:
      // A container of its own needs no entry, and layers of BitNet round their inputs.
      result["quantization_config"] = nil
    case .hfPacked, .tritpack:
      result = OutputConfiguration.packed(result, convention, tensors)
    }
    object = result
  }

  private static func dense(
    _ configuration: JSONObject, _ tensors: [PlannedTensor], unfolds: Bool
  ) -> JSONObject {
    var result = configuration
    // Dense weights run as plain linears: a quantization entry would make loaders expect packed tensors.
    result["quantization_config"] = nil
    result["is_bitnet_config"] = nil
    var types = [DType.f16, .f32].filter { type in
      tensors.contains { $0.becomesTernary && $0.encoding == .dense(type) }
    }
    if unfolds, let type = tensors.first(where: { $0.role == .embedding })?.encoding.dtype { types.append(type) }
    let names: [DType: JSONValue] = [.bf16: "bfloat16", .f16: "float16", .f32: "float32"]
    if let name = types.compactMap({ names[$0] }).last {
      for key in ["dtype", "torch_dtype"] where result[key] != nil { result[key] = name }
    }
    return result
  }

  private static func packed(
    _ configuration: JSONObject, _ convention: ScaleConvention, _ tensors: [PlannedTensor]
  ) -> JSONObject {
    var result = configuration
    let existing = result["quantization_config"]?.object
    result["quantization_config"] = .object(quantization(existing, convention, tensors))
    if convention == .divide, existing == nil {
      // As onebitllms' quantize_to_1bit adds them; a model that was packed before keeps what it has.
      result["is_bitnet_config"] = true
      if result["pretraining_tp"] == nil { result["pretraining_tp"] = 1 }
    }
    return result
  }

  /// The groups of most tensors, and an entry for each module that has others.
  private static func mlx(_ tensors: [PlannedTensor]) -> JSONObject {
    let groups = tensors.compactMap { tensor in tensor.mlxGroup.map { (module: tensor.module, size: $0) } }
    let common = MLXQuantization.groupSizes.max { left, right in
      let (a, b) = (groups.count { $0.size == left }, groups.count { $0.size == right })
      return a != b ? a < b : left < right
    }
    guard let common else { return JSONObject() }
    var result = MLXQuantization.Form.ternary(common).json
    for group in groups where group.size != common {
      result.add(group.module, .object(MLXQuantization.Form.ternary(group.size).json))
    }
    return result
  }

  /// A family whose layers multiply by their scale names the online mode of its layer, whether the source says so or
  /// is a dense or GGUF file, which does not; the other trains plain linears, which onebitllms replaces by layers of its
  /// own, and says nothing of BitNet.
  private static func trainable(
    _ configuration: JSONObject, _ convention: ScaleConvention, _ tensors: [PlannedTensor],
    _ named: (any Architecture)?
  ) -> JSONObject {
    var result = configuration
    result["is_bitnet_config"] = nil
    let existing = configuration["quantization_config"]?.object
    // Scales of a source that says nothing multiply in every family where its container has no other.
    let multiplies = existing == nil ? named?.packedConvention == .multiply : convention == .multiply
    guard multiplies else {
      result["quantization_config"] = nil
      return result
    }
    var quantization = existing ?? JSONObject()
    quantization["quant_method"] = "bitnet"
    quantization["linear_class"] = "autobitlinear"
    quantization["quantization_mode"] = "online"
    result["quantization_config"] = .object(naming(tensors, in: quantization) { $0.step == .restore })
    return result
  }

  private static func quantization(
    _ existing: JSONObject?, _ convention: ScaleConvention, _ tensors: [PlannedTensor]
  ) -> JSONObject {
    var result = existing ?? JSONObject()
    result["quant_method"] = "bitnet"
    switch convention {
    case .divide:
      // `bitlinear` is the default class and has no mode.
      if result["linear_class"] != nil { result["linear_class"] = "bitlinear" }
      result["quantization_mode"] = nil
      if existing?[HFQuantization.listKey] == nil {
        result[HFQuantization.listKey] = .array(HFQuantization.leftAloneWithoutList.map { .string($0) })
      }
    case .multiply:
      result["linear_class"] = "autobitlinear"
      result["quantization_mode"] = "offline"
    }
    return naming(tensors, in: result) { $0.encoding.isTernary }
  }

  /// An entry whose list names every dense layer and no ternary one.
  private static func naming(
    _ tensors: [PlannedTensor], in quantization: JSONObject, _ isTernary: (PlannedTensor) -> Bool
  ) -> JSONObject {
    var result = quantization
    // Without a list loaders leave out the head alone; a list replaces that default.
    let listed = result[HFQuantization.listKey]?.array?.compactMap(\.string)
    var modules = listed ?? HFQuantization.leftAloneWithoutList
    let before = modules
    // A loader that left a packed one out would meet bytes where it wants numbers.
    for tensor in tensors where isTernary(tensor) {
      let module = HFQuantization.module(of: tensor.source.name)
      modules.removeAll { HFQuantization.names([$0], module) }
    }
    for tensor in tensors where !isTernary(tensor) && tensor.role.isProjection && tensor.source.shape.isMatrix {
      let module = HFQuantization.module(of: tensor.source.name)
      if !HFQuantization.names(modules, module) { modules.append(module) }
    }
    let isHeadTernary = tensors.contains { $0.role == .outputHead && isTernary($0) }
    if !isHeadTernary, !HFQuantization.names(modules, HFQuantization.head) {
      modules.insert(HFQuantization.head, at: 0)
    }
    if modules != before { result[HFQuantization.listKey] = .array(modules.map { .string($0) }) }
    return result
  }
}
