// Tritsmith: conversations beside transformers' apply_chat_template.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Chat templates")
struct ChatTests {
  private func messages(_ value: JSONValue?) throws -> [ChatMessage] {
    try ChatMessage.list(try #require(value).serialized())
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
        try template.render(
          turns, addsGenerationPrompt: options["add_generation_prompt"]?.bool == true,
          thinks: options["enable_thinking"]?.bool ?? true, bos: "<s>", eos: "</s>")
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
      let text = try template.render(
        messages(entry.object?["messages"]), addsGenerationPrompt: options["add_generation_prompt"]?.bool == true,
        thinks: options["enable_thinking"]?.bool ?? true)
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

  @Test(arguments: ["tool", "developer", "a\u{1B}b"])
  func otherRoles(_ role: String) throws {
    let list = JSONValue.array([.object(["role": .string(role), "content": .string("x")])])
    let error = try #require(throws: ChatError.self) { try ChatMessage.list(list.serialized()) }
    #expect(error.kind == .role(role, index: 1) && error.remedy != nil && !error.summary.contains("\u{1B}"))
  }

  @Test(arguments: [
    "", "{}", "[]", "[1]", #"[{"role":"user"}]"#, #"[{"role":"tool","content":"x"}]"#,
    #"[{"role":"user","content":["x"]}]"#,
    #"[{"role":"user","content":"x","tool_calls":[]}]"#,
  ])
  func messagesThatAreNone(_ text: String) {
    #expect(throws: ChatError.self) { try ChatMessage.list(Array(text.utf8)) }
  }
}
