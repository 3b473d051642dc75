// Tritsmith: the added_tokens section of tokenizer.json.

import TritCore

extension AddedToken {
  /// Bytes of one token's content; bounds the time matching can take.
  static let contentLimit = 1024

  /// One entry of `added_tokens`, or of `added_tokens_decoder` where the id is the key.
  init(_ reader: FieldReader, id: Int) throws(TokenizerError) {
    self.id = id
    content = try reader.requiredString("content")
    isSingleWord = try reader.bool("single_word") ?? false
    stripsLeft = try reader.bool("lstrip") ?? false
    stripsRight = try reader.bool("rstrip") ?? false
    isSpecial = try reader.bool("special") ?? false
    isNormalized = try reader.bool("normalized") ?? !isSpecial
    guard content.utf8.count <= AddedToken.contentLimit else {
      throw reader.error(
        .tooLarge(what: "length of a token", found: content.utf8.count, limit: AddedToken.contentLimit), at: "content")
    }
  }

  /// A token that is looked for in the text as given, touching what it may.
  init(id: Int, content: String, isSpecial: Bool) {
    self.init(
      id: id, content: content, isSingleWord: false, stripsLeft: false, stripsRight: false, isNormalized: false,
      isSpecial: isSpecial)
  }

  /// The token as an entry of `added_tokens`.
  var entry: JSONObject {
    [
      "id": .number(JSONNumber(id)), "content": .string(content), "single_word": .bool(isSingleWord),
      "lstrip": .bool(stripsLeft), "rstrip": .bool(stripsRight), "normalized": .bool(isNormalized),
      "special": .bool(isSpecial),
    ]
  }

  /// Reads the section and adds its tokens to the vocabulary.
  ///
  /// The library renumbers an added token whose id is neither that of the same token in the model nor the next free
  /// one, with a warning. Following the file or the library would each be wrong for someone: this is an error.
  static func read(_ file: FieldReader, into vocabulary: inout Vocabulary) throws(TokenizerError) -> [AddedToken] {
    let modelCount = vocabulary.count
    var highest: Int?
    var tokens: [AddedToken] = []
    var contents: Set<ExactString> = []
    for reader in try file.readers("added_tokens") {
      try reader.allow(["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
      let value = try reader.required("id")
      guard let number = value.number else { throw reader.wrongType(value, "a token id", "id") }
      guard let id = number.integer, id >= 0, id < Vocabulary.idLimit else {
        throw reader.error(.invalidID(found: number.text, limit: Vocabulary.idLimit), at: "id")
      }
      let token = try AddedToken(reader, id: id)
      guard !token.content.utf8.isEmpty else { throw reader.error(.unsupported("an empty added token"), at: "content") }
      guard contents.insert(ExactString(token.content)).inserted else {
        throw reader.error(.duplicateKey(token.content), at: "content")
      }
      if let known = vocabulary.id(of: token.content) {
        guard known == id else {
          throw reader.error(.contradictoryID(token: token.content, stated: id, actual: known), at: "id")
        }
      } else {
        let next = highest.map { $0 >= modelCount || modelCount == 0 ? $0 + 1 : modelCount } ?? modelCount
        if let holder = vocabulary.token(id) {
          throw reader.error(.duplicateID(id, first: holder, second: token.content), at: "id")
        }
        guard next == id else {
          throw reader.error(.contradictoryID(token: token.content, stated: id, actual: next), at: "id")
        }
        if let problem = vocabulary.add(token.content, id: id) { throw reader.error(problem) }
      }
      highest = max(highest ?? id, id)
      tokens.append(token)
    }
    return tokens
  }
}
