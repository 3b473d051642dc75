// Tritsmith tests: how projections compute is part of a model, by effect and not by text.

import Testing
import TritCore
import TritFormats
import TritModel
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("How projections compute is compared by effect")
struct EffectTests {
  private static func compare(
    _ first: String, _ second: String, _ options: OpenOptions = OpenOptions()
  ) throws -> CompareResult {
    try CompareWorkflow(first: ModelOpener.open(first, options), second: ModelOpener.open(second, options)).run()
  }

  private func expectDifference(
    _ first: String, _ second: String, _ key: String, _ values: (String, String),
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for isTurned in [false, true] {
      let result = isTurned ? try Self.compare(second, first) : try Self.compare(first, second)
      let finding = try #require(result.parts[.description])
      #expect(!result.isSame && finding.outcome == .differs, "\(finding)", sourceLocation: sourceLocation)
      let found = try #require(finding.differences.first { $0.key == key }, "\(finding)")
      let pair = isTurned ? (found.second, found.first) : (found.first, found.second)
      #expect(pair == values, "\(found)", sourceLocation: sourceLocation)
      #expect(result.parts[.weights]?.outcome == .equal, sourceLocation: sourceLocation)
    }
  }

  @Test("an ordinary model whose configuration makes its weights ternary is another one")
  func online() throws {
    let scratch = ScratchFolder()
    let other = try Checkpoint.changed(
      Checkpoint.plain, [("quantization_config", Checkpoint.online)], scratch["online"])
    let key = "quantization_config, all projections"
    try expectDifference(Checkpoint.plain, other, key, ("Linear", "AutoBitLinear online"))
    let family = try FamilyWorkflow(FamilyRequest(paths: [Checkpoint.plain, other])).run()
    #expect(family.proofs.allSatisfy { !$0.holds })
    // Latents that compute as the family's tool packs them, or as float32 does.
    let float = try Checkpoint.changed(
      Checkpoint.prequantized, [("quantization_config", Checkpoint.online)], scratch["float"])
    try expectDifference(Checkpoint.prequantized, float, key, ("BitLinear online", "AutoBitLinear online"))
  }

  @Test("modules the configuration leaves alone are named, whatever words name them")
  func leftAlone() throws {
    let scratch = ScratchFolder()
    func named(_ list: String, _ folder: String) throws -> String {
      let text = Checkpoint.online.dropLast() + ", \"modules_to_not_convert\": \(list)}"
      return try Checkpoint.changed(Checkpoint.master, [("quantization_config", String(text))], scratch[folder])
    }
    let all = try named("[\"lm_head\", \"q_proj\", \"mlp.down_proj\"]", "all")
    for path in ["self_attn.q_proj", "mlp.down_proj"] {
      try expectDifference(
        Checkpoint.master, all, "quantization_config, \(path)", ("AutoBitLinear online", "Linear"))
    }
    try expectDifference(
      Checkpoint.master, named("[\"lm_head\", \"model.layers.1.self_attn.q_proj\"]", "one"),
      "quantization_config, self_attn.q_proj of layers 1", ("AutoBitLinear online", "Linear"))
    // Other words, and no other effect.
    #expect(try Self.compare(Checkpoint.master, named("[\"lm_head\"]", "head")).isSame)
    #expect(try Self.compare(all, named("[\"down_proj\", \"head\", \"self_attn.q_proj\"]", "words")).isSame)
  }

