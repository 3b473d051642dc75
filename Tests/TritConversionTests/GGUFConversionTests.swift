// Tritsmith: checkpoints into GGUF files and back.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

/// The hash of falcon-e-tiny's trits and scales that numpy gives (`Docs/Numerics.md`).
private let falconCodeStream = "4967c5e4083cceb77785709353c3dacab7076dcf68a1c2809ad4aacd06453f95"

@Suite("GGUF keeps every trit and scale")
struct GGUFConversionTests {
  @Test("latents → GGUF → packed is what quantize_to_1bit wrote, bit for bit", arguments: GGUFStyle.all)
  func falcon(_ style: GGUFStyle) throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.prequantized, scratch["model.gguf"], style)
    // The order an I2_S file was written in stands in it, so that reading it back needs no flag.
    try Workflow.convert(scratch["model.gguf"], scratch["packed"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["packed"], Checkpoint.bitnet) == [])
    let result = try Workflow.compare(Checkpoint.bitnet, scratch["model.gguf"])
    #expect(result.isSame && result.structure.isEmpty)
    #expect(result.firstHash?.description == falconCodeStream && result.secondHash?.description == falconCodeStream)
    let verified = try VerifyWorkflow(
      source: ModelOpener.open(Checkpoint.prequantized), converted: ModelOpener.open(scratch["model.gguf"]),
      request: VerifyRequest()
    ).run()
    #expect(verified.passed && verified.modelHash?.description == falconCodeStream)
  }

  @Test("a negative scale among codes is refused by its place")
  func negativeScale() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(
      Checkpoint.bitnet, scratch["model.gguf"], try #require(GGUFStyle.all.first { $0.weights == .tq2 }))
    let tensor = try #require(
      FormatRegistry.open(scratch["model.gguf"]).manifest.tensors.first { $0.encoding == .ternary(TQ2_0.id) })
    // Of the second block: 64 bytes of codes, then the scale; −1.
    let place = Int(tensor.location.offset) + 66 + 64
    var bytes = Disk.bytes(scratch["model.gguf"])
    bytes.replaceSubrange(place..<place + 2, with: littleEndianBytes(0xBC00 as UInt16))
    Disk.write(bytes, scratch["changed.gguf"])
    let error = #expect(throws: FormatError.self) {
      try FormatRegistry.open(scratch["changed.gguf"]).scale(of: tensor)
    }
    guard case .badScale? = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.location.byteOffset == UInt64(place) && error?.location.tensor == tensor.name)
  }

  @Test("b1.58 packed → GGUF → packed is the packed checkpoint, bit for bit", arguments: GGUFStyle.all)
  func bitnet(_ style: GGUFStyle) throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.packed, scratch["model.gguf"], style)
    try Workflow.convert(scratch["model.gguf"], scratch["packed"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["packed"], Checkpoint.packed) == [])
    let result = try Workflow.compare(Checkpoint.packed, scratch["model.gguf"])
    #expect(result.isSame && result.firstHash == result.secondHash && result.firstHash != nil)
  }

  @Test("a model gives the same tensors whatever it comes from")
  func sources() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch["model.tritpack"], to: .tritpack)
    try Workflow.gguf(Checkpoint.bitnet, scratch["reference.gguf"])
    let reference = try ggufTensors(scratch["reference.gguf"])
    for (index, path) in [Checkpoint.prequantized, Checkpoint.sharded, scratch["model.tritpack"]].enumerated() {
      let output = scratch["\(index).gguf"]
      try Workflow.gguf(path, output)
      let tensors = try ggufTensors(output)
      #expect(tensors.map(\.name) == reference.map(\.name))
      for (tensor, expected) in zip(tensors, reference) {
        #expect(tensor.bytes == expected.bytes, "\(path) \(tensor.name)")
      }
    }
  }

  @Test("already ternary weights are taken as they are, in every type", arguments: GGUFStyle.all)
  func alreadyTernary(_ style: GGUFStyle) throws {
    let scratch = ScratchFolder()
    // A dense checkpoint holds bf16(1/s), of which f16 is another number than f16(1/s): the same model all the same.
    let result = try Workflow.gguf(Checkpoint.bfloat16, scratch["model.gguf"], style)
    #expect(result.recognised.count == 28)
    #expect(try Workflow.compare(scratch["model.gguf"], Checkpoint.bfloat16).isSame)
    let comparison = try Workflow.compare(scratch["model.gguf"], Checkpoint.bitnet)
    #expect(comparison.isSame && comparison.firstHash?.description == falconCodeStream)
    try Workflow.convert(scratch["model.gguf"], scratch["packed"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["packed"], Checkpoint.bitnet) == [])
  }

  @Test("GGUF → dense, TritPack and another GGUF keep the code stream")
  func onward() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.bitnet, scratch["a.gguf"], GGUFStyle(weights: .tq1))
    try Workflow.convert(scratch["a.gguf"], scratch["dense"], to: .dense)
    try Workflow.convert(scratch["a.gguf"], scratch["a.tritpack"], to: .tritpack)
    try Workflow.gguf(scratch["a.gguf"], scratch["b.gguf"], GGUFStyle(weights: .i2s, order: .rows4))
    for path in ["dense", "a.tritpack", "b.gguf"] {
      let result = try Workflow.compare(scratch[path], Checkpoint.bitnet)
      #expect(result.firstHash?.description == falconCodeStream, "\(path)")
      #expect(result.structure.isEmpty && result.tensors.allSatisfy { $0.count == 0 }, "\(path)")
    }
    // Back as packed from the dense folder: what onebitllms wrote.
    try Workflow.convert(scratch["dense"], scratch["packed"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["packed"], Checkpoint.bitnet) == [])
  }

  /// f16(1/s), held as Float, is the inverse of no bfloat16 s: the s it was made from is at most half a place of F16 off.
  @Test("numbers of a dense Float file get the divisors they were made from, and the rounding is said")
  func floatNumbers() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.bitnet, scratch["a.gguf"], GGUFStyle(weights: .tq2))
    try Workflow.gguf(scratch["a.gguf"], scratch["float.gguf"], GGUFStyle(weights: .f32))
    for (name, target) in [("packed", ConversionTarget.hfPacked), ("a.tritpack", .tritpack)] {
      try Workflow.convert(scratch["float.gguf"], scratch[name], to: target)
      #expect(try Workflow.compare(Checkpoint.bitnet, scratch[name]).secondHash?.description == falconCodeStream)
      let verified = try Workflow.verify(scratch["float.gguf"], scratch[name])
      #expect(verified.passed)
      let changes = verified.tensors.compactMap { $0.scaleRounding?.relative }
      #expect(!changes.isEmpty && changes.allSatisfy { $0 > 0 && $0 <= 0x1p-11 }, "\(name)")
    }
  }

  @Test("the golden file of gguf-py, tensor by tensor", arguments: [GGUFWeightType.tq2])
  func golden(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let golden = Fixtures.golden("gguf/llama256_\(weights.rawValue.lowercased()).gguf")
    try Workflow.gguf(Fixtures.golden("models/llama256_packed"), scratch["model.gguf"], GGUFStyle(weights: weights)) {
      $0.gguf.embeddings = .f16
      $0.gguf.hasTokenizer = false
    }
    let written = Dictionary(uniqueKeysWithValues: try ggufTensors(scratch["model.gguf"]).map { ($0.name, $0) })
    let expected = try ggufTensors(golden)
    #expect(written.count == expected.count)
    for tensor in expected {
      let found = try #require(written[tensor.name])
      #expect(found.type == tensor.type && found.bytes == tensor.bytes, "\(tensor.name)")
    }
    let file = try GGUFSource(path: golden).manifest
    let own = try GGUFSource(path: scratch["model.gguf"]).manifest
    for entry in file.entries where entry.key.hasPrefix("llama.") {
      #expect(own.entry(entry.key) == entry.value, "\(entry.key)")
    }
    for key in ["general.architecture", "general.file_type", "general.quantization_version"] {
      #expect(own.entry(key) == file.entry(key), "\(key)")
    }
    // gguf-py's file has a list of tokens and the checkpoint no tokenizer; the golden is one of weights and sizes.
    let result = try Workflow.compare(
      golden, Fixtures.golden("models/llama256_packed"), request: CompareRequest(parts: [.weights]))
    #expect(result.isSame && result.firstHash == result.secondHash)
    // The list has an end token of its own, 257, and the configuration names token 1.
    #expect(result.parts[.description]?.differences.map(\.key) == ["eos_token_id"])
  }

  @Test("embeddings and head in the type asked for", arguments: GGUFEmbeddingType.allCases)
  func embeddings(_ type: GGUFEmbeddingType) throws {
    let scratch = ScratchFolder()
    let result = try Workflow.gguf(Checkpoint.bitnet, scratch["model.gguf"]) { $0.gguf.embeddings = type }
    let tensors = try GGUFSource(path: scratch["model.gguf"]).manifest.tensors
    for name in ["token_embd.weight", "output.weight"] {
      #expect(tensors.first { $0.name == name }?.encoding.name == type.rawValue.uppercased())
    }
    // F16 has fewer exponents than bfloat16, blocks fewer digits; what they change is told.
    let isRounding = type == .q8 || type == .q6 || type == .f16
    #expect(result.rounded.contains { $0.name == "output.weight" } == isRounding)
    let comparison = try Workflow.compare(Checkpoint.bitnet, scratch["model.gguf"])
    #expect(comparison.isSame)
    #expect(comparison.tensors.contains { $0.outcome == .rounded && $0.name == "lm_head.weight" } == isRounding)
  }

  @Test("a scale that no f16 number stands for is refused by TQ and kept by I2_S")
  func tinyScale() throws {
    let scratch = ScratchFolder()
    var model = ModelFolderBuilder(
      RawModelFile.tensors(ofFolder: Checkpoint.bitnet), configuration: Disk.text(Checkpoint.bitnet + "/config.json"))
    let name = "model.layers.1.mlp.up_proj.weight"
    // 1/2^26 lies where f16 has no normal numbers, 1/99840 where it has but few digits.
    model.file[name + "_scale"].bytes = FloatBytes.bf16([99840])
    let folder = model.write(scratch["in"])
    for weights in [GGUFWeightType.tq1, .tq2] {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.gguf(folder, scratch["out.gguf"], GGUFStyle(weights: weights))
      }
      #expect(error?.description.contains(name) == true)
    }
    #expect(Disk.names(scratch.path) == ["in"])
    try Workflow.gguf(folder, scratch["out.gguf"], GGUFStyle(weights: .i2s))
    try Workflow.convert(scratch["out.gguf"], scratch["back"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["back"], folder) == [])
  }
}

