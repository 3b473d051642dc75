// Tritsmith: conversations as the text a model was trained on.

import TritCore

/// One turn of a conversation.
public struct ChatMessage: Sendable, Equatable {
  /// Who speaks.
  public enum Role: String, Sendable, CaseIterable {
    case system, user, assistant
  }

  public var role: Role
  public var content: String

  public init(_ role: Role, _ content: String) {
    self.role = role
    self.content = content
  }
}

/// The chat template of a model, recognised by the special tokens it writes; no template language is interpreted.
///
/// A template is known by its shape, and by what else its text shows of the published templates of that shape. What
/// shows that it writes something this type does not, such as the date of the day, is an error, never left out.
/// What is rendered is what transformers' `apply_chat_template` gives for the published templates.
public struct ChatTemplate: Sendable, Equatable {
  /// What a template writes around messages.
  public enum Shape: String, Sendable, CaseIterable {
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

  public let shape: Shape
  private let template: String

  /// - Throws: `ChatError` for a template of another shape, or one that writes more than its shape says.
  public init(_ template: String) throws(ChatError) {
    self.template = template
    func has(_ part: String) -> Bool { template.utf8.count >= part.utf8.count && template.contains(part) }
    if has("<|im_start|>") {
      shape = .chatML
      if has("<|im_sep|>") { throw ChatError(.otherShape("<|im_sep|>")) }
    } else if has("[INST]") {
      shape = .mistral
      if has("<<SYS>>") { throw ChatError(.otherShape("<<SYS>>")) }
    } else if has("<|start_header_id|>"), has("<|end_header_id|>") {
      shape = .llama3
    } else if has("<|user|>"), has("<|assistant|>"), !has("<|end|>"), !has("<|tool_declare|>"), !has("[gMASK]") {
      shape = ChatTemplate.endsUserMessages(template) ? .zephyr : .falcon
      if shape == .falcon, !has("eos_token"), !has("</s>"), !has("<|system|>") {
        throw ChatError(.otherShape("<|user|>"))
      }
    } else {
      throw ChatError(.otherShape(ChatTemplate.marks(of: template)))
    }
    if has("strftime_now") { throw ChatError(.writesMore("the date of the day (strftime_now)")) }
    if has("raise_exception('System role not supported')") { throw ChatError(.writesMore("no system messages")) }
  }

  private func has(_ part: String) -> Bool { template.contains(part) }

  /// Whether an end token stands right behind a user's content.
  private static func endsUserMessages(_ template: String) -> Bool {
    guard let start = template.firstRange(of: "<|user|>") else { return false }
    let rest = template[start.upperBound...]
    let end = rest.firstRange(of: "%}")?.lowerBound ?? rest.endIndex
    return rest[..<end].contains("eos_token") || rest[..<end].contains("<|endoftext|>") || rest[..<end].contains("</s>")
  }

  /// The first special token a template writes, for people.
  private static func marks(of template: String) -> String {
    guard let start = template.firstRange(of: "<|")?.lowerBound, let end = template[start...].firstRange(of: "|>")
    else {
      return template.isEmpty ? "nothing" : "no special tokens known here"
    }
    return String(template[start..<end.upperBound])
  }

  // MARK: - Rendering

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - addsGenerationPrompt: whether the beginning of the assistant's turn is put behind.
  ///   - thinks: false for a turn without thinking, where a template knows that.
  ///   - bos, eos: the spelling of the model's tokens, for templates that write them.
  /// - Throws: `ChatError` for no messages, or an order of roles that the template refuses.
  public func render(
    _ messages: [ChatMessage], addsGenerationPrompt: Bool = true, thinks: Bool = true, bos: String = "",
    eos: String = ""
  ) throws(ChatError) -> String {
    guard !messages.isEmpty else { throw ChatError(.noMessages) }
    switch shape {
    case .chatML: return try chatML(messages, addsGenerationPrompt, thinks, bos)
    case .llama3: return llama3(messages, addsGenerationPrompt, bos)
    case .falcon, .zephyr: return marked(messages, addsGenerationPrompt, eos)
    case .mistral: return try mistral(messages, bos, eos)
    }
  }

  private func chatML(
    _ messages: [ChatMessage], _ addsGenerationPrompt: Bool, _ thinks: Bool, _ bos: String
  ) throws(ChatError) -> String {
    var text = has("bos_token") ? bos : ""
    func turn(_ role: ChatMessage.Role, _ content: String) -> String {
      "<|im_start|>\(role.rawValue)\n\(content)<|im_end|>\n"
    }
    if messages[0].role != .system, let content = defaultSystemMessage { text += turn(.system, content) }
    // Qwen3 drops what the assistant thought before the last question.
    let dropsThoughts = has("reasoning_content")
    let question = messages.lastIndex { $0.role == .user } ?? messages.count - 1
    for (index, message) in messages.enumerated() {
      guard dropsThoughts, message.role == .assistant else {
        text += turn(message.role, message.content)
        continue
      }
      var (thought, answer) = ("", message.content)
      if let end = message.content.ranges(of: "</think>").last, let first = message.content.firstRange(of: "</think>") {
        answer = String(message.content[end.upperBound...].drop { $0 == "\n" })
        let before = message.content[..<first.lowerBound].trimmingEnd { $0 == "\n" }
        let start = before.ranges(of: "<think>").last?.upperBound ?? before.startIndex
        thought = String(before[start...].drop { $0 == "\n" })
      }
      if index > question, index == messages.count - 1 || !thought.isEmpty {
        answer = "<think>\n\(thought.trimmingEnd { $0 == "\n" })\n</think>\n\n\(answer.drop { $0 == "\n" })"
      }
      text += turn(.assistant, answer)
    }
    guard addsGenerationPrompt else { return text }
    text += "<|im_start|>assistant\n"
    if !thinks, has("enable_thinking") { text += "<think>\n\n</think>\n\n" }
    return text
  }

