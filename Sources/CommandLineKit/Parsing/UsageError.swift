// Tritsmith: what can be wrong with a command line, and the sentences that say so.

/// A command line that cannot be understood, or that `validate()` refuses. Exits with 64.
package struct UsageError: Error, Sendable, ExitCodeProviding {
  /// What is wrong.
  package enum Kind: Sendable, Equatable {
    case unknownCommand(String)
    case unknownOption(String)
    case optionBeforeCommand(String)
    case missingValue(option: String, valueName: String, found: String?)
    case unexpectedValue(option: String, value: String)
    case invalidValue(String, argument: String, expectation: String)
    /// `-` where a file is needed that can be read or written at any place.
    case noStream(argument: String)
    case missingArgument(String)
    case unexpectedArgument(String)
    case validation(String)
  }

  /// What is wrong.
  package var kind: Kind
  /// What may have been meant.
  package var suggestion: String?
  /// The usage line of the command at hand.
  package var usage: String
  /// The call that explains more, such as `tritsmith convert --help`.
  package var helpCall: String

  init(_ kind: Kind, suggestion: String? = nil, in schema: CommandSchema) {
    self.kind = kind
    self.suggestion = suggestion
    usage = schema.usageLine
    helpCall = schema.fullName + " --help"
  }

  /// Always misuse.
  package var exitCode: ExitCode { .misuse }

  /// The one sentence, without suggestion or usage.
  package var sentence: String {
    switch kind {
    case .unknownCommand(let word): "unknown command '\(word)'"
    case .unknownOption(let name): "unknown option '\(name)'"
    case .optionBeforeCommand(let name): "unknown option '\(name)'; options go after the command they belong to"
    case .missingValue(let option, let valueName, nil): "option '\(option)' needs a value <\(valueName)>"
    case .missingValue(let option, let valueName, let found?):
      "option '\(option)' needs a value <\(valueName)> but '\(found)' follows; "
        + "write '\(option)=\(found)' if that is the value"
    case .unexpectedValue(let option, let value): "flag '\(option)' takes no value, but '\(value)' was given"
    case .invalidValue(let value, let argument, let expectation):
      "'\(value)' is not a value for '\(argument)'; expected \(expectation)"
    case .noStream(let argument):
      "'-' is standard input or output, which '\(argument)' cannot be; name a file ('./-' is a file called '-')"
    case .missingArgument(let name): "missing '\(name)'"
    case .unexpectedArgument(let word): "unexpected argument '\(word)'"
    case .validation(let message): message
    }
  }

  /// Sentence, suggestion, usage line and where to read on.
  package var diagnosticMessage: String {
    var lines = [sentence]
    if let suggestion { lines.append("  did you mean '\(suggestion)'?") }
    lines += ["", "usage: \(usage)", "see '\(helpCall)' for every option"]
    return lines.joined(separator: "\n")
  }
}

/// Thrown by `validate()` or `run()` to report misuse in the command's own words.
package struct ValidationError: Error, Sendable {
  /// What is wrong and what would be right.
  package var message: String

  /// Wraps a message: lower case, no final period.
  package init(_ message: String) {
    self.message = message
  }

  /// Throws unless an option's value lies in a range.
  package static func check(_ option: String, _ value: Int, in range: ClosedRange<Int>) throws(ValidationError) {
    guard range.contains(value) else {
      throw ValidationError("\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
  }
}
