// Tritsmith tests: gated delta nets, and the forms their checkpoints come in.

import LibC
import Testing
import TritCore
import TritFormats
import TritKernels
import TritModel
import TritTestSupport

@testable import TritInference

@Suite("Gated delta nets")
struct DeltaNetTests {
  private static let shape = DeltaNetShape(
    keyHeads: 2, valueHeads: 6, keyDimension: 5, valueDimension: 3, convolution: 4)

  private static func numbers(_ count: Int, _ seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
  }

  /// The rule as it is defined, a state of Doubles for one head.
  @Test("the rule is its definition")
  func rule() throws {
    let shape = Self.shape
    let tokens = 9
    let engine = try InferenceEngine(threads: 2)
    let mixed = Self.numbers(tokens * shape.channels, 1)
    let decay = Self.numbers(tokens * shape.valueHeads, 2).map { -abs($0) }
    let rate = Self.numbers(tokens * shape.valueHeads, 3).map { abs($0) }
    var state = DeltaState(shape)
    var found = [Float](repeating: 0, count: tokens * shape.valueWidth)
    engine.deltaRule(mixed, logDecay: decay, rate: rate, shape, &state, tokens: tokens, into: &found)
    for head in 0..<shape.valueHeads {
      var memory = [[Double]](repeating: [Double](repeating: 0, count: 3), count: 5)
      for token in 0..<tokens {
        func part(_ first: Int, _ count: Int) -> [Double] {
          (0..<count).map { Double(mixed[token * shape.channels + first + $0]) }
        }
        func unit(_ x: [Double]) -> [Double] {
          let size = (x.reduce(0) { $0 + $1 * $1 } + 1e-6).squareRoot()
          return x.map { $0 / size }
        }
        // Three value heads share a key head.
        let q = unit(part(head / 3 * 5, 5)).map { $0 / 5.0.squareRoot() }
        let k = unit(part(10 + head / 3 * 5, 5))
        let v = part(20 + head * 3, 3)
        let (g, b) = (Double(decay[token * 6 + head]), Double(rate[token * 6 + head]))
        for row in 0..<5 { for column in 0..<3 { memory[row][column] *= exp(g) } }
        let known = (0..<3).map { column in (0..<5).reduce(0) { $0 + memory[$1][column] * k[$1] } }
        for row in 0..<5 { for column in 0..<3 { memory[row][column] += k[row] * b * (v[column] - known[column]) } }
        for column in 0..<3 {
          let wanted = (0..<5).reduce(0) { $0 + memory[$1][column] * q[$1] }
          #expect(abs(Double(found[(token * 6 + head) * 3 + column]) - wanted) <= 1e-6)
        }
      }
    }
  }

  @Test("the convolution sees the tokens of the call before", arguments: [1, 2, 3, 7])
  func convolution(_ first: Int) throws {
    let shape = Self.shape
    let (tokens, channels) = (8, Self.shape.channels)
    let engine = try InferenceEngine(threads: 2)
    let x = Self.numbers(tokens * channels, 4)
    let weight = Self.numbers(channels * 4, 5)
    var state = DeltaState(shape)
    var found: [Float] = []
    for range in [0..<first, first..<tokens] {
      var part = [Float](repeating: 0, count: range.count * channels)
      engine.deltaConvolution(
        Array(x[range.lowerBound * channels..<range.upperBound * channels]), weight: weight, shape, &state,
        tokens: range.count, into: &part)
      found += part
    }
    for token in 0..<tokens {
      for channel in 0..<channels {
        let sum = (0..<4).reduce(0.0) { sum, place in
          let source = token + place - 3
          return source < 0 ? sum : sum + Double(weight[channel * 4 + place]) * Double(x[source * channels + channel])
        }
        #expect(abs(Double(found[token * channels + channel]) - sum / (1 + exp(-sum))) <= 1e-6)
      }
    }
  }

