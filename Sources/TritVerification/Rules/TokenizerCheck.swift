// Tritsmith: a tokenizer held against the model.

import TritCore
import TritFormats
import TritModel
import TritSurvey
import TritTokenizer
import VisibleText

/// Checks that every token has an embedding, and that files agree on BOS and EOS.
struct TokenizerCheck {
  let source: any TensorSource

  func run() throws -> [CheckFinding] {
    let manifest = source.manifest
    guard let file = manifest.tokenizerFile else {
      guard let unread = (source as? GGUFModelView)?.unreadTokenizer else {
        let place = manifest.format == GGUFFormat.id ? "tokenizer.ggml.model" : "tokenizer.json"
        let detail = source.unreadTokenizer ?? "is missing; the model takes token ids only"
        return [CheckFinding(.noTokenizer, place, detail)]
      }
      // Of a pre-tokenizer without a meaning opening the file has said so.
      if manifest.notes.contains(where: { $0 == unread && $0.contains(text: "--gguf-pre") }) { return [] }
      return [TokenizerCheck.finding(unread: unread, manifest)]
    }
    let tokenizer: Tokenizer
    do {
      tokenizer = try Tokenizer(of: source)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      let place = error.location.file.map { FileSystem.name(of: $0) }
      let isSettings = place == "generation_config.json" || place == "config.json"
      var finding = ModelChecks.finding(isSettings ? .badConfiguration : .badTokenizer, error)
      finding.isNotUnderstood = (error as? TokenizerError)?.kind.isNotUnderstood == true
      return [finding]
    }
    var findings = try TokenizerCheck.contradictions(source, tokenizer).map { detail in
      var finding = CheckFinding(.badTokenizer, "tokenizer_config.json", detail)
      finding.isNotUnderstood = true
      return finding
    }
    let embedding = manifest.tensors.first { ArchitectureRegistry.role(of: $0.name) == .embedding }
    let stated = try? ModelDescription.read(source).vocabularySize
    if let rows = embedding?.shape.rows, tokenizer.endID > rows {
      findings.append(
        CheckFinding(.vocabulary, file, "ids go to \(tokenizer.endID - 1), there are \(rows) embeddings"))
    } else if let stated, tokenizer.endID > stated {
      findings.append(
        CheckFinding(.vocabulary, file, "ids go to \(tokenizer.endID - 1), vocab_size is \(stated)"))
    }
    // A GGUF file is its own configuration.
    let place = source is GGUFModelView ? FileSystem.name(of: manifest.path) : "config.json"
    findings += specialTokens(place, manifest.configuration, tokenizer, embedding?.shape.rows ?? stated)
    if manifest.companions.contains(where: { $0.name == "generation_config.json" }) {
      let object = try? JSONValue.parse(source.companion(named: "generation_config.json"), dialect: .python).object
      findings += specialTokens("generation_config.json", object, tokenizer, embedding?.shape.rows ?? stated)
    }
    return findings
  }

  /// Models of a GGUF vocabulary that llama.cpp reads. Source: `llama-vocab.cpp`.
  private static let ggufModels: Set<String> = ["llama", "gpt2", "bert", "t5", "rwkv", "plamo2"]

  /// A tokenizer of a GGUF file that could not be made here: an error, unless other programs read it.
  private static func finding(unread: String, _ manifest: ModelManifest) -> CheckFinding {
    let (modelKey, mergesKey) = ("tokenizer.ggml.model", "tokenizer.ggml.merges")
    let model = manifest.entry(modelKey)?.string
    if model == "gpt2", manifest.entry(mergesKey)?.strings == nil {
      return CheckFinding(
        .badTokenizer, mergesKey,
        "\(manifest.entry(mergesKey) == nil ? "is missing" : "is no list of texts"); no program can cut text by a "
          + "vocabulary of model 'gpt2' without its merges")
    }
    let isKnown = model.map(ggufModels.contains) == true
    var finding = CheckFinding(.badTokenizer, modelKey, unread, severity: isKnown ? .warning : .error)
    // A program newer than this one may know the model.
    finding.isNotUnderstood = true
    return finding
  }

