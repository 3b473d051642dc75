// Tritsmith: reading an object's fields with errors that name file and field.

import TritCore

/// One JSON object with the place it stands at, so that every complaint can say where.
struct FieldReader {
  let object: JSONObject
  let file: String
  /// Dotted path of the object from the top of the file; empty at the top.
  let path: String
  /// Where values are found that the object has as text.
  private let outline: JSONOutline?

  /// The top object of a file.
  ///
  /// - Parameters:
  ///   - dialect: that of the program that writes the file; `tokenizers` reads JSON alone, Python its own.
  ///   - paths: keys of long arrays and objects, which are read by `elements` and `members` alone.
  init(
    file: TokenizerFiles.File, dialect: JSONDialect = .python, leaving paths: [[String]] = []
  ) throws(TokenizerError) {
    if let parsed = file.parsed {
      try self.init(parsed, file: file.name, path: "")
      return
    }
    if let standIn = StandIn(firstBytes: file.bytes) { throw TokenizerError(.standIn(standIn), file: file.name) }
    let outline: JSONOutline
    do {
      outline = try JSONOutline(parsing: file.bytes, dialect: dialect, leaving: paths)
    } catch {
      throw TokenizerError(.json(error), file: file.name, byteOffset: UInt64(error.offset))
    }
    try self.init(outline.value, file: file.name, path: "", outline: paths.isEmpty ? nil : outline)
  }

  /// The top object of a file that may be missing.
  init?(of file: TokenizerFiles.File?) throws(TokenizerError) {
    guard let file else { return nil }
    try self.init(file: file)
  }

  init(_ value: JSONValue, file: String, path: String, outline: JSONOutline? = nil) throws(TokenizerError) {
    guard let object = value.object else {
      throw TokenizerError(
        .wrongType(expected: "an object", found: value.kindName), file: file, field: path.isEmpty ? nil : path)
    }
    self.object = object
    self.file = file
    self.path = path
    self.outline = outline
  }

  func path(of key: String) -> String {
    path.isEmpty ? key : path + "." + key
  }

  func error(_ kind: TokenizerError.Kind, at key: String? = nil) -> TokenizerError {
    TokenizerError(kind, file: file, field: key.map { path(of: $0) } ?? (path.isEmpty ? nil : path))
  }

  /// Refuses keys beyond the given ones, and keys that stand twice.
  ///
  /// Meant for small objects only: a vocabulary finds its duplicates in its own table.
  func allow(_ keys: [String]) throws(TokenizerError) {
    let known = Set(keys.map { ExactString($0) })
    var seen: Set<ExactString> = []
    for entry in object.entries {
      let key = ExactString(entry.key)
      guard known.contains(key) else { throw error(.unknownKey(entry.key)) }
      guard seen.insert(key).inserted else { throw error(.duplicateKey(entry.key)) }
    }
  }

  /// The value of a key; nil when it is missing or null, which mean the same in these files.
  func value(_ key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  func required(_ key: String) throws(TokenizerError) -> JSONValue {
    guard let value = value(key) else { throw error(.missingField, at: key) }
    return value
  }

  func string(_ key: String) throws(TokenizerError) -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value.string else { throw wrongType(value, "a string", key) }
    return string
  }

  func requiredString(_ key: String) throws(TokenizerError) -> String {
    guard let string = try string(key) else { throw error(.missingField, at: key) }
    return string
  }

  func bool(_ key: String) throws(TokenizerError) -> Bool? {
    guard let value = value(key) else { return nil }
    guard let bool = value.bool else { throw wrongType(value, "a boolean", key) }
    return bool
  }

  func requiredBool(_ key: String) throws(TokenizerError) -> Bool {
    guard let bool = try bool(key) else { throw error(.missingField, at: key) }
    return bool
  }

  func array(_ key: String) throws(TokenizerError) -> [JSONValue]? {
    guard let value = value(key) else { return nil }
    guard let array = value.array else { throw wrongType(value, "an array", key) }
    return array
  }

  /// The object under a key, or nil when missing or null.
  func reader(_ key: String) throws(TokenizerError) -> FieldReader? {
    guard let value = value(key) else { return nil }
    return try FieldReader(value, file: file, path: path(of: key), outline: outline)
  }

  func requiredReader(_ key: String) throws(TokenizerError) -> FieldReader {
    guard let reader = try reader(key) else { throw error(.missingField, at: key) }
    return reader
  }

  /// The elements of an array, one after the other, and how many there are; nil when missing or null.
  func elements(_ key: String) throws(TokenizerError) -> (count: Int, elements: AnyIterator<JSONValue>)? {
    guard let array = try array(key) else { return nil }
    if let (count, elements) = entry(key).flatMap({ outline?.elements(of: $0) }) {
      return (count, AnyIterator(elements))
    }
    return (array.count, AnyIterator(array.makeIterator()))
  }

  /// The members of an object, one after the other, and how many there are, with the object's place.
  func members(
    _ key: String
  ) throws(TokenizerError) -> (place: FieldReader, count: Int, members: AnyIterator<JSONObject.Entry>) {
    let place = try requiredReader(key)
    if let (count, members) = entry(key).flatMap({ outline?.members(of: $0) }) {
      return (place, count, AnyIterator(members))
    }
    return (place, place.object.entries.count, AnyIterator(place.object.entries.makeIterator()))
  }

  /// The entry that `object[key]` has its value from.
  private func entry(_ key: String) -> JSONObject.Entry? {
    object.entries.last { ExactString($0.key) == ExactString(key) }
  }

  /// The elements of an array of objects.
  func readers(_ key: String) throws(TokenizerError) -> [FieldReader] {
    guard let elements = try array(key) else { return [] }
    var result: [FieldReader] = []
    for (index, element) in elements.enumerated() {
      result.append(try FieldReader(element, file: file, path: path(of: key) + "[\(index)]"))
    }
    return result
  }

  func wrongType(_ value: JSONValue, _ expected: String, _ key: String) -> TokenizerError {
    error(.wrongType(expected: expected, found: value.kindName), at: key)
  }
}
