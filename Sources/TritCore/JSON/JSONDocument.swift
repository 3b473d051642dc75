// Tritsmith: JSON objects read a part at a time.

/// A JSON object of which a part becomes values when it is asked for.
///
/// As values, a text takes several times its size. A header with an entry for each of 50,000 tensors is proved to be
/// JSON at once, and then read entry by entry.
package struct JSONDocument: Sendable {
  private let text: [UInt8]
  private let limits: JSONLimits
  private let members: [(key: String, value: Range<Int>)]

  /// Checks the whole text.
  ///
  /// - Returns: nil for a value that is no object.
  /// - Throws: what `JSONValue.parse` throws for the same text.
  package init?(parsing text: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
    try JSONValue.checkEncoding(of: text)
    var parser = JSONParser(text: text, limits: limits)
    parser.isChecking = true
    _ = try parser.document()
    parser.position = 0
    parser.skipSpace()
    guard text[parser.position] == UInt8(ascii: "{") else { return nil }
    (self.text, self.limits, members) = (text, limits, parser.members)
  }

  private init(text: [UInt8], limits: JSONLimits, at position: Int) {
    var parser = JSONParser(text: text, limits: limits)
    parser.isChecking = true
    parser.position = position
    _ = JSONDocument.proved { () throws(JSONError) in try parser.value(depth: 0) }
    (self.text, self.limits, members) = (text, limits, parser.members)
  }

  /// The place of a key's value; of the last one when the key stands more than once, as `JSONObject` has it.
  private func place(_ key: String) -> Int? {
    members.last { ExactString($0.key) == ExactString(key) }?.value.lowerBound
  }

  /// Keys that stand more than once, each named once.
  package var duplicateKeys: [String] {
    JSONObject(entries: members.map { .init(key: $0.key, value: .null) }).duplicateKeys
  }

  /// The value of a key.
  package subscript(key: String) -> JSONValue? {
    place(key).map { position in
      var parser = JSONParser(text: text, limits: limits)
      parser.position = position
      return JSONDocument.proved { () throws(JSONError) in try parser.value(depth: 0) }
    }
  }

  /// The object of a key, to be read in parts; nil when there is none or it is something else.
  package func object(_ key: String) -> JSONDocument? {
    guard let position = place(key), text[position] == UInt8(ascii: "{") else { return nil }
    return JSONDocument(text: text, limits: limits, at: position)
  }

  /// The elements of a key's array; nil when there is none or it is something else.
  package func elements(_ key: String) -> JSONElements? {
    guard let position = place(key), text[position] == UInt8(ascii: "[") else { return nil }
    return JSONElements(text: text, limits: limits, at: position)
  }

  /// Reads what has been checked.
  static func proved<Value>(_ body: () throws(JSONError) -> Value) -> Value {
    do { return try body() } catch { preconditionFailure("the text was checked: \(error)") }
  }
}

/// The elements of a JSON array, each made when it is reached.
package struct JSONElements: Sequence, IteratorProtocol {
  private var parser: JSONParser
  private var hasNext: Bool

  /// - Parameter position: of the opening bracket.
  init(text: [UInt8], dialect: JSONDialect = .strict, limits: JSONLimits, at position: Int) {
    parser = JSONParser(text: text, limits: limits)
    parser.dialect = dialect
    hasNext = parser.begins(at: position, closing: UInt8(ascii: "]"))
  }

  /// How many elements are to come, and no more than the rest of the text has room for.
  ///
  /// - Parameter smallest: bytes an element's text has at least.
  package mutating func countToCome(smallest: Int) -> Int {
    hasNext ? 1 + parser.membersToCome(smallest: smallest) : 0
  }

  /// The next element.
  package mutating func next() -> JSONValue? {
    guard hasNext else { return nil }
    return JSONDocument.proved { () throws(JSONError) in
      parser.valueCount = 0
      let value = try parser.value(depth: 0)
      hasNext = try parser.continues(to: UInt8(ascii: "]"), named: "',' or ']'")
      return value
    }
  }
}

/// The members of a JSON object, each made when it is reached.
package struct JSONMembers: Sequence, IteratorProtocol {
  private var parser: JSONParser
  private var hasNext: Bool

  /// - Parameter position: of the opening bracket.
  init(text: [UInt8], dialect: JSONDialect, limits: JSONLimits, at position: Int) {
    parser = JSONParser(text: text, limits: limits)
    parser.dialect = dialect
    hasNext = parser.begins(at: position, closing: UInt8(ascii: "}"))
  }

  /// The next member.
  package mutating func next() -> JSONObject.Entry? {
    guard hasNext else { return nil }
    return JSONDocument.proved { () throws(JSONError) in
      parser.valueCount = 0
      let offset = parser.position
      let key = try parser.key()
      let value = try parser.value(depth: 0)
      hasNext = try parser.continues(to: UInt8(ascii: "}"), named: "',' or '}'")
      return .init(key: key, value: value, offset: offset)
    }
  }
}

extension JSONParser {
  /// Goes behind an opening bracket; false when the closing one follows.
  fileprivate mutating func begins(at bracket: Int, closing: UInt8) -> Bool {
    position = bracket + 1
    skipSpace()
    return text[position] != closing
  }
}
