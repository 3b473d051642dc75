// Tritsmith: what made a converted model.

import TritCore
import TritFormats
import TritModel

/// The choices behind a converted model, as recorded in it: in TritPack's header, or in safetensors metadata.
package enum Recipe {
  package static let metadataKey = "tritsmith_recipe"
  /// The same in GGUF metadata, where keys have dots.
  package static let ggufKey = "tritsmith.recipe"

  /// The record in a model; nil when there is none.
  package static func recorded(in source: any TensorSource) -> JSONObject? {
    if let pack = source as? TritPackSource { return pack.recipe }
    let text =
      source.manifest.entry(ggufKey)?.string
      ?? source.manifest.metadata.first(where: { $0.key == metadataKey })?.value
    guard let text else { return nil }
    return try? JSONValue.parse(Array(text.utf8)).object
  }

  /// What made a model's trits, also when they were packed anew since: `quantizer`, and `calibration` where there was
  /// one. Nil when the model does not say.
  package static func origin(of source: any TensorSource) -> JSONObject? {
    guard let record = recorded(in: (source as? GGUFModelView)?.base ?? source) else { return nil }
    let origin = record["made_from"]?.object ?? record
    guard let quantizer = origin["quantizer"], quantizer.string != nil else { return nil }
    var result: JSONObject = ["quantizer": quantizer]
    if let calibration = origin["calibration"] { result.add("calibration", calibration) }
    return result
  }

  /// The recipe of onebitllms a model was made by; nil when it records none.
  static func recipe(of source: any TensorSource) -> ConversionRecipe? {
    let record = recorded(in: (source as? GGUFModelView)?.base ?? source)
    return record?["options"]?.object?["recipe"]?.string.flatMap { ConversionRecipe(rawValue: $0) }
  }

  /// The quantizer a model's trits come from; nil when it records none.
  static func quantizer(of source: any TensorSource) -> String? { origin(of: source)?["quantizer"]?.string }
}
