// Tritsmith: Qwen3.

import TritCore

/// Qwen3 and Ternary-Bonsai: Llama blocks with an RMS norm of every query and key head, heads of their own width.
///
/// Its ternary models have scales for groups of weights and take inputs as they are. Latents of a BitNet embedding
/// model are made ternary in float32, one scale a tensor.
package struct Qwen3: Architecture {
  package init() {}
  package var className: String { "Qwen3ForCausalLM" }
  package var modelType: String { "qwen3" }
  package var family: String { "Qwen3 (Ternary-Bonsai, BitNet embedding)" }
  package var defaultQuantizer: String { "absmean-float32" }
  package var packedConvention: ScaleConvention { .multiply }
  /// Source: transformers `Qwen3Config`.
  package var defaults: ClassDefaults {
    ClassDefaults(
      keyValueHeads: 32, contextLength: 32768, headDimension: 128, onlineProjections: .autoBitLinearOnline,
      packedProjections: .linear, specialTokens: SpecialTokens())
  }
  /// Source: transformers `Qwen3Config`, `Qwen3MLP`.
  package var keys: ClassKeys {
    ClassKeys(
      slidingWindow: .switched, feedForwardBias: .never,
      neverNull: [
        ("head_dim", "a whole number"), ("use_sliding_window", "a boolean"), ("max_window_layers", "a whole number"),
        ("attention_dropout", "a number"),
      ])
  }
  /// llama.cpp rotates halves of a head here, as Hugging Face does: rows stay where they are.
  package var modules: [ModuleTemplate] { Qwen3.table }
  private static let table = ModuleTemplate.decoder(queryNorm: "self_attn.q_norm", keyNorm: "self_attn.k_norm")
  package var gguf: GGUFForm? { GGUFForm(architecture: "qwen3", activation: .silu, hasBiases: false) }
  package var mlx: MLXSupport { .loads(MLXForm()) }
}
