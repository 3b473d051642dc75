// Tritsmith: the first weight that keeps a matrix from being ternary.

import TritCore

/// A weight of another magnitude than those it would share a scale with, in a matrix that is ternary otherwise.
package struct TernaryBreak: Sendable, Equatable {
  package var row: Int
  package var column: Int
  /// Its magnitude.
  package var found: Float
  /// The magnitude of most weights beside it that are not 0.
  package var expected: Float
  /// Rows that hold such weights, of all.
  package var brokenRows: Int
  package var rows: Int

  /// For people.
  package var text: String {
    "row \(row), column \(column) has magnitude \(found), weights of its group have \(expected); "
      + "\(brokenRows) of \(rows) rows \(brokenRows == 1 ? "holds" : "hold") such weights"
  }
}

extension WeightPass {
  /// The first weight that keeps a matrix from being ternary where most of its rows are; nil for ternary weights, and
  /// for ordinary numbers, which a few rows tell.
  package func firstBreak(_ parallelism: Parallelism) throws -> TernaryBreak? {
    guard mayHaveGroups, !tensor.shape.hasLongRows, let size = try columnsOfMostScales() else { return nil }
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    let step = max(1, bandBytes / 4 / columns)
    let bandCount = (rows + step - 1) / step
    let found = try parallelism.mapBands(bandCount) { band -> (first: Int?, count: Int) in
      let range = band * step..<min(rows, (band + 1) * step)
      let broken = try brokenRows(range)
      release(tensor.shape.band(range))
      return (broken.first, broken.count)
    }
    let count = found.reduce(0) { $0 + $1.count }
    guard count > 0, count <= rows / 2 || rows == 1, let row = found.lazy.compactMap(\.first).first else { return nil }
    return try firstBreak(inRow: row, size, count)
  }

  /// How many columns most scales stand for, by at most 16 rows; nil where half of them or more are not ternary.
  private func columnsOfMostScales() throws -> Int? {
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    let count = min(rows, 16)
    var stored: [Float] = []
    var (sound, broken) = (0, 0)
    for index in 0..<count {
      let row = tensor.shape.band(0..<columns, ofRow: rows / count * index)
      guard let found = try magnitudes(of: row, WeightPass.groupSizes[0]) else {
        broken += 1
        continue
      }
      guard found.contains(where: { $0 > 0 }) else { continue }
      sound += 1
      stored += found
    }
    guard sound > broken else { return nil }
    let scale = TernaryScale(
      stored: stored, storage: dtype, convention: .multiply,
      granularity: .group(columns: WeightPass.groupSizes[0])
    ).coarsest(rows: sound, columns: columns, upTo: WeightPass.largestGroup)
    if case .group(let size) = scale.granularity { return size }
    return columns
  }

  /// The columns of the smallest groups there are.
  private var runs: [Range<Int>] {
    let (columns, size) = (tensor.shape.columns, WeightPass.groupSizes[0])
    return stride(from: 0, to: columns, by: size).map { $0..<min(columns, $0 + size) }
  }

  private func brokenRows(_ rows: Range<Int>) throws -> [Int] {
    let (columns, runs) = (tensor.shape.columns, runs)
    return try source.withBytes(byteRange(tensor.shape.band(rows)), of: tensor) { data in
      var result: [Int] = []
      for row in rows {
        let first = (row - rows.lowerBound) * columns
        let isTernary = runs.allSatisfy { magnitude(data, first + $0.lowerBound..<first + $0.upperBound) != nil }
        if !isTernary { result.append(row) }
      }
      return result
    }
  }

  private func firstBreak(inRow row: Int, _ size: Int, _ count: Int) throws -> TernaryBreak? {
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    let band = tensor.shape.band(0..<columns, ofRow: row)
    let values = try source.withBytes(byteRange(band), of: tensor) { DenseValues.floats($0, dtype) }.map(\.magnitude)
    for run in runs {
      let others = values[run].filter { $0 != 0 }
      guard let first = others.first, others.contains(where: { $0 != first }) else { continue }
      let start = run.lowerBound / size * size
      let expected = WeightPass.commonest(values[start..<min(columns, start + size)])
      guard let column = run.first(where: { values[$0] != 0 && values[$0] != expected }) else { continue }
      return TernaryBreak(
        row: row, column: column, found: values[column], expected: expected, brokenRows: count, rows: rows)
    }
    return nil
  }

  /// The magnitude of most numbers that are not 0; of several the first.
  private static func commonest(_ magnitudes: ArraySlice<Float>) -> Float {
    var counts: [Float: Int] = [:]
    for magnitude in magnitudes where magnitude != 0 { counts[magnitude, default: 0] += 1 }
    let most = counts.values.max() ?? 0
    return magnitudes.first { $0 != 0 && counts[$0] == most } ?? 0
  }
}