@Suite("GGUF plans")
struct GGUFPlanTests {
  /// A latent model whose down projections have rows of 192, which no layout but rows4 holds.
  private func misfit(_ folder: String) throws -> String {
    func matrix(_ name: String, _ rows: Int, _ columns: Int) -> RawTensor {
      let values = TinyModel.values(rows * columns, seed: UInt32(name.utf8.count))
      return RawTensor(name, "BF16", [rows, columns], FloatBytes.bf16(values))
    }
    let block = "model.layers.0."
    var tensors = [matrix("model.embed_tokens.weight", 16, 256), matrix("lm_head.weight", 16, 256)]
    for name in ["model.norm", block + "input_layernorm", block + "post_attention_layernorm"] {
      tensors.append(RawTensor(name + ".weight", "BF16", [256], FloatBytes.bf16([Float](repeating: 1, count: 256))))
    }
    for (name, rows, columns) in [
      ("self_attn.q_proj", 256, 256), ("self_attn.k_proj", 128, 256), ("self_attn.v_proj", 128, 256),
      ("self_attn.o_proj", 256, 256), ("mlp.gate_proj", 192, 256), ("mlp.up_proj", 192, 256),
      ("mlp.down_proj", 256, 192),
    ] { tensors.append(matrix(block + name + ".weight", rows, columns)) }
    return ModelFolderBuilder(
      tensors,
      configuration: """
        {"architectures": ["LlamaForCausalLM"], "hidden_size": 256, "intermediate_size": 192, "num_hidden_layers": 1,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 128,
         "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "vocab_size": 16, "hidden_act": "silu"}
        """
    ).write(folder)
  }

