// Tritsmith: MiniCPM.

import TritCore

/// MiniCPM and BitCPM4: Llama blocks with multipliers of embedding, residual stream and head.
///
/// The class comes with its models as code of their own. Source: its configuration and modelling files as published
/// with MiniCPM4; llama.cpp `minicpm.cpp`, `granite.cpp` and `conversion/minicpm.py`.
public struct MiniCPM: Architecture {
  public init() {}
  public var className: String { "MiniCPMForCausalLM" }
  public var modelType: String { "minicpm" }
  public var family: String { "MiniCPM (BitCPM4)" }
  public var defaultQuantizer: String { "absmean-float32" }
  public var packedConvention: ScaleConvention { .multiply }
  public var defaults: ClassDefaults {
    ClassDefaults(tiesEmbeddings: true, onlineProjections: .autoBitLinearOnline)
  }
  /// `mup_denominator` is read by drafting heads only.
  public var keys: ClassKeys {
    ClassKeys(feedForwardBias: .never, multipliers: .miniCPM, irrelevant: ["mup_denominator"])
  }
  /// llama.cpp rotates adjacent pairs of rows, as it does for Llama.
  public var modules: [ModuleTemplate] { MiniCPM.table }
  private static let table = ModuleTemplate.decoder(rotatesPairsInGGUF: true)
  public var gguf: GGUFForm? {
    GGUFForm(architecture: "minicpm", activation: .silu, hasBiases: false, rotaryFactors: .tensors)
  }
  public var mlx: MLXSupport { .loads(MLXForm(hasHeadWidth: false, tiesEmbeddings: false)) }
}
