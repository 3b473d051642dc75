// Tritsmith: Qwen3.5.

import TritCore

/// Qwen3.5, Bonsai 27B and Bonsai 2: gated delta nets, and in every fourth layer attention whose output is gated.
///
/// Norms hold w for 1 + w. Heads are rotated by a quarter. Its ternary models have scales for groups of weights and take
/// inputs as they are. Sources: transformers 5.23 `models/qwen3_5`; llama.cpp `qwen35.cpp`, `conversion/qwen.py`; mlx-lm
/// `qwen3_5.py`.
package struct Qwen35: Architecture {
  package init() {}
  package var className: String { "Qwen3_5ForCausalLM" }
  package var modelType: String { "qwen3_5_text" }
  package var family: String { "Qwen3.5 (Bonsai 27B, Bonsai 2)" }
  package var defaultQuantizer: String { "absmean-float32" }
  package var packedConvention: ScaleConvention { .multiply }
  /// Source: transformers `Qwen3_5TextConfig`.
  package var defaults: ClassDefaults {
    ClassDefaults(
      keyValueHeads: 4, contextLength: 32768, headDimension: 256, onlineProjections: .autoBitLinearOnline,
      packedProjections: .linear, specialTokens: SpecialTokens())
  }
  /// `mlp_only_layers` belongs to models of experts; what begins with `mtp_` to a head that drafts.
  package var keys: ClassKeys {
    ClassKeys(
      feedForwardBias: .never, layerKinds: .deltaNets, rotatedColumns: .part(standard: 0.25),
      irrelevant: ["mtp_num_hidden_layers", "mtp_use_dedicated_embeddings"],
      neverNull: [("head_dim", "a whole number"), ("attention_dropout", "a number")])
  }
  package var compound: CompoundClass? {
    CompoundClass(
      className: "Qwen3_5ForConditionalGeneration", modelType: "qwen3_5", key: "text_config",
      otherKeys: [
        "vision_config", "image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id",
        "language_model_only",
      ])
  }
  package var otherNames: OtherNames {
    OtherNames(
      prefixes: [("model.language_model.", "model."), ("language_model.", "")],
      setAside: [
        ("model.visual.", Qwen35.vision), ("visual.", Qwen35.vision), ("vision_tower.", Qwen35.vision),
        ("mtp.", Qwen35.draft), ("model.mtp.", Qwen35.draft), ("language_model.mtp.", Qwen35.draft),
      ])
  }
  private static let vision = "its vision tower"
  private static let draft = "a head that drafts tokens"
  package var normWeights: NormMeaning { .aboveOne }
  package var modules: [ModuleTemplate] { Qwen35.table }
  private static let table: [ModuleTemplate] = {
    var result = ModuleTemplate.decoder(queryNorm: "self_attn.q_norm", keyNorm: "self_attn.k_norm")
    for index in result.indices {
      switch result[index].part {
      case .projection(.query):
        result[index].layers = .attention
        result[index].rows = .gatedQueries
      case .projection(.key), .projection(.value), .projection(.output): result[index].layers = .attention
      case .queryNorm, .keyNorm:
        result[index].layers = .attention
        result[index].values = .onePlus
      case .inputNorm, .finalNorm: result[index].values = .onePlus
      case .feedForwardNorm:
        result[index].values = .onePlus
        result[index].storedPath = "post_attention_norm"
      default: break
      }
    }
    return result + deltaNet
  }()

  private static let deltaNet: [ModuleTemplate] = {
    func module(
      _ part: ModulePart, _ path: String, _ stored: String, _ rows: ModuleTemplate.Length,
      _ columns: ModuleTemplate.Length?, _ order: ModuleTemplate.RowOrder,
      _ change: (inout ModuleTemplate) -> Void = { _ in }
    ) -> ModuleTemplate {
      var result = ModuleTemplate(part, "linear_attn." + path, gguf: stored, rows, columns, rowOrder: order)
      result.layers = .deltaNet
      change(&result)
      return result
    }
    return [
      module(
        .projection(.deltaInput), "in_proj_qkv", "attn_qkv", .deltaChannels, .hidden, .valueHeadsBehindKeys),
      module(.projection(.deltaGate), "in_proj_z", "attn_gate", .deltaValues, .hidden, .valueHeads),
      module(.rate, "in_proj_b", "ssm_beta", .deltaHeads, .hidden, .valueHeads),
      module(.decay, "in_proj_a", "ssm_alpha", .deltaHeads, .hidden, .valueHeads),
      module(.decayLog, "A_log", "ssm_a", .deltaHeads, nil, .valueHeads) {
        $0.piece = .itself
        $0.values = .minusExponential
      },
      module(.decayBias, "dt_bias", "ssm_dt.bias", .deltaHeads, nil, .valueHeads) { $0.piece = .itself },
      module(.convolution, "conv1d", "ssm_conv1d", .deltaChannels, .convolution, .valueHeadsBehindKeys) {
        $0.form = .convolution
      },
      module(.deltaNorm, "norm", "ssm_norm", .deltaHead, nil, .asGiven),
      module(.projection(.deltaOutput), "out_proj", "ssm_out", .hidden, .deltaValues, .asGiven) {
        $0.columnOrder = .valueHeads
      },
    ]
  }()
  package var gguf: GGUFForm? { GGUFForm(architecture: "qwen35", activation: .silu, hasBiases: false) }
  package var mlx: MLXSupport { .loads(MLXForm(hasBiases: true, textPrefix: "language_model.")) }
}
