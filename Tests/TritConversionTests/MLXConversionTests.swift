// Tritsmith: models packed for MLX, made of and made into every other form.

import Testing
import TritCore
import TritFormats
import TritInference
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

/// The model of `Bonsai` as MLX packs it, worked out here from its F16 numbers.
private enum Packed {
  /// Words, scales and biases of values −s, 0, +s with one s for each 128.
  static func parts(_ tensor: RawTensor) -> (words: [UInt8], scales: [UInt8], biases: [UInt8]) {
    let bits = LittleEndian.u16s(tensor.bytes)
    var (words, scales, biases): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
    for start in stride(from: 0, to: bits.count, by: 16) {
      var word: UInt32 = 0
      for place in 0..<16 {
        let value = bits[start + place]
        let code: UInt32 = value & 0x7FFF == 0 ? 1 : value & 0x8000 == 0 ? 2 : 0
        word += code << UInt32(2 * place)
      }
      words += (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
    }
    for start in stride(from: 0, to: bits.count, by: 128) {
      let magnitude = bits[start..<start + 128].map { $0 & 0x7FFF }.max() ?? 0
      scales += [UInt8(magnitude & 0xFF), UInt8(magnitude >> 8)]
      biases += [UInt8(magnitude & 0xFF), UInt8(magnitude >> 8 | 0x80)]
    }
    return (words, scales, biases)
  }

  /// Tensors of the folder that differ from what the unpacked one gives, by name.
  static func wrong(_ folder: String, _ unpacked: String) -> [String] {
    let written = Dictionary(
      uniqueKeysWithValues: RawModelFile.tensors(ofFolder: folder).map { ($0.name, $0) })
    var expected: [RawTensor] = []
    for tensor in RawModelFile.tensors(ofFolder: unpacked) {
      guard tensor.shape.count == 2 else {
        expected.append(tensor)
        continue
      }
      let stem = String(tensor.name.dropLast(".weight".count))
      let (rows, columns) = (tensor.shape[0], tensor.shape[1])
      let parts = parts(tensor)
      expected.append(RawTensor(stem + ".weight", "U32", [rows, columns / 16], parts.words))
      expected.append(RawTensor(stem + ".scales", "F16", [rows, columns / 128], parts.scales))
      expected.append(RawTensor(stem + ".biases", "F16", [rows, columns / 128], parts.biases))
    }
    let names = Set(expected.map(\.name))
    return expected.filter { written[$0.name] != $0 }.map(\.name)
      + written.keys.filter { !names.contains($0) }.sorted()
  }
}

@Suite("Conversions to and from MLX")
struct MLXConversionTests {
  private func gguf(_ input: String, _ output: String, _ weights: GGUFWeightType) throws {
    try Workflow.convert(input, output, to: .gguf) {
      $0.gguf.weights = weights
      $0.gguf.hasTokenizer = false
    }
  }

  /// Whether an entry says two bits, affine, in groups of a size, and nothing else.
  private static func isAffine(_ entry: JSONValue?, _ size: Int) -> Bool {
    guard let object = entry?.object, object.entries.count == 3 else { return false }
    return object["group_size"]?.number?.integer == size && object["bits"]?.number?.integer == 2
      && object["mode"]?.string == "affine"
  }

  @Test("unpacked F16 becomes words, scales and biases, embedding and head too, and configuration says so")
  func unpacked() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let result = try Workflow.convert(source, scratch["mlx"], to: .mlx)
    #expect(result.recognised.count == 9)
    #expect(Packed.wrong(scratch["mlx"], source) == [])
    let file = RawModelFile(reading: scratch["mlx"] + "/model.safetensors")
    #expect(file.metadata.first { $0.key == "format" }?.value == "mlx")
    let configuration = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    for key in ["quantization", "quantization_config"] {
      #expect(Self.isAffine(configuration[key], 128), "\(key)")
    }
    #expect(try Workflow.compare(source, scratch["mlx"]).isSame)
    #expect(try Workflow.verify(source, scratch["mlx"]).passed)
    let again = try Workflow.convert(scratch["mlx"], scratch["again"], to: .mlx)
    #expect(again.recognised.isEmpty && Packed.wrong(scratch["again"], source) == [])
  }

