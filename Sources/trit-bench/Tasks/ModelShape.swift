// Tritsmith: shapes of generated models.

import CommandLineKit
import TritCore
import TritFormats

/// A model to generate: Llama-shaped latents, unpacked trits of a Qwen3, or packed trits of the hybrid under Bonsai 2.
enum ModelShape: String, CaseIterable, ExpressibleByArgument {
  /// Falcon-E-1B-like: 1.594 billion parameters, 3.19 GB.
  case falcon1B = "falcon-1b"
  /// 0.25 billion parameters, 0.5 GB.
  case mid
  /// 8 million parameters, for trying things out.
  case tiny
  /// Bonsai-1.7B-like: Qwen3 with a tied embedding, all of it F16 trit · scale, one scale for 128: 3.4 GB.
  case bonsai17B = "bonsai-1.7b"
  /// The same with 9 million parameters.
  case bonsaiTiny = "bonsai-tiny"
  /// Qwen3.5-9B-like, packed for MLX with random trits: 2.5 GB.
  case hybrid9B = "hybrid-9b"
  /// A hybrid of 5 million parameters.
  case hybridTiny = "hybrid-tiny"

  /// What a generated tensor holds.
  enum Content {
    case normal(deviation: Double)
    /// 16-bit numbers of one pattern.
    case constant(UInt16)
    /// Two-bit codes below 3, four to a byte.
    case trits
    /// Half precision trit · scale, a scale for each group of 128.
    case unpackedTrits
    /// Small Floats, all the same: a tensor of zeros is what a damaged file holds.
    case small
  }

  struct Sizes {
    var hidden, layers, feedForward, heads, keyValueHeads, headWidth, vocabulary: Int
    /// Key heads, value heads and their width in delta nets; nil where every layer has attention.
    var deltaNet: (keyHeads: Int, valueHeads: Int, width: Int)?
  }

  var sizes: Sizes {
    switch self {
    case .falcon1B:
      Sizes(
        hidden: 2048, layers: 24, feedForward: 8192, heads: 16, keyValueHeads: 4, headWidth: 128, vocabulary: 32768)
    case .mid:
      Sizes(hidden: 1024, layers: 12, feedForward: 4096, heads: 8, keyValueHeads: 2, headWidth: 128, vocabulary: 32768)
    case .tiny:
      Sizes(hidden: 256, layers: 4, feedForward: 768, heads: 4, keyValueHeads: 2, headWidth: 64, vocabulary: 8192)
    case .bonsai17B:
      Sizes(
        hidden: 2048, layers: 28, feedForward: 6144, heads: 16, keyValueHeads: 8, headWidth: 128, vocabulary: 151_936)
    case .bonsaiTiny:
      Sizes(hidden: 256, layers: 4, feedForward: 768, heads: 4, keyValueHeads: 2, headWidth: 128, vocabulary: 8192)
    case .hybrid9B:
      Sizes(
        hidden: 4096, layers: 32, feedForward: 12288, heads: 16, keyValueHeads: 4, headWidth: 256, vocabulary: 248_320,
        deltaNet: (keyHeads: 16, valueHeads: 32, width: 128))
    case .hybridTiny:
      Sizes(
        hidden: 256, layers: 4, feedForward: 768, heads: 4, keyValueHeads: 2, headWidth: 64, vocabulary: 8192,
        deltaNet: (keyHeads: 2, valueHeads: 4, width: 64))
    }
  }

  var tensors: [(tensor: OutputTensor, content: Content)] { sizes.deltaNet == nil ? latents : hybrid }

  private static let oneAsBF16: UInt16 = 0x3F80
  private static let oneAsF16: UInt16 = 0x3C00

  /// Qwen3: norms of query and key heads, the embedding as head, weights that are ternary already.
  private var isQwen3: Bool { self == .bonsai17B || self == .bonsaiTiny }

