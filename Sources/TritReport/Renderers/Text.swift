// Tritsmith: reports for the terminal.

/// Aligned plain text. Names from files cannot drive the terminal: control characters are spelled out.
public struct TextRenderer: ReportRenderer {
  /// Tables shorten their widest names to fit this many columns; nil shows everything, as a pipe wants.
  public var width: Int?
  /// Whether headings and severities carry colour.
  public var usesColor: Bool
  /// Digits of a hash that are shown where the whole has no room.
  private static let hashDigits = 12
  /// Whether what few readers ask for is shown: details, and rows beside the notable ones.
  public var showsDetails: Bool

  /// A renderer for a pipe unless told of a terminal.
  public init(width: Int? = nil, usesColor: Bool = false, showsDetails: Bool = true) {
    self.width = width
    self.usesColor = usesColor
    self.showsDetails = showsDetails
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
    var leftOut: [String] = []
    let results = document.verdict == nil ? document.blocks.filter(isResult) : []
    if let verdict = document.verdict {
      separate(false, &output)
      for line in lines(of: verdict) { output.write(line + "\n") }
    }
    for block in results {
      separate(true, &output)
      for line in lines(of: block) { output.write(line + "\n") }
    }
    if !document.title.isEmpty, document.verdict == nil, results.isEmpty {
      separate(false, &output)
      output.write(heading(document.title, rule: "="))
    }
    var notes: [ReportSeverity: Int] = [:]
    var saidNotes: Set<String> = []
    // The few facts a brief form has stand together, without the titles of where they come from.
    var together: ReportFacts?
    var told: Set<String> = []
    func writeFacts(_ output: inout some TextOutputStream) {
      guard let facts = together else { return }
      together = nil
      separate(false, &output)
      write(facts, &output)
    }
    let isBrief = !showsDetails && document.brief != nil
    let alike = isBrief ? Dictionary(grouping: document.blocks.compactMap(noted)) { $0.key } : [:]
    for block in document.blocks where document.verdict != nil || !isResult(block) {
      var block = block
      if isBrief, let note = noted(block) {
        // What is said of every layer is said once.
        guard saidNotes.insert(note.key).inserted else { continue }
        notes[note.severity, default: 0] += 1
        guard shows(note.severity, notes[note.severity] ?? 0, document) else { continue }
        let texts = alike[note.key]?.map(\.text) ?? []
        if texts.count > 1 { block = .note(note.severity, "\(starred(texts)) (\(texts.count) times)") }
      }
      guard let block = folded(block, document.brief, &leftOut) else { continue }
      if case .facts(let facts) = block, !showsDetails, document.brief != nil {
        // Key figures come again among all figures; once is enough.
        let new = facts.facts.filter { told.insert($0.key).inserted }
        if !new.isEmpty { together = ReportFacts(key: facts.key, (together?.facts ?? []) + new) }
        continue
      }
      writeFacts(&output)
      if case .note = block { separate(true, &output) } else { separate(false, &output) }
      write(block, document.brief, &output)
    }
    writeFacts(&output)
    for severity in [ReportSeverity.error, .warning, .info] {
      let hidden = (0..<notes[severity, default: 0]).count { !shows(severity, $0 + 1, document) }
      if hidden > 0 { leftOut.append("\(hidden) \(label(severity).dropLast())\(hidden == 1 ? "" : "s")") }
    }
    guard !leftOut.isEmpty else { return }
    separate(false, &output)
    for line in closing(leftOut) { output.write(line + "\n") }
  }

  /// A remark, and what remarks have in common that differ in numbers only.
  private func noted(_ block: ReportBlock) -> (severity: ReportSeverity, text: String, key: String)? {
    guard case .note(let severity, let text) = block else { return nil }
    return (severity, text, severity.rawValue + withoutNumbers(text))
  }