  @Test("MLX becomes every other form, and comes back from each", arguments: Bonsai.layouts)
  func roundTrips(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    try gguf(scratch["mlx"], scratch["a.gguf"], weights)
    #expect(try Bonsai.wrong(scratch["a.gguf"], weights) == [])
    try Workflow.convert(scratch["a.gguf"], scratch["back"], to: .mlx)
    #expect(Packed.wrong(scratch["back"], source) == [])
    #expect(try Workflow.compare(scratch["mlx"], scratch["a.gguf"]).isSame)
  }

  @Test("dense, TritPack and shards in between")
  func otherForms() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx) { $0.maximumShardBytes = 60_000 }
    #expect(Disk.names(scratch["mlx"]).contains(ShardIndex.name))
    #expect(Packed.wrong(scratch["mlx"], source) == [])
    try Workflow.convert(scratch["mlx"], scratch["dense"], to: .dense)
    #expect(differences(ofFolders: scratch["dense"], source) == [])
    let dense = try #require(try JSONValue.parse(Disk.bytes(scratch["dense"] + "/config.json")).object)
    #expect(dense["quantization"] == nil && dense["quantization_config"] == nil)
    try Workflow.convert(scratch["mlx"], scratch["a.tritpack"], to: .tritpack)
    #expect(try Workflow.verify(scratch["mlx"], scratch["a.tritpack"]).passed)
    try Workflow.convert(scratch["a.tritpack"], scratch["back"], to: .mlx)
    #expect(Packed.wrong(scratch["back"], source) == [])
    for target in [ConversionTarget.hfPacked, .trainable] {
      #expect(throws: (any Error).self) { try Workflow.convert(scratch["mlx"], scratch["no"], to: target) }
    }
  }

  @Test("logits are those of the unpacked model")
  func logits() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    let ids = [1, 7, 42, 200, 3, 3, 99]
    let logits = try [source, scratch["mlx"]].map { path in
      let engine = try InferenceEngine(threads: 1)
      let model = try LanguageModel(ModelOpener.open(path), engine: engine)
      #expect(model.projectionClasses == [.linear])
      return try Session(model, mode: .reference, contextCapacity: 16, engine: engine).logits(ids)
    }
    #expect(zip(logits[0], logits[1]).map { abs($0 - $1) }.max() ?? 1 <= 2e-4)
  }

  @Test("groups of 64 where halves differ, and an entry for the module that has them")
  func overrides() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let name = "model.layers.0.mlp.up_proj.weight"
    var file = RawModelFile(reading: source + "/model.safetensors")
    // Columns 0 to 63 of every row count twice: no exponent of a weight is near its end.
    for row in 0..<256 {
      for column in 0..<64 {
        let place = 2 * (row * 256 + column) + 1
        if file[name].bytes[place] & 0x7C != 0 { file[name].bytes[place] += 4 }
      }
    }
    Disk.write(file.serialized, source + "/model.safetensors")
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    let configuration = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    let entry = try #require(configuration["quantization"]?.object)
    #expect(entry["group_size"] == 128)
    #expect(Self.isAffine(entry["model.layers.0.mlp.up_proj"], 64))
    let written = RawModelFile(reading: scratch["mlx"] + "/model.safetensors")
    #expect(written["model.layers.0.mlp.up_proj.scales"].shape == [256, 4])
    #expect(try Workflow.compare(source, scratch["mlx"]).isSame)
    try Workflow.convert(scratch["mlx"], scratch["dense"], to: .dense)
    #expect(differences(ofFolders: scratch["dense"], source) == [])
  }

  @Test("one scale for a tensor stands in every group, and activations that were rounded are mentioned")
  func falcon() throws {
    let scratch = ScratchFolder()
    for (name, source) in [("latents", Checkpoint.prequantized), ("packed", Checkpoint.bitnet)] {
      let result = try Workflow.convert(source, scratch[name], to: .mlx)
      #expect(result.plan.warnings.contains { $0.contains("int8") }, "\(name)")
      #expect(try Workflow.verify(source, scratch[name]).passed, "\(name)")
    }
    #expect(try Workflow.compare(scratch["packed"], Checkpoint.bitnet).isSame)
    // Groups that all have one scale come back as that scale, to the byte.
    try Workflow.convert(scratch["packed"], scratch["back"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["back"], Checkpoint.bitnet) == [])
    #expect(try Workflow.verify(scratch["packed"], scratch["back"]).passed)
    try Workflow.convert(scratch["packed"], scratch["latents"] + "-again", to: .trainable)
    try Workflow.convert(
      Checkpoint.prequantized, scratch["grouped"], to: .mlx
    ) { $0.quantizer = QuantizerID(rawValue: "absmean-group64") }
    let groups = RawModelFile(reading: scratch["grouped"] + "/model.safetensors")
    let stem = "model.layers.0.mlp.up_proj"
    #expect(groups[stem + ".scales"].shape[1] * 4 == groups[stem + ".weight"].shape[1])
  }

  @Test("a single file is refused")
  func refused() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let bare = #expect(throws: WorkflowError.self) {
      try Workflow.convert(source, scratch["a.safetensors"], to: .mlx)
    }
    #expect(bare?.kind == .needsFolder)
  }

  /// `mx.quantize(bits=2)` of −s, 0, +s: scale −s/2, bias s, codes 0, 2 and, for −s, 3.
  @Test("the damage of mx.quantize is named by inspect and check, and no conversion takes it")
  func damaged() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    try Packed.damage(scratch["mlx"])
    let inspected = try Workflow.inspect(scratch["mlx"])
    #expect(inspected.manifest.notes.contains { $0.contains("mx.quantize") })
    let checked = try Workflow.check(scratch["mlx"])
    #expect(checked.findings.contains { $0.rule == .damaged && $0.detail.contains("--to mlx") })
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(scratch["mlx"], scratch["out"], to: .tritpack)
    }
    guard case .roundedByMLX(_, isDamaged: true) = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
    // Compare and verify say what is wrong, and the same remedy.
    try Workflow.convert(source, scratch["sound"], to: .mlx)
    let compared = try Workflow.compare(scratch["sound"], scratch["mlx"])
    let different = compared.tensors.filter { $0.outcome == .different }
    #expect(!different.isEmpty && different.allSatisfy { $0.detail.contains("mx.quantize damaged it") }, "\(different)")
    let verified = try Workflow.verify(source, scratch["mlx"])
    #expect(verified.firstProblem?.contains("mx.quantize damaged it") == true, "\(verified.firstProblem ?? "")")
    let facts = verified.report.blocks.compactMap { if case .facts(let facts) = $0 { facts.facts } else { nil } }
    for key in ["trits_that_differ", "quantizer"] {
      #expect(facts.joined().first { $0.key == key }?.value == .missing, "\(key)")
    }
  }
}

