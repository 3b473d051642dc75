// Tritsmith: tables of a report.

/// A column: what machines call it, what people read above it, and how its values are shown.
package struct ReportColumn: Sendable, Hashable {
  /// The name in JSON and CSV, in snake case.
  package var key: String
  /// The heading.
  package var title: String
  /// How values are shown.
  package var kind: ReportKind
  /// The side values lean to.
  package var alignment: ReportAlignment
  /// The unit, shown in the heading: "ms".
  package var unit: String?
  /// What the numbers mean, for those who ask; shown in pages only.
  package var explanation: String?
  /// The id of a definition in the glossary.
  package var definition: String?
  /// How soon a terminal without room for all columns leaves this one out: those of the highest rank first, of 0 last.
  package var asideRank = 0
  /// Whether it goes before others.
  package var isAside: Bool {
    get { asideRank > 0 }
    set { asideRank = newValue ? 1 : 0 }
  }
  /// Whether its texts are sentences, which a terminal without room writes in several lines, or below their rows.
  package var isProse = false
  /// Whether its texts run over columns to their right that a row has no values for.
  package var runsOver = false

  /// Describes a column; the alignment follows from the kind unless given.
  package init(
    _ key: String, _ title: String, kind: ReportKind = .text, alignment: ReportAlignment? = nil, unit: String? = nil,
    explanation: String? = nil, definition: String? = nil
  ) {
    self.key = key
    self.title = title
    self.kind = kind
    self.alignment = alignment ?? kind.defaultAlignment
    self.unit = unit
    (self.explanation, self.definition) = (explanation, definition)
  }

  /// The heading with its unit.
  package var heading: String {
    unit.map { "\(title) (\($0))" } ?? title
  }
}

/// A table with typed cells.
package struct ReportTable: Sendable, Hashable {
  /// The name in JSON, in snake case.
  package var key: String
  /// The heading above the table, if any.
  package var title: String?
  /// The columns from left to right.
  package var columns: [ReportColumn]
  /// The rows, each with one value per column.
  package private(set) var rows = ReportRows()
  /// Totals below the rows, one value per column.
  package private(set) var footer: [ReportValue]?
  /// What the table shows, in a sentence or two; shown in pages only.
  package var caption: String?
  /// How bad each row is, where that is known: of rows that are told together, the worst speaks for the others.
  package var badness: [Double] = []

  /// An empty table.
  package init(key: String, title: String? = nil, columns: [ReportColumn], caption: String? = nil) {
    self.key = key
    self.caption = caption
    self.title = title
    self.columns = columns
  }

  /// A table whose rows are made when they are shown, each with exactly one value per column.
  package init(
    key: String, title: String? = nil, columns: [ReportColumn], caption: String? = nil, rowCount: Int,
    row: @escaping @Sendable (Int) -> [ReportValue]
  ) {
    self.init(key: key, title: title, columns: columns, caption: caption)
    let width = columns.count
    rows = ReportRows(count: rowCount) { index in
      let row = row(index)
      precondition(row.count == width, "Table '\(key)': \(row.count) values for \(width) columns")
      return row
    }
  }

  /// A table of numbered rows of few kinds, see `ReportRows`; `others` gives the cells of a kind behind the number.
  package init(
    key: String, title: String? = nil, columns: [ReportColumn], caption: String? = nil, rowCount: Int,
    kind: @escaping @Sendable (Int) -> Int, others: @escaping @Sendable (Int) -> [ReportValue]
  ) {
    self.init(key: key, title: title, columns: columns, caption: caption)
    let width = columns.count - 1
    rows = ReportRows(count: rowCount, kind: kind) { kind in
      let cells = others(kind)
      precondition(cells.count == width, "Table '\(key)': \(cells.count) values behind the number, not \(width)")
      return cells
    }
  }

  /// Adds a row with exactly one value per column.
  package mutating func append(_ row: [ReportValue]) {
    precondition(row.count == columns.count, "Table '\(key)': \(row.count) values for \(columns.count) columns")
    rows.append(row)
  }

  /// The same table with other rows.
  func showing(_ rows: some Sequence<[ReportValue]>) -> ReportTable {
    var table = self
    (table.rows, table.badness) = (ReportRows(Array(rows)), [])
    return table
  }

  /// Sets the totals with exactly one value per column.
  package mutating func setFooter(_ row: [ReportValue]) {
    precondition(row.count == columns.count, "Table '\(key)': \(row.count) totals for \(columns.count) columns")
    footer = row
  }
}
