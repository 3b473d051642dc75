// Tritsmith: `tritsmith verify`.

import CommandLineKit
import TritCore
import TritFormats
import TritLayouts
import TritSurvey
import TritVerification

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prove that a converted model follows from its source.",
    discussion: """
      Compares four parts. Weights: every trit with a fresh quantization of the source, then scales and all other \
      tensors. Description: every setting that logits depend on. Tokenizer: vocabulary, merges, special ids, ids of hard \
      texts. Companions: generation settings and chat template.

      PASS needs the first three equal, or on neither side. Rounding by a storage type is counted and reported. \
      --parts limits the verdict. Exit code 0 on PASS, 1 when something differs.
      """,
    examples: [.init("tritsmith verify ./prequantized ./bitnet", "Check a conversion, whoever made it.")],
    group: "Prove")

  @Argument(help: "The source model.", completion: .file())
  var source: String

  @Argument(help: "The converted model.", completion: .file())
  var converted: String

  @Option(
    help: ArgumentHelp(
      "Arithmetic to redo; the default is that recorded in the converted model, then the family's.", isDetail: true))
  var arithmetic: Arithmetic?

  @OptionGroup(title: "Quantizer") var quantizing: QuantizerArguments

  @Option(help: "Meaning of the source's scales, where its files do not state it.")
  var sourceScale: ScaleConvention?

  @Option(help: "Meaning of the converted model's scales, where its files do not state it.")
  var convertedScale: ScaleConvention?

  @Option(help: ArgumentHelp("Byte order of I2_S, where a GGUF file does not state it.", isDetail: true))
  var i2sOrder: I2SOrder?

  @Option(help: .preTokenizer)
  var ggufPre: PreTokenizerName?

  @Option(help: ArgumentHelp("Projections that were left dense on purpose.", valueName: "glob"))
  var keep: [String] = []

  @Option(help: ArgumentHelp("Tensors beside the projections that were made ternary on purpose.", valueName: "glob"))
  var quantize: [String] = []

  @OptionGroup(title: "Verdict") var parts: PartArguments
  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func run() throws {
    let passed = try reporting {
      let work = try machine.work()
      func options(_ convention: ScaleConvention?, _ scaleOption: String) -> OpenOptions {
        machine.open(convention, i2sOrder, preTokenizer: ggufPre?.name, scaleOption: scaleOption)
      }
      let models = try ModelOpener.alike([
        (machine.model(source), options(sourceScale, "--source-scale")),
        (machine.model(converted), options(convertedScale, "--converted-scale")),
      ])
      let (left, right) = (models[0], models[1])
      try left.checkIntegrity(work.parallelism, work.progress)
      try right.checkIntegrity(work.parallelism, work.progress)
      var request = VerifyRequest(quantizer: quantizing.quantizer?.id.rawValue ?? arithmetic?.quantizer.rawValue)
      request.calibration = quantizing.request
      request.parts = parts.needed
      request.keep = keep.map { Glob($0) }
      request.quantize = quantize.map { Glob($0) }
      request.open = options(sourceScale, "--source-scale")
      var result = try VerifyWorkflow(source: left, converted: right, request: request, work: work).run()
      if let ggufPre { result.parts.remarks.append(ggufPre.remark) }
      printing.print(result.report, quietly: machine.quiet)
      return result.passed
    }
    if !passed { throw ExitRequest(.checkFailed) }
  }
}
