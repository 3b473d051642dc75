// Tritsmith: conversations beside transformers' apply_chat_template.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Chat templates")
struct ChatTests {
  private func messages(_ value: JSONValue?) throws -> [ChatMessage] {
    try ChatMessage.list(try #require(value).serialized())
  }

  /// What the options of a case ask for.
  private func ending(_ options: JSONObject) -> ChatEnding {
    guard options["add_generation_prompt"]?.bool == true else { return .lastMessage }
    return options["enable_thinking"]?.bool == false ? .answerWithoutThinking : .answer
  }

  /// Every template of the fixture over every conversation, system messages and several turns among them.
  @Test func rendering() throws {
    let golden = try Files.json("Chat/chat.json")
    var templates: [String: ChatTemplate] = [:]
    for entry in try #require(golden["templates"]?.array) {
      let entry = try #require(entry.object)
      let template = try ChatTemplate(try #require(entry["text"]?.string))
      let name = try #require(entry["name"]?.string)
      #expect(template.shape.rawValue == entry["shape"]?.string, "\(name)")
      templates[name] = template
    }
    #expect(Set(templates.values.map(\.shape)).count == ChatTemplate.Shape.allCases.count)
    let cases = try #require(golden["cases"]?.array)
    #expect(cases.count > 200)
    for entry in cases {
      let entry = try #require(entry.object)
      let name = try #require(entry["template"]?.string)
      let template = try #require(templates[name])
      let options = try #require(entry["options"]?.object)
      let turns = try messages(entry["messages"])
      let comment: Comment = "\(name): \(turns.map { "\($0.role.rawValue): \($0.content)" }) \(options)"
      func render() throws(ChatError) -> String {
        try template.render(turns, ending: ending(options), bos: "<s>", eos: "</s>")
      }
      if let expected = entry["text"]?.string {
        #expect(Array(try render().utf8) == Array(expected.utf8), comment)
      } else {
        #expect(throws: ChatError.self, comment) { try render() }
      }
    }
  }

  /// The checkpoint's own template, and the ids of what it renders.
  @Test func checkpoint() throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: "bonsai-tiny/unpacked")
    let settings = try Files.json("Checkpoints/bonsai-tiny/unpacked/tokenizer_config.json")
    let template = try ChatTemplate(try #require(settings["chat_template"]?.string))
    let cases = try #require(
      try JSONValue.parse(Files.fixture("Checkpoints/bonsai-tiny/reference/chat_template_cases.json")).array)
    #expect(cases.count == 6)
    for entry in cases {
      let options = try #require(entry.object?["options"]?.object)
      let text = try template.render(messages(entry.object?["messages"]), ending: ending(options))
      #expect(Array(text.utf8) == entry.object?["text"]?.string.map { Array($0.utf8) })
      #expect(try tokenizer.encode(text, addSpecialTokens: false) == entry.object?["ids"]?.integers)
    }
  }

  @Test(arguments: [
    ("{{ '<start_of_turn>user' }}", "no special tokens known"), ("{{ '<|role_start|>user' }}", "'<|role_start|>'"),
    ("", "nothing"), ("<|im_start|><|im_sep|>", "<|im_sep|>"), ("[INST] <<SYS>>", "<<SYS>>"),
    ("<|user|><|assistant|><|end|>", "'<|user|>'"),
    ("<|start_header_id|><|end_header_id|>{{ strftime_now() }}", "date of the day"),
  ])
  func refused(_ text: String, _ words: String) throws {
    let error = try #require(throws: ChatError.self) { try ChatTemplate(text) }
    #expect(error.summary.contains(words), "\(error)")
    #expect(error.remedy?.contains("without --chat") == true && error.category == .malformedInput)
  }

  private static let chatML =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

  /// What Jinja does not look at: quotes, spaces, comments, names, sums or pieces, and what only tools need.
  @Test(arguments: [
    chatML, chatML.replacing("'", with: "\""),
    chatML.replacing("m[", with: "message[").replacing("for m", with: "for message"),
    chatML.replacing("m['role']", with: "m.role"), chatML.replacing("{{ ", with: "{{-"),
    chatML.replacing("'<|im_start|>' +", with: "'<|im_start|>' }}{{"),
    chatML.replacing("{% endfor %}", with: "{% endfor %}\n"),
    "{# a note #}\n" + chatML, chatML.replacing("{% if", with: "\n  {% if"), chatML + "\n",
    "{% if tools %}{{ 'Tools: ' }}{{ tools }}{% else %}" + chatML + "{% endif %}",
    chatML.replacing("{% endfor", with: "{% if m.tool_calls %}x{% elif m['role'] == 'tool' %}y{% endif %}{% endfor"),
  ])
  func spellings(_ text: String) throws {
    let template = try ChatTemplate(text)
    // By hand.
    #expect(
      try template.render([ChatMessage(.user, " a")]) == "<|im_start|>user\n a<|im_end|>\n<|im_start|>assistant\n")
  }

  /// A word more, a space, a condition: each is another template, and none is written in silence.
  @Test(arguments: [
    ("'assistant\\n'", "'assistant\\n<think>\\n'"), ("m['content']", "m['content'] | upper"),
    ("<|im_end|>'", "<|im_end|> '"),
    ("{% if add_generation_prompt %}", "{% if add_generation_prompt and messages[-1].role != 'assistant' %}"),
    ("{% for m in messages %}", "{% for m in messages[1:] %}"), ("{% endfor %}", "{% endfor %}x"),
    ("{% endfor %}", "{% endfor %}{% if not tools %}x{% endif %}"), ("{% endfor %}", "{% endfor %} {{- '' }} "),
    ("{% for", "{% raw %}x{% endraw %}{% for"), ("{% endif %}", ""), ("{% endif %}", "{% endif %}{% endif %}"),
    ("}}", "} }"),
  ])
  func otherWords(_ part: String, _ other: String) throws {
    let text = ChatTests.chatML.replacing(part, with: other).replacing(
      "<|im_start|>assistant\\n'",
      with: part == "'assistant\\n'" ? "<|im_start|>assistant\\n<think>\\n'" : "<|im_start|>assistant\\n'")
    let error = try #require(throws: ChatError.self) { try ChatTemplate(text) }
    #expect(error.kind == .unknownTemplate(.chatML) && error.remedy?.contains("without --chat") == true, "\(error)")
  }

  @Test("a mark with an accent behind it is that mark, and the template no known one")
  func accents() throws {
    let text = ChatTests.chatML.replacing("<|im_start|>", with: "<|im_start|>\u{301}")
    let error = try #require(throws: ChatError.self) { try ChatTemplate(text) }
    #expect(error.kind == .unknownTemplate(.chatML), "\(error)")
  }

  @Test(arguments: ["tool", "developer", "a\u{1B}b"])
  func otherRoles(_ role: String) throws {
    let list = JSONValue.array([.object(["role": .string(role), "content": .string("x")])])
    let error = try #require(throws: ChatError.self) { try ChatMessage.list(list.serialized()) }
    #expect(error.kind == .role(role, index: 1) && error.remedy != nil && !error.summary.contains("\u{1B}"))
  }

  @Test(arguments: [
    "", "{}", "[]", "[1]", #"[{"role":"user"}]"#, #"[{"role":"tool","content":"x"}]"#,
    #"[{"role":"user","content":["x"]}]"#,
  ])
  func messagesThatAreNone(_ text: String) throws {
    let error = try #require(throws: ChatError.self) { try ChatMessage.list(Array(text.utf8)) }
    #expect(error.category == .malformedInput)
  }

  /// What was found, and in which message, counted from 1.
  @Test(arguments: [
    ("{", "no JSON: the text ends"), ("{}", "found an object"), ("[1]", "a number as message 1"),
    (#"[{"content":"x"}]"#, "no 'role' in message 1"),
    (#"[{"role":1,"content":"x"}]"#, "a number as 'role' of message 1"),
    (#"[{"role":"user","content":"a"},{"role":"user"}]"#, "no 'content' in message 2"),
    (#"[{"role":"user","content":"a"},{"role":"user","content":["x"]}]"#, "an array as 'content' of message 2"),
    (#"[{"role":"assistant","content":null,"tool_calls":[]}]"#, "null as 'content' of message 1"),
  ])
  func wordsOfMessages(_ text: String, _ words: String) throws {
    let error = try #require(throws: ChatError.self) { try ChatMessage.list(Array(text.utf8), file: "m.json") }
    #expect(error.summary.contains(words) && error.location.file == "m.json", "\(error)")
  }

  @Test("a byte order mark is skipped, and keys beside role and content are kept by name")
  func list() throws {
    let text = #"[{"role":"user","content":"x","name":"Ruth"}]"#
    var message = ChatMessage(.user, "x")
    message.otherKeys = ["name"]
    #expect(try ChatMessage.list([0xEF, 0xBB, 0xBF] + Array(text.utf8)) == [message])
  }

  /// Whether transformers' text depends on a key of a message, for templates of the fixture.
  static let keys: [(template: String, key: String, isRead: Bool)] = [
    ("qwen3", "tool_calls", true), ("qwen3", "reasoning_content", true), ("qwen3", "name", false),
    ("qwen3", "tool_call_id", false), ("qwen2.5", "tool_calls", true), ("qwen2.5", "reasoning_content", false),
    ("qwen2.5", "name", false), ("qwen2.5", "arguments", false), ("chatml", "tool_calls", false),
    ("llama3", "reasoning_content", false), ("falcon", "tool_calls", false), ("zephyr", "weight", false),
    ("mistral nemo", "tool_calls", true), ("mistral nemo", "name", false), ("mistral 7", "tool_calls", false),
  ]

  @Test("a key that the template reads is refused by name, one that it does not read changes nothing", arguments: keys)
  func otherKeys(_ name: String, _ key: String, _ isRead: Bool) throws {
    let golden = try Files.json("Chat/chat.json")
    let entry = try #require(golden["templates"]?.array?.first { $0.object?["name"]?.string == name }?.object)
    let template = try ChatTemplate(try #require(entry["text"]?.string))
    let plain = [ChatMessage(.user, "a"), ChatMessage(.assistant, "b")]
    var turns = plain
    turns[1].otherKeys = ["weight", key]
    if isRead {
      let error = try #require(throws: ChatError.self) { try template.render(turns) }
      #expect(error.kind == .key(key, index: 2) && error.category == .malformedInput)
      #expect(error.summary.contains("message 2") && error.remedy?.contains("without --messages") == true)
    } else {
      #expect(try template.render(turns) == template.render(plain))
    }
  }

  @Test("a template that knows no thinking is not told to leave it out")
  func noThinking() throws {
    let golden = try Files.json("Chat/chat.json")
    var refused = 0
    for entry in try #require(golden["templates"]?.array).compactMap(\.object) {
      let text = try #require(entry["text"]?.string)
      guard !text.contains("enable_thinking") else { continue }
      let error = try #require(throws: ChatError.self) {
        try ChatTemplate(text).render([ChatMessage(.user, "a")], ending: .answerWithoutThinking)
      }
      #expect(error.kind == .noThinking && error.category == .misuse && error.remedy?.contains("--no-think") == true)
      refused += 1
    }
    #expect(refused == 10)
  }
}
