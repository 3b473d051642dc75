// Tritsmith: the shape every error of the project has.

import VisibleText

/// What kind of failure an error is; the command line turns it into an exit code.
public enum ErrorCategory: String, Sendable, Hashable {
  /// A check ran and did not pass (exit 1).
  case checkFailed
  /// Two things the caller asked for contradict each other (exit 64).
  case misuse
  /// A file exists but its content breaks its format's rules (exit 65).
  case malformedInput
  /// A file or folder cannot be opened (exit 66).
  case cannotOpen
  /// A promise this code made to itself does not hold (exit 70).
  case internalFault
  /// An output cannot be created (exit 73).
  case cannotCreate
  /// Reading or writing failed on the way (exit 74).
  case inputOutput
  /// The user asked to stop (exit 130).
  case interrupted
}

/// Where in the outside world an error was found.
public struct ErrorLocation: Sendable, Hashable {
  /// Path of the file or folder, as given.
  public var file: String?
  /// Name of the tensor, as the file has it.
  public var tensor: String?
  /// Offset from the start of the file, in bytes.
  public var byteOffset: UInt64?
  /// A key or field inside the file, such as `data_offsets`.
  public var field: String?

  package init(file: String? = nil, tensor: String? = nil, byteOffset: UInt64? = nil, field: String? = nil) {
    self.file = file
    self.tensor = tensor
    self.byteOffset = byteOffset
    self.field = field
  }
}

/// An error a person can act on: what happened (expected and found), where, and what to do.
public protocol DiagnosticError: Error, CustomStringConvertible, Sendable {
  /// One sentence: what was expected and what was found.
  var summary: String { get }
  /// Where it is: file, tensor, field and byte, as far as they are known.
  var location: ErrorLocation { get }
  /// The next step for the user, if there is one to name, in words of the command line; `advice` has the library's.
  var remedy: String? { get }
  /// What kind of failure it is, for programs that do different things then.
  var category: ErrorCategory { get }
}

extension DiagnosticError {
  /// The next step in words of the library: members of requests and workflows in place of options and subcommands.
  public var advice: String? { remedy.map(LibraryWords.spoken) }

  /// The whole message in words of the library: place, summary, advice.
  public var description: String { message(.library) }

  /// The whole message: place, summary, what to do.
  package func message(_ wording: ErrorWording) -> String {
    var place: [String] = []
    if let file = location.file { place.append(file.isEmpty ? "''" : printable(file)) }
    if let tensor = location.tensor { place.append("tensor '\(printable(tensor))'") }
    if let field = location.field { place.append("field '\(printable(field))'") }
    if let offset = location.byteOffset { place.append("byte \(offset)") }
    var text = place.isEmpty ? summary : place.joined(separator: ", ") + ": " + summary
    if let step = wording == .library ? advice : remedy { text += "\n  what to do: " + step }
    return text
  }
}

extension DiagnosticError {
  /// The field and what is wrong with it, for a line that names the file already.
  package var placedSummary: String { (location.field.map { "'\(printable($0))': " } ?? "") + summary }
}

/// Text from outside with everything spelled out that cannot be seen, or that could drive the terminal.
///
/// Long text is cut in the middle: an error message quotes a name, it does not reproduce a 10 kB one.
package func printable(_ text: String, limit: Int = 200) -> String {
  let result = spelledOut(text)
  guard result.unicodeScalars.count > limit else { return result }
  let scalars = Array(result.unicodeScalars)
  var cut = String.UnicodeScalarView()
  cut.append(contentsOf: scalars.prefix(limit / 2))
  cut.append("…")
  cut.append(contentsOf: scalars.suffix(limit / 2))
  return String(cut)
}
