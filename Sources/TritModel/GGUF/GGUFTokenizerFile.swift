// Tritsmith: GGUF metadata as Hugging Face tokenizer files.

import TritCore
import TritLayouts
import TritTokenizer

/// `tokenizer.json` and `tokenizer_config.json` rebuilt from `tokenizer.ggml.*` keys.
///
/// Byte-level BPE whose pre-tokenizer has a known name only: of the others GGUF does not hold enough. Where a key is
/// missing, what llama.cpp does then is written out, with a note.
struct GGUFTokenizerFile {
  /// The files, by name; empty when they cannot be rebuilt.
  private(set) var files: [(name: String, json: JSONObject)] = []
  /// What a user should know: what was assumed, or why there are no files.
  private(set) var notes: [String] = []
  /// Why there are no files of a vocabulary that is there.
  private(set) var problem: String?

  private let manifest: ModelManifest
  private let tokens: [String]
  private let types: [Int]
  private let engine: GGUFEngine
  /// Roles that the settings do not name, whatever id the file gives them.
  private var unnamedRoles: Set<String> = []

  /// What llama.cpp takes for the begin and the end of a byte-level vocabulary that says neither.
  private static let assumedSpecialToken = 11

  /// - Parameters:
  ///   - manifest: the metadata.
  ///   - engine: the program the file was made for; some mean other rules by a name.
  init(_ manifest: ModelManifest, engine: GGUFEngine) {
    self.manifest = manifest
    self.engine = engine
    // An empty token has a name of its own in llama.cpp.
    tokens = (manifest.entry("tokenizer.ggml.tokens")?.strings ?? []).enumerated()
      .map { $1.utf8.isEmpty ? "[EMPTY_\($0)]" : $1 }
    types = manifest.entry("tokenizer.ggml.token_type")?.integers ?? []
    if !tokens.isEmpty { rebuild() }
  }

  /// Whether a file leaves open if text is brought into NFC first: neither a key nor the pre-tokenizer's name says it.
  static func leavesNormalizationOpen(_ manifest: ModelManifest, engine: GGUFEngine) -> Bool {
    guard manifest.entry("tokenizer.ggml.model")?.string == "gpt2",
      manifest.entry(GGUFTokenizer.normalizerKey) == nil, let name = manifest.entry("tokenizer.ggml.pre")?.string,
      let entry = PreTokenizerName.named(name)
    else { return false }
    return (entry.meaning(in: engine) ?? entry.usualMeaning)?.normalization == .sometimes
  }

  private mutating func lack(_ reason: String) {
    problem = reason
    notes.append(reason)
  }

  private mutating func rebuild() {
    if let error = GGUFKeyTypes.mismatch(manifest) {
      return lack("the tokenizer cannot be rebuilt: \(error.placedSummary)")
    }
    let model = manifest.entry("tokenizer.ggml.model")?.string ?? "none"
    if model == "llama" { return rebuildPieces() }
    guard model == "gpt2", let merges = manifest.entry("tokenizer.ggml.merges")?.strings else {
      lack("a tokenizer of model '\(printable(model))' cannot be rebuilt as tokenizer.json")
      return
    }
    guard let (section, meaning) = preTokenizer() else { return }
    let normalizer =
      manifest.entry(GGUFTokenizer.normalizerKey)?.string ?? (meaning?.normalization == .usually ? "NFC" : "none")
    let ignoresMerges = manifest.entry(GGUFTokenizer.ignoreMergesKey)?.bool ?? meaning?.ignoresMerges ?? false
    let before = special("bos", isAddedWhenUnsaid: meaning?.addsBOS ?? false)
    leaveUnnamed(before)
    let behind = special("eos", isAddedWhenUnsaid: false)
    let (vocab, added) = vocabulary()
    let tokenizer: JSONObject = [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
      "normalizer": normalizer == "none" ? .null : .object(["type": .string(normalizer)]),
      "pre_tokenizer": section,
      "post_processor": .object(postProcessor(before, behind)),
      "decoder": .object(GGUFTokenizerFile.byteLevel),
      "model": .object([
        "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
        "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": .bool(ignoresMerges),
        "vocab": .object(vocab), "merges": .array(GGUFTokenizerFile.distinct(merges).map { .string($0) }),
      ]),
    ]
    files = [
      ("tokenizer.json", tokenizer),
      ("tokenizer_config.json", settings(addsBegin: before != nil, addsEnd: behind != nil)),
    ]
  }

