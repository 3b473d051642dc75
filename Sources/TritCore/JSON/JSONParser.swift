// Tritsmith: a strict JSON reader.

/// Which texts count as JSON.
package enum JSONDialect: Sendable {
  /// RFC 8259.
  case strict
  /// What Python's `json` writes and reads besides, in files that Python tools write: `NaN`, `Infinity`, `-Infinity`.
  /// They become a `JSONNumber` without a value, so that a reader that wants a number refuses them, and are written as
  /// they were read. A byte order mark of UTF-8 is skipped, as editors write it; Python refuses it, and readers note it.
  case python
}

/// Limits a parse keeps, so that a small hostile text cannot cost much memory or stack.
package struct JSONLimits: Sendable {
  /// Levels of arrays and objects. The safetensors reader (serde_json) refuses the 128th level.
  package var depth: Int
  /// Values in all, counting every element and member.
  package var values: Int

  package init(depth: Int = 127, values: Int = 20_000_000) {
    self.depth = depth
    self.values = values
  }
}

extension JSONValue {
  /// Reads one JSON text: no comments, trailing commas, or bytes after the value but white space.
  package static func parse(
    _ text: [UInt8], dialect: JSONDialect = .strict, limits: JSONLimits = JSONLimits()
  ) throws(JSONError) -> JSONValue {
    try checkEncoding(of: text)
    var parser = JSONParser(text: text, limits: limits)
    parser.dialect = dialect
    return try parser.document()
  }

  /// True for a text that begins with the byte order mark of UTF-8.
  package static func hasByteOrderMark(_ text: [UInt8]) -> Bool { text.starts(with: byteOrderMark) }

  static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// Refuses what is no UTF-8. Whether a mark of UTF-8 itself may stand in front is the dialect's question.
  static func checkEncoding(of text: [UInt8]) throws(JSONError) {
    guard let offset = WellFormedUTF8.firstInvalid(in: text) else { return }
    let marks: [[UInt8]] = [[0xFF, 0xFE], [0xFE, 0xFF]]
    guard marks.contains(where: { text.starts(with: $0) }) else { throw JSONError(kind: .invalidUTF8, offset: offset) }
    throw JSONError(kind: .byteOrderMark(encoding: "UTF-16"), offset: 0)
  }
}

struct JSONParser {
  let text: [UInt8]
  let limits: JSONLimits
  var dialect = JSONDialect.strict
  var position = 0
  var valueCount = 0
  /// Checks without keeping: arrays and objects become null, and the members of the outermost object are noted.
  var isChecking = false
  /// Where the values of the outermost object stand, while checking.
  private(set) var members: [(key: String, value: Range<Int>)] = []
  /// Paths of keys, from the top, whose arrays and objects are checked and left as text.
  var leaving: [[ExactString]] = []
  /// What was left, by the place of its key.
  private(set) var left: [Int: JSONLeftText] = [:]
  /// Keys that lead to the value being read, while every value around it is an object and some are to be left.
  private var path: [ExactString] = []
  /// Members of the array or object checked last.
  private var checkedCount = 0
  /// Bytes read to count members.
  private var lookedAhead = 0

  init(text: [UInt8], limits: JSONLimits) {
    self.text = text
    self.limits = limits
  }

  mutating func document() throws(JSONError) -> JSONValue {
    if JSONValue.hasByteOrderMark(text) {
      guard dialect == .python else { throw fail(.byteOrderMark(encoding: "UTF-8")) }
      position = JSONValue.byteOrderMark.count
    }
    skipSpace()
    let value = try value(depth: 0)
    skipSpace()
    guard position == text.count else { throw fail(.trailingContent) }
    return value
  }

  // MARK: Values

  mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    valueCount += 1
    guard valueCount <= limits.values else { throw fail(.tooManyValues(limit: limits.values)) }
    switch try peek() {
    case UInt8(ascii: "{"):
      let object = try object(depth: depth + 1)
      return isChecking ? .null : .object(object)
    case UInt8(ascii: "["):
      let array = try array(depth: depth + 1)
      return isChecking ? .null : .array(array)
    case UInt8(ascii: "\"") where isChecking:
      _ = try stringBounds()
      return .null
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"):
      try literal("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try literal("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try literal("null")
      return .null
    case UInt8(ascii: "N") where dialect == .python: return try nonFinite("NaN")
    case UInt8(ascii: "I") where dialect == .python: return try nonFinite("Infinity")
    case UInt8(ascii: "-")
    where dialect == .python && position + 1 < text.count && text[position + 1] == UInt8(ascii: "I"):
      return try nonFinite("-Infinity")
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      let bounds = try numberBounds()
      return isChecking ? .null : .number(JSONNumber(text: String(decoding: text[bounds], as: UTF8.self)))
    case let byte: throw fail(.unexpected(byte: byte, expected: "a value"))
    }
  }

