// Tritsmith: which tokens begin, end and pad a text.

import TritCore

/// The ids with a role, gathered from the files beside `tokenizer.json`.
///
/// A name in `tokenizer_config.json` wins, then one in `special_tokens_map.json`, then the ids of
/// `generation_config.json` and `config.json`, the order in which transformers looks. The id of a BOS counts only where
/// neither of the first two files is there.
struct TokenRoles: Sendable, Equatable {
  var bos: Int?
  var eos: Int?
  var pad: Int?
  /// Every id that ends a generated text, the tokenizer's own first; chat models name several.
  var ends: [Int] = []
  /// Things a reader of the files may stumble over.
  var notes: [String] = []
}

extension TokenRoles {
  init(_ files: TokenizerFiles, _ vocabulary: Vocabulary, _ added: [AddedToken], addsBOS: (Int?) -> Bool)
    throws(TokenizerError)
  {
    notes = files.pieces?.notes ?? []
    let named = [files.tokenizerConfiguration, files.specialTokensMap]
    let numbered = [files.generationConfiguration, files.modelConfiguration]
    var eosIDs: [Int] = []
    for file in named {
      guard let file else { continue }
      let reader = try FieldReader(file: file)
      if bos == nil { bos = try TokenRoles.id(named: "bos_token", reader, vocabulary) }
      if eos == nil { eos = try TokenRoles.id(named: "eos_token", reader, vocabulary) }
      if pad == nil { pad = try TokenRoles.id(named: "pad_token", reader, vocabulary) }
      // Those of a model of SentencePiece are taken from there.
      if files.pieces == nil { try checkAddedTokens(reader, vocabulary, added) }
    }
    for file in numbered {
      guard let file else { continue }
      let reader = try FieldReader(file: file)
      // Qwen's configurations number one that its tokenizers do not have: a tokenizer that names its tokens names this
      // one too, or there is none.
      if bos == nil, files.tokenizerConfiguration == nil, files.specialTokensMap == nil {
        bos = try TokenRoles.ids("bos_token_id", reader, vocabulary).first
      }
      if pad == nil { pad = try TokenRoles.ids("pad_token_id", reader, vocabulary).first }
      if eosIDs.isEmpty { eosIDs = try TokenRoles.ids("eos_token_id", reader, vocabulary) }
    }
    if eos == nil { eos = eosIDs.first }
    if let eos { ends = [eos] }
    for id in eosIDs where !ends.contains(id) { ends.append(id) }
    if let file = files.tokenizerConfiguration {
      let adds = try FieldReader(file: file).bool("add_bos_token")
      if let adds, adds != addsBOS(bos) {
        notes.append(
          "\(printable(file.name)) says add_bos_token \(adds), the post-processor says the opposite and is followed")
      }
    }
  }

  /// A token given by name, or as an object with a `content`.
  private static func id(
    named key: String, _ reader: FieldReader, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> Int? {
    guard let value = reader.value(key) else { return nil }
    let name: String
    if let string = value.string {
      name = string
    } else {
      name = try reader.requiredReader(key).requiredString("content")
    }
    guard let id = vocabulary.id(of: name) else { throw reader.error(.unknownToken(name), at: key) }
    return id
  }

  /// One id or an array of them; -1 means none.
  private static func ids(
    _ key: String, _ reader: FieldReader, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> [Int] {
    guard let value = reader.value(key) else { return [] }
    var ids: [Int] = []
    for element in value.array ?? [value] {
      guard let number = element.number else { throw reader.wrongType(element, "a token id", key) }
      guard let id = number.integer else {
        throw reader.error(.invalidID(found: number.text, limit: vocabulary.endID), at: key)
      }
      if id == -1 { continue }
      guard vocabulary.contains(id) else { throw reader.error(.roleOutsideVocabulary(id), at: key) }
      ids.append(id)
    }
    return ids
  }

  /// `added_tokens_decoder` repeats the added tokens. transformers would add one that is missing, so a missing one is
  /// an error here; other options are noted, since files in circulation differ there without effect on their makers.
  private mutating func checkAddedTokens(
    _ file: FieldReader, _ vocabulary: Vocabulary, _ added: [AddedToken]
  ) throws(TokenizerError) {
    guard let decoder = try file.reader("added_tokens_decoder") else { return }
    let tokens = Dictionary(added.map { ($0.id, $0) }) { first, _ in first }
    for entry in decoder.object.entries {
      guard let id = Int(entry.key) else {
        throw decoder.error(.invalidID(found: entry.key, limit: vocabulary.endID), at: entry.key)
      }
      let reader = try FieldReader(entry.value, file: decoder.file, path: decoder.path(of: entry.key))
      let stated = try AddedToken(reader, id: id)
      guard let actual = vocabulary.token(id), ExactString(actual) == ExactString(stated.content) else {
        throw reader.error(
          .contradictoryID(token: stated.content, stated: id, actual: vocabulary.id(of: stated.content)))
      }
      if let token = tokens[id], token != stated {
        notes.append(
          "\(printable(file.file)) gives '\(printable(stated.content))' other options than tokenizer.json, "
            + "which is followed")
      }
    }
  }
}
