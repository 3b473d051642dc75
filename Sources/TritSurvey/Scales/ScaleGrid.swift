// Tritsmith: which weights share a scale, and which of them depend on it.

import TritCore

/// The runs of weights that have one scale on both of two sides.
package struct ScaleGrid: Sendable {
  let rows: Int
  package let columns: Int
  /// Columns of a unit; nil when one scale stands for the whole tensor on both sides.
  package let size: Int?

  package init(_ first: ScaleGranularity, _ second: ScaleGranularity, _ shape: TensorShape) {
    (rows, columns) = (shape.rows, max(1, shape.columns))
    size =
      switch (ScaleGrid.columns(of: first, columns), ScaleGrid.columns(of: second, columns)) {
      case (nil, nil): nil
      case (let one?, nil), (nil, let one?): one
      // Units must end where a group of either size ends.
      case (let one?, let other?): ScaleGrid.greatestDivisor(one, other)
      }
  }

  /// Columns that share a scale in a row of `width`; nil where all rows share one.
  private static func columns(of granularity: ScaleGranularity, _ width: Int) -> Int? {
    switch granularity {
    case .tensor: nil
    case .row: width
    case .group(let columns): max(1, min(columns, width))
    }
  }

  private static func greatestDivisor(_ one: Int, _ other: Int) -> Int {
    var (one, other) = (one, other)
    while other > 0 { (one, other) = (other, one % other) }
    return one
  }

  package var perRow: Int { size.map { (columns + $0 - 1) / $0 } ?? 1 }
  package var count: Int { size == nil ? 1 : rows * perRow }

  /// Row and first column of a unit.
  package func place(_ unit: Int) -> (row: Int, column: Int) {
    guard let size else { return (0, 0) }
    return (unit / perRow, unit % perRow * size)
  }

  /// Which scale of a granularity a unit has.
  package func index(_ unit: Int, _ granularity: ScaleGranularity) -> Int {
    if size == ScaleGrid.columns(of: granularity, columns) { return unit }
    let (row, column) = place(unit)
    return ScalePlaces(granularity, columns: columns).index(row: row, column: column)
  }
}

/// Units of a grid that hold a trit other than 0: over zeros any scale is as good as any other.
package struct LiveUnits: Sendable {
  package let grid: ScaleGrid
  package private(set) var isLive: [Bool]

  package init(_ grid: ScaleGrid) {
    self.grid = grid
    isLive = [Bool](repeating: false, count: grid.count)
  }

  /// Every unit taken for one that matters: trits are not looked at.
  package init(all grid: ScaleGrid) {
    self.grid = grid
    isLive = [Bool](repeating: true, count: grid.count)
  }

  /// - Parameter isLive: of each unit.
  package init(_ grid: ScaleGrid, _ isLive: [Bool]) {
    precondition(isLive.count == grid.count, "a unit each")
    self.grid = grid
    self.isLive = isLive
  }

  /// Looks at all trits, band by band; nil where `trits` gives none.
  package init?(
    _ granularity: ScaleGranularity, _ shape: TensorShape, trits: (MatrixBand) throws -> [Int8]?
  ) rethrows {
    self.init(ScaleGrid(granularity, granularity, shape))
    for band in shape.bands(elements: 1 << 18) {
      guard let found = try trits(band) else { return nil }
      add(found, band)
    }
  }

  /// Looks at the trits of a band.
  package mutating func add(_ trits: [Int8], _ band: MatrixBand) {
    guard let size = grid.size else {
      if !isLive[0] { isLive[0] = trits.contains { $0 != 0 } }
      return
    }
    let (perRow, columns) = (grid.perRow, band.columns)
    var start = 0
    for row in band.rows {
      var column = columns.lowerBound
      while column < columns.upperBound {
        let part = column / size
        let end = min(columns.upperBound, (part + 1) * size)
        let range = start + column - columns.lowerBound..<start + end - columns.lowerBound
        if trits[range].contains(where: { $0 != 0 }) { isLive[row * perRow + part] = true }
        column = end
      }
      start += columns.count
    }
  }
}

extension ScaleGranularity {
  /// What one scale is for.
  package var noun: String {
    switch self {
    case .tensor: "tensor"
    case .row: "row"
    case .group(let columns): "group of \(columns) weights"
    }
  }
}
