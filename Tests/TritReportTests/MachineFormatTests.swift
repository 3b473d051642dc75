// Tritsmith: what programs read: JSON and CSV in detail.

import Testing

@testable import TritReport

@Suite struct MachineFormatTests {
  private func json(_ value: ReportValue) -> String {
    let facts = ReportFacts(key: "f", [ReportFact("v", value)])
    let document = ReportDocument(title: "", schema: ReportSchema("t", version: 2), blocks: [.facts(facts)])
    let text = JSONRenderer().text(of: document)
    let start = "{\n  \"schema\": \"t\",\n  \"schema_version\": 2,\n  \"title\": \"\",\n  \"f\": {\n    \"v\": "
    #expect(text.hasPrefix(start) && text.hasSuffix("\n  }\n}\n"))
    return String(text.dropFirst(start.count).dropLast(7))
  }

  @Test(
    arguments: [
      (0.1, "0.1"), (-0.0, "-0.0"), (1e-7, "1e-07"), (1e300, "1e+300"), (Double.leastNonzeroMagnitude, "5e-324"),
      (1.0, "1.0"),
      (0.1 + 0.2, "0.30000000000000004"), (.nan, "null"), (.infinity, "null"), (-.infinity, "null"),
    ] as [(Double, String)])
  func numbersRoundTrip(number: Double, text: String) {
    #expect(json(.number(number)) == text)
    if number.isFinite { #expect(Double(text)?.bitPattern == number.bitPattern) }
  }

  @Test func otherValues() {
    #expect(json(.integer(.min)) == "-9223372036854775808")
    #expect(json(.bytes(.max)) == "18446744073709551615")
    #expect(json([1, "x", nil, [true]]) == #"[1, "x", null, [true]]"#)
    #expect(json([]) == "[]")
  }

  @Test(arguments: [
    ("plain ü 漢 👍", #""plain ü 漢 👍""#), ("\"\\/", #""\"\\/""#),
    ("\u{0}\u{1F}\u{7F}\u{9B}", #""\u0000\u001f\u007f\u009b""#),
    ("\u{8}\u{9}\n\u{C}\r", #""\b\t\n\f\r""#), ("\r\n", #""\r\n""#), ("\u{2028}\u{202E}", #""\u2028\u202e""#),
    // Above U+FFFF JSON wants the two halves of UTF-16.
    ("\u{E0001}\u{200B}", #""\udb40\udc01\u200b""#),
  ])
  func stringsAreEscaped(text: String, expected: String) {
    #expect(jsonString(text) == expected)
  }

  @Test func noKeyHidesAnother() {
    var document = ReportDocument(title: "x", schema: ReportSchema("t", version: 1))
    for key in ["title", "a", "a", "notes", ""] { document.append(ReportFacts(key: key)) }
    document.append(ReportFacts(key: "b", [ReportFact("Same", 1), ReportFact("same", 2)]))
    document.note(.info, "n")
    #expect(
      JSONRenderer().text(of: document) == """
        {
          "schema": "t",
          "schema_version": 1,
          "title": "x",
          "title_2": {},
          "a": {},
          "a_2": {},
          "notes_2": {},
          "value": {},
          "b": {
            "same": 1,
            "same_2": 2
          },
          "notes": [
            {"severity": "info", "text": "n"}
          ]
        }

        """)
  }

  @Test(arguments: [
    ("plain", "plain"), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""), ("a\nb", "\"a\nb\""),
    ("a\r\nb", "\"a\r\nb\""), (" padded", "\" padded\""), ("", "\"\""), ("\"", "\"\"\"\""),
    // A mark after a quote makes one Character of the two, and they are two to every reader of CSV.
    ("x\"\u{301},y", "\"x\"\"\u{301},y\""), ("a,\u{301}b", "\"a,\u{301}b\""), ("a\n\u{301}", "\"a\n\u{301}\""),
    // Bytes of names are kept unless asked otherwise.
    ("a\u{1B}[31m\u{202E}\u{200B}", "a\u{1B}[31m\u{202E}\u{200B}"),
  ])
  func csvFields(text: String, field: String) {
    var table = ReportTable(key: "t", columns: [ReportColumn("x", "X")])
    table.append([.text(text)])
    let document = ReportDocument(title: "", schema: ReportSchema("t", version: 1), blocks: [.table(table)])
    #expect(CSVRenderer().text(of: document) == "x\r\n\(field)\r\n")
  }

  @Test func csvChoosesATable() {
    var document = ReportDocument(title: "", schema: ReportSchema("t", version: 1))
    document.append(ReportFacts(key: "f", [ReportFact("Name", "a,b"), ReportFact("Size", .bytes(7))]))
    #expect(CSVRenderer().text(of: document) == "section,key,value\r\nf,name,\"a,b\"\r\nf,size,7\r\n")
    document.append(ReportTable(key: "one", columns: [ReportColumn("a", "A")]))
    document.append(ReportTable(key: "two", columns: [ReportColumn("b", "B")]))
    #expect(CSVRenderer().text(of: document) == "a\r\n")
    #expect(CSVRenderer(table: "two").text(of: document) == "b\r\n")
    #expect(CSVRenderer(table: "three").text(of: document) == "")
    document.primaryTable = "two"
    #expect(CSVRenderer().text(of: document) == "b\r\n")
    document.primaryTable = "three"
    #expect(CSVRenderer().text(of: document) == "a\r\n")
  }

  @Test(arguments: [
    ("a_b", "a_b"), ("_a", "\\_a"), ("__init__", "\\_\\_init\\_\\_"), ("a|b", "a\\|b"), ("<b>&", "&lt;b>&amp;"),
    ("*x* `y` [z](u) # ~s~", "\\*x\\* \\`y\\` \\[z\\](u) \\# \\~s\\~"), ("a\nb", "a\\\\nb"),
    ("p|\u{301} *\u{301}b* `\u{301}c`", "p\\|\u{301} \\*\u{301}b\\* \\`\u{301}c\\`"), ("<\u{301}b>", "&lt;\u{301}b>"),
    // What is linked after markup has been read stands as code, and is spelled out.
    (
      "@octocat #12 https://evil.example",
      "<code>&#64;octocat</code> <code>&#35;12</code> <code>https&#58;//evil&#46;example</code>"
    ),
    ("a @ b", "a @ b"), ("(WWW.evil.com)", "<code>(WWW&#46;evil&#46;com)</code>"),
    ("me@evil.com", "<code>me<!-- -->&#64;evil&#46;com</code>"), ("x/y#3", "<code>x/y&#35;3</code>"),
    ("GH-7 :tada: $x$", "<code>GH-7</code> <code>&#58;tada&#58;</code> <code>&#36;x&#36;</code>"),
    ("http://a|`@b`", "<code>http&#58;//a</code>\\|\\`<code>&#64;b</code>\\`"),
    ("[l](http://e)", "<code>\\[l\\](http&#58;//e)</code>"), ("<@b>", "<code>&lt;<!-- -->&#64;b></code>"),
    ("https://\u{301}e", "<code>https&#58;//\u{301}e</code>"), ("layers.0: 3 of 4", "layers.0: 3 of 4"),
  ])
  func markdownEscapes(text: String, escaped: String) {
    #expect(markdownText(text) == escaped)
  }

  @Test(arguments: [
    ("=1+1", true), ("+1+1", true), ("-2+3", true), ("@SUM(1)", true), ("=cmd|'/C calc'!A0", true), ("-", true),
    (" =1", true), ("\t=1", true), ("\u{FEFF}=1", true), ("\u{FF1D}1", true), ("=\u{301}1", true), ("-inf", true),
    ("-1", false), ("-0.5e-3", false), ("+4", false), ("-1 0 1", false), ("a=1", false), ("'=1", false), ("", false),
  ])
  func formulasAreDefused(text: String, isFormula: Bool) {
    var table = ReportTable(
      key: "t", columns: [ReportColumn("x", "X"), ReportColumn("l", "L"), ReportColumn("n", "N")])
    table.append([.text(text), .list([.text(text)]), .list([.integer(-1), .text(text)])])
    let document = ReportDocument(title: "", schema: ReportSchema("t", version: 1), blocks: [.table(table)])
    func fields(_ renderer: CSVRenderer) -> String {
      // No argument holds a comma or a quote: only quotes around spaces at the ends are to be taken off.
      let line = renderer.text(of: document).unicodeScalars.dropFirst("x,l,n\r\n".unicodeScalars.count)
      return line.filter { $0 != "\"" }.reduce(into: "") { $0.unicodeScalars.append($1) }
    }
    let mark = isFormula ? "'" : ""
    #expect(fields(CSVRenderer()) == "\(mark)\(text),\(mark)\(text),-1 \(text)\r\n")
    #expect(fields(CSVRenderer(keepsFormulas: true)) == "\(text),\(text),-1 \(text)\r\n")
  }

  @Test func numbersAreNoFormulas() {
    let facts = ReportFacts(
      key: "f", [ReportFact("a", .number(-1.5)), ReportFact("b", .integer(-3)), ReportFact("c", .number(-.infinity))])
    let document = ReportDocument(title: "", schema: ReportSchema("t", version: 1), blocks: [.facts(facts)])
    #expect(CSVRenderer().text(of: document) == "section,key,value\r\nf,a,-1.5\r\nf,b,-3\r\nf,c,-inf\r\n")
  }

  @Test(arguments: ReportFormat.allCases)
  func whatCannotBeSeenIsSpelledOut(format: ReportFormat) {
    let unseen: [Unicode.Scalar] = [
      "\u{1B}", "\u{9B}", "\u{7F}", "\u{0}", "\u{202E}", "\u{2066}", "\u{61C}", "\u{2028}", "\u{FEFF}", "\u{AD}",
      "\u{200B}", "\u{200D}", "\u{115F}", "\u{3164}", "\u{FFA0}", "\u{180E}", "\u{206A}", "\u{FFF9}", "\u{FE0F}",
      "\u{E0001}", "\u{A0}", "\u{3000}", "\u{2800}", "\u{2061}", "\u{FFFF}",
    ]
    let text = unseen.reduce(into: "") { $0 += "a" + String($1) }
    var document = ReportDocument(title: text, schema: ReportSchema("t", version: 1))
    document.append(ReportFacts(key: "f", title: text, [ReportFact("v", .text(text), note: text)]))
    var table = ReportTable(key: "t", columns: [ReportColumn("x", "X")])
    table.append([.list([.text(text)])])
    document.append(table)
    document.note(.warning, text)
    let shown = format.renderer(width: 80, usesColor: false, showsDetails: true, spellsOut: true).text(of: document)
    #expect(shown.unicodeScalars.count > text.unicodeScalars.count)
    #expect(!shown.unicodeScalars.contains { $0 != "\n" && $0 != "\r" && unseen.contains($0) })
    let page = HTMLRenderer().text(of: document)
    #expect(!page.unicodeScalars.contains { $0 != "\n" && unseen.contains($0) })
  }

  @Test(arguments: [("File size", "file_size"), ("Peak memory (MB)", "peak_memory_mb"), ("Größe", "gr_e"), ("", "")])
  func keysFromLabels(label: String, key: String) {
    #expect(ReportFact(label, 1).key == key)
  }
}
