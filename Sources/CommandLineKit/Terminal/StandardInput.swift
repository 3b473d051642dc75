// Tritsmith: what a program is given on its standard input.

/// Standard input, for options that take `-`.
public enum StandardInput {
  /// Everything, up to its end.
  /// - Throws: `StandardInputError` when it cannot be read or is larger than `limit` bytes.
  public static func contents(limit: Int = 64 << 20) throws(StandardInputError) -> [UInt8] {
    let (bytes, error) = Platform.readAll(from: 0, limit: limit)
    guard error == 0 else {
      throw StandardInputError("cannot be read: \(Platform.message(ofError: error))", .inputOutput)
    }
    guard bytes.count <= limit else { throw StandardInputError("holds more than \(limit) bytes", .malformedInput) }
    return bytes
  }

  /// Its text.
  public static func text() throws(StandardInputError) -> String {
    guard let text = String(validating: try contents(), as: UTF8.self) else {
      throw StandardInputError("is not UTF-8", .malformedInput)
    }
    return text
  }
}

/// Standard input that is of no use.
public struct StandardInputError: ExitCodeProviding {
  public let diagnosticMessage: String
  public let exitCode: ExitCode

  init(_ detail: String, _ exitCode: ExitCode) {
    diagnosticMessage = "standard input " + detail
    self.exitCode = exitCode
  }
}
