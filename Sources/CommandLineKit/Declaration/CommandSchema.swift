// Tritsmith: the one table behind parsing, usage, help, completions and the reference.

import Synchronization

/// A command and everything below it, as declared. Arguments come from reflecting a fresh instance of a command, when
/// they are first asked for: a call needs those of one command, and reflecting all takes longer than the rest of a start.
package struct CommandSchema: Sendable {
  /// The words that lead here, the tool's name first.
  package let path: [String]
  /// What the command does, in one sentence.
  package let abstract: String
  /// More paragraphs.
  package let discussion: String
  /// What `--version` prints, on a root that states it.
  package let version: String?
  /// Lines worth copying.
  package let examples: [CommandConfiguration.Example]
  /// Whether help and completions leave the command out.
  package let isHidden: Bool
  /// The word under which help of the tool lists the command.
  package let group: String?
  /// Declared arguments in declaration order, without the built-in flags.
  package var arguments: [ArgumentDefinition] { reflected.arguments }
  /// Commands below this one, in declaration order.
  package let subcommands: [CommandSchema]

  let type: any ParsableCommand.Type
  private let reflected: Reflected

  /// Builds the schema of a root command.
  package init(_ root: any ParsableCommand.Type) {
    self.init(root, parents: [])
  }

  private init(_ type: any ParsableCommand.Type, parents: [String]) {
    let configuration = type.configuration
    // Not by description: whether a type describes itself is looked up among all there are, half of a start's time.
    path = parents + [configuration.commandName ?? kebabCase(_typeName(type, qualified: false))]
    abstract = configuration.abstract
    discussion = configuration.discussion
    version = configuration.version
    examples = configuration.examples
    isHidden = configuration.isHidden
    group = configuration.group
    let path = path
    subcommands = configuration.subcommands.map { CommandSchema($0, parents: path) }
    self.type = type
    reflected = Reflected(type)
  }

  /// The arguments of a command, once they were asked for.
  private final class Reflected: Sendable {
    private let type: any ParsableCommand.Type
    private let known = Mutex<[ArgumentDefinition]?>(nil)

    init(_ type: any ParsableCommand.Type) { self.type = type }

    var arguments: [ArgumentDefinition] {
      known.withLock { known in
        if let known { return known }
        let found = ArgumentBinding.all(in: type.init()).map(\.definition)
        known = found
        return found
      }
    }
  }

  /// The word that calls the command.
  package var name: String { path.last ?? "" }

  /// The whole call, such as `tritsmith convert`.
  package var fullName: String { path.joined(separator: " ") }

  /// The tool and its version, such as `tritsmith 1.2.3`, on a root that states it.
  package var versionLine: String { version.map { name + " " + $0 } ?? name }

  /// Words found by position.
  package var positionals: [ArgumentDefinition] { arguments.filter { $0.kind == .positional } }

  /// Options and flags, the built-in ones last.
  package var options: [ArgumentDefinition] {
    arguments.filter { $0.kind != .positional } + (version == nil ? [] : [.version]) + [.help]
  }

  /// Subcommands that help shows.
  package var visibleSubcommands: [CommandSchema] { subcommands.filter { !$0.isHidden } }

  /// This command and all below it, depth first.
  package var allCommands: [CommandSchema] { [self] + subcommands.flatMap(\.allCommands) }

  /// Declarations that would confuse a user or the parser; a test asserts that there are none.
  package func problems() -> [String] {
    var found: [String] = []
    if abstract.isEmpty { found.append("no abstract") }
    if !subcommands.isEmpty && !arguments.isEmpty { found.append("both subcommands and arguments") }
    var names = Set<String>()
    for name in subcommands.map(\.name) + (subcommands.isEmpty ? [] : ["help"]) where !names.insert(name).inserted {
      found.append("two subcommands called \(name)")
    }
    for name in options.flatMap({ $0.names + $0.invertedNames }) where !names.insert(name.description).inserted {
      found.append("two options called \(name)")
    }
    for argument in arguments {
      if argument.help.isEmpty { found.append("no help for \(argument.displayName)") }
      if argument.kind != .positional && argument.names.isEmpty { found.append("\(argument.property) has no name") }
    }
    if positionals.dropLast().contains(where: \.isRepeating) { found.append("a list of words that is not last") }
    if let optional = positionals.firstIndex(where: { !$0.isRequired }),
      positionals[optional...].contains(where: \.isRequired)
    {
      found.append("a required argument after an optional one")
    }
    return found.map { "\(fullName): \($0)" } + subcommands.flatMap { $0.problems() }
  }
}

/// A definition together with the storage of one instance.
struct ArgumentBinding {
  var definition: ArgumentDefinition
  var storage: any DeclaredArgument

  /// The wrapped properties of an instance in declaration order, groups expanded in place.
  static func all(in instance: Any, section: String? = nil) -> [ArgumentBinding] {
    Mirror(reflecting: instance).children.flatMap { child in
      (child.value as? any DeclaredProperty)?.bindings(label: child.label ?? "", section: section) ?? []
    }
  }

  /// Validates the groups of an instance, inner ones first.
  static func validateGroups(in instance: Any) throws {
    for child in Mirror(reflecting: instance).children {
      try (child.value as? any DeclaredProperty)?.validateGroups()
    }
  }
}

extension DeclaredArgument {
  func bindings(label: String, section: String?) -> [ArgumentBinding] {
    // A wrapped property is stored under its name with an underscore in front.
    var definition = definition(property: label.hasPrefix("_") ? String(label.dropFirst()) : label)
    definition.section = section
    return [ArgumentBinding(definition: definition, storage: self)]
  }

  func validateGroups() {}
}

extension DeclaredGroup {
  func bindings(label: String, section: String?) -> [ArgumentBinding] {
    ArgumentBinding.all(in: members, section: title ?? section)
  }

  func validateGroups() throws {
    try ArgumentBinding.validateGroups(in: members)
    try validate()
  }
}