  @Test("a basis is changed by the definition of H, and back", arguments: [1, 4, 8])
  func basis(_ block: Int) throws {
    let engine = try InferenceEngine(threads: 2)
    let signs: [Float] = [1, -1, 1, 1, -1, -1, 1, -1]
    let order = [2, 3, 0, 1, 7, 6, 5, 4]
    let x = Self.numbers(24, 6)
    var turned = [Float](repeating: 0, count: 24)
    engine.changeBasis(x, rows: 3, columns: 8, block: block, signs: signs, order: order, .into, into: &turned)
    for row in 0..<3 {
      for column in 0..<8 {
        let first = column / block * block
        let sum = (0..<block).reduce(0.0) {
          $0 + Hadamard.entry(row: $1, column: column - first, size: block) * Double(signs[first + $1])
            * Double(x[row * 8 + order[first + $1]])
        }
        #expect(abs(Double(turned[row * 8 + column]) - sum) <= 1e-6)
      }
    }
    var back = [Float](repeating: 0, count: 24)
    engine.changeBasis(turned, rows: 3, columns: 8, block: block, signs: signs, order: order, .outOf, into: &back)
    #expect(Difference(back, x).largest <= 1e-6)
  }

  @Test("value heads take turns in GGUF")
  func order() throws {
    // Two key heads with three value heads of two rows each, behind four rows of keys.
    let order = try #require(RowPermutation(rows: 16, behind: 4, groups: 2, heads: 6))
    #expect((0..<16).map(order.row(ofStored:)) == [0, 1, 2, 3, 4, 5, 10, 11, 6, 7, 12, 13, 8, 9, 14, 15])
    #expect((0..<16).allSatisfy { order.row(ofStored: order.storedRow(of: $0)) == $0 })
    #expect(RowPermutation(rows: 16, behind: 4, groups: 2, heads: 5) == nil)
    #expect(RowPermutation(rows: 15, behind: 4, groups: 2, heads: 6) == nil)
  }

  @Test("patterns of layers")
  func patterns() {
    #expect(LayerPattern([.deltaNet, .deltaNet, .deltaNet, .attention]) == .every(4))
    #expect(LayerPattern([.attention, .attention]) == .every(1))
    let odd: [LayerKind] = [.deltaNet, .attention, .attention, .deltaNet]
    #expect(LayerPattern(odd) == .listed(odd) && LayerPattern(odd).kind(ofLayer: 3) == .deltaNet)
  }

  // MARK: - Sessions

  @Test("a session that is cut back goes on as if it had never been longer", arguments: ArithmeticMode.allCases)
  func truncated(_ mode: ArithmeticMode) throws {
    let scratch = ScratchFolder()
    let loaded = try LoadedModel(FamilyReferenceTests.write("qwen35", in: scratch))
    let ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    let whole = try loaded.session(mode).logits(ids)
    let width = loaded.model.configuration.vocabularySize
    let session = try loaded.session(mode)
    _ = try session.logits(Array(ids.prefix(6)) + [7, 7, 7])
    session.truncate(to: 6)
    #expect(try session.logits(Array(ids.dropFirst(6))) == Array(whole.dropFirst(6 * width)))
    session.reset()
    #expect(try session.logits(ids) == whole)
    // After an error nothing of the call is left.
    session.truncate(to: 4)
    struct Stop: Error {}
    #expect(throws: Stop.self) { try session.prefill([8, 8], logits: .all) { _, _ in throw Stop() } }
    #expect(session.position == 4)
    #expect(try session.logits(Array(ids.dropFirst(4))) == Array(whole.dropFirst(4 * width)))
  }

  // MARK: - Forms of a checkpoint