  /// How text is cut, and what else the pre-tokenizer's name means; nil, with the reason noted, for one not known.
  private mutating func preTokenizer() -> (section: JSONValue, meaning: PreTokenizerMeaning?)? {
    let name = manifest.entry("tokenizer.ggml.pre")?.string
    let entry = PreTokenizerName.named(name ?? PreTokenizerName.unnamed)
    let meaning = entry?.meaning(in: engine) ?? entry?.usualMeaning
    let stated = manifest.entry(GGUFTokenizer.preTokenizerKey)?.string
    guard let section = stated.flatMap({ try? JSONValue.parse(Array($0.utf8)) }) ?? meaning?.rule.section else {
      lack(
        "the tokenizer cannot be rebuilt: no program known here has a pre-tokenizer '\(printable(name ?? ""))'; "
          + "say another name with --gguf-pre")
      return nil
    }
    if stated == nil, name == nil || name == PreTokenizerName.unnamed {
      notes.append(
        "the file \(name == nil ? "does not say" : "says 'default' for") how its tokenizer cuts text; it is cut as "
          + "llama.cpp does then, which is hardly what the model was trained with. Say the name with --gguf-pre")
    }
    if let entry, entry.meaning(in: engine) == nil {
      notes.append("\(engine.rawValue), for which the file was made, does not know pre-tokenizer '\(entry.name)'")
    }
    return (section, meaning)
  }

  /// Names no begin token that the tokenizer does not have: converters number one of `config.json` all the same, and say
  /// that it is not added.
  private mutating func leaveUnnamed(_ begin: (id: Int, text: String)?) {
    guard begin == nil else { return }
    let isNamed =
      manifest.entry(GGUFTokenizer.namesBeginKey)?.bool
      ?? !GGUFTokenizer.lacksBegin(manifest.entry("tokenizer.ggml.pre")?.string)
    if !isNamed { unnamedRoles.insert("bos") }
  }

  /// A vocabulary of SentencePiece, by its scores.
  private mutating func rebuildPieces() {
    func refuse(_ reason: String) {
      lack("a tokenizer of model 'llama' cannot be rebuilt as tokenizer.json: " + reason)
    }
    let (vocab, added) = vocabulary()
    let merges: [JSONValue]
    do {
      try checkPieces()
      merges = try pieceMerges(vocab)
    } catch {
      return refuse(error.reason)
    }
    let before = special("bos", isAddedWhenUnsaid: true, assumed: 1)
    leaveUnnamed(before)
    let behind = special("eos", isAddedWhenUnsaid: false, assumed: 2)
    let unknown = tokens.indices.first { tokenType($0) == .unknown }
    let addsPrefix = manifest.entry("tokenizer.ggml.add_space_prefix")?.bool ?? true
    var tokenizer = SentencePieceModel.document(
      vocab: vocab, merges: merges, added: added, unknown: unknown.map { tokens[$0] },
      fallsBackToBytes: tokens.indices.contains { tokenType($0) == .byte }, addsPrefix: addsPrefix,
      postProcessor: before == nil && behind == nil ? .null : .object(TemplateProcessing.section(before, behind)))
    if let text = manifest.entry(GGUFTokenizer.sectionsKey)?.string, !PieceSections.apply(text, to: &tokenizer) {
      return refuse("'\(GGUFTokenizer.sectionsKey)' is no JSON object")
    }
    files = [
      ("tokenizer.json", tokenizer),
      ("tokenizer_config.json", settings(addsBegin: before != nil, addsEnd: behind != nil)),
    ]
  }

