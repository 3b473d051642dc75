// Tritsmith tests: JSON with one place changed.

import TritCore

extension JSONObject {
  /// There is no object under a key.
  public struct NoObject: Error {
    public var key: String
  }

  /// Changes the object under a key.
  public mutating func edit(_ key: String, _ change: (inout JSONObject) throws -> Void) throws {
    guard var object = self[key]?.object else { throw NoObject(key: key) }
    try change(&object)
    self[key] = .object(object)
  }
}
