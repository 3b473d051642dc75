// Tritsmith: blocks of a report as HTML.

/// Writes blocks and knows which words the page explains.
struct PageBlocks {
  private let document: ReportDocument
  /// Definitions by id; the first of two wins.
  let glossary: [String: ReportDefinition]
  private var sections: [(id: String, title: String)] = []
  private var ids = UniqueKeys(reserving: ["tip", "theme", "main", "definitions"])
  private var nextSection = 0

  init(_ document: ReportDocument) {
    self.document = document
    glossary = Dictionary(document.glossary.map { ($0.id, $0) }) { first, _ in first }
    for case .heading(let text, let level) in document.blocks where level <= 1 {
      let name = snakeCase(text)
      sections.append((ids.next("section-" + (name.isEmpty ? "x" : name)), text))
    }
  }

  /// Key figures and notes that directly follow the verdict.
  func takeLead() -> [ReportBlock] {
    Array(
      document.blocks.prefix { block in
        switch block {
        case .facts(let facts): facts.isKeyFigures
        case .note: true
        default: false
        }
      })
  }

  /// Links to the sections of a page that has some.
  var navigation: String {
    guard sections.count + (document.glossary.isEmpty ? 0 : 1) > 1 else { return "" }
    var links = sections.map { "<li><a href=\"#\($0.id)\">\(htmlText($0.title))</a></li>" }
    if !document.glossary.isEmpty { links.append("<li><a href=\"#definitions\">Definitions</a></li>") }
    return "<nav aria-label=\"Sections\"><ul>\(links.joined())</ul></nav>\n"
  }

  /// The end of the last section, and the glossary.
  var closing: String { (nextSection > 0 ? "</details>\n" : "") + glossaryText }

  private var glossaryText: String {
    guard !document.glossary.isEmpty else { return "" }
    let entries = document.glossary.map { entry in
      let lines = entry.text.split(separator: "\n").map { "<p>\(htmlText(String($0)))</p>" }.joined()
      return "<div id=\"def-\(htmlText(entry.id))\"><dt>\(htmlText(entry.term))</dt><dd>\(lines)</dd></div>"
    }
    return fold("definitions", "Definitions", isOpen: false)
      + "<dl class=\"glossary\">\(entries.joined(separator: "\n"))</dl>\n</details>\n"
  }

  /// Writes blocks in order; plots of one panel that follow each other stand side by side on a desk.
  mutating func write(_ blocks: ArraySlice<ReportBlock>, to output: inout some TextOutputStream) {
    var plots: [ReportPlot] = []
    for block in blocks {
      if case .plot(let plot) = block, plot.panels.count == 1 {
        plots.append(plot)
        continue
      }
      write(plots, to: &output)
      plots = []
      write(block, to: &output)
    }
    write(plots, to: &output)
  }

  private func write(_ plots: [ReportPlot], to output: inout some TextOutputStream) {
    let isPair = plots.count > 1
    if isPair { output.write("<div class=\"pair\">") }
    for plot in plots { output.write(figure(plot, isPair ? .half : .wide)) }
    if isPair { output.write("</div>\n") }
  }

  private func figure(_ plot: ReportPlot, _ size: PlotSize) -> String {
    let heading = "<h3>\(explained(plot.title, plot.explanation, plot.definition))</h3>"
    return PlotFigure(plot: plot, size: size).html(heading: heading) + "\n"
  }

  private mutating func write(_ block: ReportBlock, to output: inout some TextOutputStream) {
    switch block {
    case .heading(let text, let level): output.write(heading(text, level))
    case .paragraph(let text): output.write("<p>\(htmlText(text))</p>\n")
    case .note(let severity, let text):
      output.write(
        "<p class=\"note \(severity.rawValue)\"><span class=\"badge\">\(severity.rawValue)</span>"
          + "<span>\(htmlText(text))</span></p>\n")
    case .facts(let facts): output.write(html(facts))
    case .table(let table): PageTable(table, page: self).write(to: &output)
    case .plot(let plot): output.write(figure(plot, .wide))
    case .quotes(let quotes): output.write(html(quotes))
    }
  }

  private mutating func heading(_ text: String, _ level: Int) -> String {
    guard level <= 1, nextSection < sections.count else { return "<h3>\(htmlText(text))</h3>\n" }
    nextSection += 1
    return (nextSection > 1 ? "</details>\n" : "")
      + fold(sections[nextSection - 1].id, text, isOpen: !document.folded.contains(text))
  }

