// Tritsmith: what a command is.

/// A set of arguments that commands share through `@OptionGroup`.
package protocol ParsableArguments: SendableMetatype {
  /// Creates the arguments with their defaults; the schema reflects such an instance.
  init()

  /// Checks what types cannot say; throw `ValidationError` to report misuse.
  mutating func validate() throws
}

extension ParsableArguments {
  /// Accepts everything.
  package mutating func validate() throws {}
}

/// A command: its arguments as wrapped properties, its words in `configuration`, its work in `run()`.
///
/// The declarations read like those of swift-argument-parser on purpose. This module is written by hand because the
/// package takes no outside dependencies, so it builds without fetching anything.
///
///     struct Repeat: ParsableCommand {
///       static let configuration = CommandConfiguration(abstract: "Repeat a phrase.")
///       @Argument(help: "What to repeat.") var phrase: String
///       @Option(name: [.long, .short], help: "How often.") var count = 2
///       func run() throws { for _ in 0..<count { StandardOutput.shared.write(phrase + "\n") } }
///     }
///
/// A command has either subcommands or arguments of its own. `--help`, `-h` and `help <command>` are built in.
package protocol ParsableCommand: ParsableArguments {
  /// Name, explanation, examples and subcommands.
  static var configuration: CommandConfiguration { get }

  /// Does the work; the default shows the help.
  mutating func run() throws

  /// Called once when the tool starts, of its root command: settings of the process.
  static func prepareProcess()
}

extension ParsableCommand {
  /// Nothing but defaults.
  package static var configuration: CommandConfiguration { CommandConfiguration() }

  /// Nothing to prepare.
  package static func prepareProcess() {}

  /// Shows the help of this command.
  package mutating func run() throws { throw HelpRequest() }
}

/// The words around a command.
package struct CommandConfiguration: Sendable {
  /// One command line that works, and what it does.
  package struct Example: Sendable {
    /// The line as typed.
    package var command: String
    /// What it does.
    package var explanation: String

    /// Pairs a line with its explanation.
    package init(_ command: String, _ explanation: String) {
      (self.command, self.explanation) = (command, explanation)
    }
  }

  /// The word that calls the command; the type name in kebab case when nil.
  package var commandName: String?
  /// What the command does, in one sentence.
  package var abstract: String
  /// More paragraphs, separated by empty lines; lines that start with a space keep their breaks.
  package var discussion: String
  /// What `--version` prints; set it on the root only.
  package var version: String?
  /// Commands below this one.
  package var subcommands: [any ParsableCommand.Type]
  /// Lines worth copying.
  package var examples: [Example]
  /// Whether help and completions leave the command out.
  package var isHidden: Bool
  /// The word under which help of the tool lists the command, with others of its kind.
  package var group: String?

  /// Describes a command.
  package init(
    commandName: String? = nil, abstract: String = "", discussion: String = "", version: String? = nil,
    subcommands: [any ParsableCommand.Type] = [], examples: [Example] = [], isHidden: Bool = false,
    group: String? = nil
  ) {
    self.commandName = commandName
    self.abstract = abstract
    self.discussion = discussion
    self.version = version
    self.subcommands = subcommands
    self.examples = examples
    self.isHidden = isHidden
    self.group = group
  }
}
