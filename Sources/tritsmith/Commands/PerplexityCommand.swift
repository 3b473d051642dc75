// Tritsmith: `tritsmith perplexity`.

import CommandLineKit
import TritCore
import TritEvaluation
import TritInference
import TritModel
import TritSurvey

/// How a long text is cut.
enum ScoringProtocol: String, CaseIterable, ExpressibleByArgument {
  case chunked, sliding
}

struct PerplexityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perplexity",
    abstract: "Measure how well a model predicts a text.",
    discussion: """
      chunked: pieces of context - 1 tokens, each run on its own after BOS, every token scored. sliding: one sequence \
      after one BOS, windows that start every stride tokens, each scoring what no earlier one scored. \
      A model whose tokenizer has no BOS gets none: pieces are of context tokens, and the first of each is not scored.
      """,
    examples: [
      .init("tritsmith perplexity ./bitnet", "On the Book of Ruth, which is built in."),
      .init("tritsmith perplexity ./bitnet --text-file ruth.txt --protocol sliding", "Windows of 512 every 256."),
    ], group: "Run")

  @Argument(help: "The model to run.", completion: .file())
  var model: String

  @OptionGroup var text: TextOptions

  @OptionGroup var limit: TokenLimitOptions

  @Option(name: .customLong("protocol"), help: "How the text is cut.")
  var scoring = ScoringProtocol.chunked

  @Option(help: ArgumentHelp("Tokens of a window; by default 256, or 512 for sliding.", valueName: "count"))
  var context: Int?

  @Option(help: ArgumentHelp("Tokens from one sliding window to the next; the default is half.", valueName: "count"))
  var stride: Int?

  @Option(
    help: "Integer products, or float32; by default integers where the model itself rounds its inputs.")
  var mode: ArithmeticMode?

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Running") var running: RunningOptions

  func validate() throws {
    if let context, context < 2 { throw ValidationError("--context must be 2 or more, not \(context)") }
    if stride != nil, scoring != .sliding { throw ValidationError("--stride goes with --protocol sliding") }
    let window = context ?? 512
    if let stride, !(1..<window).contains(stride) {
      throw ValidationError("--stride must be from 1 to \(window - 1), not \(stride)")
    }
  }

  func run() throws {
    var request = PerplexityRequest(path: model, text.input ?? .sample)
    request.scoring =
      switch scoring {
      case .chunked: .chunked(window: context ?? 256)
      case .sliding: .sliding(window: context ?? 512, stride: stride ?? max(1, (context ?? 512) / 2))
      }
    request.tokenLimit = limit.tokens
    request.options = running.measuring(mode)
    try reporting {
      request.path = try running.model(model)
      let result = try PerplexityWorkflow(request, progress: running.progress).run()
      guard running.quiet, printing.format == .table else { return printing.print(result.report) }
      for warning in result.run.warnings { StandardError.warn(warning) }
      StandardOutput.shared.write("\(result.perplexity.perplexity)\n")
    }
  }
}
