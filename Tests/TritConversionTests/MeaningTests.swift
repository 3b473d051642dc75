// Tritsmith tests: a conversion is refused, or gives the same model.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritTestSupport
import WorkflowTestSupport

@Suite("Every setting, to every target: refused, or the same logits")
struct MeaningTests {
  /// A setting with values its reader understands, leaves to a default, or has no form for.
  struct Setting: Sendable, CustomTestStringConvertible {
    var name: String
    var values: [String?]
    var change: @Sendable (inout MeaningModel, String?) -> Void = { _, _ in }

    var testDescription: String { name }
  }

  private static let yarn = "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 16}"
  /// Past its original context of 4 tokens, and divisors of 32 pairs.
  private static let longRoPE =
    "{\"rope_type\": \"longrope\", \"original_max_position_embeddings\": 4, \"short_factor\": \(list(1)), "
    + "\"long_factor\": \(list(1.25))}"

  private static func list(_ first: Double) -> String {
    "[" + (0..<32).map { "\(first + Double($0) / 16)" }.joined(separator: ", ") + "]"
  }

  static let settings: [Setting] = [
    Setting(name: "rope_theta", values: [nil, "10000.0", "500000.0", "1000042.0", "0", "\"x\"", "null"]),
    Setting(name: "rms_norm_eps", values: [nil, "1e-06", "1e-05", "0.01", "-1", "null"]),
    Setting(name: "hidden_act", values: [nil, "\"silu\"", "\"swish\"", "\"relu2\"", "\"gelu\"", "null"]),
    Setting(name: "hidden_act", values: ["\"gelu_pytorch_tanh\""]),
    Setting(name: "model_type", values: [nil, "\"llama\"", "\"bitnet\"", "\"gemma\"", "null"]),
    Setting(name: "tie_word_embeddings", values: [nil, "false", "true"]),
    Setting(name: "tie_word_embeddings", values: [nil, "false", "true"]) { model, _ in model.hasHead = false },
    Setting(name: "attention_bias", values: [nil, "false", "true"]),
    Setting(name: "attention_bias", values: [nil, "false", "true"]) { model, _ in model.hasAttentionBias = true },
    Setting(name: "mlp_bias", values: [nil, "false", "true"]),
    Setting(name: "mlp_bias", values: [nil, "false", "true"]) { model, _ in model.hasFeedForwardBias = true },
    Setting(name: "head_dim", values: [nil, "64", "32", "128"]),
    Setting(name: "head_dim", values: ["32"]) { model, _ in model.headWidth = 32 },
    Setting(name: "head_dim", values: ["128"]) { model, _ in model.headWidth = 128 },
    Setting(name: "num_key_value_heads", values: [nil, "2", "1", "4", "3"]),
    Setting(name: "num_key_value_heads", values: ["1"]) { model, _ in model.keyValueHeads = 1 },
    Setting(name: "num_key_value_heads", values: [nil, "null", "4"]) { model, _ in model.keyValueHeads = 4 },
    Setting(name: "num_hidden_layers", values: ["1", "2", "100000"]),
    Setting(name: "vocab_size", values: ["24", "23", "32"]),
    Setting(name: "max_position_embeddings", values: [nil, "64", "8"]),
    Setting(name: "sliding_window", values: ["null", "4", "4096"]),
    Setting(name: "partial_rotary_factor", values: ["1.0", "0.5"]),
    Setting(
      name: "rope_scaling",
      values: [
        "null", "{\"type\": \"linear\", \"factor\": 2.0}", "{\"rope_type\": \"linear\", \"factor\": 1.0}",
        """
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, \
        "original_max_position_embeddings": 32}
        """, yarn, "{\"rope_type\": \"dynamic\", \"factor\": 2.0}", "{\"rope_type\": \"longrope\"}", longRoPE,
      ]),
    Setting(
      name: "rope_parameters",
      values: [
        "{\"rope_type\": \"default\", \"rope_theta\": 10000.0}", "{\"rope_type\": \"default\", \"rope_theta\": 77.0}",
        "{\"rope_type\": \"linear\", \"factor\": 3.0, \"rope_theta\": 10000.0}",
        "{\"rope_type\": \"default\", \"partial_rotary_factor\": 0.5}",
      ]),
    Setting(
      name: "quantization_config",
      values: [
        "{\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", \"quantization_mode\": \"online\", "
          + "\"use_rms_norm\": true}",
        "{\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", \"quantization_mode\": \"sometimes\"}",
        "{\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", \"quantization_mode\": \"online\", "
          + "\"modules_to_not_convert\": [\"lm_head\", \"model.layers.0.mlp.up_proj\"]}",
        "{\"quant_method\": \"gptq\", \"bits\": 2}",
      ]),
    Setting(name: "logit_scale", values: ["0.5"]), Setting(name: "embedding_multiplier", values: ["12.0"]),
    Setting(name: "attention_multiplier", values: ["0.1"]), Setting(name: "num_experts", values: ["8"]),
    Setting(name: "pad_token_id", values: ["null", "-1", "3"]),
    Setting(name: "eos_token_id", values: ["2", "[2, 3]", "null"]),
  ]

