// Tritsmith: JSON values of which the long parts stay text.

/// An array or object that was left as text.
struct JSONLeftText: Sendable {
  /// Of its opening bracket.
  var start: Int
  /// Elements or members, each that stands twice counted twice.
  var count: Int
}

/// A JSON value of which some arrays and objects are checked and left as text, to be read an element at a time.
///
/// A vocabulary of 150,000 tokens with its merges takes several times its text as values.
package struct JSONOutline: Sendable {
  /// The value; arrays and objects that were left as text are empty in it.
  package let value: JSONValue
  private let text: [UInt8]
  private let dialect: JSONDialect
  private let limits: JSONLimits
  private let left: [Int: JSONLeftText]

  /// Checks the whole text.
  ///
  /// - Parameter paths: keys from the top that lead to what is left as text, if it is an array or object.
  /// - Throws: what `JSONValue.parse` throws for the same text.
  package init(
    parsing text: [UInt8], dialect: JSONDialect = .strict, limits: JSONLimits = JSONLimits(), leaving paths: [[String]]
  ) throws(JSONError) {
    try JSONValue.checkEncoding(of: text)
    var parser = JSONParser(text: text, limits: limits)
    parser.dialect = dialect
    parser.leaving = paths.map { $0.map { ExactString($0) } }
    value = try parser.document()
    (self.text, self.dialect, self.limits, left) = (text, dialect, limits, parser.left)
  }

  /// The elements of an entry's array and how many there are; nil when it was not left as text.
  package func elements(of entry: JSONObject.Entry) -> (count: Int, elements: JSONElements)? {
    guard case .array = entry.value, let found = left[entry.offset] else { return nil }
    return (found.count, JSONElements(text: text, dialect: dialect, limits: limits, at: found.start))
  }

  /// The members of an entry's object and how many there are; nil when it was not left as text.
  package func members(of entry: JSONObject.Entry) -> (count: Int, members: JSONMembers)? {
    guard case .object = entry.value, let found = left[entry.offset] else { return nil }
    return (found.count, JSONMembers(text: text, dialect: dialect, limits: limits, at: found.start))
  }
}
