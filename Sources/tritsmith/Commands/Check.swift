// Tritsmith: `tritsmith check`.

import CommandLineKit
import TritCore
import TritFormats
import TritInspection
import TritLayouts

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find faults of one model: files, numbers, tokenizer.",
    discussion: """
      Reads everything once and runs a few tokens. Every finding has the id of a rule (Docs/Checks.md) and a severity. \
      Exit code 0 when there is no error, 1 when there is one; with --strict warnings count as well.
      """,
    examples: [
      .init("tritsmith check ./bitnet", "After a download or a conversion."),
      .init("tritsmith check model.gguf --strict --format json", "For a CI job."),
      .init("tritsmith check model.gguf --run", "Whether it predicts a text at all."),
      .init("tritsmith check model.gguf --sibling ./unpacked", "Whether the weights are the same."),
    ], group: "Look")

  @Argument(help: "A folder, a safetensors file, an index, a GGUF or a TritPack file.", completion: .file())
  var path: String

  @Flag(help: "Warnings fail as errors do.")
  var strict = false

  @Flag(name: .customLong("run"), help: "Also score a short text, to find models that compute noise.")
  var scoresText = false

  @Option(
    help: ArgumentHelp(
      "Another form of the model: its weights must be the same. Finds lost keys of rotated weights.",
      valueName: "path"),
    completion: .file())
  var sibling: String?

  @Option(help: "Meaning of stored scales, where the files do not state it.")
  var scaleConvention: ScaleConvention?

  @Option(help: ArgumentHelp("Byte order of I2_S, where a GGUF file does not state it.", isDetail: true))
  var i2sOrder: I2SOrder?

  @Option(help: .preTokenizer)
  var ggufPre: PreTokenizerName?

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func run() throws {
    let passed = try reporting {
      let options = machine.open(
        scaleConvention, i2sOrder, preTokenizer: ggufPre?.name, scaleOption: OpenOptions.usualScaleOption)
      let request = CheckRequest(
        path: try machine.model(path), open: options, isStrict: strict, scoresText: scoresText,
        sibling: try sibling.map { try machine.model($0) })
      let result = try CheckWorkflow(request, work: machine.work()).run()
      printing.print(result.report, quietly: machine.quiet)
      return result.passed
    }
    if !passed { throw ExitRequest(.checkFailed) }
  }
}
