// Tritsmith: conversations as the text a model was trained on.

import TritCore
import VisibleText

/// One turn of a conversation.
package struct ChatMessage: Sendable, Equatable {
  /// Who speaks.
  package enum Role: String, Sendable, CaseIterable {
    case system, user, assistant
  }

  package var role: Role
  package var content: String
  /// Keys beside these, such as `name` or `tool_calls`: a template that reads one of them is an error.
  package var otherKeys: [String] = []

  package init(_ role: Role, _ content: String) {
    self.role = role
    self.content = content
  }
}

/// What stands behind the last message of a conversation.
package enum ChatEnding: Sendable, Hashable {
  /// The beginning of the assistant's turn, where the template has one: its generation prompt.
  case answer
  /// The same with empty thoughts, so that the model answers without thinking.
  case answerWithoutThinking
  /// Nothing.
  case lastMessage
}

/// The chat template of a model, recognised among those that are known; no template language is interpreted.
///
/// A template is known by its spelling: `ChatTemplateSpelling` says what may differ. Any other is an error that names
/// the shape it looks like, since what it writes beside the marks cannot be seen from them.
/// What is rendered is what transformers' `apply_chat_template` gives.
package struct ChatTemplate: Sendable, Equatable {
  /// What a template writes around messages.
  package enum Shape: String, Sendable, CaseIterable {
    /// `<|im_start|>user`: Qwen and many others.
    case chatML = "ChatML"
    /// `<|start_header_id|>user<|end_header_id|>`.
    case llama3 = "Llama 3"
    /// `<|user|>` with line ends between messages: Falcon3 and Falcon-E.
    case falcon = "Falcon-E"
    /// `<|user|>` with an end token behind every message.
    case zephyr = "Zephyr"
    /// `[INST]`.
    case mistral = "Mistral"
  }

  package var shape: Shape { style.shape }
  private let style: ChatStyle
  /// What a template of ChatML writes where a conversation has no system message.
  private let defaultSystemMessage: String?
  /// What it may read of a message.
  private let keys: Set<String>

  /// - Throws: `ChatError` for a template of another shape, or one that is not among the known ones of its shape.
  package init(_ template: String) throws(ChatError) {
    let shape = try ChatTemplate.shape(of: template)
    let spelling = ChatTemplateSpelling(template)
    guard let spelling, let style = ChatStyle.known[spelling.digest] else { throw ChatError(.unknownTemplate(shape)) }
    self.style = style
    defaultSystemMessage = spelling.defaultSystemMessage
    keys = spelling.keys
  }

  /// The shape a template's marks are of.
  private static func shape(of template: String) throws(ChatError) -> Shape {
    // Marks are bytes: an accent behind one makes another character of it, and no other mark.
    let bytes = Array(template.utf8)
    func has(_ part: String) -> Bool { range(of: part, in: bytes[...]) != nil }
    let shape: Shape
    if has("<|im_start|>") {
      shape = .chatML
      if has("<|im_sep|>") { throw ChatError(.otherShape("<|im_sep|>")) }
    } else if has("[INST]") {
      shape = .mistral
      if has("<<SYS>>") { throw ChatError(.otherShape("<<SYS>>")) }
    } else if has("<|start_header_id|>"), has("<|end_header_id|>") {
      shape = .llama3
    } else if has("<|user|>"), has("<|assistant|>"), !has("<|end|>"), !has("<|tool_declare|>"), !has("[gMASK]") {
      shape = endsUserMessages(bytes) ? .zephyr : .falcon
      if shape == .falcon, !has("eos_token"), !has("</s>"), !has("<|system|>") {
        throw ChatError(.otherShape("<|user|>"))
      }
    } else {
      throw ChatError(.otherShape(marks(of: bytes)))
    }
    if has("strftime_now") { throw ChatError(.writesMore("the date of the day (strftime_now)")) }
    return shape
  }

  /// Whether an end token stands right behind a user's content.
  private static func endsUserMessages(_ template: [UInt8]) -> Bool {
    guard let start = range(of: "<|user|>", in: template[...]) else { return false }
    let rest = template[start.upperBound...]
    let content = rest[..<(range(of: "%}", in: rest)?.lowerBound ?? rest.endIndex)]
    return ["eos_token", "<|endoftext|>", "</s>"].contains { range(of: $0, in: content) != nil }
  }

  /// The first special token a template writes, for people.
  private static func marks(of template: [UInt8]) -> String {
    guard let start = range(of: "<|", in: template[...])?.lowerBound, let end = range(of: "|>", in: template[start...])
    else {
      return template.isEmpty ? "nothing" : "no special tokens known here"
    }
    return String(decoding: template[start..<end.upperBound], as: UTF8.self)
  }

  /// Where a part of a template stands first.
  private static func range(of part: String, in bytes: ArraySlice<UInt8>) -> Range<Int>? {
    let part = Array(part.utf8)
    let start = bytes.indices.dropLast(part.count - 1).first {
      bytes[$0] == part[0] && bytes[$0..<$0 + part.count].elementsEqual(part)
    }
    return start.map { $0..<$0 + part.count }
  }

  // MARK: - Rendering

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - ending: what is put behind the last message.
  ///   - bos, eos: the spelling of the model's tokens, for templates that write them.
  /// - Throws: `ChatError` for no messages, an order of roles that the template refuses, a key of a message that it
  ///   reads beside role and content, or a turn without thinking that it does not know.
  package func render(
    _ messages: [ChatMessage], ending: ChatEnding = .answer, bos: String = "", eos: String = ""
  ) throws(ChatError) -> String {
    guard !messages.isEmpty else { throw ChatError(.noMessages) }
    guard ending != .answerWithoutThinking || style.closesThoughts else { throw ChatError(.noThinking) }
    for (index, message) in messages.enumerated() {
      if let key = message.otherKeys.first(where: keys.contains) { throw ChatError(.key(key, index: index + 1)) }
    }
    switch shape {
    case .chatML: return chatML(messages, ending, bos)
    case .llama3: return llama3(messages, ending, bos)
    case .falcon, .zephyr: return marked(messages, ending, eos)
    case .mistral: return try mistral(messages, bos, eos)
    }
  }

  private func chatML(_ messages: [ChatMessage], _ ending: ChatEnding, _ bos: String) -> String {
    var text = style.writesBOS ? bos : ""
    func turn(_ role: ChatMessage.Role, _ content: String) -> String {
      "<|im_start|>\(role.rawValue)\n\(style.trims ? content.trimmed : content)<|im_end|>\n"
    }
    if messages[0].role != .system, let content = defaultSystemMessage { text += turn(.system, content) }
    // What a tool answered is no question.
    let question =
      messages.lastIndex {
        $0.role == .user
          && !($0.content.utf8.starts(with: "<tool_response>".utf8)
            && $0.content.utf8.reversed().starts(with: "</tool_response>".utf8.reversed()))
      } ?? messages.count - 1
    let lastAnswer = messages.lastIndex { $0.role == .assistant }
    for (index, message) in messages.enumerated() {
      if index == 0, message.role == .system, message.content.isEmpty, style.leavesEmptySystem { continue }
      var content = message.content
      if message.role == .assistant {
        switch style.thoughts {
        case .kept: break
        case .ofLastAnswer:
          if index != lastAnswer, let parts = Thoughts(content) { content = parts.rest.trimmed }
        case .sinceQuestion:
          let parts = Thoughts(content)
          let (thought, answer) = (parts?.thought ?? "", parts?.rest.withoutFirst("\n") ?? content)
          content = answer
          if index > question, index == messages.count - 1 || !thought.isEmpty {
            content = "<think>\n\(thought.withoutLast("\n"))\n</think>\n\n\(answer.withoutFirst("\n"))"
          }
        }
      }
      text += turn(message.role, content)
    }
    guard ending != .lastMessage else { return text }
    text += "<|im_start|>assistant\n"
    return ending == .answerWithoutThinking ? text + "<think>\n\n</think>\n\n" : text
  }

  private func llama3(_ messages: [ChatMessage], _ ending: ChatEnding, _ bos: String) -> String {
    var text = bos
    func header(_ role: String) -> String { "<|start_header_id|>\(role)<|end_header_id|>\n\n" }
    func content(_ message: ChatMessage) -> String { style.trims ? message.content.trimmed : message.content }
    var turns = messages[...]
    if style.writesDates {
      let system = turns.first?.role == .system ? content(turns.removeFirst()) : ""
      text +=
        header("system") + "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n\(system)<|eot_id|>"
    }
    for message in turns { text += header(message.role.rawValue) + content(message) + "<|eot_id|>" }
    return ending != .lastMessage || style.alwaysAsks ? text + header("assistant") : text
  }

  private func marked(_ messages: [ChatMessage], _ ending: ChatEnding, _ eos: String) -> String {
    var text = ""
    for (index, message) in messages.enumerated() {
      text += "<|\(message.role.rawValue)|>\n\(message.content)"
      if shape == .zephyr {
        text += eos + "\n"
      } else if message.role == .assistant {
        text += index == messages.count - 1 ? eos : eos + "\n"
      } else {
        text += "\n"
      }
    }
    return ending == .lastMessage ? text : text + "<|assistant|>\n"
  }

  private func mistral(_ messages: [ChatMessage], _ bos: String, _ eos: String) throws(ChatError) -> String {
    let marks = style.mistral
    var turns = messages[...]
    var system: String?
    if turns.first?.role == .system, marks.system != .turn { system = turns.removeFirst().content }
    guard system == nil || marks.system != .refused else {
      throw ChatError(.order("this template takes no system message"))
    }
    if marks.minds {
      for (index, message) in turns.enumerated() where message.role != (index % 2 == 0 ? .user : .assistant) {
        throw ChatError(.order("after the system message, user and assistant take turns"))
      }
    }
    let place = marks.system == .inFirst ? turns.indices.first : turns.indices.last
    var text = bos
    for index in turns.indices {
      let content = turns[index].content
      switch turns[index].role {
      case .system: if marks.system == .turn { text += "[SYSTEM_PROMPT] " + content + "[/SYSTEM_PROMPT]" }
      case .assistant:
        text += marks.answer + (marks.trimsAnswers ? content.trimmed : content)
        text += marks.answerEnd.0 + eos + marks.answerEnd.1
      case .user:
        text += marks.question + (index == place ? system.map { $0 + "\n\n" } ?? "" : "") + content + marks.questionEnd
      }
    }
    return text
  }
}