  /// Why a vocabulary of pieces is not rebuilt.
  private struct Unreadable: Error { var reason: String }

  /// Refuses pieces by which text would be lost, or get other ids than in engines.
  private func checkPieces() throws(Unreadable) {
    if manifest.entry("tokenizer.ggml.precompiled_charsmap") != nil {
      throw Unreadable(reason: "it rewrites text by a table (precompiled_charsmap)")
    }
    guard types.count == tokens.count else {
      throw Unreadable(reason: "it has \(types.count) types (token_type) for \(tokens.count) tokens")
    }
    guard !tokens.indices.contains(where: { tokenType($0) == .byte }) else { return }
    // Engines find tokens of bytes by their names.
    if let token = tokens.first(where: { GGUFTokenList.isByte($0) }) {
      throw Unreadable(reason: "token_type calls no token one of a byte, also not '\(token)'")
    }
    if !tokens.indices.contains(where: { tokenType($0) == .unknown }) {
      throw Unreadable(reason: "it has neither tokens of bytes nor an unknown token for characters without their own")
    }
  }

  /// Merges of pieces, in the order in which engines make them.
  ///
  /// Engines look at scores alone: a list of merges counts where the scores were made from it.
  private func pieceMerges(_ vocab: JSONObject) throws(Unreadable) -> [JSONValue] {
    guard case .array(.float32(let scores)) = manifest.entry("tokenizer.ggml.scores"), scores.count == tokens.count
    else {
      throw Unreadable(reason: "it has no score for each token")
    }
    if let id = scores.firstIndex(where: { !$0.isFinite }) {
      throw Unreadable(reason: "the score of token \(id) is \(scores[id])")
    }
    let listed = manifest.entry("tokenizer.ggml.merges")?.strings ?? []
    if !listed.isEmpty, scores == GGUFTokenList.scores(of: tokens, listed, isNormal: { tokenType($0) == .normal }) {
      return listed.map { .string($0) }
    }
    var pieces: [SentencePieceModel.Piece] = []
    for entry in vocab.entries {
      guard let id = entry.value.number?.integer else { continue }
      let type = SentencePieceModel.PieceType(rawValue: UInt64(max(0, types[id])))
      // Engines merge to tokens of any type; those that are never in a text but by name are left out.
      pieces.append(.init(text: entry.key, score: scores[id], type: type == .unused ? .normal : type ?? .normal))
    }
    let merges: [JSONValue]
    let tie: (String, String)?
    do {
      let scored = try ScoredMerges(pieces, file: manifest.path)
      merges = try scored.list().merges
      tie = try scored.tie()
    } catch {
      throw Unreadable(reason: error.summary)
    }
    if let (one, two) = tie {
      throw Unreadable(
        reason: "'\(printable(one, limit: 40))' and '\(printable(two, limit: 40))' have one score, and no order of "
          + "merges says that the leftmost is made first")
    }
    return merges
  }

  /// The program a file was made for: some types of tensors, as they are stored, are known to one only.
  static func engine(of tensors: [TensorDescriptor]) -> GGUFEngine {
    var layouts: Set<LayoutID> = []
    for tensor in tensors { if case .ternary(let layout) = tensor.encoding { layouts.insert(layout) } }
    if I2SOrder.allCases.contains(where: { layouts.contains($0.layout) }) { return .bitnetCpp }
    return layouts.isDisjoint(with: [IQ1BN.id, IQ2BN.id, IQ2BNR4.id]) ? .llamaCpp : .ikLlamaCpp
  }

  /// The model's vocabulary and the added tokens. Names of rows without a token are left out.
  private func vocabulary() -> (JSONObject, [JSONValue]) {
    let normalized = Set(manifest.entry(GGUFTokenizer.normalizedTokensKey)?.integers ?? [])
    var vocab = JSONObject()
    vocab.entries.reserveCapacity(tokens.count)
    var added: [JSONValue] = []
    for (id, token) in tokens.enumerated() {
      let type = tokenType(id)
      // Converters before 2024 called these rows tokens of the user.
      if type == .unused || type == .userDefined, token == GGUFTokenizer.filler(id) { continue }
      vocab.entries.append(.init(key: token, value: .number(JSONNumber(id))))
      guard type == .control || type == .userDefined || type == .unknown else { continue }
      added.append(
        .object([
          "id": .number(JSONNumber(id)), "content": .string(token), "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": .bool(normalized.contains(id)), "special": .bool(type != .userDefined),
        ]))
    }
    return (vocab, added)
  }