  /// The checkpoint as mlx-lm leaves it inside of a class with a vision tower, or as transformers does.
  private static func compound(_ folder: String, _ output: String, isForMLX: Bool) throws -> String {
    var file = RawModelFile(reading: folder + "/model.safetensors")
    for index in file.tensors.indices {
      var tensor = file.tensors[index]
      let isHead = tensor.name.hasPrefix("lm_head")
      if isForMLX {
        if tensor.name.hasSuffix("norm.weight") && !tensor.name.hasSuffix("linear_attn.norm.weight") {
          tensor.bytes = FloatBytes.f32(FloatBytes.bf16Values(tensor.bytes).map { 1 + $0 })
          tensor.dtype = "F32"
        }
        if tensor.name.hasSuffix("conv1d.weight") { tensor.shape = [tensor.shape[0], tensor.shape[2], 1] }
        tensor.name = "language_model." + tensor.name
      } else if !isHead {
        tensor.name = "model.language_model." + tensor.name.dropFirst("model.".count)
      }
      file.tensors[index] = tensor
    }
    file.tensors.append(RawTensor(isForMLX ? "vision_tower.a" : "model.visual.a", "F32", [1], [0, 0, 0, 0]))
    file.tensors.append(RawTensor("mtp.norm.weight", "F32", [1], [0, 0, 0, 0]))
    var text = try #require(try json(folder + "/config.json").object)
    let ties = text["tie_word_embeddings"]
    text["architectures"] = nil
    let whole: JSONObject = [
      "architectures": .array(["Qwen3_5ForConditionalGeneration"]), "model_type": "qwen3_5",
      "text_config": .object(text), "vision_config": .object(["depth": 1]), "image_token_id": 7,
      "tie_word_embeddings": ties ?? false,
    ]
    Disk.makeFolder(output)
    Disk.write(JSONValue.object(whole).serialized(), output + "/config.json")
    Disk.write(file.serialized, output + "/model.safetensors")
    return output
  }

  @Test("a compound checkpoint, for transformers or MLX, is the text model", arguments: [false, true])
  func compound(_ isForMLX: Bool) throws {
    let scratch = ScratchFolder()
    let plain = FamilyReferenceTests.write("qwen35", in: scratch)
    let path = try Self.compound(plain, scratch["compound"], isForMLX: isForMLX)
    let view = try #require(try CheckpointView(FormatRegistry.open(path)))
    #expect(view.manifest.notes.count { $0.contains("no part of the text model") } == 2)
    #expect(ArchitectureRegistry.className(in: view.manifest.configuration) == "Qwen3_5ForCausalLM")
    let (description, other) = try (
      ModelDescription.read(view), ModelDescription.read(FormatRegistry.open(plain))
    )
    #expect(description.differences(from: other).isEmpty)
    let ids = [3, 1, 4, 1, 5, 9, 2, 6]
    let found = try LoadedModel(path).session(.reference).logits(ids)
    #expect(try LoadedModel(plain).session(.reference).logits(ids) == found)
    // Without the view the description is the same, and the tensors are not those it names.
    #expect(try ModelDescription.read(FormatRegistry.open(path)).deltaNet == other.deltaNet)
  }

  @Test(
    "what stands around a text model must be its own class, with its part",
    arguments: [
      ("architectures", "[\"Qwen3_5MoeForConditionalGeneration\"]", "architectures"),
      ("model_type", "\"qwen3_5_text\"", "model_type"), ("text_config", "null", "text_config"),
      ("text_config", "[]", "text_config"), ("tie_word_embeddings", "true", "tie_word_embeddings"),
      ("hidden_size", "64", "hidden_size"),
    ])
  func around(_ key: String, _ value: String, _ field: String) throws {
    let scratch = ScratchFolder()
    let plain = FamilyReferenceTests.write("qwen35", in: scratch)
    let path = try Self.compound(plain, scratch["compound"], isForMLX: false)
    var object = try #require(try json(path + "/config.json").object)
    #expect(throws: Never.self) { try HuggingFaceDescription.read(object, file: "config.json") }
    object[key] = try JSONValue.parse(Array(value.utf8))
    let error = #expect(throws: ModelError.self) { try HuggingFaceDescription.read(object, file: "config.json") }
    #expect(error?.location.field == field && error?.remedy != nil, "\(error as Any)")
  }

