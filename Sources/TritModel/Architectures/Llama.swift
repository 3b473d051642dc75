// Tritsmith: Llama-shaped BitNet models.

import TritCore

/// Falcon-E, Falcon3-1.58bit, HF1BitLLM: Llama blocks without sub-norms.
///
/// Packed by onebitllms: bfloat16 steps, stored scale = 1/absmean (`bitlinear`, divides).
public struct Llama: Architecture {
  public init() {}
  public var className: String { "LlamaForCausalLM" }
  public var aliases: [String] { [] }
  public var family: String { "Llama (Falcon-E, Falcon3-1.58bit, HF1BitLLM)" }
  public var defaultQuantizer: String { "absmean-bf16" }
  public var packedConvention: ScaleConvention { .divide }
}