  /// What is left out, by as many names as two lines hold.
  private func closing(_ leftOut: [String]) -> [String] {
    var count = leftOut.count
    while true {
      let rest = leftOut.count - count
      let names = leftOut.prefix(count).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
      let lines = wrapped("--all also shows: " + names, hanging: 2)
      if lines.count <= 2 || count <= 1 { return lines }
      count -= 1
    }
  }

  /// Whether the brief form has a note, by its number among those of its severity.
  private func shows(_ severity: ReportSeverity, _ number: Int, _ document: ReportDocument) -> Bool {
    switch severity {
    case .error, .warning: number <= ReportBrief.mostNotes
    // Where all is well remarks tell nothing new; where not, they help.
    case .info: !document.isGood && number <= ReportBrief.mostNotes
    // The verdict at the top has them.
    case .pass, .fail: document.verdict == nil
    }
  }

  private func write(_ block: ReportBlock, _ brief: ReportBrief?, _ output: inout some TextOutputStream) {
    for line in lines(of: block) { output.write(line + "\n") }
    switch block {
    case .facts(let facts): write(facts, &output)
    case .table(let table): write(table, brief, &output)
    case .heading, .paragraph, .note, .plot, .quotes: break
    }
  }

  private func write(_ table: ReportTable, _ brief: ReportBrief?, _ output: inout some TextOutputStream) {
    let chosen = showsDetails ? nil : brief?.rows[table.key]
    let rows = chosen.map { table.alike($0).prefix(ReportBrief.mostRows).map(\.cells) }
    let text = TextTable(table, width: width, rows: rows)
    text.write(to: &output) { styled($0, .bold) }
    guard !text.leftOut.isEmpty else { return }
    for line in wrapped("--wide also shows: " + text.leftOut.joined(separator: ", "), hanging: 2) {
      output.write(line + "\n")
    }
  }

  /// Whether a block is the answer a reader came for, which stands first.
  private func isResult(_ block: ReportBlock) -> Bool {
    switch block {
    case .note(.pass, _), .note(.fail, _): true
    default: false
    }
  }

  /// A block without what the report's brief leaves out; nil when nothing remains. `leftOut` gets what that is.
  private func folded(_ block: ReportBlock, _ brief: ReportBrief?, _ leftOut: inout [String]) -> ReportBlock? {
    guard !showsDetails, let brief else { return block }
    func whole(_ key: String, _ title: String?) -> ReportBlock? {
      if brief.keys.contains(key) { return block }
      leftOut.append(title ?? key)
      return nil
    }
    switch block {
    case .facts(var facts):
      let count = facts.facts.count
      facts.facts.removeAll { !brief.keys.contains($0.key) }
      if facts.facts.count < count {
        let what = facts.facts.isEmpty ? facts.title ?? "more facts" : "more facts"
        if !leftOut.contains(what) { leftOut.append(what) }
      }
      return facts.facts.isEmpty ? nil : .facts(facts)
    case .table(let table):
      if table.rows.isEmpty { return nil }
      guard let rows = brief.rows[table.key] else { return whole(table.key, table.title) }
      let count = table.alike(rows).prefix(ReportBrief.mostRows).reduce(0) { $0 + $1.count }
      guard count < table.rows.count else { return block }
      let name = table.title ?? table.key
      let hidden = table.rows.count - count
      leftOut.append("\(hidden) \(hidden == 1 ? "row" : "rows") of \(name)")
      return rows.isEmpty ? nil : block
    case .plot(let plot): return whole(plot.key, plot.title)
    case .quotes(let quotes): return whole(quotes.key, quotes.title)
    default: return block
    }
  }

  // MARK: - Blocks

