// Tritsmith: aligned columns.

import VisibleText

/// A table laid out for a terminal. Cells are made twice, to measure and to write, and never kept.
struct TextTable {
  private static let gap = "  "
  /// Hashes and names are not cut below this; a few characters of each would tell nothing.
  private static let narrowest = 12
  /// Where no terminal sets a width, cells are not padded further than this: one name of 10,000 characters would
  /// make every line of a long table as long. A longer cell stands as it is.
  private static let widest = 160

  /// A sentence stands in its column where that has this room, and where that many lines are enough.
  private static let proseRoom = 24
  private static let proseLines = 3
  /// What a line of a sentence may leave empty before a word that is a number and its sign.
  private static let proseSlack = 10

  /// The only column beside the names is cut where it has this room, and else left out.
  private static let shortest = 20

  private let table: ReportTable
  private var headings: [String]
  private var widths: [Int]
  /// Columns that are shown, by their places.
  private var shown: [Int]
  /// Columns of sentences that have no room beside the others and stand below their rows.
  private var below: [Int] = []
  /// Columns that nobody has a value for.
  private var empty: Set<Int> = []
  /// The column whose texts tell rows apart: the first or the second.
  private let name: Int
  /// What all names begin and end with, and is left out of them.
  private var affix: (prefix: String, suffix: String) = ("", "")
  /// The same above the table, where the heading has no room for it.
  private var note: String?
  /// The terminal's columns; cells are cut to the widths where it is known.
  private let width: Int?
  /// Lines of a sentence, at most.
  private let mostLines: Int
  private var shortens: Bool { width != nil }

  private var columns: [ReportColumn] { table.columns }

  /// Headings of columns that have no place in the width.
  var leftOut: [String] {
    headings.indices.filter { !shown.contains($0) && !empty.contains($0) && !below.contains($0) }.map { headings[$0] }
  }

  init(_ table: ReportTable, width: Int?, mostLines: Int = 6) {
    self.table = table
    name = table.columns.prefix(2).firstIndex { $0.kind == .text } ?? 0
    headings = table.columns.map { safeText($0.heading) }
    shown = Array(table.columns.indices)
    (self.width, self.mostLines) = (width, mostLines)
    widths = headings.map(displayWidth)
    if let kind = table.rows.kind {
      // Of rows of one kind only the numbers differ, and the last is the widest.
      var seen: Set<Int> = []
      for index in table.rows.indices where seen.insert(kind(index)).inserted || index == table.rows.count - 1 {
        widen(texts(table.rows[index], missing: "-"))
      }
    } else {
      var filled: Set<Int> = [0]
      for row in table.rows {
        widen(texts(row, missing: "-"), but: width == nil ? nil : runningOver(row))
        if filled.count < row.count { filled.formUnion(row.indices.filter { row[$0] != .missing }) }
      }
      // A column without a value says nothing on a terminal.
      if width != nil, !table.rows.isEmpty { empty = Set(table.columns.indices).subtracting(filled) }
      shown.removeAll { empty.contains($0) }
    }
    if let footer = table.footer { widen(texts(footer, missing: "")) }
    if let width { fit(into: width) } else { widths = widths.map { min($0, Self.widest) } }
  }

  private func texts(_ row: [ReportValue], missing: String) -> [String] {
    zip(row, table.columns).map { safeText($1.kind.text(of: $0, missing: missing)) }
  }

  /// The cell of a row that goes on over the columns to its right, which are empty.
  private func runningOver(_ row: [ReportValue]) -> Int? {
    guard let last = row.lastIndex(where: { $0 != .missing }), columns[last].runsOver, last < row.count - 1 else {
      return nil
    }
    return last
  }

  private mutating func widen(_ cells: [String], but free: Int? = nil) {
    for (index, cell) in cells.enumerated() where index != free {
      widths[index] = max(widths[index], displayWidth(cell))
    }
  }

  /// Shortens hashes, gives sentences several lines, and leaves out columns: hashes first, then those that are aside,
  /// then one that is enough, from the right. Names, which tell rows apart, keep what they do not share, and are cut
  /// only where they have no room alone.
  private mutating func fit(into width: Int) {
    for index in columns.indices where columns[index].kind == .hash && total > width {
      widths[index] = min(widths[index], max(displayWidth(headings[index]), Self.narrowest))
    }
    if total > width { takeOffAffix() }
    if total > width { placeProse(width) }
    if total > width { shortenHeading() }
    while total > width {
      let others = shown.filter { $0 > name }
      if others.count == 1, let last = others.last, columns[last].kind == .text {
        let room = width - (total - widths[last])
        if room >= Self.shortest {
          widths[last] = room
          break
        }
      }
      let enough = others.last { total - widths[$0] - Self.gap.count <= width }
      guard let dropped = firstToGo(others) ?? enough ?? others.last else { break }
      shown.removeAll { $0 == dropped }
    }
    if total > width { widths[name] = max(Self.narrowest, widths[name] - (total - width)) }
  }