extension MLXConversionTests {
  @Test("numbers of 2 bits that are no trits are named by check, and no conversion takes them")
  func plain() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Bonsai.folder(scratch["source"]), scratch["mlx"], to: .mlx)
    var file = RawModelFile(reading: scratch["mlx"] + "/model.safetensors")
    let name = "model.layers.0.mlp.up_proj"
    file[name + ".biases"].bytes[0] ^= 1
    Disk.write(file.serialized, scratch["mlx"] + "/model.safetensors")
    let findings = try Workflow.check(scratch["mlx"]).findings
    // The first bias of the file.
    let finding = try #require(findings.first { $0.rule == .rounded })
    #expect(finding.subject == name + ".weight" && finding.detail.contains("row 0, group 0"), "\(finding)")
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(scratch["mlx"], scratch["out"], to: .tritpack)
    }
    #expect(error?.kind == .roundedByMLX("MLX 2-bit by 128", isDamaged: false))
  }
}

extension MLXConversionTests {
  /// A folder of MLX whose configuration was changed.
  private static func changed(_ scratch: ScratchFolder, _ change: (inout JSONObject) -> Void) throws -> String {
    try Workflow.convert(Bonsai.folder(scratch["source"]), scratch["mlx"], to: .mlx)
    let file = scratch["mlx"] + "/config.json"
    var object = try #require(try JSONValue.parse(Disk.bytes(file)).object)
    change(&object)
    Disk.write(JSONValue.object(object).serialized(), file)
    return scratch["mlx"]
  }

