// Tritsmith: the basis that rotated weights are stored in.

import TritCore
import TritKernels
import TritModel

/// How inputs are turned before they are multiplied with rotated weights, which stay packed.
///
/// Projections that share one share the turned input too, so equal ones are one object.
final class WeightBasis: Sendable {
  let columns: Int
  let blockSize: Int
  /// By stored column; nil where all are +1.
  let signs: [Float]?
  /// For each stored column the one of the ordinary matrix; nil where all stay.
  let order: [Int]?

  init(_ rotation: RowRotation) {
    columns = rotation.columns
    blockSize = rotation.blockSize
    signs = rotation.signs?.map { Float($0) }
    order = rotation.order
  }

  /// Rows of `columns` numbers each.
  func change(
    _ x: [Float], rows: Int, _ direction: BasisChange, _ engine: InferenceEngine, into y: inout [Float]
  ) {
    engine.changeBasis(
      x, rows: rows, columns: columns, block: blockSize, signs: signs, order: order, direction, into: &y)
  }
}
