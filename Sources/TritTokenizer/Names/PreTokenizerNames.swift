// Tritsmith: the names by which GGUF files say how text is cut.

import TritCore

/// A program that runs GGUF files.
package enum GGUFEngine: String, Sendable, CaseIterable {
  case llamaCpp = "llama.cpp"
  case bitnetCpp = "bitnet.cpp"
  case ikLlamaCpp = "ik_llama.cpp"
}

/// Whether models of a name bring text into NFC before it is cut. No engine does, whatever the name.
package enum NormalizationHabit: Sendable {
  /// None does.
  case never
  /// Some do; a file that does not say is taken for one that does not.
  case sometimes
  /// The models that the name comes from do; a file that does not say is taken for one of them.
  case usually
}

/// What an engine does under a name.
package struct PreTokenizerMeaning: Sendable {
  package let rule: PreTokenizerRule
  /// Whether a whole word that is a token is taken without merging.
  package let ignoresMerges: Bool
  /// Whether a begin token is put before a text when the file does not say.
  package let addsBOS: Bool
  package let normalization: NormalizationHabit
}

/// A value of `tokenizer.ggml.pre`.
///
/// Read in `llama-vocab.cpp` of llama.cpp 0c1e57098 and ik_llama.cpp 8337e4cd3, and in bitnet.cpp of January 2026
/// (1876a3e), which has two of the names for other rules. Engines cut text by the rule alone: names that share one
/// differ in nothing else than is said here.
package struct PreTokenizerName: Sendable {
  package let name: String
  /// Whether models of the name have no token that begins a text, whatever id their files give one.
  package let lacksBOS: Bool
  private let meanings: [(engines: [GGUFEngine], meaning: PreTokenizerMeaning)]

  fileprivate init(
    _ name: String, _ rule: PreTokenizerRule, _ engines: [GGUFEngine] = GGUFEngine.allCases,
    ignoresMerges: Bool = false, addsBOS: Bool = false, normalization: NormalizationHabit = .never,
    otherwise: PreTokenizerRule? = nil, in others: [GGUFEngine] = [], ignoringMerges: Bool = false,
    addingBOS: Bool = false, lacksBOS: Bool = false
  ) {
    self.name = name
    self.lacksBOS = lacksBOS
    var meanings = [
      (
        engines,
        PreTokenizerMeaning(
          rule: rule, ignoresMerges: ignoresMerges, addsBOS: addsBOS, normalization: normalization)
      )
    ]
    if let otherwise {
      meanings.append(
        (
          others,
          PreTokenizerMeaning(
            rule: otherwise, ignoresMerges: ignoringMerges, addsBOS: addingBOS, normalization: normalization)
        ))
    }
    self.meanings = meanings
  }

  /// What an engine does under the name; nil when it refuses files that have it.
  package func meaning(in engine: GGUFEngine) -> PreTokenizerMeaning? {
    meanings.first { $0.engines.contains(engine) }?.meaning
  }

  /// What the name means where one cannot tell for which engine a file was made.
  package var usualMeaning: PreTokenizerMeaning? { meanings.first?.meaning }

  /// The entry of a name.
  package static func named(_ name: String) -> PreTokenizerName? {
    all.first { $0.name.utf8.elementsEqual(name.utf8) }
  }

  /// Names, in the order of preference, under which an engine cuts text as a pre-tokenizer does.
  static func names(for preTokenizer: PreTokenizer, in engine: GGUFEngine) -> [PreTokenizerName] {
    // Names share rules, each of which is asked once.
    var known: [ObjectIdentifier: Bool] = [:]
    return all.filter { entry in
      guard let rule = entry.meaning(in: engine)?.rule else { return false }
      if let answer = known[ObjectIdentifier(rule)] { return answer }
      let fits = rule.describes(preTokenizer)
      known[ObjectIdentifier(rule)] = fits
      return fits
    }
  }

  /// What a file without a name means.
  package static let unnamed = "default"

  private static let newer: [GGUFEngine] = [.llamaCpp, .ikLlamaCpp]

  /// Every known name; of those with one rule the most widely known comes first.
  package static let all: [PreTokenizerName] = [
    .init(unnamed, .unnamed),

    .init("llama-bpe", .llama3, ignoresMerges: true, addsBOS: true),
    .init("llama3", .llama3, ignoresMerges: true, addsBOS: true),
    .init("llama-v3", .llama3, ignoresMerges: true, addsBOS: true),
    .init("smaug-bpe", .llama3),
    .init("dbrx", .llama3),
    .init("chatglm-bpe", .llama3),
    .init(
      "falcon3", .llama3, newer, ignoresMerges: true, addsBOS: true, otherwise: .falconDigits, in: [.bitnetCpp]),
    .init("falcon-h1", .llama3, newer, ignoresMerges: true, addsBOS: true),
    .init("pixtral", .llama3, newer, ignoresMerges: true, addsBOS: true),
    .init("midm-2.0", .llama3, newer, ignoresMerges: true, addsBOS: true),
    .init("lfm2", .llama3, newer, ignoresMerges: true, addsBOS: true),
    .init("jina-v5-nano", .llama3, newer, ignoresMerges: true, addsBOS: true),
    .init("glm4", .llama3, [.llamaCpp], ignoresMerges: true, otherwise: .llama3, in: [.ikLlamaCpp]),
    .init("glm5", .llama3, [.llamaCpp], ignoresMerges: true),

    .init("gpt-2", .gpt2),
    .init("phi-2", .gpt2),
    .init("jais", .gpt2),
    .init("jina-es", .gpt2),
    .init("jina-de", .gpt2),
    .init("jina-v1-en", .gpt2),
    .init("jina-v2-es", .gpt2),
    .init("jina-v2-de", .gpt2),
    .init("jina-v2-code", .gpt2),
    .init("mpt", .gpt2, normalization: .usually),
    .init("olmo", .gpt2, normalization: .usually),
    .init("modern-bert", .gpt2, newer, normalization: .usually),
    .init("gigachat", .gpt2, newer),
    .init("a.x-4.0", .gpt2, newer),
    .init("mellum", .gpt2, newer),
    .init("roberta-bpe", .gpt2, newer),
    .init("trillion", .gpt2, newer),
    .init("granite-docling", .gpt2, newer),
    .init("exaone4", .gpt2, newer),

    .init("qwen2", .qwen2, normalization: .usually, lacksBOS: true),
    .init("stablelm2", .qwen2),
    .init("deepseek-r1-qwen", .qwen2, newer),
    .init("kormo", .qwen2, newer),
    .init("f2llmv2", .qwen2, newer),
    .init("megrez", .qwen2, newer),
    .init("hunyuan", .qwen2, newer),
    .init("solar-open", .qwen2, newer),
    .init("grok-2", .qwen2, newer),
    // With another spelling of the same pattern.
    .init("bailingmoe", .qwen2, newer),
    .init("bailingmoe2", .qwen2, newer),
    .init("llada-moe", .qwen2, newer),
    .init("openpangu", .qwen2, [.ikLlamaCpp]),
    .init("qwen35", .qwen35, newer, normalization: .sometimes, lacksBOS: true),
    .init("ufakzeka", .ufakzeka, [.llamaCpp]),
    .init(
      "laguna", .laguna, [.llamaCpp], otherwise: .llama3, in: [.ikLlamaCpp], ignoringMerges: true, addingBOS: true),
    .init("seed-coder", .seedCoder, newer),
    .init("exaone-moe", .exaoneMoE, newer),
    .init("minicpm5", .miniCPM5, [.llamaCpp], ignoresMerges: true),
    .init("jais-2", .jais2, newer),

    .init("falcon", .falcon),
    .init("falcon_e", .falconDigits, [.bitnetCpp]),

    .init("starcoder", .starCoder),
    .init("refact", .starCoder),
    .init("smollm", .starCoder),
    .init("codeshell", .starCoder),
    .init("exaone", .starCoder),
    .init("command-r", .starCoder, normalization: .usually),
    .init("minerva-7b", .starCoder, newer),
    .init("mellum2", .starCoder, newer),
    .init("cohere2_moe", .starCoder, [.ikLlamaCpp]),

    .init("deepseek-llm", .deepSeekLLM),
    .init("deepseek-coder", .deepSeekCoder),
    .init("deepseek-v3", .deepSeekV3, newer),
    .init("hunyuan-dense", .deepSeekV3, newer),
    .init("joyai-llm", .deepSeekV3, newer),
    .init("hy_v4", .deepSeekV3, [.llamaCpp]),
    .init("spark2_5", .spark, [.llamaCpp]),
    .init("youtu", .youtu, newer, ignoresMerges: true),

    .init("gpt-4o", .gpt4o, newer),
    .init("llama4", .gpt4o, newer),
    .init("kanana2", .gpt4o, newer),
    .init("talkie", .gpt4o, [.llamaCpp]),
    .init("minimax-m2", .gpt4o, newer),
    .init("granite-embed-multi-97m", .gpt4o, [.llamaCpp], ignoresMerges: true),
    .init("tiny_aya", .tinyAya, newer),
    .init("cohere2moe", .tinyAya, [.llamaCpp]),
    .init("tekken", .tekken, ignoresMerges: true, addsBOS: true),

    .init("bloom", .bloom),
    .init("poro-chat", .bloom),
    .init("gpt3-finnish", .bloom),
    .init("viking", .viking),
    .init("chameleon", .chameleon, addsBOS: true),
  ]
}