  /// What a template of ChatML writes where a conversation has no system message.
  private var defaultSystemMessage: String? {
    for part in template.split(separator: "<|im_start|>system").dropFirst() {
      var rest = Substring(part)
      // A line end as the template spells it, or itself.
      if rest.hasPrefix(#"\n"#) { rest = rest.dropFirst(2) } else if rest.hasPrefix("\n") { rest = rest.dropFirst() }
      guard let end = rest.firstRange(of: "<|im_end|>")?.lowerBound else { continue }
      let literal = rest[..<end]
      if literal.isEmpty || literal.contains(where: { "'\"{}".contains($0) }) { continue }
      return String(literal)
    }
    // Qwen2.5 writes it apart from its marks.
    let qwen = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    return has(qwen) ? qwen : nil
  }

  private func llama3(_ messages: [ChatMessage], _ addsGenerationPrompt: Bool, _ bos: String) -> String {
    var text = bos
    func header(_ role: String) -> String { "<|start_header_id|>\(role)<|end_header_id|>\n\n" }
    var turns = messages[...]
    if has("Cutting Knowledge Date") {
      // Llama 3.1 always has a system message.
      var content = ""
      if turns.first?.role == .system { content = turns.removeFirst().content.trimmed }
      text +=
        header("system") + "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n\(content)<|eot_id|>"
    }
    for message in turns { text += header(message.role.rawValue) + message.content.trimmed + "<|eot_id|>" }
    // The first template of Llama 3 puts it behind whatever was asked.
    let always = !has("add_generation_prompt")
    return addsGenerationPrompt || always ? text + header("assistant") : text
  }

  private func marked(_ messages: [ChatMessage], _ addsGenerationPrompt: Bool, _ eos: String) -> String {
    var text = ""
    for (index, message) in messages.enumerated() {
      text += "<|\(message.role.rawValue)|>\n\(message.content)"
      if shape == .zephyr {
        text += eos + "\n"
      } else if message.role == .assistant, has("eos_token") {
        text += index == messages.count - 1 ? eos : eos + "\n"
      } else {
        text += "\n"
      }
    }
    return addsGenerationPrompt ? text + "<|assistant|>\n" : text
  }

  private func mistral(_ messages: [ChatMessage], _ bos: String, _ eos: String) throws(ChatError) -> String {
    var turns = messages[...]
    var system: String?
    if turns.first?.role == .system { system = turns.removeFirst().content }
    // Version 7 takes any order.
    let minds = has("raise_exception")
    for (index, message) in turns.enumerated() where minds && (message.role == .user) != (index % 2 == 0) {
      throw ChatError(.order("after the system message, user and assistant take turns"))
    }
    let hasTools = has("[AVAILABLE_TOOLS]")
    let isFirstVersion = has("' [INST] '")
    let hasSystemTurn = has("[SYSTEM_PROMPT]")
    guard system == nil || hasTools || isFirstVersion || hasSystemTurn else {
      throw ChatError(.order("this template takes no system message"))
    }
    // Which spaces there are around marks tells the versions apart.
    let before = isFirstVersion ? " [INST] " : has("\"[INST]\"") || has("'[INST]'") ? "[INST]" : "[INST] "
    let behind = has(" [/INST]") ? " [/INST]" : "[/INST]"
    let answer = has("' ' + m") || has("\" \" + m") ? " " : ""
    var text = bos
    if let content = system, hasSystemTurn {
      text += (has("[SYSTEM_PROMPT] ") ? "[SYSTEM_PROMPT] " : "[SYSTEM_PROMPT]") + content + "[/SYSTEM_PROMPT]"
      system = nil
    }
    // With tools the system message stands before the last question, else before the first.
    let place = hasTools ? turns.lastIndex { $0.role == .user } : turns.firstIndex { $0.role == .user }
    for index in turns.indices {
      let message = turns[index]
      if message.role == .assistant {
        text += answer + (hasTools && has("|trim") ? message.content.trimmed : message.content) + eos
      } else {
        text += before + (index == place ? system.map { $0 + "\n\n" } ?? "" : "") + message.content + behind
      }
    }
    return text
  }
}

extension StringProtocol {
  fileprivate func trimmingEnd(_ drops: (Character) -> Bool) -> SubSequence {
    var end = endIndex
    while end > startIndex, drops(self[index(before: end)]) { end = index(before: end) }
    return self[startIndex..<end]
  }

  /// Without white space at both ends, as Python's `strip`.
  fileprivate var trimmed: String { String(drop { $0.isWhitespace }.trimmingEnd { $0.isWhitespace }) }
}