  /// The beginning of a section that folds.
  private func fold(_ id: String, _ title: String, isOpen: Bool) -> String {
    "<details class=\"fold\" id=\"\(id)\"\(isOpen ? " open" : "")><summary><h2>\(htmlText(title))</h2></summary>\n"
  }

  // MARK: - Explanations

  /// Attributes that carry an explanation; nil when there is none.
  func explanation(_ text: String?, _ definition: String?) -> String? {
    let target = definition.flatMap { glossary[$0]?.id }
    guard text != nil || target != nil else { return nil }
    return (text.map { " data-why=\"\(htmlText($0))\"" } ?? "")
      + (target.map { " data-def=\"def-\(htmlText($0))\"" } ?? "")
  }

  /// Words that tell more on hover, focus and tap, and lead to their definition.
  func explained(_ words: String, _ text: String?, _ definition: String?) -> String {
    guard let attributes = explanation(text, definition) else { return htmlText(words) }
    if let definition, glossary[definition] != nil {
      return "<a class=\"why\" href=\"#def-\(htmlText(definition))\"\(attributes)>\(htmlText(words))</a>"
    }
    return "<span class=\"why\" tabindex=\"0\"\(attributes)>\(htmlText(words))</span>"
  }

  // MARK: - Facts and quotes

  private func html(_ facts: ReportFacts) -> String {
    let isList = !facts.isKeyFigures
    let items = facts.facts.map { fact in
      let label = explained(fact.label, fact.explanation, fact.definition)
      let plain = value(fact.value, fact.kind, exact: isList)
      let value = fact.tone.map { "<span class=\"tone \($0.rawValue)\">\(plain)</span>" } ?? plain
      let note = fact.note.map { "<span class=\"aside\">\(htmlText($0))</span>" } ?? ""
      // The remark on a large figure stands below its label.
      let parts =
        isList
        ? "<dd>\(value)\(note)</dd>" : "<dd>\(value)</dd>" + (note.isEmpty ? "" : "<dd class=\"below\">\(note)</dd>")
      return "<div class=\"fact\"><dt>\(label)</dt>\(parts)</div>"
    }
    let title = facts.title.map { "<h3>\(htmlText($0))</h3>" } ?? ""
    // Many short facts stand in two columns on a desk.
    let kind = !isList ? "figures-box" : facts.facts.count > 20 ? "facts many" : "facts"
    return "<div class=\"\(kind)\">\(title)<dl\(isList ? "" : " class=\"figures\"")>"
      + items.joined() + "</dl></div>\n"
  }

  /// A value as it stands in a fact or a cell.
  func value(_ value: ReportValue, _ kind: ReportKind, exact: Bool) -> String {
    let text = kind.text(of: value, missing: "–", exactBytes: exact)
    switch kind {
    case .hash where value != .missing: return "<span class=\"hash\">\(htmlText(text))</span>"
    case .severity:
      guard let severity = ReportSeverity(rawValue: text) else { return htmlText(text) }
      return "<span class=\"badge \(severity.rawValue)\">\(severity.rawValue)</span>"
    case .text, .state: return htmlText(text)
    default: return htmlText(minusSign(text))
    }
  }

  private func html(_ quotes: ReportQuotes) -> String {
    let items = quotes.quotes.map { quote in
      let facts = zip(quotes.columns, quote.values).map { column, value in
        // Texts get a ground of their own: a blank would not be seen without.
        let isText = if case .text = value { true } else { false }
        return "<div class=\"fact\"><dt>\(explained(column.heading, column.explanation, column.definition))</dt>"
          + "<dd\(isText ? " class=\"t\"" : "")>\(self.value(value, column.kind, exact: false))</dd></div>"
      }
      return "<li><blockquote>\(htmlText(quote.before))<mark>\(htmlText(quote.token))</mark>\(htmlText(quote.after))"
        + "</blockquote><dl>\(facts.joined())</dl></li>"
    }
    let title = quotes.title.map { "<h3>\(htmlText($0))</h3>" } ?? ""
    let caption = quotes.caption.map { "<p class=\"aside\">\(htmlText($0))</p>" } ?? ""
    return title + caption + "<ol class=\"quotes\">\(items.joined(separator: "\n"))</ol>\n"
  }
}