  /// The column that readers miss least.
  private func firstToGo(_ others: [Int]) -> Int? {
    if let hash = others.last(where: { columns[$0].kind == .hash }) { return hash }
    let rank = others.map { columns[$0].asideRank }.max() ?? 0
    return rank > 0 ? others.last { columns[$0].asideRank == rank } : nil
  }

  /// Makes room for sentences: in their column, in as many lines as it takes, or below the rows.
  private mutating func placeProse(_ width: Int) {
    let prose = shown.filter { $0 > name && columns[$0].isProse }
    if prose.count == 1, let place = prose.first, !saysOneThing(place) {
      // Columns that may go make room for it. Where few lines are left words do not fill them to the end.
      var kept = shown
      let lines = min(Self.proseLines, mostLines)
      let slack = mostLines > Self.proseLines ? 0 : Self.proseSlack
      while true {
        let others = kept.reduce(0) { $0 + ($1 == place ? 0 : widths[$1]) }
        let room = width - others - (kept.count - 1) * Self.gap.count
        if room >= max(Self.proseRoom, displayWidth(headings[place])), widths[place] <= lines * (room - slack),
          widths[place] <= room || !repeats(place)
        {
          (shown, widths[place]) = (kept, min(widths[place], room))
          return
        }
        guard let dropped = firstToGo(kept.filter { $0 > name && $0 != place }) else { break }
        kept.removeAll { $0 == dropped }
      }
    }
    below = prose
    shown.removeAll { prose.contains($0) }
  }

  /// Whether several rows have one text, which below them is said once.
  private func saysOneThing(_ place: Int) -> Bool {
    guard table.rows.count > 1, let first = table.rows.first?[place] else { return false }
    return table.rows.allSatisfy { $0[place] == first }
  }

  /// Whether neighbouring rows have one text: in lines of its column it would be said again and again.
  private func repeats(_ place: Int) -> Bool {
    var previous = ReportValue.missing
    for row in table.rows {
      if row[place] != .missing, row[place] == previous { return true }
      previous = row[place]
    }
    return false
  }