  /// What a token is; nil for a number that stands for no type.
  private func tokenType(_ id: Int) -> GGUFTokenizer.TokenType? {
    id < types.count ? GGUFTokenizer.TokenType(rawValue: Int32(clamping: types[id])) : .normal
  }

  /// Merges without those that stand twice, of which the first place counts here and the last in `tokenizer.json`.
  private static func distinct(_ merges: [String]) -> [String] {
    var seen: Set<ExactString> = []
    seen.reserveCapacity(merges.count)
    return merges.filter { seen.insert(ExactString($0)).inserted }
  }

  private static let byteLevel: JSONObject = [
    "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
  ]

  // MARK: - Special tokens

  private func token(_ name: String) -> (id: Int, text: String)? {
    guard let id = manifest.entry("tokenizer.ggml.\(name)_token_id")?.integer, tokens.indices.contains(id) else {
      return nil
    }
    return (id, tokens[id])
  }

  /// The token put at an end of a text; nil for none.
  private mutating func special(
    _ name: String, isAddedWhenUnsaid: Bool, assumed id: Int = GGUFTokenizerFile.assumedSpecialToken
  ) -> (id: Int, text: String)? {
    let flag = manifest.entry("tokenizer.ggml.add_\(name)_token")?.bool
    guard flag ?? isAddedWhenUnsaid else { return nil }
    if flag == nil {
      notes.append(
        "the file does not say whether to add a begin token; llama.cpp adds one under its pre-tokenizer's name")
    }
    if let token = token(name) { return token }
    guard tokens.indices.contains(id) else { return nil }
    notes.append("the file does not say which token is its \(name); llama.cpp takes token \(id)")
    return (id, tokens[id])
  }

  private func postProcessor(
    _ before: (id: Int, text: String)?, _ behind: (id: Int, text: String)?
  ) -> JSONObject {
    if before == nil, behind == nil { return GGUFTokenizerFile.byteLevel }
    return [
      "type": "Sequence",
      "processors": .array([
        .object(GGUFTokenizerFile.byteLevel), .object(TemplateProcessing.section(before, behind)),
      ]),
    ]
  }

  /// The chat template, or a list of all where some have names; nil where there is none.
  private var templates: JSONValue? {
    let main = manifest.entry("tokenizer.chat_template")?.string
    let prefix = GGUFTokenizerFiles.namedTemplate
    let named = manifest.entries.compactMap { entry -> (name: String, text: String)? in
      guard entry.key.utf8.starts(with: prefix.utf8), let text = entry.value.string else { return nil }
      return (String(Substring(entry.key.utf8.dropFirst(prefix.utf8.count))), text)
    }
    guard !named.isEmpty else { return main.map { .string($0) } }
    let all = (main.map { [(name: "default", text: $0)] } ?? []) + named
    return .array(all.map { .object(["name": .string($0.name), "template": .string($0.text)]) })
  }

  private func settings(addsBegin: Bool, addsEnd: Bool) -> JSONObject {
    var result: JSONObject = ["clean_up_tokenization_spaces": false]
    for (key, name) in [("bos_token", "bos"), ("eos_token", "eos"), ("pad_token", "padding"), ("unk_token", "unknown")]
    {
      if let (_, text) = token(name), !unnamedRoles.contains(name) { result[key] = .string(text) }
    }
    result["add_bos_token"] = .bool(addsBegin)
    if addsEnd { result["add_eos_token"] = true }
    result["chat_template"] = templates
    result["tokenizer_class"] = "PreTrainedTokenizerFast"
    return result
  }
}
