// Tritsmith tests: tiny random models of every family, with settings to be changed.

import TritConversion
import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers
import TritSurvey
import TritTestSupport

/// A packed or latent model of one or two layers that a forward pass runs in a millisecond.
package struct MeaningModel {
  package enum Family: String, CaseIterable, Sendable {
    case llama = "LlamaForCausalLM"
    case bitnet = "BitNetForCausalLM"
    case oneBit = "BitnetForCausalLM"
    case qwen3 = "Qwen3ForCausalLM"
    case miniCPM = "MiniCPMForCausalLM"

    /// Families of packed BitNet models, which every setting is tried on; the others have settings of their own.
    package static let bitNets: [Family] = [.llama, .bitnet, .oneBit]

    package var modelType: String {
      switch self {
      case .llama, .oneBit: "llama"
      case .bitnet: "bitnet"
      case .qwen3: "qwen3"
      case .miniCPM: "minicpm"
      }
    }
  }

  package static let hidden = 256
  package static let inner = 256
  package static let vocabulary = 24

  package var family: Family
  package var layers = 1
  package var heads = 4
  package var keyValueHeads = 2
  package var headWidth = 64
  package var hasHead = true
  package var hasAttentionBias = false
  package var hasFeedForwardBias = false
  /// Keys of `config.json` with JSON text; nil takes the key out.
  package var settings: [(key: String, value: String?)] = []

  package init(_ family: Family) { self.family = family }

  /// Numbers of a linear congruential generator (Numerical Recipes).
  private static func states(_ count: Int, _ seed: Int) -> [UInt32] {
    var state = UInt32(truncatingIfNeeded: seed) &* 2_654_435_761 &+ 12345
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return state >> 8
    }
  }

  /// Numbers from −1 to 1.
  private static func numbers(_ count: Int, _ seed: Int) -> [Float] {
    states(count, seed).map { Float(Int($0 % 2001) - 1000) / 1000 }
  }

  /// Latents whose mean magnitude is 1/16 exactly, so that no type a scale is stored in rounds it: of each two, one of
  /// 3/32 and one of 1/32, which absmean makes ±1 and 0.
  private static func latents(_ count: Int, _ seed: Int) -> [Float] {
    let states = states(count, seed)
    return states.indices.map { index in
      let isLarge = (states[index & ~1] & 1 == 0) == (index & 1 == 0)
      return (isLarge ? 0.09375 : 0.03125) * (states[index] & 2 == 0 ? 1 : -1)
    }
  }

  private var configuration: String {
    var keys: [(key: String, value: String?)] = [
      ("architectures", "[\"\(family.rawValue)\"]"), ("model_type", "\"\(family.modelType)\""),
      ("hidden_size", "\(MeaningModel.hidden)"), ("intermediate_size", "\(MeaningModel.inner)"),
      ("num_hidden_layers", "\(layers)"), ("num_attention_heads", "\(heads)"),
      ("num_key_value_heads", "\(keyValueHeads)"), ("head_dim", "\(headWidth)"),
      ("vocab_size", "\(MeaningModel.vocabulary)"), ("max_position_embeddings", "64"), ("rms_norm_eps", "1e-05"),
      ("rope_theta", "10000.0"), ("hidden_act", family == .bitnet ? "\"relu2\"" : "\"silu\""),
      ("tie_word_embeddings", "false"), ("torch_dtype", "\"bfloat16\""), ("bos_token_id", "1"), ("eos_token_id", "2"),
    ]
    if family == .miniCPM {
      // Sums a sixteenth as large are added, and a Float has no digits to spare for the noise of another order.
      keys += [("scale_emb", "12"), ("scale_depth", "1.4"), ("dim_model_base", "64")]
    }
    if family != .oneBit {
      keys.append(
        (
          "quantization_config",
          """
          {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}
          """
        ))
    }
    for (key, value) in settings {
      if let index = keys.firstIndex(where: { $0.key == key }) {
        keys[index].value = value
      } else {
        keys.append((key, value))
      }
    }
    return "{" + keys.compactMap { key, value in value.map { "\"\(key)\": \($0)" } }.joined(separator: ", ") + "}"
  }

  private var tensors: [RawTensor] {
    var result: [RawTensor] = []
    func add(_ name: String, _ shape: [Int], _ scale: Float = 1, _ offset: Float = 0) {
      let values = MeaningModel.numbers(shape.reduce(1, *), result.count + 1).map {
        BFloat16.rounded($0 * scale + offset)
      }
      result.append(RawTensor(name, "BF16", shape, FloatBytes.bf16(values)))
    }
    let (h, f, v) = (MeaningModel.hidden, MeaningModel.inner, MeaningModel.vocabulary)
    let (q, k) = (heads * headWidth, keyValueHeads * headWidth)
    add("model.embed_tokens.weight", [v, h])
    for layer in 0..<layers {
      let prefix = "model.layers.\(layer)."
      func project(_ name: String, _ rows: Int, _ columns: Int, _ hasBias: Bool) {
        let latents = MeaningModel.latents(rows * columns, result.count + 1)
        result.append(RawTensor(prefix + name + ".weight", "BF16", [rows, columns], FloatBytes.bf16(latents)))
        if hasBias { add(prefix + name + ".bias", [rows], 0.5) }
      }
      add(prefix + "input_layernorm.weight", [h], 0.2, 1)
      project("self_attn.q_proj", q, h, hasAttentionBias)
      project("self_attn.k_proj", k, h, hasAttentionBias)
      project("self_attn.v_proj", k, h, hasAttentionBias)
      project("self_attn.o_proj", h, q, hasAttentionBias)
      add(prefix + "post_attention_layernorm.weight", [h], 0.2, 1)
      project("mlp.gate_proj", f, h, hasFeedForwardBias)
      project("mlp.up_proj", f, h, hasFeedForwardBias)
      project("mlp.down_proj", h, f, hasFeedForwardBias)
      switch family {
      case .llama, .miniCPM: break
      case .qwen3:
        add(prefix + "self_attn.q_norm.weight", [headWidth], 0.3, 1)
        add(prefix + "self_attn.k_norm.weight", [headWidth], 0.3, 1)
      case .bitnet:
        add(prefix + "self_attn.attn_sub_norm.weight", [q], 0.2, 1)
        add(prefix + "mlp.ffn_sub_norm.weight", [f], 0.2, 1)
      case .oneBit:
        add(prefix + "self_attn.inner_attn_ln.weight", [q], 0.2, 1)
        add(prefix + "mlp.ffn_layernorm.weight", [f], 0.2, 1)
      }
    }
    add("model.norm.weight", [h], 0.2, 1)
    if hasHead { add("lm_head.weight", [v, h], 0.2) }
    return result
  }

  @discardableResult
  package func write(_ folder: String) -> String {
    ModelFolderBuilder(tensors, configuration: configuration).write(folder)
  }
}

