// Tritsmith: a Hugging Face tokenizer as GGUF metadata.

import TritCore
import TritTokenizer

/// Tokenizer files of a Hugging Face model, parsed.
package struct GGUFTokenizerFiles: Sendable {
  /// What stands before the name of a chat template beside the default one.
  package static let namedTemplate = "tokenizer.chat_template."
  /// `tokenizer.json`
  package var tokenizer: JSONObject
  /// `tokenizer_config.json`
  package var settings: JSONObject?
  /// `special_tokens_map.json`
  package var specialTokensMap: JSONObject?
  /// `generation_config.json`
  package var generationConfiguration: JSONObject?
  /// `config.json`
  package var configuration: JSONObject?
  /// `chat_template.jinja`
  package var chatTemplate: String?
  /// `added_tokens.json`
  package var addedTokens: JSONObject?
  /// Scores of the pieces by id, where a `tokenizer.model` says them.
  package var scores: [Float]?

  package init(
    tokenizer: JSONObject, settings: JSONObject?, specialTokensMap: JSONObject? = nil,
    generationConfiguration: JSONObject? = nil, configuration: JSONObject?, chatTemplate: String?
  ) {
    self.tokenizer = tokenizer
    self.settings = settings
    self.specialTokensMap = specialTokensMap
    self.generationConfiguration = generationConfiguration
    self.configuration = configuration
    self.chatTemplate = chatTemplate
  }
}

