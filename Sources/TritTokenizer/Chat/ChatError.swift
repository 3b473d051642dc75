// Tritsmith: what can be wrong with a conversation or a template for it.

import TritCore

/// Why a conversation could not be made into text.
package typealias ChatError = Diagnostic<ChatErrorKind>

package enum ChatErrorKind: DiagnosticKind {
  /// The model has no chat template.
  case noTemplate
  /// The template writes other special tokens than the shapes known here.
  case otherShape(String)
  /// The template has the marks of a shape, and is none of those that are known.
  case unknownTemplate(ChatTemplate.Shape)
  /// The template writes something that is not followed.
  case writesMore(String)
  /// There are no messages.
  case noMessages
  /// The template refuses this order of roles.
  case order(String)
  /// A message of a role that is not written here; messages are counted from 1.
  case role(String, index: Int)
  /// The template reads more of a message than its role and content.
  case key(String, index: Int)
  /// The template knows no thinking that could be left out.
  case noThinking
  /// The messages are no JSON list of roles and contents.
  case malformedMessages(String)

  package var summary: String {
    switch self {
    case .noTemplate: "the model has no chat template"
    case .otherShape(let mark):
      "the chat template is of a shape that is not known here (it writes '\(printable(mark, limit: 40))'); known are "
        + ChatTemplate.Shape.allCases.map(\.rawValue).joined(separator: ", ")
    case .unknownTemplate(let shape):
      "the chat template has the marks of \(shape.rawValue), but is none of those known here: it may write more, or spaces elsewhere"
    case .writesMore(let what): "the chat template writes \(what), which is not followed"
    case .noMessages: "there are no messages"
    case .order(let rule): "the chat template refuses these messages: \(rule)"
    case .role(let name, let index):
      "message \(index) has the role '\(printable(name, limit: 40))'; written are system, user and assistant"
    case .key(let name, let index):
      "message \(index) has '\(printable(name, limit: 40))', which the chat template reads and which is not written here"
    case .noThinking: "the chat template knows no turn without thinking"
    case .malformedMessages(let found):
      "expected a JSON list of objects with 'role' (system, user or assistant) and 'content' (text), found \(found)"
    }
  }

  package var remedy: String? {
    switch self {
    case .noTemplate, .otherShape, .unknownTemplate, .writesMore:
      "render the conversation with the model's own library and pass the text without --chat"
    case .role("developer", _): "give it the role system, if the model takes it for that"
    case .key:
      "leave the key out, or render the conversation with the model's own library and pass the text without --messages"
    case .noThinking: "leave --no-think out"
    case .role:
      "render the conversation with the model's own library and pass the text without --messages"
    default: nil
    }
  }

  package var category: ErrorCategory {
    switch self {
    case .noTemplate, .otherShape, .unknownTemplate, .writesMore, .noMessages, .role, .key, .malformedMessages:
      .malformedInput
    case .order, .noThinking: .misuse
    }
  }
}

extension ChatMessage {
  /// Messages of a JSON list. A byte order mark is skipped, as in other files of people.
  package static func list(_ bytes: [UInt8], file: String? = nil) throws(ChatError) -> [ChatMessage] {
    func malformed(_ found: String) -> ChatError { ChatError(.malformedMessages(found), file: file) }
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue.parse(bytes, dialect: .python)
    } catch {
      throw malformed("text that is no JSON: \(error)")
    }
    guard let list = value.array else { throw malformed(value.kindName) }
    guard !list.isEmpty else { throw ChatError(.noMessages, file: file) }
    var messages: [ChatMessage] = []
    for (index, element) in list.enumerated() {
      let place = index + 1
      guard let object = element.object else { throw malformed("\(element.kindName) as message \(place)") }
      func text(_ key: String) throws(ChatError) -> String {
        guard let value = object[key] else { throw malformed("no '\(key)' in message \(place)") }
        guard let text = value.string else { throw malformed("\(value.kindName) as '\(key)' of message \(place)") }
        return text
      }
      let name = try text("role")
      guard let role = Role(rawValue: name) else { throw ChatError(.role(name, index: place), file: file) }
      var message = ChatMessage(role, try text("content"))
      message.otherKeys = object.entries.map(\.key).filter { $0 != "role" && $0 != "content" }
      messages.append(message)
    }
    return messages
  }
}
