// Tritsmith: `tritsmith apply`.

import CommandLineKit
import TritConversion
import TritCore
import TritDiff

struct Apply: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a fine-tune from its base and a patch.",
    discussion: """
      The base may be in another format than the one the patch was made with: trits, scales and dense tensors count, \
      under the same names. safetensors and TritPack share theirs; GGUF has its own. \
      One that differs is refused, and the first tensor that differs named. What was written is read back and every \
      hash compared before it is put in place. The output has the files the patch was made of, byte for byte. With \
      --to, or a name that ends in .gguf or .tritpack, it is converted.
      """,
    examples: [
      .init("tritsmith apply ./falcon-e-1b tune.tritdiff -o ./tune", "The fine-tune as it was."),
      .init(
        "tritsmith apply ./falcon-e-1b tune.tritdiff -o tune.gguf", "For llama.cpp at once."),
    ], group: "Share")

  @Argument(help: "The model the patch was made for.", completion: .file())
  var base: String

  @Argument(help: "The patch.", completion: .file(extensions: ["tritdiff"]))
  var patch: String

  @Option(
    name: [.customLong("output"), .customShort("o")],
    help: ArgumentHelp("The model to write.", valueName: "path"), completion: .file())
  var output: String

  @Option(help: "Convert the result, as 'tritsmith convert' does with its defaults.")
  var to: TargetName?

  @Option(help: "Meaning of the base's stored scales, where its files do not state it.")
  var baseScale: ScaleConvention?

  @Flag(help: "Replace an existing output.")
  var force = false

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func validate() throws {
    if let to { try to.target.checkName(output, asked: "--to \(to.argumentDescription)") }
  }

  func run() throws {
    try reporting {
      let base = try machine.model(base)
      var request = ApplyRequest(base: base, patch: patch, output: output)
      request.openBase = machine.open(baseScale, scaleOption: "--base-scale")
      request.replaces = force
      if let to {
        var conversion = ConversionRequest(input: base, output: output, target: to.target)
        conversion.gguf.weights = to.layout?.gguf ?? conversion.gguf.weights
        request.conversion = conversion
      }
      printing.print(try ApplyWorkflow(request, work: machine.work()).run().report, quietly: machine.quiet)
    }
  }
}
