// Tritsmith: `tritsmith merge`.

import CommandLineKit
import TritCore
import TritFormats
import TritMerge
import TritSurvey

struct Merge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Add a LoRA adapter to latent weights, before a conversion.",
    discussion: """
      Adds scaling · B·A to the weights in float32 and rounds once to their own type. The report counts the trits that a \
      conversion will give differently. Rank and alpha patterns and rank-stabilized scaling are understood. DoRA, \
      trained biases, saved modules and initializations that change the base are refused.
      """,
    examples: [
      .init("tritsmith merge ./prequantized ./adapter ./merged", "Then: convert ./merged ./bitnet --to hf-packed.")
    ], group: "Make")

  @Argument(help: "The prequantized checkpoint.", completion: .file())
  var base: String

  @Argument(help: "The folder PEFT wrote.", completion: .file())
  var adapter: String

  @Argument(help: "The folder or file to write.", completion: .file())
  var output: String

  @Option(help: "Arithmetic whose trits are counted; the default is the family's.")
  var arithmetic: Arithmetic?

  @Option(help: ArgumentHelp("Cut safetensors into shards of at most this size, such as 5GB.", valueName: "size"))
  var maxShardSize: ByteSize?

  @Flag(help: "Replace an existing output.")
  var force = false

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func validate() throws {
    try ConversionTarget.dense.checkName(output, asked: "merge")
    if let maxShardSize, maxShardSize.bytes == 0 { throw ValidationError("--max-shard-size must be above 0") }
  }

  func run() throws {
    var request = MergeRequest(base: base, adapter: adapter, output: output)
    request.quantizer = arithmetic?.quantizer
    request.maximumShardBytes = maxShardSize.map { UInt64($0.bytes) }
    request.replaces = force
    request.open = machine.open()
    try reporting {
      request.base = try machine.model(base)
      request.adapter = try machine.model(adapter)
      printing.print(try MergeWorkflow(request, work: try machine.work()).run().report, quietly: machine.quiet)
    }
  }
}
