// Tritsmith: JSON values that keep what the file said.

/// A JSON value that keeps key order, duplicate keys and the spelling of numbers.
///
/// Foundation's decoders accept trailing commas and duplicate keys and lose order; a safetensors header needs none of
/// that forgiven, and a `config.json` that is rewritten must keep `1e-06` as it was. Arrays are the only indirection: a
/// box for each value would make a small hostile text large in memory.
package enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

/// A number in the spelling of its file.
package struct JSONNumber: Sendable, Equatable {
  package let text: String

  /// `text` must follow the JSON grammar; the parser guarantees it for numbers it makes.
  package init(text: String) {
    self.text = text
  }

  package init(_ value: Int) { text = String(value) }
  package init(_ value: UInt64) { text = String(value) }
  /// The shortest spelling that reads back as the same value; the value must be finite.
  package init(_ value: Double) { text = "\(value)" }

  /// The value when written as a plain non-negative integer below 2^64: no sign, point or exponent.
  package var unsigned: UInt64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
    return UInt64(text)
  }

  /// The value when written as a plain integer that fits `Int`.
  package var integer: Int? { Int(text) }

  /// The value; nil for the words of Python's dialect, which are no numbers to any reader.
  package var double: Double? { isWord ? nil : Double(text) }

  /// True for `NaN`, `Infinity` and `-Infinity`, which only Python's dialect has.
  package var isWord: Bool { text.utf8.last.map { $0 > UInt8(ascii: "9") } ?? false }
}

/// Entries of an object in file order; a key that stands twice is there twice.
package struct JSONObject: Sendable, Equatable {
  /// A key with its value.
  package struct Entry: Sendable, Equatable {
    package var key: String
    package var value: JSONValue
    /// Offset of the key's opening quote from the start of the text.
    package var offset: Int

    package init(key: String, value: JSONValue, offset: Int = 0) {
      self.key = key
      self.value = value
      self.offset = offset
    }
  }

  package var entries: [Entry]

  package init(entries: [Entry] = []) {
    self.entries = entries
  }

  /// The value of a key; the last one when the key stands more than once, as Python's `json` has it.
  ///
  /// Setting replaces the first and drops later duplicates; a new key is inserted in byte order when the keys are
  /// sorted (as Hugging Face writes them), at the end otherwise. Setting nil removes the key.
  package subscript(key: String) -> JSONValue? {
    get { entries.last { ExactString($0.key) == ExactString(key) }?.value }
    set {
      let exact = ExactString(key)
      let first = entries.firstIndex { ExactString($0.key) == exact }
      guard let newValue else {
        entries.removeAll { ExactString($0.key) == exact }
        return
      }
      let entry = Entry(key: key, value: newValue, offset: first.map { entries[$0].offset } ?? 0)
      if let first {
        entries[first] = entry
        var seen = false
        entries.removeAll {
          guard ExactString($0.key) == exact else { return false }
          defer { seen = true }
          return seen
        }
        return
      }
      let sorted = zip(entries, entries.dropFirst()).allSatisfy { ExactString($0.key) <= ExactString($1.key) }
      if sorted, let position = entries.firstIndex(where: { exact < ExactString($0.key) }) {
        entries.insert(entry, at: position)
      } else {
        entries.append(entry)
      }
    }
  }

  /// Adds an entry at the end.
  package mutating func add(_ key: String, _ value: JSONValue) {
    entries.append(Entry(key: key, value: value))
  }

  /// Places of values that only Python's dialect has, in order: `a.b[2]` with its value.
  package var nonFiniteValues: [(place: String, value: String)] {
    var result: [(place: String, value: String)] = []
    func look(_ value: JSONValue, _ place: String) {
      switch value {
      case .number(let number) where number.isWord: result.append((place, number.text))
      case .array(let elements):
        for (index, element) in elements.enumerated() { look(element, "\(place)[\(index)]") }
      case .object(let object):
        for entry in object.entries { look(entry.value, place.isEmpty ? entry.key : place + "." + entry.key) }
      default: break
      }
    }
    look(.object(self), "")
    return result
  }

  /// Keys that stand more than once, each named once, in order of their second appearance.
  package var duplicateKeys: [String] {
    var counts: [ExactString: Int] = [:]
    var result: [String] = []
    for entry in entries {
      let count = counts[ExactString(entry.key), default: 0] + 1
      counts[ExactString(entry.key)] = count
      if count == 2 { result.append(entry.key) }
    }
    return result
  }
}

// MARK: - Reading values

extension JSONValue {
  package var string: String? {
    if case .string(let value) = self { value } else { nil }
  }

  package var number: JSONNumber? {
    if case .number(let value) = self { value } else { nil }
  }

  package var bool: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  package var array: [JSONValue]? {
    if case .array(let value) = self { value } else { nil }
  }

  package var object: JSONObject? {
    if case .object(let value) = self { value } else { nil }
  }

  package var isNull: Bool { self == .null }

  /// What the value is, for messages: "a string", "an object".
  package var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number(let number): number.isWord ? number.text : "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral pairs: (String, JSONValue)...) {
    entries = pairs.map { Entry(key: $0.0, value: $0.1) }
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
}
