// Tritsmith: Qwen3.

import TritCore

/// Qwen3 and Ternary-Bonsai: Llama blocks with an RMS norm of every query and key head, heads of their own width.
///
/// Its ternary models have scales for groups of weights and take inputs as they are. Latents of a BitNet embedding
/// model are made ternary in float32, one scale a tensor.
public struct Qwen3: Architecture {
  public init() {}
  public var className: String { "Qwen3ForCausalLM" }
  public var modelType: String { "qwen3" }
  public var family: String { "Qwen3 (Ternary-Bonsai, BitNet embedding)" }
  public var defaultQuantizer: String { "absmean-float32" }
  public var packedConvention: ScaleConvention { .multiply }
  /// Source: transformers `Qwen3Config`.
  public var defaults: ClassDefaults {
    ClassDefaults(
      keyValueHeads: 32, contextLength: 32768, headDimension: 128, onlineProjections: .autoBitLinearOnline,
      packedProjections: .linear, specialTokens: SpecialTokens())
  }
  /// Source: transformers `Qwen3Config`, `Qwen3MLP`.
  public var keys: ClassKeys {
    ClassKeys(
      slidingWindow: .switched, feedForwardBias: .never,
      neverNull: [
        ("head_dim", "a whole number"), ("use_sliding_window", "a boolean"), ("max_window_layers", "a whole number"),
        ("attention_dropout", "a number"),
      ])
  }
  /// llama.cpp rotates halves of a head here, as Hugging Face does: rows stay where they are.
  public var modules: [ModuleTemplate] { Qwen3.table }
  private static let table = ModuleTemplate.decoder(queryNorm: "self_attn.q_norm", keyNorm: "self_attn.k_norm")
  public var gguf: GGUFForm? { GGUFForm(architecture: "qwen3", activation: .silu, hasBiases: false) }
  public var mlx: MLXSupport { .loads(MLXForm()) }
}
