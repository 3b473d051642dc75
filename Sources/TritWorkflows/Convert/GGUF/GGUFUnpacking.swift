// Tritsmith: what a GGUF file's tensors become in other formats.

import Synchronization
import TritCore
import TritFormats
import TritModel

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

  init(_ view: GGUFModelView, _ target: ConversionTarget, _ convention: ScaleConvention, _ denseType: DType) {
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
        guard dtype != denseType, try isExact(source, dtype) else { continue }
        tensors[index].step = .recode
        tensors[index].encoding = .dense(denseType)
        tensors[index].byteCount = 2 * source.shape.elementCount
      case .repack:
        // MLX holds multipliers, as GGUF does.
        guard target != .mlx else { continue }
        let stored = try view.scale(of: source)
        let scale = stored.asCheckpointScale(convention)
        if scale.storage == .f32, stored.granularity == .tensor { inexact.append(source.name) }
        tensors[index].byteCount +=
          scale.storedBytes.count - stored.stored.count * (source.scale?.storage.bits ?? 16) / 8
        tensors[index].scaleConvention = scale.convention
        tensors[index].outputScale = scale
      case .dequantize:
        // bf16(1/s) of the divisor s, where the multiplier is the inverse of one: not of what f16 left of it.
        guard tensors[index].encoding == .dense(.bf16) else { continue }
        tensors[index].outputScale = try view.scale(of: source).asCheckpointScale(convention)
      default: continue
      }
    }
    if !inexact.isEmpty {
      warnings.append(
        "\(inexact.count) scales are no bfloat16 numbers as checkpoints have them, and are stored as F32: "
          + inexact.prefix(4).map { printable($0) }.joined(separator: ", ") + (inexact.count > 4 ? ", …" : ""))
    }
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
        return denseType == .bf16 ? DenseRecoder.areBFloat16(values) : values.allSatisfy { HalfFloat($0).float == $0 }
      }
      view.release(range, of: tensor)
      if !isExact { return false }
    }
    return true
  }
}