  /// Names lose the parts between dots that all of them have in common, paths those between slashes.
  private mutating func takeOffAffix() {
    guard columns.indices.contains(name), columns[name].kind == .text else { return }
    var separator: Character = "/"
    for row in table.rows {
      let text = columns[name].kind.text(of: row[name], missing: "-")
      // An equation is no path.
      if text.contains(text: " = ") { return }
      if !text.contains("/") { separator = "." }
    }
    var common: (prefix: [Substring], suffix: [Substring])?
    var count = 0
    for row in table.rows {
      let parts = safeText(columns[name].kind.text(of: row[name], missing: "-"))
        .split(separator: separator, omittingEmptySubsequences: false)
      count += 1
      // A name keeps a part of its own.
      let inner = max(0, parts.count - 1)
      guard let known = common else {
        common = (Array(parts.prefix(inner)), Array(parts.suffix(inner)))
        continue
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
    for row in table.rows {
      let cell = withoutAffix(safeText(columns[name].kind.text(of: row[name], missing: "-")))
      widths[name] = max(widths[name], displayWidth(cell))
    }
  }

  /// Says what names have in common above the table: in the heading it would take the place of other columns.
  private mutating func shortenHeading() {
    guard affix != ("", "") else { return }
    let heading = safeText(columns[name].heading)
    let needed = table.rows.reduce(displayWidth(heading)) { widest, row in
      max(widest, displayWidth(withoutAffix(safeText(columns[name].kind.text(of: row[name], missing: "-")))))
    }
    guard needed < widths[name] else { return }
    (headings[name], widths[name]) = (heading, needed)
    note = "\(heading): \(affix.prefix)…\(affix.suffix)"
  }

  private func withoutAffix(_ cell: String) -> String {
    guard cell.utf8.count > affix.prefix.utf8.count + affix.suffix.utf8.count, cell.hasPrefix(affix.prefix),
      cell.hasSuffix(affix.suffix)
    else { return cell }
    return String(cell.dropFirst(affix.prefix.count).dropLast(affix.suffix.count))
  }

  private func shortened(_ row: [String]) -> [String] {
    guard shortens else { return row }
    return row.enumerated().map { index, cell in
      switch (index, columns[index].kind) {
      case (name, .text): truncatedInMiddle(withoutAffix(cell), to: widths[index])
      case (_, .hash): truncatedAtEnd(cell, to: widths[index])
      case (_, .text): columns[index].isProse ? cell : truncatedAtEnd(cell, to: widths[index])
      default: cell
      }
    }
  }

  private var total: Int { shown.reduce(0) { $0 + widths[$1] } + max(0, shown.count - 1) * Self.gap.count }

  /// Writes heading, rule, rows, and a second rule above the totals.
  func write(to output: inout some TextOutputStream, styledHeading: (String) -> String) {
    if let note, let width { output.write(truncatedInMiddle(note, to: width) + "\n") }
    let rule = shown.map { String(repeating: "─", count: widths[$0]) }.joined(separator: Self.gap)
    output.write(styledHeading(line(headings)) + "\n" + rule + "\n")
    if table.rows.kind != nil, shown.first == 0, !shown.contains(where: { columns[$0].isProse }), below.isEmpty {
      let others = table.rows.remembering { cells in
        line(shortened(texts([.missing] + cells, missing: "-")), of: shown.dropFirst())
      }
      for index in table.rows.indices {
        let rest = others(index)
        let number = line([columns[0].kind.text(of: .integer(index), missing: "-")], of: [0])
        output.write((rest.isEmpty ? number : number + Self.gap + rest) + "\n")
      }
    } else {
      writeRows(to: &output)
    }
    if let footer = table.footer { output.write(rule + "\n" + line(shortened(texts(footer, missing: ""))) + "\n") }
  }

  private func writeRows(to output: inout some TextOutputStream) {
    // Rows that say the same below them say it once.
    var waiting: (texts: [String], count: Int) = ([], 0)
    for row in table.rows {
      if !below.isEmpty {
        let said = below.map { row[$0] == .missing ? "" : texts(row, missing: "")[$0] }
        if waiting.count > 0, said != waiting.texts {
          write(waiting.texts, of: waiting.count, to: &output)
          waiting.count = 0
        }
        waiting = (said, waiting.count + 1)
      }
      for line in lines(of: row) { output.write(line + "\n") }
    }
    if waiting.count > 0 { write(waiting.texts, of: waiting.count, to: &output) }
  }

  /// What stands below one row, or below several that say the same.
  private func write(_ texts: [String], of count: Int, to output: inout some TextOutputStream) {
    guard let width else { return }
    for (text, place) in zip(texts, below) where !text.isEmpty {
      // What is said is said of one: "has shape [1000]".
      let whose = count > 1 ? "each of \(count): " : ""
      let intro = whose + (below.count > 1 ? headings[place] + ": " : "")
      for line in lines(of: intro + text, in: width - 2) { output.write("  " + line + "\n") }
    }
  }

  /// A sentence in as many lines as there may be; the last of more ends with an ellipsis, for a line of nothing else would
  /// tell nothing.
  private func lines(of text: String, in width: Int) -> [String] {
    var lines = wrappedLines(text, hanging: 0, width: width)
    if lines.count > mostLines, mostLines > 0 {
      lines = Array(lines.prefix(mostLines))
      lines[mostLines - 1] += " …"
    }
    return lines.map { truncatedAtEnd($0, to: width) }
  }

  /// A row, with further lines where a sentence has several.
  private func lines(of row: [ReportValue]) -> [String] {
    var cells = shortened(texts(row, missing: "-"))
    if let width, let free = runningOver(row), let place = shown.firstIndex(of: free) {
      // Two lists of ids differ at their ends as well: what has no room goes on below.
      let indent = shown[..<place].reduce(0) { $0 + widths[$1] + Self.gap.count }
      let parts = lines(of: texts(row, missing: "")[free], in: width - indent)
      cells[free] = parts.first ?? ""
      return [line(cells, of: shown[...place])] + parts.dropFirst().map { spaces(indent) + $0 }
    }
    guard shortens, let prose = shown.first(where: { $0 > name && columns[$0].isProse }) else { return [line(cells)] }
    let parts = lines(of: cells[prose], in: widths[prose])
    cells[prose] = parts.first ?? ""
    let indent = shown.prefix { $0 != prose }.reduce(0) { $0 + widths[$1] + Self.gap.count }
    return [line(cells)] + parts.dropFirst().map { spaces(indent) + $0 }
  }

  private func line(_ cells: [String]) -> String { line(cells, of: shown[...]) }

  private func line(_ cells: [String], of places: ArraySlice<Int>) -> String {
    var result = ""
    for index in places {
      if index != places.first { result += Self.gap }
      let padding = spaces(max(0, widths[index] - displayWidth(cells[index])))
      switch columns[index].alignment {
      case .right: result += padding + cells[index]
      case .left: result += index == places.last ? cells[index] : cells[index] + padding
      }
    }
    while result.last == " " { result.removeLast() }
    return result
  }
}