  /// All lines of a block, but of a table and of facts only those above them.
  private func lines(of block: ReportBlock) -> [String] {
    switch block {
    case .heading(let text, let level): [styled(safeText(text), level == 1 ? .bold : .plain)]
    case .paragraph(let text): wrapped(safeText(text), hanging: 0)
    case .note(let severity, let text): note(severity, text)
    case .facts(let facts): title(facts.title)
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

  private func write(_ facts: ReportFacts, _ output: inout some TextOutputStream) {
    let labels = facts.facts.map { safeText($0.label) }
    let column = (labels.map(displayWidth).max() ?? 0) + 2
    for (fact, label) in zip(facts.facts, labels) {
      output.write(label + spaces(column - displayWidth(label)))
      if fact.value.isLong {
        writeLong(fact, column, &output)
      } else {
        output.write(text(of: fact, column))
      }
      output.write("\n")
    }
  }

  /// What stands behind the label of a fact.
  private func text(of fact: ReportFact, _ column: Int) -> String {
    var value = safeText(fact.kind.text(of: fact.value, exactBytes: true))
    if fact.kind == .hash, !showsDetails, let width, column + value.utf8.count > width {
      value = value.prefix(Self.hashDigits) + "…"
    }
    let note = fact.note.map { "  (\(safeText($0)))" } ?? ""
    // A line that runs over goes on below its value; a colour would count as letters.
    let lines = wrappedLines(value + note, hanging: 0, width: room(behind: column))
    guard lines.count == 1 else { return lines.joined(separator: "\n" + spaces(column)) }
    return (fact.tone.map { styled(value, style(of: $0)) } ?? value) + note
  }

  /// The same of a long value, as it is made.
  private func writeLong(_ fact: ReportFact, _ column: Int, _ output: inout some TextOutputStream) {
    var wrapper = TextWrapper(width: room(behind: column), lineBreak: "\n" + spaces(column))
    fact.kind.forEachPiece(of: fact.value) { value in
      forEachPiece(of: value) { wrapper.append(safeText($0), to: &output) }
    }
    if let note = fact.note { wrapper.append("  (\(safeText(note)))", to: &output) }
    wrapper.finish(to: &output)
  }

  private func room(behind column: Int) -> Int? { width.map { max(20, $0 - column) } }

  private func note(_ severity: ReportSeverity, _ text: String) -> [String] {
    let label = label(severity)
    var lines = wrapped(label + " " + safeText(text), hanging: 2)
    if let first = lines.first { lines[0] = styled(label, style(of: severity)) + first.dropFirst(label.count) }
    return lines
  }

  private func label(_ severity: ReportSeverity) -> String {
    switch severity {
    case .info: "note:"
    case .warning: "warning:"
    case .error: "error:"
    case .pass: "PASS"
    case .fail: "FAIL"
    }
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
    wrappedLines(text, hanging: indent, width: width)
  }
}

/// A text in lines of a width, broken between words.
func wrappedLines(_ text: String, hanging indent: Int, width: Int?) -> [String] {
  guard let width, displayWidth(text) > width else { return [text] }
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

func spaces(_ count: Int) -> String {
  String(repeating: " ", count: max(0, count))
}

/// Breaks a text between words as it arrives.
private struct TextWrapper {
  /// The columns of a line; nil for one line.
  let width: Int?
  let lineBreak: String
  /// The word that may go on, and how much of the line is full.
  private var word = ""
  private var used = 0

  init(width: Int?, lineBreak: String) {
    (self.width, self.lineBreak) = (width, lineBreak)
  }

  mutating func append(_ text: String, to output: inout some TextOutputStream) {
    guard width != nil else { return output.write(text) }
    for (index, part) in text.split(separator: " ", omittingEmptySubsequences: false).enumerated() {
      if index > 0 { finish(to: &output) }
      word += part
    }
  }

  /// Writes the last word.
  mutating func finish(to output: inout some TextOutputStream) {
    guard let width, !word.isEmpty else { return }
    let length = displayWidth(word)
    if used > 0 {
      let fits = used + 1 + length <= width
      output.write(fits ? " " : lineBreak)
      used = fits ? used + 1 : 0
    }
    output.write(word)
    used += length
    word = ""
  }
}
