// Tritsmith: the tokenizer of a model.

import Synchronization
import TritCore

/// A BPE tokenizer, byte-level or of characters as SentencePiece makes them, from a model's `tokenizer.json`.
///
/// It gives the ids the `tokenizers` library (0.23) gives, or refuses the file: whatever in it could change an id and is
/// not implemented is an error naming the field. Text is handled as bytes and Unicode scalars throughout.
///
/// ```swift
/// let tokenizer = try Tokenizer(TokenizerFiles(tokenizer: .init(name: "tokenizer.json", bytes: bytes)))
/// let ids = try tokenizer.encode("In the beginning")
/// let text = try tokenizer.decode(ids)
/// ```
///
/// Values are immutable and may be used from several threads at once.
public struct Tokenizer: Sendable {
  let vocabulary: Vocabulary
  let model: BytePairModel
  let normalizer: Normalizer
  let preTokenizer: PreTokenizer
  let postProcessor: PostProcessor
  let roles: TokenRoles
  /// Added tokens looked for in the text as given, and those looked for in the normalized text.
  let rawTokens: AddedTokenMatcher
  let normalizedTokens: AddedTokenMatcher
  /// What each id decodes to, end to end; the bytes of id i lie between bounds i and i + 1.
  let decodedBytes: [UInt8]
  let decodedBounds: [Int]
  let isSpecial: [Bool]
  let detokenizer: Detokenizer
  /// What SentencePiece writes for its unknown piece.
  let unknownSurface: (id: Int, bytes: [UInt8])?
  /// Whether an id stands for a byte of a character without token of its own.
  let isByteToken: [Bool]
  let workspaces = WorkspacePool()

  /// What the tokenizer is made of, for reports.
  package let summary: TokenizerSummary
  /// The tokens that are found in the text before it is cut, in file order.
  package let addedTokens: [AddedToken]
  /// Names in files beside the tokenizer's own that are no tokens, with their keys.
  package let unknownNames: [(key: String, content: String)]

  /// Reads and checks the files.
  package init(_ files: TokenizerFiles) throws(TokenizerError) {
    do {
      try self.init(checking: files)
    } catch {
      // Sections that are missing altogether have no reader that knows the file's name.
      throw error.placed(file: files.tokenizer.name)
    }
  }

  private init(checking files: TokenizerFiles) throws(TokenizerError) {
    // As values the two would take several times the room of their text.
    let file = try FieldReader(
      file: files.tokenizer, dialect: .strict, leaving: [["model", "vocab"], ["model", "merges"]])
    let modelReader = try file.requiredReader("model")
    try LoadedModel.checkType(modelReader)
    try Tokenizer.checkSections(of: file)
    var vocabulary = try Vocabulary(model: modelReader)
    let modelCount = vocabulary.count
    preTokenizer = try PreTokenizer(file.reader("pre_tokenizer"))
    let isByteLevel = preTokenizer.isByteLevel
    let loaded = try LoadedModel(modelReader, vocabulary, isByteLevel: isByteLevel, ranks: files.mergeRanks)
    (addedTokens, unknownNames) = try Tokenizer.addedTokens(files, file, &vocabulary)
    normalizer = try Normalizer(file.reader("normalizer"))
    try Tokenizer.check(normalizer, preTokenizer, file)
    postProcessor = try PostProcessor(file.reader("post_processor"), vocabulary)
    detokenizer = try Detokenizer(file.reader("decoder"))
    guard isByteLevel == (detokenizer == .byteLevel) else {
      let (one, other) = isByteLevel ? ("pre-tokenizer", "decoder") : ("decoder", "pre-tokenizer")
      throw file.error(.unsupported("a ByteLevel \(one) without a ByteLevel \(other)"), at: "decoder")
    }
    unknownSurface = files.pieces?.unknown
    roles = try TokenRoles(files, vocabulary, addedTokens) { [postProcessor] bos in
      postProcessor.prefix.first.map { $0 == bos ?? $0 } ?? false
    }
    model = loaded.model
    self.vocabulary = vocabulary
    (rawTokens, normalizedTokens) = Tokenizer.matchers(
      of: addedTokens, spelled: files.pieces?.users ?? [:], normalizer)
    (decodedBytes, decodedBounds, isByteToken) = Tokenizer.decoded(vocabulary, addedTokens, normalizer, detokenizer)
    var isSpecial = [Bool](repeating: false, count: vocabulary.endID)
    for token in addedTokens where token.isSpecial { isSpecial[token.id] = true }
    self.isSpecial = isSpecial
    summary = TokenizerSummary(
      vocabulary: vocabulary, modelCount: modelCount, mergeCount: loaded.mergeCount, model: loaded.model,
      addedTokens: addedTokens, normalizer: normalizer.summary, preTokenizer: preTokenizer.summary,
      postProcessor: postProcessor, roles: roles)
  }
}

// MARK: - Parts of the file

extension Tokenizer {
  /// Refuses sections that are not known, and settings of the file as a whole that change ids.
  private static func checkSections(of file: FieldReader) throws(TokenizerError) {
    try file.allow([
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
      "model",
    ])
    if let version = try file.string("version"), version != "1.0" {
      throw file.error(.unsupported("version '\(printable(version))'"), at: "version")
    }
    for key in ["truncation", "padding"] where file.value(key) != nil {
      throw file.error(.unsupported("\(key) in the file (set it to null)"), at: key)
    }
  }