/// An answer in two: what stands before the first `</think>`, behind `<think>`, and what stands behind the last.
private struct Thoughts {
  var thought: String
  var rest: String

  /// nil for an answer without `</think>`.
  init?(_ content: String) {
    let scalars = content.unicodeScalars
    let ends = content.ranges(ofText: "</think>")
    guard let first = ends.first, let last = ends.last else { return nil }
    rest = String(scalars[last.upperBound...])
    let before = String(scalars[..<first.lowerBound]).withoutLast("\n")
    let start = before.ranges(ofText: "<think>").last?.upperBound ?? before.startIndex
    thought = String(before.unicodeScalars[start...]).withoutFirst("\n")
  }
}

/// By scalars, as Python counts: `\r\n` is one `Character`, and so is a space with an accent.
extension String {
  fileprivate func withoutFirst(_ scalar: Unicode.Scalar) -> String { String(unicodeScalars.drop { $0 == scalar }) }

  fileprivate func withoutLast(_ scalar: Unicode.Scalar) -> String {
    String(unicodeScalars.prefix(unicodeScalars.endWithout { $0 == scalar }))
  }

  /// Without white space at both ends, as Python's `strip`.
  fileprivate var trimmed: String {
    func isSpace(_ scalar: Unicode.Scalar) -> Bool {
      scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }
    let rest = unicodeScalars.drop(while: isSpace)
    return String(rest.prefix(rest.endWithout(isSpace)))
  }
}

extension BidirectionalCollection<Unicode.Scalar> {
  /// How many scalars remain without those at the end.
  fileprivate func endWithout(_ drops: (Unicode.Scalar) -> Bool) -> Int {
    guard let last = lastIndex(where: { !drops($0) }) else { return 0 }
    return distance(from: startIndex, to: last) + 1
  }
}
