// Tritsmith: tables that sort and filter.

/// A table of a page: headings are buttons, cells carry the full number, a box of its own scrolls.
struct PageTable {
  private let table: ReportTable
  private let page: PageBlocks
  /// Fewer rows than this need no filter.
  private static let filterFrom = 9

  /// A column nobody has a value for says nothing, so a page leaves it out.
  init(_ table: ReportTable, page: PageBlocks) {
    (self.table, self.page) = (table.withoutEmptyColumns, page)
  }

  var html: String {
    let name = table.title ?? table.key
    // Tables of many columns are printed on paper turned sideways.
    let broad = table.columns.count > 9 ? " broad" : ""
    var html = "<div class=\"table\(broad)\" id=\"table-\(htmlText(table.key))\"><div class=\"tools\">"
    html += table.title.map { "<h3>\(htmlText($0))</h3>" } ?? ""
    if table.rows.count >= PageTable.filterFrom {
      html += "<label hidden>Filter<input type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label>"
      html += "<output>\(table.rows.count) rows</output>"
    }
    html += "</div>" + (table.caption.map { "<p class=\"aside\">\(htmlText($0))</p>" } ?? "")
    html += "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"\(htmlText(name))\"><table>\n<thead><tr>"
    html += table.columns.map(head).joined() + "</tr></thead>\n<tbody>\n"
    for row in table.rows { html += "<tr>\(cells(row, isTotal: false))</tr>\n" }
    if table.rows.isEmpty { html += "<tr hidden>\(table.columns.map { _ in "<td></td>" }.joined())</tr>" }
    html += "</tbody>"
    if let footer = table.footer { html += "\n<tfoot><tr>\(cells(footer, isTotal: true))</tr></tfoot>" }
    html += "</table></div>"
    if table.rows.isEmpty { html += "<p class=\"aside\">(none)</p>" }
    return html + legend + "</div>\n"
  }

  private func head(_ column: ReportColumn) -> String {
    let attributes = page.explanation(column.explanation, column.definition)
    let side = column.alignment == .right ? " class=\"n\"" : ""
    return "<th scope=\"col\"\(side)><button type=\"button\"\(attributes.map { " class=\"why\"" + $0 } ?? "")>"
      + "\(htmlText(column.heading))</button></th>"
  }

  private func cells(_ row: [ReportValue], isTotal: Bool) -> String {
    var result = ""
    for (index, value) in row.enumerated() {
      let column = table.columns[index]
      if index == 0 {
        result +=
          "<th scope=\"row\"\(number(value))>\(value == .missing ? "" : rowName(value, column))</th>"
      } else if isTotal && value == .missing {
        result += "<td></td>"
      } else {
        result += "<td\(attributes(value, column))>\(page.value(value, column.kind, exact: false))</td>"
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
    case .text, .bool, .list, .missing: ""
    }
  }

  /// What the columns mean, for keyboards and for those who read everything.
  private var legend: String {
    let entries = table.columns.compactMap { column -> String? in
      guard let text = column.explanation ?? page.text(of: column.definition) else { return nil }
      let term = page.explained(column.heading, nil, column.definition)
      return "<div><dt>\(term)</dt><dd>\(htmlText(text))</dd></div>"
    }
    guard !entries.isEmpty else { return "" }
    return "<details><summary>What the columns mean</summary><dl>\(entries.joined())</dl></details>"
  }
}

extension ReportTable {
  /// The table with its first column and all others that have a value in some row.
  fileprivate var withoutEmptyColumns: ReportTable {
    let kept = columns.indices.filter { column in
      column == 0 || rows.isEmpty || rows.contains { $0[column] != .missing }
    }
    guard kept.count < columns.count else { return self }
    var table = ReportTable(key: key, title: title, columns: kept.map { columns[$0] }, caption: caption)
    for row in rows { table.append(kept.map { row[$0] }) }
    if let footer { table.setFooter(kept.map { footer[$0] }) }
    return table
  }
}

extension PageBlocks {
  /// The first line of a definition.
  func text(of definition: String?) -> String? {
    guard let definition, let entry = glossary[definition] else { return nil }
    return entry.text.split(separator: "\n").first.map(String.init)
  }
}
