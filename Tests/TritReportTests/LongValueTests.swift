// Tritsmith: values of many kilobytes, which are written in pieces, look as short ones do.

import Testing
import TritReport

@Suite struct LongValueTests {
  private func document(_ value: ReportValue) -> ReportDocument {
    ReportDocument(
      title: "", schema: ReportSchema("test", version: 1),
      blocks: [.facts(ReportFacts(key: "facts", [ReportFact("Decoded", value, note: "all of it")]))])
  }

  private func repeated(_ text: String, _ count: Int = 3000) -> String { String(repeating: text, count: count) }

  @Test func aPipeGetsOneLine() {
    let text = TextRenderer().text(of: document(.text(repeated("a\tb \u{202E}c|d e\u{301}\n"))))
    #expect(text == "Decoded  " + repeated(#"a\tb \u{202e}c|d é\n"#) + "  (all of it)\n")
  }

  @Test func aTerminalBreaksBetweenWords() {
    // 30 columns without the 9 of the label: three words of 6 with spaces between take 20.
    let text = TextRenderer(width: 30).text(of: document(.text(repeated("wörter "))))
    let line = "wörter wörter wörter\n         "
    #expect(text == "Decoded  " + repeated(line, 1000) + "(all of it)\n")
    // A word without an end has a line of its own.
    let word = TextRenderer(width: 30).text(of: document(.text("a " + repeated("b", 20_000) + " c")))
    #expect(word == "Decoded  a\n         " + repeated("b", 20_000) + "\n         c (all of it)\n")
  }

  @Test func markdownEscapesEveryWord() {
    let text = MarkdownRenderer().text(of: document(.text(repeated("*a* b|c `d` me@x.org \u{1}"))))
    let words = #"\*a\* b\|c \`d\` <code>me<!-- -->&#64;x&#46;org</code> \\x01"#
    #expect(text == "- Decoded: " + repeated(words) + " (all of it)\n")
    let link = MarkdownRenderer().text(of: document(.text("www." + repeated("a_b", 10_000))))
    #expect(link == "- Decoded: <code>www&#46;" + repeated("a_b", 10_000) + "</code> (all of it)\n")
  }

  @Test(arguments: [1, 4096, 4097, 10_000]) func numbers(_ count: Int) {
    let inside = (0..<count).map { "\($0)" }.joined(separator: ", ")
    let document = document(.integers(Array(0..<count)))
    #expect(TextRenderer().text(of: document) == "Decoded  [\(inside)]  (all of it)\n")
    #expect(MarkdownRenderer().text(of: document) == "- Decoded: \\[\(inside)\\] (all of it)\n")
    #expect(JSONRenderer().text(of: document).contains("\"decoded\": [\(inside)]\n"))
  }
}
