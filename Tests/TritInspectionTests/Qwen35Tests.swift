// Tritsmith tests: Qwen3.5 in every form, and rotated.

import LibC
import Testing
import TritCore
import TritFormats
import TritInference
import TritLayouts
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Qwen3.5")
struct Qwen35Tests {
  private static func logits(_ source: any TensorSource) throws -> [Float] {
    let options = RunOptions(threads: 1)
    let model = try RunnableModel(source, options, engine: options.engine())
    let ids = [1, 5, 17, 3, 20, 9, 9, 31]
    return try model.session(for: ids.count).logits(ids)
  }

  private static func logits(_ path: String) throws -> [Float] {
    try logits(ModelOpener.toRun(path, OpenOptions()))
  }

  /// The largest difference as a share of the largest logit.
  private static func distance(_ left: [Float], _ right: [Float]) -> Float {
    guard left.count == right.count else { return .infinity }
    let largest = left.reduce(0) { max($0, abs($1)) }
    return zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest
  }

  @Test("to GGUF and back: the same model, every tensor where llama.cpp wants it")
  func gguf() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    let result = try Workflow.convert(source, scratch["model.gguf"], to: .gguf) {
      $0.gguf.weights = .f32
      $0.gguf.hasTokenizer = false
    }
    #expect(result.audit.passed)
    let file = try FormatRegistry.open(scratch["model.gguf"])
    let tensors = RawModelFile.tensors(ofFolder: source)
    func stored(_ name: String) throws -> [Float] {
      let tensor = try #require(file.manifest.tensor(named: name), "\(name)")
      return try file.withBytes(0..<tensor.location.byteCount, of: tensor) { DenseValues.floats($0, .f32) }
    }
    func given(_ name: String) throws -> [Float] {
      let tensor = try #require(tensors.first { $0.name == name })
      return DenseValues.floats(tensor.bytes.span.bytes, tensor.dtype == "F32" ? .f32 : .f16)
    }
    let net = "model.layers.0.linear_attn."
    #expect(try stored("blk.0.attn_norm.weight") == given("model.layers.0.input_layernorm.weight").map { 1 + $0 })
    #expect(try stored("blk.0.ssm_norm.weight") == given(net + "norm.weight"))
    // Two key heads with two value heads each: 0, 2, 1, 3.
    let order = [0, 2, 1, 3]
    let (a, log) = try (stored("blk.0.ssm_a"), given(net + "A_log"))
    for (place, head) in order.enumerated() {
      #expect(abs(a[place] + Float(exp(Double(log[head])))) <= abs(a[place]) * 1e-6)
    }
    #expect(try stored("blk.0.ssm_dt.bias") == order.map { try given(net + "dt_bias")[$0] })
    let (z, ownZ) = try (stored("blk.0.attn_gate.weight"), given(net + "in_proj_z.weight"))
    let (out, ownOut) = try (stored("blk.0.ssm_out.weight"), given(net + "out_proj.weight"))
    for (place, head) in order.enumerated() {
      // Heads have 64 rows of 128 columns here, and 64 columns in the 128 rows of the output.
      let isHead = z[place * 8192..<(place + 1) * 8192].elementsEqual(ownZ[head * 8192..<(head + 1) * 8192])
      #expect(isHead)
      for row in 0..<128 {
        let (found, wanted) = (row * 256 + 64 * place, row * 256 + 64 * head)
        let isEqual = out[found..<found + 64].elementsEqual(ownOut[wanted..<wanted + 64])
        #expect(isEqual)
      }
    }
    let convolution = try #require(file.manifest.tensor(named: "blk.0.ssm_conv1d.weight"))
    #expect(convolution.shape.dimensions == [512, 4] && convolution.encoding == .dense(.f32))
    #expect(file.manifest.entry("qwen35.attention.recurrent_layers") == .array(.bool([true, false])))
    #expect(file.manifest.entry("qwen35.rope.dimension_count")?.integer == 8)
    #expect(try Self.distance(Self.logits(source), Self.logits(scratch["model.gguf"])) < 1e-5)
    #expect(try Workflow.verify(source, scratch["model.gguf"]).tensors.allSatisfy { $0.outcome != .differs })
    // Again from GGUF: the numbers that stand for others are not rounded once more.
    try Workflow.convert(scratch["model.gguf"], scratch["again.gguf"], to: .gguf) { $0.gguf.weights = .f32 }
    let again = try FormatRegistry.open(scratch["again.gguf"])
    for tensor in file.manifest.tensors {
      let other = try #require(again.manifest.tensor(named: tensor.name))
      let bytes = try [(file, tensor), (again, other)].map { source, tensor in
        try source.withBytes(0..<tensor.location.byteCount, of: tensor) { span in span.withUnsafeBytes { Array($0) } }
      }
      #expect(bytes[0] == bytes[1] && tensor.shape == other.shape, "\(tensor.name)")
    }
  }

  @Test(
    "a key that is not known, or sizes that are none, are refused",
    arguments: [
      ("qwen35.ssm.unknown", MetadataValue.uint32(1)), ("qwen35.ssm.inner_size", .uint32(16)),
      ("qwen35.ssm.time_step_rank", .uint32(3)), ("qwen35.rope.dimension_sections", .array(.int32([1, 1, 1, 1]))),
      ("qwen35.attention.recurrent_layers", .array(.bool([true]))),
      // The list says delta net, attention.
      ("qwen35.full_attention_interval", .uint32(1)), ("qwen35.nextn_predict_layers", .uint32(1)),
      ("prism.Hadamard.version", .uint32(1)), ("prism.hadamard", .uint32(1)),
    ])
  func keys(_ key: String, _ value: MetadataValue) throws {
    let scratch = ScratchFolder()
    try Workflow.convert(TernaryHybrid.small.write(scratch["source"]), scratch["model.gguf"], to: .gguf) {
      $0.gguf.weights = .f32
      $0.gguf.hasTokenizer = false
    }
    let path = try ChangedGGUF.write(scratch["model.gguf"], scratch["changed.gguf"]) { entries in
      entries.removeAll { $0.key == key }
      entries.append(MetadataEntry(key, value))
    }
    let error = #expect(throws: (any Error).self) { try Self.logits(path) } as? any DiagnosticError
    #expect(error?.location.file == path && error?.remedy != nil, "\(error as Any)")
    #expect(error?.location.field == key || error?.location.tensor?.contains("layers.1") == true, "\(error as Any)")
  }

  @Test(
    "a text in pieces has the logits of one call, past a chunk of the forward pass", arguments: [1, 7, 127, 128, 149])
  func pieces(_ size: Int) throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(TernaryHybrid.small.write(scratch["short"]))
    model.replace("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 256")
    let source = model.write(scratch["source"])
    try Workflow.convert(source, scratch["q2.gguf"], to: .gguf) {
      $0.gguf.weights = .q2
      $0.gguf.hasTokenizer = false
    }
    let ids = (0..<150).map { $0 * 37 % 48 }
    for (path, mode) in [
      (source, ArithmeticMode.reference), (scratch["q2.gguf"], .reference), (scratch["q2.gguf"], .fast),
    ] {
      let options = RunOptions(mode: mode, threads: 2)
      let loaded = try RunnableModel(ModelOpener.toRun(path, OpenOptions()), options, engine: options.engine())
      let whole = try loaded.session(for: ids.count).logits(ids)
      let session = try loaded.session(for: ids.count)
      var parts: [Float] = []
      for start in stride(from: 0, to: ids.count, by: size) {
        parts += try session.logits(Array(ids[start..<min(ids.count, start + size)]))
      }
      // Float's last bits of sums in another order.
      #expect(Self.distance(whole, parts) < 1e-5, "\(path) \(mode)")
    }
  }

  @Test("layers behind the model's are left out where they draft tokens, and are no surplus of a wrong count")
  func drafting() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(TernaryHybrid.small.write(scratch["source"]), scratch["model.gguf"], to: .gguf) {
      $0.gguf.weights = .f32
      $0.gguf.hasTokenizer = false
    }
    func set(_ entries: inout [MetadataEntry], _ values: [(String, MetadataValue)]) {
      for (key, value) in values {
        entries.removeAll { $0.key == "qwen35." + key }
        entries.append(MetadataEntry("qwen35." + key, value))
      }
    }
    // Names of a drafting block of llama.cpp.
    let more = try ["blk.2.nextn.eh_proj.weight", "blk.2.attn_q.weight"].map { name in
      (
        GGUFTensor(name: name, shape: try #require(TensorShape([2, 4])), type: 0, byteCount: 32),
        [UInt8](repeating: 0, count: 32)
      )
    }
    let drafts = try ChangedGGUF.write(scratch["model.gguf"], scratch["drafts.gguf"], adding: more) {
      set(
        &$0,
        [
          ("block_count", .uint32(3)), ("nextn_predict_layers", .uint32(1)),
          ("attention.recurrent_layers", .array(.bool([true, false, false]))),
        ])
    }
    #expect(try ModelOpener.open(drafts).manifest.notes.contains { $0.contains("2 tensors of a head that drafts") })
    #expect(try Self.logits(drafts) == Self.logits(scratch["model.gguf"]))
    // Without its last layer the file would be a sound one of another model.
    let short = try ChangedGGUF.write(scratch["model.gguf"], scratch["short.gguf"]) {
      set(&$0, [("block_count", .uint32(1)), ("attention.recurrent_layers", .array(.bool([true])))])
      $0.removeAll { $0.key == "qwen35.full_attention_interval" }
    }
    #expect(throws: ModelError.self) { try Self.logits(short) }
    let found = try Workflow.check(short)
    let errors = found.findings.filter { $0.severity == .error }
    #expect(!errors.isEmpty && errors.allSatisfy { $0.rule == .unusedTensor }, "\(found.findings)")
  }

  @Test("a vision tower is listed, and left out of conversions to a text model with a note")
  func vision() throws {
    let scratch = ScratchFolder()
    let plain = TernaryHybrid.small.write(scratch["source"])
    var model = ChangedModel(plain)
    for index in model.file.tensors.indices where !model.file.tensors[index].name.hasPrefix("lm_head") {
      let name = model.file.tensors[index].name
      model.file.tensors[index].name = "model.language_model." + name.dropFirst("model.".count)
    }
    let tower = ["model.visual.patch_embed.proj.weight", "model.visual.blocks.0.norm1.weight"]
    model.file.tensors += tower.map { RawTensor($0, "F32", [2], FloatBytes.f32([1, 2])) }
    model.configuration = """
      {"architectures": ["Qwen3_5ForConditionalGeneration"], "model_type": "qwen3_5", "image_token_id": 7,
       "vision_config": {"depth": 1}, "tie_word_embeddings": false, "text_config": \(model.configuration)}
      """
    let path = model.write(scratch["compound"])
    func speaks(_ text: String) -> Bool { text.contains("2 tensors of its vision tower") }
    let seen = try Workflow.inspect(path)
    #expect(seen.manifest.notes.contains(where: speaks))
    #expect(tower.allSatisfy { seen.manifest.tensor(named: $0) != nil })
    let targets: [(name: String, target: ConversionTarget)] = [
      ("a.gguf", .gguf), ("mlx", .mlx), ("a.tritpack", .tritpack),
    ]
    for (name, target) in targets {
      let result = try Workflow.convert(path, scratch[name], to: target) {
        $0.gguf.weights = .f32
        $0.gguf.hasTokenizer = false
      }
      #expect(result.plan.warnings.contains(where: speaks), "\(name): \(result.plan.warnings)")
      let output = try FormatRegistry.open(scratch[name])
      #expect(!output.manifest.tensors.contains { $0.name.contains("visual") })
      #expect(try Self.distance(Self.logits(plain), Self.logits(scratch[name])) < 1e-5, "\(name)")
    }
  }

  @Test("packed for GGUF and MLX, a ternary one stays the same model")
  func ternary() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    let expected = try Self.logits(source)
    try Workflow.convert(source, scratch["q2.gguf"], to: .gguf) {
      $0.gguf.weights = .q2
      $0.gguf.hasTokenizer = false
    }
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    // Groups of two sizes: the columns of a delta net's output are in turns of 64.
    try Workflow.convert(scratch["q2.gguf"], scratch["groups"], to: .mlx)
    // What was made of a GGUF is held against it: A_log is the logarithm of an exponential there.
    for (origin, made) in [(source, "q2.gguf"), (source, "mlx"), (scratch["q2.gguf"], "groups")] {
      let path = scratch[made]
      #expect(try Self.distance(expected, Self.logits(path)) < 1e-5, "\(path)")
      #expect(try Workflow.verify(origin, path).tensors.allSatisfy { $0.outcome != .differs }, "\(path)")
    }
    // Two value heads of 64 columns that come to stand together have scales of their own.
    #expect(throws: WorkflowError.self) {
      try Workflow.convert(source, scratch["pq2.gguf"], to: .gguf) {
        $0.gguf.weights = .pq2
        $0.gguf.hasTokenizer = false
      }
    }
  }

  @Test(
    "every form of the trained model has the tensors and the logits of the reference",
    .enabled(if: Fixtures.trainedQwen35 != nil))
  func trained() throws {
    let scratch = ScratchFolder()
    let folder = try #require(Fixtures.trainedQwen35)
    let source = folder + "/mlx-2bit"
    for (name, target) in [("dense", ConversionTarget.dense), ("mlx", .mlx)] {
      try Workflow.convert(source, scratch[name], to: target)
    }
    for (name, weights) in [("f16.gguf", GGUFWeightType.f16), ("q2.gguf", .q2)] {
      try Workflow.convert(source, scratch[name], to: .gguf) { $0.gguf.weights = weights }
    }
    let reference = try JSONValue.parse(Disk.bytes(folder + "/reference/tensor_stats.json"))
    let stated = try #require(reference.object?["unpacked"]?.object)
    let tensors = RawModelFile.tensors(ofFolder: scratch["dense"])
    #expect(tensors.count == stated.entries.count)
    for tensor in tensors {
      let entry = try #require(stated[tensor.name]?.object)
      // Norms come out of 1 + w as F32.
      let isWider = tensor.dtype == "F32" && entry["dtype"] == "float16"
      let bytes = isWider ? FloatBytes.f16(DenseValues.floats(tensor.bytes.span.bytes, .f32)) : tensor.bytes
      #expect(entry["sha256"]?.string == SHA256.digest(of: bytes).description, "\(tensor.name)")
    }
    let logits = RawModelFile(reading: folder + "/reference/unpacked/logits.safetensors").tensors
    let ids = try #require(logits.first { $0.name == "prompt1.ids" })
    let wanted = try #require(logits.first { $0.name == "prompt1.logits" })
    let expected = DenseValues.floats(wanted.bytes.span.bytes, .f32)
    for name in ["dense", "mlx", "f16.gguf", "q2.gguf"] {
      let options = RunOptions(threads: 1)
      let model = try RunnableModel(ModelOpener.toRun(scratch[name], OpenOptions()), options, engine: options.engine())
      let list = LittleEndian.u32s(ids.bytes).map { Int($0) }
      let found = try model.session(for: list.count).logits(list)
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 5e-4 } && found.count == expected.count, "\(name)")
    }
  }

  @Test("mlx-lm finds its class, and every setting inside of text_config; layers at no regular distance are refused")
  func settingsForMLX() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    let file = source + "/config.json"
    let stated = try #require(try JSONValue.parse(Disk.bytes(file)).object)
    var listed = stated
    listed["full_attention_interval"] = nil
    listed["layer_types"] = .array(["linear_attention", "full_attention"])
    Disk.write(JSONValue.object(listed).serialized(), file)
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    let whole = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    #expect(whole["model_type"] == "qwen3_5" && whole["architectures"] == .array(["Qwen3_5ForConditionalGeneration"]))
    #expect(whole["tie_word_embeddings"] == false && whole["quantization"]?.object?["bits"] == 2)
    let text = try #require(whole["text_config"]?.object)
    // Its own default is 100000, and it reads theta nowhere else.
    let rotary = try #require(text["rope_parameters"]?.object)
    for entry in stated["rope_parameters"]?.object?.entries ?? [] {
      #expect(rotary[entry.key] == entry.value, "\(entry.key): \(rotary)")
    }
    #expect(rotary["rope_theta"]?.number?.double == 10000 && text["rope_theta"] == nil)
    #expect(text["full_attention_interval"] == 2 && text["quantization"] == nil)
    listed["layer_types"] = .array(["full_attention", "linear_attention"])
    Disk.write(JSONValue.object(listed).serialized(), file)
    #expect(throws: ModelError.self) { try Workflow.convert(source, scratch["other"], to: .mlx) }
    // What stands outside of the text model's part has no place in a folder of the text model.
    for (key, value) in [("tie_word_embeddings", JSONValue.bool(true)), ("rope_theta", 5)] {
      var other = whole
      other[key] = value
      Disk.write(JSONValue.object(other).serialized(), scratch["mlx"] + "/config.json")
      for target in [ConversionTarget.dense, .tritpack] {
        #expect("\(key)") {
          try Workflow.convert(scratch["mlx"], scratch["no"], to: target)
        } throws: {
          ($0 as? ModelError)?.location.field?.contains(key) == true
        }
      }
    }
  }

  @Test("rotated weights of MLX's form stay packed, and compute what the unfolded ones do")
  func rotatedForMLX() throws {
    let scratch = ScratchFolder()
    let path = try TernaryHybrid.wide.writeForMLX(scratch["mlx"])
    let expected = try Self.logits(TernaryHybrid.wide.writeUnfolded(scratch["ordinary"], block: 512))
    let kept = try ModelOpener.toRun(path, OpenOptions())
    #expect(kept.manifest.tensors.count { $0.encoding.isTernary } == 15)
    #expect(try Self.distance(expected, Self.logits(kept)) < 1e-4)
    #expect(try Self.distance(expected, Self.logits(ModelOpener.open(path))) < 1e-4)
    #expect(try Workflow.inspect(path).manifest.notes.contains { $0.contains("rotated") })
    #expect(throws: ModelError.self) { try Workflow.convert(path, scratch["a.gguf"], to: .gguf) }
    let dense = try Workflow.convert(path, scratch["dense"], to: .dense) {
      $0.unfolds = true
      $0.denseType = .f32
    }
    #expect(dense.audit.passed)
    #expect(try Self.distance(expected, Self.logits(scratch["dense"])) < 1e-4)
  }

  /// mlx-lm refuses each: an extra tensor of signs, or a module of another kind.
  @Test(
    "a list of rotated modules that the tensors contradict is refused", arguments: ["left out", "block", "embedding"])
  func lyingModules(_ lie: String) throws {
    let scratch = ScratchFolder()
    let path = try TernaryHybrid.wide.writeForMLX(scratch["mlx"])
    var whole = try #require(try JSONValue.parse(Disk.bytes(path + "/config.json")).object)
    var modules = try #require(whole["modules"]?.array)
    var module = try #require(modules[4].object)
    switch lie {
    case "block": module["block"] = 0
    case "embedding": module["embedding"] = true
    default: break
    }
    if lie == "left out" { modules.remove(at: 4) } else { modules[4] = .object(module) }
    whole["modules"] = .array(modules)
    Disk.write(JSONValue.object(whole).serialized(), path + "/config.json")
    let error = #expect(throws: ModelError.self) { _ = try ModelOpener.open(path) }
    #expect(error?.location.field == "modules" && error?.category == .malformedInput, "\(error?.description ?? "")")
    let checked = try Workflow.check(path)
    #expect(checked.findings.map(\.rule) == [.rotation] && !checked.passed)
  }

  @Test("rotated weights of a GGUF file, value heads in either order", arguments: [false, true])
  func rotated(_ isGrouped: Bool) throws {
    let scratch = ScratchFolder()
    let model = TernaryHybrid.small
    // Rotated in Hugging Face's order, columns stand in that order in the file, which a conversion would change.
    let plain = isGrouped ? model.writeGrouped(scratch["source"]) : model.write(scratch["source"])
    try Workflow.convert(plain, scratch["plain.gguf"], to: .gguf) {
      $0.gguf.weights = .f16
      $0.gguf.hasTokenizer = false
      $0.recipe = nil
    }
    let path = try ChangedGGUF.write(scratch["plain.gguf"], scratch["rotated.gguf"]) {
      $0 += model.keys(block: 64, isGrouped: isGrouped)
    }
    let ordinary = model.writeUnfolded(scratch["ordinary"], block: 64, takesTurns: !isGrouped)
    let expected = try Self.logits(ordinary)
    #expect(try Self.distance(expected, Self.logits(ModelOpener.open(path))) < 1e-4)
    #expect(try Self.distance(expected, Self.logits(path)) < 1e-4)
    // Without its keys it is another model, and a sibling tells which.
    #expect(try Self.distance(expected, Self.logits(scratch["plain.gguf"])) > 1e-2)
    var hints: [String] = []
    let pair = try ModelOpener.openPair(
      (scratch["plain.gguf"], OpenOptions()), (ordinary, OpenOptions()), hints: &hints)
    let result = try CompareWorkflow(first: pair.0, second: pair.1, request: CompareRequest()).run()
    #expect(result.hints.contains { $0.contains("unfolding explains") })
    // So does the twin that has its keys.
    hints = []
    let twins = try ModelOpener.openPair(
      (scratch["plain.gguf"], OpenOptions()), (path, OpenOptions()), hints: &hints)
    let beside = try CompareWorkflow(first: twins.0, second: twins.1, request: CompareRequest()).run()
    #expect(beside.hints.contains { $0.contains("unfolding explains") && $0.contains("plain.gguf holds") })
  }
}
