// Tritsmith: `trit-bench tokenizer`.

import CommandLineKit
import TritCore
import TritFormats
import TritReport
import TritSurvey
import TritTokenizer

struct TokenizerSpeed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer",
    abstract: "Time encoding and decoding of a text on one thread.",
    discussion: "Tests/Interop/bench_tokenizer.py runs this beside the tokenizers package on the same text.",
    examples: [.init("trit-bench tokenizer ./bitnet --text-file 1mb.txt", "MB/s of text and back.")])

  @Argument(help: "The model whose tokenizer to use.", completion: .file())
  var model: String

  @Option(help: ArgumentHelp("A file of UTF-8 text.", valueName: "file"), completion: .file())
  var textFile: String

  @Option(help: ArgumentHelp("Measured runs of each.", valueName: "count"))
  var runs = 7

  @Option(help: "How to print the result.")
  var format = ReportFormat.table

  func run() throws {
    let source = try ModelOpener.open(model, hasCompanions: true)
    let bytes = try InputFile(path: textFile, mode: .buffered).contents(limit: 1 << 30)
    var timings: [Timing] = []
    timings.append(try Timing("load", bytes: 0, runs: runs) { _ = try Tokenizer(of: source) })
    let tokenizer = try Tokenizer(of: source)
    var ids: [Int] = []
    timings.append(
      try Timing("encode", bytes: bytes.count, runs: runs) {
        ids = try tokenizer.encode(utf8: bytes, addSpecialTokens: false)
      })
    timings.append(
      try Timing("decode", bytes: bytes.count, runs: runs) {
        _ = try tokenizer.decode(ids, skipSpecialTokens: false)
      })
    var report = ReportDocument(
      title: "Tokenizer \(model)", schema: ReportSchema("tritsmith.bench.tokenizer", version: 1))
    report.append(
      ReportFacts(
        key: "text", [ReportFact("Bytes", .integer(bytes.count)), ReportFact("Tokens", .integer(ids.count))]))
    report.append(Timing.table(timings, key: "tasks", title: "One thread"))
    var output = StandardOutput.shared
    format.renderer.render(report, to: &output)
  }
}
