// Tritsmith: the files a tokenizer is made from.

import TritCore

/// The contents of a model folder that concern its tokenizer; only `tokenizer.json`, or `tokenizer.model`, is needed.
///
/// The others say which tokens begin and end a text: by name (`tokenizer_config.json`, `special_tokens_map.json`) or by
/// id (`generation_config.json`, `config.json`).
package struct TokenizerFiles: Sendable {
  /// One file's bytes and the name to use in messages about it.
  package struct File: Sendable {
    package var name: String
    package var bytes: [UInt8]
    /// The contents, where a caller has parsed them already; the bytes are then not looked at.
    package var parsed: JSONValue?

    package init(name: String, bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }

    package init(name: String, parsed: JSONObject) {
      self.init(name: name, bytes: [])
      self.parsed = .object(parsed)
    }
  }

  /// `tokenizer.json`, as the `tokenizers` library writes it.
  package var tokenizer: File
  /// `tokenizer_config.json`.
  package var tokenizerConfiguration: File?
  /// `special_tokens_map.json`.
  package var specialTokensMap: File?
  /// `generation_config.json`.
  package var generationConfiguration: File?
  /// `config.json` of the model.
  package var modelConfiguration: File?
  /// `added_tokens.json`, which counts where `tokenizer_config.json` has no `added_tokens_decoder`.
  package var addedTokens: File?
  /// Whether these are files of a folder, as transformers opens one; a GGUF file says of every token what it is.
  package var isFolder = true

  /// What a model of SentencePiece does that `tokenizer.json` has no words for.
  package struct Pieces: Sendable {
    /// The user's pieces by id, which are looked for behind the normalizer as they are spelled.
    var users: [Int: String]
    /// What the unknown piece decodes to.
    var unknown: (id: Int, bytes: [UInt8])?
    /// Whether a mark is put before text, or before its beginning alone.
    package var addsPrefix: Bool
    /// What the files beside the model leave open.
    var notes: [String]
  }

  /// For merges that were made from scores: the rank of each, since merges of one score have one rank.
  package var mergeRanks: [Int]?
  package private(set) var pieces: Pieces?

  /// A model of SentencePiece (`tokenizer.model`) in place of `tokenizer.json`.
  ///
  /// Text between special tokens gets the ids the `sentencepiece` library gives; special tokens are found in text, as in
  /// `tokenizer.json`, which that library leaves to its callers. Further tokens come from `tokenizer_config.json` or
  /// `added_tokens.json`. The former says which are put around a text, and whether a space goes before it.
  /// - Throws: when it is no such model, or not of type BPE, or does to text what is not supported.
  package init(
    sentencePiece: File, tokenizerConfiguration: File? = nil, specialTokensMap: File? = nil, addedTokens: File? = nil,
    generationConfiguration: File? = nil, modelConfiguration: File? = nil
  ) throws(TokenizerError) {
    try self.init(
      SentencePieceModel(sentencePiece.bytes, file: sentencePiece.name), name: sentencePiece.name,
      tokenizerConfiguration: tokenizerConfiguration, specialTokensMap: specialTokensMap, addedTokens: addedTokens,
      generationConfiguration: generationConfiguration, modelConfiguration: modelConfiguration)
  }

  /// The same for a model that was read, from the file of this name.
  package init(
    _ model: SentencePieceModel, name: String, tokenizerConfiguration: File?, specialTokensMap: File?,
    addedTokens: File?, generationConfiguration: File? = nil, modelConfiguration: File? = nil
  ) throws(TokenizerError) {
    let companions = try SentencePieceCompanions(
      model, settings: tokenizerConfiguration, specialTokensMap: specialTokensMap, addedTokens: addedTokens)
    let scheme = try SentencePieceSettings(FieldReader(of: tokenizerConfiguration), model).scheme
    let tokens = companions.tokens.values.sorted { $0.id < $1.id }
    let (document, ranks) = try model.document(tokens, scheme: scheme, postProcessor: companions.postProcessor)
    self.init(
      tokenizer: File(name: name, parsed: document), tokenizerConfiguration: tokenizerConfiguration,
      specialTokensMap: File(name: specialTokensMap?.name ?? name, parsed: companions.specialTokensMap),
      generationConfiguration: generationConfiguration, modelConfiguration: modelConfiguration)
    mergeRanks = ranks
    let users = tokens.filter { token in
      !token.isSpecial && model.pieces.indices.contains(token.id) && model.pieces[token.id].type == .userDefined
    }
    let unknown = model.pieces.firstIndex { $0.type == .unknown }
    pieces = Pieces(
      users: Dictionary(users.map { ($0.id, $0.content) }) { first, _ in first },
      unknown: unknown.map { ($0, Array(model.unknownSurface.utf8)) }, addsPrefix: scheme != .never,
      notes: companions.notes)
  }

  package init(
    tokenizer: File, tokenizerConfiguration: File? = nil, specialTokensMap: File? = nil,
    generationConfiguration: File? = nil, modelConfiguration: File? = nil
  ) {
    self.tokenizer = tokenizer
    self.tokenizerConfiguration = tokenizerConfiguration
    self.specialTokensMap = specialTokensMap
    self.generationConfiguration = generationConfiguration
    self.modelConfiguration = modelConfiguration
  }
}
