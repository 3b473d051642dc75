// Tritsmith: `tritsmith run`.

import CommandLineKit
import TritModel
import TritReport
import TritWorkflows

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let a model continue a text.",
    discussion: """
      The prompt is taken as it is, with BOS in front: the chat template of a model is not interpreted, and --raw, the \
      only mode, says so. Text goes to standard output as it is generated, speed to standard error; in the formats for \
      programs one report follows at the end instead.
      """,
    examples: [
      .init("tritsmith run ./bitnet --prompt 'In the beginning'", "The likeliest continuation."),
      .init("tritsmith run ./bitnet --prompt 'Once' --temperature 0.8 --top-p 0.95 --seed 7", "Sampled, repeatable."),
    ])

  @Argument(help: "The model to run.", completion: .file())
  var model: String

  @Option(help: ArgumentHelp("The text to continue.", valueName: "text"))
  var prompt: String

  @Option(help: ArgumentHelp("Most tokens to generate.", valueName: "count"))
  var maxTokens = 128

  @Option(help: ArgumentHelp("Sample at this temperature; 0 takes the likeliest token.", valueName: "number"))
  var temperature = 0.0

  @Option(help: ArgumentHelp("Sample among the likeliest tokens that reach this probability.", valueName: "share"))
  var topP = 1.0

  @Option(help: ArgumentHelp("Seed of sampling.", valueName: "number"))
  var seed: UInt64 = 0

  @Option(help: "Integer products, or float32 as transformers computes it.")
  var mode = ArithmeticMode.fast

  @Flag(help: "Take the prompt as it is. This is the only mode: chat templates are not interpreted.")
  var raw = false

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Running") var running: RunningOptions

  func validate() throws {
    guard maxTokens >= 1 else { throw ValidationError("--max-tokens must be 1 or more, not \(maxTokens)") }
    guard temperature >= 0 else { throw ValidationError("--temperature must be 0 or more, not \(temperature)") }
    guard topP > 0, topP <= 1 else { throw ValidationError("--top-p is a share above 0 and at most 1, not \(topP)") }
    if topP < 1, temperature == 0 { throw ValidationError("--top-p goes with --temperature above 0") }
  }

  func run() throws {
    var request = GenerateRequest(path: model, prompt: prompt)
    request.maximumTokens = maxTokens
    request.sampling = temperature > 0 ? .nucleus(temperature: temperature, topP: topP) : .greedy
    request.seed = seed
    request.options = running.options(mode)
    try reporting {
      request.path = try running.model(model)
      let output = StandardOutput.shared
      guard printing.format == .table else {
        printing.print(try GenerateWorkflow(request).run { _ in true }.report)
        return
      }
      let result = try GenerateWorkflow(request).run { piece in
        output.write(Terminal.shown(piece))
        try? output.flush()
        return !output.hasFailed
      }
      output.write("\n")
      // On a terminal both streams share the screen: the text has to be there before the line about it.
      try? output.flush()
      guard !running.quiet else { return }
      for warning in result.run.warnings { StandardError.warn(warning) }
      StandardError.write(summary(result) + "\n")
    }
  }

  private func summary(_ result: GenerateResult) -> String {
    func speed(_ value: Double?) -> String { value.map { NumberText.fixed($0, digits: 1) + " tokens/s" } ?? "-" }
    return "prompt \(result.promptIDs.count) tokens, \(speed(result.promptTokensPerSecond)); "
      + "generated \(result.ids.count), \(speed(result.decodedTokensPerSecond)); \(result.stop.rawValue); "
      + "\(result.run.projections.joined(separator: ", ")), \(result.run.mode.rawValue) arithmetic; chat template not interpreted"
  }
}
