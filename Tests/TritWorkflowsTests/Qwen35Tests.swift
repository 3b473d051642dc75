// Tritsmith tests: Qwen3.5 in every form, and rotated.

import LibC
import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritTestSupport

@testable import TritWorkflows

/// A small ternary Qwen3.5: a delta net, then attention; one scale for each 128 inputs, in F16 as trit × scale.
private struct TernaryHybrid {
  let hidden: Int
  let inner: Int
  let head: Int
  let width: Int
  let vocabulary = 48
  let keyHeads = 2
  let valueHeads = 4
  var channels: Int { 2 * keyHeads * width + valueHeads * width }

  static let small = TernaryHybrid(hidden: 128, inner: 256, head: 32, width: 64)
  /// Rows of 512 everywhere, the smallest blocks that MLX's form of rotated weights has.
  static let wide = TernaryHybrid(hidden: 512, inner: 512, head: 128, width: 128)

  /// A matrix of trits and the scale of each group; `seed` alone says which.
  struct Matrix {
    var name: String
    var rows: Int
    var columns: Int
    var trits: [Int]
    var scales: [Float]

    init(_ name: String, _ rows: Int, _ columns: Int, _ seed: Int) {
      (self.name, self.rows, self.columns) = (name, rows, columns)
      var generator = SeededGenerator(seed: UInt64(seed))
      trits = (0..<rows * columns).map { _ in Int.random(in: -1...1, using: &generator) }
      scales = (0..<rows * columns / 128).map { _ in
        Float(Int.random(in: 1024...2047, using: &generator)) / 1024 * (columns < 200 ? 0.125 : 0.0625)
      }
    }

    var values: [Float] { trits.indices.map { Float(trits[$0]) * scales[$0 / 128] } }

    /// Words, scales and biases as MLX packs them, under a name.
    func packed(_ stem: String) -> [RawTensor] {
      var words: [UInt8] = []
      for start in stride(from: 0, to: trits.count, by: 4) {
        words.append((0..<4).reduce(UInt8(0)) { $0 | UInt8(trits[start + $1] + 1) << UInt8(2 * $1) })
      }
      let shape = [rows, columns / 128]
      return [
        RawTensor(stem + ".weight", "U32", [rows, columns / 16], words),
        RawTensor(stem + ".scales", "F16", shape, FloatBytes.f16(scales)),
        RawTensor(stem + ".biases", "F16", shape, FloatBytes.f16(scales.map { -$0 })),
      ]
    }
  }

  let matrices: [Matrix]

  init(hidden: Int, inner: Int, head: Int, width: Int) {
    (self.hidden, self.inner, self.head, self.width) = (hidden, inner, head, width)
    let channels = 2 * keyHeads * width + valueHeads * width
    let attention = 4 * head
    let shapes =
      [
        ("model.embed_tokens", vocabulary, hidden), ("lm_head", vocabulary, hidden),
        ("model.layers.0.linear_attn.in_proj_qkv", channels, hidden),
        ("model.layers.0.linear_attn.in_proj_z", valueHeads * width, hidden),
        ("model.layers.0.linear_attn.out_proj", hidden, valueHeads * width),
        ("model.layers.1.self_attn.q_proj", 2 * attention, hidden),
        ("model.layers.1.self_attn.k_proj", 2 * head, hidden), ("model.layers.1.self_attn.v_proj", 2 * head, hidden),
        ("model.layers.1.self_attn.o_proj", hidden, attention),
      ]
      + (0..<2).flatMap { layer in
        [("gate_proj", inner, hidden), ("up_proj", inner, hidden), ("down_proj", hidden, inner)].map {
          ("model.layers.\(layer).mlp.\($0.0)", $0.1, $0.2)
        }
      }
    matrices = shapes.enumerated().map { Matrix($1.0, $1.1, $1.2, $0 + 1) }
  }

