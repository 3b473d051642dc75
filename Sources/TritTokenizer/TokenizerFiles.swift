// Tritsmith: the files a tokenizer is made from.

import TritCore

/// The contents of a model folder that concern its tokenizer; only `tokenizer.json`, or `tokenizer.model`, is needed.
///
/// The others say which tokens begin and end a text: by name (`tokenizer_config.json`, `special_tokens_map.json`) or by
/// id (`generation_config.json`, `config.json`).
public struct TokenizerFiles: Sendable {
  /// One file's bytes and the name to use in messages about it.
  public struct File: Sendable {
    public var name: String
    public var bytes: [UInt8]
    /// The contents, where a caller has parsed them already; the bytes are then not looked at.
    package var parsed: JSONValue?

    public init(name: String, bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }

    package init(name: String, parsed: JSONObject) {
      self.init(name: name, bytes: [])
      self.parsed = .object(parsed)
    }
  }

  /// `tokenizer.json`, as the `tokenizers` library writes it.
  public var tokenizer: File
  /// `tokenizer_config.json`.
  public var tokenizerConfiguration: File?
  /// `special_tokens_map.json`.
  public var specialTokensMap: File?
  /// `generation_config.json`.
  public var generationConfiguration: File?
  /// `config.json` of the model.
  public var modelConfiguration: File?

  /// For merges that were made from scores: the rank of each, since merges of one score have one rank.
  package var mergeRanks: [Int]?
  /// Whether what the normalizer puts before text comes only where a text begins and behind special tokens, not behind
  /// other added tokens: SentencePiece knows those itself.
  package var beginsBehindSpecialTokensOnly = false

  /// A model of SentencePiece (`tokenizer.model`) in place of `tokenizer.json`.
  ///
  /// Text between special tokens gets the ids the `sentencepiece` library gives; special tokens are found in text, as in
  /// `tokenizer.json`, which that library leaves to its callers.
  /// - Throws: when it is no such model, or not of type BPE, or does to text what is not supported.
  public init(
    sentencePiece: File, tokenizerConfiguration: File? = nil, specialTokensMap: File? = nil,
    generationConfiguration: File? = nil, modelConfiguration: File? = nil
  ) throws(TokenizerError) {
    let model = try SentencePieceModel(sentencePiece.bytes, file: sentencePiece.name)
    let (document, ranks) = try model.document()
    self.init(
      tokenizer: File(name: sentencePiece.name, parsed: document), tokenizerConfiguration: tokenizerConfiguration,
      specialTokensMap: specialTokensMap ?? File(name: sentencePiece.name, parsed: model.settings),
      generationConfiguration: generationConfiguration, modelConfiguration: modelConfiguration)
    mergeRanks = ranks
    beginsBehindSpecialTokensOnly = true
  }

  public init(
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
