// Tritsmith tests: JSON with one place changed.

import TritCore

extension JSONObject {
  /// There is no object under a key.
  package struct NoObject: Error {
    package var key: String
  }

  /// Changes the object under a key.
  package mutating func edit(_ key: String, _ change: (inout JSONObject) throws -> Void) throws {
    guard var object = self[key]?.object else { throw NoObject(key: key) }
    try change(&object)
    self[key] = .object(object)
  }
}
