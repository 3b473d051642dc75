// Tritsmith: MiniCPM.

import TritCore

/// MiniCPM and BitCPM4: Llama blocks with multipliers of embedding, residual stream and head.
///
/// The class comes with its models as code of their own. Source: its configuration and modelling files as published
/// with MiniCPM4; llama.cpp `minicpm.cpp`, `granite.cpp` and `conversion/minicpm.py`.
package struct MiniCPM: Architecture {
  package init() {}
  package var className: String { "MiniCPMForCausalLM" }
  package var modelType: String { "minicpm" }
  package var family: String { "MiniCPM (BitCPM4)" }
  package var defaultQuantizer: String { "absmean-float32" }
  package var packedConvention: ScaleConvention { .multiply }
  package var defaults: ClassDefaults {
    ClassDefaults(tiesEmbeddings: true, onlineProjections: .autoBitLinearOnline)
  }
  /// `mup_denominator` is read by drafting heads only.
  package var keys: ClassKeys {
    ClassKeys(feedForwardBias: .never, multipliers: .miniCPM, irrelevant: ["mup_denominator"])
  }
  /// llama.cpp rotates adjacent pairs of rows, as it does for Llama.
  package var modules: [ModuleTemplate] { MiniCPM.table }
  private static let table = ModuleTemplate.decoder(rotatesPairsInGGUF: true)
  package var gguf: GGUFForm? {
    GGUFForm(architecture: "minicpm", activation: .silu, hasBiases: false, rotaryFactors: .tensors)
  }
  package var mlx: MLXSupport { .loads(MLXForm(hasHeadWidth: false, tiesEmbeddings: false)) }
}
