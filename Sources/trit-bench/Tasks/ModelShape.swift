// Tritsmith: shapes of generated models.

import CommandLineKit
import TritCore
import TritFormats

/// A Llama-shaped model to generate.
enum ModelShape: String, CaseIterable, ExpressibleByArgument {
  /// Falcon-E-1B-like: 1.594 billion parameters, 3.19 GB.
  case falcon1B = "falcon-1b"
  /// 0.25 billion parameters, 0.5 GB.
  case mid
  /// 8 million parameters, for trying things out.
  case tiny

  struct Sizes {
    var hidden, layers, feedForward, heads, keyValueHeads, headWidth, vocabulary: Int
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
    }
  }

  /// Matrices with the standard deviation of their values; norms have none.
  var tensors: [(tensor: OutputTensor, deviation: Double?)] {
    let s = sizes
    func matrix(_ name: String, _ rows: Int, _ columns: Int) -> (OutputTensor, Double?)? {
      TensorShape(rows: rows, columns: columns).map {
        (OutputTensor(name: name + ".weight", dtype: .bf16, shape: $0), 0.02)
      }
    }
    func norm(_ name: String) -> (OutputTensor, Double?)? {
      TensorShape([s.hidden]).map { (OutputTensor(name: name + ".weight", dtype: .bf16, shape: $0), nil) }
    }
    var list = [
      matrix("model.embed_tokens", s.vocabulary, s.hidden), matrix("lm_head", s.vocabulary, s.hidden),
      norm("model.norm"),
    ]
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
    }
    return list.compactMap { $0 }
  }

  var configuration: JSONObject {
    let s = sizes
    return [
      "architectures": .array(["LlamaForCausalLM"]), "bos_token_id": 1, "eos_token_id": 2,
      "head_dim": .number(JSONNumber(s.headWidth)), "hidden_act": "silu",
      "hidden_size": .number(JSONNumber(s.hidden)), "intermediate_size": .number(JSONNumber(s.feedForward)),
      "max_position_embeddings": 4096, "model_type": "llama",
      "num_attention_heads": .number(JSONNumber(s.heads)), "num_hidden_layers": .number(JSONNumber(s.layers)),
      "num_key_value_heads": .number(JSONNumber(s.keyValueHeads)), "rms_norm_eps": .number(JSONNumber(text: "1e-06")),
      "rope_theta": .number(JSONNumber(text: "1000042.0")), "tie_word_embeddings": false, "torch_dtype": "bfloat16",
      "vocab_size": .number(JSONNumber(s.vocabulary)),
    ]
  }
}
