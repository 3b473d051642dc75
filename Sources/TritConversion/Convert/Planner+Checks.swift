// Tritsmith: weights that a conversion refuses.

import TritCore
import TritFormats
import TritLayouts
import TritQuantizers
import TritSurvey
import TritVerification

extension Planner {
  /// Readers of packed safetensors know a packed tensor, and find its scale, by its name.
  func checkName(_ tensor: TensorDescriptor, _ file: String) throws(WorkflowError) {
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

  func checkQuantizationMethod() throws {
    guard let foreign = ForeignQuantization(configuration: source.manifest.configuration) else { return }
    throw WorkflowError(.hasForeignQuantization(foreign.text), file: source.manifest.path, field: "quantization_config")
  }

  /// Refuses weights that would be copied as the numbers they are not.
  func checkReadable() throws {
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

  func checkGlobs() throws {
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

  func checkNativeness(_ quantizer: any Quantizer, _ warnings: inout [String]) throws {
    if try holdsRotatedTrits() { return }
    switch survey.kind {
    case .latent, .ternaryDense, .packed: return
    case .ordinary, .undetermined:
      let verdict = survey.evidence.joined(separator: "; ")
      if request.requiresNative { throw WorkflowError(.notNative(verdict), file: source.manifest.path) }
      warnings.append(
        survey.kind == .ordinary
          ? "these look like weights of an ordinary model, not of one trained for BitNet. Evidence: \(verdict). Made "
            + "ternary, it will be \(Planner.expectedLoss(quantizer)). Measure it with 'tritsmith gap' before use; "
            + "--require-native refuses such models."
          : "it is not known that these weights were trained for BitNet: \(verdict)")
    }
  }

  /// What ordinary weights lose, as `Docs/Quantizers.md` has it of the shipped plain-tiny.
  private static func expectedLoss(_ quantizer: any Quantizer) -> String {
    let perplexities = [
      "absmean-lsq": 65, "optimal-tensor": 56, "optimal-row": 52, "optimal-group128": 51, "gptq-tensor": 42,
      "gptq-row": 39, "gptq-group128": 40, "two-plane-group128": 29,
    ]
    if let perplexity = perplexities[quantizer.id.rawValue] {
      return "worse: perplexity 28 becomes \(perplexity) for the shipped plain-tiny by \(quantizer.id.rawValue)"
    }
    return "far worse: expect several times the perplexity"
      + (quantizer is any FittingQuantizer ? "" : " (28 becomes 105 for the shipped plain-tiny)")
      + "; --quantizer optimal-tensor loses less"
  }
}
