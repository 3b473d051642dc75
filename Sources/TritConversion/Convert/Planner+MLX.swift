// Tritsmith: groups and scales of weights for MLX.

import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritSurvey

extension Planner {
  /// Gives tensors that will be packed for MLX their groups, the type of their scales, and the bytes of both with biases.
  ///
  /// - Throws: `WorkflowError.scalesDiffer` where the smallest groups MLX has would have to hold two scales.
  func fitGroups(_ tensors: inout [PlannedTensor], _ warnings: inout [String]) throws {
    for index in tensors.indices where tensors[index].encoding == .ternary(MLXTwoBit.id) {
      let (group, storage) = try groups(of: tensors[index])
      let shape = tensors[index].source.shape
      let scales = ScaleGranularity.group(columns: group).count(rows: shape.rows, columns: shape.columns)
      guard let numbers = Checked.product(scales, 2 * storage.bits / 8) else {
        throw LayoutError(
          .tooLarge(rows: shape.rows, columns: shape.columns), layout: MLXTwoBit.id,
          location: ErrorLocation(tensor: tensors[index].source.name))
      }
      tensors[index].scaleGranularity = .group(columns: group)
      tensors[index].scaleStorage = storage
      tensors[index].scaleConvention = .multiply
      tensors[index].byteCount = MLXTwoBit().byteCount(shape) + numbers
    }
    if survey.kind == .latent && !followsGroups || survey.quantization != nil {
      warnings.append(
        "MLX rounds no inputs: projections of this model compute with inputs rounded to int8 in its source, so logits "
          + "will not be quite the same")
    }
  }

  /// Weights of a group, and the type of its scale.
  private func groups(of planned: PlannedTensor) throws -> (group: Int, storage: DType) {
    let tensor = planned.source
    let columns = tensor.shape.columns
    let sizes = MLXQuantization.groupSizes.filter { columns % $0 == 0 }
    guard let smallest = sizes.last else {
      throw LayoutError(
        .columnsNotMultiple(columns: columns, of: MLXQuantization.groupSizes.min() ?? 32), layout: MLXTwoBit.id,
        location: ErrorLocation(file: source.manifest.path, tensor: tensor.name))
    }
    guard tensor.encoding.isTernary else {
      let granularity = planned.scaleGranularity ?? .tensor
      let size = sizes.first { ScaleGranularity.group(columns: $0).holds(granularity) } ?? smallest
      return (size, try planned.scaleStorage ?? storageOfOneScale(tensor))
    }
    if let sampled = try sampler?.packed(tensor),
      let size = sizes.first(where: { ScaleGranularity.group(columns: $0).holds(sampled.granularity) })
    {
      return (size, PlannedTensor.mlxStorage(of: sampled.storage))
    }
    let scale = try source.scale(of: tensor)
    let storage = PlannedTensor.mlxStorage(scale)
    if let size = sizes.first(where: { ScaleGranularity.group(columns: $0).holds(scale.granularity) }) {
      return (size, storage)
    }
    // Groups of other sizes may hold the same scale beside each other.
    for size in sizes {
      let groups = ScaleGranularity.group(columns: size)
      if (try? scale.regrouped(to: groups, rows: tensor.shape.rows, columns: columns)) != nil { return (size, storage) }
    }
    return (smallest, storage)
  }

  /// Of weights that are ternary as they stand, their own type; of those quantized on the way, that of new scales.
  private func storageOfOneScale(_ tensor: TensorDescriptor) throws -> DType {
    guard let dtype = tensor.encoding.dtype, dtype != .bf16 else { return .bf16 }
    if sampler?.proofNeeded(of: tensor) != nil { return dtype == .f64 ? .f32 : dtype }
    let pass = try WeightPass(source, tensor, roundsToBFloat16: false, kernels: KernelChoice.best)
    guard try pass.looksTernary() else { return .bf16 }
    return dtype == .f64 ? .f32 : dtype
  }
}

extension PlannedTensor {
  /// Its module, as lists of modules name it.
  var module: String { HFQuantization.module(of: name) }

  /// Weights of a group where the output is packed for MLX; nil for other outputs.
  var mlxGroup: Int? {
    guard encoding == .ternary(MLXTwoBit.id), case .group(let columns) = scaleGranularity else { return nil }
    return columns
  }

  /// The type MLX stores a scale's multipliers in: the scale's own, or one that holds the inverses of divisors.
  static func mlxStorage(_ scale: TernaryScale) -> DType {
    if scale.convention == .multiply { return mlxStorage(of: scale.storage) }
    return scale.multipliers.allSatisfy(BFloat16.holds) ? .bf16 : .f32
  }

  /// The same of multipliers.
  static func mlxStorage(of storage: DType) -> DType { [DType.f16, .bf16, .f32].contains(storage) ? storage : .f32 }

  /// A scale as the output packed for MLX holds it: multipliers, one for each group.
  ///
  /// - Throws: `WorkflowError.scalesDiffer` for the first group that would have to hold two.
  func mlxScale(_ scale: TernaryScale) throws(WorkflowError) -> TernaryScale {
    guard let group = mlxGroup, let storage = scaleStorage else { return scale }
    let held: TernaryScale
    do throws(ScaleMisfit) {
      held = try scale.regrouped(
        to: .group(columns: group), rows: source.shape.rows, columns: source.shape.columns)
    } catch {
      let holds = ScaleGranularity.group(columns: group).noun
      throw WorkflowError(.scalesDiffer(error, layout: MLXTwoBit.id.rawValue, holds: holds), tensor: source.name)
    }
    return TernaryScale(
      stored: held.multipliers, storage: storage, convention: .multiply, granularity: held.granularity)
  }
}