  private mutating func nonFinite(_ word: StaticString) throws(JSONError) -> JSONValue {
    try literal(word)
    return .number(JSONNumber(text: "\(word)"))
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
    guard depth <= limits.depth else { throw fail(.tooDeep(limit: limits.depth)) }
    position += 1
    var entries: [JSONObject.Entry] = []
    var count = 0
    defer { checkedCount = count }
    skipSpace()
    if try peek() == UInt8(ascii: "}") {
      position += 1
      return JSONObject()
    }
    while true {
      let offset = position
      let key = try key(isKept: !isChecking || depth == 1)
      let start = position
      let value = try member(of: key, at: offset, depth: depth)
      count += 1
      if !isChecking {
        entries.append(.init(key: key, value: value, offset: offset))
      } else if depth == 1 {
        members.append((key, start..<position))
      }
      if entries.count == JSONParser.countedFrom { entries.reserveCapacity(entries.count + membersToCome(smallest: 5)) }
      if try !continues(to: UInt8(ascii: "}"), named: "',' or '}'") { return JSONObject(entries: entries) }
    }
  }

  /// A key and the colon behind it; empty where it is only checked.
  mutating func key(isKept: Bool = true) throws(JSONError) -> String {
    guard try peek() == UInt8(ascii: "\"") else {
      throw fail(.unexpected(byte: text[position], expected: "a key in double quotes"))
    }
    var key = ""
    if isKept { key = try string() } else { _ = try stringBounds() }
    skipSpace()
    guard try peek() == UInt8(ascii: ":") else {
      throw fail(.unexpected(byte: text[position], expected: "':' after a key"))
    }
    position += 1
    skipSpace()
    return key
  }

  /// A member's value. One that is to be left as text is checked alone, and is empty.
  private mutating func member(of key: String, at offset: Int, depth: Int) throws(JSONError) -> JSONValue {
    guard !leaving.isEmpty, !isChecking, path.count == depth - 1 else { return try value(depth: depth) }
    path.append(ExactString(key))
    defer { path.removeLast() }
    guard leaving.contains(path), position < text.count else { return try value(depth: depth) }
    let start = position
    let empty: JSONValue
    switch text[start] {
    case UInt8(ascii: "{"): empty = .object(JSONObject())
    case UInt8(ascii: "["): empty = .array([])
    default: return try value(depth: depth)
    }
    isChecking = true
    defer { isChecking = false }
    _ = try value(depth: depth)
    left[offset] = JSONLeftText(start: start, count: checkedCount)
    return empty
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
    guard depth <= limits.depth else { throw fail(.tooDeep(limit: limits.depth)) }
    position += 1
    var elements: [JSONValue] = []
    var count = 0
    defer { checkedCount = count }
    skipSpace()
    if try peek() == UInt8(ascii: "]") {
      position += 1
      return []
    }
    while true {
      let value = try value(depth: depth)
      count += 1
      if !isChecking { elements.append(value) }
      if elements.count == JSONParser.countedFrom {
        elements.reserveCapacity(elements.count + membersToCome(smallest: 2))
      }
      if try !continues(to: UInt8(ascii: "]"), named: "',' or ']'") { return elements }
    }
  }

  /// Arrays and objects that reach this many members are given their whole place at once: one that grows by doubling
  /// takes up to three times as much on the way.
  private static let countedFrom = 4096

  /// Commas from here to the end of the array or object, and no more than the rest of the text has room for.
  ///
  /// All looks ahead together read the text no more than twice, however arrays are nested; then the answer is 0.
  mutating func membersToCome(smallest: Int) -> Int {
    var (count, depth, isText) = (0, 0, false)
    var index = position
    defer { lookedAhead += index - position }
    let room = (text.count - position) / smallest
    while index < text.count, count < room {
      guard lookedAhead + index - position < 2 * text.count else { return 0 }
      switch text[index] {
      case UInt8(ascii: "\""): isText.toggle()
      case UInt8(ascii: "\\") where isText: index += 1
      case _ where isText: break
      case UInt8(ascii: ",") where depth == 0: count += 1
      case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        if depth == 0 { return count }
        depth -= 1
      default: break
      }
      index += 1
    }
    return count
  }

