// Tritsmith: reports for issues, pull requests and model cards.

/// GitHub Markdown: headings, lists of facts, pipe tables.
///
/// Text is escaped so that a name shows as it is: no markup, no tags, no links, no line breaks inside cells.
package struct MarkdownRenderer: ReportRenderer {
  /// What is spelled out; at least what drives a terminal.
  package var spelling: TextSpelling

  /// A renderer.
  package init(spelling: TextSpelling = .driving) {
    self.spelling = spelling == .kept ? .driving : spelling
  }

  private func escaped(_ text: String) -> String { markdownText(text, spelling) }

  /// Appends the document.
  package func render(_ document: ReportDocument, to output: inout some TextOutputStream) {
    var isFirst = true
    func write(_ blocks: [String], to output: inout some TextOutputStream) {
      for block in blocks {
        output.write((isFirst ? "" : "\n\n") + block)
        isFirst = false
      }
    }
    if !document.title.isEmpty { write(["# " + escaped(document.title)], to: &output) }
    if let verdict = document.verdict { write(lines(of: verdict), to: &output) }
    for block in document.withoutEmptyBlocks.blocks where !document.isVerdict(block) {
      switch block {
      case .table(let table):
        write(title(table.title) + [""], to: &output)
        self.table(table, to: &output)
      case .facts(let facts):
        write(title(facts.title) + (facts.facts.isEmpty ? [] : [""]), to: &output)
        self.facts(facts, to: &output)
      default: write(lines(of: block), to: &output)
      }
    }
    output.write("\n")
  }

  /// All of a block, but of a table and of facts only what stands above them.
  private func lines(of block: ReportBlock) -> [String] {
    switch block {
    case .heading(let text, let level):
      return [String(repeating: "#", count: min(6, max(1, level) + 1)) + " " + escaped(text)]
    case .paragraph(let text):
      return [escaped(text)]
    case .note(let severity, let text):
      return ["> **\(severity.rawValue):** " + escaped(text)]
    case .facts(let facts):
      return title(facts.title)
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
    let points = verdict.points.map { "- " + escaped($0) }
    return ["**\(label)\(escaped(verdict.headline))**"] + (points.isEmpty ? [] : [points.joined(separator: "\n")])
  }

  private func quotes(_ quotes: ReportQuotes) -> String {
    quotes.quotes.map { quote in
      let text = escaped(quote.before) + "**⟦" + escaped(quote.token) + "⟧**" + escaped(quote.after)
      let facts = zip(quotes.columns, quote.values).map { column, value in
        "\(escaped(column.heading)) \(escaped(column.kind.text(of: value)))"
      }
      return "1. " + text + (facts.isEmpty ? "" : " (" + facts.joined(separator: ", ") + ")")
    }.joined(separator: "\n")
  }

  private func title(_ text: String?) -> [String] {
    text.map { ["### " + escaped($0)] } ?? []
  }

  /// Writes a list of facts without the line feed of its last line.
  private func facts(_ facts: ReportFacts, to output: inout some TextOutputStream) {
    for (index, fact) in facts.facts.enumerated() {
      output.write((index == 0 ? "" : "\n") + "- \(escaped(fact.label)): ")
      fact.kind.forEachPiece(of: fact.value, exactBytes: true) { writeMarkdown($0, spelling, to: &output) }
      output.write(fact.note.map { " (\(escaped($0)))" } ?? "")
    }
  }

  /// Writes a table without the line feed of its last line.
  private func table(_ table: ReportTable, to output: inout some TextOutputStream) {
    func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
    output.write(row(table.columns.map { escaped($0.heading) }) + "\n")
    output.write("|" + table.columns.map { $0.alignment == .right ? "---:" : "---" }.joined(separator: "|") + "|")
    if table.rows.kind != nil, let number = table.columns.first {
      let columns = table.columns.dropFirst()
      let others = table.rows.remembering { cells in
        zip(columns, cells).map { " | " + escaped($0.kind.text(of: $1)) }.joined() + " |"
      }
      for index in table.rows.indices {
        output.write("\n| " + number.kind.text(of: .integer(index)) + others(index))
      }
    } else {
      for values in table.rows {
        output.write("\n" + row(zip(table.columns, values).map { escaped($0.kind.text(of: $1)) }))
      }
    }
    if let footer = table.footer {
      let cells = zip(table.columns, footer).map { escaped($0.kind.text(of: $1, missing: "")) }
      output.write("\n" + row(cells.map { $0.isEmpty ? "" : "**\($0)**" }))
    }
  }
}

/// Text with everything escaped that GitHub would take for markup, a link, a mention, a reference or a formula.
///
/// Links and mentions are made after markup has been read, so that no backslash keeps them away: a word that holds one
/// becomes code, in which nothing is linked, and is spelled so that no other reader finds it either. Scalars are looked
/// at, not Characters: a bar and a combining mark after it are a bar to GitHub. Underscores inside words are left alone:
/// GitHub leaves them alone, too, and tensor names are full of them.
func markdownText(_ text: String, _ spelling: TextSpelling = .driving) -> String {
  var result = ""
  writeMarkdown(text, spelling, to: &result)
  return result
}

/// Writes such text some kilobytes at a time.
private func writeMarkdown(_ text: String, _ spelling: TextSpelling, to output: inout some TextOutputStream) {
  let scalars = spelling.applied(to: text).unicodeScalars
  var buffer = ""
  var word = scalars.startIndex
  for index in scalars.indices {
    let scalar = scalars[index]
    guard scalar == " " || scalar == "|" || scalar == "`" else { continue }
    writeWord(scalars[word..<index], &buffer, to: &output)
    buffer += scalar == " " ? " " : "\\" + String(scalar)
    word = scalars.index(after: index)
  }
  writeWord(scalars[word...], &buffer, to: &output)
  output.write(buffer)
}

/// Escapes a word into the buffer, which is written when it is full.
private func writeWord(
  _ word: Substring.UnicodeScalarView, _ buffer: inout String, to output: inout some TextOutputStream
) {
  let isLink = isLink(word)
  if isLink { buffer += "<code>" }
  var previous: Unicode.Scalar?
  for index in word.indices {
    let scalar = word[index]
    switch scalar {
    // An address of mail is found in what is left of the text: a comment ends it before the "@".
    case "@" where isLink: buffer += (previous == nil ? "" : "<!-- -->") + "&#64;"
    case ":" where isLink, "." where isLink, "#" where isLink, "$" where isLink: buffer += "&#\(scalar.value);"
    case "*", "[", "]", "\\", "~", "#": buffer += "\\" + String(scalar)
    case "<": buffer += "&lt;"
    case "&": buffer += "&amp;"
    case "_":
      let next = word.index(after: index)
      let isInside = previous.map(isWordPart) == true && next < word.endIndex && isWordPart(word[next])
      buffer += isInside ? "_" : "\\_"
    default: buffer.append(Character(scalar))
    }
    previous = scalar
    if buffer.utf8.count > 1 << 14 {
      output.write(buffer)
      buffer = ""
    }
  }
  if isLink { buffer += "</code>" }
}

/// True for a word in which GitHub finds an address, a name with "@", a number of an issue, an emoji or a formula.
private func isLink(_ word: Substring.UnicodeScalarView) -> Bool {
  // Every one of them has a character that few names have.
  guard word.contains(where: { "@#:$.-".unicodeScalars.contains($0) }) else { return false }
  // By bytes of lower case: a pattern would be made anew for every word of a long table.
  let text = Substring(word).utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
  func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  func isWord(_ byte: UInt8) -> Bool { isDigit(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F }
  func begins(_ start: Int, _ mark: StaticString) -> Bool {
    text.count - start >= mark.utf8CodeUnitCount
      && mark.withUTF8Buffer { $0.enumerated().allSatisfy { text[start + $0] == $1 } }
  }
  for (index, byte) in text.enumerated() {
    let next = index + 1 < text.count ? text[index + 1] : 0
    switch byte {
    case UInt8(ascii: "$"): return true
    case UInt8(ascii: "@") where isWord(next): return true
    case UInt8(ascii: "#") where isDigit(next): return true
    case UInt8(ascii: "m") where begins(index, "mailto:"): return true
    case UInt8(ascii: "x") where begins(index, "xmpp:"): return true
    case UInt8(ascii: "w") where begins(index, "www."): return true
    case UInt8(ascii: "g") where begins(index, "gh-") && index + 3 < text.count && isDigit(text[index + 3]): return true
    case UInt8(ascii: ":"):
      if begins(index, "://") { return true }
      let name = text[(index + 1)...].prefix { isWord($0) || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }
      if !name.isEmpty, name.endIndex < text.count, text[name.endIndex] == UInt8(ascii: ":") { return true }
    default: break
    }
  }
  return false
}

private func isWordPart(_ scalar: Unicode.Scalar) -> Bool {
  scalar.properties.isAlphabetic || scalar.properties.numericType != nil
}
