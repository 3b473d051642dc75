// Tritsmith tests: what is absent, refused or contradicted is no other form of what is there.

import Testing
import TritCore
import TritFormats
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

/// Expected values: defaults and refusals of transformers 5.23, by loading each configuration with it.
@Suite("Proofs take absence for a value of its own")
struct AbsenceTests {
  private func changed(_ base: String, _ keys: [(String, String?)], _ folder: String) throws -> String {
    try Checkpoint.changed(base, keys, folder)
  }

  /// Whether compare, verify (where the base has latents) and family agree, in both directions.
  private func expect(
    _ first: String, _ second: String, isOne: Bool, _ key: String? = nil, latents: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for (one, other) in [(first, second), (second, first)] {
      let result = try Workflow.compare(one, other)
      #expect(result.isSame == isOne, "\(result.parts.findings)", sourceLocation: sourceLocation)
      if let key {
        let keys = result.parts[.description]?.differences.map(\.key)
        #expect(keys == [key], "\(result.parts.findings)", sourceLocation: sourceLocation)
      }
    }
    let family = try FamilyWorkflow(FamilyRequest(paths: [first, second])).run()
    #expect(family.passed == isOne, "\(family.proofs)", sourceLocation: sourceLocation)
    if let latents {
      #expect(try Workflow.verify(latents, second).passed == isOne, sourceLocation: sourceLocation)
    }
  }

  @Test("begin, end and padding tokens: null, absent, stated")
  func tokens() throws {
    let scratch = ScratchFolder()
    func model(_ name: String, _ keys: [(String, String?)], base: String = Checkpoint.bitnet) throws -> String {
      try changed(base, keys, scratch[name])
    }
    let (end, begin, padding) = ("eos_token_id", "bos_token_id", "pad_token_id")
    let none = try model("none", [(end, "null")])
    let five = try model("five", [(end, "5")])
    try expect(Checkpoint.bitnet, none, isOne: false, end, latents: Checkpoint.prequantized)
    for folder in [none, five] { Disk.remove(folder + "/generation_config.json") }
    try expect(none, five, isOne: false, end)
    try expect(model("begin5", [(begin, "5")]), model("begin", [(begin, "null")]), isOne: false, begin)
    try expect(
      Checkpoint.bitnet, model("padded", [(padding, "7")]), isOne: false, padding, latents: Checkpoint.prequantized)
    // `LlamaConfig` has 1 and 2 where the keys are absent, and no padding.
    try expect(
      Checkpoint.bitnet, model("absent", [(begin, nil), (end, nil), (padding, "null")]), isOne: true,
      latents: Checkpoint.prequantized)
    // Any order of several is the same.
    try expect(model("two", [(end, "[2, 5]")]), model("turned", [(end, "[5, 2]")]), isOne: true)
    // A further end is a generation setting.
    try expect(Checkpoint.bitnet, scratch["two"], isOne: true)
    // `BitNetConfig` has 128000 and 128001, of which this vocabulary has neither.
    try expect(
      Checkpoint.packed, model("bitnet", [(begin, nil), (end, nil)], base: Checkpoint.packed), isOne: false)
  }

  @Test("a padding token without a row is refused by torch, and no model's equal")
  func paddingWithoutRow() throws {
    let scratch = ScratchFolder()
    let key = "pad_token_id"
    let other = try changed(Checkpoint.bitnet, [(key, "5000")], scratch["other"])
    try expect(Checkpoint.bitnet, other, isOne: false, key, latents: Checkpoint.prequantized)
    #expect(try Workflow.check(other).findings.filter { $0.severity == .error }.map(\.rule) == [.specialToken])
    #expect(throws: (any Error).self) { try Workflow.convert(other, scratch["out"], to: .dense) }
    #expect(try Workflow.compare(other, other).isSame)
  }

