// Tritsmith: the rules of a byte-level tokenizer as GGUF says them, or a refusal.

import TritCore
import TritTokenizer

extension GGUFTokenizer {
  /// Adds the pre-tokenizer's name and returns the keys of special tokens.
  ///
  /// What an engine would do otherwise than the tokenizer is an error, whichever text shows it. The user's word for the
  /// name (`pre`) is taken where this program cannot tell better.
  mutating func addByteLevel(
    _ files: GGUFTokenizerFiles, _ pre: String?, _ engine: GGUFEngine, file: String
  ) throws(GGUFModelError) -> [MetadataEntry] {
    let tokenizer: Tokenizer
    do {
      tokenizer = try Tokenizer(files.tokenizerFiles(file: file))
    } catch {
      throw GGUFModelError(
        .unsupportedTokenizer(error.summary), file: error.location.file ?? file, field: error.location.field)
    }
    let isNormalized = try GGUFTokenizer.checkSayable(tokenizer, file: file)
    let special = try GGUFTokenizer.specialTokens(tokenizer, file: file)
    var choice = PreTokenizerChoice(tokenizer, engine, isNormalized: isNormalized)
    try choice.choose(pre, file: file)
    warnings += choice.warnings
    entries.append(MetadataEntry("tokenizer.ggml.pre", .string(choice.name)))
    if choice.needsSection, let section = files.tokenizer["pre_tokenizer"] {
      let text = String(decoding: section.serialized(), as: UTF8.self)
      entries.append(MetadataEntry(GGUFTokenizer.preTokenizerKey, .string(text)))
    }
    if choice.impliesNormalizer != isNormalized {
      entries.append(MetadataEntry(GGUFTokenizer.normalizerKey, .string(isNormalized ? "NFC" : "none")))
    }
    if GGUFTokenizer.lacksBegin(choice.name), tokenizer.prefixIDs.isEmpty, tokenizer.bosTokenID != nil {
      entries.append(MetadataEntry(GGUFTokenizer.namesBeginKey, .bool(true)))
    }
    let late = isNormalized ? tokenizer.addedTokens.filter(\.isNormalized).map { Int32(clamping: $0.id) } : []
    if !late.isEmpty { entries.append(MetadataEntry(GGUFTokenizer.normalizedTokensKey, .array(.int32(late)))) }
    return special
  }

  /// Refuses rules that GGUF cannot say.
  ///
  /// - Returns: Whether text is normalized (NFC).
  private static func checkSayable(_ tokenizer: Tokenizer, file: String) throws(GGUFModelError) -> Bool {
    func refusal(_ detail: String, _ field: String) -> GGUFModelError {
      GGUFModelError(.unsupportedTokenizer(detail), file: file, field: field)
    }
    if tokenizer.addsPrefixSpace {
      throw refusal("a space is put before words (add_prefix_space), which GGUF cannot say", "pre_tokenizer")
    }
    guard let isNormalized = tokenizer.isNormalizedOnly else {
      throw refusal("text is rewritten (\(tokenizer.normalizerSummary)), which GGUF cannot say", "normalizer")
    }
    if let byte = tokenizer.unknownByte {
      let hex = String(byte, radix: 16, uppercase: true)
      throw refusal("byte 0x\(hex) has no token; programs that read GGUF leave such bytes out", "model.vocab")
    }
    for token in tokenizer.addedTokens {
      let options = [("single_word", token.isSingleWord), ("lstrip", token.stripsLeft), ("rstrip", token.stripsRight)]
      if let (option, _) = options.first(where: { $0.1 }) {
        throw refusal("token '\(printable(token.content))' has \(option), which GGUF cannot say", "added_tokens")
      }
    }
    return isNormalized
  }

