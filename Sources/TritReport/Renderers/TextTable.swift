// Tritsmith: aligned columns.

/// A table laid out for a terminal. Cells are made twice, to measure and to write, and never kept.
struct TextTable {
  private static let gap = "  "
  /// Hashes and names are not cut below this; a few characters of each would tell nothing.
  private static let narrowest = 12
  /// Where no terminal sets a width, cells are not padded further than this: one name of 10,000 characters would
  /// make every line of a long table as long. A longer cell stands as it is.
  private static let widest = 160

  /// Lines of a sentence below its row.
  private static let mostBelow = 6

  /// What remains of other texts beside a name; they are left out before they get shorter.
  private static let shortest = 20

  private let table: ReportTable
  /// The cells that are shown in place of the table's rows.
  private let rows: [[ReportValue]]?
  private var headings: [String]
  private var widths: [Int]
  /// Columns that are shown, by their places.
  private var shown: [Int]
  /// The column of sentences that have no room beside the others and stand below their rows.
  private var below: Int?
  /// Columns that nobody has a value for.
  private var empty: Set<Int> = []
  /// The column whose texts tell rows apart: the first or the second.
  private let name: Int
  /// What all names begin and end with, and is left out of them.
  private var affix: (prefix: String, suffix: String) = ("", "")
  /// The terminal's columns; cells are cut to the widths where it is known.
  private let width: Int?
  private var shortens: Bool { width != nil }

  private var columns: [ReportColumn] { table.columns }

  /// Headings of columns that have no place in the width.
  var leftOut: [String] {
    headings.indices.filter { !shown.contains($0) && !empty.contains($0) && $0 != below }.map { headings[$0] }
  }

  /// - Parameter rows: what is shown in place of the table's rows; nil for these.
  init(_ table: ReportTable, width: Int?, rows: [[ReportValue]]? = nil) {
    self.table = table
    self.rows = rows
    name = table.columns.prefix(2).firstIndex { $0.kind == .text } ?? 0
    headings = table.columns.map { safeText($0.heading) }
    shown = Array(table.columns.indices)
    self.width = width
    widths = headings.map(displayWidth)
    if let kind = table.rows.kind, rows == nil {
      // Of rows of one kind only the numbers differ, and the last is the widest.
      var seen: Set<Int> = []
      for index in table.rows.indices where seen.insert(kind(index)).inserted || index == table.rows.count - 1 {
        widen(texts(table.rows[index], missing: "-"))
      }
    } else {
      var filled: Set<Int> = [0]
      var count = 0
      forEachRow { row in
        widen(texts(row, missing: "-"))
        count += 1
        if filled.count < row.count { filled.formUnion(row.indices.filter { row[$0] != .missing }) }
      }
      // A column without a value says nothing on a terminal.
      if width != nil, count > 0 { empty = Set(table.columns.indices).subtracting(filled) }
      shown.removeAll { empty.contains($0) }
    }
    if let footer = table.footer { widen(texts(footer, missing: "")) }
    if let width { fit(into: width) } else { widths = widths.map { min($0, Self.widest) } }
  }

  private func forEachRow(_ body: ([ReportValue]) -> Void) {
    if let rows {
      for row in rows { body(row) }
    } else {
      for row in table.rows { body(row) }
    }
  }

  private func texts(_ row: [ReportValue], missing: String) -> [String] {
    zip(row, table.columns).map { safeText($1.kind.text(of: $0, missing: missing)) }
  }

  private mutating func widen(_ cells: [String]) {
    for (index, cell) in cells.enumerated() { widths[index] = max(widths[index], displayWidth(cell)) }
  }

  /// Shortens hashes and long texts, then leaves out columns, hashes first and then from the right. Names, which tell
  /// rows apart, keep what they do not share, and are cut only where they have no room alone.
  private mutating func fit(into width: Int) {
    for index in columns.indices where columns[index].kind == .hash && total > width {
      widths[index] = min(widths[index], max(displayWidth(headings[index]), Self.narrowest))
    }
    if total > width, let last = shown.last, last > name, columns[last].isProse {
      below = last
      shown.removeLast()
    }
    if total > width { takeOffAffix() }
    while least > width, shown.count > name + 1 {
      let others = shown.dropFirst(name + 1)
      let dropped = others.last { columns[$0].kind == .hash } ?? others.last { columns[$0].isAside } ?? others.last
      guard let dropped else { break }
      shown.removeAll { $0 == dropped }
    }
    while total > width {
      let candidates = shown.filter { columns[$0].kind == .text && widths[$0] > floor($0) }
      guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
      widths[widest] = max(floor(widest), widths[widest] - (total - width))
    }
    if total > width { widths[name] = max(Self.narrowest, widths[name] - (total - width)) }
  }