  /// What the other families read in their own way, and every rotary scaling with all its numbers.
  private static let qwen3Settings: [Setting] =
    [
      Setting(name: "head_dim", values: [nil]) { model, _ in model.headWidth = 128 },
      Setting(name: "head_dim", values: ["32"]) { model, _ in model.headWidth = 32 },
      Setting(name: "tie_word_embeddings", values: ["true"]) { model, _ in model.hasHead = false },
      Setting(name: "attention_bias", values: ["true"]) { model, _ in model.hasAttentionBias = true },
      Setting(name: "mlp_bias", values: ["false", "true"]),
      Setting(name: "sliding_window", values: ["4", "null"]), Setting(name: "use_sliding_window", values: ["true"]),
      Setting(name: "layer_types", values: ["[\"full_attention\"]", "[\"sliding_attention\"]"]),
      Setting(name: "rms_norm_eps", values: ["0.01"]), Setting(name: "rope_theta", values: ["1000000"]),
      Setting(
        name: "rope_scaling",
        values: [
          yarn, longRoPE, "{\"rope_type\": \"yarn\", \"factor\": 2.5, \"attention_factor\": 1.3}",
          "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"beta_fast\": 16.0}",
          "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"truncate\": false}", "{\"type\": \"linear\", \"factor\": 3}",
        ]),
    ]

  private static let miniCPMSettings: [Setting] =
    [
      Setting(name: "scale_emb", values: [nil, "1", "7.5"]), Setting(name: "scale_depth", values: [nil, "0.3"]),
      Setting(name: "dim_model_base", values: ["256", "37"]), Setting(name: "sparse_config", values: ["{}"]),
      Setting(name: "tie_word_embeddings", values: [nil]) { model, _ in model.hasHead = false },
      Setting(name: "num_hidden_layers", values: ["2"]) { model, _ in model.layers = 2 },
      Setting(
        name: "rope_scaling",
        values: [
          longRoPE, longRoPE.replacing("\"original_max", with: "\"attention_factor\": 1.1, \"original_max"), llama3(4),
          // The same divisors by other numbers.
          llama3(8),
        ]),
    ]

  static let others: [(family: MeaningModel.Family, setting: Setting)] =
    qwen3Settings.map { (family: .qwen3, setting: $0) } + miniCPMSettings.map { (family: .miniCPM, setting: $0) }
    + [(family: .llama, setting: Setting(name: "rope_scaling", values: [llama3(4), longRoPE]))]

  /// With a high factor, and the low factor and original context that give the same divisors as 4.
  private static func llama3(_ high: Double) -> String {
    "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": \(high / 4), \"high_freq_factor\": \(high), "
      + "\"original_max_position_embeddings\": \(8 * high)}"
  }

  /// Float noise of sums in another order: none is expected, as all run the same scalar code on the same trits.
  static let noise = 1e-6

  @Test("of a configuration", arguments: settings, MeaningModel.Family.bitNets)
  func configuration(_ setting: Setting, _ family: MeaningModel.Family) throws {
    try MeaningTests.check(setting, family)
  }

  @Test("of a configuration, in the families' own settings", arguments: others)
  func otherConfiguration(_ family: MeaningModel.Family, _ setting: Setting) throws {
    try MeaningTests.check(setting, family)
  }

  private static func check(_ setting: Setting, _ family: MeaningModel.Family) throws {
    for value in setting.values {
      let scratch = ScratchFolder()
      var model = MeaningModel(family)
      model.settings = [(setting.name, value)]
      setting.change(&model, value)
      let source = model.write(scratch["source"])
      let expected = try? Meaning.logits(source)
      for target in Meaning.targets {
        let output =
          scratch["out-\(target.rawValue)"] + (target == .gguf ? ".gguf" : target == .tritpack ? ".tritpack" : "")
        let label = "\(family.rawValue) \(setting.name) = \(value ?? "absent") to \(target.rawValue)"
        guard let expected else {
          // What cannot be run can only come along key for key, never be said in another container.
          if target == .gguf {
            let meaning = try? Workflow.convert(source, output, to: target)
            #expect(meaning == nil, "\(label): written, and not understood")
          }
          continue
        }
        switch try Meaning.convert(source, output, target, expected: expected) {
        case .refused: continue
        case .written(let change):
          #expect(change <= MeaningTests.noise, "\(label): logits change by \(change)")
          // And back: the file is the model for other containers as well.
          guard target == .gguf else { continue }
          let again = scratch["again-\(target.rawValue)"]
          // The output's logits were the source's, within the noise just looked at.
          if case .written(let change) = try Meaning.convert(output, again, .hfPacked, expected: expected) {
            #expect(change <= MeaningTests.noise, "\(label) and back: logits change by \(change)")
          }
        }
      }
    }
  }

