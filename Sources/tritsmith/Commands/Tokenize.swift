// Tritsmith: `tritsmith tokenize`.

import CommandLineKit
import TritEvaluation
import TritSurvey

struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn text into a model's token ids, or ids into text.",
    discussion: """
      Ids are those of the tokenizers library; a tokenizer.json that cannot be followed exactly is refused. A GGUF file \
      may hold a vocabulary alone. Where it leaves something open, the rule of llama.cpp holds, with a note.
      """,
    examples: [
      .init("tritsmith tokenize ./falcon-e-1b --text 'In the beginning'", "Ids, spellings and the text decoded."),
      .init("tritsmith tokenize model.tritpack --ids '1 47 287'", "The text of ids."),
      .init("tritsmith tokenize ./falcon-e-1b --text 'one' -q", "Ids for another program."),
      .init("tritsmith tokenize old.gguf --gguf-pre qwen2 --text 'one'", "By the pre-tokenizer the file should name."),
    ], group: "Look")

  @Argument(help: "The model with the tokenizer.", completion: .file())
  var model: String

  @OptionGroup var text: TextOptions

  @Option(help: ArgumentHelp("Token ids to decode, with spaces or commas between.", valueName: "ids"))
  var ids: String?

  @OptionGroup var chat: ChatOptions

  @Flag(help: "Add no special tokens such as BOS; when decoding, leave special tokens out.")
  var noSpecial = false

  @Option(help: .preTokenizer)
  var ggufPre: PreTokenizerName?

  @Flag(help: .offline)
  var offline = false

  @Flag(name: [.long, .short], help: "Print the ids alone, or of ids the text alone.")
  var quiet = false

  @OptionGroup(title: "Output") var printing: OutputOptions

  func validate() throws {
    let given = try atMostOne([
      "--text": text.text, "--text-file": text.path, "--ids": ids, "--messages": chat.messages,
    ])
    guard given != nil else { throw ValidationError("give one of --text, --text-file, --ids and --messages") }
    try chat.check(hasText: ids == nil)
  }

  func run() throws {
    try reporting {
      let input: TokenizeRequest.Input =
        if case .messages(let bytes, let file) = try chat.conversations().first {
          .messages(bytes, file: file)
        } else if let ids {
          .ids(ids)
        } else {
          .init(text.input ?? .text(""), isMessage: chat.chat)
        }
      var request = TokenizeRequest(path: try NamedModel.path(of: model, offline: offline), input: input)
      request.includesSpecialTokens = !noSpecial
      request.ending = chat.turn.ending
      request.open.preTokenizer = ggufPre?.name
      let result = try TokenizeWorkflow(request).run()
      guard quiet, printing.format == .table else { return printing.print(result.report) }
      guard ids == nil else { return StandardOutput.shared.write(Terminal.shown(result.decoded) + "\n") }
      for (index, id) in result.tokens.ids.enumerated() { StandardOutput.shared.write(index == 0 ? "\(id)" : " \(id)") }
      StandardOutput.shared.write("\n")
    }
  }
}

extension TokenizeRequest.Input {
  fileprivate init(_ text: TextInput, isMessage: Bool) {
    self =
      switch text {
      case _ where isMessage: .chat(text)
      case .text(let text): .text(text)
      case .file(let path): .file(path)
      case .sample: .text(TextInput.sampleText)
      }
  }
}
