// Tritsmith: the tensors a configuration asks for.

/// A tensor a configuration asks for.
public struct ExpectedTensor: Sendable {
  public var name: String
  /// Rows and columns before packing, or elements.
  public var shape: [Int]
  /// Whether a model cannot do without.
  public var isNeeded = true
}

extension TransformerConfiguration {
  /// Tensors in front of the layers and behind them.
  public var tensorsOutsideLayers: [ExpectedTensor] {
    [
      ExpectedTensor(name: "model.embed_tokens.weight", shape: [vocabularySize, hiddenSize]),
      ExpectedTensor(name: "model.norm.weight", shape: [hiddenSize]),
      // A tied head may be stored as well; it is left aside.
      ExpectedTensor(name: "lm_head.weight", shape: [vocabularySize, hiddenSize], isNeeded: !tiesEmbeddings),
    ]
  }

  /// What the names of a layer's tensors begin with.
  public static let layerPrefix = "model.layers."

  /// Tensors of one layer in order of the forward pass. Of one only: how many there are is the word of a file.
  public func tensors(ofLayer layer: Int) -> [ExpectedTensor] {
    var result: [ExpectedTensor] = []
    let (query, keys) = (attention.queryWidth, attention.keyValueWidth)
    let decoder = architecture.decoder
    let prefix = "\(TransformerConfiguration.layerPrefix)\(layer)."
    func add(_ name: String, _ shape: [Int]) { result.append(ExpectedTensor(name: prefix + name, shape: shape)) }
    func project(_ name: String, _ rows: Int, _ columns: Int, _ hasBias: Bool) {
      add(name + ".weight", [rows, columns])
      if hasBias { add(name + ".bias", [rows]) }
      if quantization.inputNormEpsilon != nil, quantization.projections != .linear,
        !quantization.excludes(prefix + name)
      {
        add(name + ".rms_norm.weight", [columns])
      }
    }
    add("input_layernorm.weight", [hiddenSize])
    project("self_attn.q_proj", query, hiddenSize, hasAttentionBias)
    project("self_attn.k_proj", keys, hiddenSize, hasAttentionBias)
    project("self_attn.v_proj", keys, hiddenSize, hasAttentionBias)
    if let name = decoder.attentionSubNorm { add(name + ".weight", [query]) }
    project("self_attn.o_proj", hiddenSize, query, hasAttentionBias)
    add("post_attention_layernorm.weight", [hiddenSize])
    project("mlp.gate_proj", intermediateSize, hiddenSize, hasFeedForwardBias)
    project("mlp.up_proj", intermediateSize, hiddenSize, hasFeedForwardBias)
    if let name = decoder.feedForwardSubNorm { add(name + ".weight", [intermediateSize]) }
    project("mlp.down_proj", hiddenSize, intermediateSize, hasFeedForwardBias)
    return result
  }
}
