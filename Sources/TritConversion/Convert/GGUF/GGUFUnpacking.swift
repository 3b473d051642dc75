// Tritsmith: what a GGUF file's tensors become in other formats.

import Synchronization
import TritCore
import TritFormats
import TritModel
import TritSurvey

/// Adapts a plan to a GGUF source: scales as checkpoints store them, dense tensors in the checkpoint's type where that
/// loses nothing.
///
/// GGUF widens norms to F32 and embeddings to F16, because its readers want them so; a checkpoint has them in the type
/// they were trained in. All dense values are read once to know.
struct GGUFUnpacking {
  let view: GGUFModelView
  let target: ConversionTarget
  let convention: ScaleConvention
  /// The type of dense weights.
  let denseType: DType
  /// The one that was asked for; nil for none.
  private let asked: DType?
  /// Nil for a file of this machine.
  private let sampler: ScaleSampler?

  init(
    _ view: GGUFModelView, _ target: ConversionTarget, _ convention: ScaleConvention, _ denseType: DType,
    asked: DType?, _ sampler: ScaleSampler?
  ) {
    (self.asked, self.sampler) = (asked, sampler)
    self.denseType = denseType == .f16 ? .f16 : .bf16
    self.view = view
    self.target = target
    self.convention = convention
  }

  func adapt(_ tensors: inout [PlannedTensor], _ warnings: inout [String]) throws {
    var inexact: [String] = []
    for index in tensors.indices {
      let source = tensors[index].source
      switch tensors[index].step {
      case .copy:
        guard let dtype = source.encoding.dtype, dtype == .f16 || dtype == .f32 else { continue }
        // Floats that were asked for stay what they are.
        guard dtype != denseType, dtype != .f32 || asked != .f32, try isExact(source, dtype) else { continue }
        tensors[index].step = .recode
        tensors[index].encoding = .dense(denseType)
        tensors[index].byteCount = 2 * source.shape.elementCount
      case .repack:
        // MLX holds multipliers, as GGUF does.
        guard target != .mlx else { continue }
        guard let stored = try scale(of: source) else {
          try spread(&tensors[index])
          continue
        }
        let scale = stored.asCheckpointScale(convention)
        if scale.storage == .f32, stored.granularity == .tensor { inexact.append(source.name) }
        tensors[index].byteCount +=
          scale.storedBytes.count - stored.stored.count * (source.scale?.storage.bits ?? 16) / 8
        tensors[index].scaleConvention = scale.convention
        tensors[index].outputScale = scale
      case .dequantize:
        // bf16(1/s) of the divisor s, where the multiplier is the inverse of one: not of what f16 left of it.
        guard tensors[index].encoding == .dense(.bf16) else { continue }
        // Scales of rows and groups are what they are in the file.
        tensors[index].outputScale = try scale(of: source)?.asCheckpointScale(convention)
      default: continue
      }
    }
    if !inexact.isEmpty {
      warnings.append(
        "\(inexact.count) scales are no bfloat16 numbers as checkpoints have them, and are stored as F32: "
          + inexact.prefix(4).map { printable($0) }.joined(separator: ", ") + (inexact.count > 4 ? ", …" : ""))
    }
  }

  /// The scales of a tensor; nil where they are those of rows or groups and are read when it passes.
  private func scale(of tensor: TensorDescriptor) throws -> TernaryScale? {
    guard let sampled = try sampler?.packed(tensor) else { return try view.scale(of: tensor) }
    return sampled.single.map { TernaryScale(stored: $0, storage: sampled.storage, convention: .multiply) }
  }

  /// Plans the scales of rows or groups, as they are in the file.
  private func spread(_ planned: inout PlannedTensor) throws {
    guard let sampled = try sampler?.packed(planned.source) else { return }
    let shape = planned.source.shape
    let count = sampled.granularity.count(rows: shape.rows, columns: shape.columns)
    planned.byteCount += count * (sampled.storage.bits - (planned.source.scale?.storage.bits ?? 16)) / 8
    (planned.scaleGranularity, planned.scaleStorage) = (sampled.granularity, sampled.storage)
    planned.scaleConvention = .multiply
  }

  /// Whether the type of dense weights holds a tensor.
  private func isExact(_ tensor: TensorDescriptor, _ dtype: DType) throws -> Bool {
    let width = dtype.bits / 8
    let count = tensor.location.byteCount
    let step = bandBytes / width * width
    for start in stride(from: 0, to: count, by: step) {
      let range = start..<min(start + step, count)
      let isExact = try view.withBytes(range, of: tensor) {
        let values = DenseValues.floats($0, dtype)
        return denseType == .bf16 ? DenseRecoder.areBFloat16(values) : values.allSatisfy(HalfFloat.holds)
      }
      view.release(range, of: tensor)
      if !isExact { return false }
    }
    return true
  }
}
