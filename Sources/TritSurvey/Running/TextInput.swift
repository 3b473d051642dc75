// Tritsmith: a text to be scored, as a user gives it.

import TritCore

/// Where a text comes from.
public enum TextInput: Sendable, Equatable {
  /// The Book of Ruth in the King James Version: see `TextInput.sampleText`.
  case sample
  case text(String)
  /// A file of UTF-8 text; `-` is standard input.
  case file(String)

  /// As reports name it: a path, or what it is.
  package var name: String {
    switch self {
    case .sample: "built-in sample (Book of Ruth, KJV)"
    case .text: "the text given"
    case .file("-"): "standard input"
    case .file(let path): path
    }
  }

  /// The text itself.
  ///
  /// - Throws: `RunError` for bytes that are not UTF-8; `TensorIOError` for a file that cannot be read, or is too large.
  package func text() throws -> String { try text(bytes()) }

  /// Bytes of this text as text.
  package func text(_ bytes: [UInt8]) throws(RunError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw RunError(.notText, file: name) }
    return text
  }

  /// - Throws: `TensorIOError` for a file that cannot be read, or is too large; `FormatError` for one never fetched.
  package func bytes() throws -> [UInt8] {
    switch self {
    case .sample: Array(TextInput.sampleText.utf8)
    case .text(let text): Array(text.utf8)
    case .file(let path): try TokenInput.text(at: path)
    }
  }
}
