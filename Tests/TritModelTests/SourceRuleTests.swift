// Tritsmith tests: one reader for each container.

import Testing
import TritCore
import TritTestSupport

@Suite("Keys of a configuration are read in one place for each container")
struct SourceRuleTests {
  /// Keys that say what a model is, in `config.json` and in GGUF.
  private static let keys = [
    "\"hidden_size\"", "\"intermediate_size\"", "\"num_hidden_layers\"", "\"num_attention_heads\"", "\"head_dim\"",
    "\"rope_theta\"", "\"rope_scaling\"", "\"rms_norm_eps\"", "\"hidden_act\"", "\"tie_word_embeddings\"",
    "attention.head_count", "embedding_length", "feed_forward_length", "rope.freq_base", "layer_norm_rms_epsilon",
  ]

  /// Names of tensors belong to the table of modules.
  private static let names = ["input_layernorm.weight", "embed_tokens", "attn_output", "ffn_gate", "token_embd"]

  /// The audit's second reading of GGUF must share no code with the first; the benchmark makes models of its own.
  private static let exceptions = ["IndependentDecoder+GGUF.swift", "ModelShape.swift"]

  private func offenders(_ words: [String], except folders: [String]) -> [String] {
    var result: [String] = []
    for path in Disk.swiftFiles(Fixtures.root + "/../Sources") {
      let name = path.split(separator: "/").last.map(String.init) ?? path
      guard !SourceRuleTests.exceptions.contains(name), !folders.contains(where: path.contains) else { continue }
      let code = Disk.text(path).split(separator: "\n").filter {
        !$0.drop { $0 == " " }.hasPrefix("//")
      }
      for word in words where code.contains(where: { $0.contains(word) }) { result.append("\(name): \(word)") }
    }
    return result
  }

  @Test("settings: only the two descriptions")
  func settings() {
    // A family says which of them its class refuses when they are null; the reader asks it.
    let allowed = ["TritModel/Description/", "TritModel/Architectures/"]
    #expect(offenders(SourceRuleTests.keys, except: allowed) == [])
  }

  @Test("tensor names: only the table of modules, and the families")
  func names() {
    let allowed = [
      "TritModel/Description/ModuleTemplate.swift", "TritModel/Architectures/", "TritModel/Architecture.swift",
      // What may be rotated is a list of names in the contract of that format.
      "TritModel/Description/WeightRotation.swift",
      // A key of a class, attn_output_gate, begins like a name.
      "TritModel/Description/HuggingFaceDescription+DeltaNets.swift",
    ]
    #expect(offenders(SourceRuleTests.names, except: allowed) == [])
  }
}