  @Test(
    "tensors that do not fit are named and nothing is written, or stored dense when asked",
    arguments: [
      GGUFWeightType.tq1, .tq2, .i2s,
    ])
  func misfits(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let folder = try misfit(scratch["in"])
    let name = "model.layers.0.mlp.down_proj.weight"
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.plan(folder, to: .gguf) { $0.gguf.weights = weights }
    }
    #expect(error?.description.contains(name) == true && error?.description.contains("192") == true)
    #expect(throws: WorkflowError.self) {
      try Workflow.gguf(folder, scratch["out.gguf"], GGUFStyle(weights: weights))
    }
    #expect(Disk.names(scratch.path) == ["in"])
    let plan = try Workflow.plan(folder, to: .gguf) {
      $0.gguf.weights = weights
      $0.gguf.misfits = .dense
    }
    #expect(plan.warnings.contains { $0.contains(name) && $0.contains("F16") })
    #expect(plan.tensors.first { $0.source.name == name }?.encoding == .dense(.f16))
    try Workflow.gguf(folder, scratch["out.gguf"], GGUFStyle(weights: weights)) { $0.gguf.misfits = .dense }
    try Workflow.convert(folder, scratch["packed"], to: .hfPacked)
    let result = try Workflow.compare(scratch["packed"], scratch["out.gguf"])
    #expect(result.isSame && result.firstHash == result.secondHash)
  }

  @Test("many tensors that do not fit are told once, with a layout that takes their rows")
  func manyMisfits() throws {
    let scratch = ScratchFolder()
    // Rows of 192: no multiple of 256, and a multiple of 64. Those of 512 fit.
    let model = RandomModel(family: .llama, width: 192, inner: 512, layers: 4)
    model.builder.write(scratch["in"])
    let error = #expect(throws: WorkflowError.self) { try Workflow.plan(scratch["in"], to: .gguf) }
    #expect(error?.summary.contains("rows of all fit Q2_0)") == true)
    // Three of six kinds, each of four layers.
    let named = error?.summary.contains("model.layers.0–3.") == true && error?.summary.contains("and 12 more") == true
    #expect(named && error?.summary.contains("layers.0.") == false, "\(error?.summary ?? "")")
    let plan = try Workflow.plan(scratch["in"], to: .gguf) { $0.gguf.misfits = .dense }
    let warning = try #require(plan.warnings.first { $0.contains("F16") })
    let start = "24 tensors do not fit TQ2_0 and are stored as F16: 6 kinds in each of 4 layers, such as model.layers."
    #expect(warning.hasPrefix(start) && warning.contains("rows of 192)") && warning.count < 250, "\(warning)")
  }

  @Test("rows4 holds rows of any length")
  func rows4() throws {
    let scratch = ScratchFolder()
    let folder = try misfit(scratch["in"])
    try Workflow.gguf(folder, scratch["out.gguf"], GGUFStyle(weights: .i2s, order: .rows4))
    try Workflow.convert(scratch["out.gguf"], scratch["back"], to: .hfPacked)
    try Workflow.convert(folder, scratch["packed"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["back"], scratch["packed"]) == [])
  }

  @Test("what the type does to scales is told", arguments: [GGUFWeightType.tq2, .i2s])
  func scaleRounding(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let result = try Workflow.gguf(Checkpoint.bitnet, scratch["model.gguf"], GGUFStyle(weights: weights))
    let json = try JSONValue.parse(Array(JSONRenderer().text(of: result.report).utf8)).object?["result"]?.object
    let count = try #require(json?["rounded_scales"]?.number?.integer)
    let largest = try #require(json?["largest_scale_change"]?.number?.double)
    // f32(1/s) is what a divisor s means; f16 has 11 significant bits.
    if weights == .i2s { #expect(count == 0 && largest == 0) }
    if weights == .tq2 { #expect(count > 0 && largest > 0 && largest <= 0x1p-11) }
  }

  @Test("metadata of falcon-e-tiny, key by key")
  func metadata() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.prequantized, scratch["model.gguf"])
    let manifest = try GGUFSource(path: scratch["model.gguf"]).manifest
    // Values of config.json and of the tokenizer's files, as llama.cpp's loader wants them.
    let expected: [(String, MetadataValue)] = [
      ("general.architecture", .string("llama")), ("general.type", .string("model")),
      ("general.file_type", .uint32(37)), ("general.quantization_version", .uint32(2)),
      ("llama.block_count", .uint32(4)), ("llama.embedding_length", .uint32(256)),
      ("llama.feed_forward_length", .uint32(768)), ("llama.attention.head_count", .uint32(4)),
      ("llama.attention.head_count_kv", .uint32(2)), ("llama.attention.key_length", .uint32(64)),
      ("llama.attention.value_length", .uint32(64)), ("llama.rope.dimension_count", .uint32(64)),
      ("llama.attention.layer_norm_rms_epsilon", .float32(1e-6)), ("llama.rope.freq_base", .float32(1_000_042)),
      ("llama.vocab_size", .uint32(2048)), ("tokenizer.ggml.model", .string("gpt2")),
      ("tokenizer.ggml.add_bos_token", .bool(false)),
    ]
    for (key, value) in expected { #expect(manifest.entry(key) == value, "\(key)") }
    let json = try #require(JSONValue.parse(Disk.bytes(Checkpoint.prequantized + "/tokenizer.json")).object)
    let vocab = try #require(json["model"]?.object?["vocab"]?.object)
    let tokens = try #require(manifest.entry("tokenizer.ggml.tokens")?.strings)
    #expect(tokens.count == 2048)
    for entry in vocab.entries { #expect(tokens[try #require(entry.value.number?.integer)] == entry.key) }
    #expect(manifest.entry("tokenizer.ggml.merges")?.array?.count == json["model"]?.object?["merges"]?.array?.count)
    let types = try #require(manifest.entry("tokenizer.ggml.token_type")?.integers)
    for token in json["added_tokens"]?.array?.compactMap(\.object) ?? [] {
      let id = try #require(token["id"]?.number?.integer)
      #expect(tokens[id] == token["content"]?.string && types[id] == (token["special"]?.bool == true ? 3 : 4))
    }
  }

  @Test("the pre-tokenizer's name is the user's where one is given, and nothing else changes")
  func preTokenizer() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.bitnet, scratch["a.gguf"])
    try Workflow.gguf(Checkpoint.bitnet, scratch["b.gguf"]) { $0.gguf.preTokenizer = "pixtral" }
    let (a, b) = (try GGUFSource(path: scratch["a.gguf"]).manifest, try GGUFSource(path: scratch["b.gguf"]).manifest)
    let differing = zip(a.entries, b.entries).filter { $0.0.value != $0.1.value }.map { $0.0.key }
    #expect(a.entries.count == b.entries.count)
    #expect(Set(differing).subtracting(["tritsmith.recipe"]) == ["tokenizer.ggml.pre"])
    #expect(b.entry("tokenizer.ggml.pre") == .string("pixtral"))
    // A name of another rule is said, and the file holds what the name does not stand for.
    let told = try Workflow.gguf(Checkpoint.bitnet, scratch["c.gguf"]) { $0.gguf.preTokenizer = "falcon_e" }
    #expect(told.plan.warnings.contains { $0.contains("'falcon_e' is not known to llama.cpp") })
    let c = try GGUFSource(path: scratch["c.gguf"]).manifest
    #expect(c.entry("tokenizer.ggml.pre") == .string("falcon_e") && c.entries.count == a.entries.count + 1)
  }

  @Test("b1.58: names of the sub-norms, no permutation, a tied head left out")
  func bitnet() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.packed, scratch["model.gguf"])
    let manifest = try GGUFSource(path: scratch["model.gguf"]).manifest
    #expect(manifest.entry("general.architecture") == .string("bitnet-b1.58"))
    let names = manifest.tensors.map(\.name)
    #expect(names.contains("blk.1.attn_sub_norm.weight") && names.contains("blk.1.ffn_sub_norm.weight"))
    #expect(!names.contains("output.weight"))
    let packed = RawModelFile.tensors(ofFolder: Checkpoint.packed)
    let query = packed[name: "model.layers.0.self_attn.q_proj.weight"].unpackedTrits
    let source = try GGUFSource(path: scratch["model.gguf"])
    let tensor = try #require(source.manifest.tensor(named: "blk.0.attn_q.weight"))
    let rows = try #require(
      try IndependentDecoder.trits(tensor.shape.band(0..<tensor.shape.rows), of: tensor, in: source))
    #expect(rows == query)
  }
}
