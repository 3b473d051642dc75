// Tritsmith: `tritsmith verify`.

import CommandLineKit
import TritCore
import TritFormats
import TritLayouts
import TritWorkflows

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prove that a converted model is what its source gives.",
    discussion: """
      Compares structure, then every trit with a fresh quantization of the source, then scales, then the round-trip \
      error of the weights, and prints a code-stream hash that is equal for the same trits and scales in any format. \
      Exit code 0 when all is equal, 1 when not.
      """,
    examples: [.init("tritsmith verify ./prequantized ./bitnet", "Check a conversion, whoever made it.")])

  @Argument(help: "The model that was converted.", completion: .file())
  var source: String

  @Argument(help: "The model that came out.", completion: .file())
  var converted: String

  @Option(help: "Arithmetic to redo; the default is what the converted model records, then the family's.")
  var arithmetic: Arithmetic?

  @OptionGroup(title: "Quantizer") var quantizing: QuantizerArguments

  @Option(help: "What stored scales of the source mean, where its files do not say.")
  var sourceScale: ScaleConvention?

  @Option(help: "What stored scales of the converted model mean, where its files do not say.")
  var convertedScale: ScaleConvention?

  @Option(help: "Byte order of I2_S in GGUF files, which do not tell.")
  var i2sOrder: I2SOrder?

  @Option(help: .preTokenizer)
  var ggufPre: String?

  @Option(help: ArgumentHelp("Projections that were left dense on purpose.", valueName: "glob"))
  var keep: [String] = []

  @OptionGroup(title: "Verdict") var parts: PartArguments
  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func run() throws {
    let passed = try reporting {
      let work = try machine.work()
      func open(_ path: String, _ convention: ScaleConvention?) throws -> any TensorSource {
        let options = machine.open(convention, i2sOrder, preTokenizer: ggufPre)
        return try ModelOpener.open(machine.model(path), options, hasCompanions: true)
      }
      let left = try open(source, sourceScale)
      let right = try open(converted, convertedScale)
      try left.checkIntegrity(work.parallelism, work.progress)
      try right.checkIntegrity(work.parallelism, work.progress)
      var request = VerifyRequest(quantizer: quantizing.quantizer?.id.rawValue ?? arithmetic?.quantizer.rawValue)
      request.calibration = quantizing.request
      request.parts = parts.needed
      request.keep = keep.map { Glob($0) }
      request.open = machine.open(sourceScale, i2sOrder)
      let result = try VerifyWorkflow(source: left, converted: right, request: request, work: work).run()
      printing.print(result.report, quietly: machine.quiet)
      return result.passed
    }
    if !passed { throw ExitRequest(.checkFailed) }
  }
}
