// Tritsmith tests: whole models of any size, made from a seed.

import TritCore
import TritTestSupport

/// A decoder with random latents that computes sensible numbers: every block adds about as much as it is given, and
/// logits are spread as those of a trained model are.
package struct RandomModel {
  package enum Family { case llama, bitnet }

  package var family: Family
  package var width: Int
  package var inner: Int
  package var layers: Int
  package var heads: Int
  package var keyValueHeads: Int
  package var vocabulary: Int
  package var seed: UInt64

  package init(
    family: Family = .llama, width: Int = 256, inner: Int = 512, layers: Int = 2, heads: Int = 4,
    keyValueHeads: Int = 2, vocabulary: Int = 256, seed: UInt64 = 1
  ) {
    (self.family, self.width, self.inner, self.layers) = (family, width, inner, layers)
    (self.heads, self.keyValueHeads, self.vocabulary, self.seed) = (heads, keyValueHeads, vocabulary, seed)
  }

  private var head: Int { width / heads }

  /// `config.json`, as published files of the family have it.
  package var configuration: String {
    let common = """
        "hidden_size": \(width), "intermediate_size": \(inner), "num_hidden_layers": \(layers),
        "num_attention_heads": \(heads), "num_key_value_heads": \(keyValueHeads), "head_dim": \(head),
        "vocab_size": \(vocabulary), "max_position_embeddings": 512, "tie_word_embeddings": false,
        "attention_bias": false, "torch_dtype": "bfloat16",
      """
    switch family {
    case .llama:
      return """
        {
          "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "mlp_bias": false,
        \(common)
          "rms_norm_eps": 1e-06, "rope_theta": 1000042.0
        }
        """
    case .bitnet:
      return """
        {
          "architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_act": "relu2",
        \(common)
          "rms_norm_eps": 1e-05, "rope_theta": 500000.0
        }
        """
    }
  }

  /// Latents and dense tensors in bfloat16.
  package var builder: ModelFolderBuilder {
    var generator = SeededGenerator(seed: seed)
    var tensors: [RawTensor] = []
    /// Numbers of a bell curve of that standard deviation: the sum of twelve uniform ones.
    func matrix(_ name: String, _ rows: Int, _ columns: Int, _ deviation: Float) {
      var values: [Float] = []
      values.reserveCapacity(rows * columns)
      for _ in 0..<rows * columns {
        var sum: Float = -6
        for _ in 0..<6 {
          let random = generator.next()
          sum += Float(random >> 40) * 0x1p-24 + Float(random >> 8 & 0xFF_FFFF) * 0x1p-24
        }
        values.append(BFloat16.rounded(sum * deviation))
      }
      tensors.append(RawTensor(name, "BF16", [rows, columns], FloatBytes.bf16(values)))
    }
    func norm(_ name: String, _ count: Int) {
      let values = (0..<count).map { _ in BFloat16.rounded(0.75 + Float(generator.next() >> 40) * 0x1p-25) }
      tensors.append(RawTensor(name, "BF16", [count], FloatBytes.bf16(values)))
    }
    func spread(_ columns: Int) -> Float { 1 / Float(columns).squareRoot() }
    matrix("model.embed_tokens.weight", vocabulary, width, 1)
    for layer in 0..<layers {
      let prefix = "model.layers.\(layer)."
      norm(prefix + "input_layernorm.weight", width)
      matrix(prefix + "self_attn.q_proj.weight", width, width, spread(width))
      matrix(prefix + "self_attn.k_proj.weight", keyValueHeads * head, width, spread(width))
      matrix(prefix + "self_attn.v_proj.weight", keyValueHeads * head, width, spread(width))
      if family == .bitnet { norm(prefix + "self_attn.attn_sub_norm.weight", width) }
      matrix(prefix + "self_attn.o_proj.weight", width, width, spread(width))
      norm(prefix + "post_attention_layernorm.weight", width)
      matrix(prefix + "mlp.gate_proj.weight", inner, width, spread(width))
      matrix(prefix + "mlp.up_proj.weight", inner, width, spread(width))
      if family == .bitnet { norm(prefix + "mlp.ffn_sub_norm.weight", inner) }
      matrix(prefix + "mlp.down_proj.weight", width, inner, spread(inner))
    }
    norm("model.norm.weight", width)
    matrix("lm_head.weight", vocabulary, width, 2.5 * spread(width))
    return ModelFolderBuilder(tensors, configuration: configuration)
  }

  /// Ids to run it on, as text.
  package func ids(_ count: Int) -> String {
    var generator = SeededGenerator(seed: seed &+ 1)
    return (0..<count).map { _ in String(generator.next() % UInt64(vocabulary)) }.joined(separator: " ")
  }
}
