// Tritsmith: `tritsmith compare`.

import CommandLineKit
import TritCore
import TritFormats
import TritInspection
import TritLayouts
import TritSurvey
import TritVerification

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say whether two models are the same, in any formats.",
    discussion: """
      Compares four parts. Weights: codes, scales and dense tensors as they are stored; nothing is quantized. \
      Description: every setting that logits depend on. Tokenizer: vocabulary, merges, special ids, ids of hard texts. \
      Companions: generation settings and chat template.

      PASS needs the first three equal, or on neither side. GGUF names and row order are put into Hugging Face's first. \
      Rounding by a storage type counts as equal and is reported; with --exact it is a difference. --parts limits the \
      verdict. Exit code 0 on PASS, 1 when something differs.
      """,
    examples: [
      .init("tritsmith compare ./bitnet model-TQ2_0.gguf", "A checkpoint and the file made from it."),
      .init("tritsmith compare a.gguf b.gguf --exact --format json", "To the last bit, for a script."),
    ], group: "Prove")

  @Argument(help: "A model.", completion: .file())
  var first: String

  @Argument(help: "Another model.", completion: .file())
  var second: String

  @Flag(help: "Count rounding by a storage type as a difference.")
  var exact = false

  @Option(help: ArgumentHelp("Differences listed for each tensor.", valueName: "count"))
  var limit = 3

  @Option(help: "Meaning of the first model's scales, where its files do not state it.")
  var firstScale: ScaleConvention?

  @Option(help: "Meaning of the second model's scales, where its files do not state it.")
  var secondScale: ScaleConvention?

  @Option(help: ArgumentHelp("Byte order of I2_S, where a GGUF file does not state it.", isDetail: true))
  var i2sOrder: I2SOrder?

  @Option(help: .preTokenizer)
  var ggufPre: PreTokenizerName?

  @OptionGroup(title: "Verdict") var parts: PartArguments
  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func validate() throws {
    try ValidationError.check("--limit", limit, in: 0...10_000)
  }

  func run() throws {
    let isSame = try reporting {
      let work = try machine.work()
      func options(_ convention: ScaleConvention?, _ scaleOption: String) -> OpenOptions {
        machine.open(convention, i2sOrder, preTokenizer: ggufPre?.name, scaleOption: scaleOption)
      }
      var hints: [String] = []
      let models = try ModelOpener.openPair(
        (machine.model(first), options(firstScale, "--first-scale")),
        (machine.model(second), options(secondScale, "--second-scale")), hints: &hints)
      for source in [models.0, models.1] { try source.checkIntegrity(work.parallelism, work.progress) }
      let workflow = CompareWorkflow(
        first: models.0, second: models.1, request: CompareRequest(isExact: exact, limit: limit, parts: parts.needed),
        work: work)
      var result = try workflow.run()
      result.hints += hints
      if let ggufPre { result.parts.remarks.append(ggufPre.remark) }
      printing.print(result.report, quietly: machine.quiet)
      return result.isSame
    }
    if !isSame { throw ExitRequest(.checkFailed) }
  }
}
