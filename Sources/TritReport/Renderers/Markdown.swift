// Tritsmith: reports for issues, pull requests and model cards.

/// GitHub Markdown: headings, lists of facts, pipe tables.
///
/// Text is escaped so that a name shows as it is: no markup, no tags, no line breaks inside cells.
public struct MarkdownRenderer: ReportRenderer {
  /// A renderer without settings.
  public init() {}

  /// Appends the document.
  public func render(_ document: ReportDocument, to output: inout some TextOutputStream) {
    var isFirst = true
    func write(_ blocks: [String], to output: inout some TextOutputStream) {
      for block in blocks {
        output.write((isFirst ? "" : "\n\n") + block)
        isFirst = false
      }
    }
    if !document.title.isEmpty { write(["# " + markdownText(document.title)], to: &output) }
    if let verdict = document.verdict { write(lines(of: verdict), to: &output) }
    for block in document.blocks {
      if case .table(let table) = block {
        write(title(table.title) + [""], to: &output)
        self.table(table, to: &output)
      } else {
        write(lines(of: block), to: &output)
      }
    }
    output.write("\n")
  }

  /// All of a block, but of a table only what stands above it.
  private func lines(of block: ReportBlock) -> [String] {
    switch block {
    case .heading(let text, let level):
      return [String(repeating: "#", count: min(6, max(1, level) + 1)) + " " + markdownText(text)]
    case .paragraph(let text):
      return [markdownText(text)]
    case .note(let severity, let text):
      return ["> **\(severity.rawValue):** " + markdownText(text)]
    case .facts(let facts):
      let items = facts.facts.map { fact in
        let value = markdownText(fact.kind.text(of: fact.value, exactBytes: true))
        return "- \(markdownText(fact.label)): \(value)" + (fact.note.map { " (\(markdownText($0)))" } ?? "")
      }
      return title(facts.title) + (items.isEmpty ? [] : [items.joined(separator: "\n")])
    case .table(let table):
      return title(table.title)
    case .plot(let plot):
      // Indented code cannot be left from inside a line, whatever a name holds.
      return title(plot.title) + [TextPlot(plot).lines.map { "    " + $0 }.joined(separator: "\n")]
    case .quotes(let quotes):
      return title(quotes.title) + [self.quotes(quotes)]
    }
  }

  private func lines(of verdict: ReportVerdict) -> [String] {
    let label = verdict.outcome == .info ? "" : verdict.outcome.rawValue + ": "
    let points = verdict.points.map { "- " + markdownText($0) }
    return ["**\(label)\(markdownText(verdict.headline))**"] + (points.isEmpty ? [] : [points.joined(separator: "\n")])
  }

  private func quotes(_ quotes: ReportQuotes) -> String {
    quotes.quotes.map { quote in
      let text = markdownText(quote.before) + "**⟦" + markdownText(quote.token) + "⟧**" + markdownText(quote.after)
      let facts = zip(quotes.columns, quote.values).map { column, value in
        "\(markdownText(column.heading)) \(markdownText(column.kind.text(of: value)))"
      }
      return "1. " + text + (facts.isEmpty ? "" : " (" + facts.joined(separator: ", ") + ")")
    }.joined(separator: "\n")
  }

  private func title(_ text: String?) -> [String] {
    text.map { ["### " + markdownText($0)] } ?? []
  }

  /// Writes a table without the line feed of its last line.
  private func table(_ table: ReportTable, to output: inout some TextOutputStream) {
    func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
    output.write(row(table.columns.map { markdownText($0.heading) }) + "\n")
    output.write("|" + table.columns.map { $0.alignment == .right ? "---:" : "---" }.joined(separator: "|") + "|")
    for values in table.rows {
      output.write("\n" + row(zip(table.columns, values).map { markdownText($0.kind.text(of: $1)) }))
    }
    if let footer = table.footer {
      let cells = zip(table.columns, footer).map { markdownText($0.kind.text(of: $1, missing: "")) }
      output.write("\n" + row(cells.map { $0.isEmpty ? "" : "**\($0)**" }))
    }
  }
}

/// Text with everything that GitHub would take for markup escaped.
///
/// Underscores inside words are left alone: GitHub leaves them alone, too, and tensor names are full of them.
func markdownText(_ text: String) -> String {
  let characters = Array(safeText(text))
  var result = ""
  for (index, character) in characters.enumerated() {
    switch character {
    case "|", "*", "`", "[", "]", "\\", "~", "#": result += "\\\(character)"
    case "<": result += "&lt;"
    case "&": result += "&amp;"
    case "_":
      let isInside =
        index > 0 && index + 1 < characters.count && isWordPart(characters[index - 1])
        && isWordPart(characters[index + 1])
      result += isInside ? "_" : "\\_"
    default: result.append(character)
    }
  }
  return result
}

private func isWordPart(_ character: Character) -> Bool {
  character.isLetter || character.isNumber
}
