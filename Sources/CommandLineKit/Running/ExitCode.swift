// Tritsmith: what a process tells its caller.

/// The exit codes of the tool, after `sysexits.h` where one fits.
package enum ExitCode: Int32, Sendable, CaseIterable {
  case success = 0
  /// The check ran and did not pass.
  case checkFailed = 1
  case misuse = 64
  case malformedInput = 65
  case cannotOpen = 66
  case internalError = 70
  case cannotCreate = 73
  case inputOutput = 74
  case interrupted = 130

  /// The meaning in a few words, for the reference.
  package var meaning: String {
    switch self {
    case .success: "done"
    case .checkFailed: "the check ran and did not pass"
    case .misuse: "the command line cannot be understood"
    case .malformedInput: "an input is malformed"
    case .cannotOpen: "an input cannot be opened"
    case .internalError: "an error inside the tool"
    case .cannotCreate: "an output cannot be created"
    case .inputOutput: "reading or writing failed"
    case .interrupted: "interrupted by a signal"
    }
  }
}

/// An error that knows how the process should end.
package protocol ExitCodeProviding: Error {
  /// How the process ends.
  var exitCode: ExitCode { get }
  /// What is printed after "error: "; nothing is printed when empty.
  var diagnosticMessage: String { get }
}

/// Thrown by `run()` to end with a code after everything worth saying has been printed.
package struct ExitRequest: ExitCodeProviding, Sendable {
  /// How the process ends.
  package var exitCode: ExitCode
  /// Silent.
  package var diagnosticMessage: String { "" }

  /// Ends with that code and no message.
  package init(_ code: ExitCode) {
    exitCode = code
  }
}
