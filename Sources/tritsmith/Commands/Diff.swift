// Tritsmith: `tritsmith diff`.

import CommandLineKit
import TritCore
import TritDiff

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Store a fine-tune as a small patch to its base.",
    discussion: """
      Writes a patch (TritDiff) that 'tritsmith apply' turns into the fine-tune again, given the base. It holds changed \
      trits, scales, dense tensors, and the files beside them that are not the base's. A safetensors model comes back with the \
      same bytes in every file, and so do GGUF and uncompressed TritPack. Before the patch is put in place every tensor \
      is made from it again and its hash compared.
      """,
    examples: [
      .init("tritsmith diff ./falcon-e-1b ./my-fine-tune -o my-fine-tune.tritdiff", "Two packed checkpoints."),
      .init("tritsmith inspect my-fine-tune.tritdiff", "The changes of a patch, without the base."),
    ], group: "Share")

  @Argument(help: "The model the patch will be applied to.", completion: .file())
  var base: String

  @Argument(help: "The model the patch shall give.", completion: .file())
  var target: String

  @Option(
    name: [.customLong("output"), .customShort("o")],
    help: ArgumentHelp("The patch to write.", valueName: "file"), completion: .file(extensions: ["tritdiff"]))
  var output: String

  @Option(help: ArgumentHelp("Level of zstd, from 1 to 19: time against size.", valueName: "level"))
  var level = DiffRequest.defaultLevel

  @Option(help: "Meaning of the base's stored scales, where its files do not state it.")
  var baseScale: ScaleConvention?

  @Option(help: "Meaning of the target's scales, where its files do not state it.")
  var targetScale: ScaleConvention?

  @Flag(help: "Replace an existing output.")
  var force = false

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func validate() throws {
    try OutputName.check(output, "diff", writes: "a patch", ending: "tritdiff")
    try ValidationError.check("--level", level, in: 1...19)
  }

  func run() throws {
    try reporting {
      var request = DiffRequest(base: try machine.model(base), target: try machine.model(target), output: output)
      request.openBase = machine.open(baseScale, scaleOption: "--base-scale")
      request.openTarget = machine.open(targetScale, scaleOption: "--target-scale")
      request.level = level
      request.replaces = force
      printing.print(try DiffWorkflow(request, work: machine.work()).run().report, quietly: machine.quiet)
    }
  }
}
