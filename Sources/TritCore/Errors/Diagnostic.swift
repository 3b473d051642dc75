// Tritsmith: the one shape of errors: what went wrong, and where.

/// What can go wrong in one part of the program, where what to do depends on the place: a case for each fault, with what was
/// expected and found.
package protocol PlacedDiagnosticKind: Sendable, Equatable {
  /// One sentence: what was expected and what was found.
  var summary: String { get }
  /// The next step for the user, if there is one to name, in words of the command line.
  func remedy(at location: ErrorLocation) -> String?
  /// What kind of failure it is.
  func category(at location: ErrorLocation) -> ErrorCategory
}

/// The same where it does not, as in most parts.
package protocol DiagnosticKind: PlacedDiagnosticKind {
  /// The next step for the user, if there is one to name, in words of the command line.
  var remedy: String? { get }
  /// What kind of failure it is.
  var category: ErrorCategory { get }
}

extension DiagnosticKind {
  package func remedy(at location: ErrorLocation) -> String? { remedy }
  package func category(at location: ErrorLocation) -> ErrorCategory { category }
}

/// An error of one part of the program: `FormatError` is this with the kinds of `FormatErrorKind`.
package struct Diagnostic<Fault: PlacedDiagnosticKind>: DiagnosticError, Equatable {
  package typealias Kind = Fault

  package var kind: Kind
  package var location: ErrorLocation
  /// What to do instead of the kind's own remedy, by who knows more than who found the fault.
  package var knownRemedy: String?

  package init(_ kind: Kind, location: ErrorLocation) {
    self.kind = kind
    self.location = location
  }

  package init(
    _ kind: Kind, file: String? = nil, tensor: String? = nil, byteOffset: UInt64? = nil, field: String? = nil
  ) {
    self.init(kind, location: ErrorLocation(file: file, tensor: tensor, byteOffset: byteOffset, field: field))
  }

  package var summary: String { kind.summary }
  package var remedy: String? { knownRemedy ?? kind.remedy(at: location) }
  package var category: ErrorCategory { kind.category(at: location) }

  /// The same, with what a caller knows of the place where nothing is known of it yet.
  package func placed(
    file: String? = nil, tensor: String? = nil, byteOffset: UInt64? = nil, field: String? = nil
  ) -> Self {
    var result = self
    result.location = ErrorLocation(
      file: location.file ?? file, tensor: location.tensor ?? tensor, byteOffset: location.byteOffset ?? byteOffset,
      field: location.field ?? field)
    return result
  }
}