  /// The added tokens of the file and those of the files beside it, whose names without token come along.
  private static func addedTokens(
    _ files: TokenizerFiles, _ file: FieldReader, _ vocabulary: inout Vocabulary
  ) throws(TokenizerError) -> (tokens: [AddedToken], unknownNames: [(key: String, content: String)]) {
    let own = try AddedToken.read(file, into: &vocabulary)
    guard files.isFolder else { return (own, []) }
    let named = try NamedTokens(
      settings: files.tokenizerConfiguration, specialTokensMap: files.specialTokensMap,
      addedTokens: files.addedTokens, known: own.map(\.content), id: { [vocabulary] in vocabulary.id(of: $0) }
    )
    return (own + named.tokens, named.unknown)
  }

  /// What finds added tokens in the text as given, and in the normalized text.
  ///
  /// - Parameter users: SentencePiece's user's pieces, looked for behind the normalizer as they are spelled.
  private static func matchers(
    of addedTokens: [AddedToken], spelled users: [Int: String], _ normalizer: Normalizer
  ) -> (raw: AddedTokenMatcher, normalized: AddedTokenMatcher) {
    // Special tokens stand before others in the library's lists, which decides between two with one spelling.
    let ordered = addedTokens.filter { $0.isSpecial } + addedTokens.filter { !$0.isSpecial }
    let raw = AddedTokenMatcher(ordered.filter { !$0.isNormalized && users[$0.id] == nil }) {
      Array($0.content.utf8)
    }
    let normalized = AddedTokenMatcher(ordered.filter { $0.isNormalized || users[$0.id] != nil }) {
      users[$0.id] != nil ? Array($0.content.utf8) : normalizer.normalize(Array($0.content.utf8))
    }
    return (raw, normalized)
  }

  /// Refuses what the library does in a way that is not followed.
  private static func check(
    _ normalizer: Normalizer, _ preTokenizer: PreTokenizer, _ file: FieldReader
  ) throws(TokenizerError) {
    for case .metaspace(let space) in preTokenizer.steps where space.scheme == .first && normalizer.dropsBeginnings {
      // The library asks where a piece began before it was normalized.
      throw file.error(
        .unsupported("prepend_scheme 'first' behind a normalizer that can drop the beginning of a text"),
        at: "pre_tokenizer")
    }
  }
}

// MARK: - Vocabulary

extension Tokenizer {
  /// Tokens in all, the model's and the added ones.
  package var vocabularySize: Int { vocabulary.count }

  /// One more than the highest id; larger than the size when ids have gaps.
  package var endID: Int { vocabulary.endID }

  /// The token that begins a text, if the model has one.
  public var bosTokenID: Int? { roles.bos }

  /// The token that ends a text, if the model has one.
  public var eosTokenID: Int? { roles.eos }

  /// Every token after which generation stops, `eosTokenID` first.
  package var endTokenIDs: [Int] { roles.ends }

  /// The token that fills up batches, if the model has one.
  package var padTokenID: Int? { roles.pad }

  /// Added tokens that steer the model rather than standing for text.
  package var specialTokens: [AddedToken] { addedTokens.filter { $0.isSpecial } }

  /// The id of a token in the spelling of the file (`Ġthe`, not ` the`).
  package func id(forToken token: String) -> Int? { vocabulary.id(of: token) }

  /// A token in the spelling of the file (`Ġthe`, not ` the`); nil for an id without token.
  package func token(forID id: Int) -> String? { vocabulary.token(id) }

  /// The bytes an id decodes to, which need not be UTF-8 by themselves; nil for an id without token.
  package func bytes(forID id: Int) -> [UInt8]? {
    guard vocabulary.contains(id) else { return nil }
    return Array(decodedBytes[decodedBounds[id]..<decodedBounds[id + 1]])
  }

  /// Whether an id belongs to a special token.
  package func isSpecial(_ id: Int) -> Bool {
    id >= 0 && id < isSpecial.count && isSpecial[id]
  }

  /// Bytes of every token: those it is spelled for, or its own UTF-8 when a scalar of it is outside the alphabet.
  ///
  /// The library's decoder treats added tokens alike, so one that is spelled `é` decodes to the single byte 0xE9, and
  /// one that is looked for in normalized text decodes to its normalized spelling.
  private static func decoded(
    _ vocabulary: Vocabulary, _ addedTokens: [AddedToken], _ normalizer: Normalizer, _ detokenizer: Detokenizer
  ) -> (bytes: [UInt8], bounds: [Int], isByte: [Bool]) {
    var spellings: [Int: String] = [:]
    for token in addedTokens where token.isNormalized {
      spellings[token.id] = String(decoding: normalizer.normalize(Array(token.content.utf8)), as: UTF8.self)
    }
    var bytes: [UInt8] = []
    // Few decoders make tokens longer.
    bytes.reserveCapacity(vocabulary.byteCount)
    var bounds = [0]
    bounds.reserveCapacity(vocabulary.endID + 1)
    var isByte = [Bool](repeating: false, count: vocabulary.endID)
    for id in 0..<vocabulary.endID {
      if let token = spellings[id] ?? vocabulary.token(id) {
        switch detokenizer {
        case .byteLevel: bytes.append(contentsOf: ByteAlphabet.decode(token) ?? Array(token.utf8))
        case .pieces(let decoder):
          let piece = decoder.bytes(of: token)
          bytes.append(contentsOf: piece.bytes)
          isByte[id] = piece.isByte
        }
      }
      bounds.append(bytes.count)
    }
    return (bytes, bounds, isByte)
  }
}

/// The work memory of encoders, handed from call to call so that words met before are found again.
final class WorkspacePool: Sendable {
  private let idle = Mutex<[EncodingWorkspace]>([])

  func take() -> EncodingWorkspace {
    idle.withLock { $0.popLast() } ?? EncodingWorkspace()
  }

  func give(_ workspace: consuming EncodingWorkspace) {
    let workspace = workspace
    idle.withLock { if $0.count < 8 { $0.append(workspace) } }
  }
}
