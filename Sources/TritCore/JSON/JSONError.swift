// Tritsmith: why a text is not JSON.

/// Why a text is not JSON.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong with the text.
  package enum Kind: Sendable, Equatable {
    case unexpectedEnd
    case unexpected(byte: UInt8, expected: String)
    case trailingComma
    case trailingContent
    case invalidNumber
    case controlCharacter(UInt8)
    case invalidEscape
    case loneSurrogate
    case invalidUTF8
    /// The text begins with the mark of an encoding.
    case byteOrderMark(encoding: String)
    case tooDeep(limit: Int)
    case tooManyValues(limit: Int)
  }

  package var kind: Kind
  /// Offset from the start of the text, in bytes.
  package var offset: Int

  package var description: String {
    let what =
      switch kind {
      case .unexpectedEnd: "the text ends in the middle of a value"
      case .unexpected(let byte, let expected):
        "expected \(expected), found byte 0x\(String(byte, radix: 16))"
          + (byte > 0x20 && byte < 0x7F ? " ('\(Character(UnicodeScalar(byte)))')" : "")
      case .trailingComma: "a comma stands before the closing bracket"
      case .trailingContent: "something follows the end of the value"
      case .invalidNumber: "a number is not written as JSON allows"
      case .controlCharacter(let byte): "control character 0x\(String(byte, radix: 16)) inside a string"
      case .invalidEscape: "an escape in a string is not one JSON knows"
      case .loneSurrogate: "half of a surrogate pair stands alone in a string"
      case .invalidUTF8: "the text is not UTF-8"
      case .byteOrderMark(let encoding): "the text begins with a byte order mark of \(encoding)"
      case .tooDeep(let limit): "nested deeper than \(limit) levels"
      case .tooManyValues(let limit): "more than \(limit) values"
      }
    return "\(what) at offset \(offset)"
  }

  /// What the text's owner can do; nil where the error says it all.
  package var remedy: String? {
    guard case .byteOrderMark = kind else { return "correct the text at that place, or fetch the file again" }
    return "save the file as UTF-8 without a byte order mark"
  }
}
