// Tritsmith: config.json of a converted model.

import TritCore
import TritFormats
import TritModel

/// `config.json` as the family's own tool would leave it; everything it does not concern stays as it was.
struct OutputConfiguration {
  let object: JSONObject?

  init(
    _ configuration: JSONObject?, request: ConversionRequest, survey: ModelSurvey, convention: ScaleConvention,
    denseProjections: [String]
  ) {
    guard var result = configuration else {
      object = nil
      return
    }
    switch request.target {
    case .dense:
      // Dense weights run as plain linears: a quantization entry would make loaders expect packed tensors.
      result["quantization_config"] = nil
      result["is_bitnet_config"] = nil
    case .hfPacked, .tritpack:
      let existing = configuration?["quantization_config"]?.object
      result["quantization_config"] = .object(
        OutputConfiguration.quantization(existing, survey, convention, denseProjections))
      if convention == .divide {
        // As onebitllms' quantize_to_1bit adds them.
        result["is_bitnet_config"] = true
        if result["pretraining_tp"] == nil { result["pretraining_tp"] = 1 }
      }
    }
    object = result
  }

  private static func quantization(
    _ existing: JSONObject?, _ survey: ModelSurvey, _ convention: ScaleConvention, _ denseProjections: [String]
  ) -> JSONObject {
    var result = existing ?? JSONObject()
    result["quant_method"] = "bitnet"
    switch convention {
    case .divide:
      // `bitlinear` is the default class and has no mode.
      if result["linear_class"] != nil { result["linear_class"] = "bitlinear" }
      result["quantization_mode"] = nil
      if existing?["modules_to_not_convert"] == nil { result["modules_to_not_convert"] = .array(["lm_head"]) }
    case .multiply:
      result["linear_class"] = "autobitlinear"
      result["quantization_mode"] = "offline"
    }
    guard !denseProjections.isEmpty else { return result }
    // A list replaces the default one, which leaves out the head.
    var modules = result["modules_to_not_convert"]?.array?.compactMap(\.string) ?? ["lm_head"]
    for name in denseProjections {
      let module = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
      if !modules.contains(module) { modules.append(module) }
    }
    result["modules_to_not_convert"] = .array(modules.map { .string($0) })
    return result
  }
}
