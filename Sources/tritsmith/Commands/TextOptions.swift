// Tritsmith: options for texts. The words mean the same in every command.

import CommandLineKit
import TritCore
import TritSurvey

/// One text.
struct TextOptions: ParsableArguments {
  @Option(
    name: .text,
    help: ArgumentHelp(
      "A text; '-' is standard input.", valueName: "text", isGivenOnce: true))
  var text: String?

  @Option(help: .oneTextFile, completion: .file())
  var textFile: String?

  @Option(help: .earlierTextFile)
  var file: String?

  func validate() throws {
    guard try atMostOne(["--text": text, "--text-file": textFile, "--file": file]) == "--file" else { return }
    StandardError.warn("--file is called --text-file now")
  }

  /// Whether a text was given.
  var isGiven: Bool { text != nil || path != nil }

  /// The file that was given, if one was.
  var path: String? { textFile ?? file }

  /// What was given; nil when nothing was.
  var input: TextInput? { path.map { .file($0) } ?? text.map { .given($0) } }
}

/// How much of a text is looked at.
struct TokenLimitOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Score only this many tokens, from the beginning.", valueName: "count"))
  var tokens: Int?

  func validate() throws {
    if let tokens, tokens < 1 { throw ValidationError("--tokens must be 1 or more, not \(tokens)") }
  }
}

/// Prompts; each option may be given several times.
struct PromptOptions: ParsableArguments {
  @Option(
    name: .text,
    help: ArgumentHelp("A text; BOS is put in front, when there is one. '-' is standard input.", valueName: "text"))
  var text: [String] = []

  @Option(help: .textFile, completion: .file())
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
    let given = text.map(TextInput.given) + textFile.map(TextInput.file)
    let texts = given.map { chat.chat ? TokenInput.chat($0) : .plain($0) }
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
      isDetail: true, takesStream: true),
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

extension NameSpecification {
  /// Of a text.
  fileprivate static let text: NameSpecification = [.long, .customLong("prompt")]
}

extension ArgumentHelp {
  fileprivate static let textFile = ArgumentHelp(
    "A file of UTF-8 text; '-' is standard input.", valueName: "file", takesStream: true)
  fileprivate static let oneTextFile = ArgumentHelp(
    textFile.text, valueName: "file", takesStream: true, isGivenOnce: true)
  fileprivate static let earlierTextFile = ArgumentHelp(
    "An earlier name of --text-file.", valueName: "file", visibility: .hidden)
}

extension TextInput {
  /// A text of the command line, which is never the name of a file: earlier versions took one in some commands.
  static func given(_ text: String) -> TextInput {
    if text == "-" { return .file(text) }
    let isName = text.utf8.count < 4096 && !text.contains(where: \.isNewline)
    if isName, FileSystem.kind(of: text) == .file || text.hasSuffix(".txt") {
      ReadFiles.note(text)
      StandardError.warn("'\(printable(text))' is taken as the text itself: --text-file reads a file")
    }
    return .text(text)
  }
}

extension TokenInput {
  /// A text that is taken as it is.
  fileprivate static func plain(_ input: TextInput) -> TokenInput {
    switch input {
    case .text(let text): .text(text)
    case .file(let path): .textFile(path)
    case .sample: .text(TextInput.sampleOpening)
    }
  }
}
