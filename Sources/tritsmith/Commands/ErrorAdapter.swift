// Tritsmith: errors of the libraries as exit codes.

import CommandLineKit
import TritCore

/// A library error on its way to the user.
struct ReportedError: ExitCodeProviding {
  let error: any DiagnosticError

  var diagnosticMessage: String { error.message(.commandLine) }

  var exitCode: ExitCode {
    switch error.category {
    case .checkFailed: .checkFailed
    case .misuse: .misuse
    case .malformedInput: .malformedInput
    case .cannotOpen: .cannotOpen
    case .internalFault: .internalError
    case .cannotCreate: .cannotCreate
    case .inputOutput: .inputOutput
    case .interrupted: .interrupted
    }
  }
}

/// Runs a command's work; a library error leaves with its exit code and its three-part message.
func reporting<Result>(_ body: () throws -> Result) throws -> Result {
  do {
    // libdispatch ends the process when it gets no descriptor: better an error before the work.
    guard Platform.canOpen(descriptors: 8) else { throw TensorIOError(.tooFewDescriptors) }
    return try body()
  } catch let error as any DiagnosticError {
    throw ReportedError(error: error)
  }
}