  /// Everything that is no such matrix, as transformers stores it.
  var others: [RawTensor] {
    var generator = SeededGenerator(seed: 99)
    func f32(_ name: String, _ shape: [Int], _ scale: Float, _ offset: Float = 0) -> RawTensor {
      let values = (0..<shape.reduce(1, *)).map { _ in
        Float(Int.random(in: -1000...1000, using: &generator)) / 1024 * scale + offset
      }
      return RawTensor(name, "F32", shape, FloatBytes.f32(values))
    }
    let net = "model.layers.0.linear_attn."
    return [
      f32("model.norm.weight", [hidden], 0.25), f32("model.layers.0.input_layernorm.weight", [hidden], 0.25),
      f32("model.layers.0.post_attention_layernorm.weight", [hidden], 0.25),
      f32("model.layers.1.input_layernorm.weight", [hidden], 0.25),
      f32("model.layers.1.post_attention_layernorm.weight", [hidden], 0.25),
      f32("model.layers.1.self_attn.q_norm.weight", [head], 0.25),
      f32("model.layers.1.self_attn.k_norm.weight", [head], 0.25),
      f32(net + "in_proj_a.weight", [valueHeads, hidden], 0.125),
      f32(net + "in_proj_b.weight", [valueHeads, hidden], 0.125), f32(net + "A_log", [valueHeads], 1),
      f32(net + "dt_bias", [valueHeads], 0.5), f32(net + "norm.weight", [width], 0.25, 1),
      f32(net + "conv1d.weight", [channels, 1, 4], 0.5),
    ]
  }

  var configuration: String {
    """
    {"architectures": ["Qwen3_5ForCausalLM"], "model_type": "qwen3_5_text", "hidden_size": \(hidden),
     "intermediate_size": \(inner), "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
     "head_dim": \(head), "vocab_size": \(vocabulary), "max_position_embeddings": 64, "rms_norm_eps": 1e-06,
     "hidden_act": "silu", "tie_word_embeddings": false, "attention_bias": false, "full_attention_interval": 2,
     "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": \(width),
     "linear_value_head_dim": \(width), "linear_conv_kernel_dim": 4, "dtype": "float16",
     "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25,
                         "mrope_section": [\(head / 16), \(head / 32), \(head / 32)], "mrope_interleaved": true}}
    """
  }

  func write(_ folder: String) -> String {
    let dense = matrices.map {
      RawTensor($0.name + ".weight", "F16", [$0.rows, $0.columns], FloatBytes.f16($0.values))
    }
    return ModelFolderBuilder(dense + others, configuration: configuration).write(folder)
  }

  /// The same with the columns of a delta net's output where a conversion to GGUF puts them back from.
  func writeGrouped(_ folder: String) -> String {
    let dense = matrices.map { matrix -> RawTensor in
      let own = matrix.values
      var values = own
      if matrix.name.hasSuffix("out_proj") {
        for index in values.indices {
          let (row, column) = index.quotientAndRemainder(dividingBy: matrix.columns)
          values[index] = own[row * matrix.columns + turned(column)]
        }
      }
      return RawTensor(matrix.name + ".weight", "F16", [matrix.rows, matrix.columns], FloatBytes.f16(values))
    }
    return ModelFolderBuilder(dense + others, configuration: configuration).write(folder)
  }

  // MARK: - Rotated

  static func sign(_ column: Int) -> Float { column * column % 7 > 2 ? -1 : 1 }

  /// The column at which one of a delta net's output is rotated in files whose value heads take turns.
  private func turned(_ column: Int) -> Int {
    let (number, inside) = (column / width, column % width)
    return (number % 2 * 2 + number / 2) * width + inside
  }

  /// The ordinary model whose rotated weights are the trits: W = (W′·H) ∘ s, dense.
  ///
  /// - Parameter takesTurns: whether value heads are rotated in the order that GGUF has them in.
  func writeUnfolded(_ folder: String, block: Int, takesTurns: Bool = false) -> String {
    let dense = matrices.map { matrix in
      let isOutput = takesTurns && matrix.name.hasSuffix("out_proj")
      var result: [Float] = []
      let own = matrix.values
      for row in 0..<matrix.rows {
        let values = Array(own[row * matrix.columns..<(row + 1) * matrix.columns])
        var stored = values.map { Double($0) }
        if isOutput { for column in values.indices { stored[turned(column)] = Double(values[column]) } }
        Hadamard.transform(&stored, size: block)
        for column in values.indices {
          let place = isOutput ? turned(column) : column
          result.append(Float(stored[place]) * Self.sign(place))
        }
      }
      return RawTensor(matrix.name + ".weight", "F32", [matrix.rows, matrix.columns], FloatBytes.f32(result))
    }
    return ModelFolderBuilder(dense + others, configuration: configuration).write(folder)
  }

