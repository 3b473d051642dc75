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

  /// Files beside a model that Python tools write and read.
  static let names = ["generation_config.json", "tokenizer_config.json", "special_tokens_map.json"]
  /// Larger ones are looked at by whoever reads them; `tokenizer_config.json` of a large vocabulary has some 100 kB.
  private static let lookedAtBytes = 4 << 20

  /// What is not JSON in the files of a model beside `config.json`. Files that cannot be read say so where they are used.
  static func notes(on companions: [CompanionFile], _ contents: (CompanionFile) throws -> [UInt8]) -> [String] {
    companions.flatMap { companion -> [String] in
      guard names.contains(companion.name), companion.byteCount <= lookedAtBytes,
        let bytes = try? contents(companion), let object = try? object(bytes, path: companion.name)
      else { return [] }
      return notes(on: object, bytes, name: companion.name)
    }
  }

  /// What is not JSON in a file that was read all the same, for people.
  package static func notes(on object: JSONObject, _ bytes: [UInt8], name: String) -> [String] {
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
