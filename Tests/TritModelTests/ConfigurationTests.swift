// Tritsmith tests: no key of a configuration is lost.

import Testing
import TritCore
import TritTestSupport

@testable import TritModel

@Suite("Configurations are read strictly")
struct ConfigurationTests {
  static let small = """
    "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, \
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 50, "max_position_embeddings": 128, \
    "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 10000.0
    """

  /// The small configuration with keys added; a key given again counts as Python's last one does.
  static func read(_ extra: String = "", from base: String = small) throws -> ModelDescription {
    let text = "{" + base + (extra.isEmpty ? "" : ", " + extra) + "}"
    let object = try #require(try JSONValue.parse(Array(text.utf8)).object)
    return try HuggingFaceDescription.read(object, file: "config.json")
  }

  static func fault(_ extra: String, from base: String = small) -> (field: String?, kind: ModelError.Kind)? {
    do {
      _ = try read(extra, from: base)
      return nil
    } catch {
      guard let error = error as? ModelError else { return nil }
      return (error.location.field, error.kind)
    }
  }

  @Test("sizes, and the defaults of the transformers class")
  func sizes() throws {
    let read = try Self.read()
    #expect(read.hiddenSize == 64 && read.intermediateSize == 96 && read.layers == 2 && read.vocabularySize == 50)
    #expect(read.attention.heads == 4 && read.attention.keyValueHeads == 2 && read.attention.headDimension == 16)
    #expect(read.contextLength == 128 && !read.tiesEmbeddings && read.activation == .silu && read.assumed.isEmpty)
    #expect(try Self.read("\"head_dim\": 32").attention.queryWidth == 128)
    #expect(try Self.read("\"num_key_value_heads\": null").attention.keyValueHeads == 4)
    let bare = """
      "architectures": ["BitNetForCausalLM"], "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, \
      "num_attention_heads": 4, "num_key_value_heads": null, "vocab_size": 50
      """
    let assumed = try Self.read(from: bare)
    #expect(assumed.activation == .squaredReLU && assumed.rotary.theta == 500_000 && assumed.normEpsilon == 1e-5)
    // What was assumed is told, not hidden.
    #expect(assumed.assumed.count == 4)
    // transformers' BitNetConfig has 5 key/value heads where the file has no such key.
    let absent = bare.replacing(
      "\"num_attention_heads\": 4, \"num_key_value_heads\": null", with: "\"num_attention_heads\": 20, \"head_dim\": 8")
    #expect(try Self.read(from: absent).attention.keyValueHeads == 5)
  }

