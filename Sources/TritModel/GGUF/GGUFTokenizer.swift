// Tritsmith: a Hugging Face tokenizer as GGUF metadata.

import TritCore

/// Tokenizer files of a Hugging Face model, parsed.
public struct GGUFTokenizerFiles: Sendable {
  /// `tokenizer.json`
  public var tokenizer: JSONObject
  /// `tokenizer_config.json`
  public var settings: JSONObject?
  /// `config.json`
  public var configuration: JSONObject?
  /// `chat_template.jinja`
  public var chatTemplate: String?

  public init(
    tokenizer: JSONObject, settings: JSONObject?, configuration: JSONObject?, chatTemplate: String?
  ) {
    self.tokenizer = tokenizer
    self.settings = settings
    self.configuration = configuration
    self.chatTemplate = chatTemplate
  }
}

/// `tokenizer.ggml.*` keys made from a Hugging Face tokenizer.
public struct GGUFTokenizer: Sendable {
  public var entries: [MetadataEntry]
  /// Things a user should know that are no errors.
  public var warnings: [String]

  /// Token types of ggml.
  enum TokenType: Int32 {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  /// The pattern by which Llama 3 splits text; Falcon3, Falcon-H1 and Falcon-E share llama.cpp's class for it.
  static let llama3Pattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
    + #"\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// Names of pre-tokenizers that split by `llama3Pattern`.
  static let llama3Names = ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "falcon_e"]

  /// Whether whole words that are tokens are taken without merging. GGUF has no key for it: llama.cpp does so for the
  /// names of `llama3Names`, whatever `tokenizer.json` said, so a file that is to come back as it was must say it.
  public static let ignoreMergesKey = "tritsmith.ignore_merges"

  /// - Parameters:
  ///   - files: the tokenizer's files, read.
  ///   - vocabulary: rows of the embedding; ids without a token are filled in.
  ///   - pre: the pre-tokenizer's name, when the user says it.
  ///   - file: the name of `tokenizer.json`, for errors.
  public init(_ files: GGUFTokenizerFiles, vocabulary: Int, pre: String?, file: String) throws(GGUFModelError) {
    warnings = []
    guard let model = files.tokenizer["model"]?.object, model["type"]?.string == "BPE" || model["merges"] != nil,
      let vocab = model["vocab"]?.object
    else {
      let type = files.tokenizer["model"]?.object?["type"]?.string ?? "unknown"
      throw GGUFModelError(.unsupportedTokenizer("its model is of type '\(type)', BPE is needed"), file: file)
    }
    let list = try TokenList(files.tokenizer, model, vocab, vocabulary, file: file)
    let merges = try GGUFTokenizer.merges(model, file: file)
    // Byte fallback marks a SentencePiece vocabulary, which ggml calls after the first model that had one.
    let isSentencePiece = model["byte_fallback"]?.bool == true
    entries = [MetadataEntry("tokenizer.ggml.model", .string(isSentencePiece ? "llama" : "gpt2"))]
    if !isSentencePiece {
      let name = pre ?? GGUFTokenizer.preTokenizer(files.tokenizer["pre_tokenizer"]?.object, &warnings)
      entries.append(MetadataEntry("tokenizer.ggml.pre", .string(name)))
    }
    entries.append(MetadataEntry("tokenizer.ggml.tokens", .array(.string(list.tokens))))
    if isSentencePiece {
      entries.append(MetadataEntry("tokenizer.ggml.scores", .array(.float32(list.scores(merges)))))
    }
    entries.append(MetadataEntry("tokenizer.ggml.token_type", .array(.int32(list.types.map(\.rawValue)))))
    if !merges.isEmpty {
      entries.append(MetadataEntry("tokenizer.ggml.merges", .array(.string(merges))))
    }
    if let flag = model["ignore_merges"]?.bool {
      entries.append(MetadataEntry(GGUFTokenizer.ignoreMergesKey, .bool(flag)))
    }
    try addSpecialTokens(files, list, vocabulary, file: file)
    addChatTemplate(files)
  }

