// Tritsmith tests: every rule of the health check finds its fault, and nothing else in sound models.

import Testing
import TritCore
import TritFormats
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey

@Suite("Check")
struct CheckTests {
  static let shipped = [
    Checkpoint.prequantized, Checkpoint.sharded, Checkpoint.bitnet, Checkpoint.bfloat16, Checkpoint.plain,
    Checkpoint.master, Checkpoint.packed,
  ]

  @Test("shipped checkpoints pass, strictly", arguments: shipped)
  func sound(_ path: String) throws {
    let result = try Workflow.check(path, strict: true)
    #expect(result.passed && result.findings.isEmpty, "\(result.findings)")
    #expect(result.readTensors == result.tensors && result.tensors > 0 && result.notes.isEmpty)
    #expect(result.report.verdict?.outcome == .pass)
  }

  @Test("a check with warnings alone passes, and says so first")
  func warnings() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.without.insert("tokenizer.json")
    let path = model.write(scratch["model"])
    let result = try Workflow.check(path)
    #expect(result.findings.map(\.severity) == [.warning], "\(result.findings)")
    let lines = [true, false].map { TextRenderer(width: 80, showsDetails: $0).text(of: result.report) }
    for text in lines { #expect(text.hasPrefix("PASS no errors, 1 warning\n"), "\(text)") }
    let strict = TextRenderer().text(of: try Workflow.check(path, strict: true).report)
    #expect(strict.hasPrefix("FAIL 0 errors, 1 warning\n"), "\(strict)")
  }