  /// What every conversion of the unchanged models must be: written.
  @Test("unchanged models are written to every target", arguments: MeaningModel.Family.allCases)
  func written(_ family: MeaningModel.Family) throws {
    let scratch = ScratchFolder()
    let source = MeaningModel(family).write(scratch["source"])
    for target in Meaning.targets {
      let end = target == .gguf ? ".gguf" : target == .tritpack ? ".tritpack" : ""
      let meaning = try Meaning.convert(source, scratch[target.rawValue] + end, target)
      guard case .written(let change) = meaning else {
        Issue.record("\(family.rawValue) to \(target.rawValue) was refused")
        continue
      }
      #expect(change <= MeaningTests.noise)
    }
  }

  /// What a graph of GGUF has: the scaling, keys and tensors of the file, and what comes back as `rope_type`.
  static let scalings: [(family: MeaningModel.Family, value: String, keys: [String], tensors: [String], back: String)] =
    [
      (
        .qwen3, yarn, ["type", "factor", "original_context_length", "attn_factor"], [], "yarn"
      ),
      (.bitnet, yarn, ["type", "factor", "original_context_length", "attn_factor"], [], "yarn"),
      (.llama, llama3(4), [], ["rope_freqs.weight"], "llama3"),
      (.miniCPM, llama3(8), [], ["rope_freqs.weight"], "llama3"),
      (
        .miniCPM, longRoPE, ["type", "original_context_length", "attn_factor"],
        ["rope_factors_long.weight", "rope_factors_short.weight"], "longrope"
      ),
      (
        .llama, longRoPE, ["type", "original_context_length", "attn_factor"],
        ["rope_factors_long.weight", "rope_factors_short.weight"], "longrope"
      ),
    ]

  @Test("rotary scalings through GGUF and back", arguments: scalings)
  func scaling(
    _ family: MeaningModel.Family, _ value: String, _ keys: [String], _ tensors: [String], _ back: String
  ) throws {
    let scratch = ScratchFolder()
    var model = MeaningModel(family)
    model.settings = [("rope_scaling", value)]
    let source = model.write(scratch["source"])
    let expected = try Meaning.logits(source)
    for (from, to, target) in [
      (source, scratch["m.gguf"], ConversionTarget.gguf), (scratch["m.gguf"], scratch["again.gguf"], .gguf),
      (scratch["again.gguf"], scratch["back"], .hfPacked),
    ] {
      guard case .written(let change) = try Meaning.convert(from, to, target, expected: expected) else {
        Issue.record("\(to) was refused")
        return
      }
      #expect(change <= MeaningTests.noise)
    }
    for name in ["m.gguf", "again.gguf"] {
      let manifest = try FormatRegistry.open(scratch[name]).manifest
      let found = manifest.entries.map(\.key).compactMap { key in
        key.firstRange(of: ".rope.scaling.").map { key[$0.upperBound...] }
      }
      #expect(Set(found.map(String.init)) == Set(keys))
      #expect(Set(manifest.tensors.map(\.name).filter { $0.hasPrefix("rope_") }) == Set(tensors))
    }
    let read = try ModelDescription.read(try ModelOpener.open(scratch["back"], OpenOptions(), hasCompanions: false))
    let first = try ModelDescription.read(try ModelOpener.open(source, OpenOptions(), hasCompanions: false))
    #expect(read.rotary.scaling.name == back)
    // llama.cpp chooses between its lists in another way.
    let warnings = try Workflow.plan(source, to: .gguf).warnings
    #expect(warnings.contains { $0.contains("llama.cpp takes the long factors") } == (back == "longrope"))
    #expect(read.differences(from: first).isEmpty)
  }

