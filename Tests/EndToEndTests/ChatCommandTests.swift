// Tritsmith tests: conversations, and texts for a model without a tokenizer.

import Testing
import TritCore
import TritTestSupport

@Suite("Conversations")
struct ChatCommandTests {
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