  @Test("a text is scored where it is asked for: trits in another order compute noise, and every header is sound")
  func noise() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    for index in model.file.tensors.indices where model.file.tensors[index].name.hasSuffix("_proj.weight") {
      model.file.tensors[index].bytes.reverse()
    }
    let path = model.write(scratch["model"])
    func check(_ path: String, _ scoresText: Bool) throws -> CheckResult {
      try CheckWorkflow(CheckRequest(path: path, scoresText: scoresText)).run()
    }
    #expect(try check(path, false).passed)
    let result = try check(path, true)
    #expect(!result.passed && result.findings.map(\.rule) == [.noise], "\(result.findings)")
    let sound = try check(Checkpoint.bitnet, true)
    #expect(sound.passed && sound.notes.contains { $0.contains("perplexity") }, "\(sound.notes)")
  }

  @Test("one wrong size is one error, however many tensors show it")
  func oneSize() throws {
    let scratch = ScratchFolder()
    let path = try Checkpoint.changed(Checkpoint.bitnet, [("hidden_size", "512")], scratch["model"])
    let shapes = try Workflow.check(path).findings.filter { $0.rule == .shape }
    // Nine tensors in each of four layers, embeddings, head and last norm.
    #expect(shapes.map(\.subject) == ["model.embed_tokens.weight"], "\(shapes)")
    #expect(shapes.first?.detail.hasSuffix("; 38 more tensors have 256 for 512") == true, "\(shapes)")
  }

  @Test("conversions to every format pass")
  func conversions() throws {
    let scratch = ScratchFolder()
    for (name, target) in [("packed", ConversionTarget.hfPacked), ("a.tritpack", .tritpack), ("a.gguf", .gguf)] {
      try Workflow.convert(Checkpoint.prequantized, scratch[name], to: target)
      let result = try Workflow.check(scratch[name])
      #expect(result.passed, "\(name): \(result.findings)")
    }
  }

  @Test("a dense output names the type of its projections, and draws no warning for it", arguments: [DType.f16, .f32])
  func denseTypes(_ type: DType) throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch["dense"], to: .dense) {
      $0.denseType = type == .f16 ? .f16 : .f32
    }
    let result = try Workflow.check(scratch["dense"], strict: true)
    #expect(result.passed && result.findings.isEmpty, "\(result.findings)")
    // A checkpoint whose embeddings have more digits than the key keeps is another matter.
    var model = ChangedModel(Checkpoint.bfloat16)
    let name = "model.embed_tokens.weight"
    let values = FloatBytes.bf16Values(model.file.tensors[name: name].bytes)
    for index in model.file.tensors.indices where model.file.tensors[index].name == name {
      (model.file.tensors[index].dtype, model.file.tensors[index].bytes) = ("F32", FloatBytes.f32(values))
    }
    let changed = try Workflow.check(model.write(scratch["changed"]))
    #expect(changed.findings.contains { $0.rule == .dtype }, "\(changed.findings)")
  }

  /// A fault, planted in the packed checkpoint unless another is named.
  /// `masked_bias` of old checkpoints: transformers computes it, and a conversion leaves it out.
  @Test("numbers in buffers that no reader takes are no fault", arguments: [[UInt8(0), 0, 0, 0], [0, 0, 0x80, 0xFF]])
  func buffers(_ bytes: [UInt8]) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.file.tensors.append(RawTensor("model.layers.0.self_attn.masked_bias", "F32", [1], bytes))
    let result = try Workflow.check(model.write(scratch["model"]))
    #expect(result.passed && result.count(.error) == 0, "\(result.findings)")
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    var rule: CheckRule
    var name: String
    var base = Checkpoint.bitnet
    var subject: String?
    /// Rules that must find something else about the same fault.
    var others: Set<CheckRule> = []
    var plant: @Sendable (inout ChangedModel) -> Void
    var testDescription: String { "\(rule.rawValue): \(name)" }
  }

  private static let up = "model.layers.1.mlp.up_proj.weight"
  private static let norm = "model.layers.1.input_layernorm.weight"
  private static let index = "model.safetensors.index.json"

  static let faults: [Fault] = [
    Fault(
      rule: .scaleUnusable, name: "a divisor whose inverse is infinite", subject: "model.layers.2.mlp.up_proj.weight",
      others: [.scaleOutlier]
    ) {
      // The smallest bfloat16 number above 0.
      $0.file["model.layers.2.mlp.up_proj.weight_scale"].bytes = [1, 0]
    },
    Fault(
      rule: .scaleUnusable, name: "a factor whose inverse is infinite", base: Checkpoint.packed, subject: up,
      others: [.scaleOutlier]
    ) {
      $0.file[up + "_scale"].bytes = [1, 0]
    },
    Fault(rule: .computation, name: "a norm of 3e38", subject: "layer 1 input_layernorm") {
      let count = $0.file[norm].bytes.count / 2
      $0.file[norm].bytes = (0..<count).flatMap { _ in [0x7F, 0x7F] as [UInt8] }
    },
    Fault(rule: .leftover, name: "an unfinished output", subject: ".bitnet.tritsmith-12345678.partial") {
      $0.files[".bitnet.tritsmith-12345678.partial"] = [0]
    },
    Fault(rule: .mixedShards, name: "a shard beside the file", subject: "model.safetensors") {
      $0.files["model-00002-of-00003.safetensors"] = [0]
    },
    Fault(rule: .mixedShards, name: "an index beside the file", subject: index) {
      $0.files[index] = Array("{\"weight_map\": {}}".utf8)
    },
    Fault(rule: .nonFinite, name: "a NaN", subject: norm) {
      $0.file[norm].bytes.replaceSubrange(6..<8, with: [0xC0, 0x7F])
    },
    Fault(rule: .nonFinite, name: "an infinity in latent weights", base: Checkpoint.prequantized, subject: up) {
      $0.file[up].bytes.replaceSubrange(100..<102, with: [0x80, 0x7F])
    },
    Fault(rule: .allZero, name: "a matrix of zeros", subject: up) {
      $0.file[up].bytes = $0.file[up].bytes.map { _ in 0x55 }
    },
    Fault(rule: .allZero, name: "a norm of zeros", subject: norm) {
      $0.file[norm].bytes = $0.file[norm].bytes.map { _ in 0 }
    },
    Fault(rule: .deadRows, name: "a row of zeros", subject: up) { model in
      // Code 1 in the lowest bits of packed row 9 is trit 0 of row 9.
      for place in 9 * 256..<10 * 256 { model.file[up].bytes[place] = model.file[up].bytes[place] & 0xFC | 1 }
    },
    Fault(rule: .deadColumns, name: "a column of zeros", subject: up) { model in
      for row in 0..<192 { model.file[up].bytes[row * 256 + 3] = 0x55 }
    },
    Fault(rule: .invalidCode, name: "code 3", subject: up) { $0.file[up].bytes[17] |= 3 },
    Fault(rule: .scaleMissing, name: "a scale is missing", subject: up) { $0.remove { $0 == up + "_scale" } },
    Fault(rule: .scaleOrphan, name: "latent weights beside a scale", subject: up + "_scale", others: [.mixedForms]) {
      $0.file[up] = RawModelFile(reading: Checkpoint.prequantized + "/model.safetensors")[up]
    },
    Fault(rule: .scaleUnusable, name: "a scale of 0 that is divided by", subject: up) {
      $0.file[up + "_scale"].bytes = [0, 0]
    },
    Fault(rule: .scaleUnusable, name: "a divisor of 0 over zeros: 0/0", subject: up, others: [.allZero]) {
      $0.file[up].bytes = $0.file[up].bytes.map { _ in 0x55 }
      $0.file[up + "_scale"].bytes = [0, 0]
    },
    Fault(rule: .unreadable, name: "a NaN scale") { $0.file[up + "_scale"].bytes = [0xC0, 0x7F] },
    Fault(rule: .scaleOutlier, name: "one scale 8 times the others", subject: up) {
      // Three more in the exponent: the stored divisor is 8 times as large.
      let bytes = $0.file[up + "_scale"].bytes
      let bits = UInt16(bytes[0]) | UInt16(bytes[1]) << 8
      $0.file[up + "_scale"].bytes = littleEndianBytes(bits + 3 << 7)
    },
    Fault(rule: .conventionUnknown, name: "configuration and numbers disagree") {
      $0.replace("\"quant_method\": \"bitnet\"", "\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\"")
    },
    Fault(rule: .mixedForms, name: "one projection is dense") { model in
      model.remove { $0 == up + "_scale" }
      model.file[up] = RawModelFile(reading: Checkpoint.prequantized + "/model.safetensors")[up]
    },
    Fault(rule: .noConfiguration, name: "no config.json", base: Checkpoint.prequantized) {
      $0.without = ["config.json"]
    },
    Fault(rule: .badConfiguration, name: "an unknown class") { $0.replace("LlamaForCausalLM", "LlamaForCasualLM") },
    Fault(rule: .badConfiguration, name: "a missing size") { $0.replace("\"hidden_size\": 256,", "") },
    Fault(rule: .badConfiguration, name: "null where a number belongs", subject: "config.json, rms_norm_eps") {
      $0.replace("\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": null")
    },
    Fault(rule: .modelType, name: "another model type", subject: "config.json, model_type") {
      $0.replace("\"model_type\": \"llama\"", "\"model_type\": \"gemma\"")
    },
    Fault(rule: .modelType, name: "no model type", subject: "config.json, model_type") {
      $0.replace("\"model_type\": \"llama\",", "")
    },
    Fault(rule: .duplicateKey, name: "vocab_size twice") {
      $0.replace("\"vocab_size\": 2048", "\"vocab_size\": 2048, \"vocab_size\": 2048")
    },
    Fault(rule: .missingTensor, name: "a norm is missing", subject: norm) { $0.remove { $0 == norm } },
    Fault(rule: .missingTensor, name: "a layer is missing", subject: "model.layers.1") {
      $0.remove { $0.hasPrefix("model.layers.1.") }
    },
    Fault(rule: .missingTensor, name: "as many layers as a number can say", subject: "model.layers.4 to 2147483646") {
      $0.replace("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 2147483647")
    },
    Fault(rule: .unusedTensor, name: "a tensor too many", subject: "model.layers.9.extra.weight") {
      $0.file.tensors.append(RawTensor("model.layers.9.extra.weight", "BF16", [2], [0x80, 0x3F, 0x80, 0x3F]))
    },
    Fault(rule: .shape, name: "another width", subject: "model.norm.weight") {
      $0.file["model.norm.weight"].shape = [128]
      $0.file["model.norm.weight"].bytes.removeLast(256)
    },
    Fault(rule: .tiedHead, name: "a head of its own that is tied", subject: "lm_head.weight") {
      $0.replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true")
    },
    Fault(rule: .quantization, name: "packed, and nothing says so", others: [.conventionUnknown]) {
      $0.replace("\"quant_method\": \"bitnet\"", "\"quant_method\": \"none\"")
    },
    Fault(
      rule: .quantization, name: "packed, and named among the modules left alone",
      subject: "quantization_config.modules_to_not_convert"
    ) {
      $0.replace("\"lm_head\"", "\"lm_head\", \"q_proj\"")
    },
    Fault(
      rule: .quantization, name: "packed, and named with a dot at the end",
      subject: "quantization_config.modules_to_not_convert"
    ) {
      $0.replace("\"lm_head\"", "\"lm_head\", \"model.layers.1.\"")
    },
    Fault(rule: .quantization, name: "a head that no list leaves alone", subject: "quantization_config") {
      $0.replace("\"lm_head\"", "\"lm_head.weight\"")
    },
    Fault(rule: .quantization, name: "latent, said to be packed", base: Checkpoint.prequantized) {
      $0.replace(
        "\"vocab_size\": 2048", "\"vocab_size\": 2048, \"quantization_config\": {\"quant_method\": \"bitnet\"}")
    },
    Fault(rule: .dtype, name: "another type", subject: "torch_dtype") { $0.replace("\"bfloat16\"", "\"float32\"") },
    Fault(rule: .noTokenizer, name: "no tokenizer") { $0.without = ["tokenizer.json"] },
    Fault(rule: .badTokenizer, name: "a tokenizer that is none") { $0.files["tokenizer.json"] = Array("{}".utf8) },
    Fault(rule: .vocabulary, name: "more tokens than embeddings", subject: "tokenizer.json", others: [.shape]) {
      for name in ["model.embed_tokens.weight", "lm_head.weight"] {
        $0.file[name].shape = [2000, 256]
        $0.file[name].bytes.removeLast(48 * 512)
      }
    },
    Fault(rule: .specialToken, name: "BOS beyond the vocabulary", subject: "config.json, bos_token_id") {
      $0.replace("\"bos_token_id\": 1", "\"bos_token_id\": 4096")
    },
    Fault(
      rule: .specialToken, name: "padding beyond the vocabulary", subject: "config.json, pad_token_id",
      others: [.conventionUnknown]
    ) {
      $0.replace("\"bos_token_id\": 1", "\"bos_token_id\": 1, \"pad_token_id\": 2048")
    },
    Fault(rule: .specialToken, name: "two opinions on EOS", subject: "generation_config.json, eos_token_id") {
      $0.files["generation_config.json"] = Array("{\"eos_token_id\": 5}".utf8)
    },
  ]

  @Test("a planted fault is found, named, and nothing else", arguments: faults)
  func planted(_ fault: Fault) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(fault.base)
    fault.plant(&model)
    let result = try Workflow.check(model.write(scratch["model"]))
    let found = result.findings.filter { $0.rule == fault.rule }
    #expect(!found.isEmpty, "\(result.findings)")
    if let subject = fault.subject { #expect(found.contains { $0.subject == subject }, "\(found)") }
    #expect(found.allSatisfy { !$0.detail.isEmpty })
    #expect(!found.contains { $0.detail.hasPrefix("1 of ") && $0.detail.contains(" are ") }, "\(found)")
    let others = Set(result.findings.map(\.rule)).subtracting([fault.rule])
    #expect(others.isSubset(of: CheckTests.allowed(fault)), "\(result.findings)")
    // Errors fail, warnings only when strict.
    #expect(result.passed == !result.findings.contains { $0.severity == .error })
    #expect(try !Workflow.check(scratch["model"], strict: true).passed)
  }

  @Test("one wrong value is not spoken of as several")
  func oneValue() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.packed)
    model.file[Self.norm].bytes.replaceSubrange(6..<8, with: [0xC0, 0x7F])
    let result = try Workflow.check(model.write(scratch["model"]))
    #expect(
      result.findings.contains { $0.detail == "1 value is infinite or NaN at element 3" }, "\(result.findings)")
  }

  @Test("a scale that stands out is told with the digits that matter")
  func outlierText() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    // A divisor that is 8 times as large.
    let bytes = model.file[Self.up + "_scale"].bytes
    model.file[Self.up + "_scale"].bytes = littleEndianBytes((UInt16(bytes[0]) | UInt16(bytes[1]) << 8) + 3 << 7)
    let findings = try Workflow.check(model.write(scratch["model"])).findings
    let detail = try #require(findings.first { $0.rule == .scaleOutlier && $0.subject == Self.up }?.detail)
    let numbers = detail.matches(of: /[0-9]+\.[0-9]+/).map { String($0.0) }
    #expect(numbers.count == 2, "\(detail)")
    for number in numbers { #expect(number.drop { $0 == "0" || $0 == "." }.count <= 5, "\(detail)") }
  }

  /// What else a fault may be seen as.
  private static func allowed(_ fault: Fault) -> Set<CheckRule> {
    switch fault.rule {
    case .allZero, .invalidCode, .nonFinite, .scaleUnusable: fault.others
    // Configurations that cannot be read decide nothing about scales.
    case .badConfiguration, .quantization: fault.others.union([.conventionUnknown, .badConfiguration])
    default: fault.others
    }
  }

  /// llama.cpp refuses the first three.
  @Test("a GGUF file without its architecture, or with a tokenizer nobody can read")
  func ggufKeys() throws {
    let scratch = ScratchFolder()
    let start = scratch["start.gguf"]
    try Workflow.convert(Checkpoint.prequantized, start, to: .gguf)
    func findings(_ key: String, _ value: MetadataValue?, _ name: String) throws -> [CheckFinding] {
      let path = try ChangedGGUF.write(start, scratch[name]) { entries in
        entries.removeAll { $0.key == key }
        if let value { entries.append(MetadataEntry(key, value)) }
      }
      return try Workflow.check(path).findings
    }
    let (architecture, merges, model) = ("general.architecture", "tokenizer.ggml.merges", "tokenizer.ggml.model")
    for (key, value, rule, severity) in [
      (architecture, nil, .badConfiguration, .error), (merges, nil, .badTokenizer, .error),
      (model, .string("gpt2x"), .badTokenizer, .error), (model, .string("rwkv"), .badTokenizer, .warning),
    ] as [(String, MetadataValue?, CheckRule, CheckSeverity)] {
      let found = try findings(key, value, "\(key)-\(value?.text() ?? "none").gguf")
      #expect(
        found.contains { $0.rule == rule && $0.subject == key && $0.severity == severity }, "\(found)")
      #expect(!found.contains { $0.detail.contains("config.json") || $0.subject == "config.json" }, "\(found)")
    }
    // Without its merges it cannot be a tokenizer of another file either; without a tokenizer it can.
    let broken = scratch[merges + "-none.gguf"]
    #expect(throws: WorkflowError.self) {
      try Workflow.convert(broken, scratch["out.gguf"], to: .gguf) { $0.gguf.weights = .tq1 }
    }
    try Workflow.convert(broken, scratch["out.gguf"], to: .gguf) { $0.gguf.hasTokenizer = false }
  }

  @Test("the index's size, and shards of another revision")
  func shards() throws {
    let scratch = ScratchFolder()
    Disk.copyFolder(Checkpoint.sharded, to: scratch["model"])
    let path = scratch["model"] + "/" + CheckTests.index
    let text = Disk.text(path)
    Disk.write([0], scratch["model"] + "/model-00004-of-00004.safetensors")
    #expect(try Workflow.check(scratch["model"]).findings.map(\.rule) == [.mixedShards])
    Disk.remove(scratch["model"] + "/model-00004-of-00004.safetensors")
    Disk.write(text.split(separator: "\"total_size\": ").joined(separator: "\"total_size\": 1"), path)
    #expect(try Workflow.check(scratch["model"]).findings.map(\.rule) == [.indexSize])
    Disk.remove(scratch["model"] + "/model-00002-of-00003.safetensors")
    let missing = try Workflow.check(scratch["model"])
    #expect(missing.findings.map(\.rule) == [.unreadable] && missing.format == nil && !missing.passed)
  }

  /// Cells hold no line of its own, which a command to paste needs.
  @Test("weights of PyTorch point to the line that saves them")
  func pickledWeights() throws {
    let scratch = ScratchFolder()
    Disk.makeFolder(scratch["model"])
    Disk.write("{}", scratch["model/config.json"])
    Disk.write([0x50, 0x4B, 3, 4, 0], scratch["model/pytorch_model.bin"])
    let finding = try #require(try Workflow.check(scratch["model"]).findings.first)
    #expect(
      finding.detail.hasSuffix("'tritsmith inspect \(scratch["model"])' prints the line that helps"),
      "\(finding.detail)")
    #expect(!finding.detail.contains("\n"))
  }

  @Test("a truncated file and a flipped bit in a TritPack")
  func damage() throws {
    let scratch = ScratchFolder()
    Disk.copyFolder(Checkpoint.bitnet, to: scratch["cut"])
    Disk.resize(scratch["cut"] + "/model.safetensors", to: 1_000_000)
    #expect(try Workflow.check(scratch["cut"]).findings.map(\.rule) == [.unreadable])
    let path = scratch["model.tritpack"]
    try Workflow.convert(Checkpoint.bitnet, path, to: .tritpack)
    var bytes = Disk.bytes(path)
    bytes[bytes.count / 2] ^= 1
    Disk.write(bytes, path)
    #expect(try Workflow.check(path).findings.map(\.rule).contains(.checksum))
    #expect(throws: TensorIOError.self) { try Workflow.check(scratch["nowhere"]) }
  }

  @Test("every rule has a planted fault")
  func coverage() {
    // Those of `shards`, `damage` and `noise`, of TokenizerConversionTests, MLXConversionTests,
    // RotatedWeightTests, SiblingTests and UnsoundNumberTests.
    let elsewhere: Set<CheckRule> = [
      .indexSize, .checksum, .noise, .preTokenizer, .damaged, .rounded, .rotation, .keyType, .sibling,
    ]
    let planted = Set(CheckTests.faults.map(\.rule))
    #expect(planted.union(elsewhere) == Set(CheckRule.allCases))
    let page = Disk.text(Fixtures.root + "/../Docs/Checks.md")
    for rule in CheckRule.allCases { #expect(page.contains("`\(rule.rawValue)`"), "\(rule.rawValue)") }
  }
}
