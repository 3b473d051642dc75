// Tritsmith: GGUF metadata as Hugging Face tokenizer files.

import TritCore

/// `tokenizer.json` and `tokenizer_config.json` rebuilt from `tokenizer.ggml.*` keys.
///
/// Byte-level BPE with a known way of splitting only: of the others GGUF does not hold enough.
enum GGUFTokenizerFile {
  /// The files, by name; empty with a note when they cannot be rebuilt.
  static func files(_ manifest: ModelManifest) -> (files: [(name: String, json: JSONObject)], note: String?) {
    guard let tokens = manifest.entry("tokenizer.ggml.tokens")?.strings, !tokens.isEmpty else { return ([], nil) }
    let model = manifest.entry("tokenizer.ggml.model")?.string ?? "none"
    let pre = manifest.entry("tokenizer.ggml.pre")?.string ?? "default"
    guard model == "gpt2", let merges = manifest.entry("tokenizer.ggml.merges")?.strings,
      let steps = preTokenizer(pre)
    else {
      return (
        [],
        "the tokenizer ('\(printable(model))', pre-tokenizer '\(printable(pre))') cannot be rebuilt as tokenizer.json"
      )
    }
    let types = manifest.entry("tokenizer.ggml.token_type")?.integers ?? []
    func type(_ id: Int) -> Int { id < types.count ? types[id] : 1 }
    let ignoresMerges =
      manifest.entry(GGUFTokenizer.ignoreMergesKey)?.bool ?? GGUFTokenizer.llama3Names.contains(pre)
    var vocab = JSONObject()
    var added: [JSONValue] = []
    for (id, token) in tokens.enumerated() where type(id) != 5 {
      vocab.entries.append(.init(key: token, value: .number(JSONNumber(id))))
      guard type(id) == 3 || type(id) == 4 else { continue }
      added.append(
        .object([
          "id": .number(JSONNumber(id)), "content": .string(token), "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false, "special": .bool(type(id) == 3),
        ]))
    }
    let tokenizer: JSONObject = [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added), "normalizer": .null,
      "pre_tokenizer": .object(["type": "Sequence", "pretokenizers": .array(steps)]),
      "post_processor": .object(postProcessor(manifest, tokens)),
      "decoder": .object(byteLevel(prefix: true, regex: true)),
      "model": .object([
        "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
        "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": .bool(ignoresMerges),
        "vocab": .object(vocab), "merges": .array(merges.map { .string($0) }),
      ]),
    ]
    return ([("tokenizer.json", tokenizer), ("tokenizer_config.json", settings(manifest, tokens))], nil)
  }

  private static func byteLevel(prefix: Bool, regex: Bool) -> JSONObject {
    ["type": "ByteLevel", "add_prefix_space": .bool(prefix), "trim_offsets": true, "use_regex": .bool(regex)]
  }

  private static func preTokenizer(_ name: String) -> [JSONValue]? {
    if GGUFTokenizer.llama3Names.contains(name) {
      return [
        .object([
          "type": "Split", "pattern": .object(["Regex": .string(GGUFTokenizer.llama3Pattern)]),
          "behavior": "Isolated", "invert": false,
        ]),
        .object(byteLevel(prefix: false, regex: false)),
      ]
    }
    return name == "gpt-2" || name == "default" ? [.object(byteLevel(prefix: false, regex: true))] : nil
  }

  private static func token(_ name: String, _ manifest: ModelManifest, _ tokens: [String]) -> (Int, String)? {
    guard let id = manifest.entry("tokenizer.ggml.\(name)_token_id")?.integer, tokens.indices.contains(id) else {
      return nil
    }
    return (id, tokens[id])
  }

  private static func postProcessor(_ manifest: ModelManifest, _ tokens: [String]) -> JSONObject {
    guard manifest.entry("tokenizer.ggml.add_bos_token")?.bool == true, let (id, text) = token("bos", manifest, tokens)
    else { return byteLevel(prefix: true, regex: true) }
    func special(_ type: Int) -> JSONValue {
      .object(["SpecialToken": .object(["id": .string(text), "type_id": .number(JSONNumber(type))])])
    }
    func sequence(_ name: String, _ type: Int) -> JSONValue {
      .object(["Sequence": .object(["id": .string(name), "type_id": .number(JSONNumber(type))])])
    }
    let tokenObject: JSONObject = [
      "id": .string(text), "ids": .array([.number(JSONNumber(id))]), "tokens": .array([.string(text)]),
    ]
    let template: JSONObject = [
      "type": "TemplateProcessing", "single": .array([special(0), sequence("A", 0)]),
      "pair": .array([special(0), sequence("A", 0), special(1), sequence("B", 1)]),
      "special_tokens": .object(JSONObject(entries: [.init(key: text, value: .object(tokenObject))])),
    ]
    return [
      "type": "Sequence",
      "processors": .array([.object(byteLevel(prefix: true, regex: true)), .object(template)]),
    ]
  }

  private static func settings(_ manifest: ModelManifest, _ tokens: [String]) -> JSONObject {
    var result: JSONObject = ["clean_up_tokenization_spaces": false]
    for (key, name) in [("bos_token", "bos"), ("eos_token", "eos"), ("pad_token", "padding"), ("unk_token", "unknown")]
    {
      if let (_, text) = token(name, manifest, tokens) { result[key] = .string(text) }
    }
    if let flag = manifest.entry("tokenizer.ggml.add_bos_token")?.bool { result["add_bos_token"] = .bool(flag) }
    if let template = manifest.entry("tokenizer.chat_template")?.string { result["chat_template"] = .string(template) }
    result["tokenizer_class"] = "PreTrainedTokenizerFast"
    return result
  }
}