/// `tokenizer.ggml.*` keys made from a Hugging Face tokenizer.
package struct GGUFTokenizer: Sendable {
  package internal(set) var entries: [MetadataEntry] = []
  /// Things a user should know that are no errors.
  package internal(set) var warnings: [String] = []

  /// Token types of ggml.
  enum TokenType: Int32 {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  // What GGUF has no key for, so that this program's reader gives back what it was.

  /// Whether whole words that are tokens are taken without merging. Engines go by the pre-tokenizer's name.
  package static let ignoreMergesKey = "tritsmith.ignore_merges"
  /// `NFC` or `none`, where it is not what models of the pre-tokenizer's name have.
  static let normalizerKey = "tritsmith.tokenizer.normalizer"
  /// Whether the tokenizer names the begin token it does not add, where that is not what models of the pre-tokenizer's
  /// name do.
  static let namesBeginKey = "tritsmith.tokenizer.names_begin"
  /// The `pre_tokenizer` section, where the pre-tokenizer's name does not stand for it.
  static let preTokenizerKey = "tritsmith.tokenizer.pre_tokenizer"
  /// Ids of added tokens that are looked for in the text behind the normalizer.
  static let normalizedTokensKey = "tritsmith.tokenizer.normalized_tokens"

  /// Sections of `tokenizer.json` as JSON, where a vocabulary of pieces is not used as engines do.
  static let sectionsKey = "tritsmith.tokenizer.sections"

  /// Whether a key of a GGUF file is part of its tokenizer.
  package static func isKey(_ key: String) -> Bool {
    key.hasPrefix("tokenizer.") || key.hasPrefix("tritsmith.tokenizer.") || key == ignoreMergesKey
  }

  /// Puts the user's name of the pre-tokenizer into a file's metadata, in place of everything the file says of it.
  package static func setName(_ name: String, in entries: inout [MetadataEntry]) {
    entries.removeAll { $0.key == preTokenizerKey }
    let entry = MetadataEntry("tokenizer.ggml.pre", .string(name))
    if let index = entries.firstIndex(where: { $0.key == entry.key }) {
      entries[index] = entry
    } else if entries.contains(where: { $0.key == "tokenizer.ggml.tokens" }) {
      entries.append(entry)
    }
  }

  /// Writes the begin token that a configuration alone numbers: the tokenizer neither names nor adds it.
  ///
  /// Source: gguf-py `SpecialVocab`, which takes ids from `config.json` where the tokenizer names no token, and leaves
  /// out those beyond the vocabulary.
  package mutating func add(configuredBegin id: Int, vocabulary: Int) {
    let key = "tokenizer.ggml.bos_token_id"
    guard id >= 0, id < vocabulary, !entries.contains(where: { $0.key == key }) else { return }
    entries.append(MetadataEntry(key, .uint32(UInt32(clamping: id))))
    if !GGUFTokenizer.lacksBegin(entries.first { $0.key == "tokenizer.ggml.pre" }?.value.string) {
      entries.append(MetadataEntry(GGUFTokenizer.namesBeginKey, .bool(false)))
    }
  }

  /// Whether tokenizers of models with a pre-tokenizer's name have no begin token.
  static func lacksBegin(_ preTokenizer: String?) -> Bool {
    preTokenizer.flatMap { PreTokenizerName.named($0) }?.lacksBOS == true
  }

  /// What a row without a token is called; readers take such tokens for fillers.
  static func filler(_ id: Int) -> String { "[PAD\(id)]" }

  /// - Parameters:
  ///   - files: the tokenizer's files, read.
  ///   - vocabulary: rows of the embedding; ids without a token are filled in.
  ///   - pre: the pre-tokenizer's name, when the user says it.
  ///   - engine: the program the file is made for, whose names of pre-tokenizers are used.
  ///   - file: the name of `tokenizer.json`, for errors.
  /// - Throws: when the tokenizer cannot be read, or holds something that would give other ids in `engine`.
  package init(
    _ files: GGUFTokenizerFiles, vocabulary: Int, pre: String?, engine: GGUFEngine = .llamaCpp, file: String
  ) throws(GGUFModelError) {
    guard let model = files.tokenizer["model"]?.object, model["type"]?.string == "BPE" || model["merges"] != nil,
      let vocab = model["vocab"]?.object
    else {
      let type = files.tokenizer["model"]?.object?["type"]?.string ?? "unknown"
      throw GGUFModelError(.unsupportedTokenizer("its model is of type '\(type)', BPE is needed"), file: file)
    }
    let list = try GGUFTokenList(files.tokenizer, model, vocab, vocabulary, file: file)
    let merges = try GGUFTokenizer.merges(model, file: file)
    // Byte fallback marks a SentencePiece vocabulary, which ggml calls after the first model that had one.
    let isSentencePiece = model["byte_fallback"]?.bool == true
    entries = [MetadataEntry("tokenizer.ggml.model", .string(isSentencePiece ? "llama" : "gpt2"))]
    var special: [MetadataEntry] = []
    if isSentencePiece {
      special = try sentencePiece(files, list, vocabulary, file: file)
    } else {
      special = try addByteLevel(files, pre, engine, file: file)
      if let id = try GGUFTokenizer.id("unk", files, list, vocabulary, file: file) {
        special.append(MetadataEntry("tokenizer.ggml.unknown_token_id", .uint32(UInt32(id))))
      }
    }
    entries.append(MetadataEntry("tokenizer.ggml.tokens", .array(.string(list.tokens))))
    if isSentencePiece {
      let scores = files.scores.map { given in list.tokens.indices.map { $0 < given.count ? given[$0] : 0 } }
      entries.append(MetadataEntry("tokenizer.ggml.scores", .array(.float32(scores ?? list.scores(merges)))))
    }
    entries.append(MetadataEntry("tokenizer.ggml.token_type", .array(.int32(list.types.map(\.rawValue)))))
    if !merges.isEmpty {
      entries.append(MetadataEntry("tokenizer.ggml.merges", .array(.string(merges))))
    }
    if let flag = model["ignore_merges"]?.bool {
      entries.append(MetadataEntry(GGUFTokenizer.ignoreMergesKey, .bool(flag)))
    }
    entries += special
    addChatTemplate(files)
  }

  /// Merges as `left right`; newer files have pairs. Of a pair that stands twice the last place counts in
  /// `tokenizer.json`, the first in GGUF.
  private static func merges(_ model: JSONObject, file: String) throws(GGUFModelError) -> [String] {
    var result: [String] = []
    for element in model["merges"]?.array ?? [] {
      if let text = element.string {
        if !text.hasPrefix("#version") { result.append(text) }
      } else if let pair = element.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
        guard !left.utf8.contains(0x20), !right.utf8.contains(0x20) else {
          throw GGUFModelError(
            .unsupportedTokenizer("a merge has a space in one of its parts, which GGUF puts between them"), file: file,
            field: "merges")
        }
        result.append(left + " " + right)
      } else {
        throw GGUFModelError(.unsupportedTokenizer("a merge is neither a text nor a pair"), file: file, field: "merges")
      }
    }
    var seen: Set<ExactString> = []
    seen.reserveCapacity(result.count)
    if result.allSatisfy({ seen.insert(ExactString($0)).inserted }) { return result }
    seen.removeAll(keepingCapacity: true)
    return result.reversed().filter { seen.insert(ExactString($0)).inserted }.reversed()
  }

  // MARK: - Pieces

  /// Special tokens and flags of a vocabulary with byte fallback.
  private mutating func sentencePiece(
    _ files: GGUFTokenizerFiles, _ list: GGUFTokenList, _ vocabulary: Int, file: String
  ) throws(GGUFModelError) -> [MetadataEntry] {
    var ids: [String: Int] = [:]
    for key in ["bos", "eos", "unk", "pad"] {
      ids[key] = try GGUFTokenizer.id(key, files, list, vocabulary, file: file)
    }
    let added = try GGUFTokenizer.addedTokens(files, list, begin: ids["bos"], end: ids["eos"], file: file)
    ids["bos"] = added.begin ?? ids["bos"]
    ids["eos"] = added.end ?? ids["eos"]
    var entries: [MetadataEntry] = []
    for (key, name) in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")] {
      guard let id = ids[key] else { continue }
      entries.append(MetadataEntry("tokenizer.ggml.\(name)_token_id", .uint32(UInt32(id))))
    }
    // Without these engines add a begin token and a space.
    entries.append(MetadataEntry("tokenizer.ggml.add_bos_token", .bool(added.begin != nil)))
    entries.append(MetadataEntry("tokenizer.ggml.add_eos_token", .bool(added.end != nil)))
    let addsSpace = try GGUFTokenizer.addsSpacePrefix(files.tokenizer, file: file)
    entries.append(MetadataEntry("tokenizer.ggml.add_space_prefix", .bool(addsSpace)))
    for token in files.tokenizer["added_tokens"]?.array?.compactMap(\.object) ?? [] {
      guard let option = ["single_word", "lstrip", "rstrip"].first(where: { token[$0]?.bool == true }) else { continue }
      let text = printable(token["content"]?.string ?? "")
      warnings.append("token '\(text)' has \(option), which GGUF cannot say: text beside it gets other ids there")
    }
    let late = (files.tokenizer["added_tokens"]?.array ?? []).compactMap(\.object).filter {
      $0["normalized"]?.bool ?? ($0["special"]?.bool != true)
    }.compactMap { $0["id"]?.number?.integer.map { Int32(clamping: $0) } }
    if !late.isEmpty { entries.append(MetadataEntry(GGUFTokenizer.normalizedTokensKey, .array(.int32(late)))) }
    if let sections = PieceSections(files.tokenizer).unlike(PieceSections(engineAddingSpace: addsSpace)) {
      entries.append(MetadataEntry(GGUFTokenizer.sectionsKey, .string(sections)))
      warnings += PieceSections.warnings(files.tokenizer["pre_tokenizer"]?.object, addsSpace: addsSpace)
    }
    return entries
  }

  /// Whether a space is put before a text; GGUF can say that, and that spaces become `▁`, and nothing else.
  private static func addsSpacePrefix(_ tokenizer: JSONObject, file: String) throws(GGUFModelError) -> Bool {
    let space = "\u{2581}"
    let normalizer = tokenizer["normalizer"]?.object
    let steps = normalizer?["normalizers"]?.array?.compactMap(\.object) ?? [normalizer].compactMap { $0 }
    var addsSpace = false
    var mapsSpaces = false
    for step in steps {
      switch step["type"]?.string {
      case "Prepend" where step["prepend"]?.string == space && !mapsSpaces: addsSpace = true
      case "Replace" where step["pattern"]?.object?["String"]?.string == " " && step["content"]?.string == space:
        mapsSpaces = true
      default:
        throw GGUFModelError(
          .unsupportedTokenizer("GGUF has no word for its normalizer '\(step["type"]?.string ?? "without type")'"),
          file: file, field: "normalizer")
      }
    }
    guard let cutter = tokenizer["pre_tokenizer"]?.object else {
      guard mapsSpaces else {
        throw GGUFModelError(
          .unsupportedTokenizer("spaces do not become '\(space)', as they do in programs that read GGUF"), file: file,
          field: "normalizer")
      }
      return addsSpace
    }
    guard steps.isEmpty, cutter["type"]?.string == "Metaspace", cutter["replacement"]?.string ?? space == space else {
      throw GGUFModelError(
        .unsupportedTokenizer("GGUF has no word for its pre-tokenizer beside a normalizer"), file: file,
        field: "pre_tokenizer")
    }
    if let scheme = cutter["prepend_scheme"]?.string { return scheme != "never" }
    return cutter["add_prefix_space"]?.bool ?? true
  }

  /// The id of a special token: by name in the settings or the map, else by number in the configuration, where -1 means none.
  private static func id(
    _ key: String, _ files: GGUFTokenizerFiles, _ list: GGUFTokenList, _ vocabulary: Int, file: String
  ) throws(GGUFModelError) -> Int? {
    for named in [files.settings, files.specialTokensMap] {
      let setting = named?[key + "_token"]
      if let text = setting?.string ?? setting?.object?["content"]?.string, let id = list.idOfToken[ExactString(text)] {
        return id
      }
    }
    // As `TokenRoles` has it: a tokenizer that names its tokens names this one too, or there is none.
    if key == "bos", files.settings != nil || files.specialTokensMap != nil { return nil }
    let configured = files.configuration?[key + "_token_id"]
    guard let id = configured?.number?.integer ?? configured?.array?.first?.number?.integer, id != -1 else {
      return nil
    }
    guard id >= 0, id < vocabulary else {
      throw GGUFModelError(
        .tokenBeyondVocabulary(id: id, size: vocabulary), file: FileSystem.sibling("config.json", of: file),
        field: key + "_token_id")
    }
    return id
  }

  /// The tokens that encoding puts before and behind a text: as the template says, else as the settings say.
  private static func addedTokens(
    _ files: GGUFTokenizerFiles, _ list: GGUFTokenList, begin: Int?, end: Int?, file: String
  ) throws(GGUFModelError) -> (begin: Int?, end: Int?) {
    let processor = files.tokenizer["post_processor"]?.object
    let processors = processor?["processors"]?.array?.compactMap(\.object) ?? [processor].compactMap { $0 }
    guard let template = processors.first(where: { $0["type"]?.string == "TemplateProcessing" }) else {
      return (
        files.settings?["add_bos_token"]?.bool == true ? begin : nil,
        files.settings?["add_eos_token"]?.bool == true ? end : nil
      )
    }
    let items = (template["single"]?.array ?? []).map { item in
      item.object?["SpecialToken"]?.object?["id"]?.string.flatMap { list.idOfToken[ExactString($0)] }
    }
    // Nil stands for the text.
    let text = items.firstIndex(of: nil) ?? items.count
    let (before, behind) = (items[..<text].compactMap { $0 }, items[text...].dropFirst())
    let last = behind.first ?? nil
    guard text < items.count, before.count < 2, behind.count < 2, behind.isEmpty || last != nil,
      begin == nil || before.isEmpty || before.first == begin, end == nil || last == nil || last == end
    else {
      throw GGUFModelError(
        .unsupportedTokenizer("GGUF can only say one begin and one end token around a text"), file: file,
        field: "post_processor")
    }
    return (before.first, last)
  }

  // MARK: - Chat template

  private mutating func addChatTemplate(_ files: GGUFTokenizerFiles) {
    let setting = files.settings?["chat_template"]
    if let template = files.chatTemplate ?? setting?.string {
      if !template.isEmpty { entries.append(MetadataEntry("tokenizer.chat_template", .string(template))) }
      return
    }
    var names: [String] = []
    for item in setting?.array?.compactMap(\.object) ?? [] {
      guard let name = item["name"]?.string, let template = item["template"]?.string, !template.isEmpty else {
        continue
      }
      if name == "default" {
        entries.append(MetadataEntry("tokenizer.chat_template", .string(template)))
      } else {
        names.append(name)
        entries.append(MetadataEntry(GGUFTokenizerFiles.namedTemplate + name, .string(template)))
      }
    }
    if !names.isEmpty { entries.append(MetadataEntry("tokenizer.chat_templates", .array(.string(names)))) }
  }
}
