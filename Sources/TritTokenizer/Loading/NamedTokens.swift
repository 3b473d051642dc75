// Tritsmith: tokens that are special because a file beside the tokenizer names them.

import TritCore

/// Ordinary tokens of `tokenizer.json` that transformers makes added tokens when it opens a folder: it cuts a text at
/// them, so the text gets other ids than `tokenizer.json` alone gives.
///
/// - Every `*_token` of `tokenizer_config.json`, and its lists of special tokens.
/// - Without `added_tokens_decoder` there, the roles of `special_tokens_map.json` and the tokens of `added_tokens.json`.
///
/// Source: transformers 5.23, tried key by key.
package struct NamedTokens {
  /// In the order in which they are named.
  private(set) var tokens: [AddedToken] = []
  /// Names of no token, with their keys: transformers gives them new ids.
  private(set) var unknown: [(key: String, content: String)] = []

  /// Lists of special tokens without a role; an object has names for its tokens.
  static let lists = ["additional_special_tokens", "extra_special_tokens"]
  /// Roles that every tokenizer of transformers has.
  private static let roles = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  private var seen: Set<ExactString>
  private let id: (String) -> Int?

  /// - Parameters:
  ///   - known: contents of the added tokens that `tokenizer.json` has.
  ///   - id: of a token in the vocabulary.
  init(
    settings: TokenizerFiles.File?, specialTokensMap: TokenizerFiles.File?, addedTokens: TokenizerFiles.File?,
    known: [String], id: @escaping (String) -> Int?
  ) throws(TokenizerError) {
    self.id = id
    seen = Set(known.map { ExactString($0) })
    let settings = try FieldReader(of: settings)
    if let settings {
      for (key, value) in NamedTokens.named(in: settings.object) { try add(value, settings, key) }
    }
    guard settings?.object["added_tokens_decoder"]?.object == nil else { return }
    if let map = try FieldReader(of: specialTokensMap) {
      for key in NamedTokens.roles { if let value = map.value(key) { try add(value, map, key) } }
    }
    for entry in try FieldReader(of: addedTokens)?.object.entries ?? [] {
      add(entry.key, key: "added_tokens.json") { id in
        var token = AddedToken(id: id, content: entry.key, isSpecial: false)
        token.isNormalized = true
        return token
      }
    }
  }

  /// What `tokenizer_config.json` names, and the keys.
  static func named(in settings: JSONObject) -> [(key: String, value: JSONValue)] {
    var result: [(key: String, value: JSONValue)] = []
    for entry in settings.entries where entry.key.hasSuffix("_token") { result.append((entry.key, entry.value)) }
    for key in lists { result += values(of: key, in: settings).enumerated().map { ("\(key)[\($0)]", $1) } }
    return result
  }

  /// The tokens of a list, which may be an object.
  static func values(of list: String, in settings: JSONObject) -> [JSONValue] {
    settings[list]?.array ?? settings[list]?.object?.entries.map(\.value) ?? []
  }

  /// A name, or a token with its options; other values name nothing.
  private mutating func add(_ value: JSONValue, _ file: FieldReader, _ key: String) throws(TokenizerError) {
    if let content = value.string {
      add(content, key: key) { AddedToken(id: $0, content: content, isSpecial: true) }
    } else if value.object?["content"]?.string != nil {
      var token = try AddedToken(FieldReader(value, file: file.file, path: file.path(of: key)), id: 0)
      token.isSpecial = true
      add(token.content, key: key) { id in
        token.id = id
        return token
      }
    }
  }

  private mutating func add(_ content: String, key: String, _ token: (Int) -> AddedToken) {
    guard !content.utf8.isEmpty, seen.insert(ExactString(content)).inserted else { return }
    if let id = id(content) { tokens.append(token(id)) } else { unknown.append((key, content)) }
  }

  /// `tokenizer.json` with the named tokens among its added tokens.
  package static func completed(
    _ tokenizer: JSONObject, settings: TokenizerFiles.File?, specialTokensMap: TokenizerFiles.File?,
    addedTokens: TokenizerFiles.File?
  ) throws(TokenizerError) -> JSONObject {
    let added = tokenizer["added_tokens"]?.array ?? []
    let vocabulary = tokenizer["model"]?.object?["vocab"]?.object
    let named = try NamedTokens(
      settings: settings, specialTokensMap: specialTokensMap, addedTokens: addedTokens,
      known: added.compactMap { $0.object?["content"]?.string }, id: { vocabulary?[$0]?.number?.integer })
    guard !named.tokens.isEmpty else { return tokenizer }
    var result = tokenizer
    result["added_tokens"] = .array(added + named.tokens.map { .object($0.entry) })
    return result
  }
}
