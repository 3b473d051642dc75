// Tritsmith: what can be wrong with a conversation or a template for it.

import TritCore

/// Why a conversation could not be made into text.
public struct ChatError: DiagnosticError, Equatable {
  /// What went wrong.
  public enum Kind: Sendable, Equatable {
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
    /// A message of a role that is not written here.
    case role(String, index: Int)
    /// The messages are no JSON list of roles and contents.
    case malformedMessages(String)
  }

  public var kind: Kind
  public var location = ErrorLocation()

  public init(_ kind: Kind, file: String? = nil) {
    self.kind = kind
    location.file = file
  }

  public var summary: String {
    switch kind {
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
    case .malformedMessages(let found):
      "expected a JSON list of objects with 'role' (system, user or assistant) and 'content' (text), found \(found)"
    }
  }

  public var remedy: String? {
    switch kind {
    case .noTemplate, .otherShape, .unknownTemplate, .writesMore:
      "render the conversation with the model's own library and pass the text without --chat"
    case .role("developer", _): "give it the role system, if the model takes it for that"
    case .role:
      "render the conversation with the model's own library and pass the text without --messages"
    default: nil
    }
  }

  public var category: ErrorCategory {
    switch kind {
    case .noTemplate, .otherShape, .unknownTemplate, .writesMore, .role, .malformedMessages: .malformedInput
    case .noMessages, .order: .misuse
    }
  }
}

extension ChatMessage {
  /// Messages of a JSON list.
  public static func list(_ bytes: [UInt8], file: String? = nil) throws(ChatError) -> [ChatMessage] {
    guard let value = try? JSONValue.parse(bytes) else {
      throw ChatError(.malformedMessages("what is no JSON"), file: file)
    }
    guard let list = value.array else { throw ChatError(.malformedMessages(value.kindName), file: file) }
    var messages: [ChatMessage] = []
    for (index, element) in list.enumerated() {
      let object = element.object
      if let name = object?["role"]?.string, Role(rawValue: name) == nil {
        throw ChatError(.role(name, index: index + 1), file: file)
      }
      guard let object, let role = object["role"]?.string.flatMap(Role.init(rawValue:)),
        let content = object["content"]?.string, object.entries.count == 2
      else { throw ChatError(.malformedMessages("something else at place \(index)"), file: file) }
      messages.append(ChatMessage(role, content))
    }
    guard !messages.isEmpty else { throw ChatError(.noMessages, file: file) }
    return messages
  }
}
