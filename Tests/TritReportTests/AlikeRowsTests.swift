// Tritsmith: rows that are told together, and what a screen holds.

import Testing

@testable import TritReport

@Suite struct AlikeRowsTests {
  private static let counts = [1, 31, 11, 21]

  private var faults: ReportTable {
    var table = ReportTable(
      key: "t",
      columns: [
        ReportColumn("name", "Tensor"), ReportColumn("detail", "Detail"),
        ReportColumn("differ", "Differ", kind: .integer),
        ReportColumn("scale", "Scale", kind: .significant(digits: 6)),
        ReportColumn("zeros", "Zeros", kind: .fraction(digits: 1)),
      ])
    for (layer, count) in Self.counts.enumerated() {
      table.append([
        .text("model.layers.\(layer).mlp.weight"), .text("\(count) trits differ, first at row \(layer): found -1"),
        .integer(count), .number(0.021 + 0.001 * Double(layer)), .number(0.25 + 0.125 * Double(layer)),
      ])
    }
    return table
  }

  @Test func theWorstOfAllLayersSpeaksForThemAndNumbersBecomeRanges() throws {
    var table = faults
    table.badness = Self.counts.map(Double.init)
    let all = try #require(table.alike(Array(0..<4)).first)
    #expect(
      all.cells == [
        "model.layers.0–3.mlp.weight", "worst in layer 1: 31 trits differ, first at row 1: found -1", "1–31",
        "0.021–0.024", "25.0–62.5 %",
      ])
    #expect(all.count == 4 && all.first == 0)
    // Layers between are missing: a range would say too much, and a star nothing.
    let two = try #require(table.alike([0, 2]).first)
    #expect(
      two.cells.prefix(2) == [
        "model.layers.0,2.mlp.weight", "worst in layer 2: 11 trits differ, first at row 2: found -1",
      ])
    let unranked = try #require(faults.alike([0, 1]).first)
    #expect(unranked.cells[1] == "in layer 0: 1 trits differ, first at row 0: found -1")
    #expect(table.alike([3]).first?.cells == table.rows[3])
  }

  @Test func aRangeOfNegativeNumbersIsSaidInWords() throws {
    var table = ReportTable(
      key: "t", columns: [ReportColumn("name", "Tensor"), ReportColumn("db", "dB", kind: .decimal(digits: 2))])
    for (layer, value) in [-5.75, -2.0, -3.5].enumerated() {
      table.append([.text("model.layers.\(layer).mlp"), .number(value)])
    }
    #expect(try #require(table.alike([0, 1, 2]).first).cells[1] == "-5.75 to -2.00")
  }

  /// A count behind the name would be all that tells two such rows apart, and the layers would go with what they share.
  @Test func groupsOfLayersKeepTheirNumbersWhereNamesAreShortened() {
    var table = ReportTable(
      key: "t", columns: [ReportColumn("name", "Tensor"), ReportColumn("found", "Found"), ReportColumn("n", "N")])
    for layer in 0..<12 {
      let isOdd = layer % 2 == 1
      table.append([
        .text("model.layers.\(layer).self_attn.o_proj.weight"), .text(isOdd ? "code" : "trit"),
        .text(String(repeating: "x", count: 30)),
      ])
    }
    let rows = table.alike(Array(0..<12)).map(\.cells)
    #expect(rows.count == 2)
    let screen = text(table.showing(rows), width: 60)
    #expect(screen.contains("0,2,…,10  trit") && screen.contains("1,3,…,11  code"), "\(screen)")
  }

  @Test func hashesDoNotTellLayersApart() throws {
    var table = ReportTable(
      key: "t", columns: [ReportColumn("name", "Tensor"), ReportColumn("sha256", "SHA-256", kind: .hash)])
    for (layer, hash) in ["a1b2", "c3d4", "0e0f"].enumerated() {
      table.append([.text("model.layers.\(layer).mlp.weight"), .text(hash)])
    }
    let all = table.alike([0, 1, 2])
    #expect(all.count == 1 && all[0].count == 3)
    #expect(all[0].cells == ["model.layers.0–2.mlp.weight", nil])
  }

  @Test func aSentenceIsNotCutWhereItHasRoomBelow() {
    var columns = [
      ReportColumn("name", "Tensor"), ReportColumn("outcome", "Outcome"), ReportColumn("detail", "Detail"),
      ReportColumn("differ", "Differ", kind: .integer),
    ]
    columns[2].isProse = true
    columns[3].isAside = true
    var table = ReportTable(key: "t", columns: columns)
    table.append([
      "model.layers.0–3.input_layernorm", "differs",
      "in layer 0: row 0, column 0: 0.21386719 (BF16), expected 0.12109375 (BF16)", 102_382,
    ])
    for lines in 2...4 {
      var text = ""
      TextTable(table, width: 80, mostLines: lines).write(to: &text) { $0 }
      #expect(!text.contains("…") && text.contains("0.12109375"), "\(lines): \(text)")
    }
  }

  @Test func numbersOfASentenceAreNeverReplaced() {
    func remark(_ texts: [String]) -> String {
      var all = AlikeTexts(texts[0])
      for text in texts.dropFirst() { all.add(text) }
      return all.remark
    }
    #expect(
      remark(["'a.0.b' is only in the first", "'a.1.b' is only in the first"])
        == "'a.0–1.b' is only in the first (2 times)")
    #expect(
      remark(["x: row 0: 0.5 (BF16)", "x: row 0: 0.25 (BF16)", "x: row 1: 2 (BF16)"])
        == "x: row 0: 0.5 (BF16), and 2 more alike")
    #expect(remark(["once"]) == "once")
  }

  @Test(arguments: [
    ([0, 1, 2, 5, 7, 8], "a.0–2,5,7–8.b"), ([3, 1], "a.1,3.b"), ([0, 2, 4, 6], "a.0,2,4,6.b"),
    ([0, 2, 4, 6, 8, 9], "a.0–9 except 1,3,5,7.b"), ([0, 1, 3, 7, 8, 20, 30, 40], "a.0–1,3,7–8,… (8).b"),
    // Full attention in every fourth layer, and the layers between.
    (Array(stride(from: 3, to: 32, by: 4)), "a.3,7,…,31.b"),
    ((0..<32).filter { $0 % 4 != 3 }, "a.0–2,4–6,…,28–30.b"),
    ((0..<32).filter { $0 % 4 != 1 }, "a.0–31 except 1,5,…,29.b"),
    ([0, 1, Int.max, Int.max - 1], "a.0–1,9223372036854775806–9223372036854775807.b"),
  ])
  func layersThatAreNotAllAreNamed(_ layers: [Int], _ name: String) {
    var all = AlikeTexts("a.\(layers[0]).b")
    for layer in layers.dropFirst() { all.add("a.\(layer).b") }
    #expect(all.name == name)
  }

  @Test func warningsThatRepeatOverLayersAreSaidOnce() {
    let zeros = (0..<32).map { "all-zero: model.layers.\($0).o_proj.weight: all 65,536 values are zero" }
    let scales = [0.5, 0.25].map { "model.layers.3.up_proj.weight: trits are multiplied by \($0)" }
    #expect(
      foldedRemarks([zeros[0], "once"] + zeros.dropFirst() + scales) == [
        "all-zero: model.layers.0–31.o_proj.weight: all 65,536 values are zero (32 times)", "once",
        "model.layers.3.up_proj.weight: trits are multiplied by 0.5, and 1 more alike",
      ])
    #expect(foldedRemarks([]) == [])
  }

  @Test func namesThatRepeatOverLayersAreOne() {
    let names = [0, 1, 10, 11].map { "layers.\($0).o_proj" } + ["head", "layers.2.o_proj", "layers.0.q_proj"]
    let folded = foldedNames(names)
    #expect(folded.map(\.name) == ["layers.0–2,10–11.o_proj", "head", "layers.0.q_proj"])
    #expect(folded.map(\.count) == [5, 1, 1])
  }

  @Test(arguments: [
    ("found -1", ["found ", "-1"]), ("model-00001", ["model-", "00001"]), ("1e-05 and 2.5", ["1e-05", " and ", "2.5"]),
    ("layers.0.mlp", ["layers.", "0", ".mlp"]), ("", []), ("7.", ["7", "."]), ("2end", ["2", "end"]),
  ])
  func numbersAreFound(text: String, parts: [String]) {
    #expect(numberedParts(text).map(String.init) == parts)
  }

  @Test func aFailureOfManyKindsFitsAScreenAndIsWholeWhereItMayBe() {
    var table = ReportTable(key: "t", title: "Tensors", columns: [ReportColumn("name", "Tensor")])
    for index in 1...50 { table.append([.text(String(repeating: "a", count: index))]) }
    var report = ReportDocument(title: "", schema: ReportSchema("test", version: 1), blocks: [.table(table)])
    for index in 1...40 { report.note(.error, String(repeating: "b", count: index)) }
    report.append(ReportFacts(key: "f", [ReportFact("Ids", .integers(Array(0..<9000)))]))
    report.conclude(false, "bad")
    report.brief = ReportBrief(["ids"], rows: ["t": Array(0..<50)], told: ["bb"])
    let screen = TextRenderer(width: 80, showsDetails: false).text(of: report)
    let lines = screen.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(lines.count <= 24 && lines.first == "FAIL bad" && lines.allSatisfy { $0.count <= 80 }, "\(screen)")
    #expect(screen.contains("--all also shows: ") && screen.contains("rows of Tensors") && screen.contains("errors"))
    // A taller terminal is filled, but for the line of the next prompt.
    let tall = TextRenderer(width: 80, height: 40, showsDetails: false).text(of: report).split(
      separator: "\n", omittingEmptySubsequences: false
    ).dropLast()
    #expect(tall.count > 30 && tall.count < 40, "\(tall.count)")
    // What matters most stands first where the brief form says so.
    report.brief?.rows["t"] = [7, 2]
    report.brief?.ranked = ["t"]
    let ranked = TextRenderer(width: 80, showsDetails: false).text(of: report).split(separator: "\n")
    let places = [8, 3].map { count in
      ranked.firstIndex { $0.filter { $0 != " " } == String(repeating: "a", count: count) }
    }
    #expect(places[0].map { $0 + 1 } == places[1] && places[1] != nil, "\(places)")
    report.brief?.ranked = []
    report.brief?.rows["t"] = Array(0..<50)
    let wide = TextRenderer(showsDetails: false, foldsRows: false).text(of: report)
    #expect(wide.contains(String(repeating: "a", count: 50) + "\n") && wide.contains("8999]"))
    #expect(wide.contains("error: " + String(repeating: "b", count: 40)) && !wide.contains("error: bb\n"))
    // A verdict is told once to people, and stays among the remarks of machine formats.
    #expect(TextRenderer().text(of: report).split(separator: "\n").count { $0 == "FAIL bad" } == 1)
    #expect(!MarkdownRenderer().text(of: report).contains("> **fail:**"))
    #expect(JSONRenderer().text(of: report).contains(#"{"severity": "fail", "text": "bad"}"#))
  }

  private func text(_ table: ReportTable, width: Int) -> String {
    TextRenderer(width: width).text(
      of: ReportDocument(title: "", schema: ReportSchema("test", version: 1), blocks: [.table(table)]))
  }

  @Test func sentencesTakeSeveralLinesOfTheirColumnOrOneBelowAllRows() {
    var table = ReportTable(key: "t", columns: [ReportColumn("part", "Part"), ReportColumn("detail", "Detail")])
    table.columns[1].isProse = true
    table.append(["companions", "one two three four five six seven eight nine ten"])
    #expect(
      text(table, width: 40) == """
        Part        Detail
        ──────────  ────────────────────────────
        companions  one two three four five six
                    seven eight nine ten

        """)
    table.append(["weights", "one two three four five six seven eight nine ten"])
    #expect(
      text(table, width: 40) == """
        Part
        ──────────
        companions
        weights
          each of 2: one two three four five six
          seven eight nine ten

        """)
    // Neighbours say it once, whatever the others say.
    table = ReportTable(key: "t", columns: table.columns)
    table.append(["head", "one"])
    table.append(["companions", "one two three four five six seven eight nine ten"])
    table.append(["weights", "one two three four five six seven eight nine ten"])
    #expect(
      text(table, width: 40) == """
        Part
        ──────────
        head
          one
        companions
        weights
          each of 2: one two three four five six
          seven eight nine ten

        """)
  }

  @Test func aLineWithoutValuesRunsOverTheirColumns() {
    var table = ReportTable(
      key: "t",
      columns: [
        ReportColumn("part", "Part"), ReportColumn("key", "Key"), ReportColumn("first", "First"),
        ReportColumn("second", "Second"),
      ])
    table.columns[1].runsOver = true
    table.append(["tokenizer", "token of byte 0x0: 194 and 188", nil, nil])
    table.append(["description", "vocab_size", "2048", "1536"])
    #expect(
      text(table, width: 60) == """
        Part         Key         First  Second
        ───────────  ──────────  ─────  ──────
        tokenizer    token of byte 0x0: 194 and 188
        description  vocab_size  2048   1536

        """)
    // One that is too long goes on below itself.
    var long = table.showing([table.rows[1]])
    long.append(["tokenizer", "ids 157 117 102 220 157 117 102 220 and 316 136 223 220 316", nil, nil])
    #expect(
      text(long, width: 60).hasSuffix(
        """
        tokenizer    ids 157 117 102 220 157 117 102 220 and 316 136
                     223 220 316

        """))
  }

  @Test func aColumnThatIsEnoughGoesAloneAndNoTextIsCut() {
    var table = ReportTable(
      key: "t",
      columns: [
        ReportColumn("name", "Name"), ReportColumn("long", "Long"), ReportColumn("n", "N", kind: .integer),
      ])
    table.append(["first", .text(String(repeating: "x", count: 60)), 1])
    table.append(["second", "y", 2])
    #expect(
      text(table, width: 40) == """
        Name    N
        ──────  ─
        first   1
        second  2
        --wide also shows: Long

        """)
  }
}
