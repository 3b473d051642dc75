// Tritsmith: widths, colours and hostile names in text.

import Testing

@testable import TritReport

@Suite struct TextRendererTests {
  private func document(_ table: ReportTable) -> ReportDocument {
    ReportDocument(title: "", schema: ReportSchema("test", version: 1), blocks: [.table(table)])
  }

  private var names: ReportTable {
    var table = ReportTable(
      key: "t",
      columns: [
        ReportColumn("name", "Name"), ReportColumn("sha256", "SHA-256", kind: .hash),
        ReportColumn("n", "N", kind: .integer),
      ])
    table.append(["model.layers.10.self_attn.q_proj.weight", "0123456789abcdef0123456789abcdef", 1])
    table.append(["norm", "ff", 20])
    return table
  }

  @Test func aPipeGetsEverything() {
    #expect(
      TextRenderer().text(of: document(names)) == """
        Name                                     SHA-256                            N
        ───────────────────────────────────────  ────────────────────────────────  ──
        model.layers.10.self_attn.q_proj.weight  0123456789abcdef0123456789abcdef   1
        norm                                     ff                                20

        """)
  }

  @Test func sentencesWithoutRoomStandBelowTheirRows() {
    var table = ReportTable(
      key: "t", columns: [ReportColumn("rule", "Rule"), ReportColumn("at", "Where"), ReportColumn("what", "What")])
    table.append(["config", "config.json", "a class that is not known here: give another"])
    table.append(["size", "", "short"])
    table.append(["long", "x", .text(Array(repeating: "word", count: 40).joined(separator: " "))])
    #expect(TextRenderer(width: 30).text(of: document(table)).contains("--wide also shows: What"))
    table.columns[2].isProse = true
    #expect(
      TextRenderer(width: 30).text(of: document(table)) == """
        Rule    Where
        ──────  ───────────
        config  config.json
          a class that is not known
          here: give another
        size
          short
        long    x
          word word word word word
          word word word word word
          word word word word word
          word word word word word
          word word word word word
          word word word word word …

        """)
    // With room it is a column like others, and a pipe has room.
    #expect(TextRenderer(width: 300).text(of: document(table)).hasPrefix("Rule    Where        What"))
    #expect(TextRenderer().text(of: document(table)).hasPrefix("Rule    Where        What"))
  }

  @Test func aTerminalGetsHashesCutFirstAndNamesInTheMiddle() {
    #expect(
      TextRenderer(width: 58).text(of: document(names)) == """
        Name                                     SHA-256        N
        ───────────────────────────────────────  ────────────  ──
        model.layers.10.self_attn.q_proj.weight  0123456789a…   1
        norm                                     ff            20

        """)
    #expect(
      TextRenderer(width: 40).text(of: document(names)) == """
        Name
        ───────────────────────────────────────
        model.layers.10.self_attn.q_proj.weight
        norm
        --wide also shows: SHA-256, N

        """)
    #expect(
      TextRenderer(width: 20).text(of: document(names))
        == """
        Name
        ────────────────────
        model.lay…oj.weight
        norm
        --wide also shows:
          SHA-256 and 1 more

        """.replacing("model.lay…oj.weight", with: truncatedInMiddle("model.layers.10.self_attn.q_proj.weight", to: 20))
    )
  }

  @Test func namesLoseWhatAllOfThemShareBeforeColumnsGo() {
    var table = ReportTable(
      key: "t", columns: [ReportColumn("name", "Name"), ReportColumn("n", "N", kind: .integer)])
    table.append(["model.layers.10.mlp.up_proj.weight", 1])
    table.append(["model.layers.9.mlp.down_proj.weight", 20])
    #expect(
      TextRenderer(width: 36).text(of: document(table)) == """
        Name (model.layers.….weight)   N
        ────────────────────────────  ──
        10.mlp.up_proj                 1
        9.mlp.down_proj               20

        """)
  }

  @Test func whatNamesShareStandsAboveATableWhoseHeadingWouldTakeItsColumns() {
    var table = ReportTable(
      key: "t", columns: [ReportColumn("name", "Name"), ReportColumn("type", "Type"), ReportColumn("n", "Number")])
    for layer in [9, 10] { table.append([.text("model.layers.\(layer).mlp.up_proj.weight"), "TQ2_0", "0.0213"]) }
    #expect(
      TextRenderer(width: 40).text(of: document(table)) == """
        Name: model.layers.….mlp.up_proj.weight
        Name  Type   Number
        ────  ─────  ──────
        9     TQ2_0  0.0213
        10    TQ2_0  0.0213

        """)
  }

  @Test func namesOfMachineFormatsAreWordsToPeopleAlone() {
    var table = ReportTable(
      key: "gates", columns: [ReportColumn("gate", "Gate", kind: .state), ReportColumn("found", "Found")])
    table.columns[1].kind = .significant(digits: 4)
    table.append(["reverse_kld", "not_exact"])
    table.append(["block0.mlp", .number(0.25)])
    let report = document(table)
    let text = TextRenderer().text(of: report)
    #expect(text.contains("KL(Q‖P)") && text.contains("not exact") && text.contains("layer 0 mlp"), "\(text)")
    #expect(HTMLRenderer().text(of: report).contains("not exact"))
    let json = JSONRenderer().text(of: report)
    #expect(json.contains("\"reverse_kld\"") && json.contains("\"not_exact\""), "\(json)")
    #expect(CSVRenderer().text(of: report).contains("reverse_kld,not_exact"))
  }

  @Test func aBriefShowsWhatItNamesAndCountsTheRest() {
    var report = document(names)
    report.append(ReportFacts(key: "f", [ReportFact("A", .integer(1)), ReportFact("B", .integer(2))]))
    report.note(.info, "remark")
    report.note(.pass, "done")
    report.brief = ReportBrief(["a"], rows: ["t": [1]])
    #expect(
      TextRenderer(showsDetails: false).text(of: report) == """
        PASS done

        Name  SHA-256   N
        ────  ───────  ──
        norm  ff       20

        A  1

        --all also shows: 1 row of t, more facts, 1 note

        """)
    // Asked for all, and in other formats, everything is there.
    #expect(TextRenderer().text(of: report).contains("remark"))
    #expect(JSONRenderer().text(of: report).contains("q_proj"))
    report.note(.fail, "not done")
    #expect(TextRenderer(showsDetails: false).text(of: report).contains("note: remark"))
  }

  @Test func factsOfABriefStandTogetherWithoutTitles() {
    var report = ReportDocument(title: "T", schema: ReportSchema("test", version: 1))
    report.append(ReportFacts(key: "f", [ReportFact("A", .integer(1))]))
    report.append(
      ReportFacts(key: "g", title: "Size", [ReportFact("Bytes", .integer(2)), ReportFact("C", .integer(3))]))
    report.append(ReportFacts(key: "h", title: "Origin", [ReportFact("D", .integer(4))]))
    report.append(ReportTable(key: "t", columns: [ReportColumn("name", "Name")]))
    report.note(.pass, "done")
    report.brief = ReportBrief(["a", "bytes", "t"])
    #expect(
      TextRenderer(showsDetails: false).text(of: report) == """
        PASS done

        A      1
        Bytes  2

        --all also shows: more facts, Origin

        """)
  }

  /// A line of what is left out goes before the report runs over the screen: 1 + 1 + 20 + 1 + 1.
  @Test func whatIsLeftOutTakesOneLineWhereTwoHaveNoRoom() {
    var report = ReportDocument(title: "T", schema: ReportSchema("test", version: 1))
    let keys = (0..<20).map { "fact_\($0)" }
    report.append(ReportFacts(key: "f", keys.map { ReportFact("Fact \($0)", .integer(1), key: $0) }))
    for index in 0..<8 {
      report.append(
        ReportFacts(key: "g\(index)", title: "Some other facts \(index)", [ReportFact("Other \(index)", .integer(1))]))
    }
    report.note(.pass, "done")
    report.brief = ReportBrief(Set(keys))
    let lines = TextRenderer(width: 80, showsDetails: false).text(of: report).split(
      separator: "\n", omittingEmptySubsequences: false
    ).dropLast()
    #expect(lines.count == 24, "\(lines)")
    let last = lines.last ?? ""
    #expect(last.hasPrefix("--all also shows: Some other facts 0, ") && last.hasSuffix(" more"), "\(last)")
  }

  /// Neither are the headings above nothing else; programs get the table.
  @Test func emptyTablesAreNotShown() {
    var report = ReportDocument(title: "", schema: ReportSchema("test", version: 1))
    let empty = ReportTable(key: "t", title: "Faults", columns: [ReportColumn("name", "Name")])
    report.conclude(true, "all is well")
    report.heading("Findings")
    report.heading("Of layers", level: 2)
    report.append(empty)
    report.heading("Figures")
    report.append(ReportFacts(key: "none", title: "Nothing"))
    report.append(ReportFacts(key: "f", [ReportFact("A", .integer(1))]))
    let text = TextRenderer(showsDetails: true).text(of: report)
    #expect(text.split(separator: "\n") == ["PASS all is well", "Figures", "A  1"], "\(text)")
    let markdown = MarkdownRenderer().text(of: report)
    let page = HTMLRenderer().text(of: report)
    for text in [markdown, page] {
      #expect(!text.contains("Faults") && !text.contains("Findings") && !text.contains("Of layers"))
      #expect(!text.contains("Nothing") && text.contains("Figures") && !text.contains("(none)"))
    }
    #expect(JSONRenderer().text(of: report).contains("\"t\": []"))
    #expect(CSVRenderer(table: "t").text(of: report) == "name\r\n")
  }

  @Test func hostileNamesCannotDriveTheTerminal() {
    var table = ReportTable(key: "t", title: Sample.hostile, columns: [ReportColumn("x", Sample.hostile)])
    table.append([.text(Sample.hostile)])
    var document = ReportDocument(
      title: Sample.hostile, schema: ReportSchema("test", version: 1), blocks: [.table(table)])
    document.heading(Sample.hostile)
    document.paragraph(Sample.hostile)
    document.note(.fail, Sample.hostile)
    document.append(
      ReportFacts(
        key: "f", title: Sample.hostile,
        [
          ReportFact(Sample.hostile, .list([.text(Sample.hostile)]), note: Sample.hostile)
        ]))
    for renderer in [TextRenderer() as any ReportRenderer, MarkdownRenderer(), TextRenderer(width: 20)] {
      let text = renderer.text(of: document)
      let controls = text.unicodeScalars.filter { $0 != "\n" && ($0.value < 32 || (127..<160).contains($0.value)) }
      #expect(controls.isEmpty)
      #expect(!text.unicodeScalars.contains("\u{202E}"))
    }
    #expect(safeText(Sample.hostile) == #"a\x1b[2J\x9b31m\nb\t\x7f\u{202e}c"#)
    // A verdict takes the title's place; otherwise no line more than the blocks themselves make.
    #expect(TextRenderer().text(of: document).split(separator: "\n").count == 9)
  }

  @Test func colourMarksHeadingsAndSeveritiesOnly() {
    var document = ReportDocument(title: "T", schema: ReportSchema("test", version: 1))
    document.note(.fail, "x")
    document.note(.info, "y")
    #expect(
      TextRenderer(usesColor: true).text(of: document)
        == "\u{1B}[1;31mFAIL\u{1B}[0m x\n\u{1B}[1mnote:\u{1B}[0m y\n")
  }

  @Test func aCommandIsNeverWrapped() {
    func text(_ width: Int?) -> String {
      let facts = ReportFacts(key: "f", [ReportFact("Next", "tritsmith run m.gguf -p \"In the\"", kind: .command)])
      let document = ReportDocument(title: "", schema: ReportSchema("test", version: 1), blocks: [.facts(facts)])
      return TextRenderer(width: width).text(of: document)
    }
    // Behind its label it takes 6 and 32 columns.
    #expect(text(38) == "Next  tritsmith run m.gguf -p \"In the\"\n")
    #expect(text(nil) == text(38))
    #expect(text(37) == "Next\ntritsmith run m.gguf -p \"In the\"\n")
    #expect(text(20) == text(37))
  }

  @Test("a fact that is one column too wide has a space less, and one of two breaks", arguments: [31, 32, 33])
  func tightFacts(_ width: Int) {
    let facts = ReportFacts(key: "a", [ReportFact("A", .text("one two three"), note: "four five six")])
    let document = ReportDocument(title: "", schema: ReportSchema("test", version: 1), blocks: [.facts(facts)])
    let expected = [
      31: "A  one two three (four five\n   six)\n", 32: "A  one two three (four five six)\n",
      33: "A  one two three  (four five six)\n",
    ]
    #expect(TextRenderer(width: width).text(of: document) == expected[width])
  }

  @Test func notesWrapWithAHangingIndent() {
    let blocks: [ReportBlock] = [.note(.warning, "one two three four five six")]
    let document = ReportDocument(title: "", schema: ReportSchema("test", version: 1), blocks: blocks)
    #expect(TextRenderer(width: 20).text(of: document) == "warning: one two\n  three four five\n  six\n")
    var longName = ReportDocument(title: "", schema: ReportSchema("t", version: 1))
    longName.note(.error, "/a/path/without/room: is no model")
    #expect(TextRenderer(width: 20).text(of: longName) == "error: /a/path/without/room:\n  is no model\n")
  }

  @Test(arguments: [("abc", 3), ("é", 1), ("e\u{301}", 1), ("漢字", 4), ("👍", 2), ("한글", 4), ("ﬀ", 1), ("─", 1), ("", 0)])
  func widths(text: String, columns: Int) {
    #expect(displayWidth(text) == columns)
  }

  @Test(arguments: [
    (0, ""), (1, "…"), (2, "…f"), (3, "a…f"), (5, "ab…ef"), (6, "abcdef"), (9, "abcdef"),
  ])
  func middleTruncation(width: Int, text: String) {
    #expect(truncatedInMiddle("abcdef", to: width) == text)
    #expect(displayWidth(truncatedInMiddle("漢字漢字漢字", to: width)) <= width)
    #expect(displayWidth(truncatedAtEnd("漢字漢字漢字", to: width)) <= width)
  }
}