/// What became of a conversion.
package enum Meaning: Equatable {
  case refused
  /// Written, and the largest difference of logits to the source's, relative to the largest logit.
  case written(Double)

  /// Targets that take every family.
  package static let targets: [ConversionTarget] = [.hfPacked, .tritpack, .gguf]

  /// Converts and compares logits of six tokens in reference arithmetic.
  ///
  /// - Parameter expected: the source's logits where they are known; computed otherwise.
  package static func convert(
    _ source: String, _ output: String, _ target: ConversionTarget, expected: [Float]? = nil,
    _ change: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> Meaning {
    do {
      try Workflow.convert(source, output, to: target) {
        $0.quantizer = QuantizerID(rawValue: "absmean-float32")
        $0.gguf.embeddings = .f32
        // The other convention sums in another order, and a step of int8 more or less is no float noise.
        $0.outputConvention = .multiply
        change(&$0)
      }
    } catch let error as any DiagnosticError {
      // The audit finding a fault would mean that the plan let a wrong model be written.
      if error.summary.contains("audit") { throw error }
      return .refused
    }
    let (left, right) = (try expected ?? logits(source), try logits(output))
    let largest = left.reduce(0) { max($0, abs(Double($1))) }
    let change = zip(left, right).reduce(0) { max($0, abs(Double($1.0) - Double($1.1))) }
    return .written(left.count == right.count && left.allSatisfy(\.isFinite) ? change / max(largest, 1e-30) : .infinity)
  }

  package static func logits(_ path: String) throws -> [Float] {
    let model = try RunnableModel(path, RunOptions(threads: 1))
    let ids = [1, 5, 17, 3, 20, 9]
    return try model.session(for: ids.count).logits(ids)
  }
}

/// A GGUF file with other keys, its tensors byte for byte.
package enum ChangedGGUF {
  @discardableResult
  package static func write(
    _ source: String, _ output: String, adding more: [(GGUFTensor, [UInt8])] = [],
    _ change: (inout [MetadataEntry]) -> Void = { _ in }
  ) throws -> String {
    let file = try FormatRegistry.open(source)
    var entries = file.manifest.entries
    change(&entries)
    let tensors =
      try file.manifest.tensors.map { tensor -> (GGUFTensor, [UInt8]) in
        let bytes = try file.withBytes(0..<tensor.location.byteCount, of: tensor) { span in
          span.withUnsafeBytes { Array($0) }
        }
        let type: UInt32
        switch tensor.encoding {
        case .dense(.f32): type = 0
        case .dense(.f16): type = 1
        case .dense(.bf16): type = 30
        case .ternary(TQ2_0.id): type = 35
        case .ternary(Q2_0.id): type = 42
        default: preconditionFailure("\(tensor.encoding) is not written by these tests")
        }
        return (GGUFTensor(name: tensor.name, shape: tensor.shape, type: type, byteCount: bytes.count), bytes)
      } + more
    let staging = try StagedOutput(.file, at: output, replacing: false)
    let sink = try GGUFSink(plan: GGUFPlan(entries: entries, tensors: tensors.map(\.0)), staging: staging)
    for (tensor, bytes) in tensors { try sink.write(bytes.span.bytes, to: tensor.name, at: 0) }
    try sink.finish()
    try staging.commit()
    return output
  }
}
