// Tritsmith: what models are run on: texts, ids, and files of ids.

import TritCore
import TritFormats
import TritTokenizer

/// One or several prompts as a user gives them.
public enum TokenInput: Sendable, Equatable {
  /// A text; the model's tokenizer makes ids of it, with BOS in front when the model has one.
  case text(String)
  /// A file of such text; `-` is standard input.
  case textFile(String)
  /// A text that becomes the one message of a user, written as the model's chat template says.
  case chat(TextInput)
  /// A conversation as JSON: a list of objects with `role` and `content`; the name is for errors.
  case messages([UInt8], file: String?)
  /// Ids as numbers with spaces or commas between, taken as they are.
  case ids(String)
  /// A file of ids: JSON (a list of ids, a list of such lists, or a list of objects with `ids`), or one prompt a line.
  case idsFile(String)

  /// Files of ids and texts to be run may have this size at most.
  static let fileLimit: UInt64 = 256 << 20

  /// The prompts in order; ids are not yet held against a vocabulary.
  ///
  /// - Parameter ending: what stands behind the last message of a conversation.
  /// - Throws: `RunError` when there are none, or ids cannot be read; `TokenizerError`.
  package static func prompts(
    _ inputs: [TokenInput], of source: any TensorSource, ending: ChatEnding = .answer
  ) throws -> [[Int]] {
    var tokenizer: Tokenizer?
    var result: [[Int]] = []
    for input in inputs {
      switch input {
      case .text, .textFile:
        let loaded = try tokenizer ?? Tokenizer(toRun: source)
        tokenizer = loaded
        result.append(try loaded.prompt(try input.text()))
      case .chat, .messages:
        let loaded = try tokenizer ?? Tokenizer(toRun: source)
        tokenizer = loaded
        let messages = try input.conversation() ?? []
        result.append(try loaded.ids(of: messages, ChatTemplate(of: source), ending, file: input.messagesFile))
      case .ids(let text): result.append(try TokenIDs.parse(text))
      case .idsFile(let path): result += try TokenIDs.read(path)
      }
    }
    guard !result.isEmpty else { throw RunError(.noInput) }
    return result
  }

  /// The text that is taken as it is; empty for anything else.
  private func text() throws -> String {
    switch self {
    case .text(let text): text
    case .textFile(let path): try TextInput.file(path).text()
    case .chat, .messages, .ids, .idsFile: ""
    }
  }

  /// The messages of a conversation; nil for what is none.
  package func conversation() throws -> [ChatMessage]? {
    switch self {
    case .chat(let input): [ChatMessage(.user, try input.text())]
    case .messages(let bytes, let file): try ChatMessage.list(bytes, file: file)
    case .text, .textFile, .ids, .idsFile: nil
    }
  }

  /// The file of a conversation; nil for what is in none.
  package var messagesFile: String? { if case .messages(_, let file) = self { file } else { nil } }

  /// A conversation in a file of JSON; `-` is standard input.
  package static func messages(at path: String) throws -> TokenInput {
    .messages(try text(at: path), file: path == "-" ? nil : path)
  }

  /// A file of text, or standard input.
  ///
  /// - Throws: `FormatError` for a pointer in the text's place; a page may be the text that is meant.
  package static func text(at path: String) throws -> [UInt8] {
    if path == "-" { return try Platform.standardInput(limit: fileLimit) }
    let file = try InputFile(path: path, mode: .buffered)
    if let standIn = try file.standIn(), standIn.isPointer {
      throw FormatError(.standIn(standIn), file: path, byteOffset: 0)
    }
    return try file.contents(limit: fileLimit)
  }
}

extension Tokenizer {
  /// BOS, when the model has one, and the ids of a text; nothing for an empty text. Throws as `encode` does.
  public func prompt(_ text: String) throws -> [Int] {
    let ids = try encode(text, addSpecialTokens: false)
    guard let bos = bosTokenID, let first = ids.first, first != bos else { return ids }
    return [bos] + ids
  }
}

/// Token ids as text.
package enum TokenIDs {
  /// Numbers with spaces, line ends or commas between; a JSON list is such a thing too.
  package static func parse(_ text: String, file: String? = nil) throws(RunError) -> [Int] {
    var text = Substring(text)
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
    var ids: [Int] = []
    for word in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      guard let id = Int(word) else { throw RunError(.malformedIDs(found: "'\(word)'"), file: file) }
      ids.append(id)
    }
    return ids
  }

  /// Prompts of a file.
  package static func read(_ path: String) throws -> [[Int]] {
    let bytes = try TokenInput.text(at: path)
    if let value = try? JSONValue.parse(bytes) {
      guard let list = value.array else { throw RunError(.malformedIDs(found: value.kindName), file: path) }
      if list.allSatisfy({ $0.number != nil }) { return [try prompt(value, path)] }
      return try list.map { try prompt($0.object?["ids"] ?? $0, path) }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw RunError(.malformedIDs(found: "bytes that are no text"), file: path)
    }
    return try text.split(whereSeparator: \.isNewline).filter { !$0.allSatisfy(\.isWhitespace) }.map {
      try parse(String($0), file: path)
    }
  }

  private static func prompt(_ value: JSONValue, _ path: String) throws(RunError) -> [Int] {
    guard let list = value.array else { throw RunError(.malformedIDs(found: value.kindName), file: path) }
    var ids: [Int] = []
    for element in list {
      guard let id = element.number?.integer else {
        throw RunError(.malformedIDs(found: element.number?.text ?? element.kindName), file: path)
      }
      ids.append(id)
    }
    return ids
  }
}
