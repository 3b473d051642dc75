// Tritsmith tests: how conversations end, and what is said where one cannot be written.

import Testing
import TritCore
import TritTestSupport

@Suite("Conversations")
struct ChatCommandTests {
  private static func fixture(_ name: String) throws -> [UInt8] { try #require(Fixtures.contents(name)) }

  @Test("the six cases of the checkpoint, whose ids transformers gave")
  func cases() throws {
    let scratch = ScratchFolder()
    let model = scratch["model"]
    Disk.copyFolder(Model.bitnet, to: model)
    Disk.remove(model + "/special_tokens_map.json")
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
      Disk.write(try Self.fixture("Checkpoints/bonsai-tiny/unpacked/" + name), model + "/" + name)
    }
    let file = try Self.fixture("Checkpoints/bonsai-tiny/reference/chat_template_cases.json")
    let cases = try #require(try JSONValue.parse(file).array)
    #expect(cases.count == 6)
    for entry in cases.compactMap(\.object) {
      let options = try #require(entry["options"]?.object)
      var words: [String] = []
      if options["add_generation_prompt"]?.bool == false { words.append("--no-generation-prompt") }
      if options["enable_thinking"]?.bool == false { words.append("--no-think") }
      let messages = try #require(entry["messages"])
      let ids = (entry["ids"]?.array ?? []).compactMap { $0.number?.text }.joined(separator: " ")
      Disk.write(messages.serialized(), scratch["m.json"])
      let list = Tool.expect(0, ["tokenize", model, "--messages", scratch["m.json"], "-q"] + words)
      #expect(list.output == ids + "\n" && ids.count > 20, "\(words)")
      guard messages.array?.count == 1, let text = messages.array?[0].object?["content"]?.string else { continue }
      #expect(Tool.expect(0, ["tokenize", model, "--text", text, "--chat", "-q"] + words).output == list.output)
    }
  }

  @Test("an end is the same in every command, and refused where it would change nothing")
  func endings() throws {
    let scratch = ScratchFolder()
    let model = try RunCommandTests.chatModel(scratch["chat"])
    let (chat, end) = (["--text", "And Ruth said", "--chat"], ["--no-generation-prompt"])
    let ids = Tool.expect(0, ["tokenize", model, "-q"] + chat + end).output.split(separator: " ").count
    // What the template of Falcon says, written by hand.
    let plain = Tool.expect(0, ["tokenize", model, "--no-special", "-q", "--text", "<|user|>\nAnd Ruth said\n"])
    #expect(plain.output.split(separator: " ").count == ids)
    Tool.expect(0, ["logits", model, "-o", scratch["l.safetensors"]] + chat + end)
    #expect(RawModelFile(reading: scratch["l.safetensors"])["prompt0.ids"].bytes.count == 4 * ids)
    let gap = try Tool.report(["gap", model, model, "--no-fidelity"] + chat + end, schema: "tritsmith.gap")
    #expect(gap["model"]?.object?["tokens"]?.number?.integer == ids - 1)
    let run = Tool.expect(0, ["run", model, "And Ruth said", "--chat", "--max-tokens", "1"] + end)
    #expect(run.errors.contains("prompt \(ids) tokens"))
    Tool.expect(0, ["validate", model, "--against", model] + chat + end)

    let thinking = Tool.expect(64, ["tokenize", model, "--no-think"] + chat)
    #expect(thinking.errors.contains("no turn without thinking") && thinking.errors.contains("leave --no-think out"))
    for arguments in [
      ["tokenize", model, "--text", "a", "--no-think"], ["run", model, "a", "--no-generation-prompt"],
      ["tokenize", model, "--no-think", "--no-generation-prompt"] + chat,
      ["logits", model, "--text", "a", "--no-think", "-o", scratch["none"]], ["gap", model, model, "--no-think"],
      ["validate", model, "--against", model, "--no-generation-prompt"],
    ] {
      #expect(Tool.expect(64, arguments).errors.contains("--no-"))
    }
  }

  @Test("a message that is not written is named with its file, its number and its key")
  func keys() throws {
    let scratch = ScratchFolder()
    let model = try RunCommandTests.chatModel(scratch["chat"], template: "qwen3")
    let first = "{\"role\": \"user\", \"content\": \"a\", \"name\": \"Ruth\"}"
    func tokenize(_ code: Int32, _ more: String) -> ProcessResult {
      Disk.write("[\(first)\(more)]", scratch["m.json"])
      return Tool.expect(code, ["tokenize", model, "--messages", scratch["m.json"], "-q"])
    }
    let plain = Tool.expect(0, ["tokenize", model, "--text", "a", "--chat", "-q"])
    #expect(tokenize(0, "").output == plain.output)
    let called = tokenize(65, ", {\"role\": \"assistant\", \"content\": \"b\", \"tool_calls\": []}")
    for word in ["m.json", "message 2", "'tool_calls'", "without --messages"] { #expect(called.errors.contains(word)) }
    let missing = tokenize(65, ", {\"role\": \"user\"}")
    #expect(missing.errors.contains("no 'content' in message 2"), "\(missing.errors)")
  }

  @Test("a conversation that fills the context ends with the speed of its answers and what to do")
  func full() throws {
    let scratch = ScratchFolder()
    let model = try RunCommandTests.chatModel(scratch["chat"])
    var configuration = try #require(try JSONValue.parse(Disk.bytes(model + "/config.json")).object)
    configuration["max_position_embeddings"] = 64
    Disk.write(JSONValue.object(configuration).serialized(), model + "/config.json")
    let lines = String(repeating: "And Ruth said\n", count: 12)
    let result = RunCommandTests.run(["run", model, "--chat", "--max-tokens", "4"], input: lines)
    #expect(result.exitCode == 64 && !result.output.isEmpty, "\(result.summary)")
    for word in ["tokens/s", "holds 64", "begin a new conversation"] { #expect(result.errors.contains(word)) }
  }

  @Test("a file without a tokenizer says what there is to do")
  func noTokenizer() throws {
    let scratch = ScratchFolder()
    Tool.expect(0, ["convert", Model.bitnet, scratch["m.gguf"], "--no-tokenizer", "-q"])
    for arguments in [["run", scratch["m.gguf"], "a"], ["perplexity", scratch["m.gguf"]]] {
      let result = Tool.expect(65, arguments)
      #expect(result.errors.contains("holds no tokenizer") && !result.errors.contains("beside"), "\(result.errors)")
      #expect(result.errors.contains("validate, logits and gap take token ids"))
    }
    Tool.expect(0, ["logits", scratch["m.gguf"], "--ids", "1 2 3", "-o", scratch["l.safetensors"]])
  }
}
