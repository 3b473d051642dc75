// Tritsmith: reports for spreadsheets and data frames.

import VisibleText

/// One table as RFC 4180 text: a header of column keys, CRLF line ends, quotes only where needed.
///
/// A file holds one table, by default the document's primary one. A document without tables becomes rows of
/// `section,key,value`. Missing values are empty fields; numbers carry every digit and non-finite ones read `nan`,
/// `inf`, `-inf`; totals are left out, because a reader would add them in again. Text that a spreadsheet would run as a
/// formula gets an apostrophe in front, unless it is to be kept.
package struct CSVRenderer: ReportRenderer {
  /// The key of the table to write; the document's primary table when nil.
  package var table: String?
  /// What is spelled out; the bytes of a name are kept unless it is shown to a person.
  package var spelling: TextSpelling
  /// Leaves text that a spreadsheet would run as it is.
  package var keepsFormulas: Bool

  /// A renderer for one table.
  package init(table: String? = nil, spelling: TextSpelling = .kept, keepsFormulas: Bool = false) {
    self.table = table
    self.spelling = spelling
    self.keepsFormulas = keepsFormulas
  }

  /// Appends the table; nothing when the document has no table of that key.
  package func render(_ document: ReportDocument, to output: inout some TextOutputStream) {
    if let chosen = chosenTable(of: document) {
      write(chosen.columns.map(\.key), to: &output)
      if chosen.rows.kind != nil, chosen.columns.count > 1 {
        let others = chosen.rows.remembering { $0.map { quoted(plain($0)) }.joined(separator: ",") }
        for index in chosen.rows.indices { output.write("\(index)," + others(index) + "\r\n") }
      } else {
        for row in chosen.rows { write(row.map(plain), to: &output) }
      }
    } else if table == nil {
      write(["section", "key", "value"], to: &output)
      for case .facts(let facts) in document.blocks {
        for fact in facts.facts { write([facts.key, fact.key, plain(fact.value)], to: &output) }
      }
    }
  }

  private func chosenTable(of document: ReportDocument) -> ReportTable? {
    if table == nil, document.prefersFacts { return nil }
    let tables = document.tables
    guard let key = table ?? document.primaryTable else { return tables.first }
    // A primary table that a run left out falls back to the first; one that was asked for does not.
    return tables.first { $0.key == key } ?? (table == nil ? tables.first : nil)
  }

  private func write(_ fields: [String], to output: inout some TextOutputStream) {
    // A lone empty field would read as an empty line, which many readers skip.
    let line = fields == [""] ? "\"\"" : fields.map(quoted).joined(separator: ",")
    output.write(line + "\r\n")
  }

  private func quoted(_ field: String) -> String {
    // By bytes: a quote and a combining mark after it are one Character, which is no quote.
    let bytes = field.utf8
    let isSpecial = bytes.contains { [0x2C, 0x22, 0x0A, 0x0D].contains($0) }
    guard isSpecial || bytes.first == 0x20 || bytes.last == 0x20 else { return field }
    var result = "\""
    for scalar in field.unicodeScalars {
      if scalar == "\"" { result.unicodeScalars.append(scalar) }
      result.unicodeScalars.append(scalar)
    }
    result.unicodeScalars.append("\"")
    return result
  }

  /// A text as it is written: formulas defused, characters spelled out.
  private func written(_ text: String) -> String {
    let text = spelling.applied(to: text)
    return keepsFormulas || !isFormula(text) ? text : "'" + text
  }

  private func plain(_ value: ReportValue) -> String {
    switch value {
    case .text(let text): written(text)
    case .integer(let number): "\(number)"
    case .unsigned(let number), .bytes(let number): "\(number)"
    case .number(let number): number.isNaN ? "nan" : "\(number)"
    case .bool(let bool): bool ? "true" : "false"
    case .list(let values): list(values)
    case .integers(let numbers): joined(numbers, between: "", "", separator: " ") { "\($0)" }
    case .missing: ""
    }
  }

  /// A list of numbers begins with one; only what begins with text can be a formula.
  private func list(_ values: [ReportValue]) -> String {
    let words = values.map { if case .text(let text) = $0 { spelling.applied(to: text) } else { plain($0) } }
    let line = words.joined(separator: " ")
    guard case .text = values.first else { return line }
    return keepsFormulas || !isFormula(line) ? line : "'" + line
  }
}

/// True for text that a spreadsheet takes for a formula: "=", "+", "-", "@" in front, in their wide forms too, after
/// whatever is skipped there. Numbers with a sign are none.
func isFormula(_ text: String) -> Bool {
  let rest = text.unicodeScalars.drop { $0.isUnseen || $0 == " " }
  guard let first = rest.first, "=+-@\u{FF1D}\u{FF0B}\u{FF0D}\u{FF20}".unicodeScalars.contains(first) else {
    return false
  }
  let words = String(Substring(rest)).split(separator: " ")
  return !words.allSatisfy { word in
    word.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) } && Double(word) != nil
  }
}
