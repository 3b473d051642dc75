// Tritsmith: conversions by the names onebitllms gives them.

import TritCore
import TritFormats
import TritModel
import TritSurvey

/// Functions of onebitllms as conversions: the same bytes in every tensor, or an error.
///
/// onebitllms loads any model as bfloat16, so that is what embeddings, head and norms become. It quantizes every matrix
/// its list of names does not leave out, also one that is ternary already. Source: onebitllms, `quantization_utils.py`.
package enum ConversionRecipe: String, Sendable, Hashable, CaseIterable {
  /// Packed trits and 1/absmean, every step in bfloat16.
  case quantizeTo1Bit = "quantize_to_1bit"
  /// trit ÷ scale as dense bfloat16, every step in bfloat16.
  case convertToBF16 = "convert_to_bf16"

  /// What it writes.
  package var target: ConversionTarget {
    switch self {
    case .quantizeTo1Bit: .hfPacked
    case .convertToBF16: .dense
    }
  }

  /// What its scales mean.
  package var convention: ScaleConvention { .divide }

  package var recognition: TernaryRecognition { .quantizedAgain }

  /// Modules whose weights it does not quantize.
  private static let untouched: Set<ModulePart> = [.embedding, .finalNorm, .head, .inputNorm, .feedForwardNorm]

  /// Refuses models of which onebitllms makes something else than it is meant to, or nothing at all.
  package func check(_ source: any TensorSource, _ survey: ModelSurvey) throws(WorkflowError) {
    for (tensor, role) in zip(source.manifest.tensors, survey.roles) {
      let file = source.manifest.files[tensor.location.file].path
      guard !(source is GGUFModelView), tensor.encoding.dtype?.isFloatWeight == true else {
        throw WorkflowError(.recipeNeedsDense(rawValue, found: tensor.encoding.name), file: file, tensor: tensor.name)
      }
      if role.isProjection, tensor.shape.isMatrix { continue }
      // A buffer no loader of today takes from the file.
      if TensorInventory.isDerivedBuffer(tensor.name) { continue }
      let place = survey.family.place(of: tensor.name)
      guard let place, place.piece == .weight, ConversionRecipe.untouched.contains(place.template.part) else {
        throw WorkflowError(.recipeQuantizesAll(rawValue), file: file, tensor: tensor.name)
      }
    }
  }

  /// What the user must know.
  package func warnings(_ survey: ModelSurvey) -> [String] {
    guard survey.kind == .ternaryDense else { return [] }
    return [
      "these weights are ternary already, and \(rawValue) quantizes them again, as onebitllms does: trits stay, and every "
        + "scale shrinks by the share of weights that are not 0. '--to \(target.rawValue)' takes them as they are"
    ]
  }

  /// The configuration with the type its tensors are stored in now.
  package func configured(_ configuration: JSONObject?) -> JSONObject? {
    guard var result = configuration else { return nil }
    for key in ["dtype", "torch_dtype"] where result[key] != nil { result[key] = "bfloat16" }
    return result
  }
}
