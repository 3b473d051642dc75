// Tritsmith: reports for spreadsheets and data frames.

/// One table as RFC 4180 text: a header of column keys, CRLF line ends, quotes only where needed.
///
/// A file holds one table, by default the document's primary one. A document without tables becomes rows of
/// `section,key,value`. Missing values are empty fields; numbers carry every digit and non-finite ones read `nan`,
/// `inf`, `-inf`; totals are left out, because a reader would add them in again. Nothing guards against spreadsheets
/// that run text beginning with "=" as a formula: the values are what they are.
public struct CSVRenderer: ReportRenderer {
  /// The key of the table to write; the document's primary table when nil.
  public var table: String?

  /// A renderer for one table.
  public init(table: String? = nil) {
    self.table = table
  }

  /// Appends the table; nothing when the document has no table of that key.
  public func render(_ document: ReportDocument, to output: inout some TextOutputStream) {
    if let chosen = chosenTable(of: document) {
      write(chosen.columns.map(\.key), to: &output)
      for row in chosen.rows { write(row.map(plain), to: &output) }
    } else if table == nil {
      write(["section", "key", "value"], to: &output)
      for case .facts(let facts) in document.blocks {
        for fact in facts.facts { write([facts.key, fact.key, plain(fact.value)], to: &output) }
      }
    }
  }

  private func chosenTable(of document: ReportDocument) -> ReportTable? {
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
    let isSpecial = field.unicodeScalars.contains { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" }
    guard isSpecial || field.first == " " || field.last == " " else { return field }
    return "\"" + field.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }

  private func plain(_ value: ReportValue) -> String {
    switch value {
    case .text(let text): text
    case .integer(let number): "\(number)"
    case .unsigned(let number), .bytes(let number): "\(number)"
    case .number(let number): number.isNaN ? "nan" : "\(number)"
    case .bool(let bool): bool ? "true" : "false"
    case .list(let values): values.map(plain).joined(separator: " ")
    case .missing: ""
    }
  }
}
