// Tritsmith: rewriting text before it is cut.

import TritCore

/// The normalizers that published BPE tokenizers have; the others are refused, naming them.
struct Normalizer: Sendable {
  enum Step: Sendable, Equatable {
    /// Puts bytes before text that is not empty.
    case prepend([UInt8])
    /// Replaces every occurrence, leftmost first.
    case replace([UInt8], with: [UInt8])
    /// Spells equivalent characters in one way.
    case form(NormalizationForm)
    /// Small letters for capitals, each by itself: a final sigma is not told from others.
    case lowercase
    /// Drops white space at the ends.
    case strip(left: Bool, right: Bool)
    /// Drops marks; those that are part of a character stay unless it is decomposed first.
    case stripAccents
  }

  var steps: [Step] = []
  /// What the steps are, in a line for people; empty when there are none.
  var summary = ""

  func normalize(_ text: [UInt8]) -> [UInt8] {
    var text = text
    for step in steps {
      switch step {
      case .prepend(let prefix):
        if !text.isEmpty { text.insert(contentsOf: prefix, at: 0) }
      case .replace(let pattern, let content):
        text = Normalizer.replace(pattern, with: content, in: text)
      case .form(let form): text = form.apply(to: text)
      case .lowercase: text = CharacterRules.lowercased(text)
      case .strip(let left, let right): text = CharacterRules.stripped(text, left: left, right: right)
      case .stripAccents: text = CharacterRules.withoutMarks(text)
      }
    }
    return text
  }

  static func replace(_ pattern: [UInt8], with content: [UInt8], in text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if index + pattern.count <= text.count, pattern.indices.allSatisfy({ text[index + $0] == pattern[$0] }) {
        result.append(contentsOf: content)
        index += pattern.count
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }
}

extension Normalizer {
  /// Reads the normalizer section, which may be null.
  init(_ reader: FieldReader?) throws(TokenizerError) {
    guard let reader else { return }
    var names: [String] = []
    try append(reader, &names)
    try checkGrowth(reader)
    summary = names.joined(separator: ", ")
  }

  /// Steps that each lengthen the text multiply; a handful of them could fill any memory.
  private func checkGrowth(_ reader: FieldReader) throws(TokenizerError) {
    let limit = 256
    var growth = 1
    for step in steps {
      switch step {
      case .prepend(let prefix): growth += prefix.count
      case .replace(let pattern, let content): growth *= max(1, (content.count + pattern.count - 1) / pattern.count)
      case .form(let form): growth *= form.growth
      // `Ⱥ` has two bytes, `ⱥ` three.
      case .lowercase: growth *= 2
      case .strip, .stripAccents: break
      }
      guard growth <= limit else {
        throw reader.error(.tooLarge(what: "growth of the text", found: growth, limit: limit))
      }
    }
    guard steps.count <= PreTokenizer.stepLimit else {
      throw reader.error(.tooLarge(what: "number of steps", found: steps.count, limit: PreTokenizer.stepLimit))
    }
  }

  /// The pattern and content of a `Replace` by a literal.
  static func literalReplacement(
    _ reader: FieldReader
  ) throws(TokenizerError) -> (pattern: [UInt8], content: [UInt8]) {
    let pattern = try reader.requiredReader("pattern")
    try pattern.allow(["String"])
    let literal = Array(try pattern.requiredString("String").utf8)
    guard !literal.isEmpty, literal.count <= AddedToken.contentLimit else {
      throw pattern.error(.unsupported("a pattern of \(literal.count) bytes"), at: "String")
    }
    return (literal, Array(try reader.requiredString("content").utf8))
  }

  /// Whether text can lose its beginning.
  var dropsBeginnings: Bool {
    steps.contains { step in
      switch step {
      case .strip(let left, _): left
      case .replace(_, let content): content.isEmpty
      case .stripAccents: true
      case .prepend, .form, .lowercase: false
      }
    }
  }

  private mutating func append(_ reader: FieldReader, _ names: inout [String]) throws(TokenizerError) {
    let type = try reader.requiredString("type")
    switch type {
    case "Sequence":
      try reader.allow(["type", "normalizers"])
      for step in try reader.readers("normalizers") { try append(step, &names) }
    case "Lowercase", "StripAccents":
      try reader.allow(["type"])
      steps.append(type == "Lowercase" ? .lowercase : .stripAccents)
      names.append(type)
    case "Strip":
      try reader.allow(["type", "strip_left", "strip_right"])
      steps.append(.strip(left: try reader.requiredBool("strip_left"), right: try reader.requiredBool("strip_right")))
      names.append(type)
    case "Prepend":
      try reader.allow(["type", "prepend"])
      steps.append(.prepend(Array(try reader.requiredString("prepend").utf8)))
      names.append(type)
    case "Replace":
      try reader.allow(["type", "pattern", "content"])
      let (pattern, content) = try Normalizer.literalReplacement(reader)
      steps.append(.replace(pattern, with: content))
      names.append(type)
    default:
      guard let form = NormalizationForm(rawValue: type) else {
        throw reader.error(.unsupported("normalizer '\(printable(type))'"), at: "type")
      }
      try reader.allow(["type"])
      steps.append(.form(form))
      names.append(type)
    }
  }
}
