// Tritsmith: `tritsmith run`.

import CommandLineKit
import TritEvaluation
import TritInference
import TritModel
import TritReport
import TritSurvey

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let a model continue a text.",
    discussion: """
      The prompt is taken as it is, with BOS in front when the model has one. With --chat it is the one message of a \
      user, and --messages gives a whole conversation: the model's chat template says what stands around messages. \
      Templates of the shapes ChatML, Llama 3, Falcon-E, Zephyr and Mistral are known. --chat without a prompt converses: \
      each line of standard input is a message, which is answered, until the input ends. Text goes to standard output as \
      it is generated, speed to standard error; in the formats for programs one report follows at the end instead.
      """,
    examples: [
      .init("tritsmith run ./bitnet --prompt 'In the beginning'", "The likeliest continuation."),
      .init("tritsmith run ./falcon-e --chat", "A conversation on the terminal; Ctrl-D ends it."),
      .init("tritsmith run ./bitnet --prompt 'Once' --temperature 0.8 --top-p 0.95 --seed 7", "Sampled, repeatable."),
    ], group: "Run")

  @Argument(help: "The model to run.", completion: .file())
  var model: String

  @Argument(help: ArgumentHelp("The text to continue; '-' is standard input.", valueName: "text"))
  var text: String?

  @OptionGroup var prompt: TextOptions

  @OptionGroup var chat: ChatOptions

  @Option(help: ArgumentHelp("Number of tokens to generate at most.", valueName: "count"))
  var maxTokens = 128

  @Option(help: ArgumentHelp("Sample at this temperature; 0 takes the likeliest token.", valueName: "number"))
  var temperature = 0.0

  @Option(help: ArgumentHelp("Sample among the likeliest tokens that reach this probability.", valueName: "share"))
  var topP = 1.0

  @Option(help: ArgumentHelp("Seed of sampling.", valueName: "number"))
  var seed: UInt64 = 0

  @Option(help: "Integer products, or float32 as transformers computes it.")
  var mode = ArithmeticMode.fast

  @Flag(help: "Take the prompt as it is; print no note about a chat template.")
  var raw = false

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Running") var running: RunningOptions

  func validate() throws {
    let given = try atMostOne([
      "a text": text, "--text": prompt.text, "--text-file": prompt.path, "--messages": chat.messages,
    ])
    guard given != nil || chat.chat else {
      throw ValidationError("give a text, --text-file or --messages; --chat alone converses")
    }
    if given == nil, printing.format != .table {
      throw ValidationError("a conversation is text: give a prompt with --format")
    }
    if raw, chat.chat || chat.messages != nil { throw ValidationError("--raw goes without --chat and --messages") }
    guard maxTokens >= 1 else { throw ValidationError("--max-tokens must be 1 or more, not \(maxTokens)") }
    guard temperature >= 0 else { throw ValidationError("--temperature must be 0 or more, not \(temperature)") }
    guard topP > 0, topP <= 1 else { throw ValidationError("--top-p is a share above 0 and at most 1, not \(topP)") }
    if topP < 1, temperature == 0 { throw ValidationError("--top-p goes with --temperature above 0") }
  }

  func run() throws {
    try reporting {
      let prompt = try promptText()
      var request = GenerateRequest(path: try running.model(model), prompt: prompt ?? "")
      request.conversation = try chat.conversations().first ?? (chat.chat ? .chat(.text(request.prompt)) : nil)
      request.ending = chat.turn.ending
      request.maximumTokens = maxTokens
      request.sampling = temperature > 0 ? .nucleus(temperature: temperature, topP: topP) : .greedy
      request.seed = seed
      request.options = running.options(mode)
      if prompt == nil, chat.messages == nil { return try converse(request) }
      guard printing.format == .table else {
        printing.print(try GenerateWorkflow(request).run { _ in true }.report)
        return
      }
      let result = try GenerateWorkflow(request).run(emit: show)
      endText()
      for warning in result.run.warnings { StandardError.warn(warning) }
      guard !running.quiet else { return }
      if let template = result.chatTemplate, !result.isChat, !raw { StandardError.explain(remark(on: template) + "\n") }
      StandardError.explain(summary([result]) + "\n")
    }
  }

  /// What a prompt missed that was not written by the model's chat template.
  private func remark(on template: ChatTemplateFinding) -> String {
    switch template {
    case .shape: "the model has a chat template, which was not used: --chat takes the prompt for a message"
    case .unknown:
      "the model has a chat template, which was not used and which --chat does not know: render the conversation with "
        + "the model's own library"
    }
  }

  /// Answers every line of standard input.
  private func converse(_ request: GenerateRequest) throws {
    var conversation = try ConversationWorkflow(request)
    var lines = StandardInputLines()
    var results: [GenerateResult] = []
    // Of the answers that were given, also where an error ends the conversation.
    defer { if !running.quiet, !results.isEmpty { StandardError.explain(summary(results) + "\n") } }
    let asks = Terminal.isTerminal(0) && !running.quiet
    while true {
      if asks { StandardError.write("> ") }
      let line: String
      do {
        guard let next = try lines.next() else { break }
        line = next
      } catch let error as StandardInputError where !error.endsInput {
        // A slip of the keyboard, or a terminal of another encoding: the conversation goes on.
        StandardError.warn(error.diagnosticMessage + "; it is left out")
        continue
      }
      guard line.contains(where: { !$0.isWhitespace }) else { continue }
      let result = try conversation.answer(line, emit: show)
      endText()
      if results.isEmpty { for warning in result.run.warnings { StandardError.warn(warning) } }
      if !running.quiet, result.stop == .maximumTokens || result.stop == .context {
        StandardError.write("the answer was cut: \(result.stop.rawValue)\n")
      }
      results.append(result)
      if StandardOutput.shared.hasFailed { break }
    }
    if asks { StandardError.write("\n") }
  }

  private func show(_ piece: String) -> Bool {
    let output = StandardOutput.shared
    output.write(Terminal.shown(piece))
    try? output.flush()
    return !output.hasFailed
  }

  /// On a terminal both streams share the screen: the text has to be there before the line about it.
  private func endText() {
    StandardOutput.shared.write("\n")
    try? StandardOutput.shared.flush()
  }

  private func summary(_ results: [GenerateResult]) -> String {
    func speed(_ tokens: Int, _ seconds: Double) -> String {
      tokens > 0 && seconds > 0 ? NumberText.groupedFixed(Double(tokens) / seconds, digits: 1) + " tokens/s" : "-"
    }
    func seconds(_ part: KeyPath<GenerateResult, Double>) -> Double { results.reduce(0) { $0 + $1[keyPath: part] } }
    guard let last = results.last else { return "" }
    let prompt = results.reduce(0) { $0 + $1.promptIDs.count }
    let generated = results.reduce(0) { $0 + $1.ids.count }
    // The first new token comes with the prompt.
    let steps = results.reduce(0) { $0 + max(0, $1.ids.count - 1) }
    return (results.count == 1 ? "" : "\(results.count) answers; ")
      + "prompt \(NumberText.grouped(prompt)) tokens, \(speed(prompt, seconds(\.promptSeconds))); "
      + "generated \(NumberText.grouped(generated)), \(speed(steps, seconds(\.decodeSeconds))); "
      + "\(last.stop.rawValue); \(last.run.projections.joined(separator: ", ")), \(last.run.mode.rawValue) arithmetic"
      + (last.isChat ? "; written by the chat template" : "")
  }

  /// nil when none is given.
  private func promptText() throws -> String? {
    try (text.map(TextInput.given) ?? prompt.input)?.text()
  }
}
