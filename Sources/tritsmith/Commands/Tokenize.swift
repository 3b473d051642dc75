// Tritsmith: `tritsmith tokenize`.

import CommandLineKit
import TritWorkflows

struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn text into a model's token ids, or ids into text.",
    discussion: """
      Ids are those of the tokenizers library; a tokenizer.json that cannot be followed exactly is refused. A GGUF file \
      may hold a vocabulary alone. Where it leaves something open, what llama.cpp does then is done, and said.
      """,
    examples: [
      .init("tritsmith tokenize ./falcon-e-1b --text 'In the beginning'", "Ids, spellings and the text decoded."),
      .init("tritsmith tokenize model.tritpack --ids '1 47 287'", "What ids stand for."),
      .init("tritsmith tokenize old.gguf --gguf-pre qwen2 --text 'one'", "By the pre-tokenizer the file should name."),
    ])

  @Argument(help: "The model whose tokenizer to use.", completion: .file())
  var model: String

  @Option(help: ArgumentHelp("Text to encode.", valueName: "text"))
  var text: String?

  @Option(help: ArgumentHelp("A file of UTF-8 text to encode.", valueName: "file"), completion: .file())
  var file: String?

  @Option(help: ArgumentHelp("Token ids to decode, with spaces or commas between.", valueName: "ids"))
  var ids: String?

  @Flag(help: "Add no special tokens such as BOS; when decoding, leave special tokens out.")
  var noSpecial = false

  @Option(help: .preTokenizer)
  var ggufPre: String?

  @Flag(help: .offline)
  var offline = false

  @OptionGroup(title: "Output") var printing: OutputOptions

  func validate() throws {
    let given = [text, file, ids].count { $0 != nil }
    guard given == 1 else { throw ValidationError("give one of --text, --file and --ids") }
  }

  func run() throws {
    let input: TokenizeRequest.Input =
      if let file { .file(file) } else if let ids { .ids(ids) } else { .text(text ?? "") }
    var request = TokenizeRequest(path: model, input: input)
    request.includesSpecialTokens = !noSpecial
    request.open.preTokenizer = ggufPre
    try reporting {
      request.path = try ModelPlace.path(of: model, offline: offline)
      printing.print(try TokenizeWorkflow(request).run().report)
    }
  }
}
