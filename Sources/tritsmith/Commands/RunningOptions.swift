// Tritsmith: options of the commands that run a model.

import CommandLineKit
import TritCore
import TritFormats
import TritKernels
import TritModel
import TritWorkflows

extension ArithmeticMode: ExpressibleByArgument {}
extension ProjectionOverride: ExpressibleByArgument {
  public static var valueName: String? { "way" }
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
    guard (0...256).contains(threads) else { throw ValidationError("--threads must be from 0 to 256, not \(threads)") }
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

/// Prompts; each option may be given several times.
struct PromptOptions: ParsableArguments {
  @Option(help: ArgumentHelp("A text; BOS is put in front, when there is one.", valueName: "text"))
  var text: [String] = []

  @Option(
    help: ArgumentHelp(
      "A file of such text; '-' is standard input.", valueName: "file", takesStream: true),
    completion: .file())
  var textFile: [String] = []

  @Option(help: ArgumentHelp("Token ids with spaces or commas between, taken as they are.", valueName: "ids"))
  var ids: [String] = []

  @Option(
    help: ArgumentHelp(
      "A file of token ids: one prompt a line, or JSON such as prompts.json of a reference.", valueName: "file"),
    completion: .file())
  var idsFile: [String] = []

  @OptionGroup var chat: ChatOptions

  func validate() throws {
    try chat.check(hasText: !text.isEmpty || !textFile.isEmpty)
  }

  func inputs() throws -> [TokenInput] {
    let texts: [TokenInput] =
      chat.chat
      ? text.map { .chat(.text($0)) } + textFile.map { .chat(.file($0)) }
      : text.map { .text($0) } + textFile.map { .textFile($0) }
    return texts + (try chat.conversations()) + ids.map { .ids($0) } + idsFile.map { .idsFile($0) }
  }
}

/// Conversations, written as the model's chat template says.
struct ChatOptions: ParsableArguments {
  @Flag(help: "Take the text as a user's message, in the model's chat template.")
  var chat = false

  @Option(
    help: ArgumentHelp(
      "A conversation: a JSON list of objects with role and content; '-' is standard input.", valueName: "file",
      takesStream: true),
    completion: .file(extensions: ["json"]))
  var messages: String?

  @OptionGroup var turn: TurnOptions

  func validate() throws { try turn.check(isChat: chat || messages != nil) }

  /// Refuses `--chat` where there is nothing it could be about.
  func check(hasText: Bool) throws(ValidationError) {
    guard chat, !hasText, messages == nil else { return }
    throw ValidationError("--chat goes with --text and --text-file")
  }

  /// The file with the conversation; nil for standard input too.
  var messagesFile: String? { messages == "-" ? nil : messages }

  /// The conversation that was given, if one was.
  func conversations() throws -> [TokenInput] {
    guard let messages else { return [] }
    return [try .messages(at: messages)]
  }
}
