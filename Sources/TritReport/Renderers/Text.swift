// Tritsmith: reports for the terminal.

/// Aligned plain text. Names from files cannot drive the terminal: control characters are spelled out.
public struct TextRenderer: ReportRenderer {
  /// Tables shorten their widest names to fit this many columns; nil shows everything, as a pipe wants.
  public var width: Int?
  /// Whether headings and severities carry colour.
  public var usesColor: Bool

  /// A renderer for a pipe unless told of a terminal.
  public init(width: Int? = nil, usesColor: Bool = false) {
    self.width = width
    self.usesColor = usesColor
  }

  /// Appends the document.
  public func render(_ document: ReportDocument, to output: inout some TextOutputStream) {
    var isFirst = true
    var previousIsNote = false
    func separate(_ isNote: Bool, _ output: inout some TextOutputStream) {
      // Notes in a row belong together; everything else gets air.
      if !isFirst && !(isNote && previousIsNote) { output.write("\n") }
      (isFirst, previousIsNote) = (false, isNote)
    }
    if !document.title.isEmpty {
      separate(false, &output)
      output.write(heading(document.title, rule: "="))
    }
    if let verdict = document.verdict {
      separate(false, &output)
      for line in lines(of: verdict) { output.write(line + "\n") }
    }
    for block in document.blocks {
      if case .note = block { separate(true, &output) } else { separate(false, &output) }
      for line in lines(of: block) { output.write(line + "\n") }
      if case .table(let table) = block {
        TextTable(table, width: width).write(to: &output) { styled($0, .bold) }
      }
    }
  }

  // MARK: - Blocks

  /// All lines of a block, but of a table only those above it.
  private func lines(of block: ReportBlock) -> [String] {
    switch block {
    case .heading(let text, let level): [styled(safeText(text), level == 1 ? .bold : .plain)]
    case .paragraph(let text): wrapped(safeText(text), hanging: 0)
    case .note(let severity, let text): note(severity, text)
    case .facts(let facts): title(facts.title) + self.facts(facts)
    case .table(let table): title(table.title)
    case .plot(let plot): title(plot.title) + TextPlot(plot).lines
    case .quotes(let quotes): title(quotes.title) + self.quotes(quotes)
    }
  }

  private func lines(of verdict: ReportVerdict) -> [String] {
    let headline =
      verdict.outcome == .info
      ? wrapped(safeText(verdict.headline), hanging: 0).map { styled($0, .bold) }
      : note(verdict.outcome, verdict.headline)
    return headline + verdict.points.flatMap { wrapped("- " + safeText($0), hanging: 2) }
  }

  /// Each quote on a line, its facts on the next.
  private func quotes(_ quotes: ReportQuotes) -> [String] {
    if quotes.quotes.isEmpty { return ["(none)"] }
    return quotes.quotes.enumerated().flatMap { index, quote in
      let mark = "\(index + 1)  "
      let token = styled("⟦\(safeText(quote.token))⟧", .bold)
      let facts = zip(quotes.columns, quote.values).map { column, value in
        safeText("\(column.heading) \(column.kind.text(of: value))")
      }
      let text = mark + safeText(quote.before) + token + safeText(quote.after)
      return facts.isEmpty ? [text] : [text, spaces(mark.count) + facts.joined(separator: ", ")]
    }
  }

  private func heading(_ text: String, rule: Character) -> String {
    let text = safeText(text)
    return styled(text, .bold) + "\n" + String(repeating: rule, count: displayWidth(text)) + "\n"
  }

  private func title(_ text: String?) -> [String] {
    text.map { [styled(safeText($0), .bold)] } ?? []
  }

  private func facts(_ facts: ReportFacts) -> [String] {
    let labels = facts.facts.map { safeText($0.label) }
    let column = (labels.map(displayWidth).max() ?? 0) + 2
    return zip(facts.facts, labels).map { fact, label in
      let value = safeText(fact.kind.text(of: fact.value, exactBytes: true))
      let note = fact.note.map { "  (\(safeText($0)))" } ?? ""
      let shown = fact.tone.map { styled(value, style(of: $0)) } ?? value
      return label + spaces(column - displayWidth(label)) + shown + note
    }
  }

  private func note(_ severity: ReportSeverity, _ text: String) -> [String] {
    let label =
      switch severity {
      case .info: "note:"
      case .warning: "warning:"
      case .error: "error:"
      case .pass: "PASS"
      case .fail: "FAIL"
      }
    var lines = wrapped(label + " " + safeText(text), hanging: 2)
    if let first = lines.first { lines[0] = styled(label, style(of: severity)) + first.dropFirst(label.count) }
    return lines
  }

  // MARK: - Helpers

  private enum Style: String {
    case plain = ""
    case bold = "1"
    case red = "1;31"
    case green = "1;32"
    case yellow = "1;33"
  }

  private func style(of severity: ReportSeverity) -> Style {
    switch severity {
    case .info: .bold
    case .warning: .yellow
    case .error, .fail: .red
    case .pass: .green
    }
  }

  private func styled(_ text: String, _ style: Style) -> String {
    usesColor && style != .plain ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }

  private func wrapped(_ text: String, hanging indent: Int) -> [String] {
    guard let width else { return [text] }
    var lines: [String] = []
    var current = ""
    for word in text.split(separator: " ") {
      if !current.isEmpty && displayWidth(current) + 1 + displayWidth(String(word)) > width {
        lines.append(current)
        current = spaces(indent) + word
      } else {
        current += (current.isEmpty ? "" : " ") + word
      }
    }
    return lines + [current]
  }
}

func spaces(_ count: Int) -> String {
  String(repeating: " ", count: max(0, count))
}