  @Test("a ternary tensor that is kept is counted as dense")
  func kept() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Bonsai.folder(scratch["source"]), scratch["mlx"], to: .mlx)
    let all = try Workflow.plan(scratch["mlx"], to: .mlx)
    let kept = try Workflow.plan(scratch["mlx"], to: .mlx) { $0.keep = [Glob("*embed*")] }
    #expect(kept.tensors.count == all.tensors.count && kept.ternaryCount == all.ternaryCount - 1)
  }

  @Test("two entries that do not say the same are a contradiction, which names the key")
  func contradiction() throws {
    let scratch = ScratchFolder()
    let path = try Self.changed(scratch) { object in
      var copy = object["quantization"]?.object ?? JSONObject()
      copy["bits"] = 4
      object["quantization_config"] = .object(copy)
    }
    let checked = try Workflow.check(path)
    #expect(!checked.passed && checked.findings.contains { $0.subject.contains("quantization_config.bits") })
    let error = #expect(throws: ModelError.self) { _ = try RunnableModel(path) }
    #expect(error?.location.field == "quantization_config.bits", "\(error?.description ?? "")")
  }

  @Test("packed weights without an entry are one finding, and no conversion takes them")
  func noEntry() throws {
    let scratch = ScratchFolder()
    let path = try Self.changed(scratch) { object in
      for key in ["quantization", "quantization_config"] { object[key] = nil }
    }
    let errors = try Workflow.check(path).findings.filter { $0.severity == .error }
    #expect(errors.map(\.rule) == [.quantization] && errors.first?.detail.contains("group_size") == true, "\(errors)")
    let error = #expect(throws: FormatError.self) { try Workflow.convert(path, scratch["out"], to: .tritpack) }
    #expect(error?.kind == .mlx(.noEntry) && error?.location.tensor != nil)
  }
}

extension Packed {
  /// Rewrites exact weights as `mx.quantize` would have made them.
  static func damage(_ folder: String) throws {
    var file = RawModelFile(reading: folder + "/model.safetensors")
    for index in file.tensors.indices {
      var tensor = file.tensors[index]
      if tensor.name.hasSuffix(".scales") {
        // −s/2: one less in the exponent.
        tensor.bytes = stride(from: 0, to: tensor.bytes.count, by: 2).flatMap { place -> [UInt8] in
          [tensor.bytes[place], tensor.bytes[place + 1] - 4 | 0x80]
        }
      } else if tensor.name.hasSuffix(".biases") {
        tensor.bytes = stride(from: 0, to: tensor.bytes.count, by: 2).flatMap { place -> [UInt8] in
          [tensor.bytes[place], tensor.bytes[place + 1] & 0x7F]
        }
      } else if tensor.dtype == "U32" {
        let codes: [UInt8] = [3, 2, 0]
        tensor.bytes = tensor.bytes.map { byte -> UInt8 in
          [0, 2, 4, 6].reduce(0) { (word: UInt8, bit: UInt8) in word | codes[Int(byte >> bit & 3)] << bit }
        }
      }
      file.tensors[index] = tensor
    }
    Disk.write(file.serialized, folder + "/model.safetensors")
  }
}

// MARK: - Settings

extension MLXConversionTests {
  /// A setting, and keys of the output with JSON text; nil where there must be none.
  struct Stated: Sendable, CustomTestStringConvertible {
    var family: MeaningModel.Family
    var settings: [(key: String, value: String?)]
    var expected: [(key: String, value: String?)]
    var change: @Sendable (inout MeaningModel) -> Void = { _ in }

    var testDescription: String { "\(family) \(settings.map { "\($0.key): \($0.value ?? "absent")" })" }
  }