  private var latents: [(tensor: OutputTensor, content: Content)] {
    let s = sizes
    let content = isQwen3 ? Content.unpackedTrits : .normal(deviation: 0.02)
    let (dtype, one) = isQwen3 ? (DType.f16, ModelShape.oneAsF16) : (.bf16, ModelShape.oneAsBF16)
    func matrix(_ name: String, _ rows: Int, _ columns: Int) -> (OutputTensor, Content)? {
      TensorShape(rows: rows, columns: columns).map {
        (OutputTensor(name: name + ".weight", dtype: dtype, shape: $0), content)
      }
    }
    func norm(_ name: String, _ count: Int? = nil) -> (OutputTensor, Content)? {
      TensorShape([count ?? s.hidden]).map {
        (OutputTensor(name: name + ".weight", dtype: dtype, shape: $0), .constant(one))
      }
    }
    var list = [matrix("model.embed_tokens", s.vocabulary, s.hidden), norm("model.norm")]
    if !isQwen3 { list.append(matrix("lm_head", s.vocabulary, s.hidden)) }
    for layer in 0..<s.layers {
      let prefix = "model.layers.\(layer)."
      let (query, keyValue) = (s.heads * s.headWidth, s.keyValueHeads * s.headWidth)
      list += [
        matrix(prefix + "self_attn.q_proj", query, s.hidden), matrix(prefix + "self_attn.k_proj", keyValue, s.hidden),
        matrix(prefix + "self_attn.v_proj", keyValue, s.hidden), matrix(prefix + "self_attn.o_proj", s.hidden, query),
        matrix(prefix + "mlp.gate_proj", s.feedForward, s.hidden),
        matrix(prefix + "mlp.up_proj", s.feedForward, s.hidden),
        matrix(prefix + "mlp.down_proj", s.hidden, s.feedForward),
        norm(prefix + "input_layernorm"), norm(prefix + "post_attention_layernorm"),
      ]
      if isQwen3 {
        list += ["q_norm", "k_norm"].map { norm(prefix + "self_attn." + $0, s.headWidth) }
      }
    }
    return list.compactMap { $0 }
  }

  /// Weights as MLX packs them, trit · 1/64; every fourth layer has attention. Norms hold w for 1 + w.
  private var hybrid: [(tensor: OutputTensor, content: Content)] {
    let s = sizes
    guard let net = s.deltaNet else { return [] }
    var result: [(tensor: OutputTensor, content: Content)] = []
    func add(_ name: String, _ dtype: DType, _ dimensions: [Int], _ content: Content) {
      guard let shape = TensorShape(dimensions) else { return }
      result.append((OutputTensor(name: name, dtype: dtype, shape: shape), content))
    }
    func packed(_ name: String, _ rows: Int, _ columns: Int) {
      let groups = [rows, columns / ModelShape.group]
      add(name + ".weight", .u32, [rows, columns / 16], .trits)
      add(name + ".scales", .f16, groups, .constant(0x2400))
      add(name + ".biases", .f16, groups, .constant(0xA400))
    }
    func norm(_ name: String, _ count: Int) { add(name + ".weight", .f32, [count], .small) }
    packed("model.embed_tokens", s.vocabulary, s.hidden)
    packed("lm_head", s.vocabulary, s.hidden)
    norm("model.norm", s.hidden)
    for layer in 0..<s.layers {
      let prefix = "model.layers.\(layer)."
      if (layer + 1) % ModelShape.interval == 0 {
        let (query, keyValue) = (s.heads * s.headWidth, s.keyValueHeads * s.headWidth)
        packed(prefix + "self_attn.q_proj", 2 * query, s.hidden)
        packed(prefix + "self_attn.k_proj", keyValue, s.hidden)
        packed(prefix + "self_attn.v_proj", keyValue, s.hidden)
        packed(prefix + "self_attn.o_proj", s.hidden, query)
        norm(prefix + "self_attn.q_norm", s.headWidth)
        norm(prefix + "self_attn.k_norm", s.headWidth)
      } else {
        let values = net.valueHeads * net.width
        let channels = 2 * net.keyHeads * net.width + values
        packed(prefix + "linear_attn.in_proj_qkv", channels, s.hidden)
        packed(prefix + "linear_attn.in_proj_z", values, s.hidden)
        packed(prefix + "linear_attn.out_proj", s.hidden, values)
        for name in ["in_proj_a", "in_proj_b"] {
          add(
            prefix + "linear_attn.\(name).weight", .bf16, [net.valueHeads, s.hidden], .normal(deviation: 0.02))
        }
        for name in ["A_log", "dt_bias"] { add(prefix + "linear_attn." + name, .f32, [net.valueHeads], .small) }
        add(prefix + "linear_attn.conv1d.weight", .bf16, [channels, 1, 4], .normal(deviation: 0.5))
        add(prefix + "linear_attn.norm.weight", .bf16, [net.width], .constant(ModelShape.oneAsBF16))
      }
      packed(prefix + "mlp.gate_proj", s.feedForward, s.hidden)
      packed(prefix + "mlp.up_proj", s.feedForward, s.hidden)
      packed(prefix + "mlp.down_proj", s.hidden, s.feedForward)
      norm(prefix + "input_layernorm", s.hidden)
      norm(prefix + "post_attention_layernorm", s.hidden)
    }
    return result
  }

