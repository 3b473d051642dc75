// Tritsmith: classes that make a tokenizer anew.

/// Tokenizer classes of transformers 5 that take vocabulary and merges of `tokenizer.json`, and rewrite and cut text in
/// a way of their own.
///
/// Source: transformers 5.23, `TokenizersBackend.convert_to_native_format` and the classes that have an `__init__`.
/// `LlamaTokenizer` is none of them: over byte-level files it is not used.
package enum TokenizerClass {
  /// What a class does to text, where it is known here.
  private struct Pipeline {
    var rule: PreTokenizerRule
    var composes: Bool
  }

  private static let pipelines: [String: Pipeline] = [
    "GPT2Tokenizer": Pipeline(rule: .gpt2, composes: false),
    "CodeGenTokenizer": Pipeline(rule: .gpt2, composes: false),
    "GPTNeoXTokenizer": Pipeline(rule: .gpt2, composes: true),
    "Qwen2Tokenizer": Pipeline(rule: .qwen2, composes: true),
    "Qwen3_5Tokenizer": Pipeline(rule: .qwen35, composes: true),
  ]

  private static let others: Set<String> = [
    "AlbertTokenizer", "BarthezTokenizer", "BertTokenizer", "BigBirdTokenizer", "BlenderbotTokenizer",
    "CLIPTokenizer", "CamembertTokenizer", "CodeLlamaTokenizer", "CohereTokenizer", "DebertaTokenizer",
    "DebertaV2Tokenizer", "EsmcTokenizer", "FunnelTokenizer", "GemmaTokenizer", "HerbertTokenizer", "LasrTokenizer",
    "LayoutLMv2Tokenizer", "LayoutLMv3Tokenizer", "LayoutXLMTokenizer", "LukeTokenizer", "MBart50Tokenizer",
    "MBartTokenizer", "MLukeTokenizer", "MPNetTokenizer", "MarkupLMTokenizer", "NllbTokenizer", "NougatTokenizer",
    "OpenAIGPTTokenizer", "PegasusTokenizer", "ReformerTokenizer", "RemBertTokenizer", "RobertaTokenizer",
    "SeamlessM4TTokenizer", "Siglip2Tokenizer", "SplinterTokenizer", "T5Tokenizer", "Tipsv2Tokenizer", "UdopTokenizer",
    "VideoPrismTokenizer", "WhisperTokenizer", "XGLMTokenizer", "XLMRobertaTokenizer", "XLNetTokenizer",
  ]

  /// The class transformers takes for models whose files name none; nil where that is the file as it stands.
  package static func standard(forModelType type: String?) -> String? { type == "qwen3" ? "Qwen2Tokenizer" : nil }

  /// Whether text gets ids by a class that the file alone does not give it.
  ///
  /// - Parameters:
  ///   - name: the class, with or without `Fast`, which is ignored.
  ///   - addsPrefixSpace: `add_prefix_space` of the settings.
  package static func replaces(_ tokenizer: Tokenizer, class name: String, addsPrefixSpace: Bool) -> Bool {
    let plain = name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
    guard let pipeline = pipelines[plain] else { return others.contains(plain) }
    return !tokenizer.cuts(by: pipeline.rule) || tokenizer.addsPrefixSpace != addsPrefixSpace
      || tokenizer.isNormalizedOnly != pipeline.composes
      || tokenizer.ignoresMerges && tokenizer.tokenThatMergesMiss != nil
  }
}
