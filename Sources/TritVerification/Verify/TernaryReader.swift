// Tritsmith: any tensor that holds trits, as trits.

import TritCore
import TritQuantizers
import TritSurvey

/// Reads a tensor as trits when it holds nothing else: packed, or dense with the values −a, 0, +a.
package struct TernaryReader {
  package let scale: TernaryScale
  /// The scale by row and column.
  package let grid: MultiplierGrid
  private let source: any TensorSource
  private let tensor: TensorDescriptor
  private let dense: TernaryWeight?

  /// Nil for dense weights that are not ternary.
  package init?(_ source: any TensorSource, _ tensor: TensorDescriptor, _ work: WorkOptions) throws {
    self.source = source
    self.tensor = tensor
    if tensor.encoding.isTernary {
      dense = nil
      scale = try source.scale(of: tensor)
      grid = scale.grid(columns: tensor.shape.columns)
      return
    }
    guard tensor.shape.isMatrix, let dtype = tensor.encoding.dtype, dtype.isFloatWeight else { return nil }
    let weight = try TernaryWeight(source, tensor, quantizer: AbsMean.float32, work: work)
    switch weight.origin {
    case .recognised(_, let found): scale = found
    case .quantized(let pass, _, _):
      // All zeros have no magnitude, and are ternary all the same.
      guard try pass.findings(work.parallelism, SilentProgress()).largest == 0 else { return nil }
      scale = TernaryScale(stored: 0, storage: dtype, convention: .multiply)
    case .packed, .fitted: return nil
    }
    dense = weight
    grid = scale.grid(columns: tensor.shape.columns)
  }

  /// Trits of a band; codes that are no trit read as `IndependentDecoder.invalid`.
  package func trits(_ band: MatrixBand) throws -> [Int8] {
    if let dense {
      defer { dense.release(band) }
      return try dense.trits(band)
    }
    guard let trits = try IndependentDecoder.trits(band, of: tensor, in: source) else {
      throw WorkflowError(
        .unsupportedEncoding(found: tensor.encoding.name, wanted: "a layout the decoder knows"),
        file: source.manifest.path, tensor: tensor.name)
    }
    return trits
  }
}
