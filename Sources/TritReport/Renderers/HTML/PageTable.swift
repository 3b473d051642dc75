// Tritsmith: tables that sort and filter.

import LibC

/// A table of a page: headings are buttons, cells carry the full number, a box of its own scrolls.
struct PageTable {
  private let table: ReportTable
  /// Indices of the columns that are shown.
  private let kept: [Int]
  /// How the values of every column are shown: of numbers of one order with a fixed count of digits.
  private let kinds: [ReportKind]
  private let page: PageBlocks
  /// Fewer rows than this need no filter.
  private static let filterFrom = 9

  /// A column nobody has a value for says nothing, so a page leaves it out.
  init(_ table: ReportTable, page: PageBlocks) {
    (self.table, self.page) = (table, page)
    kept = table.columnsWithValues
    kinds = table.kindsForReading
  }

  private var columns: [ReportColumn] { kept.map { table.columns[$0] } }

  /// Row by row: a model has tens of thousands of tensors.
  func write(to output: inout some TextOutputStream) {
    let name = table.title ?? table.key
    // Tables of many columns are printed on paper turned sideways.
    let broad = columns.count > 9 ? " broad" : ""
    output.write("<div class=\"table\(broad)\" id=\"table-\(htmlText(table.key))\"><div class=\"tools\">")
    output.write(table.title.map { "<h3>\(htmlText($0))</h3>" } ?? "")
    if table.rows.count >= PageTable.filterFrom {
      output.write("<label hidden>Filter<input type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label>")
      output.write("<output>\(NumberText.grouped(table.rows.count)) rows</output>")
    }
    output.write("</div>" + (table.caption.map { "<p class=\"aside\">\(htmlText($0))</p>" } ?? ""))
    output.write(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"\(htmlText(name))\"><table>\n<thead><tr>")
    output.write(columns.map(head).joined() + "</tr></thead>\n<tbody>\n")
    for row in table.rows { output.write("<tr>\(cells(row, isTotal: false))</tr>\n") }
    output.write("</tbody>")
    if let footer = table.footer { output.write("\n<tfoot><tr>\(cells(footer, isTotal: true))</tr></tfoot>") }
    output.write("</table></div>")
    output.write(legend + "</div>\n")
  }

  private func head(_ column: ReportColumn) -> String {
    let attributes = page.explanation(column.explanation, column.definition)
    let side = column.alignment == .right ? " class=\"n\"" : ""
    return "<th scope=\"col\"\(side)><button type=\"button\"\(attributes.map { " class=\"why\"" + $0 } ?? "")>"
      + "\(htmlText(column.heading))</button></th>"
  }

  private func cells(_ row: [ReportValue], isTotal: Bool) -> String {
    var result = ""
    for index in kept {
      let (value, column) = (row[index], table.columns[index])
      if index == 0 {
        result +=
          "<th scope=\"row\"\(number(value))>\(value == .missing ? "" : rowName(value, column))</th>"
      } else if isTotal && value == .missing {
        result += "<td></td>"
      } else {
        result += "<td\(attributes(value, column))>\(page.value(value, kinds[index], exact: false))</td>"
      }
    }
    return result
  }

  /// Long names may break behind their points and slashes.
  private func rowName(_ value: ReportValue, _ column: ReportColumn) -> String {
    let text = page.value(value, column.kind, exact: false)
    guard case .text = value, column.kind == .text, text.utf8.count > 20 else { return text }
    return text.reduce(into: "") { $0 += $1 == "." || $1 == "/" ? "\($1)<wbr>" : String($1) }
  }

  private func attributes(_ value: ReportValue, _ column: ReportColumn) -> String {
    var classes: [String] = []
    var extra = ""
    if column.alignment == .right { classes.append("n") }
    if case .text(let text) = value, column.kind == .text, text.utf8.count > 40 { classes.append("t") }
    if value == .missing { classes.append("none") }
    if case .fraction = column.kind, case .number(let share) = value, (0...1).contains(share) {
      classes.append("f")
      extra = " style=\"--p:\(NumberText.fixed(share, digits: 3))\""
    }
    return (classes.isEmpty ? "" : " class=\"\(classes.joined(separator: " "))\"") + number(value) + extra
  }

  /// The full number, for sorting and for those who ask.
  private func number(_ value: ReportValue) -> String {
    switch value {
    case .integer(let number): " data-v=\"\(number)\""
    case .unsigned(let number), .bytes(let number): " data-v=\"\(number)\""
    case .number(let number):
      " data-v=\"\(number.isNaN ? "NaN" : number.isInfinite ? (number < 0 ? "-Infinity" : "Infinity") : "\(number)")\""
    case .text, .bool, .list, .integers, .missing: ""
    }
  }

  /// What the columns mean, for keyboards and for those who read everything.
  private var legend: String {
    let entries = columns.compactMap { column -> String? in
      guard let text = column.explanation ?? page.text(of: column.definition) else { return nil }
      let term = page.explained(column.heading, nil, column.definition)
      return "<div><dt>\(term)</dt><dd>\(htmlText(text))</dd></div>"
    }
    guard !entries.isEmpty else { return "" }
    return "<details class=\"meaning\"><summary>Meaning of the columns</summary><dl>\(entries.joined())</dl></details>"
  }
}

extension ReportTable {
  /// The kinds of the columns, so that the numbers of each are written alike.
  fileprivate var kindsForReading: [ReportKind] {
    var ranges = [(least: Double, most: Double)](repeating: (.infinity, 0), count: columns.count)
    let chosen = columns.indices.filter { if case .significant = columns[$0].kind { true } else { false } }
    guard !chosen.isEmpty else { return columns.map(\.kind) }
    for row in rows {
      for index in chosen {
        guard case .number(let value) = row[index], value.isFinite, value != 0 else { continue }
        ranges[index] = (min(ranges[index].least, abs(value)), max(ranges[index].most, abs(value)))
      }
    }
    return zip(columns, ranges).map { $0.kind.forReading(least: $1.least, most: $1.most) }
  }

  /// The first column and all others that have a value in some row.
  fileprivate var columnsWithValues: [Int] {
    guard !rows.isEmpty else { return Array(columns.indices) }
    var empty = Set(columns.indices.dropFirst())
    for row in rows where !empty.isEmpty { empty = empty.filter { row[$0] == .missing } }
    return columns.indices.filter { !empty.contains($0) }
  }
}

extension ReportKind {
  /// The kind for numbers that stand together: the same digits behind the point, as far as the smallest needs them.
  ///
  /// - Parameters:
  ///   - least: the smallest magnitude but 0.
  ///   - most: the largest.
  func forReading(least: Double, most: Double) -> ReportKind {
    guard case .significant(let digits) = self, most > 0, most < 1e6, least > 0, least <= most else { return self }
    let ofMost = digits - 1 - Int(log10(most).rounded(.down))
    if least >= most / 100 { return .decimal(digits: max(0, min(9, ofMost))) }
    let ofLeast = 1 - Int(log10(least).rounded(.down))
    // More digits of the largest would be noise: numbers so far apart have exponents.
    return ofLeast <= min(8, ofMost + 2) ? .decimal(digits: max(0, ofMost, ofLeast)) : self
  }
}

extension PageBlocks {
  /// The first line of a definition.
  func text(of definition: String?) -> String? {
    guard let definition, let entry = glossary[definition] else { return nil }
    return entry.text.split(separator: "\n").first.map(String.init)
  }
}