  /// Ids of special tokens, and whether they are put around a text: at most one begin and one end token.
  private static func specialTokens(_ tokenizer: Tokenizer, file: String) throws(GGUFModelError) -> [MetadataEntry] {
    func added(_ ids: [Int], _ role: Int?, _ name: String) throws(GGUFModelError) -> Int? {
      if ids.isEmpty { return role }
      guard ids.count == 1, role == nil || role == ids[0] else {
        let list = ids.map(String.init).joined(separator: ", ")
        let own = role.map { "token \($0)" } ?? "one token"
        throw GGUFModelError(
          .unsupportedTokenizer("ids \(list) are put around a text; GGUF can only say \(own) at its \(name)"),
          file: file, field: "post_processor")
      }
      return ids[0]
    }
    let begin = try added(tokenizer.prefixIDs, tokenizer.bosTokenID, "beginning")
    let end = try added(tokenizer.suffixIDs, tokenizer.eosTokenID, "end")
    var entries: [MetadataEntry] = []
    for (name, id) in [("bos", begin), ("eos", end), ("padding", tokenizer.padTokenID)] {
      guard let id else { continue }
      entries.append(MetadataEntry("tokenizer.ggml.\(name)_token_id", .uint32(UInt32(clamping: id))))
    }
    // Written even when false: under some names engines add a begin token unless told not to.
    entries.append(MetadataEntry("tokenizer.ggml.add_bos_token", .bool(!tokenizer.prefixIDs.isEmpty)))
    entries.append(MetadataEntry("tokenizer.ggml.add_eos_token", .bool(!tokenizer.suffixIDs.isEmpty)))
    entries.append(MetadataEntry("tokenizer.ggml.add_space_prefix", .bool(false)))
    return entries
  }
}

extension GGUFTokenizerFiles {
  /// The files as the tokenizer reads them.
  fileprivate func tokenizerFiles(file: String) -> TokenizerFiles {
    TokenizerFiles(
      tokenizer: .init(name: file, parsed: tokenizer),
      tokenizerConfiguration: sibling("tokenizer_config.json", settings, of: file),
      specialTokensMap: sibling("special_tokens_map.json", specialTokensMap, of: file),
      generationConfiguration: sibling("generation_config.json", generationConfiguration, of: file),
      modelConfiguration: sibling("config.json", configuration, of: file))
  }

  /// Takes `tokenizer.json`, and what the files beside it add to it.
  package mutating func read(tokenizer: JSONObject, file: String) throws(TokenizerError) {
    self.tokenizer = try NamedTokens.completed(
      tokenizer, settings: sibling("tokenizer_config.json", settings, of: file),
      specialTokensMap: sibling("special_tokens_map.json", specialTokensMap, of: file),
      addedTokens: sibling("added_tokens.json", addedTokens, of: file))
  }

  /// A parsed file beside the tokenizer.
  func sibling(_ name: String, _ object: JSONObject?, of file: String) -> TokenizerFiles.File? {
    object.map { .init(name: FileSystem.sibling(name, of: file), parsed: $0) }
  }
}

/// Which name a pre-tokenizer is written under.
private struct PreTokenizerChoice {
  private let tokenizer: Tokenizer
  private let engine: GGUFEngine
  private let isNormalized: Bool
  /// Names under which the engine cuts alike.
  private let fitting: [PreTokenizerName]
  private(set) var name = ""
  /// Whether the name alone does not stand for the rules.
  private(set) var needsSection = false
  /// Whether models of the name have their text in NFC.
  private(set) var impliesNormalizer = false
  private(set) var warnings: [String] = []
  /// A token that merging does not lead to; asked for only where it decides.
  private lazy var missed: String? = tokenizer.tokenThatMergesMiss

  init(_ tokenizer: Tokenizer, _ engine: GGUFEngine, isNormalized: Bool) {
    self.tokenizer = tokenizer
    self.engine = engine
    self.isNormalized = isNormalized
    fitting = tokenizer.preTokenizerNames(in: engine)
  }

