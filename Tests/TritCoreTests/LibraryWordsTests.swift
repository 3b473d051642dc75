// Tritsmith: what errors advise to programs.

import Testing
import TritCore
import TritTestSupport

@Suite("Errors in words of the library")
struct LibraryWordsTests {
  struct Sample: DiagnosticError {
    var summary: String { "expected 1, found 2" }
    var location = ErrorLocation(file: "--keep")
    var remedy: String?
    var category: ErrorCategory { .misuse }
  }

  @Test(
    "options become members, subcommands become calls, other programs stay",
    arguments: [
      ("leave it dense with --keep, or write TritPack", "leave it dense with `keep`, or write TritPack"),
      (
        "leave --quantizer out; --force-quantizer does it",
        "leave `quantizer` out; `tritsmith convert --force-quantizer` does it"
      ),
      ("write TritPack (--to tritpack) or (--to hf-packed)", "write TritPack (`to: .tritpack`) or (`to: .hfPacked`)"),
      ("write --to dense, or --to gguf --layout F16", "write `to: .dense`, or `to: .gguf` `gguf.weights` F16"),
      ("'tritsmith check' lists them; stop", "`Model.check()` lists them; stop"),
      ("make it ('tritsmith inspect').", "make it (`Model.inspect()`)."),
      ("'tritsmith convert A B --to trainable' makes one", "`Model.convert(to: .trainable, at:)` makes one"),
      (
        "'tritsmith convert IN OUT --to gguf --layout PQ2_0'",
        "`Model.convert(to: .gguf, at:)` with `gguf.weights` PQ2_0"
      ),
      ("'tritsmith check A --run' scores a text", "`Model.check()` with `scoresText` scores a text"),
      ("'tritsmith merge BASE ADAPTER OUTPUT' adds it", "`tritsmith merge` adds it"),
      (
        "'tritsmith inspect MODEL --tensors' lists the names; quote the pattern for the shell",
        "`Model.inspect()` lists the names"
      ),
      ("'tritsmith inspect MODEL --metadata \"*\"' lists every key", "`Model.inspect()` lists every key"),
      ("fetch it: hf download a/b --revision v1", "fetch it: hf download a/b --revision v1"),
      ("an option that begins alike: --keep-formulas", "an option that begins alike: --keep-formulas"),
      ("", ""), ("two  spaces", "two  spaces"), ("--to", "--to"),
    ])
  func words(_ shell: String, _ library: String) {
    #expect(LibraryWords.spoken(shell) == library)
  }

  @Test("the message of a shell is as it was written; that of a program speaks of its library; names stay")
  func messages() {
    let sample = Sample(remedy: "replace it with --force")
    #expect(sample.message(.commandLine) == "--keep: expected 1, found 2\n  what to do: replace it with --force")
    #expect(sample.description == "--keep: expected 1, found 2\n  what to do: replace it with `replaces`")
    #expect("\(sample)" == sample.message(.library) && sample.advice == "replace it with `replaces`")
    #expect(Sample(remedy: nil).advice == nil)
  }

  /// Text of all errors: what a remedy says of this program is in the table, and summaries, which are not translated,
  /// name nothing of a shell.
  @Test("every option and subcommand in a remedy is known to the table")
  func sources() {
    var remedies = 0
    for path in Disk.swiftFiles(Fixtures.path("../Sources")) {
      let code = Disk.text(path).split(separator: "\n").filter { !$0.drop { $0 == " " }.hasPrefix("//") }
      guard
        let remedy = code.firstIndex(where: { $0.contains(/(var remedy: String|func remedy\(at location: Error)/) }),
        !path.hasSuffix("DiagnosticError.swift")
      else { continue }
      remedies += 1
      // Of an error whose whole text is in one file; `category` or the end of the file follows.
      let end = code[remedy...].firstIndex { $0.contains(/(var|func) category/) } ?? code.endIndex
      for line in code[remedy..<end] {
        for match in line.matches(of: /--[a-z][a-z0-9-]*/) where match.0 != "--to" {
          let option = String(match.0)
          let isKnown = [LibraryWords.members, LibraryWords.calls, LibraryWords.programs].contains { $0[option] != nil }
          #expect(isKnown, "\(path): \(line)")
        }
        for match in line.matches(of: /'?tritsmith ([a-z]+)/) where !line.contains("newer tritsmith") {
          #expect(match.0.hasPrefix("'") && LibraryWords.verbs[String(match.1)] != nil, "\(path): \(line)")
        }
      }
      if let summary = code.firstIndex(where: { $0.contains("var summary: String") }), summary < remedy {
        for line in code[summary..<remedy] {
          #expect(!line.contains(/[ "(]--[a-z]/) && !line.contains("'tritsmith "), "\(path): \(line)")
        }
      }
    }
    #expect(remedies > 20, "the text above is found")
  }
}
