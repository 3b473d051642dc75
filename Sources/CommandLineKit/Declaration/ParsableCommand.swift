// Tritsmith: what a command is.

/// A set of arguments that commands share through `@OptionGroup`.
public protocol ParsableArguments: SendableMetatype {
  /// Creates the arguments with their defaults; the schema reflects such an instance.
  init()

  /// Checks what types cannot say; throw `ValidationError` to report misuse.
  mutating func validate() throws
}

extension ParsableArguments {
  /// Accepts everything.
  public mutating func validate() throws {}
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
public protocol ParsableCommand: ParsableArguments {
  /// Name, explanation, examples and subcommands.
  static var configuration: CommandConfiguration { get }

  /// Does the work; the default shows the help.
  mutating func run() throws

  /// Called once when the tool starts, of its root command: settings of the process.
  static func prepareProcess()
}

extension ParsableCommand {
  /// Nothing but defaults.
  public static var configuration: CommandConfiguration { CommandConfiguration() }

  /// Nothing to prepare.
  public static func prepareProcess() {}

  /// Shows the help of this command.
  public mutating func run() throws { throw HelpRequest() }
}

/// The words around a command.
public struct CommandConfiguration: Sendable {
  /// One command line that works, and what it does.
  public struct Example: Sendable {
    /// The line as typed.
    public var command: String
    /// What it does.
    public var explanation: String

    /// Pairs a line with its explanation.
    public init(_ command: String, _ explanation: String) {
      (self.command, self.explanation) = (command, explanation)
    }
  }

  /// The word that calls the command; the type name in kebab case when nil.
  public var commandName: String?
  /// What the command does, in one sentence.
  public var abstract: String
  /// More paragraphs, separated by empty lines; lines that start with a space keep their breaks.
  public var discussion: String
  /// What `--version` prints; set it on the root only.
  public var version: String?
  /// Commands below this one.
  public var subcommands: [any ParsableCommand.Type]
  /// Lines worth copying.
  public var examples: [Example]
  /// Whether help and completions leave the command out.
  public var isHidden: Bool
  /// The word under which help of the tool lists the command, with others of its kind.
  public var group: String?

  /// Describes a command.
  public init(
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