  /// The trits as weights that are rotated, in the form of MLX.
  func writeForMLX(_ folder: String) throws -> String {
    var text = try #require(try JSONValue.parse(Array(configuration.utf8)).object)
    text["architectures"] = nil
    let modules = matrices.map { matrix -> JSONValue in
      .object([
        "path": .string(matrix.name), "embedding": .bool(matrix.name.contains("embed")), "dtype": "float16",
        "block": 512,
      ])
    }
    let whole: JSONObject = [
      "model_type": "prism_hadamard_qwen35", "schema_version": 2, "tensor_namespace": "mlx-vlm-qwen3_5",
      "base_model_type": "qwen3_5", "gdn_activation_layout": "grouped",
      "quantization": .object(["bits": 2, "group_size": 128, "mode": "affine"]), "modules": .array(modules),
      "text_config": .object(text), "tie_word_embeddings": false,
    ]
    var tensors: [RawTensor] = []
    for matrix in matrices {
      tensors += matrix.packed("language_model." + matrix.name)
      let signs = (0..<matrix.columns).map { Self.sign($0) }
      tensors.append(
        RawTensor("language_model.\(matrix.name).signs", "F32", [matrix.columns], FloatBytes.f32(signs)))
    }
    for var tensor in others {
      if tensor.name.hasSuffix("norm.weight"), !tensor.name.contains("linear_attn") {
        tensor.bytes = FloatBytes.f32(LittleEndian.u32s(tensor.bytes).map { 1 + Float(bitPattern: $0) })
      }
      if tensor.name.hasSuffix("conv1d.weight") { tensor.shape = [channels, 4, 1] }
      tensor.name = "language_model." + tensor.name
      tensors.append(tensor)
    }
    let json = String(decoding: JSONValue.object(whole).serialized(), as: UTF8.self)
    return ModelFolderBuilder(tensors, configuration: json).write(folder)
  }

  /// The keys that say so in a GGUF file.
  func keys(block: Int, isGrouped: Bool) -> [MetadataEntry] {
    func entry(_ key: String, _ value: MetadataValue) -> MetadataEntry { MetadataEntry("prism.hadamard." + key, value) }
    let widths = Set(matrices.map(\.columns)).sorted()
    let names = matrices.compactMap { matrix -> String? in
      let module = Qwen35().modules.first { matrix.name.hasSuffix($0.path) }
      guard let module, module.part != .embedding else { return nil }
      let layer = matrix.name.split(separator: ".").dropFirst(2).first.flatMap { Int($0) }
      return ModulePlace(module, layer: layer, piece: .weight).storedName
    }
    return [
      entry("version", .uint32(1)), entry("block_size", .uint32(UInt32(block))),
      entry("transform", .string("normalized-sylvester-walsh-hadamard")),
      entry("axis", .string("input-last-dimension")), entry("sign_mode", .string("explicit")),
      entry("sign_widths", .array(.int32(widths.map { Int32($0) }))),
      entry("sign_values", .array(.int32(widths.flatMap { (0..<$0).map { Int32(Self.sign($0)) } }))),
      entry("weight_names", .array(.string(names))),
      entry("inverse_weight_names", .array(.string(["token_embd.weight"]))),
      entry("gdn_v_grouped", .bool(isGrouped)), entry("tied_output", .bool(false)),
    ]
  }
}

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
    let error = #expect(throws: (any Error).self) { try Self.logits(path) }
    #expect(error is any DiagnosticError)
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
    for path in [scratch["q2.gguf"], scratch["mlx"]] {
      #expect(try Self.distance(expected, Self.logits(path)) < 1e-5, "\(path)")
      #expect(try Workflow.verify(source, path).tensors.allSatisfy { $0.outcome != .differs }, "\(path)")
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
  }
}
