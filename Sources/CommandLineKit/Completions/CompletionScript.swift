// Tritsmith: shell completions generated from the schema.

/// A shell that completions can be written for.
package enum CompletionShell: String, CaseIterable, Sendable, ExpressibleByArgument {
  case bash
  case zsh
  case fish
}

/// Writes completion scripts: subcommands, option names, enum values, files and directories.
///
/// The scripts are self-contained; nothing calls back into the tool, so they also work while a build is broken.
package enum CompletionScript {
  /// The script to be sourced or installed where the shell looks for completions.
  package static func generate(for shell: CompletionShell, root: CommandSchema) -> String {
    switch shell {
    case .bash: BashCompletion(root: root).script
    case .zsh: ZshCompletion(root: root).script
    case .fish: FishCompletion(root: root).script
    }
  }
}

extension CommandSchema {
  /// The path as part of a shell function name.
  var shellIdentifier: String {
    "_" + path.joined(separator: "_").map { $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "_" }.joined()
  }

  /// This command and all visible ones below it.
  var completedCommands: [CommandSchema] {
    [self] + visibleSubcommands.flatMap(\.completedCommands)
  }

  /// Options worth offering.
  var completedOptions: [ArgumentDefinition] {
    options.filter { $0.visibility == .default }
  }

  /// Subcommand names and their abstracts, the built-in `help` last.
  var completedSubcommands: [(name: String, abstract: String)] {
    if visibleSubcommands.isEmpty { return [] }
    return visibleSubcommands.map { ($0.name, $0.abstract) } + [("help", "Show the help of a command.")]
  }
}

/// Puts a word in single quotes for any POSIX shell.
func shellQuoted(_ text: String) -> String {
  "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}

/// The first sentence of a help text, without its period: completion menus have one line.
func summary(_ text: String) -> String {
  let line = text.split(separator: "\n").first.map(String.init) ?? ""
  var result = ""
  for word in line.split(separator: " ") {
    result += (result.isEmpty ? "" : " ") + word
    if word.last == "." { return String(result.dropLast()) }
  }
  return result
}
