// Tritsmith: scales as comparisons see them.

import TritCore
import TritFormats

extension TensorSource {
  /// The scales of a ternary tensor, also a divisor of 0, which `scale(of:)` refuses: nobody can compute with it, and it
  /// is a difference from any other.
  ///
  /// - Throws: what `scale(of:)` throws for everything else.
  func comparedScale(of tensor: TensorDescriptor) throws -> TernaryScale {
    do {
      return try scale(of: tensor)
    } catch let error as FormatError {
      guard case .badScale = error.kind, let descriptor = tensor.scale, descriptor.convention == .divide else {
        throw error
      }
      let stored = DenseValues.floats(try scaleBytes(of: tensor).span.bytes, descriptor.storage)
      let count = descriptor.granularity.count(rows: tensor.shape.rows, columns: tensor.shape.columns)
      guard stored.count == count, stored.allSatisfy({ $0.isFinite && $0 >= 0 }) else { throw error }
      return TernaryScale(
        stored: stored, storage: descriptor.storage, convention: .divide, granularity: descriptor.granularity)
    }
  }
}
