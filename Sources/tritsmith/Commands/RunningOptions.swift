// Tritsmith: options of the commands that run a model.

import CommandLineKit
import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritSurvey

extension ArithmeticMode: ExpressibleByArgument {
  package static var valueName: String? { "arithmetic" }
}
extension ProjectionOverride: ExpressibleByArgument {
  package static var valueName: String? { "way" }
}

/// How a model is run.
struct RunningOptions: ParsableArguments {
  @Option(
    help: """
      Run dense projections as the model is, as ordinary matrices, or as latents made ternary: as the family's packing \
      tool does, or in float32 as transformers does.
      """)
  var projections = ProjectionOverride.automatic

  @Option(help: "Meaning of stored scales, where the files do not state it.")
  var scaleConvention: ScaleConvention?

  @Option(help: .preTokenizer)
  var ggufPre: PreTokenizerName?

  @Option(help: ArgumentHelp("Threads; 0 means one for each processor.", valueName: "count"))
  var threads = 0

  @Option(help: "Arithmetic: instructions of this processor, or plain Swift.")
  var kernels = KernelChoice.auto

  @Flag(
    inversion: .prefixedNo,
    help: "Use weights in place in the mapped file. A mapped file that shrinks meanwhile ends the program.")
  var mmap = true

  @Flag(help: "Accept files of a model folder that are links to somewhere else.")
  var followLinks = false

  @Option(help: GGMLTypeChoice.help)
  var ggufType: [GGMLTypeChoice] = []

  @Flag(help: .offline)
  var offline = false

  @Flag(name: [.long, .short], help: "Print nothing on success but data that was asked for.")
  var quiet = false

  /// The path of a model that was given as a path or by its name on the Hub.
  func model(_ given: String) throws -> String { try NamedModel.path(of: given, offline: offline) }

  func validate() throws {
    try ValidationError.check("--threads", threads, in: 0...256)
  }

  var progress: any ProgressObserver { quiet ? SilentProgress() : TerminalProgress() }

  /// For verbs that measure: fast arithmetic where it computes the model's own numbers, unless another is asked for.
  func measuring(_ mode: ArithmeticMode?) -> RunOptions {
    var result = options(mode ?? .fast)
    result.roundsPlainInputs = mode != nil
    return result
  }

  func options(_ mode: ArithmeticMode) -> RunOptions {
    InterruptMonitor.install()
    if mmap { MappedFileGuard.install() }
    return RunOptions(
      mode: mode, projections: projections, kernels: kernels, threads: threads,
      open: OpenOptions(
        access: mmap ? .mapped : .buffered, scaleConvention: scaleConvention, preTokenizer: ggufPre?.name,
        ggmlTypes: ggufType, followsLinks: followLinks),
      cancellation: CancellationFlag(alsoWhen: { InterruptMonitor.isInterrupted }))
  }
}
