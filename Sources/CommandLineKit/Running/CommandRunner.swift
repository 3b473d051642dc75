// Tritsmith: parse, run, explain, end.

/// Runs command lines of one tool and turns every outcome into text and an exit code.
package struct CommandRunner: Sendable {
  /// The tool.
  package var schema: CommandSchema
  /// Where help and results go.
  package var output: StandardOutput
  /// Where diagnostics go; receives whole lines.
  package var writeError: @Sendable (String) -> Void
  /// The column where help wraps.
  package var helpWidth: Int
  /// Whether diagnostics are coloured where the command line does not say.
  package var usesColor: Bool

  /// A runner on the process's own streams unless told otherwise.
  package init(
    schema: CommandSchema, output: StandardOutput = .shared,
    writeError: @escaping @Sendable (String) -> Void = StandardError.explain, helpWidth: Int = Terminal.helpWidth,
    usesColor: Bool = ColorPolicy.auto.isEnabled(on: Terminal.standardError)
  ) {
    self.schema = schema
    self.output = output
    self.writeError = writeError
    self.helpWidth = helpWidth
    self.usesColor = usesColor
  }

  /// Parses, runs and flushes; never throws and never ends the process.
  package func run(_ words: [String]) -> ExitCode {
    let code: ExitCode
    var isReported = false
    do {
      try execute(words)
      code = .success
    } catch {
      code = report(error, words)
      isReported = error is OutputError
    }
    do {
      try output.flush()
      return code
    } catch {
      // The first failure decides: a failed check stays a failed check, whatever became of its text.
      if !error.isClosedPipe, !isReported { _ = report(error, words) }
      return code == .success ? error.exitCode : code
    }
  }

  private func execute(_ words: [String]) throws {
    switch try CommandParser(schema).parse(words) {
    case .version(let version):
      output.write(version + "\n")
    case .help(let schema, let isShort):
      output.write(schema.helpText(width: helpWidth, isShort: isShort))
    case .command(var command, let schema):
      do {
        try command.run()
      } catch is HelpRequest {
        // Nothing was asked for: a screen is enough.
        output.write(schema.helpText(width: helpWidth, isShort: true))
      } catch let error as ValidationError {
        throw UsageError(.validation(error.message), in: schema)
      }
    }
  }

  private func report(_ error: any Error, _ words: [String]) -> ExitCode {
    let (code, message) =
      switch error {
      case let error as any ExitCodeProviding: (error.exitCode, error.diagnosticMessage)
      default: (.internalError, "internal error: \(error)")
      }
    if !message.isEmpty {
      let isColored =
        switch ColorPolicy.asked(in: words) {
        case .always: true
        case .never: false
        case .auto, nil: usesColor
        }
      let label = isColored ? "\u{1B}[1;31merror:\u{1B}[0m " : "error: "
      writeError(label + Terminal.neutralized(message, keepingLines: true) + "\n")
    }
    return code
  }
}

extension ParsableCommand {
  /// The entry point of a tool: put `@main` on the root command.
  package static func main() {
    Platform.occupyStandardDescriptors()
    Platform.ignoreBrokenPipes()
    prepareProcess()
    // Swift takes the words from /proc on Linux. Without it there is not even a program's name, and taking that for a
    // call without words would print help, and succeed, whatever was asked.
    let words = CommandLine.arguments
    if words.isEmpty {
      StandardError.write("error: the command line cannot be read: mount /proc, and call the program by a name\n")
      Platform.exit(ExitCode.internalError.rawValue)
    }
    // Swift repairs such a word to text, which names another file.
    if let position = Platform.firstWordThatIsNoText(), position > 0, position < words.count {
      StandardError.write(
        "error: argument \(position), '\(Terminal.neutralized(words[position]))', is not UTF-8, and paths are text here\n"
          + "  what to do: rename the file, or give a link to it whose name is UTF-8\n")
      Platform.exit(ExitCode.misuse.rawValue)
    }
    let code = CommandRunner(schema: CommandSchema(Self.self)).run(Array(words.dropFirst()))
    Platform.exit(code.rawValue)
  }
}
