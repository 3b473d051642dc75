// Tritsmith: pages: order, escaping, policy, plots.

import Testing
import TritCore

@testable import TritReport

@Suite struct HTMLRendererTests {
  private func page(_ document: ReportDocument) -> String { HTMLRenderer().text(of: document) }

  private func empty(_ title: String = "T") -> ReportDocument {
    ReportDocument(title: title, schema: ReportSchema("tritsmith.test", version: 1))
  }

  // MARK: - Names from files

  static let hostile = [
    "</script><img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "' onfocus='alert(1)' x='", "<!--", "]]>",
    "&lt;b&gt;", "`${alert(1)}`", "a\u{202E}b\u{2066}c", "\u{0}\u{1B}[31m\u{85}", "javascript:alert(1)", "</title><h1>",
    "</style><style>*{display:none}", "\\u003cscript\\u003e",
  ]

  /// The name in every place a name can be.
  private func document(with name: String) -> ReportDocument {
    var document = empty(name)
    document.verdict = ReportVerdict(.fail, name, points: [name])
    document.append(
      ReportFacts(
        key: name, title: name, isKeyFigures: true,
        [ReportFact(name, .text(name), key: name, note: name, explanation: name, definition: name)]))
    document.heading(name)
    document.heading(name, level: 2)
    document.paragraph(name)
    document.note(.warning, name)
    document.append(
      ReportFacts(key: name, title: name, [ReportFact(name, .list([.text(name)]), kind: .hash, note: name)]))
    let columns = [
      ReportColumn(name, name, unit: name, explanation: name, definition: name),
      ReportColumn("s", name, kind: .severity, definition: name), ReportColumn("h", name, kind: .hash),
    ]
    var table = ReportTable(key: name, title: name, columns: columns, caption: name)
    for _ in 0..<10 { table.append([.text(name), .text(name), .text(name)]) }
    table.setFooter([.text(name), .text(name), nil])
    document.append(table)
    let axis = ReportAxis(name, unit: name)
    let point = ReportPoint(1, 2, label: name)
    document.append(
      ReportPlot(
        key: name, title: name, x: axis, y: axis,
        panels: [
          ReportPanel(
            name, note: name,
            series: [
              ReportSeries(name, .line([point])), ReportSeries(name + "2", .columns([point])),
              ReportSeries(name + "3", .bins(edges: [0, 1], amounts: [1])), ReportSeries("d", .points([point])),
            ], references: [.line(.x, at: 1, name), .band(.y, from: 0, to: 1, name), .line(.y, at: 9e9, name)]),
          ReportPanel(series: [ReportSeries(name, .bars([ReportBar(name, 1, note: name)]))]),
        ], caption: name, explanation: name, definition: name))
    var quotes = ReportQuotes(key: name, title: name, columns: [ReportColumn("k", name)], caption: name)
    quotes.append(ReportQuote(before: name, token: name, after: name, [.text(name)]))
    document.append(quotes)
    document.glossary = [ReportDefinition(id: name, term: name, text: name)]
    return document
  }

  private static let elements: Set = [
    "html", "head", "meta", "title", "style", "body", "a", "div", "header", "p", "b", "button", "main", "h1", "h2",
    "h3",
    "h4", "section", "ul", "ol", "li", "nav", "dl", "dt", "dd", "span", "figure", "figcaption", "svg", "g", "path",
    "rect", "text", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "label", "input", "output", "details",
    "summary", "blockquote", "mark", "footer", "code", "script", "wbr",
  ]
  private static let attributes: Set = [
    "lang", "charset", "http-equiv", "content", "name", "class", "href", "id", "type", "hidden", "data-why", "data-def",
    "data-v", "tabindex", "role", "style", "scope", "aria-label", "aria-hidden", "autocomplete", "spellcheck",
    "viewBox",
    "d", "x", "y", "width", "height", "open",
  ]

  @Test(arguments: hostile)
  func namesAreTextEverywhere(name: String) {
    let text = page(document(with: name))
    let tokens = PageTokens(text)
    #expect(tokens.faults.isEmpty)
    #expect(tokens.count("script") == 1 && tokens.count("style") == 1 && tokens.count("h1") == 1)
    #expect(Set(tokens.tags.map(\.name)).subtracting(Self.elements).isEmpty)
    #expect(Set(tokens.tags.flatMap { $0.attributes.map(\.name) }).subtracting(Self.attributes).isEmpty)
    #expect(tokens.values("href").allSatisfy { $0.hasPrefix("#") })
    #expect(tokens.values("style").allSatisfy { $0.hasPrefix("--p:") || $0.hasPrefix("--h:") })
    let controls = text.unicodeScalars.filter { scalar in
      (scalar.value < 32 && scalar != "\n") || (0x7F...0x9F).contains(scalar.value)
        || [0x202A...0x202E, 0x2066...0x2069].contains { $0.contains(scalar.value) }
    }
    #expect(controls.isEmpty)
    // Nothing of it reaches the script, and it is there to be read.
    #expect(text.contains("<script>\(PageScript.source)</script>"))
    #expect(tokens.texts.contains { $0.contains(htmlText(name)) })
  }

  // MARK: - Policy

  @Test func thePolicyAllowsThisScriptAndNothingElse() throws {
    let digest = SHA256.digest(of: Array(PageScript.source.utf8)).bytes
    #expect(PageScript.hash == base64(digest), "after a change of the script write this hash into PageScript.hash")
    let text = page(Sample.document)
    let policy = try #require(text.split(separator: "\n").first { $0.contains("Content-Security-Policy") })
    #expect(policy.contains("default-src 'none'"))
    #expect(policy.contains("script-src 'sha256-\(PageScript.hash)'"))
    for word in ["unsafe-eval", "http:", "https:", "data:", "script-src 'unsafe-inline'", "*"] {
      #expect(!policy.contains(word))
    }
    for word in ["https://", "http://", "url(", "@import", "fetch(", "innerHTML", "eval("] {
      #expect(!text.contains(word))
    }
  }

  private func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0..<4 { text.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : "=") }
    }
    return text
  }

  // MARK: - Order and links

  @Test func theVerdictStandsFirstAndTheGlossaryLast() throws {
    var document = empty()
    document.paragraph("a paragraph")
    document.verdict = ReportVerdict(.fail, "It does not hold.", points: ["one reason"])
    document.append(ReportFacts(key: "f", [ReportFact("Entropy", 1.5, definition: "entropy")]))
    document.glossary = [ReportDefinition(id: "entropy", term: "Entropy", text: "In bits.\nSecond line.")]
    let text = page(document)
    let places = try [
      "<h1>", "It does not hold.", "one reason", "a paragraph", "href=\"#def-entropy\"", "id=\"definitions\"",
    ]
    .map { try #require(text.firstRange(of: $0)).lowerBound }
    #expect(places == places.sorted())
    #expect(text.contains("<section class=\"verdict fail\"><p class=\"badge\">fail</p>"))
  }

  @Test func aDefinitionThatIsNotThereIsNoLink() {
    var document = empty()
    document.append(ReportFacts(key: "f", [ReportFact("Entropy", 1.5, explanation: "bits", definition: "nowhere")]))
    let text = page(document)
    #expect(!text.contains("href=\"#def-") && !text.contains("data-def="))
    #expect(text.contains("<span class=\"why\" tabindex=\"0\" data-why=\"bits\">Entropy</span>"))
  }

  @Test func cellsCarryTheWholeNumber() {
    let text = page(Sample.document)
    #expect(text.contains("<td class=\"n f\" data-v=\"0.3125\" style=\"--p:0.312\">31.2 %</td>"))
    #expect(text.contains("<td class=\"n\" data-v=\"1638400\">1.6 MB</td>"))
    #expect(text.contains("<td class=\"n\" data-v=\"NaN\">nan</td>"))
    #expect(text.contains("<td class=\"n none\">–</td>"))
    #expect(PageTokens(text).faults.isEmpty)
  }
}