  mutating func choose(_ pre: String?, file: String) throws(GGUFModelError) {
    if let pre {
      try take(pre, file: file)
    } else {
      try find(file: file)
    }
    if isNormalized {
      warnings.append(
        "the tokenizer brings text into NFC first, and other programs that read GGUF do not: text in another form gets "
          + "other ids there")
    }
  }

  /// Finds a name that stands for everything.
  private mutating func find(file: String) throws(GGUFModelError) {
    guard !fitting.isEmpty else {
      throw GGUFModelError(
        .unnamedPreTokenizer(
          found: tokenizer.preTokenizerSummary, engine: engine.rawValue, elsewhere: elsewhere), file: file,
        field: "pre_tokenizer")
    }
    var merging: [PreTokenizerName] = []
    for entry in fitting where mergesAlike(entry) { merging.append(entry) }
    guard !merging.isEmpty else {
      let detail =
        "whole words are \(tokenizer.ignoresMerges ? "" : "not ")taken without merging (ignore_merges), \(engine.rawValue) "
        + "does otherwise under \(list(fitting)), and word '\(printable(missed ?? ""))' shows it"
      throw GGUFModelError(.unsupportedTokenizer(detail), file: file, field: "model.ignore_merges")
    }
    let chosen = merging.first { !isNormalized || $0.meaning(in: engine).map { $0.normalization != .never } ?? false }
    guard let chosen else {
      throw GGUFModelError(
        .unsupportedTokenizer("text is brought into NFC first, and no model with this pre-tokenizer's name does that"),
        file: file, field: "normalizer")
    }
    set(chosen.name, chosen.meaning(in: engine))
  }

  /// Takes the user's name.
  private mutating func take(_ pre: String, file: String) throws(GGUFModelError) {
    if let own = fitting.first(where: { ExactString($0.name) == ExactString(pre) }) {
      set(pre, own.meaning(in: engine))
      if !mergesAlike(own) {
        warnings.append(
          "under '\(printable(pre))' \(engine.rawValue) does otherwise with whole words that are tokens: '"
            + "\(printable(missed ?? ""))' gets other ids there")
      }
      return
    }
    let known = PreTokenizerName.named(pre)
    if known?.meaning(in: engine) != nil, !fitting.isEmpty {
      throw GGUFModelError(
        .otherPreTokenizer(name: pre, engine: engine.rawValue, fitting: fitting.map(\.name)), file: file,
        field: "pre_tokenizer")
    }
    // The meaning a reader of this program will find, so that it can be told what is different.
    let meaning = known?.meaning(in: engine) ?? known?.usualMeaning
    set(pre, meaning)
    needsSection = meaning.map { !tokenizer.cuts(by: $0.rule) } ?? true
    warnings.append(
      known?.meaning(in: engine) == nil
        ? GGUFTokenizer.unknownName(pre, to: engine)
        : "'\(printable(pre))' is written as told; \(engine.rawValue) does not cut text by "
          + "'\(printable(tokenizer.preTokenizerSummary, limit: 120))' under it, as far as this program can tell")
  }

  private mutating func set(_ name: String, _ meaning: PreTokenizerMeaning?) {
    self.name = name
    impliesNormalizer = meaning?.normalization == .usually
  }

  /// Whether an engine does under a name with whole words what the tokenizer does, or it makes no difference.
  private mutating func mergesAlike(_ entry: PreTokenizerName) -> Bool {
    entry.meaning(in: engine)?.ignoresMerges == tokenizer.ignoresMerges || missed == nil
  }

  /// Who has a name for the rules, in words.
  private var elsewhere: [String] {
    GGUFEngine.allCases.filter { $0 != engine }.compactMap { other in
      tokenizer.preTokenizerNames(in: other).first.map { "\(other.rawValue) calls it '\($0.name)'" }
    }
  }

  private func list(_ entries: [PreTokenizerName]) -> String {
    entries.map { "'\($0.name)'" }.joined(separator: ", ")
  }
}