  /// Names lose the parts between dots that all of them have in common, paths those between slashes.
  private mutating func takeOffAffix() {
    guard columns.indices.contains(name), columns[name].kind == .text, table.footer == nil else { return }
    var separator: Character = "/"
    forEachRow { row in
      if !columns[name].kind.text(of: row[name], missing: "-").contains("/") { separator = "." }
    }
    var common: (prefix: [Substring], suffix: [Substring])?
    var count = 0
    forEachRow { row in
      let parts = safeText(columns[name].kind.text(of: row[name], missing: "-"))
        .split(separator: separator, omittingEmptySubsequences: false)
      count += 1
      // A name keeps a part of its own.
      let inner = max(0, parts.count - 1)
      guard let known = common else {
        common = (Array(parts.prefix(inner)), Array(parts.suffix(inner)))
        return
      }
      let prefix = zip(known.prefix, parts).prefix { $0 == $1 }.count
      let suffix = zip(known.suffix.reversed(), parts.reversed()).prefix { $0 == $1 }.count
      common = (
        Array(known.prefix.prefix(min(prefix, inner))),
        Array(known.suffix.suffix(min(suffix, inner - min(prefix, inner))))
      )
    }
    guard count > 1, let common, !common.prefix.isEmpty || !common.suffix.isEmpty else { return }
    let mark = String(separator)
    affix.prefix = common.prefix.isEmpty ? "" : common.prefix.joined(separator: mark) + mark
    affix.suffix = common.suffix.isEmpty ? "" : mark + common.suffix.joined(separator: mark)
    headings[name] += " (\(affix.prefix)…\(affix.suffix))"
    widths[name] = displayWidth(headings[name])
    forEachRow { row in
      let cell = withoutAffix(safeText(columns[name].kind.text(of: row[name], missing: "-")))
      widths[name] = max(widths[name], displayWidth(cell))
    }
  }

  private func withoutAffix(_ cell: String) -> String {
    guard cell.utf8.count > affix.prefix.utf8.count + affix.suffix.utf8.count else { return cell }
    return String(cell.dropFirst(affix.prefix.count).dropLast(affix.suffix.count))
  }

  private func shortened(_ row: [String]) -> [String] {
    guard shortens else { return row }
    return row.enumerated().map { index, cell in
      switch (index, columns[index].kind) {
      case (name, .text): truncatedInMiddle(withoutAffix(cell), to: widths[index])
      case (_, .hash): truncatedAtEnd(cell, to: widths[index])
      case (_, .text): truncatedAtEnd(cell, to: widths[index])
      default: cell
      }
    }
  }

  private func floor(_ index: Int) -> Int {
    index == name ? widths[name] : min(widths[index], max(displayWidth(headings[index]), Self.shortest))
  }

  private var least: Int {
    shown.reduce(0) { $0 + (columns[$1].kind == .text ? floor($1) : widths[$1]) } + gaps
  }

  private var total: Int { shown.reduce(0) { $0 + widths[$1] } + gaps }

  private var gaps: Int { max(0, shown.count - 1) * Self.gap.count }

  /// Writes heading, rule, rows, and a second rule above the totals.
  func write(to output: inout some TextOutputStream, styledHeading: (String) -> String) {
    let rule = shown.map { String(repeating: "─", count: widths[$0]) }.joined(separator: Self.gap)
    output.write(styledHeading(line(headings)) + "\n" + rule + "\n")
    if table.rows.isEmpty { output.write("(none)\n") }
    if table.rows.kind != nil, rows == nil, shown.first == 0 {
      let others = table.rows.remembering { cells in
        line(shortened(texts([.missing] + cells, missing: "-")), of: shown.dropFirst())
      }
      for index in table.rows.indices {
        let rest = others(index)
        let number = line([columns[0].kind.text(of: .integer(index), missing: "-")], of: [0])
        output.write((rest.isEmpty ? number : number + Self.gap + rest) + "\n")
      }
    } else {
      forEachRow { row in
        let cells = texts(row, missing: "-")
        output.write(line(shortened(cells)) + "\n")
        if let below { for line in sentence(cells[below]) { output.write("  " + line + "\n") } }
      }
    }
    if let footer = table.footer { output.write(rule + "\n" + line(shortened(texts(footer, missing: ""))) + "\n") }
  }

  /// A text below its row; its indentation comes before each line.
  private func sentence(_ text: String) -> [String] {
    guard let width, !text.isEmpty else { return [] }
    let lines = wrappedLines(text, hanging: 0, width: width - 2)
    let rest = lines.count > Self.mostBelow ? ["…"] : []
    return lines.prefix(Self.mostBelow - rest.count).map { truncatedAtEnd($0, to: width - 2) } + rest
  }

  private func line(_ cells: [String]) -> String { line(cells, of: shown[...]) }

  private func line(_ cells: [String], of places: ArraySlice<Int>) -> String {
    var result = ""
    for index in places {
      if index != places.first { result += Self.gap }
      let padding = spaces(max(0, widths[index] - displayWidth(cells[index])))
      switch columns[index].alignment {
      case .right: result += padding + cells[index]
      case .left: result += index == shown.last ? cells[index] : cells[index] + padding
      }
    }
    while result.last == " " { result.removeLast() }
    return result
  }
}
