// Tritsmith: `tritsmith inspect`.

import CommandLineKit
import TritCore
import TritFormats
import TritWorkflows

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model is and what it holds.",
    discussion: """
      Reads headers and a small sample of the weights, so that a model of any size answers at once; with --stats the \
      weights are read too.
      """,
    examples: [
      .init("tritsmith inspect ./falcon-e-1b", "Kind, family, scale convention, tensors, sizes."),
      .init("tritsmith inspect model.tritpack --stats --tensor '*q_proj*' --format csv", "Statistics of some tensors."),
    ])

  @Argument(help: "A folder, a safetensors file, an index, or a TritPack file.", completion: .file())
  var path: String

  @Flag(help: "Also read the weights: extremes, moments, zeros, trit counts, entropy.")
  var stats = false

  @Option(name: .customLong("tensor"), help: ArgumentHelp("Only tensors this pattern matches.", valueName: "glob"))
  var tensors: [String] = []

  @Option(help: "What stored scales mean, where the files do not say.")
  var scaleConvention: ScaleConvention?

  @OptionGroup(title: "Output") var output: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func run() throws {
    var request = InspectRequest(path: path)
    request.statistics = stats
    request.tensors = tensors.map { Glob($0) }
    request.open = OpenOptions(access: machine.access, scaleConvention: scaleConvention)
    try reporting {
      output.print(try InspectWorkflow(request, work: machine.work()).run().report)
    }
  }
}
