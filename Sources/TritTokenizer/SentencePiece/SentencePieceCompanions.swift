// Tritsmith: what the files beside a tokenizer.model add to it.

import TritCore

/// Tokens beside the pieces, and tokens put around a text, as transformers 5 reads the files of a `LlamaTokenizer`.
///
/// - `added_tokens_decoder` of `tokenizer_config.json` gives tokens by id, or else `added_tokens.json`. The library
///   renumbers ids that leave a gap behind the pieces; that is an error here.
/// - Further special tokens that `tokenizer_config.json` lists get the next ids.
/// - `add_bos_token` and `add_eos_token` count where they are stated.
struct SentencePieceCompanions {
  /// By id: the pieces' own tokens and the further ones.
  private(set) var tokens: [Int: AddedToken] = [:]
  /// Names of the tokens with a role that `tokenizer_config.json` leaves open.
  private(set) var specialTokensMap: JSONObject
  private(set) var postProcessor = JSONValue.null
  /// What the files leave open.
  private(set) var notes: [String] = []

  private let pieces: [SentencePieceModel.Piece]
  private var ids: [ExactString: Int] = [:]
  private var endID: Int

  private static let roles = ["bos_token", "eos_token", "unk_token", "pad_token"]

  init(
    _ model: SentencePieceModel, settings: TokenizerFiles.File?, specialTokensMap: TokenizerFiles.File?,
    addedTokens: TokenizerFiles.File?
  ) throws(TokenizerError) {
    pieces = model.pieces
    endID = pieces.count
    for (id, piece) in pieces.enumerated() { ids[ExactString(piece.text)] = id }
    for token in model.addedTokens { tokens[token.id] = token }
    let settings = try FieldReader(of: settings)
    let map = try FieldReader(of: specialTokensMap)
    self.specialTokensMap = map?.object ?? JSONObject()
    for entry in model.settings.entries where settings?.object[entry.key] == nil && map?.object[entry.key] == nil {
      self.specialTokensMap[entry.key] = entry.value
    }
    let added = try FieldReader(of: addedTokens)
    if let settings, let decoder = try settings.reader("added_tokens_decoder") {
      try add(decoder)
    } else if let added {
      let named = try SentencePieceCompanions.named(in: settings) + SentencePieceCompanions.named(in: map)
      try add(added, special: Set(named.map { ExactString($0) }))
    }
    if let settings { try addListed(settings) }
    try putAround(settings, model)
  }

  // MARK: - Tokens

  private mutating func add(_ token: AddedToken, _ reader: FieldReader, at key: String?) throws(TokenizerError) {
    let known = ids[ExactString(token.content)]
    if known == nil, pieces.indices.contains(token.id) {
      throw reader.error(.duplicateID(token.id, first: pieces[token.id].text, second: token.content), at: key)
    }
    guard token.id == known ?? endID else {
      throw reader.error(.contradictoryID(token: token.content, stated: token.id, actual: known ?? endID), at: key)
    }
    if known == nil {
      ids[ExactString(token.content)] = endID
      endID += 1
    }
    var token = token
    // Where text is rewritten is no matter: transformers cuts at every such token before.
    token.isNormalized = false
    tokens[token.id] = token
  }

  /// Entries in the order of the ids that they state.
  private static func byID(
    _ reader: FieldReader, _ stated: (JSONObject.Entry) -> String
  ) throws(TokenizerError) -> [(id: Int, entry: JSONObject.Entry)] {
    var result: [(id: Int, entry: JSONObject.Entry)] = []
    for entry in reader.object.entries {
      let text = stated(entry)
      guard let id = Int(text), id >= 0, id < Vocabulary.idLimit else {
        throw reader.error(.invalidID(found: text, limit: Vocabulary.idLimit), at: entry.key)
      }
      result.append((id, entry))
    }
    return result.sorted { $0.id < $1.id }
  }

  /// `added_tokens_decoder`: tokens with their options, by id.
  private mutating func add(_ decoder: FieldReader) throws(TokenizerError) {
    for (id, entry) in try SentencePieceCompanions.byID(decoder, { $0.key }) {
      let reader = try FieldReader(entry.value, file: decoder.file, path: decoder.path(of: entry.key))
      try add(AddedToken(reader, id: id), reader, at: nil)
    }
  }

  /// `added_tokens.json`: ids by token.
  private mutating func add(_ file: FieldReader, special: Set<ExactString>) throws(TokenizerError) {
    for (id, entry) in try SentencePieceCompanions.byID(file, { $0.value.number?.text ?? $0.value.kindName }) {
      let content = ExactString(entry.key)
      if let own = tokens[id], ExactString(own.content) == content { continue }
      try add(AddedToken(id: id, content: entry.key, isSpecial: special.contains(content)), file, at: entry.key)
    }
  }

  /// Special tokens that are listed without an id.
  private mutating func addListed(_ settings: FieldReader) throws(TokenizerError) {
    for key in SentencePieceCompanions.roles {
      guard let name = try SentencePieceCompanions.name(key, settings), let id = ids[ExactString(name)],
        tokens[id] == nil
      else { continue }
      try add(AddedToken(id: id, content: name, isSpecial: true), settings, at: key)
    }
    for key in NamedTokens.lists {
      for (index, value) in NamedTokens.values(of: key, in: settings.object).enumerated() {
        let place = "\(key)[\(index)]"
        var token = AddedToken(id: 0, content: value.string ?? "", isSpecial: true)
        if value.string == nil {
          token = try AddedToken(FieldReader(value, file: settings.file, path: settings.path(of: place)), id: 0)
          token.isSpecial = true
        }
        token.id = ids[ExactString(token.content)] ?? endID
        if tokens[token.id] == nil { try add(token, settings, at: place) }
      }
    }
  }

  private static func name(_ key: String, _ reader: FieldReader) throws(TokenizerError) -> String? {
    guard let value = reader.value(key) else { return nil }
    if let text = value.string { return text }
    return try reader.requiredReader(key).requiredString("content")
  }

  /// The names of special tokens in a file.
  private static func named(in file: FieldReader?) throws(TokenizerError) -> [String] {
    guard let file else { return [] }
    var names: [String] = []
    for key in roles { if let name = try name(key, file) { names.append(name) } }
    for key in NamedTokens.lists {
      names += NamedTokens.values(of: key, in: file.object).compactMap { $0.string ?? $0.object?["content"]?.string }
    }
    return names
  }

  // MARK: - Around a text

  private mutating func putAround(_ settings: FieldReader?, _ model: SentencePieceModel) throws(TokenizerError) {
    func token(_ key: String, when flag: String) throws(TokenizerError) -> (id: Int, text: String)? {
      guard let settings, try settings.bool(flag) == true else { return nil }
      guard let name = try SentencePieceCompanions.name(key, settings) ?? specialTokensMap[key].flatMap(Self.text)
      else { return nil }
      guard let id = ids[ExactString(name)] else { throw settings.error(.unknownToken(name), at: key) }
      return (id, name)
    }
    let before = try token("bos_token", when: "add_bos_token")
    let behind = try token("eos_token", when: "add_eos_token")
    if before != nil || behind != nil { postProcessor = .object(TemplateProcessing.section(before, behind)) }
    let hasBegin = settings?.value("bos_token") != nil || specialTokensMap["bos_token"].flatMap(Self.text) != nil
    if hasBegin, settings?.value("add_bos_token") == nil {
      notes.append(
        "no file says add_bos_token: no BOS is put before a text, as by transformers 5; transformers 4 puts one there")
    }
  }

  private static func text(_ value: JSONValue) -> String? { value.string ?? value.object?["content"]?.string }
}
