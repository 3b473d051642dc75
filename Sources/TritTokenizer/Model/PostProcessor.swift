// Tritsmith: the special tokens put around a text.

import TritCore

/// Tokens set before and behind the ids of a text when special tokens are asked for.
struct PostProcessor: Sendable, Equatable {
  var prefix: [Int] = []
  var suffix: [Int] = []
  /// The processors' names, in a line for people; empty when there are none.
  var summary = ""
}

extension PostProcessor {
  /// Reads the post_processor section, which may be null; its ids must be in the vocabulary.
  init(_ reader: FieldReader?, _ vocabulary: Vocabulary) throws(TokenizerError) {
    guard let reader else { return }
    var names: [String] = []
    try append(reader, &names, vocabulary)
    summary = names.joined(separator: ", ")
  }

  private mutating func append(
    _ reader: FieldReader, _ names: inout [String], _ vocabulary: Vocabulary
  ) throws(TokenizerError) {
    let type = try reader.requiredString("type")
    switch type {
    case "Sequence":
      try reader.allow(["type", "processors"])
      for step in try reader.readers("processors") { try append(step, &names, vocabulary) }
      return
    case "ByteLevel":
      // Concerns offsets into the text, which this library does not report.
      try reader.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
    case "TemplateProcessing":
      try reader.allow(["type", "single", "pair", "special_tokens"])
      let template = try PostProcessor.template(reader, vocabulary)
      prefix = template.prefix + prefix
      suffix += template.suffix
    default:
      throw reader.error(.unsupported("post-processor '\(printable(type))'"), at: "type")
    }
    names.append(type)
  }

  private static let itemLimit = 64

  /// The `single` template: special tokens around the one sequence `A`. `pair` is for two texts and is not used.
  private static func template(
    _ reader: FieldReader, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> (prefix: [Int], suffix: [Int]) {
    let special = try reader.reader("special_tokens")
    var before: [Int] = []
    var behind: [Int] = []
    var hasText = false
    let items = try reader.readers("single")
    guard items.count <= itemLimit else {
      throw reader.error(
        .tooLarge(what: "number of template parts", found: items.count, limit: itemLimit), at: "single")
    }
    for item in items {
      try item.allow(["SpecialToken", "Sequence"])
      if let sequence = try item.reader("Sequence") {
        try sequence.allow(["id", "type_id"])
        guard try sequence.requiredString("id") == "A", !hasText else {
          throw sequence.error(.unsupported("a template that does not hold the text 'A' once"))
        }
        hasText = true
        continue
      }
      let token = try item.requiredReader("SpecialToken")
      try token.allow(["id", "type_id"])
      let name = try token.requiredString("id")
      guard let entry = try special?.reader(name) else { throw token.error(.unknownToken(name), at: "id") }
      let ids = try ids(entry, vocabulary)
      if hasText { behind += ids } else { before += ids }
    }
    guard hasText else {
      throw reader.error(.unsupported("a template that does not hold the text 'A' once"), at: "single")
    }
    return (before, behind)
  }

  private static func ids(_ entry: FieldReader, _ vocabulary: Vocabulary) throws(TokenizerError) -> [Int] {
    try entry.allow(["id", "ids", "tokens"])
    let values = try entry.array("ids") ?? []
    let tokens = try entry.array("tokens") ?? []
    guard !values.isEmpty, values.count <= itemLimit, tokens.count == values.count else {
      throw entry.error(.unsupported("a special token without as many ids as tokens"))
    }
    var ids: [Int] = []
    for (value, token) in zip(values, tokens) {
      guard let id = value.number?.integer, let name = token.string else {
        throw entry.error(.wrongType(expected: "numbers and strings", found: "other values"))
      }
      guard let actual = vocabulary.token(id), ExactString(actual) == ExactString(name) else {
        throw entry.error(.contradictoryID(token: name, stated: id, actual: vocabulary.id(of: name)), at: "ids")
      }
      ids.append(id)
    }
    return ids
  }
}

/// The section that puts tokens around a text, written.
package enum TemplateProcessing {
  package static func section(
    _ before: (id: Int, text: String)?, _ behind: (id: Int, text: String)?
  ) -> JSONObject {
    func special(_ token: (id: Int, text: String)?, _ type: Int) -> [JSONValue] {
      guard let token else { return [] }
      let item: JSONObject = ["id": .string(token.text), "type_id": .number(JSONNumber(type))]
      return [.object(["SpecialToken": .object(item)])]
    }
    func sequence(_ name: String, _ type: Int) -> [JSONValue] {
      [.object(["Sequence": .object(["id": .string(name), "type_id": .number(JSONNumber(type))])])]
    }
    let single = special(before, 0) + sequence("A", 0) + special(behind, 0)
    let second = special(before, 1) + sequence("B", 1) + special(behind, 1)
    var objects = JSONObject()
    for case .some(let token) in [before, behind] {
      objects[token.text] = .object([
        "id": .string(token.text), "ids": .array([.number(JSONNumber(token.id))]),
        "tokens": .array([.string(token.text)]),
      ])
    }
    return [
      "type": "TemplateProcessing", "single": .array(single), "pair": .array(single + second),
      "special_tokens": .object(objects),
    ]
  }
}
