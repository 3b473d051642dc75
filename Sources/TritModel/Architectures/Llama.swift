// Tritsmith: Llama-shaped BitNet models.

import TritCore

/// Falcon-E, Falcon3-1.58bit, HF1BitLLM: Llama blocks without sub-norms.
///
/// Packed by onebitllms: bfloat16 steps, stored scale = 1/absmean (`bitlinear`, divides).
public struct Llama: Architecture {
  public init() {}
  public var className: String { "LlamaForCausalLM" }
  public var modelType: String { "llama" }
  public var family: String { "Llama (Falcon-E, Falcon3-1.58bit, HF1BitLLM)" }
  public var defaultQuantizer: String { "absmean-bf16" }
  public var packedConvention: ScaleConvention { .divide }
  /// llama.cpp rotates adjacent pairs of rows of this family, Hugging Face the halves of a head.
  public var modules: [ModuleTemplate] { Llama.table }
  private static let table = ModuleTemplate.decoder(rotatesPairsInGGUF: true)
  public var gguf: GGUFForm? {
    GGUFForm(architecture: "llama", activation: .silu, hasBiases: true, rotaryFactors: .tensors)
  }
  public var mlx: MLXSupport { .loads(MLXForm(hasBiases: true)) }
}