  @Test("further ends of a text are generation settings in every container, and a family says who belongs together")
  func ends() throws {
    let scratch = ScratchFolder()
    let (plain, more) = (scratch["plain.gguf"], scratch["more.gguf"])
    try Workflow.convert(Checkpoint.prequantized, plain, to: .gguf)
    try ChangedGGUF.write(plain, more) { $0.append(MetadataEntry("tokenizer.ggml.eot_token_id", .uint32(5))) }
    for other in [plain, Checkpoint.bitnet] {
      try expect(other, more, isOne: true)
      let companions = try #require(try Workflow.compare(other, more).parts[.companions])
      #expect(companions.outcome == .differs && companions.differences.contains { $0.key == "eos_token_id" })
    }
    let wrong = scratch["wrong.gguf"]
    try ChangedGGUF.write(plain, wrong) { entries in
      entries.removeAll { $0.key == "tokenizer.ggml.eos_token_id" }
      entries.append(MetadataEntry("tokenizer.ggml.eos_token_id", .uint32(5)))
    }
    let family = try FamilyWorkflow(FamilyRequest(paths: [Checkpoint.prequantized, plain, wrong])).run()
    #expect(family.members.map(\.family) == [1, 1, 2])
    // A folder that says them, and GGUF made of it.
    let folder = try changed(Checkpoint.bitnet, [("eos_token_id", "[2, 5]")], scratch["folder"])
    try expect(folder, more, isOne: true)
    // Ends are a set: the order of a list ends no text otherwise.
    for (number, list) in ["[5, 2]", "[2, 5, 5]"].enumerated() {
      let turned = try changed(Checkpoint.bitnet, [("eos_token_id", list)], scratch["turned-\(number)"])
      try expect(Checkpoint.bitnet, turned, isOne: true)
      try expect(folder, turned, isOne: true)
      let companions = try #require(try Workflow.compare(Checkpoint.bitnet, turned).parts[.companions])
      #expect(companions.differences.map(\.key) == ["eos_token_id"], "\(companions)")
    }
    let others = try changed(Checkpoint.bitnet, [("eos_token_id", "[5, 7]")], scratch["others"])
    try expect(Checkpoint.bitnet, others, isOne: false, "eos_token_id")
    try expect(folder, others, isOne: false, "eos_token_id")
    // One that its tokenizer does not name is kept beside that one, for engines stop at both.
    let strange = try changed(Checkpoint.bitnet, [("eos_token_id", "5")], scratch["strange"])
    try Workflow.convert(strange, scratch["strange.gguf"], to: .gguf)
    let manifest = try FormatRegistry.open(scratch["strange.gguf"]).manifest
    #expect(manifest.entry("tokenizer.ggml.eos_token_id")?.integer == 2)
    #expect(manifest.entry("tokenizer.ggml.eot_token_id")?.integer == 5)
    #expect(try Workflow.compare(strange, scratch["strange.gguf"]).isSame)
    try expect(Checkpoint.bitnet, scratch["strange.gguf"], isOne: true)
  }

  @Test("a configuration that loaders refuse is not the one they take, however small the difference")
  func refused() throws {
    let scratch = ScratchFolder()
    for (number, (key, value)) in [
      ("num_hidden_layers", "4.0"), ("max_position_embeddings", "512.0"), ("use_cache", "null"),
      ("initializer_range", "null"), ("bos_token_id", "[1]"), ("use_cache", "\"true\""), ("torch_dtype", "\"int8\""),
      ("attention_dropout", "\"0\""), ("pretraining_tp", "1.5"), ("num_labels", "\"x\""),
    ].enumerated() {
      let other = try changed(Checkpoint.bitnet, [(key, value)], scratch["\(number)"])
      try expect(Checkpoint.bitnet, other, isOne: false, key, latents: Checkpoint.prequantized)
      #expect(try Workflow.compare(other, other).isSame, "\(key)")
    }
  }

  @Test("latents that a configuration promises and a file does not hold")
  func contradicted() throws {
    let scratch = ScratchFolder()
    let key = "quantization_config"
    let online = try changed(Checkpoint.packed, [(key, Checkpoint.online)], scratch["online"])
    try expect(Checkpoint.packed, online, isOne: false, key, latents: Checkpoint.master)
    let leftover = try changed(Checkpoint.bfloat16, [(key, "{\"quant_method\": \"bitnet\"}")], scratch["leftover"])
    #expect(try !Workflow.compare(Checkpoint.bfloat16, leftover).isSame)
    #expect(try !Workflow.compare(Checkpoint.bitnet, leftover).isSame)
  }

