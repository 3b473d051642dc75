// Tritsmith: planning dense weights of models with scales of groups.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel

extension Planner {
  /// What holds trit × scale of a packed model: F16 where groups have F16 scales, as such models are published; bfloat16
  /// for all others.
  static func denseType(of source: any TensorSource, _ sampler: ScaleSampler?) throws -> DType {
    for tensor in source.manifest.tensors where tensor.encoding.isTernary {
      guard let scale = tensor.scale, scale.storage == .f16, scale.granularity != .tensor else { continue }
      let granularity = try sampler?.packed(tensor)?.granularity ?? source.scale(of: tensor).granularity
      if granularity != .tensor { return .f16 }
    }
    return .bf16
  }

  /// Says what a type that was asked for does to the scales, before anything is written.
  func warnRounding(_ tensors: [PlannedTensor], _ warnings: inout [String]) throws {
    guard request.target == .dense, let type = request.denseType?.dtype else { return }
    var (scales, changed, worst) = (0, 0, 0.0)
    for tensor in tensors where tensor.step == .dequantize || tensor.step == .snap {
      let scale: TernaryScale
      if tensor.source.encoding.isTernary {
        scale = try tensor.outputScale ?? source.scale(of: tensor.source)
      } else {
        let pass = try WeightPass(source, tensor.source, roundsToBFloat16: false, kernels: KernelChoice.best)
        guard let found = try pass.spreadScale(Parallelism(threads: 0)) else { continue }
        scale = found
      }
      for multiplier in scale.multipliers where multiplier != 0 {
        scales += 1
        let stored = TernaryScale.rounded(multiplier, to: type)
        guard stored != multiplier else { continue }
        changed += 1
        worst = max(worst, abs(Double(stored) - Double(multiplier)) / Double(multiplier.magnitude))
      }
    }
    guard changed > 0 else { return }
    warnings.append(
      "\(type.rawValue) rounds \(changed) of \(scales) scales, by at most \(ScaleRounding.parts(worst)); without "
        + "--dense-type they are stored exactly")
  }
}
