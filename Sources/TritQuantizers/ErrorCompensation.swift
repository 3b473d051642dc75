// Tritsmith: rounding that makes later columns answer for the error of earlier ones.

import TritCore

/// GPTQ (Frantar et al. 2023) for trits: `gptq-tensor`, `gptq-row`, `gptq-group128`.
///
/// Columns are rounded from left to right. What is lost in a column is taken from the columns not yet rounded, so that
/// the output over the calibration inputs changes least: with U from (H + λI)⁻¹ = Uᵀ·U,
///
///     e = (w_j − q_j) / U_jj,    w_k ← w_k − e·U_jk    for k > j
///
/// λ is 1 % of the mean of H's diagonal. Columns go in blocks of 128; later blocks are updated once a block, which is
/// the same sum in another order. Where groups do not bind them, columns go in falling order of the energy of their input
/// (H's diagonal), so that the weights that matter most are rounded first. Scales are the best ternary ones: of the whole matrix and of the row before anything is
/// compensated, of a group when its first column is reached.
package struct ErrorCompensation: FittingQuantizer {
  package let id: QuantizerID
  package let granularity: ScaleGranularity
  package let summary: String
  package let needsCalibration = true

  /// Error compensation with one scale a tensor.
  package static let tensor = ErrorCompensation("tensor", .tensor, "one scale a tensor")
  /// Error compensation with a scale for each row.
  package static let row = ErrorCompensation("row", .row, "a scale for each row")
  /// Error compensation with a scale for 128 columns of a row.
  package static let group128 = ErrorCompensation("group128", .group(columns: 128), "a scale for 128 weights")

  static let damping = 0.01

  private init(_ name: String, _ granularity: ScaleGranularity, _ what: String) {
    id = QuantizerID(rawValue: "gptq-" + name)
    self.granularity = granularity
    summary = "error-compensated rounding by calibration activations (GPTQ), " + what
  }

  package var needsHistogram: Bool { granularity == .tensor }

  package func prepare(_ matrix: MatrixEvidence) throws(FitError) -> any RowFit {
    guard let gram = matrix.calibration else { throw .calibrationMissing }
    guard gram.width == matrix.columns else {
      throw .calibrationWidth(expected: matrix.columns, found: gram.width)
    }
    var order = Array(0..<matrix.columns)
    if case .group = granularity {} else { order = gram.orderByEnergy }
    guard let factor = gram.inverseFactor(order: order, damping: ErrorCompensation.damping) else { throw .singular }
    let scale = granularity == .tensor ? LeastSquares.tensorScale(matrix.histogram) : 0
    return CompensatedFit(
      columns: matrix.columns, granularity: granularity, tensorScale: scale, order: order, factor: factor)
  }
}

struct CompensatedFit: RowFit {
  var columns: Int
  var granularity: ScaleGranularity
  var tensorScale: Float
  /// Columns in the order they are rounded.
  var order: [Int]
  /// Upper triangular, `[columns, columns]`, in that order.
  var factor: [Float]

  /// Rows go together, one a lane, so that the factor is read once for all of them.
  private typealias Rows = SIMD16<Float>
  private static let block = 128

  func fit(_ weights: [Float], rows: Int) -> [FittedPlane] {
    var trits = [Int8](repeating: 0, count: weights.count)
    let perRow = granularity == .tensor ? 0 : granularity.count(rows: 1, columns: columns)
    var multipliers = [Float](repeating: 0, count: rows * perRow)
    for first in stride(from: 0, to: rows, by: Rows.scalarCount) {
      let count = min(Rows.scalarCount, rows - first)
      var lanes = [Rows](repeating: .zero, count: columns)
      for row in 0..<count {
        for place in 0..<columns { lanes[place][row] = weights[(first + row) * columns + order[place]] }
      }
      compensate(&lanes, count) { place, group, codes, scale in
        for row in 0..<count {
          trits[(first + row) * columns + order[place]] = Int8(codes[row])
          if perRow > 0 { multipliers[(first + row) * perRow + group] = scale[row] }
        }
      }
    }
    return [FittedPlane(trits: trits, multipliers: granularity == .tensor ? [tensorScale] : multipliers)]
  }

  /// Rounds the columns of some rows; gives each column's codes with the group they belong to and its scales.
  private func compensate(
    _ lanes: inout [Rows], _ count: Int, _ emit: (Int, Int, Rows, Rows) -> Void
  ) {
    let size: Int =
      switch granularity {
      case .tensor, .row: max(1, columns)
      case .group(let size): size
      }
    var scale = Rows(repeating: tensorScale)
    let u = factor.span
    for start in stride(from: 0, to: columns, by: CompensatedFit.block) {
      let end = min(start + CompensatedFit.block, columns)
      var errors = [Rows](repeating: .zero, count: end - start)
      for column in start..<end {
        if granularity != .tensor, column % size == 0 {
          let group = column..<min(column + size, columns)
          for row in 0..<count { scale[row] = LeastSquares.optimalScale(of: group.map { lanes[$0][row] }) }
        }
        let weight = lanes[column]
        let half = scale / 2
        var codes = Rows.zero
        codes.replace(with: 1, where: weight .> half)
        codes.replace(with: -1, where: weight .< -half)
        emit(column, column / size, codes, scale)
        let error = (weight - codes * scale) / u[column * columns + column]
        errors[column - start] = error
        var output = lanes.mutableSpan
        for later in column + 1..<max(column + 1, end) {
          output[unchecked: later] -= error * u[unchecked: column * columns + later]
        }
      }
      var output = lanes.mutableSpan
      for later in end..<max(end, columns) {
        var sum = Rows.zero
        for column in start..<end { sum += errors[column - start] * u[unchecked: column * columns + later] }
        output[unchecked: later] -= sum
      }
    }
  }
}