  /// transformers 5.23 cannot load the packed Llama ones, and computes another model from the others.
  @Test("a list replaces the default, so one that leaves out the head is another model")
  func headLeftOut() throws {
    let scratch = ScratchFolder()
    let key = "quantization_config"
    func entry(_ list: String, _ more: String = "") -> String {
      "{\"quant_method\": \"bitnet\", \"modules_to_not_convert\": \(list)\(more)}"
    }
    let multiplies = ", \"linear_class\": \"autobitlinear\", \"quantization_mode\": "
    for (number, (base, text)) in [
      (Checkpoint.bitnet, entry("[]")), (Checkpoint.bitnet, entry("[\"lm_head.weight\"]")),
      (Checkpoint.bitnet, entry("[\"lm\", \"LM_HEAD\"]")), (Checkpoint.packed, entry("[]", multiplies + "\"offline\"")),
      (Checkpoint.master, entry("[]", multiplies + "\"online\"")),
    ].enumerated() {
      let other = try changed(base, [(key, text)], scratch["\(number)"])
      try expect(base, other, isOne: false, key)
      let found = try Workflow.check(other)
      #expect(found.findings.map(\.rule) == [.quantization] && !found.passed, "\(found.findings)")
      for target in Meaning.targets {
        #expect(throws: WorkflowError.self) {
          try Workflow.convert(other, scratch["out-\(number).\(target)"], to: target)
        }
      }
    }
    // Null and absent are the default, and a packed head needs a list without it.
    for (number, text) in [entry("null"), "{\"quant_method\": \"bitnet\"}"].enumerated() {
      let same = try changed(Checkpoint.bitnet, [(key, text)], scratch["same-\(number)"])
      try expect(Checkpoint.bitnet, same, isOne: true, latents: Checkpoint.prequantized)
      #expect(try Workflow.check(same).passed)
    }
    try Workflow.convert(Checkpoint.prequantized, scratch["head"], to: .hfPacked) {
      $0.quantize = [Glob("lm_head.weight")]
    }
    #expect(try Workflow.check(scratch["head"]).passed)
    let packed = try changed(scratch["head"], [(key, "{\"quant_method\": \"bitnet\"}")], scratch["head-named"])
    #expect(try !Workflow.check(packed).passed)
    try expect(scratch["head"], packed, isOne: false, key)
  }

  @Test("keys of the quantization that nobody knows stop every proof and conversion")
  func unknownQuantization() throws {
    let scratch = ScratchFolder()
    let entry = "{\"quant_method\": \"bitnet\", \"modules_to_not_convert\": [\"lm_head\"], \"load_in_4bit\": true}"
    let other = try changed(Checkpoint.bitnet, [("quantization_config", entry)], scratch["other"])
    try expect(Checkpoint.bitnet, other, isOne: false, latents: Checkpoint.prequantized)
    #expect(try !FamilyWorkflow(FamilyRequest(paths: [Checkpoint.prequantized, other])).run().passed)
    #expect(try !Workflow.check(other).passed)
    for target in [ConversionTarget.tritpack, .dense, .hfPacked] {
      #expect(throws: (any Error).self) { try Workflow.convert(other, scratch["out-\(target.rawValue)"], to: target) }
    }
    // Latents and trits under one entry that is not understood: nothing says how either computes.
    let latents = try changed(Checkpoint.prequantized, [("quantization_config", entry)], scratch["latents"])
    let finding = try PartsComparison(
      first: ModelOpener.open(latents, hasCompanions: true), second: ModelOpener.open(other, hasCompanions: true)
    ).description()
    #expect(finding.outcome == .notCompared, "\(finding)")
    // What MLX does not know either.
    try Workflow.convert(Checkpoint.bitnet, scratch["mlx"], to: .mlx)
    let settings = "{\"group_size\": 128, \"bits\": 2, \"mode\": \"affine\""
    let module = "\"model.layers.0.mlp.up_proj\": {\"group_size\": 128, \"bits\": 2, \"zz\": 1}"
    for (number, more) in ["\"zz\": 1", module].enumerated() {
      let strange = try changed(
        scratch["mlx"], [("quantization", settings + ", " + more + "}")], scratch["strange-\(number)"])
      #expect(try !Workflow.compare(scratch["mlx"], strange).isSame, "\(more)")
      #expect(try !Workflow.check(strange).passed, "\(more)")
      #expect(throws: (any Error).self) { try Workflow.convert(strange, scratch["out.tritpack"], to: .tritpack) }
    }
  }

  /// By transformers 5.23: `GPT2Tokenizer` and `Qwen2Tokenizer` cut "12345" into other tokens than this file says,
  /// `AutoTokenizer` takes the others to the file as it stands.
  @Test("a tokenizer class that makes a pipeline of its own is another tokenizer")
  func tokenizerClass() throws {
    let scratch = ScratchFolder()
    func model(_ name: String?) throws -> String {
      let folder = scratch[name ?? "none"]
      Disk.copyFolder(Checkpoint.bitnet, to: folder)
      let path = folder + "/tokenizer_config.json"
      var object = try #require(try JSONValue.parse(Disk.bytes(path)).object)
      object["tokenizer_class"] = name.map { .string($0) }
      Disk.write(JSONValue.object(object).serialized(.pretty), path)
      return folder
    }
    for name in ["GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer", "CohereTokenizer"] {
      let other = try model(name)
      let result = try Workflow.compare(Checkpoint.bitnet, other)
      #expect(result.parts[.tokenizer]?.outcome == .differs && !result.isSame, "\(result.parts.findings)")
      #expect(result.parts[.tokenizer]?.text.contains("'\(name)'") == true)
      let findings = try Workflow.check(other).findings
      #expect(findings.contains { $0.rule == .badTokenizer && $0.detail.contains(name) }, "\(findings)")
      #expect(try Workflow.compare(other, other).isSame)
    }
    for name in [nil, "LlamaTokenizer", "LlamaTokenizerFast", "TokenizersBackend", "PreTrainedTokenizer", "Nonsense"] {
      let other = try model(name)
      #expect(try Workflow.compare(Checkpoint.bitnet, other).isSame, "\(name ?? "none")")
      #expect(try Workflow.check(other).findings.isEmpty, "\(name ?? "none")")
    }
  }

  @Test("generation settings that GGUF has no place for are said")
  func generation() throws {
    let scratch = ScratchFolder()
    Disk.copyFolder(Checkpoint.prequantized, to: scratch["source"])
    try Workflow.convert(scratch["source"], scratch["same.gguf"], to: .gguf)
    // What its configuration says as well is lost on nobody.
    let same = try Workflow.compare(scratch["source"], scratch["same.gguf"])
    #expect(same.parts[.companions]?.outcome != .differs, "\(same.parts.findings)")
    Disk.write("{\"eos_token_id\": 2, \"num_beams\": 4}", scratch["source"] + "/generation_config.json")
    try Workflow.convert(scratch["source"], scratch["a.gguf"], to: .gguf)
    let verified = try Workflow.verify(scratch["source"], scratch["a.gguf"])
    #expect(verified.passed && verified.parts[.companions]?.outcome == .differs)
    #expect(verified.parts.verdict.contains("num_beams: 4 and absent"), "\(verified.parts.verdict)")
  }

  /// The places of transformers 5.23 and of llama.cpp's converter.
  @Test("named chat templates are compared in every container, and go to GGUF and back")
  func namedTemplates() throws {
    let scratch = ScratchFolder()
    func model(_ name: String, _ text: String) throws -> String {
      let folder = scratch[name]
      Disk.copyFolder(Checkpoint.bitnet, to: folder)
      if Disk.exists(folder + "/chat_template.jinja") { Disk.remove(folder + "/chat_template.jinja") }
      let path = folder + "/tokenizer_config.json"
      var object = try #require(try JSONValue.parse(Disk.bytes(path)).object)
      object["chat_template"] = try JSONValue.parse(
        Array("[{\"name\": \"default\", \"template\": \"A\"}, {\"name\": \"tool\", \"template\": \"\(text)\"}]".utf8))
      Disk.write(JSONValue.object(object).serialized(.pretty), path)
      return folder
    }
    func keys(_ first: String, _ second: String) throws -> [String]? {
      // GGUF holds some of the generation settings.
      try Workflow.compare(first, second).parts[.companions]?.differences.map(\.key)
        .filter { $0 != "generation_config.json" }
    }
    let (one, other) = (try model("one", "B"), try model("other", "C"))
    #expect(try keys(one, other) == ["chat_template.tool"])
    for folder in [one, other] { try Workflow.convert(folder, folder + ".gguf", to: .gguf) }
    let entries = try FormatRegistry.open(one + ".gguf").manifest
    #expect(entries.entry("tokenizer.chat_template.tool")?.string == "B")
    #expect(try keys(one + ".gguf", other + ".gguf") == ["chat_template.tool"])
    #expect(try keys(one, other + ".gguf") == ["chat_template.tool"])
    #expect(try keys(one, one + ".gguf") == [])
    try Workflow.convert(one + ".gguf", scratch["back"], to: .dense)
    #expect(try keys(one, scratch["back"]) == [])
    #expect(try keys(other, scratch["back"]) == ["chat_template.tool"])
  }

  @Test("settings of sampling have keys in GGUF, both ways, and other numbers are a difference")
  func sampling() throws {
    let scratch = ScratchFolder()
    // The keys that llama.cpp's converter made of the same file.
    let file = Fixtures.checkpoint("bonsai-tiny/unpacked") + "/generation_config.json"
    let settings = try #require(try JSONValue.parse(Disk.bytes(file)).object)
    let golden = try GGUFSource(path: Fixtures.golden("gguf/bonsai_q2_0.gguf")).manifest.entries
    let made = golden.filter { $0.key.hasPrefix("general.sampling.") }
    func sorted(_ entries: [MetadataEntry]) -> [String] { entries.map { "\($0.key) \($0.value)" }.sorted() }
    #expect(made.count == 3 && sorted(GGUFSampling.entries(of: settings)) == sorted(made))

    Disk.copyFolder(Checkpoint.prequantized, to: scratch["source"])
    let text = "{\"bos_token_id\": 1, \"eos_token_id\": 2, \"temperature\": 0.7, \"top_k\": 40}"
    Disk.write(text, scratch["source"] + "/generation_config.json")
    try Workflow.convert(scratch["source"], scratch["a.gguf"], to: .gguf)
    try Workflow.convert(scratch["a.gguf"], scratch["back"], to: .dense)
    for other in ["a.gguf", "back"] {
      let same = try Workflow.compare(scratch["source"], scratch[other])
      #expect(same.parts[.companions]?.outcome == .equal, "\(other): \(same.parts.findings)")
    }
    try ChangedGGUF.write(scratch["a.gguf"], scratch["b.gguf"]) { entries in
      for index in entries.indices where entries[index].key == "general.sampling.temp" {
        entries[index].value = .float32(5)
      }
    }
    for source in ["source", "a.gguf"] {
      let other = try Workflow.compare(scratch[source], scratch["b.gguf"])
      #expect(other.parts[.companions]?.differences.map(\.key) == ["temperature"], "\(other.parts.findings)")
    }
  }

  @Test("values of several words are told apart, and what was not compared is not called another model")
  func words() throws {
    let difference = DescriptionDifference(key: "modules", first: "packed trits", second: "packed trits and others")
    let finding = PartFinding(.description, .differs, "", differences: [difference])
    #expect(finding.text == "modules: 'packed trits' and 'packed trits and others'")
    let scratch = ScratchFolder()
    // Weights alone: neither side has anything of the parts that were asked for.
    let bare = scratch["bare.safetensors"]
    Disk.write(GoldenCut.builder("llama_prequantized").file.serialized, bare)
    let parts = try CompareWorkflow(
      first: ModelOpener.open(bare), second: ModelOpener.open(bare),
      request: CompareRequest(parts: [.description, .tokenizer])
    ).run()
    let text = String(describing: parts.report)
    #expect(!parts.isSame && !text.contains("not the same model") && text.contains("nothing was compared"))
  }
}