  /// Merges as `left right`; newer files have pairs.
  private static func merges(_ model: JSONObject, file: String) throws(GGUFModelError) -> [String] {
    var result: [String] = []
    for element in model["merges"]?.array ?? [] {
      if let text = element.string {
        result.append(text)
      } else if let pair = element.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
        result.append(left + " " + right)
      } else {
        throw GGUFModelError(.unsupportedTokenizer("a merge is neither a text nor a pair"), file: file, field: "merges")
      }
    }
    return result
  }

  // MARK: - Pre-tokenizer

  /// The name of the pre-tokenizer, by the pattern it splits with.
  ///
  /// llama.cpp's converter tells it by a hash of tokens of a test text; this program reads the pattern itself.
  static func preTokenizer(_ object: JSONObject?, _ warnings: inout [String]) -> String {
    let steps = object?["pretokenizers"]?.array?.compactMap(\.object) ?? [object].compactMap { $0 }
    let patterns = steps.compactMap { $0["pattern"]?.object?["Regex"]?.string }
    if patterns == [llama3Pattern] { return "llama-bpe" }
    if patterns.isEmpty, steps.count == 1, steps[0]["type"]?.string == "ByteLevel",
      steps[0]["use_regex"]?.bool != false
    {
      return "gpt-2"
    }
    warnings.append(
      "how the tokenizer splits text is not known by name here; 'falcon-h1' is written, which Falcon-E, Falcon-H1 and "
        + "Falcon3 go by. Choose another with --gguf-pre")
    return "falcon-h1"
  }

  // MARK: - Special tokens

  private mutating func addSpecialTokens(
    _ files: GGUFTokenizerFiles, _ list: TokenList, _ vocabulary: Int, file: String
  ) throws(GGUFModelError) {
    for (key, name) in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")] {
      let setting = files.settings?[key + "_token"]
      let text = setting?.string ?? setting?.object?["content"]?.string
      let configured = files.configuration?[key + "_token_id"]
      let id =
        text.flatMap { list.idOfToken[ExactString($0)] } ?? configured?.number?.integer
        ?? configured?.array?.first?.number?.integer
      guard let id else { continue }
      guard id >= 0, id < vocabulary else {
        throw GGUFModelError(.tokenBeyondVocabulary(id: id, size: vocabulary), file: file, field: key + "_token")
      }
      entries.append(MetadataEntry("tokenizer.ggml.\(name)_token_id", .uint32(UInt32(id))))
    }
    // Written even when false: llama.cpp's class for Llama 3 adds a begin token unless told not to.
    let added = GGUFTokenizer.addedTokens(files)
    entries.append(MetadataEntry("tokenizer.ggml.add_bos_token", .bool(added.begin)))
    entries.append(MetadataEntry("tokenizer.ggml.add_eos_token", .bool(added.end)))
    entries.append(MetadataEntry("tokenizer.ggml.add_space_prefix", .bool(false)))
  }

  /// Whether encoding puts a begin or end token around a text: as the template says, else as the settings say.
  private static func addedTokens(_ files: GGUFTokenizerFiles) -> (begin: Bool, end: Bool) {
    let processor = files.tokenizer["post_processor"]?.object
    let processors = processor?["processors"]?.array?.compactMap(\.object) ?? [processor].compactMap { $0 }
    if let template = processors.first(where: { $0["type"]?.string == "TemplateProcessing" }) {
      let single = template["single"]?.array?.compactMap(\.object) ?? []
      return (single.first?["SpecialToken"] != nil, single.last?["SpecialToken"] != nil && single.count > 1)
    }
    return (
      files.settings?["add_bos_token"]?.bool ?? false, files.settings?["add_eos_token"]?.bool ?? false
    )
  }

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
        entries.append(MetadataEntry("tokenizer.chat_template." + name, .string(template)))
      }
    }
    if !names.isEmpty { entries.append(MetadataEntry("tokenizer.chat_templates", .array(.string(names)))) }
  }
}

// MARK: - Tokens

/// Tokens and their types, by id.
private struct TokenList {
  var tokens: [String]
  var types: [GGUFTokenizer.TokenType]
  var idOfToken: [ExactString: Int] = [:]

  init(
    _ tokenizer: JSONObject, _ model: JSONObject, _ vocab: JSONObject, _ size: Int, file: String
  ) throws(GGUFModelError) {
    tokens = []
    tokens.reserveCapacity(size)
    for id in 0..<size { tokens.append("[PAD\(id)]") }
    types = Array(repeating: .unused, count: size)
    let unknown = model["unk_token"]?.string
    for entry in vocab.entries {
      guard let id = entry.value.number?.integer, id >= 0 else {
        let kind = GGUFModelError.Kind.unsupportedTokenizer("token '\(printable(entry.key))' has no id")
        throw GGUFModelError(kind, file: file, field: "vocab")
      }
      guard id < size else { throw GGUFModelError(.tokenBeyondVocabulary(id: id, size: size), file: file) }
      tokens[id] = entry.key
      types[id] = entry.key == unknown ? .unknown : TokenList.isByte(entry.key, model) ? .byte : .normal
      idOfToken[ExactString(entry.key)] = id
    }
    for token in tokenizer["added_tokens"]?.array?.compactMap(\.object) ?? [] {
      guard let id = token["id"]?.number?.integer, let text = token["content"]?.string, id >= 0 else { continue }
      guard id < size else { throw GGUFModelError(.tokenBeyondVocabulary(id: id, size: size), file: file) }
      tokens[id] = text
      if types[id] != .unknown { types[id] = token["special"]?.bool == true ? .control : .userDefined }
      idOfToken[ExactString(text)] = id
    }
  }

  /// `<0x0A>` of a vocabulary with byte fallback.
  private static func isByte(_ token: String, _ model: JSONObject) -> Bool {
    guard model["byte_fallback"]?.bool == true, token.utf8.count == 6, token.hasPrefix("<0x"), token.hasSuffix(">")
    else { return false }
    return UInt8(token.dropFirst(3).dropLast(), radix: 16) != nil
  }

  /// Scores by which a SentencePiece reader merges in the order of the merges: the earlier, the higher.
  func scores(_ merges: [String]) -> [Float] {
    var rank: [ExactString: Int] = [:]
    for (index, merge) in merges.enumerated() {
      let joined = ExactString(merge.split(separator: " ", maxSplits: 1).joined())
      if rank[joined] == nil { rank[joined] = index }
    }
    return tokens.indices.map { id in
      types[id] == .normal ? -Float(rank[ExactString(tokens[id])] ?? merges.count + id) : 0
    }
  }
}