  /// After a member: true when a comma leads to another one, false when the bracket closes.
  mutating func continues(to close: UInt8, named expected: String) throws(JSONError) -> Bool {
    skipSpace()
    let byte = try peek()
    if byte == close {
      position += 1
      return false
    }
    guard byte == UInt8(ascii: ",") else { throw fail(.unexpected(byte: byte, expected: expected)) }
    position += 1
    skipSpace()
    if try peek() == close { throw fail(.trailingComma) }
    return true
  }

  private mutating func numberBounds() throws(JSONError) -> Range<Int> {
    let start = position
    if text[position] == UInt8(ascii: "-") { position += 1 }
    let integerStart = position
    guard digits() > 0 else { throw fail(.invalidNumber) }
    if text[integerStart] == UInt8(ascii: "0"), position - integerStart > 1 {
      throw JSONError(kind: .invalidNumber, offset: integerStart)
    }
    if position < text.count, text[position] == UInt8(ascii: ".") {
      position += 1
      guard digits() > 0 else { throw fail(.invalidNumber) }
    }
    if position < text.count, text[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < text.count, text[position] == UInt8(ascii: "+") || text[position] == UInt8(ascii: "-") {
        position += 1
      }
      guard digits() > 0 else { throw fail(.invalidNumber) }
    }
    return start..<position
  }

  private mutating func digits() -> Int {
    let start = position
    while position < text.count, text[position] >= 0x30, text[position] <= 0x39 { position += 1 }
    return position - start
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) -> String {
    let (contents, isEscaped) = try stringBounds()
    guard isEscaped else { return String(decoding: text[contents], as: UTF8.self) }
    defer { position = contents.upperBound + 1 }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(contents.count)
    position = contents.lowerBound
    while position < contents.upperBound {
      let byte = text[position]
      if byte == UInt8(ascii: "\\") {
        bytes.append(contentsOf: String(try escape()).utf8)
      } else {
        bytes.append(byte)
        position += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Checks a string: where its contents stand, and whether escapes are among them.
  private mutating func stringBounds() throws(JSONError) -> (contents: Range<Int>, isEscaped: Bool) {
    position += 1
    let start = position
    var isEscaped = false
    while position < text.count {
      switch text[position] {
      case UInt8(ascii: "\""):
        defer { position += 1 }
        return (start..<position, isEscaped)
      case UInt8(ascii: "\\"):
        isEscaped = true
        _ = try escape()
      case let byte where byte < 0x20: throw fail(.controlCharacter(byte))
      default: position += 1
      }
    }
    throw fail(.unexpectedEnd)
  }

  private mutating func escape() throws(JSONError) -> UnicodeScalar {
    position += 1
    let letter = try peek()
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UnicodeScalar(letter)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let first = try hexUnit()
      if let scalar = UnicodeScalar(first) { return scalar }
      guard first < 0xDC00, position + 1 < text.count, text[position] == UInt8(ascii: "\\"),
        text[position + 1] == UInt8(ascii: "u")
      else { throw fail(.loneSurrogate) }
      position += 2
      let second = try hexUnit()
      guard second >= 0xDC00, second <= 0xDFFF,
        let scalar = UnicodeScalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
      else { throw fail(.loneSurrogate) }
      return scalar
    default: throw JSONError(kind: .invalidEscape, offset: position - 1)
    }
  }

  private mutating func hexUnit() throws(JSONError) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(UnicodeScalar(try peek())).hexDigitValue, text[position] < 0x80 else {
        throw fail(.invalidEscape)
      }
      unit = unit << 4 | UInt32(digit)
      position += 1
    }
    return unit
  }

  // MARK: Bytes

  private func peek() throws(JSONError) -> UInt8 {
    guard position < text.count else { throw fail(.unexpectedEnd) }
    return text[position]
  }

  mutating func skipSpace() {
    while position < text.count {
      switch text[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  private mutating func literal(_ word: StaticString) throws(JSONError) {
    let length = word.utf8CodeUnitCount
    guard position + length <= text.count else { throw fail(.unexpectedEnd) }
    let matches = "\(word)".utf8.elementsEqual(text[position..<position + length])
    guard matches else { throw fail(.unexpected(byte: text[position], expected: "a value")) }
    position += length
  }

  private func fail(_ kind: JSONError.Kind) -> JSONError {
    JSONError(kind: kind, offset: position)
  }
}