  /// Weights of one scale.
  static let group = 128
  private static let interval = 4

  var configuration: JSONObject { sizes.deltaNet == nil ? latentConfiguration : hybridConfiguration }

  private var hybridConfiguration: JSONObject {
    let s = sizes
    func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    let net = s.deltaNet ?? (1, 1, 1)
    let rotary: JSONObject = [
      "rope_type": "default", "rope_theta": 10_000_000, "partial_rotary_factor": .number(JSONNumber(text: "0.25")),
    ]
    return [
      "architectures": .array(["Qwen3_5ForCausalLM"]), "model_type": "qwen3_5_text", "hidden_act": "silu",
      "hidden_size": number(s.hidden), "intermediate_size": number(s.feedForward),
      "num_hidden_layers": number(s.layers), "num_attention_heads": number(s.heads),
      "num_key_value_heads": number(s.keyValueHeads), "head_dim": number(s.headWidth),
      "max_position_embeddings": 4096, "rms_norm_eps": .number(JSONNumber(text: "1e-06")),
      "full_attention_interval": number(ModelShape.interval), "linear_conv_kernel_dim": 4,
      "linear_num_key_heads": number(net.keyHeads), "linear_num_value_heads": number(net.valueHeads),
      "linear_key_head_dim": number(net.width), "linear_value_head_dim": number(net.width),
      "rope_parameters": .object(rotary), "tie_word_embeddings": false, "dtype": "float16",
      "vocab_size": number(s.vocabulary),
      "quantization": .object(["group_size": number(ModelShape.group), "bits": 2, "mode": "affine"]),
    ]
  }

  private var latentConfiguration: JSONObject {
    let s = sizes
    var result: JSONObject = [
      "architectures": .array(["LlamaForCausalLM"]), "bos_token_id": 1, "eos_token_id": 2,
      "head_dim": .number(JSONNumber(s.headWidth)), "hidden_act": "silu",
      "hidden_size": .number(JSONNumber(s.hidden)), "intermediate_size": .number(JSONNumber(s.feedForward)),
      "max_position_embeddings": 4096, "model_type": "llama",
      "num_attention_heads": .number(JSONNumber(s.heads)), "num_hidden_layers": .number(JSONNumber(s.layers)),
      "num_key_value_heads": .number(JSONNumber(s.keyValueHeads)), "rms_norm_eps": .number(JSONNumber(text: "1e-06")),
      "rope_theta": .number(JSONNumber(text: "1000042.0")), "tie_word_embeddings": false, "torch_dtype": "bfloat16",
      "vocab_size": .number(JSONNumber(s.vocabulary)),
    ]
    if isQwen3 {
      result["architectures"] = .array(["Qwen3ForCausalLM"])
      result["model_type"] = "qwen3"
      result["tie_word_embeddings"] = true
      result["torch_dtype"] = "float16"
    }
    return result
  }
}
