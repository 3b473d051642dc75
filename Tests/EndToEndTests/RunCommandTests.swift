// Tritsmith: the commands that run models, as a user has them.

import Testing
import TritCore
import TritTestSupport

@Suite("Running models")
struct RunCommandTests {
  static let reference = Fixtures.checkpoint("falcon-e-tiny/reference")

  @Test("text on standard output, speed on standard error; the same for any number of threads")
  func run() throws {
    let arguments = ["run", Model.bitnet, "--prompt", "And the LORD said unto", "--max-tokens", "8"]
    let result = Tool.expect(0, arguments)
    #expect(result.output.hasPrefix(" ") && result.output.hasSuffix("\n"))
    #expect(result.errors.contains("tokens/s") && !result.errors.contains("chat template"))
    for extra in [["--threads", "1"], ["--threads", "3"], ["--threads", "8"], ["--no-mmap"], ["--raw", "--quiet"]] {
      let other = Tool.expect(0, arguments + extra)
      #expect(other.output == result.output, "\(extra)")
      if extra.contains("--quiet") { #expect(other.errors.isEmpty) }
    }
    let report = try Tool.report(arguments, schema: "tritsmith.run")
    #expect(report["run"]?.object?["text"]?.string.map { $0 + "\n" } == result.output)
    #expect(report["run"]?.object?["ids"]?.array?.count == 8)
    let sampled = arguments + ["--temperature", "0.9", "--top-p", "0.95", "--seed", "7"]
    #expect(Tool.expect(0, sampled).output == Tool.expect(0, sampled).output)
  }

  @Test("characters of several tokens come out whole")
  func unicode() {
    // A model of 2,048 tokens writes what it was never trained on in single bytes.
    let arguments = [
      "run", Model.bitnet, "--prompt", "שלום — 🙂", "--max-tokens", "48", "--temperature", "3", "--seed", "5",
    ]
    let scratch = ScratchFolder()
    var runner = ProcessRunner()
    runner.outputPath = scratch["text"]
    #expect(runner.run(BuiltProducts.tritsmith, arguments).exitCode == 0)
    #expect(String(validating: Disk.bytes(scratch["text"]), as: UTF8.self) != nil)
  }

  @Test("what a model cannot take, with its exit code")
  func refusals() throws {
    let scratch = ScratchFolder()
    let output = scratch["l.safetensors"]
    func logits(_ code: Int32, _ arguments: [String], _ words: String...) {
      let result = Tool.expect(code, ["logits", Model.bitnet, "-o", output] + arguments)
      for word in words { #expect(result.errors.contains(word), "\(result.errors)") }
      #expect(result.output.isEmpty && !Disk.exists(output))
    }
    logits(64, ["--ids", "2048"], "2048", "0…2047")
    logits(64, ["--ids", "-1"])
    logits(64, ["--ids", "99999999999999999999"], "ids")
    logits(64, ["--ids", ""], "at least one token")
    logits(64, ["--text", ""], "at least one token")
    logits(64, ["--ids", String(repeating: "1 ", count: 513)], "512", "513")
    logits(66, ["--ids-file", scratch["none.json"]])
    for (text, code) in [
      ("{}", Int32(65)), ("[[1, \"x\"]]", 65), ("1 2\nx\n", 65), ("", 64), ("[]", 64), ("[[]]", 64), ("[[1.5]]", 65),
      ("\u{FFFD}", 65),
    ] {
      Disk.write(text, scratch["ids.json"])
      logits(code, ["--ids-file", scratch["ids.json"]])
    }
    Disk.write([0xFF, 0xFE, 0x00], scratch["ids.json"])
    logits(65, ["--ids-file", scratch["ids.json"]])

    Tool.expect(64, ["run", Model.bitnet, "--prompt", ""])
    Tool.expect(64, ["run", Model.bitnet, "--prompt", "a", "--max-tokens", "0"])
    Tool.expect(64, ["run", Model.bitnet, "--prompt", "a", "--top-p", "0.5"])
    Tool.expect(64, ["run", Model.bitnet, "--prompt", "a", "--temperature", "nan"])
    Tool.expect(64, ["run", Model.bitnet, "--prompt", "a", "--threads", "999"])
    let long = Tool.expect(64, ["run", Model.bitnet, "--prompt", String(repeating: "verily ", count: 600)])
    #expect(long.errors.contains("512"))
    Disk.write("", scratch["empty.txt"])
    Tool.expect(64, ["perplexity", Model.bitnet, "--text-file", scratch["empty.txt"]])
    Disk.write([0x61, 0xFF], scratch["bytes.txt"])
    Tool.expect(65, ["perplexity", Model.bitnet, "--text-file", scratch["bytes.txt"]])
    Tool.expect(66, ["perplexity", Model.bitnet, "--text-file", scratch["none.txt"]])
    Tool.expect(64, ["perplexity", Model.bitnet, "--text-file", scratch["bytes.txt"], "--context", "1"])
    Tool.expect(64, ["tokenize", Model.bitnet, "--ids", "2048"])
    Tool.expect(64, ["tokenize", Model.bitnet])
    Tool.expect(66, ["validate", Model.bitnet, "--against", scratch["none"]])
    Tool.expect(64, ["validate", Model.bitnet, "--against", Fixtures.checkpoint("bitnet-b158-tiny/packed")])
  }

  @Test("a context that fills up ends the text, and says so")
  func contextFull() throws {
    let scratch = ScratchFolder()
    let folder = try copy(Model.bitnet, to: scratch["model"]) { $0["max_position_embeddings"] = 16 }
    let result = Tool.expect(0, ["run", folder, "--prompt", "And the LORD said unto", "--max-tokens", "200"])
    #expect(result.errors.contains("context full"))
    // The text is six tokens, BOS before them: nine more fit, and the one that follows the last place has no place.
    #expect(result.errors.contains("prompt 7 tokens") && result.errors.contains("generated 10"))
    let overflow = Tool.expect(
      64, ["logits", folder, "--ids", String(repeating: "1 ", count: 17), "-o", scratch["l.safetensors"]])
    #expect(overflow.errors.contains("16") && overflow.errors.contains("17"))
    Tool.expect(0, ["logits", folder, "--ids", String(repeating: "1 ", count: 16), "-o", scratch["l.safetensors"]])
  }

  /// A copy of a model folder with another configuration.
  private func copy(_ model: String, to folder: String, _ change: (inout JSONObject) -> Void) throws -> String {
    Disk.makeFolder(folder)
    for name in Disk.names(model) {
      var bytes = Disk.bytes(model + "/" + name)
      if name == "config.json" {
        var object = try #require(try JSONValue.parse(bytes).object)
        change(&object)
        bytes = JSONValue.object(object).serialized(.pretty)
      }
      Disk.write(bytes, folder + "/" + name)
    }
    return folder
  }

  @Test("configurations and tokenizers that cannot be followed exit with 65 and name the key")
  func configurations() throws {
    let scratch = ScratchFolder()
    var count = 0
    func refused(_ word: String, _ change: (inout JSONObject) -> Void) throws {
      count += 1
      let folder = try copy(Model.bitnet, to: scratch["model\(count)"], change)
      let result = Tool.expect(65, ["run", folder, "--prompt", "a"])
      #expect(result.errors.contains(word) && result.errors.contains("config.json") || result.errors.contains(folder))
      #expect(result.errors.contains(word), "\(result.errors)")
    }
    try refused("architectures") { $0.entries.removeAll { $0.key == "architectures" } }
    try refused("LlamaForCausalLM") { $0["architectures"] = .array(["LlamaForCasualLM"]) }
    try refused("rope_scaling") { $0["rope_scaling"] = .object(["rope_type": "dynamic", "factor": 4]) }
    try refused("sliding_window") { $0["sliding_window"] = 128 }
    try refused("hidden_act") { $0["hidden_act"] = "gelu" }
    try refused("new_key") { $0["new_key"] = true }
    try refused("q_proj.bias") { $0["attention_bias"] = true }
    try refused("embed_tokens") { $0["vocab_size"] = 4096 }
    try refused("q_proj.weight") { $0["head_dim"] = 32 }
    try refused("model.layers.4") { $0["num_hidden_layers"] = 1_000_000_000 }

    let folder = try copy(Model.bitnet, to: scratch["unigram"]) { _ in }
    let tokenizer = Disk.text(folder + "/tokenizer.json")
    Disk.write(tokenizer.replacing("\"BPE\"", with: "\"Unigram\""), folder + "/tokenizer.json")
    let result = Tool.expect(65, ["tokenize", folder, "--text", "a"])
    #expect(result.errors.contains("tokenizer.json") && result.errors.contains("Unigram"), "\(result.errors)")
    Disk.write("{", folder + "/tokenizer.json")
    Tool.expect(65, ["run", folder, "--prompt", "a"])
    Disk.remove(folder + "/tokenizer.json")
    let none = Tool.expect(65, ["run", folder, "--prompt", "a"])
    #expect(none.errors.contains("tokenizer.json"))
    // Ids need none.
    Tool.expect(0, ["logits", folder, "--ids", "1 2", "-o", scratch["ids.safetensors"]])
  }

  @Test("validate: JSON, gates, exit code 1, weight identity")
  func validate() throws {
    let reference = RunCommandTests.reference + "/bitnet/logits.safetensors"
    let report = try Tool.report(["validate", Model.bitnet, "--against", reference], schema: "tritsmith.validate")
    #expect(report["validation"]?.object?["passed"]?.bool == true)
    let strict = ["validate", Model.bitnet, "--against", reference, "--max-mean-kl", "0"]
    let failed = try Tool.report(strict, schema: "tritsmith.validate", exitCode: 1)
    #expect(failed["validation"]?.object?["passed"]?.bool == false)
    let dense = Fixtures.checkpoint("falcon-e-tiny/bfloat16")
    let identity = try Tool.report(
      ["validate", dense, "--against", Model.bitnet, "--max-mean-kl", "1", "--min-top1", "0", "--max-logit-nmse", "1"],
      schema: "tritsmith.validate")
    #expect(identity["validation"]?.object?["same_weights"]?.bool == true)
  }

  @Test("perplexity: both protocols, with their standard error, within a thousandth of the reference")
  func perplexity() throws {
    let text = RunCommandTests.reference + "/perplexity_text.txt"
    for (name, expected) in [("chunked", 28.131), ("sliding", 24.695)] {
      let report = try Tool.report(
        ["perplexity", Model.bitnet, "--text-file", text, "--protocol", name], schema: "tritsmith.perplexity")
      let facts = try #require(report["perplexity"]?.object)
      let value = try #require(facts["perplexity"]?.number?.double)
      #expect(abs(value / expected - 1) < 0.001, "\(name): \(value)")
      #expect(facts["tokens"]?.number?.integer == 3873)
      let error = try #require(facts["standard_error"]?.number?.double)
      #expect(error > 0.5 && error < 3)
    }
  }

  @Test("--tokens is one limit in gap, perplexity and validate")
  func tokens() throws {
    let limit = ["--tokens", "40"]
    let score = try Tool.report(["perplexity", Model.bitnet] + limit, schema: "tritsmith.perplexity")
    #expect(score["perplexity"]?.object?["tokens"]?.number?.integer == 40)
    let alike = try Tool.report(
      ["validate", Model.bitnet, "--against", Model.bitnet] + limit, schema: "tritsmith.validate")
    #expect(alike["agreement"]?.object?["positions"]?.number?.integer == 40)
    for command in [["perplexity", Model.bitnet], ["validate", Model.bitnet, "--against", Model.bitnet]] {
      #expect(Tool.expect(64, command + ["--tokens", "0"]).errors.contains("--tokens must be 1 or more"))
    }
  }

  /// A copy of a checkpoint with the template of chat.json that has this name.
  static func chatModel(_ folder: String, template name: String = "falcon") throws -> String {
    Disk.copyFolder(Model.bitnet, to: folder)
    let file = try JSONValue.parse(try #require(Fixtures.contents("Chat/chat.json"))).object
    let templates = (file?["templates"]?.array ?? []).compactMap(\.object)
    let template = try #require(templates.first { $0["name"]?.string == name }?["text"])
    var settings = try #require(try JSONValue.parse(Disk.bytes(folder + "/tokenizer_config.json")).object)
    settings["chat_template"] = template
    Disk.write(JSONValue.object(settings).serialized(), folder + "/tokenizer_config.json")
    return folder
  }

  /// Runs with a text as standard input.
  static func run(_ arguments: [String], input: String) -> ProcessResult {
    let scratch = ScratchFolder()
    Disk.write(input, scratch["input"])
    let words = [BuiltProducts.tritsmith] + arguments
    return ProcessRunner().run("/bin/sh", ["-c", "input=$0; exec \"$@\" < \"$input\"", scratch["input"]] + words)
  }

  @Test("a message, a conversation, and lines that are answered are one text to the model")
  func chat() throws {
    let scratch = ScratchFolder()
    let model = try RunCommandTests.chatModel(scratch["chat"])
    // What the template of Falcon says, written by hand.
    let text = "<|user|>\nAnd Ruth said\n<|assistant|>\n"
    func ids(_ arguments: String...) throws -> [JSONValue]? {
      let report = try Tool.report(["tokenize", model, "--no-special"] + arguments, schema: "tritsmith.tokenize")
      return report["tokens"]?.array?.map { $0.object?["id"] ?? .null }
    }
    let expected = try #require(try ids("--text", text))
    #expect(expected.count > 4)
    #expect(try ids("--text", "And Ruth said", "--chat") == expected)
    Disk.write("And Ruth said", scratch["text"])
    #expect(try ids("--text-file", scratch["text"], "--chat") == expected)
    Disk.write("[{\"role\": \"user\", \"content\": \"And Ruth said\"}]", scratch["one.json"])
    #expect(try ids("--messages", scratch["one.json"]) == expected)

    let length = ["--max-tokens", "8"]
    let one = Tool.expect(0, ["run", model, "And Ruth said", "--chat"] + length)
    #expect(one.errors.contains("written by the chat template") && one.output.utf8.count > 8)
    #expect(!one.errors.contains("was not used"))
    #expect(Tool.expect(0, ["run", model, "--messages", scratch["one.json"]] + length).output == one.output)
    let piped = RunCommandTests.run(["run", model, "-", "--chat"] + length, input: "And Ruth said")
    #expect(piped.exitCode == 0 && piped.output == one.output, "\(piped.summary)")
    let list = RunCommandTests.run(["run", model, "--messages", "-"] + length, input: Disk.text(scratch["one.json"]))
    #expect(list.exitCode == 0 && list.output == one.output, "\(list.summary)")

    let answers = RunCommandTests.run(["run", model, "--chat"] + length, input: "And Ruth said\n\nAnd then?\r\n")
    let messages: [JSONValue] = [
      ("user", "And Ruth said"), ("assistant", String(one.output.dropLast())), ("user", "And then?"),
    ]
    .map { .object(["role": .string($0.0), "content": .string($0.1)]) }
    Disk.write(JSONValue.array(messages).serialized(), scratch["three.json"])
    let second = Tool.expect(0, ["run", model, "--messages", scratch["three.json"]] + length)
    #expect(answers.exitCode == 0 && answers.output == one.output + second.output, "\(answers.summary)")
    #expect(answers.errors.contains("2 answers; prompt ") && answers.errors.contains("tokens/s"))

    let plain = Tool.expect(0, ["run", model, "And Ruth said"] + length)
    #expect(plain.errors.contains("--chat takes the prompt for a message"))
    #expect(!Tool.expect(0, ["run", model, "And Ruth said", "--raw"] + length).errors.contains("--chat"))
    let report = try Tool.report(["inspect", model], schema: "tritsmith.inspect")
    #expect(report["model"]?.object?["chat_template"]?.string == "Falcon-E")
  }

  @Test("conversations that cannot be written, with their exit codes")
  func chatRefusals() throws {
    let scratch = ScratchFolder()
    let model = try RunCommandTests.chatModel(scratch["chat"], template: "mistral before 1")
    #expect(Tool.expect(65, ["run", Model.bitnet, "a", "--chat"]).errors.contains("no chat template"))
    Disk.write("[{\"role\": \"assistant\", \"content\": \"a\"}]", scratch["m.json"])
    #expect(Tool.expect(64, ["run", model, "--messages", scratch["m.json"]]).errors.contains("take turns"))
    for text in ["", "{}", "[]", "[1]", "[{\"role\": \"user\"}]"] {
      Disk.write(text, scratch["m.json"])
      Tool.expect(65, ["run", model, "--messages", scratch["m.json"]])
    }
    Tool.expect(66, ["run", model, "--messages", scratch["none.json"]])
    for arguments in [
      ["run", model], ["run", model, "a", "--prompt", "b"], ["run", model, "--chat", "--format", "json"],
      ["run", model, "a", "--chat", "--raw"], ["tokenize", model, "--ids", "1", "--chat"],
      ["logits", model, "--chat", "-o", scratch["l"]], ["gap", model, model, "--chat"],
      ["gap", model, model, "--text", "a", "--messages", "b"],
    ] {
      Tool.expect(64, arguments)
    }
    var settings = try #require(try JSONValue.parse(Disk.bytes(model + "/tokenizer_config.json")).object)
    settings["chat_template"] = "{{ '<start_of_turn>user' }}"
    Disk.write(JSONValue.object(settings).serialized(), model + "/tokenizer_config.json")
    #expect(Tool.expect(65, ["run", model, "a", "--chat"]).errors.contains("pass the text without --chat"))
    let plain = Tool.expect(0, ["run", model, "a", "--max-tokens", "1"])
    #expect(plain.errors.contains("which --chat does not know"))
    let report = try Tool.report(["inspect", model], schema: "tritsmith.inspect")
    #expect(report["model"]?.object?["chat_template"]?.string == "unknown")
  }

  @Test("a reader that closes early ends the program quietly")
  func closedPipe() {
    var runner = ProcessRunner()
    runner.environment = ["TRITSMITH": BuiltProducts.tritsmith, "MODEL": Model.bitnet]
    let script = "\"$TRITSMITH\" run \"$MODEL\" --prompt 'And the LORD said' --max-tokens 400 | head -c 5"
    let result = runner.run("/bin/sh", ["-c", script])
    #expect(result.exitCode == 0 && result.output.utf8.count == 5)
    #expect(!result.errors.contains("rror"), "\(result.errors)")
  }
}
