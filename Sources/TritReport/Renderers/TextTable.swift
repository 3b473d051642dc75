// Tritsmith: aligned columns.

/// A table laid out for a terminal. Cells are made twice, to measure and to write, and never kept.
struct TextTable {
  private static let gap = "  "
  /// Names are not cut below this; a few characters of each would tell nothing.
  private static let narrowest = 12
  /// Where no terminal sets a width, cells are not padded further than this: one name of 10,000 characters would
  /// make every line of a long table as long. A longer cell stands as it is.
  private static let widest = 160

  private let table: ReportTable
  private let headings: [String]
  private var widths: [Int]
  /// Whether cells are cut to the widths.
  private let shortens: Bool

  private var columns: [ReportColumn] { table.columns }

  init(_ table: ReportTable, width: Int?) {
    self.table = table
    headings = table.columns.map { safeText($0.heading) }
    shortens = width != nil
    widths = headings.map(displayWidth)
    for row in table.rows { widen(texts(row, missing: "-")) }
    if let footer = table.footer { widen(texts(footer, missing: "")) }
    if let width { fit(into: width) } else { widths = widths.map { min($0, Self.widest) } }
  }

  private func texts(_ row: [ReportValue], missing: String) -> [String] {
    zip(row, table.columns).map { safeText($1.kind.text(of: $0, missing: missing)) }
  }

  private mutating func widen(_ cells: [String]) {
    for (index, cell) in cells.enumerated() { widths[index] = max(widths[index], displayWidth(cell)) }
  }

  /// Shortens hashes first, then takes columns off the widest text column until the table fits or nothing is left to cut.
  private mutating func fit(into width: Int) {
    for index in columns.indices where columns[index].kind == .hash && total > width {
      widths[index] = min(widths[index], max(displayWidth(headings[index]), Self.narrowest))
    }
    while total > width {
      let candidates = columns.indices.filter { columns[$0].kind == .text && widths[$0] > floor($0) }
      guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
      widths[widest] = max(floor(widest), widths[widest] - (total - width))
    }
  }

  private func shortened(_ row: [String]) -> [String] {
    guard shortens else { return row }
    return row.enumerated().map { index, cell in
      columns[index].kind == .hash
        ? truncatedAtEnd(cell, to: widths[index]) : truncatedInMiddle(cell, to: widths[index])
    }
  }

  private func floor(_ index: Int) -> Int {
    max(displayWidth(headings[index]), Self.narrowest)
  }

  private var total: Int {
    widths.reduce(0, +) + max(0, widths.count - 1) * Self.gap.count
  }

  /// Writes heading, rule, rows, and a second rule above the totals.
  func write(to output: inout some TextOutputStream, styledHeading: (String) -> String) {
    let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: Self.gap)
    output.write(styledHeading(line(headings)) + "\n" + rule + "\n")
    if table.rows.isEmpty { output.write("(none)\n") }
    for row in table.rows { output.write(line(shortened(texts(row, missing: "-"))) + "\n") }
    if let footer = table.footer { output.write(rule + "\n" + line(shortened(texts(footer, missing: ""))) + "\n") }
  }

  private func line(_ cells: [String]) -> String {
    var result = ""
    for (index, cell) in cells.enumerated() {
      if index > 0 { result += Self.gap }
      let padding = spaces(max(0, widths[index] - displayWidth(cell)))
      switch columns[index].alignment {
      case .right: result += padding + cell
      case .left: result += index == cells.count - 1 ? cell : cell + padding
      }
    }
    while result.last == " " { result.removeLast() }
    return result
  }
}
