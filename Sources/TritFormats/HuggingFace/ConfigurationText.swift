// Tritsmith: JSON files that stand beside weights.

import TritCore

/// JSON objects as tools for models write them: `config.json`, an index, the settings of an adapter.
package enum ConfigurationText {
  /// Parses a file's text.
  ///
  /// - Parameters:
  ///   - dialect: `.python` for files that only Python tools write and read.
  /// - Throws: `FormatError` with the file's path.
  package static func object(
    _ bytes: [UInt8], path: String, dialect: JSONDialect = .python
  ) throws(FormatError) -> JSONObject {
    if let standIn = StandIn(firstBytes: bytes) { throw FormatError(.standIn(standIn), file: path) }
    let value: JSONValue
    do {
      value = try JSONValue.parse(bytes, dialect: dialect)
    } catch {
      throw FormatError(.jsonFile(error), file: path, byteOffset: UInt64(error.offset))
    }
    guard let object = value.object else {
      throw FormatError(.wrongType(expected: "an object", found: value.kindName), file: path)
    }
    return object
  }

  /// What is not JSON in a file that was read all the same, for people.
  static func notes(on object: JSONObject, _ bytes: [UInt8], name: String) -> [String] {
    var notes: [String] = []
    if JSONValue.hasByteOrderMark(bytes) {
      notes.append(
        "\(name) begins with a byte order mark, which Python's readers refuse: save it as UTF-8 without one")
    }
    let values = object.nonFiniteValues
    if let first = values.first {
      let more = values.count > 1 ? " and \(values.count - 1) more" : ""
      notes.append(
        "\(name) holds \(first.value) in '\(printable(first.place))'\(more), which is not JSON; it is read as Python does"
      )
    }
    return notes
  }
}
