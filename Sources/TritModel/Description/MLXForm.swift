// Tritsmith: what mlx-lm's classes compute.

import TritKernels

/// How mlx-lm takes a family.
package enum MLXSupport: Sendable {
  case loads(MLXForm)
  /// No folder of this family packed for MLX loads; the reason is for people.
  case refuses(reason: String)
}

/// A model family as mlx-lm's class of its `model_type` computes it, whatever the configuration says.
///
/// Source: `llama.py`, `qwen3.py`, `qwen3_5.py`, `minicpm.py` of mlx-lm 0.32.2. Their `ModelArgs` drop keys they do not know.
package struct MLXForm: Sendable {
  /// The activation of the class, which reads no key for it.
  package var activation: GateActivation
  /// Whether the class adds biases where the configuration asks for them.
  package var hasBiases: Bool
  /// Whether the class reads `head_dim`; hidden size ÷ heads otherwise.
  package var hasHeadWidth: Bool
  /// Whether the class computes a head that is the embedding.
  package var tiesEmbeddings: Bool
  /// What stands before the names of modules in a class that holds the text model beside other parts; empty for others.
  /// The text's configuration is a part of that class's own then, and has its rotary settings in `rope_parameters`.
  package var textPrefix: String

  package init(
    activation: GateActivation = .silu, hasBiases: Bool = false, hasHeadWidth: Bool = true, tiesEmbeddings: Bool = true,
    textPrefix: String = ""
  ) {
    self.activation = activation
    self.hasBiases = hasBiases
    self.hasHeadWidth = hasHeadWidth
    self.tiesEmbeddings = tiesEmbeddings
    self.textPrefix = textPrefix
  }
}