  /// Settings beside the tokenizer's own file by which transformers gives a text other ids than that file says.
  static func contradictions(_ source: any TensorSource, _ tokenizer: Tokenizer) throws -> [String] {
    let name = "tokenizer_config.json"
    let settings =
      source.manifest.companions.contains { $0.name == name }
      ? try? JSONValue.parse(source.companion(named: name), dialect: .python).object : nil
    let file = source.manifest.tokenizerFile ?? "tokenizer.json"
    var result = replacingClass(source, settings, tokenizer, file)
    result += tokenizer.unknownNames.map {
      "\($0.key) '\(printable($0.content))' is not in \(file): transformers gives it a new id"
    }
    guard let settings else { return result }
    if settings["split_special_tokens"]?.bool == true {
      result.append("split_special_tokens: special tokens in a text are cut like words, which is not done here")
    }
    for entry in settings["added_tokens_decoder"]?.object?.entries ?? [] {
      guard let id = Int(entry.key), let token = entry.value.object else { continue }
      guard let own = tokenizer.addedTokens.first(where: { $0.id == id }) else {
        result.append("added_tokens_decoder has a token \(id) that \(file) does not have")
        continue
      }
      let flags = [
        ("lstrip", own.stripsLeft), ("rstrip", own.stripsRight), ("single_word", own.isSingleWord),
        ("normalized", own.isNormalized), ("special", own.isSpecial),
      ]
      if let content = token["content"]?.string, content != own.content {
        result.append("added_tokens_decoder calls token \(id) '\(content)', \(file) '\(own.content)'")
      }
      for (key, value) in flags where token[key]?.bool.map({ $0 != value }) == true {
        result.append("added_tokens_decoder says \(key) \(!value) of token \(id), \(file) \(value)")
      }
    }
    return result
  }

  /// A class that takes the file's vocabulary and merges alone.
  private static func replacingClass(
    _ source: any TensorSource, _ settings: JSONObject?, _ tokenizer: Tokenizer, _ file: String
  ) -> [String] {
    guard file == "tokenizer.json", !(source is GGUFModelView) else { return [] }
    let configuration = source.manifest.configuration
    let key = "tokenizer_class"
    let stated = settings?[key]?.string ?? configuration?[key]?.string
    guard let name = stated ?? TokenizerClass.standard(forModelType: configuration?["model_type"]?.string),
      TokenizerClass.replaces(
        tokenizer, class: name, addsPrefixSpace: settings?["add_prefix_space"]?.bool ?? false)
    else { return [] }
    return [
      "tokenizer_class \(stated == nil ? "is none, which means " : "")'\(printable(name, limit: 60))': transformers 5 rewrites and cuts text as "
        + "this class does, not as \(file) says; where that file is right, 'PreTrainedTokenizerFast' is the class"
    ]
  }

  private func specialTokens(
    _ file: String, _ object: JSONObject?, _ tokenizer: Tokenizer, _ vocabulary: Int?
  ) -> [CheckFinding] {
    var findings: [CheckFinding] = []
    for (key, own) in [("bos_token_id", tokenizer.bosTokenID), ("eos_token_id", tokenizer.eosTokenID)] {
      guard let value = object?[key], !value.isNull else { continue }
      let ids = (value.array ?? [value]).compactMap { $0.number?.integer }
      for id in ids where id < 0 || vocabulary.map({ id >= $0 }) == true {
        findings.append(
          CheckFinding(.specialToken, "\(file), \(key)", "\(id) is outside of \(vocabulary ?? 0) embeddings"))
      }
      if let own, !ids.isEmpty, !ids.contains(own) {
        findings.append(
          CheckFinding(
            .specialToken, "\(file), \(key)",
            "is \(ids.map(String.init).joined(separator: ", ")), the tokenizer's is \(own)", severity: .warning))
      }
    }
    return findings
  }
}