  @Test(
    "settings that would be another model are errors",
    arguments: [
      ("full_attention_interval", "3", "full_attention_interval"), ("attn_output_gate", "false", "attn_output_gate"),
      ("linear_num_value_heads", "5", "linear_num_value_heads"),
      ("linear_conv_kernel_dim", "1", "linear_conv_kernel_dim"),
      ("layer_types", "[\"full_attention\"]", "layer_types"), ("mamba_ssm_dtype", "\"bfloat16\"", "mamba_ssm_dtype"),
      (
        "layer_types",
        "[\"linear_attention\", \"sliding_attention\", \"linear_attention\", \"full_attention\"]", "layer_types"
      ),
      ("partial_rotary_factor", "0.3", "partial_rotary_factor"), ("use_gates", "true", "use_gates"),
    ])
  func settings(_ key: String, _ value: String, _ field: String) throws {
    let scratch = ScratchFolder()
    let folder = FamilyReferenceTests.write("qwen35", in: scratch)
    var object = try #require(try json(folder + "/config.json").object)
    object[key] = try JSONValue.parse(Array(value.utf8))
    do {
      let description = try HuggingFaceDescription.read(object, file: "config.json")
      // Another interval asks for other tensors.
      #expect(key == "full_attention_interval" && description.kind(ofLayer: 2) == .attention)
    } catch {
      #expect(error.location.field == field, "\(error)")
    }
  }
}

/// The trained model of shared material, where it is at hand: TRITSMITH_QWEN35 names its folder.
@Suite("The trained Qwen3.5 agrees with transformers", .enabled(if: Fixtures.trainedQwen35 != nil))
struct TrainedQwen35Tests {
  private static let folder = Fixtures.trainedQwen35 ?? ""
  private static let reference = folder + "/reference/unpacked"

  /// How the reference calls states that have other names here.
  private static let names = [
    "block0.linear_attn.out_proj.input": "block0.linear_attn.gated",
    "block3.self_attn.o_proj.input": "block3.self_attn.gated",
  ]

  @Test("hidden states and logits")
  func states() throws {
    let loaded = try LoadedModel(Self.folder + "/mlx-2bit")
    let hidden = try ReferenceFile(Self.reference + "/hidden_prompt0.safetensors")
    let logits = try ReferenceFile(Self.reference + "/logits.safetensors")
    let recorder = Recorder()
    for index in 0..<2 {
      let session = try loaded.session(.reference)
      let found = try session.logits(
        logits.integers("prompt\(index).ids"), observer: index == 0 ? recorder : Recorder())
      #expect(Difference(found, try logits.floats("prompt\(index).logits")).largest <= 5e-4)
    }
    for name in hidden.names {
      let found = try #require(recorder.states[Self.names[name] ?? name], "no state \(name)")
      let wanted = try hidden.floats(name)
      let largest = wanted.reduce(0) { max($0, abs($1)) }
      #expect(Difference(found, wanted).largest <= 1e-4 * largest, "\(name)")
    }
  }

  @Test("perplexity to four digits, and greedy tokens where margins allow")
  func perplexity() throws {
    let loaded = try LoadedModel(Self.folder + "/mlx-2bit")
    let ids = try ReferenceFile(Self.folder + "/reference/perplexity_ids.safetensors").integers("ids")
    let found = try loaded.model.perplexity(
      of: ids, bos: nil, .chunked(window: 256), mode: .reference, engine: loaded.engine)
    #expect(abs(found.perplexity - 26.27615868825263) < 5e-4)
    let list = try #require(try json(Self.reference + "/greedy.json").array)
    let prompts = try #require(try json(Self.folder + "/reference/prompts.json").array)
    for (entry, prompt) in zip(list.compactMap(\.object), prompts.compactMap(\.object)) {
      let start = try #require(prompt["ids"]?.integers)
      let wanted = try #require(entry["new_ids"]?.integers)
      let margins = try #require(entry["top2_margin"]?.doubles)
      let session = try loaded.session(.reference)
      var row = try session.prefill(start)
      for (token, margin) in zip(wanted, margins) {
        if margin > 1e-3 { #expect(argmax(row[...]) == token) }
        row = try session.step(token)
      }
    }
  }
}
