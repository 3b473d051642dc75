// Tritsmith: matrices cut into bands.

/// Whole rows of a matrix, or some columns of one row. In either case its elements follow each other, row by row.
package struct MatrixBand: Sendable, Hashable {
  package let rows: Range<Int>
  package let columns: Range<Int>
  /// Places in the row-major matrix.
  package let elements: Range<Int>
  /// Whether the rows are whole.
  package let isWhole: Bool

  fileprivate init(_ rows: Range<Int>, _ columns: Range<Int>, of shape: TensorShape) {
    (self.rows, self.columns) = (rows, columns)
    isWhole = columns.count == shape.columns
    let first = rows.lowerBound * shape.columns + columns.lowerBound
    elements = first..<first + rows.count * columns.count
  }

  package var count: Int { elements.count }
}

/// All bands of a matrix, first row first.
package struct MatrixBands: RandomAccessCollection, Sendable, Hashable {
  private let shape: TensorShape
  private let rows: Range<Int>
  private let rowStep: Int
  private let columnStep: Int
  /// Bands of a row.
  private let perRow: Int

  fileprivate init(_ shape: TensorShape, _ rows: Range<Int>, elements: Int) {
    (self.shape, self.rows) = (shape, rows)
    let columns = Swift.max(1, shape.columns)
    columnStep = shape.hasLongRows ? Swift.max(1, elements) : columns
    perRow = (columns - 1) / columnStep + 1
    rowStep = shape.hasLongRows ? 1 : Swift.max(1, elements / columns)
  }

  package var startIndex: Int { 0 }

  package var endIndex: Int {
    rows.isEmpty ? 0 : ((rows.count - 1) / rowStep + 1) * perRow
  }

  package subscript(index: Int) -> MatrixBand {
    let row = rows.lowerBound + index / perRow * rowStep
    let column = index % perRow * columnStep
    let columns = column..<column + Swift.min(columnStep, shape.columns - column)
    return MatrixBand(row..<row + Swift.min(rowStep, rows.upperBound - row), columns, of: shape)
  }
}

extension TensorShape {
  /// The longest row, in columns, that is read whole. What works on whole rows refuses a longer one, so that no file of
  /// one row decides how much memory is used. No model's rows come near it.
  package static let longestRow = 1 << 20

  /// Whether rows are cut into pieces.
  package var hasLongRows: Bool { columns > TensorShape.longestRow }

  /// The matrix in bands of about that many elements: whole rows, one at least, and only where rows are long, pieces of
  /// them.
  package func bands(elements: Int) -> MatrixBands { MatrixBands(self, 0..<rows, elements: elements) }

  /// The same of some rows.
  package func bands(of rows: Range<Int>, elements: Int) -> MatrixBands { MatrixBands(self, rows, elements: elements) }

  /// About how many of a tensor's stored bytes a band has, for progress.
  package func byteShare(_ band: MatrixBand, of byteCount: Int) -> Int {
    Int(Double(byteCount) * (Double(band.count) / Double(max(1, elementCount))))
  }

  /// Whole rows.
  package func band(_ rows: Range<Int>) -> MatrixBand { MatrixBand(rows, 0..<columns, of: self) }

  /// Some columns of one row.
  package func band(_ columns: Range<Int>, ofRow row: Int) -> MatrixBand {
    MatrixBand(row..<row + 1, columns, of: self)
  }

  /// The same columns of other rows.
  package func band(_ band: MatrixBand, movedBy rows: Int) -> MatrixBand {
    MatrixBand(band.rows.lowerBound + rows..<band.rows.upperBound + rows, band.columns, of: self)
  }
}
