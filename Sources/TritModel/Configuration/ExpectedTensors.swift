// Tritsmith: the tensors a configuration asks for.

extension TransformerConfiguration {
  /// Name, logical shape, and whether a model cannot do without, of every tensor in order of the forward pass.
  public var expectedTensors: [(name: String, shape: [Int], isNeeded: Bool)] {
    var result: [(String, [Int], Bool)] = [("model.embed_tokens.weight", [vocabularySize, hiddenSize], true)]
    let (query, keys) = (attention.queryWidth, attention.keyValueWidth)
    let decoder = architecture.decoder
    for layer in 0..<layers {
      let prefix = "model.layers.\(layer)."
      func project(_ name: String, _ rows: Int, _ columns: Int, _ hasBias: Bool) {
        result.append((prefix + name + ".weight", [rows, columns], true))
        if hasBias { result.append((prefix + name + ".bias", [rows], true)) }
        if quantization.inputNormEpsilon != nil, quantization.projections != .linear,
          !quantization.excludes(prefix + name)
        {
          result.append((prefix + name + ".rms_norm.weight", [columns], true))
        }
      }
      func norm(_ name: String, _ count: Int) { result.append((prefix + name + ".weight", [count], true)) }
      norm("input_layernorm", hiddenSize)
      project("self_attn.q_proj", query, hiddenSize, hasAttentionBias)
      project("self_attn.k_proj", keys, hiddenSize, hasAttentionBias)
      project("self_attn.v_proj", keys, hiddenSize, hasAttentionBias)
      if let name = decoder.attentionSubNorm { norm(name, query) }
      project("self_attn.o_proj", hiddenSize, query, hasAttentionBias)
      norm("post_attention_layernorm", hiddenSize)
      project("mlp.gate_proj", intermediateSize, hiddenSize, hasFeedForwardBias)
      project("mlp.up_proj", intermediateSize, hiddenSize, hasFeedForwardBias)
      if let name = decoder.feedForwardSubNorm { norm(name, intermediateSize) }
      project("mlp.down_proj", hiddenSize, intermediateSize, hasFeedForwardBias)
    }
    result.append(("model.norm.weight", [hiddenSize], true))
    // A tied head may be stored as well; it is left aside.
    result.append(("lm_head.weight", [vocabularySize, hiddenSize], !tiesEmbeddings))
    return result
  }
}
