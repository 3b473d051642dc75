// Tritsmith: aligned columns.

/// A table laid out for a terminal.
struct TextTable {
  private static let gap = "  "
  /// Names are not cut below this; a few characters of each would tell nothing.
  private static let narrowest = 12
  /// Where no terminal sets a width, cells are not padded further than this: one name of 10,000 characters would
  /// make every line of a long table as long. A longer cell stands as it is.
  private static let widest = 160

  private let columns: [ReportColumn]
  private let headings: [String]
  private var rows: [[String]]
  private var footer: [String]?
  private var widths: [Int]

  init(_ table: ReportTable, width: Int?) {
    columns = table.columns
    headings = table.columns.map { safeText($0.heading) }
    let columns = columns
    func texts(_ row: [ReportValue], missing: String) -> [String] {
      zip(row, columns).map { safeText($1.kind.text(of: $0, missing: missing)) }
    }
    rows = table.rows.map { texts($0, missing: "-") }
    footer = table.footer.map { texts($0, missing: "") }
    widths = headings.map(displayWidth)
    for row in rows + (footer.map { [$0] } ?? []) {
      for (index, cell) in row.enumerated() { widths[index] = max(widths[index], displayWidth(cell)) }
    }
    if let width { fit(into: width) } else { widths = widths.map { min($0, Self.widest) } }
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
    func shorten(_ row: [String]) -> [String] {
      row.enumerated().map { index, cell in
        columns[index].kind == .hash
          ? truncatedAtEnd(cell, to: widths[index]) : truncatedInMiddle(cell, to: widths[index])
      }
    }
    rows = rows.map(shorten)
    footer = footer.map(shorten)
  }

  private func floor(_ index: Int) -> Int {
    max(displayWidth(headings[index]), Self.narrowest)
  }

  private var total: Int {
    widths.reduce(0, +) + max(0, widths.count - 1) * Self.gap.count
  }

  /// Heading, rule, rows, and a second rule above the totals.
  func lines(styledHeading: (String) -> String) -> [String] {
    let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: Self.gap)
    var lines = [styledHeading(line(headings)), rule]
    lines += rows.isEmpty ? ["(none)"] : rows.map(line)
    if let footer { lines += [rule, line(footer)] }
    return lines
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
