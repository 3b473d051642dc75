// Tritsmith: `tritsmith logits`.

import CommandLineKit
import TritEvaluation
import TritInference
import TritModel

struct Logits: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write logits and hidden states of a model to a file.",
    discussion: """
      The file holds prompt<i>.ids (I32) and prompt<i>.logits (F32, [tokens, vocabulary]). 'tritsmith validate --against' \
      takes it, and --against-hidden a file of hidden states beside it.
      """,
    examples: [
      .init("tritsmith logits ./bitnet --text 'In the beginning' -o logits.safetensors", "One prompt."),
      .init("tritsmith logits ./bitnet --ids-file prompts.json --hidden -o l.safetensors", "With hidden states."),
    ], group: "Run")

  @Argument(help: "The model to run.", completion: .file())
  var model: String

  @OptionGroup(title: "Prompts (default: the beginning of the Book of Ruth)") var prompts: PromptOptions

  @Option(
    name: [.long, .customShort("o")], help: ArgumentHelp("The file to write.", valueName: "file"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  @Flag(
    help: """
      Also write hidden_prompt<i>.safetensors beside the output: the residual stream, and every state inside the first \
      block of each kind.
      """)
  var hidden = false

  @Option(help: "Float32 as transformers computes it, or integer products.")
  var mode = ArithmeticMode.reference

  @Flag(help: "Replace an existing output.")
  var force = false

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Running") var running: RunningOptions

  func validate() throws {
    try OutputName.check(output, "logits", writes: "a safetensors file", ending: "safetensors")
  }

  func run() throws {
    try reporting {
      var request = LogitsRequest(path: try running.model(model), inputs: try prompts.inputs(), output: output)
      request.ending = prompts.chat.turn.ending
      request.writesHiddenStates = hidden
      request.replaces = force
      request.options = running.options(mode)
      let report = try LogitsWorkflow(request, progress: running.progress).run().report
      printing.print(report, quietly: running.quiet)
    }
  }
}
