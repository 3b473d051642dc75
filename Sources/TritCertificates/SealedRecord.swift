// Tritsmith: JSON files that notice when they are changed.

import TritConversion
import TritCore
import TritFormats
import TritSurvey

/// JSON files with a schema, written in one spelling only and closed by the SHA-256 of all that stands before.
///
/// The seal is no signature: it finds accidents and careless edits. What a certificate says is proved by doing the
/// conversion again.
enum SealedRecord {
  static let sealKey = "sealed_sha256"
  /// Plans of models with very many tensors stay far below.
  private static let limit: UInt64 = 256 << 20

  /// The bytes of a record: schema first, seal last.
  static func bytes(_ schema: String, version: Int, _ content: JSONObject) -> [UInt8] {
    var object: JSONObject = [
      "schema": .string(schema), "schema_version": .number(JSONNumber(version)),
      "generator": .string(Product.generator),
    ]
    object.entries += content.entries
    object.add(sealKey, .string(seal(object).description))
    return JSONValue.object(object).serialized(.pretty)
  }

  private static func seal(_ object: JSONObject) -> Digest {
    SHA256.digest(of: JSONValue.object(object).serialized())
  }

  /// Reads a record.
  ///
  /// - Throws: `RecordError` for one of another schema or version, and for one that a single byte was changed in;
  ///   `FormatError` for a file of another kind.
  static func read(_ path: String, schema: String, version: Int) throws -> (object: JSONObject, digest: Digest) {
    let bytes = try InputFile(path: path, mode: .buffered).contents(limit: limit)
    let value: JSONValue
    let first = Array(bytes.prefix(StandIn.prefixLength))
    let isObject = first.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == UInt8(ascii: "{")
    // A server's message is an object too.
    if !isObject || StandIn(firstBytes: first) != nil,
      let error = ForeignFile.error(path, first, expected: "a record that this program wrote")
    {
      throw error
    }
    do { value = try JSONValue.parse(bytes) } catch { throw RecordError(.notJSON(error), file: path) }
    guard var object = value.object else { throw RecordError(.wrongSchema(expected: schema, found: nil), file: path) }
    guard object["schema"]?.string == schema, object["schema_version"]?.number?.integer == version else {
      throw RecordError(
        .wrongSchema(expected: "\(schema) \(version)", found: object["schema"]?.string), file: path, field: "schema")
    }
    guard let last = object.entries.popLast(), last.key == sealKey, let stated = last.value.string else {
      throw RecordError(.damaged("the seal is missing"), file: path, field: sealKey)
    }
    let found = seal(object).description
    guard found == stated else {
      throw RecordError(.damaged("expected the seal \(found), found \(printable(stated))"), file: path)
    }
    guard value.serialized(.pretty) == bytes else {
      throw RecordError(.damaged("its bytes are not the spelling this program writes"), file: path)
    }
    guard let made = object["generator"]?.string else { throw RecordError(.missing, file: path, field: "generator") }
    guard made == Product.generator else { throw RecordError(.otherVersion(made: made), file: path) }
    return (object, SHA256.digest(of: bytes))
  }

  /// Whether a file begins as a record does; it may be damaged further on.
  static func mayBeOne(_ path: String) -> Bool {
    (try? InputFile(path: path, mode: .buffered).bytes(0..<1)) == [UInt8(ascii: "{")]
  }

  /// Writes a record, whole or not at all.
  static func write(_ bytes: [UInt8], to path: String, replacing: Bool) throws {
    let staging = try StagedOutput(.file, at: path, replacing: replacing)
    try stage(bytes, in: staging)
    try staging.commit()
  }

  static func stage(_ bytes: [UInt8], in staging: StagedOutput) throws {
    let file = try staging.createFile()
    try file.write(bytes, at: 0)
    try file.sync()
  }
}

/// A file as records name it: by its own name, without the folder of one machine.
package struct RecordedFile: Sendable, Hashable {
  package var name: String
  package var bytes: UInt64
  package var digest: Digest?
  /// What it is: only files can be recorded.
  var kind = FileKind.file

  var json: JSONValue {
    var object: JSONObject = ["name": .string(name), "bytes": .number(JSONNumber(bytes))]
    if let digest { object.add("sha256", .string(digest.description)) }
    return .object(object)
  }

  init(name: String, bytes: UInt64, digest: Digest?, kind: FileKind = .file) {
    self.kind = kind
    self.name = name
    self.bytes = bytes
    self.digest = digest
  }

  init(_ value: JSONValue, file: String) throws(RecordError) {
    guard let object = value.object, let name = object["name"]?.string, CompanionPath.isValid(name),
      let bytes = object["bytes"]?.number?.unsigned
    else { throw RecordError(.missing, file: file, field: "name") }
    self.name = name
    self.bytes = bytes
    digest = object["sha256"]?.string.flatMap { Digest(hex: $0) }
  }
}
