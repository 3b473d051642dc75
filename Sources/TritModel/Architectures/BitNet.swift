// Tritsmith: Microsoft's BitNet b1.58.

import TritCore

/// bitnet-b1.58-2B-4T: sub-norms before the output projections, squared ReLU, tied embeddings.
///
/// Packed with transformers: float32 steps, stored scale = absmean (`autobitlinear`, multiplies).
package struct BitNet: Architecture {
  package init() {}
  package var className: String { "BitNetForCausalLM" }
  package var modelType: String { "bitnet" }
  /// Older files and converters spell the class and the GGUF architecture in these ways.
  package var aliases: [String] { ["BitNetModel", "bitnet-b1.58", "bitnet-25"] }
  package var family: String { "BitNet b1.58 (2B-4T)" }
  package var defaultQuantizer: String { "absmean-float32" }
  package var packedConvention: ScaleConvention { .multiply }
  /// Source: transformers `BitNetConfig`.
  package var defaults: ClassDefaults {
    ClassDefaults(
      activation: .squaredReLU, normEpsilon: 1e-5, rotaryTheta: 500_000, keyValueHeads: 5,
      onlineProjections: .autoBitLinearOnline, specialTokens: SpecialTokens(begin: 128_000, end: [128_001]))
  }
  /// Source: `BitNetMLP`, which has no biases, and `BitNetAttention`, which takes a null `head_dim` as it is.
  package var keys: ClassKeys { ClassKeys(feedForwardBias: .never, neverNull: [("head_dim", "a whole number")]) }
  package var modules: [ModuleTemplate] { BitNet.table }
  private static let table = ModuleTemplate.decoder(
    attentionSubNorm: "self_attn.attn_sub_norm", feedForwardSubNorm: "mlp.ffn_sub_norm")
  package var gguf: GGUFForm? {
    GGUFForm(architecture: "bitnet-b1.58", aliases: ["bitnet-25"], activation: .squaredReLU, hasBiases: false)
  }
  /// Source: `bitnet.py` of mlx-lm 0.32.2.
  package var mlx: MLXSupport {
    .refuses(reason: "mlx-lm's class 'bitnet' holds trits as transformers packs them, and no others")
  }
}

/// 1bitLLM's reproductions (`BitnetForCausalLM`, lower-case n): sub-norms `inner_attn_ln` and `ffn_layernorm`, SiLU.
///
/// Published as latent weights only; packed here as transformers' default `bitlinear` reads it.
package struct Bitnet1bitLLM: Architecture {
  package init() {}
  package var className: String { "BitnetForCausalLM" }
  package var modelType: String { "llama" }
  package var family: String { "BitNet b1.58 reproduction (1bitLLM)" }
  package var defaultQuantizer: String { "absmean-float32" }
  package var packedConvention: ScaleConvention { .divide }
  /// Its own modelling code makes latents ternary at every call, and the configuration need not say so.
  package var defaults: ClassDefaults {
    ClassDefaults(latentProjections: .autoBitLinearOnline, onlineProjections: .autoBitLinearOnline)
  }
  package var modules: [ModuleTemplate] { Bitnet1bitLLM.table }
  private static let table = ModuleTemplate.decoder(
    attentionSubNorm: "self_attn.inner_attn_ln", feedForwardSubNorm: "mlp.ffn_layernorm")
  package var gguf: GGUFForm? {
    GGUFForm(architecture: "bitnet", activation: .silu, hasBiases: false, statesLinearRope: true)
  }
  package var mlx: MLXSupport { .refuses(reason: "mlx-lm's class 'llama' has no sub-norms") }
}
