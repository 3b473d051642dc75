// Tritsmith tests: a small ternary Qwen3.5, ordinary and rotated.

import Testing
import TritCore
import TritModel
import TritTestSupport

/// A small ternary Qwen3.5: a delta net, then attention; one scale for each 128 inputs, in F16 as trit × scale.
package struct TernaryHybrid {
  package let hidden: Int
  package let inner: Int
  package let head: Int
  package let width: Int
  package let vocabulary = 48
  package let keyHeads = 2
  package let valueHeads = 4
  package var channels: Int { 2 * keyHeads * width + valueHeads * width }

  package static let small = TernaryHybrid(hidden: 128, inner: 256, head: 32, width: 64)
  /// Rows of 512 everywhere, the smallest blocks that MLX's form of rotated weights has.
  package static let wide = TernaryHybrid(hidden: 512, inner: 512, head: 128, width: 128)

  /// A matrix of trits and the scale of each group; `seed` alone says which.
  package struct Matrix {
    package var name: String
    package var rows: Int
    package var columns: Int
    package var trits: [Int]
    package var scales: [Float]

    package init(_ name: String, _ rows: Int, _ columns: Int, _ seed: Int) {
      (self.name, self.rows, self.columns) = (name, rows, columns)
      var generator = SeededGenerator(seed: UInt64(seed))
      trits = (0..<rows * columns).map { _ in Int.random(in: -1...1, using: &generator) }
      scales = (0..<rows * columns / 128).map { _ in
        Float(Int.random(in: 1024...2047, using: &generator)) / 1024 * (columns < 200 ? 0.125 : 0.0625)
      }
    }

    package var values: [Float] { trits.indices.map { Float(trits[$0]) * scales[$0 / 128] } }

    /// Words, scales and biases as MLX packs them, under a name.
    package func packed(_ stem: String) -> [RawTensor] {
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

  package let matrices: [Matrix]

  package init(hidden: Int, inner: Int, head: Int, width: Int) {
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
  package var others: [RawTensor] {
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

  package var configuration: String {
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

  package func write(_ folder: String) -> String {
    let dense = matrices.map {
      RawTensor($0.name + ".weight", "F16", [$0.rows, $0.columns], FloatBytes.f16($0.values))
    }
    return ModelFolderBuilder(dense + others, configuration: configuration).write(folder)
  }

  /// The same with the columns of a delta net's output where a conversion to GGUF puts them back from.
  package func writeGrouped(_ folder: String) -> String {
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

  package static func sign(_ column: Int) -> Float { column * column % 7 > 2 ? -1 : 1 }

  /// The column at which one of a delta net's output is rotated in files whose value heads take turns.
  private func turned(_ column: Int) -> Int {
    let (number, inside) = (column / width, column % width)
    return (number % 2 * 2 + number / 2) * width + inside
  }

  /// The ordinary model whose rotated weights are the trits: W = (W′·H) ∘ s, dense.
  ///
  /// - Parameter takesTurns: whether value heads are rotated in the order that GGUF has them in.
  package func writeUnfolded(_ folder: String, block: Int, takesTurns: Bool = false) -> String {
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
  package func writeForMLX(_ folder: String) throws -> String {
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
  package func keys(block: Int, isGrouped: Bool) -> [MetadataEntry] {
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
