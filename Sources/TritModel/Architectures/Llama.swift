// Tritsmith: Llama-shaped BitNet models.

import TritCore

/// Falcon-E, Falcon3-1.58bit, HF1BitLLM: Llama blocks without sub-norms.
///
/// Packed by onebitllms: bfloat16 steps, stored scale = 1/absmean (`bitlinear`, divides).
package struct Llama: Architecture {
  package init() {}
  package var className: String { "LlamaForCausalLM" }
  package var modelType: String { "llama" }
  package var family: String { "Llama (Falcon-E, Falcon3-1.58bit, HF1BitLLM)" }
  package var defaultQuantizer: String { "absmean-bf16" }
  package var packedConvention: ScaleConvention { .divide }
  /// llama.cpp rotates adjacent pairs of rows of this family, Hugging Face the halves of a head.
  package var modules: [ModuleTemplate] { Llama.table }
  private static let table = ModuleTemplate.decoder(rotatesPairsInGGUF: true)
  package var gguf: GGUFForm? {
    GGUFForm(architecture: "llama", activation: .silu, hasBiases: true, rotaryFactors: .tensors)
  }
  package var mlx: MLXSupport { .loads(MLXForm(hasBiases: true)) }
}
