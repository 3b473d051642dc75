// Tritsmith: reports for programs.

import VisibleText

/// JSON with a fixed key order: `schema`, `schema_version`, `title`, then facts and tables in reading order.
///
/// Facts become an object, a table an array of objects, its totals an object under `<key>_total`, and notes an array
/// `notes` at the end; before them an array `plots` with the numbers of all plots. Quotes are an array of objects like
/// a table. Headings, paragraphs, remarks, explanations and the glossary are for people and left out. Numbers carry
/// every digit needed to read back the same double; sizes are plain byte counts; fractions stay fractions.
/// JSON has no NaN or infinity: both are written as `null`, like a missing value.
package struct JSONRenderer: ReportRenderer {
  /// A renderer without settings.
  package init() {}

  /// Appends the document.
  package func render(_ document: ReportDocument, to output: inout some TextOutputStream) {
    output.write("{\n  \"schema\": \(jsonString(document.schema.id)),\n")
    output.write("  \"schema_version\": \(document.schema.version),\n")
    output.write("  \"title\": \(jsonString(document.title))")
    var keys = UniqueKeys(reserving: ["schema", "schema_version", "title", "verdict", "plots", "notes"])
    var notes: [String] = []
    var plots: [String] = []
    if let verdict = document.verdict { output.write(",\n  \"verdict\": " + json(verdict)) }
    for block in document.blocks {
      switch block {
      case .heading, .paragraph: continue
      case .note(let severity, let text):
        notes.append("{\"severity\": \"\(severity.rawValue)\", \"text\": \(jsonString(text))}")
      case .facts(let facts):
        output.write(",\n  \(jsonString(keys.next(facts.key))): {")
        for (index, key) in uniqueKeys(facts.facts.map(\.key)).enumerated() {
          output.write((index == 0 ? "\n    " : ",\n    ") + jsonString(key) + ": ")
          write(facts.facts[index].value, to: &output)
        }
        output.write(facts.facts.isEmpty ? "}" : "\n  }")
      case .table(let table): write(table, &keys, to: &output)
      case .plot(let plot): plots.append(plot.json)
      case .quotes(let quotes):
        let columns = uniqueKeys(["before", "token", "after"] + quotes.columns.map(\.key))
        let rows = quotes.quotes.map { quote in
          object([.text(quote.before), .text(quote.token), .text(quote.after)] + quote.values, columns: columns)
        }
        write(keys.next(quotes.key), rows, between: "[", "]", to: &output)
      }
    }
    if !plots.isEmpty { write("plots", plots, between: "[", "]", to: &output) }
    if !notes.isEmpty { write("notes", notes, between: "[", "]", to: &output) }
    output.write("\n}\n")
  }

  private func write(_ table: ReportTable, _ keys: inout UniqueKeys, to output: inout some TextOutputStream) {
    let columns = uniqueKeys(table.columns.map(\.key))
    if table.rows.kind != nil, let number = columns.first {
      let rest = Array(columns.dropFirst())
      let others = table.rows.remembering { object($0, columns: rest).dropFirst() + "" }
      let head = "{\(jsonString(number)): "
      let rows = table.rows.indices.lazy.map { "\(head)\($0), " + others($0) }
      write(keys.next(table.key), rows, between: "[", "]", to: &output)
    } else {
      let rows = table.rows.lazy.map { object($0, columns: columns) }
      write(keys.next(table.key), rows, between: "[", "]", to: &output)
    }
    if let footer = table.footer {
      output.write(",\n  \(jsonString(keys.next(table.key + "_total"))): \(object(footer, columns: columns))")
    }
  }

  /// A long list of numbers is written piece by piece.
  private func write(_ value: ReportValue, to output: inout some TextOutputStream) {
    guard case .integers(let numbers) = value else { return output.write(json(value)) }
    forEachPiece(of: numbers, { "\($0)" }, { output.write($0) })
  }

  /// One element per line, so that two reports can be compared with `diff`.
  private func write(
    _ key: String, _ elements: some Collection<String>, between open: String, _ close: String,
    to output: inout some TextOutputStream
  ) {
    output.write(",\n  \(jsonString(key)): \(open)")
    for (index, element) in elements.enumerated() {
      output.write((index == 0 ? "\n    " : ",\n    ") + element)
    }
    output.write((elements.isEmpty ? "" : "\n  ") + close)
  }

  private func object(_ row: [ReportValue], columns: [String]) -> String {
    "{" + zip(columns, row).map { "\(jsonString($0)): \(json($1))" }.joined(separator: ", ") + "}"
  }

  private func json(_ verdict: ReportVerdict) -> String {
    let points = verdict.points.map(jsonString).joined(separator: ", ")
    return "{\"outcome\": \"\(verdict.outcome.rawValue)\", \"headline\": \(jsonString(verdict.headline)), "
      + "\"points\": [\(points)]}"
  }

  private func uniqueKeys(_ keys: [String]) -> [String] {
    var unique = UniqueKeys()
    return keys.map { unique.next($0) }
  }

  private func json(_ value: ReportValue) -> String {
    switch value {
    case .text(let text): jsonString(text)
    case .integer(let number): "\(number)"
    case .unsigned(let number), .bytes(let number): "\(number)"
    case .number(let number): jsonNumber(number)
    case .bool(let bool): bool ? "true" : "false"
    case .list(let values): "[" + values.map(json).joined(separator: ", ") + "]"
    case .integers(let numbers): joined(numbers, between: "[", "]", separator: ", ") { "\($0)" }
    case .missing: "null"
    }
  }
}

/// A JSON string with every character escaped that cannot be seen or drives a terminal: `cat report.json` is safe, too.
func jsonString(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 0x22: result += "\\\""
    case 0x5C: result += "\\\\"
    case 0x08: result += "\\b"
    case 0x09: result += "\\t"
    case 0x0A: result += "\\n"
    case 0x0C: result += "\\f"
    case 0x0D: result += "\\r"
    case _ where scalar.isUnseen:
      for unit in UTF16.encode(scalar) ?? .init() {
        let digits = String(unit, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
