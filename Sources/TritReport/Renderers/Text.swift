// Tritsmith: reports for the terminal.

/// Aligned plain text. Names from files cannot drive the terminal: control characters are spelled out.
package struct TextRenderer: ReportRenderer {
  /// Tables shorten their widest names to fit this many columns; nil shows everything, as a pipe wants.
  package var width: Int?
  /// The terminal's lines: what failed is told at more length where there are many.
  package var height: Int?
  /// Whether headings and severities carry colour.
  package var usesColor: Bool
  /// Digits of a hash that are shown where the whole has no room.
  private static let hashDigits = 12
  /// Whether what few readers ask for is shown: details, and rows beside the notable ones.
  package var showsDetails: Bool
  /// Whether rows and remarks that differ in numbers only are told together, and only as many as a screen holds.
  package var foldsRows: Bool

  /// A renderer for a pipe unless told of a terminal.
  package init(
    width: Int? = nil, height: Int? = nil, usesColor: Bool = false, showsDetails: Bool = true, foldsRows: Bool = true
  ) {
    (self.width, self.height) = (width, height)
    self.usesColor = usesColor
    self.showsDetails = showsDetails
    self.foldsRows = foldsRows
  }

  /// Appends the document: of a brief form as much as a screen holds.
  package func render(_ document: ReportDocument, to output: inout some TextOutputStream) {
    let document = document.withoutEmptyBlocks
    guard width != nil, !showsDetails, foldsRows, document.brief != nil else {
      return write(document, .unbounded, &output)
    }
    // The next prompt takes a line.
    let most = document.isGood ? ScreenLimits.screen : max(ScreenLimits.screen, (height ?? 0) - 1)
    var text = ""
    for limits in (most > ScreenLimits.screen ? ScreenLimits.tall : []) + ScreenLimits.steps {
      text = ""
      write(document, limits, &text)
      if text.utf8.count(where: { $0 == UInt8(ascii: "\n") }) <= most { break }
    }
    output.write(text)
  }

  private func write(_ document: ReportDocument, _ limits: ScreenLimits, _ output: inout some TextOutputStream) {
    var gaps = BlockGaps()
    var leftOut: [String] = []
    writeAnswer(document, &gaps, &output)
    // The few facts a brief form has stand together, without the titles of where they come from.
    var together: ReportFacts?
    var shownKeys: Set<String> = []
    func writeFacts(_ output: inout some TextOutputStream) {
      guard let facts = together else { return }
      together = nil
      gaps.open(&output)
      write(facts, limits, &leftOut, &output)
    }
    let (blocks, hiddenNotes) = blocksBelow(document, limits)
    for block in blocks {
      guard let block = folded(block, document.brief, limits, &leftOut) else { continue }
      if case .facts(let facts) = block, !showsDetails, document.brief != nil {
        // Key figures come again among all figures; once is enough.
        let new = facts.facts.filter { shownKeys.insert($0.key).inserted }
        if !new.isEmpty { together = ReportFacts(key: facts.key, (together?.facts ?? []) + new) }
        continue
      }
      writeFacts(&output)
      if case .note = block { gaps.open(isNote: true, &output) } else { gaps.open(&output) }
      write(block, limits, &leftOut, &output)
    }
    writeFacts(&output)
    leftOut += hiddenNotes
    guard !leftOut.isEmpty else { return }
    gaps.open(&output)
    for line in closing("--all also shows: ", leftOut, mostLines: limits.closing) { output.write(line + "\n") }
  }

  /// What a reader came for, or the title where a report has no such line.
  private func writeAnswer(
    _ document: ReportDocument, _ gaps: inout BlockGaps, _ output: inout some TextOutputStream
  ) {
    let results = document.verdict == nil ? document.blocks.filter(isResult) : []
    if let verdict = document.verdict {
      gaps.open(&output)
      for line in lines(of: verdict) { output.write(line + "\n") }
    }
    for block in results {
      gaps.open(isNote: true, &output)
      for line in lines(of: block) { output.write(line + "\n") }
    }
    if !document.title.isEmpty, document.verdict == nil, results.isEmpty {
      gaps.open(&output)
      output.write(heading(document.title, rule: "="))
    }
  }

  /// The blocks below the answer, of remarks those that are shown, and the names of the others.
  private func blocksBelow(
    _ document: ReportDocument, _ limits: ScreenLimits
  ) -> (shown: [ReportBlock], hidden: [String]) {
    let blocks = document.blocks.filter { document.verdict == nil ? !isResult($0) : !document.isVerdict($0) }
    guard !showsDetails, let brief = document.brief else { return (blocks, []) }
    // What is said of every layer is said once.
    func key(_ severity: ReportSeverity, _ text: String) -> String {
      severity.rawValue + (foldsRows ? withoutNumbers(text) : text)
    }
    var alike: [String: AlikeTexts] = [:]
    for case .note(let severity, let text) in blocks where !brief.told.contains(text) {
      let name = key(severity, text)
      var texts = alike[name]
      texts?.add(text)
      alike[name] = texts ?? AlikeTexts(text)
    }
    var shown: [ReportBlock] = []
    var (counts, hidden): ([ReportSeverity: Int], [ReportSeverity: Int]) = ([:], [:])
    for block in blocks {
      guard case .note(let severity, let text) = block else {
        shown.append(block)
        continue
      }
      guard !brief.told.contains(text), let texts = alike.removeValue(forKey: key(severity, text)) else { continue }
      counts[severity, default: 0] += 1
      if shows(severity, counts[severity] ?? 0, limits, document) {
        shown.append(.note(severity, texts.remark))
      } else {
        hidden[severity, default: 0] += texts.count
      }
    }
    let names = [ReportSeverity.error, .warning, .info].compactMap { severity in
      hidden[severity].map { "\(NumberText.grouped($0)) \(label(severity).dropLast())\($0 == 1 ? "" : "s")" }
    }
    return (shown, names)
  }

  /// What is left out, by as many names as some lines hold.
  private func closing(_ intro: String, _ leftOut: [String], mostLines: Int) -> [String] {
    var count = leftOut.count
    while true {
      let rest = leftOut.count - count
      let names = leftOut.prefix(count).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
      let lines = wrapped(intro + names, hanging: 2)
      if lines.count <= mostLines || count <= 1 { return lines }
      count -= 1
    }
  }

  /// Whether the brief form has a note, by its number among those of its severity.
  private func shows(
    _ severity: ReportSeverity, _ number: Int, _ limits: ScreenLimits, _ document: ReportDocument
  ) -> Bool {
    switch severity {
    case .error, .warning: number <= limits.notes || !foldsRows
    // Where all is well remarks tell nothing new; where not, they help.
    case .info: !document.isGood && (number < limits.notes || !foldsRows)
    // The verdict at the top has them.
    case .pass, .fail: document.verdict == nil
    }
  }

  private func write(
    _ block: ReportBlock, _ limits: ScreenLimits, _ leftOut: inout [String], _ output: inout some TextOutputStream
  ) {
    for line in lines(of: block) { output.write(line + "\n") }
    switch block {
    case .facts(let facts): write(facts, limits, &leftOut, &output)
    case .table(let table):
      let text = TextTable(table, width: width, mostLines: limits.prose)
      text.write(to: &output) { styled($0, .bold) }
      guard !text.leftOut.isEmpty else { return }
      for line in closing("--wide also shows: ", text.leftOut, mostLines: 1) { output.write(line + "\n") }
    case .heading, .paragraph, .note, .plot, .quotes: break
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
  private func folded(
    _ block: ReportBlock, _ brief: ReportBrief?, _ limits: ScreenLimits, _ leftOut: inout [String]
  ) -> ReportBlock? {
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
      if table.rows.isEmpty || brief.rows[table.key] == nil && whole(table.key, table.title) == nil { return nil }
      let (rows, count) = chosenRows(
        of: table, brief.rows[table.key], isRanked: brief.ranked.contains(table.key), limits)
      let hidden = table.rows.count - count
      if hidden > 0 {
        let rows = "\(NumberText.grouped(hidden)) \(hidden == 1 ? "row" : "rows")"
        leftOut.append("\(rows) of \(table.title ?? table.key)")
      }
      guard let rows else { return block }
      return rows.isEmpty ? nil : .table(table.showing(rows))
    case .plot(let plot): return whole(plot.key, plot.title)
    case .quotes(let quotes): return whole(quotes.key, quotes.title)
    default: return block
    }
  }

  /// The rows that a screen shows in place of a table's own, and for how many of those they stand; nil for all.
  private func chosenRows(
    of table: ReportTable, _ notable: [Int]?, isRanked: Bool, _ limits: ScreenLimits
  ) -> (rows: [[ReportValue]]?, count: Int) {
    guard let notable else {
      let count = foldsRows ? min(limits.whole, table.rows.count) : table.rows.count
      return (count < table.rows.count ? Array(table.rows.prefix(count)) : nil, count)
    }
    guard foldsRows else { return ((isRanked ? notable : notable.sorted()).map { table.rows[$0] }, notable.count) }
    let alike = Array(table.alike(notable).prefix(limits.rows))
    let shown = isRanked ? alike : alike.sorted { $0.first < $1.first }
    return (shown.map(\.cells), alike.reduce(0) { $0 + $1.count })
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
    quotes.quotes.enumerated().flatMap { index, quote in
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

  private func write(
    _ facts: ReportFacts, _ limits: ScreenLimits, _ leftOut: inout [String], _ output: inout some TextOutputStream
  ) {
    let labels = facts.facts.map { safeText($0.label) }
    let column = (labels.map(displayWidth).max() ?? 0) + 2
    for (fact, label) in zip(facts.facts, labels) {
      if fact.kind == .command, let width {
        let command = safeText(fact.kind.text(of: fact.value))
        // One without room goes on a line of its own, and the terminal breaks it without a break in it.
        let fits = column + displayWidth(command) <= width
        output.write(label + (fits ? spaces(column - displayWidth(label)) : "\n") + command + "\n")
        continue
      }
      output.write(label + spaces(column - displayWidth(label)))
      let isCut = limits.lines < .max
      if fact.value.isLong, !isCut {
        writeLong(fact, column, &output)
      } else {
        let text = text(of: isCut ? fact.beginning : fact, column, mostLines: limits.lines)
        output.write(text.value)
        if text.isCut || isCut && fact.value.isLong { leftOut.append("the rest of \(label)") }
      }
      output.write("\n")
    }
  }

  /// What stands behind the label of a fact, and whether a screen has no more of it.
  private func text(of fact: ReportFact, _ column: Int, mostLines: Int) -> (value: String, isCut: Bool) {
    var value = safeText(fact.kind.text(of: fact.value, exactBytes: true))
    if fact.kind == .hash, !showsDetails, let width, column + value.utf8.count > width {
      value = value.prefix(Self.hashDigits) + "…"
    }
    let note = fact.note.map { "  (\(safeText($0)))" } ?? ""
    // A line that runs over goes on below its value; a colour would count as letters.
    let lines = wrappedLines(value + note, hanging: 0, width: room(behind: column))
    // One line that is not the text has lost the second space before a note, for which there was no room.
    guard lines == [value + note] else {
      let isCut = lines.count > mostLines
      let shown = isCut ? lines.prefix(max(1, mostLines - 1)) + ["…"] : lines[...]
      return (shown.joined(separator: "\n" + spaces(column)), isCut)
    }
    return ((fact.tone.map { styled(value, style(of: $0)) } ?? value) + note, false)
  }

  /// A long value, as it is made.
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
    var lines = wrappedLines(label + " " + safeText(text), hanging: 2, width: width, label: label)
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
