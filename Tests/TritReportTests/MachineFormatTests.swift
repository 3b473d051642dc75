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
    ("a\r\nb", "\"a\r\nb\""), (" padded", "\" padded\""), ("", "\"\""), ("\"", "\"\"\"\""), ("=1+1", "=1+1"),
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
    ("*x* `y` [z](u) #1 ~s~", "\\*x\\* \\`y\\` \\[z\\](u) \\#1 \\~s\\~"), ("a\nb", "a\\\\nb"),
  ])
  func markdownEscapes(text: String, escaped: String) {
    #expect(markdownText(text) == escaped)
  }

  @Test(arguments: [("File size", "file_size"), ("Peak memory (MB)", "peak_memory_mb"), ("Größe", "gr_e"), ("", "")])
  func keysFromLabels(label: String, key: String) {
    #expect(ReportFact(label, 1).key == key)
  }
}