  @Test("a scaling no graph of the family has is refused with its name")
  func unsayable() throws {
    let scratch = ScratchFolder()
    for (family, value, name) in [
      (MeaningModel.Family.qwen3, MeaningTests.llama3(4), "llama3"), (.bitnet, MeaningTests.longRoPE, "longrope"),
      (.qwen3, "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"truncate\": false}", "truncate"),
    ] {
      var model = MeaningModel(family)
      model.settings = [("rope_scaling", value)]
      let source = model.write(scratch["\(family) \(name)"])
      let error = #expect(throws: GGUFModelError.self) {
        try Workflow.convert(source, scratch["\(family) \(name).gguf"], to: .gguf)
      }
      #expect(error?.summary.contains(name) == true && error?.location.field == "rope_scaling")
    }
  }

  /// A GGUF key by its name behind the architecture, with values; nil takes the key out.
  static let keys: [(name: String, values: [MetadataValue?])] = [
    ("rope.freq_base", [nil, .float32(10000), .float32(500_000), .float32(77), .float32(0)]),
    ("attention.layer_norm_rms_epsilon", [nil, .float32(1e-6), .float32(0.01)]),
    ("rope.dimension_count", [nil, .uint32(64), .uint32(32)]),
    ("attention.key_length", [nil, .uint32(64), .uint32(32)]), ("attention.value_length", [nil, .uint32(32)]),
    (
      "attention.head_count_kv",
      [nil, .uint32(2), .uint32(1), .array(.int32([2])), .array(.uint32([2, 2])), .array(.uint32([2, 1]))]
    ),
    ("attention.sliding_window", [.uint32(8)]), ("attention.causal", [.bool(true), .bool(false)]),
    ("attention.scale", [.float32(0.1)]), ("expert_count", [.uint32(0), .uint32(8)]),
    ("logit_scale", [.float32(2)]), ("embedding_scale", [.float32(12)]),
    ("vocab_size", [nil, .uint32(24), .uint32(25)]),
    ("rope.scaling.type", [.string("none"), .string("linear"), .string("yarn"), .string("longrope")]),
    ("rope.scaling.factor", [.float32(1), .float32(4)]), ("context_length", [.uint32(8), .uint32(4096)]),
    ("feed_forward_length", [nil, .uint32(128)]), ("block_count", [.uint32(1), .uint32(2)]),
    ("unknown.key", [.uint32(1)]),
  ]

  /// Keys of rotary scaling, which Llama's graph reads, and of multipliers.
  static let otherKeys: [(family: MeaningModel.Family, keys: [(name: String, values: [MetadataValue?])])] = [
    (
      .qwen3,
      [
        ("rope.scaling.attn_factor", [.float32(1), .float32(1.1)]), ("attention.key_length", [nil, .uint32(32)]),
        ("rope.scaling.type", [.string("yarn"), .string("su"), .uint32(1)]),
        ("rope.scaling.yarn_beta_fast", [.float32(32), .float32(16)]), ("embedding_scale", [.float32(12)]),
      ]
    ),
    (
      .miniCPM,
      [
        ("embedding_scale", [nil, .float32(12), .float32(1), .float32(0)]),
        ("residual_scale", [nil, .float32(0.25), .string("x")]), ("logit_scale", [nil, .float32(2.5), .float32(-1)]),
        ("rope.scaling.type", [.string("longrope")]),
      ]
    ),
  ]

  @Test("of a GGUF file", arguments: MeaningModel.Family.bitNets)
  func keys(_ family: MeaningModel.Family) throws {
    try MeaningTests.check(MeaningTests.keys, family)
  }

  @Test("of a GGUF file, in the families' own keys", arguments: otherKeys)
  func keysOfOthers(_ family: MeaningModel.Family, _ keys: [(name: String, values: [MetadataValue?])]) throws {
    try MeaningTests.check(keys, family)
  }

  private static func check(
    _ keys: [(name: String, values: [MetadataValue?])], _ family: MeaningModel.Family
  ) throws {
    let scratch = ScratchFolder()
    let start = scratch["start.gguf"]
    guard case .written = try Meaning.convert(MeaningModel(family).write(scratch["source"]), start, .gguf) else {
      Issue.record("the unchanged model was refused")
      return
    }
    let architecture = try #require(try FormatRegistry.open(start).manifest.entry("general.architecture")?.string)
    for (name, values) in keys {
      for (number, value) in values.enumerated() {
        let key = "\(architecture).\(name)"
        let changed = try ChangedGGUF.write(start, scratch["\(name)-\(number).gguf"]) { entries in
          entries.removeAll { $0.key == key }
          if let value { entries.append(MetadataEntry(key, value)) }
        }
        let expected = try? Meaning.logits(changed)
        for target in Meaning.targets {
          let end = target == .gguf ? ".gguf" : target == .tritpack ? ".tritpack" : ""
          let output = scratch["\(name)-\(number)-\(target.rawValue)\(end)"]
          let label = "\(key) = \(value?.text() ?? "absent") to \(target.rawValue)"
          guard let expected else {
            // Its keys can be kept, as they are, in another GGUF file only.
            if target != .gguf {
              #expect((try? Workflow.convert(changed, output, to: target)) == nil, "\(label): not understood, written")
            }
            continue
          }
          if case .written(let change) = try Meaning.convert(changed, output, target, expected: expected) {
            #expect(change <= MeaningTests.noise, "\(label): logits change by \(change)")
          }
        }
      }
    }
  }
}
