// Tritsmith: which scale belongs to which weight.

/// Which of a matrix's scales each weight has; the one place that knows which weights share one.
@usableFromInline package struct ScalePlaces: Sendable, Hashable {
  /// Columns of a row.
  @usableFromInline package let columns: Int
  /// Scales from one row to the next; 0 where all rows share one.
  @usableFromInline let step: Int
  /// Columns that share a scale, from 1 to the columns of a row.
  @usableFromInline let run: Int

  package init(_ granularity: ScaleGranularity, columns: Int) {
    self.columns = columns
    switch granularity {
    case .tensor: (step, run) = (0, max(1, columns))
    case .row: (step, run) = (1, max(1, columns))
    case .group(let size): (step, run) = (granularity.groups(columns: columns), max(1, min(size, columns)))
    }
  }

  /// True when the whole matrix has one scale.
  @usableFromInline package var isUniform: Bool { step == 0 }

  /// Whether it has one scale for each run of so many columns.
  @usableFromInline package func hasRuns(of columns: Int) -> Bool { step > 0 && run == columns }

  /// Which of the stored scales a weight has.
  @usableFromInline package func index(row: Int, column: Int) -> Int { row * step + column / run }

  /// The column after the last one that shares the scale of `column`.
  package func runEnd(after column: Int) -> Int {
    let (end, overflow) = (column / run * run).addingReportingOverflow(run)
    return overflow ? columns : min(columns, end)
  }

  /// Gives `body` the runs of columns of a row that share a scale, and which one; first column first.
  ///
  /// Matrices have millions of them: it is compiled into its callers, and divides nothing.
  @inlinable
  @inline(__always)
  package func forEachRun(ofRow row: Int, _ body: (_ columns: Range<Int>, _ index: Int) throws -> Void) rethrows {
    var (start, index) = (0, row * step)
    while start < columns {
      let end = columns - start > run ? start + run : columns
      try body(start..<end, index)
      (start, index) = (end, index + 1)
    }
  }
}

/// What each trit of a matrix is multiplied by.
///
///     let grid = scale.grid(columns: 256)
///     let weight = Float(trit) * grid.multiplier(row: 3, column: 130)
package struct MultiplierGrid: Sendable {
  package let places: ScalePlaces
  /// What trits are multiplied by, in the order of the stored scales.
  package let multipliers: [Float]

  package init(_ scale: TernaryScale, columns: Int) {
    places = ScalePlaces(scale.granularity, columns: columns)
    multipliers = scale.multipliers
  }

  /// The one multiplier of a matrix that has one scale; nil for the others.
  package var uniform: Float? { places.isUniform ? multipliers[0] : nil }

  /// What a trit is multiplied by.
  package func multiplier(row: Int, column: Int) -> Float { multipliers[places.index(row: row, column: column)] }

  /// What the trit at a place of the row-major matrix is multiplied by.
  package func multiplier(at element: Int) -> Float {
    places.isUniform
      ? multipliers[0] : multiplier(row: element / places.columns, column: element % places.columns)
  }

  /// trit × multiplier of a band, row-major; a trit of 0 gives +0.
  ///
  /// - Parameter row: which row of the matrix a row is, where rows are read in another order.
  package func values(_ trits: [Int8], _ band: MatrixBand, row: (Int) -> Int = { $0 }) -> [Float] {
    guard !band.isWhole else { return values(trits, firstRow: band.rows.lowerBound, row: row) }
    precondition(trits.count == band.count, "the trits of the band")
    var result = [Float](repeating: 0, count: trits.count)
    var column = band.columns.lowerBound
    while column < band.columns.upperBound {
      let end = min(band.columns.upperBound, places.runEnd(after: column))
      let multiplier = multiplier(row: row(band.rows.lowerBound), column: column)
      for place in column - band.columns.lowerBound..<end - band.columns.lowerBound where trits[place] != 0 {
        result[place] = Float(trits[place]) * multiplier
      }
      column = end
    }
    return result
  }

  /// trit × multiplier of whole rows, row-major; a trit of 0 gives +0.
  ///
  /// - Parameters:
  ///   - trits: whole rows; the first is row `firstRow`.
  ///   - row: which row of the matrix a row is, where rows are read in another order.
  package func values(_ trits: [Int8], firstRow: Int, row: (Int) -> Int = { $0 }) -> [Float] {
    var result = [Float](repeating: 0, count: trits.count)
    let columns = places.columns
    guard columns > 0 else { return result }
    precondition(trits.count % columns == 0, "whole rows")
    for index in 0..<trits.count / columns {
      let first = index * columns
      places.forEachRun(ofRow: row(firstRow + index)) { run, scale in
        let multiplier = multipliers[scale]
        for place in first + run.lowerBound..<first + run.upperBound where trits[place] != 0 {
          result[place] = Float(trits[place]) * multiplier
        }
      }
    }
    return result
  }
}

extension TernaryScale {
  /// Multipliers by row and column of a matrix with rows of that many columns.
  package func grid(columns: Int) -> MultiplierGrid { MultiplierGrid(self, columns: columns) }

  /// The scales of the matrix whose row r is row `source(r)` of this one.
  package func reordered(rows: Int, columns: Int, _ source: (Int) -> Int) -> TernaryScale {
    guard granularity != .tensor else { return self }
    let perRow = granularity.groups(columns: columns)
    let values = (0..<rows).flatMap { row in
      let first = source(row) * perRow
      return stored[first..<first + perRow]
    }
    return TernaryScale(stored: values, storage: storage, convention: convention, granularity: granularity)
  }
}
