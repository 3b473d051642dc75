// Tritsmith: from words to a command ready to run.

import VisibleText

/// What a command line asks for.
package enum ParsedCommand {
  case command(any ParsableCommand, CommandSchema)
  /// Help of a command, all of it or what fits a screen.
  case help(CommandSchema, isShort: Bool)
  case version(String)
}

/// Thrown by `run()` to show the help of the command that runs.
struct HelpRequest: Error {}

/// Reads command lines against a schema.
package struct CommandParser: Sendable {
  /// The root command.
  package let root: CommandSchema

  /// A parser for one tool.
  package init(_ root: CommandSchema) {
    self.root = root
  }

  /// Finds the command, fills its arguments and validates it; the tool's own name is not among the words.
  package func parse(_ words: [String]) throws -> ParsedCommand {
    var schema = root
    var rest = words[...]
    while !schema.subcommands.isEmpty, let word = rest.first {
      if let next = schema.subcommands.first(where: { $0.name == word }) {
        schema = next
        rest = rest.dropFirst()
      } else if word == "help" {
        // Who asks for the help of help wants help, and the version has no other.
        let asked = rest.dropFirst()
        let words = asked.filter {
          !CommandParser.asksForHelp($0) && !CommandParser.asksForVersion($0) && $0 != "help" && $0 != "version"
        }
        let isShort = asked.isEmpty || asked.contains("-h") && !asked.contains("--help")
        return .help(try command(named: words[...], below: schema), isShort: isShort)
      } else if CommandParser.asksForHelp(word) {
        return .help(schema, isShort: word == "-h")
      } else if word == "version" || CommandParser.asksForVersion(word), let version = root.version {
        return .version(version)
      } else {
        throw notACommand(word, in: schema)
      }
    }
    // Help wins over every other mistake on the line: whoever asks for it wants to read, not to be corrected.
    let options = rest.prefix { $0 != "--" }
    if options.contains(where: CommandParser.asksForHelp) {
      return .help(schema, isShort: !options.contains("--help"))
    }
    if options.contains(where: CommandParser.asksForVersion), let version = root.version { return .version(version) }

    var command = schema.type.init()
    var reader = ArgumentReader(schema: schema, bindings: ArgumentBinding.all(in: command))
    try reader.read(rest)
    do {
      try ArgumentBinding.validateGroups(in: command)
      try command.validate()
    } catch let error as ValidationError {
      throw UsageError(.validation(error.message), in: schema)
    }
    return .command(command, schema)
  }

  private static func asksForHelp(_ word: String) -> Bool { word == "--help" || word == "-h" }
  private static func asksForVersion(_ word: String) -> Bool { word == "--version" || word == "-V" }

  private func command(named words: ArraySlice<String>, below schema: CommandSchema) throws -> CommandSchema {
    try words.reduce(schema) { schema, word in
      if let next = schema.subcommands.first(where: { $0.name == word }) { return next }
      guard !schema.subcommands.isEmpty || word.hasPrefix("-") else {
        throw UsageError(.validation("'help' takes one command; '\(word)' is one too many"), in: schema)
      }
      throw notACommand(word, in: schema)
    }
  }

  private func notACommand(_ word: String, in schema: CommandSchema) -> UsageError {
    guard word.hasPrefix("-") else {
      let names = schema.visibleSubcommands.map(\.name) + ["help", "version"]
      return UsageError(.unknownCommand(word), suggestion: nearestMatch(to: word, among: names), in: schema)
    }
    let name = word.prefix { $0 != "=" }
    let belongsBelow = schema.allCommands.dropFirst().contains { command in
      command.options.contains { ($0.names + $0.invertedNames).contains { $0.description == name } }
    }
    let kind: UsageError.Kind = belongsBelow ? .optionBeforeCommand(String(name)) : .unknownOption(String(name))
    let names = schema.options.flatMap(\.names).map(\.description)
    return UsageError(kind, suggestion: belongsBelow ? nil : nearestMatch(to: String(name), among: names), in: schema)
  }
}

extension ParsableCommand {
  /// Parses words as this very command, for tests and for callers that own the arguments.
  package static func parse(_ words: [String]) throws -> Self {
    let schema = CommandSchema(Self.self)
    guard case .command(let command, _) = try CommandParser(schema).parse(words), let command = command as? Self else {
      throw UsageError(.unexpectedArgument(words.first ?? ""), in: schema)
    }
    return command
  }
}
