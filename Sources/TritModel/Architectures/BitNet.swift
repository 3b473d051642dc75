// Tritsmith: Microsoft's BitNet b1.58.

import TritCore

/// bitnet-b1.58-2B-4T: sub-norms before the output projections, squared ReLU, tied embeddings.
///
/// Packed with transformers: float32 steps, stored scale = absmean (`autobitlinear`, multiplies).
public struct BitNet: Architecture {
  public init() {}
  public var className: String { "BitNetForCausalLM" }
  public var modelType: String { "bitnet" }
  /// Older files and converters spell the class and the GGUF architecture in these ways.
  public var aliases: [String] { ["BitNetModel", "bitnet-b1.58", "bitnet-25"] }
  public var family: String { "BitNet b1.58 (2B-4T)" }
  public var defaultQuantizer: String { "absmean-float32" }
  public var packedConvention: ScaleConvention { .multiply }
  /// Source: transformers `BitNetConfig`.
  public var defaults: ClassDefaults {
    ClassDefaults(
      activation: .squaredReLU, normEpsilon: 1e-5, rotaryTheta: 500_000, keyValueHeads: 5,
      onlineProjections: .autoBitLinearOnline, specialTokens: SpecialTokens(begin: 128_000, end: [128_001]))
  }
  public var modules: [ModuleTemplate] { BitNet.table }
  private static let table = ModuleTemplate.decoder(
    attentionSubNorm: "self_attn.attn_sub_norm", feedForwardSubNorm: "mlp.ffn_sub_norm")
  public var gguf: GGUFForm? {
    GGUFForm(architecture: "bitnet-b1.58", aliases: ["bitnet-25"], activation: .squaredReLU, hasBiases: false)
  }
  /// Source: `bitnet.py` of mlx-lm 0.32.2.
  public var mlx: MLXSupport {
    .refuses(reason: "mlx-lm's class 'bitnet' holds trits as transformers packs them, and no others")
  }
}

/// 1bitLLM's reproductions (`BitnetForCausalLM`, lower-case n): sub-norms `inner_attn_ln` and `ffn_layernorm`, SiLU.
///
/// Published as latent weights only; packed here as transformers' default `bitlinear` reads it.
public struct Bitnet1bitLLM: Architecture {
  public init() {}
  public var className: String { "BitnetForCausalLM" }
  public var modelType: String { "llama" }
  public var family: String { "BitNet b1.58 reproduction (1bitLLM)" }
  public var defaultQuantizer: String { "absmean-float32" }
  public var packedConvention: ScaleConvention { .divide }
  /// Its own modelling code makes latents ternary at every call, and the configuration need not say so.
  public var defaults: ClassDefaults {
    ClassDefaults(latentProjections: .autoBitLinearOnline, onlineProjections: .autoBitLinearOnline)
  }
  public var modules: [ModuleTemplate] { Bitnet1bitLLM.table }
  private static let table = ModuleTemplate.decoder(
    attentionSubNorm: "self_attn.inner_attn_ln", feedForwardSubNorm: "mlp.ffn_layernorm")
  public var gguf: GGUFForm? {
    GGUFForm(architecture: "bitnet", activation: .silu, hasBiases: false, statesLinearRope: true)
  }
  public var mlx: MLXSupport { .refuses(reason: "mlx-lm's class 'llama' has no sub-norms") }
}
