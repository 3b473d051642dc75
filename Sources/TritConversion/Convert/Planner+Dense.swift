// Tritsmith: planning dense weights of models with scales of groups.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritSurvey

extension Planner {
  /// What dense weights are stored in where nobody chooses. Of unfolded weights, which are ternary no more, bfloat16 would
  /// keep too few digits; scales of binary blocks are F16.
  static func usualDenseType(
    of source: any TensorSource, _ request: ConversionRequest, _ survey: ModelSurvey, _ sampler: ScaleSampler?
  ) throws -> DType {
    request.unfolds || survey.binaryType != nil ? .f16 : try denseType(of: source, sampler)
  }

  /// What holds trit × scale of a packed model: F16 where groups have F16 scales, as such models are published; F32
  /// where scales of rows or groups need it; bfloat16 for all others.
  static func denseType(of source: any TensorSource, _ sampler: ScaleSampler?) throws -> DType {
    var spread = SpreadTypes()
    for tensor in source.manifest.tensors where tensor.encoding.isTernary {
      guard let scale = tensor.scale, scale.storage != .bf16, scale.granularity != .tensor else { continue }
      let sampled = try sampler?.packed(tensor)
      guard scale.storage == .f16 else {
        // Over a network scales are read when their tensor passes.
        try spread.add(sampler == nil ? source.scale(of: tensor) : nil, sampled)
        continue
      }
      let granularity = try sampled?.granularity ?? source.scale(of: tensor).granularity
      if granularity != .tensor { spread.hasHalf = true }
    }
    return spread.type
  }

  /// Says what a type that was asked for does to the scales, before anything is written.
  func warnRounding(_ tensors: [PlannedTensor], _ warnings: inout [String]) throws {
    var (scales, changed, worst) = (0, 0, 0.0)
    var (type, isHeldByHalf, isHeldUnasked) = (DType.bf16, true, true)
    let usual = request.denseType == nil ? nil : try Planner.usualDenseType(of: source, request, survey, sampler)
    for tensor in tensors where tensor.step == .dequantize || tensor.step == .snap {
      guard let dtype = askedType(of: tensor), let scale = try roundedScale(tensor) else { continue }
      type = dtype
      for multiplier in scale.multipliers where multiplier != 0 {
        scales += 1
        let stored = TernaryScale.rounded(multiplier, to: dtype)
        if TernaryScale.rounded(multiplier, to: .f16) != multiplier { isHeldByHalf = false }
        if let usual, TernaryScale.rounded(multiplier, to: usual) != multiplier { isHeldUnasked = false }
        guard stored != multiplier else { continue }
        changed += 1
        worst = max(worst, abs(Double(stored) - Double(multiplier)) / Double(multiplier.magnitude))
      }
    }
    guard changed > 0 else { return }
    let advice =
      request.target == .dense
      ? (isHeldUnasked ? "without --dense-type" : "with --dense-type f32") + " they are stored exactly"
      : "\(isHeldByHalf ? "F16" : "F32") holds them exactly"
    warnings.append(
      "\(type.rawValue) rounds \(grouped(changed)) of \(grouped(scales)) scales, by at most \(ScaleRounding.parts(worst)); \(advice)"
    )
  }

  /// The dense type a request names for a tensor that holds trit × scale; nil where it names none. Of GGUF only bfloat16
  /// counts: F16 is what tensors get that are kept, and F32 rounds nothing.
  private func askedType(of tensor: PlannedTensor) -> DType? {
    switch request.target {
    case .dense: return request.denseType?.dtype
    case .gguf: return tensor.encoding == .dense(.bf16) ? .bf16 : nil
    default: return nil
    }
  }

  /// The scales a planned tensor is made dense with; nil where they are not looked at. One scale for a whole tensor is
  /// a bfloat16 number in the checkpoints that GGUF files of that type are made from.
  private func roundedScale(_ tensor: PlannedTensor) throws -> TernaryScale? {
    let isGGUF = request.target == .gguf
    guard tensor.source.encoding.isTernary else {
      if isGGUF, sampler != nil { return nil }
      let pass = try WeightPass(source, tensor.source, roundsToBFloat16: false, kernels: KernelChoice.best)
      return try pass.spreadScale(Parallelism(threads: 0))
    }
    let scale = try tensor.outputScale ?? source.scale(of: tensor.source)
    return isGGUF && scale.granularity == .tensor ? nil : scale
  }
}

/// Which dense types hold the scales of rows and groups of a packed model.
private struct SpreadTypes {
  /// Whether some scales are F16 already.
  var hasHalf = false
  private var holdsHalf = true
  private var holdsBFloat16 = true

  /// Adds scales of another type; without them only Float is sure to hold them.
  mutating func add(_ scale: TernaryScale?, _ sampled: SampledScale?) {
    guard (sampled?.granularity ?? scale?.granularity) != .tensor else { return }
    guard let scale else {
      (holdsHalf, holdsBFloat16) = (false, false)
      return
    }
    for multiplier in scale.multipliers {
      if holdsHalf, TernaryScale.rounded(multiplier, to: .f16) != multiplier { holdsHalf = false }
      if holdsBFloat16, BFloat16.rounded(multiplier) != multiplier { holdsBFloat16 = false }
    }
  }

  var type: DType {
    if hasHalf { return holdsHalf ? .f16 : .f32 }
    return holdsBFloat16 ? .bf16 : holdsHalf ? .f16 : .f32
  }
}