  @Test("theta and scaling, by the keys of transformers 4 and 5")
  func rope() throws {
    #expect(try Self.read("\"rope_theta\": 5e5").rotary == RotaryEmbedding(theta: 500_000))
    let none = Self.small.replacing("\"rope_theta\": 10000.0", with: "\"rope_scaling\": null")
    #expect(
      try Self.read("\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 7.5}", from: none).rotary.theta
        == 7.5)
    #expect(
      try Self.read("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}").rotary.scaling == .linear(factor: 2))
    let scaling = """
      {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, \
      "original_max_position_embeddings": 8192}
      """
    let llama3 = RotaryScaling.llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
    #expect(try Self.read("\"rope_scaling\": \(scaling)").rotary.scaling == llama3)
    #expect(try Self.read("\"rope_parameters\": \(scaling)").rotary == RotaryEmbedding(theta: 10000, scaling: llama3))
    #expect(Self.fault("\"rope_parameters\": {\"rope_theta\": 5}")?.field == "rope_theta", "two thetas")
    #expect(
      Self.fault("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, \"rope_parameters\": \(scaling)") != nil)
  }

  @Test("yarn and longrope, with the original context in any of its places")
  func contexts() throws {
    func scaling(_ keys: String, _ extra: String = "") throws -> RotaryScaling {
      try Self.read("\"rope_scaling\": {\(keys)}\(extra)").rotary.scaling
    }
    let yarn = "\"rope_type\": \"yarn\", \"factor\": 4"
    #expect(try scaling(yarn) == .yarn(YaRNScaling(factor: 4, originalContext: 128)))
    #expect(
      try scaling(yarn + ", \"original_max_position_embeddings\": 32")
        == .yarn(YaRNScaling(factor: 4, originalContext: 32)))
    let outside = ", \"original_max_position_embeddings\": 32"
    #expect(try scaling(yarn, outside) == .yarn(YaRNScaling(factor: 4, originalContext: 32)))
    #expect(
      Self.fault("\"rope_scaling\": {\(yarn), \"original_max_position_embeddings\": 64}\(outside)")?.field
        == "rope_scaling.original_max_position_embeddings")
    #expect(
      try scaling("\"rope_type\": \"yarn\", \"factor\": null\(outside)")
        == .yarn(YaRNScaling(factor: 4, originalContext: 32)))
    // What was taken is told.
    #expect(
      try Self.read("\"rope_scaling\": {\(yarn)}").assumed == ["rope_scaling.original_max_position_embeddings = 128"])
    // 1 + 0.1 ln 4, as Ternary-Bonsai needs it.
    #expect(abs(YaRNScaling(factor: 4, originalContext: 16384).attentionFactor - 1.138629) < 1e-6)
  }

  @Test("Qwen3: heads of their own width, a window that is switched off, no biases of the feed-forward block")
  func qwen3() throws {
    let base = Self.small.replacing("LlamaForCausalLM", with: "Qwen3ForCausalLM")
    let read = try Self.read(from: base)
    #expect(read.attention.headDimension == 128 && read.attention.queryWidth == 512)
    #expect(read.assumed == ["head_dim = 128"])
    #expect(try Self.read("\"head_dim\": 32", from: base).attention.headDimension == 32)
    let window = "\"sliding_window\": 4096, \"max_window_layers\": 1, \"use_sliding_window\": false"
    _ = try Self.read(window + ", \"layer_types\": [\"full_attention\", \"full_attention\"]", from: base)
    #expect(Self.fault("\"use_sliding_window\": true", from: base)?.field == "use_sliding_window")
    #expect(Self.fault("\"layer_types\": [\"full_attention\"]", from: base)?.field == "layer_types")
    #expect(
      Self.fault("\"layer_types\": [\"full_attention\", \"sliding_attention\"]", from: base)?.field == "layer_types")
    #expect(Self.fault("\"mlp_bias\": true", from: base)?.field == "mlp_bias")
    // `Qwen3Config` of transformers 5.23 refuses null here; `LlamaConfig` has heads of hidden size ÷ heads then.
    for key in ["head_dim", "use_sliding_window", "max_window_layers", "attention_dropout"] {
      #expect(Self.fault("\"\(key)\": null", from: base)?.field == key)
      if key != "max_window_layers" { #expect(Self.fault("\"\(key)\": null") == nil) }
    }
    #expect(read.architecture.role(of: "model.layers.1.self_attn.q_norm.weight") == .norm)
    #expect(read.tensors(ofLayer: 0).first { $0.name.hasSuffix("k_norm.weight") }?.shape == [128])
  }

  @Test("MiniCPM: multipliers, and a head that is the embedding where the file does not say")
  func miniCPM() throws {
    let base = Self.small.replacing("LlamaForCausalLM", with: "MiniCPMForCausalLM")
    let read = try Self.read(
      "\"scale_emb\": 12, \"scale_depth\": 1.4, \"dim_model_base\": 256, \"mup_denominator\": 32", from: base)
    #expect(read.multipliers.embedding == 12 && read.multipliers.headDivisor == 0.25 && read.tiesEmbeddings)
    #expect(read.multipliers.residual == Float(1.4 / 2.0.squareRoot()))
    #expect(
      try Self.read(from: base).multipliers == StreamMultipliers(residual: Float(0.5.squareRoot()), headDivisor: 64))
    for (key, value) in [
      ("scale_emb", "0"), ("scale_depth", "-1"), ("dim_model_base", "\"x\""), ("sparse_config", "{}"),
    ] {
      #expect(Self.fault("\"\(key)\": \(value)", from: base)?.field == key)
    }
    // Written, the numbers are the published ones again.
    let written = HuggingFaceDescription.write(read, weightType: .bf16)
    #expect(written["scale_depth"]?.number?.double == 1.4 && written["dim_model_base"]?.number?.double == 256)
    #expect(try HuggingFaceDescription.read(written, file: "config.json").differences(from: read).isEmpty)
  }

  /// A key, a value it must not have, and the field the error names.
  static let refused: [(String, String, String)] = [
    ("rope_scaling", "{\"type\": \"dynamic\", \"factor\": 2}", "rope_scaling.rope_type"),
    ("rope_scaling", "{\"rope_type\": \"dynamic\", \"factor\": 2}", "rope_scaling.rope_type"),
    ("rope_scaling", "{\"rope_type\": \"yarn\"}", "rope_scaling.factor"),
    (
      "rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 2, \"beta_fast\": 1, \"beta_slow\": 2}",
      "rope_scaling.beta_fast"
    ),
    ("rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 2, \"short_factor\": [1]}", "rope_scaling.short_factor"),
    ("rope_scaling", "{\"rope_type\": \"longrope\"}", "rope_scaling.short_factor"),
    ("rope_scaling", "{\"rope_type\": \"longrope\", \"short_factor\": [1, 2]}", "rope_scaling.short_factor"),
    ("rope_scaling", "{\"rope_type\": \"longrope\", \"short_factor\": [1,1,1,1,1,1,1,0]}", "rope_scaling.short_factor"),
    ("rope_scaling", "{\"rope_type\": \"longrope\", \"short_factor\": \"x\"}", "rope_scaling.short_factor"),
    ("scale_emb", "12", "scale_emb"),
    ("rope_scaling", "{\"type\": \"linear\"}", "rope_scaling.factor"),
    ("rope_scaling", "{\"type\": \"linear\", \"factor\": 0}", "rope_scaling.factor"),
    (
      "rope_scaling", "{\"type\": \"linear\", \"factor\": 2, \"attention_factor\": 1.2}",
      "rope_scaling.attention_factor"
    ),
    ("rope_scaling", "\"linear\"", "rope_scaling"),
    ("rope_parameters", "{\"full_attention\": {\"rope_type\": \"default\"}}", "rope_parameters.full_attention"),
    ("rope_theta", "-1", "rope_theta"),
    // Infinite or 0 as Floats.
    ("rope_theta", "1e40", "rope_theta"), ("rms_norm_eps", "1e-50", "rms_norm_eps"),
    ("rope_scaling", "{\"type\": \"linear\", \"factor\": 1e-50}", "rope_scaling.factor"),
    ("rope_theta", "\"10000\"", "rope_theta"),
    ("partial_rotary_factor", "0.5", "partial_rotary_factor"),
    ("sliding_window", "4096", "sliding_window"),
    ("use_sliding_window", "true", "use_sliding_window"),
    ("hidden_act", "\"gelu\"", "hidden_act"),
    ("hidden_act", "3", "hidden_act"),
    ("attention_bias", "\"yes\"", "attention_bias"),
    ("mlp_bias", "1", "mlp_bias"),
    ("tie_word_embeddings", "0", "tie_word_embeddings"),
    ("is_encoder_decoder", "true", "is_encoder_decoder"),
    ("add_cross_attention", "true", "add_cross_attention"),
    ("layer_types", "[\"sliding_attention\"]", "layer_types"),
    ("logits_soft_cap", "30", "logits_soft_cap"),
    ("num_experts", "8", "num_experts"),
    ("qk_norm", "true", "qk_norm"),
    ("num_attention_heads", "0", "num_attention_heads"),
    ("num_attention_heads", "3", "num_key_value_heads"),
    ("num_key_value_heads", "3", "num_key_value_heads"),
    ("head_dim", "15", "head_dim"),
    ("hidden_size", "64.5", "hidden_size"),
    ("hidden_size", "1e30", "hidden_size"),
    ("num_hidden_layers", "-1", "num_hidden_layers"),
    ("vocab_size", "null", "vocab_size"),
    ("rms_norm_eps", "0", "rms_norm_eps"),
    // transformers 5.23 fails on these: null is not absent.
    ("rms_norm_eps", "null", "rms_norm_eps"),
    ("hidden_act", "null", "hidden_act"),
    ("max_position_embeddings", "null", "max_position_embeddings"),
    ("tie_word_embeddings", "null", "tie_word_embeddings"),
    ("attention_bias", "null", "attention_bias"),
    ("mlp_bias", "null", "mlp_bias"),
    ("rope_theta", "null", "rope_theta"),
    ("model_type", "\"gemma\"", "model_type"),
    ("model_type", "\"bitnet\"", "model_type"),
    ("model_type", "7", "model_type"),
    ("use_cache", "0", "use_cache"), ("use_cache", "\"true\"", "use_cache"),
    ("initializer_range", "1", "initializer_range"), ("initializer_range", "1.5", "initializer_range"),
    ("initializer_range", "\"0.02\"", "initializer_range"),
    ("attention_dropout", "\"0\"", "attention_dropout"), ("attention_dropout", "true", "attention_dropout"),
    ("pretraining_tp", "1.5", "pretraining_tp"), ("pretraining_tp", "2.0", "pretraining_tp"),
    ("pretraining_tp", "true", "pretraining_tp"),
    ("num_labels", "\"x\"", "num_labels"), ("num_labels", "2.0", "num_labels"), ("num_labels", "null", "num_labels"),
    ("id2label", "{\"x\": \"a\"}", "id2label"), ("id2label", "[]", "id2label"),
    ("torch_dtype", "\"int8\"", "torch_dtype"), ("torch_dtype", "\"bogus\"", "torch_dtype"),
    ("torch_dtype", "\"torch.float16\"", "torch_dtype"), ("dtype", "\"bogus\"", "dtype"),
    ("weight_bits", "2", "weight_bits"),
    ("input_bits", "4", "input_bits"),
    ("quantization_config", "{\"quant_method\": \"gptq\"}", "quantization_config.quant_method"),
    (
      "quantization_config", "{\"quant_method\": \"bitnet\", \"linear_class\": \"x\"}",
      "quantization_config.linear_class"
    ),
    (
      "quantization_config", "{\"quant_method\": \"bitnet\", \"quantization_mode\": \"x\"}",
      "quantization_config.quantization_mode"
    ),
    (
      "quantization_config", "{\"quant_method\": \"bitnet\", \"linear_class\": null}",
      "quantization_config.linear_class"
    ),
    (
      "quantization_config", "{\"quant_method\": \"bitnet\", \"quantization_mode\": null}",
      "quantization_config.quantization_mode"
    ),
    (
      "quantization_config", "{\"quant_method\": \"bitnet\", \"use_rms_norm\": true, \"rms_norm_eps\": null}",
      "quantization_config.rms_norm_eps"
    ),
    ("quantization_config", "{\"quant_method\": \"bitnet\", \"bits\": 1}", "quantization_config.bits"),
    (
      "quantization_config", "{\"quant_method\": \"bitnet\", \"modules_to_not_convert\": [\"lm_.*\"]}",
      "quantization_config.modules_to_not_convert"
    ),
  ]

  @Test("a key or value that is not supported is an error that names it", arguments: refused)
  func refusals(_ key: String, _ value: String, _ field: String) {
    #expect(Self.fault("\"\(key)\": \(value)")?.field == field)
  }

  @Test("keys that change nothing are let pass")
  func irrelevant() throws {
    _ = try Self.read(
      """
      "sliding_window": null, "use_sliding_window": false, "partial_rotary_factor": 1.0, "attention_dropout": 0.1, \
      "pretraining_tp": 1, "use_cache": true, "torch_dtype": "bfloat16", "transformers_version": "5.0", \
      "bos_token_id": 1, "eos_token_id": [2, 3], "initializer_range": 0.02
      """)
    _ = try Self.read(
      """
      "attention_dropout": null, "pretraining_tp": null, "torch_dtype": "bogus", "dtype": "float32", \
      "id2label": {"0": "a"}, "num_labels": "x", "initializer_range": 1e-2
      """)
    // Null means absent to the class; `swish` is its other name for silu.
    let null = try Self.read(
      """
      "rope_scaling": null, "rope_parameters": null, "head_dim": null, "num_key_value_heads": null, \
      "bos_token_id": null, "pad_token_id": null, "quantization_config": null, "model_type": "llama", \
      "hidden_act": "swish"
      """)
    #expect(null.attention.headDimension == 16 && null.rotary.scaling == .none && null.activation == .silu)
  }

  /// By `LlamaConfig`, `BitNetConfig` and `Qwen3Config` of transformers 5.23, and torch's `Embedding`.
  @Test("special tokens: of the class, none, and those the class refuses")
  func specialTokens() throws {
    let absent = try Self.read("\"vocab_size\": 200000")
    #expect(absent.tokens(.begin) == [1] && absent.tokens(.end) == [2] && absent.tokens(.padding).isEmpty)
    let none = try Self.read("\"bos_token_id\": null, \"eos_token_id\": null, \"pad_token_id\": -1")
    #expect(SpecialTokens.Role.allCases.allSatisfy { none.tokens($0).isEmpty })
    #expect(none.tokenDifferences(from: absent).map(\.key) == ["bos_token_id", "eos_token_id"])
    for (name, begin, end) in [("BitNetForCausalLM", [128_000], [128_001]), ("Qwen3ForCausalLM", [], [])] {
      let base = Self.small.replacing("LlamaForCausalLM", with: name)
      let read = try Self.read("\"vocab_size\": 200000", from: base)
      #expect(read.tokens(.begin) == begin && read.tokens(.end) == end, "\(name)")
    }
    for (key, value) in [("pad_token_id", "50"), ("pad_token_id", "[1]"), ("bos_token_id", "[1]")] {
      #expect(Self.fault("\"\(key)\": \(value)")?.field == key)
    }
    #expect(try Self.read("\"pad_token_id\": 49").tokens(.padding) == [49])
    // Written, none is said: without the key loaders take the token of the class.
    let written = HuggingFaceDescription.write(none, weightType: .bf16)
    #expect(written["bos_token_id"] == .null && written["eos_token_id"] == .null && written["pad_token_id"] == nil)
    #expect(HuggingFaceDescription.write(absent, weightType: .bf16)["bos_token_id"] == nil)
  }

  @Test("how projections compute")
  func quantization() throws {
    func scheme(_ value: String) throws -> QuantizationScheme {
      try Self.read("\"quantization_config\": {\"quant_method\": \"bitnet\"\(value)}").quantization
    }
    #expect(try Self.read().quantization.projections == .linear)
    #expect(try scheme("").projections == .bitLinear)
    #expect(try scheme(", \"linear_class\": \"autobitlinear\"").projections == .autoBitLinearOffline)
    let online = ", \"linear_class\": \"autobitlinear\", \"quantization_mode\": \"online\""
    #expect(try scheme(online).projections == .autoBitLinearOnline)
    let normed = try scheme(
      ", \"use_rms_norm\": true, \"rms_norm_eps\": 1e-5, \"modules_to_not_convert\": [\"lm_head\"]")
    #expect(
      normed.inputNormEpsilon == 1e-5 && normed.excludes("lm_head") && !normed.excludes("model.layers.0.mlp.up_proj"))
    // A list replaces the default, which is the head.
    #expect(try scheme("").excludes("lm_head"))
    #expect(try scheme(", \"modules_to_not_convert\": null").excludes("lm_head"))
    #expect(try !scheme(", \"modules_to_not_convert\": []").excludes("lm_head"))
  }

  @Test("no class, or one nobody knows")
  func classes() {
    let rest = Self.small.replacing("\"architectures\": [\"LlamaForCausalLM\"], ", with: "")
    #expect(Self.fault("", from: rest)?.kind == .noArchitecture)
    #expect(Self.fault("\"architectures\": []", from: rest)?.kind == .noArchitecture)
    #expect(Self.fault("\"architectures\": \"LlamaForCausalLM\"", from: rest)?.kind == .noArchitecture)
    #expect(
      Self.fault("\"architectures\": [\"LlamaForCasualLM\"]", from: rest)?.kind
        == .unknownArchitecture("LlamaForCasualLM", nearest: "LlamaForCausalLM"))
  }
}