  /// As the classes of transformers 5.23 read the source, in the keys that `ModelArgs` of mlx-lm 0.32.2 reads.
  static let stated: [Stated] = [
    // mlx-lm's Llama is tied where nothing is said, transformers' is not.
    Stated(family: .llama, settings: [("tie_word_embeddings", nil)], expected: [("tie_word_embeddings", "false")]),
    Stated(family: .llama, settings: [("rms_norm_eps", nil)], expected: [("rms_norm_eps", "1e-06")]),
    Stated(family: .llama, settings: [("num_key_value_heads", nil)], expected: [("num_key_value_heads", "4")]) {
      $0.keyValueHeads = 4
    },
    Stated(family: .llama, settings: [("head_dim", nil)], expected: [("head_dim", "64")]),
    Stated(family: .llama, settings: [("hidden_act", "\"swish\"")], expected: [("hidden_act", "\"swish\"")]),
    Stated(
      family: .llama,
      settings: [
        ("rope_theta", nil),
        ("rope_parameters", "{\"rope_type\": \"linear\", \"factor\": 3.0, \"rope_theta\": 5000.0}"),
      ],
      expected: [
        ("rope_theta", "5000"), ("rope_parameters", nil), ("rope_scaling", "{\"type\": \"linear\", \"factor\": 3}"),
      ]),
    // transformers goes by rope_type, mlx-lm by type.
    Stated(
      family: .llama,
      settings: [("rope_scaling", "{\"rope_type\": \"linear\", \"type\": \"yarn\", \"factor\": 2.0}")],
      expected: [("rope_scaling", "{\"type\": \"linear\", \"factor\": 2}")]),
    // mlx-lm takes 4096 where the context is missing, transformers max_position_embeddings.
    Stated(
      family: .qwen3, settings: [("rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 4.0}")],
      expected: [
        (
          "rope_scaling",
          "{\"rope_type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 64}"
        )
      ]),
    Stated(
      family: .qwen3, settings: [("rope_theta", nil), ("max_position_embeddings", nil), ("head_dim", nil)],
      expected: [("rope_theta", "10000"), ("max_position_embeddings", "32768"), ("head_dim", "128")]
    ) { $0.headWidth = 128 },
    Stated(
      family: .miniCPM, settings: [("tie_word_embeddings", "false"), ("scale_emb", nil), ("scale_depth", nil)],
      expected: [("scale_emb", "1"), ("scale_depth", "1"), ("dim_model_base", "64"), ("max_position_embeddings", "64")]),
  ]

  private static func same(_ left: JSONValue, _ right: JSONValue) -> Bool {
    switch (left, right) {
    case (.number(let a), .number(let b)): a.double == b.double
    case (.object(let a), .object(let b)):
      a.entries.count == b.entries.count
        && a.entries.allSatisfy { entry in b[entry.key].map { same(entry.value, $0) } == true }
    default: left == right
    }
  }

