// Tritsmith: any matrix as numbers.

import TritCore
import TritModel
import TritSurvey

/// Reads bands of a tensor as the numbers they stand for: dense ones, or trits times their scales.
package struct WeightRows {
  let source: any TensorSource
  let tensor: TensorDescriptor
  private let trits: TernaryReader?

  /// Nil for a tensor that holds no such numbers.
  package init?(_ source: any TensorSource, _ tensor: TensorDescriptor, _ work: WorkOptions) throws {
    self.source = source
    self.tensor = tensor
    if tensor.encoding.isTernary {
      trits = try TernaryReader(source, tensor, work)
    } else {
      guard tensor.encoding.dtype?.isFloatWeight == true else { return nil }
      trits = nil
    }
  }

  /// Weights, row by row; an invalid code is no number.
  package func values(_ band: MatrixBand) throws -> [Float] {
    if let trits {
      let codes = try trits.trits(band)
      var values = trits.grid.values(codes, band)
      for index in codes.indices where codes[index] == IndependentDecoder.invalid { values[index] = .nan }
      return values
    }
    guard let dtype = tensor.encoding.dtype else { return [] }
    let width = dtype.bits / 8
    let range = band.elements.lowerBound * width..<band.elements.upperBound * width
    defer { source.release(range, of: tensor) }
    return try source.withBytes(range, of: tensor) { DenseValues.floats($0, dtype) }
  }
}