  /// By mathematics: an input of 8 bits is another number than the one it was rounded from.
  @Test("whether inputs of trits are rounded is part of a model where both sides say it, and is said where one cannot")
  func roundedInputs() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["plain.gguf"], .q2)
    try ChangedGGUF.write(scratch["plain.gguf"], scratch["rounded.gguf"]) { entries in
      for index in entries.indices where entries[index].key == "tritsmith.linear_class" {
        entries[index].value = .string("bitlinear")
      }
    }
    let logits = try ["plain.gguf", "rounded.gguf"].map {
      try RunnableModel(scratch[$0], RunOptions()).session(for: 4).logits([1, 7, 42, 200])
    }
    #expect(logits[0] != logits[1])
    try expectDifference(
      scratch["plain.gguf"], scratch["rounded.gguf"], "quantization_config, all projections",
      ("packed trits, inputs as they are", "packed trits, int8 inputs"))
    // MLX has no layer that rounds, and no key that could ask for one.
    try Workflow.convert(Checkpoint.bitnet, scratch["mlx"], to: .mlx)
    let words = "projections take inputs rounded to int8 in the"
    for (first, second, side) in [
      (Checkpoint.bitnet, scratch["mlx"], "first"), (scratch["mlx"], Checkpoint.bitnet, "second"),
    ] {
      let compared = try Self.compare(first, second)
      #expect(compared.isSame && compared.parts.verdict.contains("\(words) \(side) alone"), "\(compared.parts.verdict)")
      let verified = try Workflow.verify(first, second)
      #expect(verified.passed && verified.parts.verdict.contains("\(words) \(side) alone"))
    }
    #expect(try !Self.compare(Checkpoint.bitnet, Checkpoint.bitnet).parts.verdict.contains("int8"))
    #expect(try !Self.compare(Checkpoint.bitnet, Checkpoint.bfloat16).parts.verdict.contains("int8"))
  }

  @Test("TritPack of a model that rounds no inputs rounds none, and neither does what is made of it")
  func plainInputs() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["plain.gguf"], .q2)
    for (number, input) in [source, scratch["plain.gguf"]].enumerated() {
      let (pack, back) = (scratch["\(number).tritpack"], scratch["\(number).gguf"])
      try Workflow.convert(input, pack, to: .tritpack)
      try Workflow.bonsai(pack, back, .q2)
      for path in [pack, back] {
        #expect(try RunnableModel(path, RunOptions()).model.projectionClasses == [.linear], "\(path)")
        let result = try Self.compare(input, path)
        #expect(result.isSame && !result.parts.verdict.contains("int8"), "\(result.parts.verdict)")
      }
      #expect(try FormatRegistry.open(pack).manifest.configuration?["quantization_config"] == nil)
    }
  }

  @Test("settings of a model inside another are named by their own keys")
  func inside() throws {
    let scratch = ScratchFolder()
    let first = try Checkpoint.changed(
      Checkpoint.bitnet, [("text_config", "{\"a\": 1, \"b\": {\"c\": 2}}")], scratch["first"])
    let other = try Checkpoint.changed(Checkpoint.bitnet, [("text_config", "{\"a\": 1, \"d\": 3}")], scratch["other"])
    let finding = try #require(try Self.compare(first, other).parts[.description])
    #expect(finding.differences.map(\.key) == ["text_config.b", "text_config.d"], "\(finding)")
  }

  @Test("trits, trit × scale and latents that run as trits are one model")
  func forms() throws {
    func outcome(_ first: String, _ second: String) throws -> PartFinding.Outcome? {
      try PartsComparison(
        first: ModelOpener.open(first, hasCompanions: true), second: ModelOpener.open(second, hasCompanions: true)
      ).run().first { $0.part == .description }?.outcome
    }
    let falcon = [Checkpoint.prequantized, Checkpoint.sharded, Checkpoint.bitnet, Checkpoint.bfloat16]
    for models in [falcon, [Checkpoint.master, Checkpoint.packed]] {
      for first in models { for second in models { #expect(try outcome(first, second) == .equal) } }
    }
  }

  @Test("keys that are not all understood: the class and the quantization are compared all the same")
  func notUnderstood() throws {
    let scratch = ScratchFolder()
    let base = try Checkpoint.changed(Checkpoint.bitnet, [("logit_scale", "2.0")], scratch["base"])
    func differing(_ keys: [(String, String?)], _ folder: String) throws -> [String] {
      let other = try Checkpoint.changed(base, keys, scratch[folder])
      // Under an entry of another method nothing says what the scales mean: the user does.
      let result = try Self.compare(base, other, OpenOptions(scaleConvention: .divide))
      let finding = try #require(result.parts[.description])
      return finding.differences.map(\.key)
    }
    #expect(try differing([("architectures", "[\"MistralForCausalLM\"]")], "class") == ["architectures"])
    #expect(try differing([("architectures", nil)], "none") == ["architectures"])
    #expect(try differing([("model_type", "\"gemma\"")], "type") == ["model_type"])
    #expect(try differing([("quantization_config", "{\"quant_method\": \"gptq\"}")], "gptq") == ["quantization_config"])
    let norm = "{\"quant_method\": \"bitnet\", \"use_rms_norm\": true}"
    #expect(
      try differing([("quantization_config", norm)], "norm") == ["quantization_config.use_rms_norm"])
    let same = try Self.compare(base, base, OpenOptions(scaleConvention: .divide))
    #expect(same.isSame && same.parts.verdict.contains("description (key for key, not all understood)"))
    // What no logits depend on.
    #expect(try differing([("transformers_version", "\"4.1\""), ("use_cache", "false")], "bookkeeping").isEmpty)
    // An entry of another method says how weights are stored, understood or not.
    let foreign = try Checkpoint.changed(
      Checkpoint.plain, [("quantization_config", "{\"quant_method\": \"gptq\", \"bits\": 4}")], scratch["foreign"])
    #expect(try !Self.compare(Checkpoint.plain, foreign).isSame)
  }

  @Test("GGUF keys that are not all understood: how the source computes is compared")
  func notUnderstoodGGUF() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(MeaningModel(.llama).write(scratch["source"]), scratch["start.gguf"], to: .gguf) {
      $0.gguf.weights = .f16
    }
    func written(_ name: String, _ change: (inout [MetadataEntry]) -> Void = { _ in }) throws -> String {
      try ChangedGGUF.write(scratch["start.gguf"], scratch[name]) {
        $0.append(MetadataEntry("llama.unknown.key", .uint32(1)))
        change(&$0)
      }
    }
    let base = try written("base.gguf")
    #expect(try Self.compare(base, written("same.gguf") { $0.swapAt(0, 1) }).isSame)
    let strange = try written("strange.gguf") { entries in
      for index in entries.indices where entries[index].key == "tritsmith.linear_class" {
        entries[index].value = .string("another")
      }
    }
    let finding = try #require(try Self.compare(base, strange).parts[.description])
    #expect(finding.differences.map(\.key) == ["tritsmith.linear_class"], "\(finding)")
  }

  @Test("objects with keys in another order and numbers spelled otherwise are the same value")
  func nested() throws {
    let scratch = ScratchFolder()
    let scaling = "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 128}"
    for (number, (key, value)) in [("text_config", "{\"a\": 1}"), ("rope_scaling", scaling)].enumerated() {
      let source = try Checkpoint.changed(Checkpoint.bitnet, [(key, value)], scratch["\(number)"])
      try Workflow.convert(source, scratch["\(number).tritpack"], to: .tritpack)
      #expect(try Self.compare(source, scratch["\(number).tritpack"]).isSame)
    }
    let turned = "{\"original_max_position_embeddings\": 128, \"factor\": 4, \"rope_type\": \"yarn\"}"
    #expect(
      try Self.compare(
        Checkpoint.changed(Checkpoint.bitnet, [("rope_scaling", scaling)], scratch["a"]),
        Checkpoint.changed(Checkpoint.bitnet, [("rope_scaling", turned)], scratch["b"])
      ).isSame)
    let other = try Checkpoint.changed(
      Checkpoint.bitnet, [("rope_scaling", scaling.replacing("4.0", with: "4.5"))], scratch["c"])
    #expect(try !Self.compare(scratch["a"], other).isSame)
  }

  @Test("latents a configuration runs in float32 are converted so, and the output validates against them")
  func latents() throws {
    let scratch = ScratchFolder()
    let model = RandomModel()
    let source = model.builder.write(scratch["latent"])
    let online = try Checkpoint.changed(source, [("quantization_config", Checkpoint.online)], scratch["online"])
    for (name, target) in [("packed", ConversionTarget.hfPacked), ("a.gguf", .gguf), ("dense", .dense)] {
      let result = try Workflow.convert(online, scratch[name], to: target)
      #expect(result.plan.quantizer.id.rawValue == "absmean-float32", "\(name)")
      #expect(try Workflow.verify(online, scratch[name]).passed, "\(name)")
      var request = ValidateRequest(path: scratch[name], against: online)
      request.inputs = [.ids(model.ids(64))]
      let validated = try ValidateWorkflow(request).run()
      // Dense weights are ordinary products: their inputs are not rounded to int8.
      #expect(validated.passed || target == .dense, "\(name): \(validated.report)")
    }
    // The family's own arithmetic where the configuration is silent.
    #expect(try Workflow.plan(source, to: .hfPacked).quantizer.id.rawValue == "absmean-bf16")
  }

  @Test("a divisor of 0 is a difference, in both directions")
  func zeroDivisor() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    let scale = "model.layers.0.self_attn.q_proj.weight_scale"
    model.file[scale].bytes = [0, 0]
    let zero = model.write(scratch["zero"])
    for (first, second) in [(Checkpoint.bitnet, zero), (zero, Checkpoint.bitnet)] {
      let compared = try Self.compare(first, second)
      #expect(!compared.isSame && compared.tensors.count { $0.outcome == .different } == 1)
      let verified = try Workflow.verify(first, second)
      #expect(!verified.passed && verified.firstProblem?.contains("q_proj") == true, "\(verified.firstProblem ?? "")")
      let family = try FamilyWorkflow(FamilyRequest(paths: [first, second])).run()
      #expect(family.proofs.allSatisfy { !$0.holds })
    }
    #expect(try Self.compare(zero, zero).isSame)
    #expect(throws: (any Error).self) { try Workflow.convert(zero, scratch["out"], to: .hfPacked) }
  }

  @Test("a GGUF file whose begin token is none of its vocabulary is told, by its own name")
  func strangeToken() throws {
    let scratch = ScratchFolder()
    let good = scratch["good.gguf"]
    try Workflow.convert(Checkpoint.prequantized, good, to: .gguf)
    let bad = try ChangedGGUF.write(good, scratch["bad.gguf"]) { entries in
      for index in entries.indices where entries[index].key == "tokenizer.ggml.bos_token_id" {
        entries[index].value = .uint32(99999)
      }
    }
    let result = try Workflow.check(bad)
    let found = try #require(result.findings.first { $0.detail.contains("99999") }, "\(result.findings)")
    #expect(!result.passed && found.severity == .error && found.subject.contains("bad.gguf"), "\(found)")
    #expect(!found.subject.contains("bad.gguf/"))
    let compared = try Self.compare(good, bad)
    #expect(!compared.isSame && compared.parts[.description]?.differences.first?.key == "bos_token_id")
  }

  @Test("a setting given for every layer is its one value")
  func settingOfLayers() throws {
    let scratch = ScratchFolder()
    let start = scratch["start.gguf"]
    var model = MeaningModel(.llama)
    model.layers = 2
    model.settings = [("num_hidden_layers", "2")]
    try Workflow.convert(model.write(scratch["source"]), start, to: .gguf)
    func changed(_ key: String, _ value: MetadataValue, _ name: String) throws -> String {
      try ChangedGGUF.write(start, scratch[name]) { entries in
        entries.removeAll { $0.key == key }
        entries.append(MetadataEntry(key, value))
      }
    }
    let heads = try changed("llama.attention.head_count_kv", .array(.int32([2, 2])), "heads.gguf")
    let inner = try changed("llama.feed_forward_length", .array(.uint32([256, 256])), "inner.gguf")
    for same in [heads, inner] { #expect(try Self.compare(start, same).isSame) }
    let mixed = try changed("llama.attention.head_count_kv", .array(.int32([2, 1])), "mixed.gguf")
    #expect(try !Workflow.check(mixed).passed)
    let base = try changed("llama.rope.freq_base", .float32(0), "base.gguf")
    for target in Meaning.targets {
      #expect(throws: (any Error).self) { try Workflow.convert(base, scratch["out.\(target)"], to: target) }
    }
  }

  /// llama.cpp reads the number of heads from either spelling.
  @Test("heads given for every layer are those the rows of keys stand in")
  func headsOfLayers() throws {
    let scratch = ScratchFolder()
    let start = scratch["start.gguf"]
    try Workflow.convert(Checkpoint.prequantized, start, to: .gguf)
    let other = try ChangedGGUF.write(start, scratch["other.gguf"]) { entries in
      entries.removeAll { $0.key == "llama.attention.head_count_kv" }
      entries.append(MetadataEntry("llama.attention.head_count_kv", .array(.uint32([2, 2, 2, 2]))))
    }
    #expect(try Self.compare(start, other).isSame)
    for target in [ConversionTarget.gguf, .hfPacked] {
      let output = scratch["out.\(target)"]
      try Workflow.convert(other, output, to: target)
      #expect(try Self.compare(other, output).isSame)
    }
  }

  /// `GKV::get_kv` of llama.cpp throws "key … has wrong type" for each of them.
  @Test(
    "a key of another kind than its readers take is an error, and no absent one",
    arguments: [
      ("llama.rope.freq_base", .string("1000042")), ("llama.attention.head_count", .string("4")),
      ("tokenizer.ggml.bos_token_id", .string("1")), ("tokenizer.ggml.add_bos_token", .string("true")),
      ("tokenizer.ggml.pre", .uint32(1)), ("llama.rope.scaling.type", .uint32(1)),
      ("llama.attention.layer_norm_rms_epsilon", .bool(true)),
    ] as [(String, MetadataValue)])
  func kindOfKey(_ key: String, _ value: MetadataValue) throws {
    let scratch = ScratchFolder()
    let start = scratch["start.gguf"]
    try Workflow.convert(Checkpoint.prequantized, start, to: .gguf)
    let bad = try ChangedGGUF.write(start, scratch["bad.gguf"]) { entries in
      entries.removeAll { $0.key == key }
      entries.append(MetadataEntry(key, value))
    }
    let findings = try Workflow.check(bad).findings.filter { $0.severity == .error }
    #expect(findings.contains { "\($0)".contains(key) || $0.detail.contains(key) }, "\(findings)")
    #expect((try? Self.compare(start, bad).isSame) != true)
    for target in Meaning.targets {
      #expect(throws: (any Error).self) { try Workflow.convert(bad, scratch["out.\(target)"], to: target) }
    }
  }

  @Test("norms in a type that holds no numbers of a model are refused", arguments: ["I32", "U8", "F8_E4M3"])
  func normTypes(_ type: String) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    let name = "model.layers.1.input_layernorm.weight"
    let width = type == "I32" ? 4 : 1
    model.file[name].dtype = type
    model.file[name].bytes = [UInt8](repeating: 0x38, count: 256 * width)
    let path = model.write(scratch["model"])
    for target in Meaning.targets {
      #expect(throws: (any Error).self) { try Workflow.convert(path, scratch["out.\(target)"], to: target) }
    }
    let result = try Workflow.check(path)
    #expect(!result.passed && result.findings.contains { $0.subject == name && $0.severity == .error })
  }

  @Test("a norm that computes infinities from finite numbers is refused, to every target")
  func largeNorm() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    let name = "model.layers.1.input_layernorm.weight"
    // 3.4e38, the largest bfloat16 number, and 2^50, whose products and squares are Floats.
    model.file[name].bytes.replaceSubrange(4..<6, with: [0x7F, 0x7F])
    let path = model.write(scratch["large"])
    for target in Meaning.targets {
      #expect(throws: WorkflowError.self) { try Workflow.convert(path, scratch["out.\(target)"], to: target) }
    }
    model.file[name].bytes.replaceSubrange(4..<6, with: [0x80, 0x58])
    try Workflow.convert(model.write(scratch["less"]), scratch["written"], to: .hfPacked)
  }

  @Test("a model type that contradicts the class is refused; a missing one is written")
  func modelType() throws {
    let scratch = ScratchFolder()
    let gemma = try Checkpoint.changed(Checkpoint.plain, [("model_type", "\"gemma\"")], scratch["gemma"])
    for target in Meaning.targets + [.dense] {
      #expect(throws: (any Error).self, "\(target)") {
        try Workflow.convert(gemma, scratch["out.\(target)"], to: target)
      }
    }
    let compared = try Self.compare(Checkpoint.plain, gemma)
    #expect(compared.parts[.description]?.differences.map(\.key) == ["model_type"])
    let absent = try Checkpoint.changed(Checkpoint.bitnet, [("model_type", nil)], scratch["absent"])
    #expect(try Self.compare(Checkpoint.bitnet, absent).isSame)
    for target in [ConversionTarget.hfPacked, .dense, .trainable] {
      try Workflow.convert(absent, scratch["\(target)"], to: target)
      #expect(try meaning(scratch["\(target)"] + "/config.json").object?["model_type"]?.string == "llama")
    }
  }

  @Test("a list that names packed modules is refused, and no conversion leaves one")
  func packedAndNamed() throws {
    let scratch = ScratchFolder()
    let list =
      "{\"quant_method\": \"bitnet\", \"modules_to_not_convert\": [\"lm_head\", \"q_proj\", \"model.layers.0\"]}"
    let named = try Checkpoint.changed(Checkpoint.bitnet, [("quantization_config", list)], scratch["named"])
    for target in Meaning.targets {
      #expect(throws: WorkflowError.self) { try Workflow.convert(named, scratch["out.\(target)"], to: target) }
    }
    let finding = try #require(try Self.compare(Checkpoint.bitnet, named).parts[.description])
    #expect(
      finding.outcome == .differs && finding.differences.contains { $0.key == "quantization_config, self_attn.q_proj" })
    // A word that names projections of every layer, of which one becomes ternary all the same.
    let text = Checkpoint.online.dropLast() + ", \"modules_to_not_convert\": [\"lm_head\", \"q_proj\"]}"
    let latent = try Checkpoint.changed(Checkpoint.master, [("quantization_config", String(text))], scratch["latent"])
    try Workflow.convert(latent, scratch["some"], to: .hfPacked) {
      $0.quantize = [Glob("model.layers.0.self_attn.q_proj.weight")]
    }
    let written = try meaning(scratch["some"] + "/config.json").object?["quantization_config"]?.object
    let modules = written?["modules_to_not_convert"]?.array?.compactMap(\.string) ?? []
    #expect(modules.first == "lm_head" && modules.contains("model.layers.1.self_attn.q_proj"))
    #expect(!modules.contains("q_proj") && !modules.contains("model.layers.0.self_attn.q_proj"))
    #expect(try Workflow.check(scratch["some"]).passed)
  }
}