  @Test("mlx-lm finds every setting where it looks, resolved as transformers resolves it", arguments: stated)
  func settings(_ item: Stated) throws {
    let scratch = ScratchFolder()
    var model = MeaningModel(item.family)
    model.settings = item.settings
    item.change(&model)
    let source = model.write(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    let written = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    for (key, text) in item.expected {
      guard let text else {
        #expect(written[key] == nil, "\(key)")
        continue
      }
      let expected = try JSONValue.parse(Array(text.utf8))
      let found = written[key] ?? .null
      #expect(Self.same(found, expected), "\(key): \(found)")
    }
    #expect(try Workflow.verify(source, scratch["mlx"]).passed)
    // The same model comes back.
    try Workflow.convert(scratch["mlx"], scratch["dense"], to: .dense)
    #expect(try Workflow.compare(scratch["mlx"], scratch["dense"]).isSame)
  }

  /// mlx-lm multiplies by `get_mscale(factor, mscale) / get_mscale(factor, mscale_all_dim)`, transformers by
  /// `attention_factor`.
  @Test("the attention factor of YaRN is said in the numbers mlx-lm reads", arguments: [0.9, 1.5, 2.25])
  func attentionFactor(_ factor: Double) throws {
    let scratch = ScratchFolder()
    var model = MeaningModel(.llama)
    model.settings = [
      (
        "rope_scaling",
        "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 16, "
          + "\"attention_factor\": \(factor)}"
      )
    ]
    let source = model.write(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    let written = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    let scaling = try #require(written["rope_scaling"]?.object)
    func scale(_ key: String) throws -> Double {
      // 0.1 · ln 4
      try #require(scaling[key]?.number?.double) * 0.138_629_436_111_989_06 + 1
    }
    #expect(abs(try scale("mscale") / scale("mscale_all_dim") - factor) < 1e-12)
    #expect(scaling["attention_factor"]?.number?.double == factor)
    #expect(try Workflow.verify(source, scratch["mlx"]).passed)
  }

  private static let long = "[" + Array(repeating: "1.5", count: 32).joined(separator: ", ") + "]"

  /// What `llama.py`, `qwen3.py`, `minicpm.py` and `rope_utils.py` of mlx-lm 0.32.2 leave out or do otherwise.
  static let refusals: [(family: MeaningModel.Family, key: String, value: String?, named: String)] = [
    (.llama, "hidden_act", "\"relu2\"", "hidden_act"), (.llama, "sliding_window", "4", "sliding_window"),
    (.llama, "rope_traditional", "true", "rope_traditional"), (.llama, "model_file", "\"a.py\"", "model_file"),
    (
      .llama, "quantization_config",
      """
      {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online", "use_rms_norm": true}
      """, "quantization_config.use_rms_norm"
    ),
    (.llama, "rope_scaling", "{\"rope_type\": \"dynamic\", \"factor\": 2.0}", "rope_scaling.rope_type"),
    (.llama, "rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"truncate\": false}", "rope_scaling"),
    (
      .llama, "rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"attention_factor\": 0.5}",
      "rope_scaling"
    ),
    (
      .qwen3, "rope_scaling",
      "{\"rope_type\": \"longrope\", \"short_factor\": \(long), \"long_factor\": \(long.replacing("1.5", with: "2")), "
        + "\"original_max_position_embeddings\": 16}", "rope_scaling"
    ),
    (
      .qwen3, "rope_scaling",
      "{\"rope_type\": \"longrope\", \"short_factor\": \(long), \"long_factor\": \(long), "
        + "\"original_max_position_embeddings\": 16, \"attention_factor\": 1.3}", "rope_scaling"
    ),
    (.qwen3, "attention_bias", "true", "attention_bias"), (.miniCPM, "head_dim", "128", "head_dim"),
    (.miniCPM, "tie_word_embeddings", "true", "tie_word_embeddings"),
    (.bitnet, "use_cache", "true", "architectures"), (.oneBit, "use_cache", "true", "architectures"),
  ]

  @Test("what mlx-lm's class does not compute is refused by its key, and nothing is written", arguments: refusals)
  func unread(_ family: MeaningModel.Family, _ key: String, _ value: String?, _ named: String) throws {
    let scratch = ScratchFolder()
    var model = MeaningModel(family)
    model.settings = [(key, value)]
    model.hasAttentionBias = key == "attention_bias"
    if key == "head_dim" { model.headWidth = 128 }
    let source = model.write(scratch["source"])
    let error = #expect(throws: ModelError.self) { try Workflow.convert(source, scratch["mlx"], to: .mlx) }
    #expect(error?.location.field == named, "\(error.map(String.init(describing:)) ?? "written")")
    #expect(error?.location.file == source + "/config.json")
    #expect(Disk.names(scratch.path) == ["source"])
  }

  @Test("one list of divisors for every text is computed as transformers computes it")
  func oneList() throws {
    let scratch = ScratchFolder()
    var model = MeaningModel(.qwen3)
    model.settings = [
      (
        "rope_scaling",
        "{\"rope_type\": \"longrope\", \"short_factor\": \(Self.long), \"long_factor\": \(Self.long), "
          + "\"original_max_position_embeddings\": 16}"
      )
    ]
    let source = model.write(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    #expect(try Workflow.verify(source, scratch["mlx"]).passed)
  }

  /// transformers goes by one entry, mlx-lm by the other.
  @Test("settings of MLX beside those of BitNet are a contradiction, and no form takes them")
  func twoPackings() throws {
    let scratch = ScratchFolder()
    let stray = try Checkpoint.changed(
      Checkpoint.bitnet, [("quantization", "{\"bits\": 2, \"group_size\": 64}")], scratch["stray"])
    #expect(try !Workflow.check(stray).passed)
    #expect(try !Workflow.compare(Checkpoint.bitnet, stray).isSame)
    for target in ConversionTarget.allCases {
      let error = #expect(throws: ModelError.self) { try Workflow.convert(stray, scratch["out"], to: target) }
      #expect(error?.location.field == "quantization_config", "\(target)")
    }
  }
}
