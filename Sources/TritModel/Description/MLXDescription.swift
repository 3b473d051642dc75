// Tritsmith: a model's description in the spelling mlx-lm reads.

import LibC
import TritCore
import TritFormats
import TritKernels

/// Writes a description into the `config.json` of a folder for mlx-lm, or refuses what its class does not compute.
///
/// mlx-lm ignores keys its class does not know, and takes defaults of its own for those that are missing: tied
/// embeddings for Llama, no rotary scaling where `rope_parameters` says one. So every setting is stated.
package enum MLXDescription {
  /// Throws for the first setting that mlx-lm's class of the family does not compute.
  ///
  /// - Parameter file: where the settings stand, for errors.
  package static func check(_ description: ModelDescription, file: String) throws(ModelError) {
    func refuse(_ field: String, _ found: String, _ reason: String) -> ModelError {
      ModelError(.notComputed(found: found, reason: reason), file: file, field: field)
    }
    let architecture = description.architecture
    let form: MLXForm
    switch architecture.mlx {
    case .loads(let found): form = found
    case .refuses(let reason): throw refuse("architectures", architecture.className, reason)
    }
    let type = form.textPrefix.isEmpty ? nil : architecture.compound?.modelType
    let name = "mlx-lm's class '\(type ?? architecture.modelType)'"
    guard description.activation == form.activation else {
      throw refuse("hidden_act", description.activation.rawValue, "\(name) computes \(form.activation.rawValue)")
    }
    if !form.hasBiases, description.hasAttentionBias || description.hasFeedForwardBias {
      throw refuse(description.hasAttentionBias ? "attention_bias" : "mlp_bias", "true", "\(name) adds no biases")
    }
    let attention = description.attention
    if !form.hasHeadWidth, attention.heads * attention.headDimension != description.hiddenSize {
      throw refuse("head_dim", "\(attention.headDimension)", "\(name) takes hidden_size ÷ num_attention_heads")
    }
    if description.tiesEmbeddings, !form.tiesEmbeddings {
      throw refuse("tie_word_embeddings", "true", "\(name) loads no model without a head of its own")
    }
    if description.quantization.inputNormEpsilon != nil {
      throw refuse("quantization_config.use_rms_norm", "true", "\(name) has no norm in front of every projection")
    }
    if description.deltaNet != nil, let (found, reason) = unreadLayers(description) {
      throw refuse("layer_types", found, reason)
    }
    if let (found, reason) = unreadRotary(description) { throw refuse("rope_scaling", found, reason) }
  }

  /// Which layers mlx-lm would give delta nets otherwise, and why.
  private static func unreadLayers(_ description: ModelDescription) -> (found: String, reason: String)? {
    guard case .every(let interval) = description.layerPattern else {
      return (description.layerPattern.text, "mlx-lm goes by full_attention_interval")
    }
    guard interval <= description.layers else {
      return (description.layerPattern.text, "mlx-lm looks for a layer of attention, and there is none")
    }
    return nil
  }

  /// What mlx-lm's rotary embedding computes otherwise, and why.
  ///
  /// Source: `rope_utils.py` of mlx-lm 0.32.2.
  private static func unreadRotary(_ description: ModelDescription) -> (found: String, reason: String)? {
    switch description.rotary.scaling {
    case .none, .linear, .llama3: return nil
    case .yarn(let yarn):
      if yarn.blendEnds == .exact { return ("truncate false", "mlx-lm blends between whole pairs") }
      let scale = yarn.mlxScale
      guard yarn.attentionRatio == 1 || scale != nil else {
        return (
          "attention_factor \(yarn.attentionFactor)",
          "mlx-lm reads mscale and mscale_all_dim instead, and no such numbers above 0 give it"
        )
      }
      return nil
    case .longrope(let long):
      guard long.short == long.long else {
        return ("longrope", "mlx-lm takes long_factor for texts of every length")
      }
      let stretch = Double(description.contextLength) / Double(long.originalContext)
      let computed = LongRoPEScaling.standardAttention(stretch, originalContext: long.originalContext)
      guard Float(long.attentionFactor) == Float(computed) else {
        return ("attention_factor \(long.attentionFactor)", "mlx-lm computes \(computed) and reads no key for it")
      }
      return nil
    }
  }

  /// A configuration with every setting stated that mlx-lm reads, one spelling for each.
  ///
  /// Settings that stand where mlx-lm looks stay as they are written.
  package static func configuration(_ source: JSONObject, _ description: ModelDescription) -> JSONObject {
    var result = source
    let architecture = description.architecture
    let named = ArchitectureRegistry.className(in: source).flatMap(ArchitectureRegistry.architecture(named:))
    let complete = HuggingFaceDescription.write(description, weightType: .bf16)
    // The class that was chosen instead of the one that is named.
    if named?.className != architecture.className {
      for key in ["architectures", "model_type"] { result[key] = complete[key] }
    }
    for key in keys(of: architecture) {
      if result[key] ?? .null == .null { result[key] = complete[key] }
    }
    let scaling = rotaryScaling(description.rotary.scaling)
    // One place for each setting: a class may read either.
    guard case .loads(let form) = architecture.mlx, !form.textPrefix.isEmpty, let compound = architecture.compound
    else {
      result["rope_scaling"] = scaling
      result["rope_parameters"] = nil
      return result
    }
    var parameters = complete["rope_parameters"]?.object ?? JSONObject()
    // What is written there stays as it is written.
    for entry in (result["rope_parameters"]?.object?.entries ?? []) + (scaling.object?.entries ?? [])
    where !entry.value.isNull { parameters[entry.key] = entry.value }
    result["rope_parameters"] = .object(parameters)
    for key in ["rope_scaling", "rope_theta"] { result[key] = nil }
    return wrapped(result, compound, prefix: form.textPrefix)
  }

  /// A text model's configuration as the part of its compound class that it is; what loaders look for outside is there.
  private static func wrapped(_ text: JSONObject, _ compound: CompoundClass, prefix: String) -> JSONObject {
    var (inner, result) = (text, JSONObject())
    result["architectures"] = .array([.string(compound.className)])
    result["model_type"] = .string(compound.modelType)
    for key in ["tie_word_embeddings", SpecialTokens.Role.end.rawValue] { result[key] = text[key] }
    for key in [MLXQuantization.key, MLXQuantization.copyKey] {
      guard let entries = text[key]?.object?.entries else { continue }
      inner[key] = nil
      var quantization = JSONObject()
      // Entries of modules are objects.
      for entry in entries { quantization[(entry.value.object == nil ? "" : prefix) + entry.key] = entry.value }
      result[key] = .object(quantization)
    }
    result[compound.key] = .object(inner)
    return result
  }

  private static func keys(of architecture: any Architecture) -> [String] {
    var result = [
      "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
      "num_key_value_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps", "rope_theta",
      "tie_word_embeddings",
    ]
    guard case .loads(let form) = architecture.mlx else { return result }
    if form.hasHeadWidth { result.append("head_dim") }
    if form.hasBiases { result += ["attention_bias", "mlp_bias"] }
    if architecture.keys.layerKinds == .deltaNets {
      result += [
        "full_attention_interval", "linear_conv_kernel_dim", "linear_key_head_dim", "linear_num_key_heads",
        "linear_num_value_heads", "linear_value_head_dim",
      ]
    }
    if architecture.keys.multipliers == .miniCPM { result += ["scale_emb", "scale_depth", "dim_model_base"] }
    return result
  }

  private static func rotaryScaling(_ scaling: RotaryScaling) -> JSONValue {
    guard case .yarn(let yarn) = scaling, yarn.attentionRatio != 1, let (scale, all) = yarn.mlxScale,
      case .object(var result) = scaling.configuration
    else { return scaling.configuration }
    // transformers goes by attention_factor, mlx-lm by these.
    result["mscale"] = .number(JSONNumber(scale))
    result["mscale_all_dim"] = .number(JSONNumber(all))
    return .object(result)
  }
}

extension YaRNScaling {
  /// `mscale` and `mscale_all_dim` that make mlx-lm multiply by this attention factor: by
  /// (0.1 · mscale · ln factor + 1) ÷ (0.1 · mscale_all_dim · ln factor + 1). Nil where none above 0 do.
  var mlxScale: (scale: Double, all: Double)? {
    guard factor > 1 else { return nil }
    let scale = (attentionFactor * YaRNScaling.standardAttention(factor, mscale: 1) - 1) / (0.1 * log(factor))
    return scale > 0 && scale.isFinite ? (scale, 1) : nil
  }
}
