// Tritsmith: texts to ids and back.

import TritCore
import TritFormats
import TritSurvey
import TritTokenizer

/// What to do with a model's tokenizer.
package struct TokenizeRequest: Sendable {
  /// What is to be turned into the other.
  package enum Input: Sendable, Equatable {
    case text(String)
    /// A file of UTF-8 text.
    case file(String)
    /// A text, or the text of a file, as the one message of a user.
    case chat(TextInput)
    /// A conversation as JSON; the name is for errors.
    case messages([UInt8], file: String?)
    /// Ids to be decoded, with spaces or commas between.
    case ids(String)
  }

  package var path: String
  package var open = OpenOptions()
  package var input: Input
  /// Puts the special tokens around a text that the tokenizer adds by default; when decoding, keeps special tokens.
  package var includesSpecialTokens = true
  /// What stands behind the last message of a conversation.
  package var ending = ChatEnding.answer

  package init(path: String, input: Input) {
    self.path = path
    self.input = input
  }
}

extension TokenizeRequest.Input {
  fileprivate func conversation() throws -> [ChatMessage] {
    switch self {
    case .chat(let input): [ChatMessage(.user, try input.text())]
    case .messages(let bytes, let file): try ChatMessage.list(bytes, file: file)
    case .text, .file, .ids: []
    }
  }

  fileprivate var messagesFile: String? { if case .messages(_, let file) = self { file } else { nil } }
}

/// Ids and the text they stand for.
package struct TokenizeResult: Sendable {
  /// A token as the vocabulary and the text have it.
  package struct Token: Sendable, Hashable {
    package var id: Int
    /// As the vocabulary spells it: `Ġthe`.
    package var spelling: String
    /// What it decodes to; part of a character becomes U+FFFD.
    package var text: String
    package var isSpecial: Bool
  }

  /// The tokens of ids, each made when it is asked for: a text of a megabyte has some 300,000.
  package struct Tokens: Sendable, RandomAccessCollection {
    package let ids: [Int]
    private let tokenizer: Tokenizer

    init(_ ids: [Int], of tokenizer: Tokenizer) {
      self.ids = ids
      self.tokenizer = tokenizer
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { ids.count }

    package subscript(index: Int) -> Token { token(ids[index]) }

    /// The token an id stands for.
    func token(_ id: Int) -> Token {
      Token(
        id: id, spelling: tokenizer.token(forID: id) ?? "",
        text: String(decoding: tokenizer.bytes(forID: id) ?? [], as: UTF8.self), isSpecial: tokenizer.isSpecial(id))
    }
  }

  package var path: String
  package var tokens: Tokens
  /// The ids decoded.
  package var decoded: String
  /// Bytes of the text that was encoded; nil when ids were given.
  package var inputBytes: Int?
  package var summary: TokenizerSummary
  /// What had to be assumed of the file.
  package var notes: [String]
}

/// Encodes a text or decodes ids.
package struct TokenizeWorkflow: Sendable {
  let request: TokenizeRequest

  package init(_ request: TokenizeRequest) {
    self.request = request
  }

  /// - Throws: `RunError`, `TokenizerError`, and what opening the model or the file throws.
  package func run() throws -> TokenizeResult {
    let source = try ModelOpener.open(request.path, request.open, hasCompanions: true)
    let tokenizer = try Tokenizer(of: source)
    let ids: [Int]
    var inputBytes: Int?
    var skipsSpecialTokens = false
    switch request.input {
    case .text(let text):
      inputBytes = text.utf8.count
      ids = try tokenizer.encode(text, addSpecialTokens: request.includesSpecialTokens)
    case .file(let path):
      let bytes = try TokenInput.text(at: path)
      inputBytes = bytes.count
      ids = try tokenizer.encode(fileAt: path, bytes, addSpecialTokens: request.includesSpecialTokens)
    case .chat, .messages:
      let messages = try request.input.conversation()
      let text = try tokenizer.text(
        of: messages, ChatTemplate(of: source), request.ending, file: request.input.messagesFile)
      inputBytes = text.utf8.count
      ids = try tokenizer.encode(text, addSpecialTokens: false)
    case .ids(let text):
      ids = try TokenIDs.parse(text)
      skipsSpecialTokens = !request.includesSpecialTokens
    }
    let decoded = try tokenizer.decode(ids, skipSpecialTokens: skipsSpecialTokens)
    return TokenizeResult(
      path: request.path, tokens: TokenizeResult.Tokens(ids, of: tokenizer), decoded: decoded, inputBytes: inputBytes,
      summary: tokenizer.summary,
      notes: source.manifest.notes)
  }
}
