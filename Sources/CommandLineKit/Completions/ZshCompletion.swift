// Tritsmith: completions for zsh.

/// Writes one function per command on top of `_arguments`.
struct ZshCompletion {
  let root: CommandSchema

  var script: String {
    let functions = root.completedCommands.map(function).joined(separator: "\n\n")
    return """
      #compdef \(root.name)
      # zsh completion for \(root.name); put it into a directory of $fpath as "_\(root.name)", or source it.

      \(functions)

      if [ "$funcstack[1]" = "\(root.shellIdentifier)" ]; then
        \(root.shellIdentifier) "$@"
      else
        compdef \(root.shellIdentifier) \(root.name)
      fi

      """
  }

  private func function(for command: CommandSchema) -> String {
    var specifications = command.completedOptions.flatMap(specification)
    if command.visibleSubcommands.isEmpty {
      specifications += command.positionals.map { argument in
        let repeats = argument.isRepeating ? "*" : ""
        let optional = argument.isRequired || argument.isRepeating ? ":" : "::"
        return shellQuoted("\(repeats)\(optional)\(escaped(argument.valueName)):\(action(for: argument.completion))")
      }
      return """
        \(command.shellIdentifier)() {
          _arguments -s -S \\
            \(specifications.joined(separator: " \\\n    "))
        }
        """
    }
    specifications += ["'1:command:->command'", "'*::argument:->arguments'"]
    let names = command.completedSubcommands.map { shellQuoted("\(escaped($0.name)):\(summary($0.abstract))") }
    let branches = command.visibleSubcommands.map { "\(shellQuoted($0.name))) \($0.shellIdentifier) ;;" }
    return """
      \(command.shellIdentifier)() {
        local context state state_descr line
        typeset -A opt_args
        local -a commands
        commands=(
          \(names.joined(separator: "\n    "))
        )
        _arguments -C \\
          \(specifications.joined(separator: " \\\n    ")) && return
        case "$state" in
          command) _describe 'command' commands ;;
          arguments)
            case "$line[1]" in
              \(branches.joined(separator: "\n        "))
              help) (( CURRENT == 2 )) && _describe 'command' commands ;;
            esac
            ;;
        esac
      }
      """
  }

  /// One `_arguments` specification per spelling; spellings of one option exclude each other unless it repeats.
  private func specification(of option: ArgumentDefinition) -> [String] {
    let all = option.names + option.invertedNames
    let exclusions = option.isRepeating ? "*" : "(\(all.map(\.description).joined(separator: " ")))"
    return all.map { name in
      let help = "[\(escaped(summary(option.help)))]"
      guard option.kind == .option else { return shellQuoted("\(exclusions)\(name)\(help)") }
      // "=" and "+" let the value follow in the same word as well as in the next.
      let joint = name.isShort ? "+" : "="
      let value = ":\(escaped(option.valueName)):\(action(for: option.completion))"
      return shellQuoted("\(exclusions)\(name)\(joint)\(help)\(value)")
    }
  }

  private func action(for completion: CompletionKind) -> String {
    switch completion {
    case .none: " "
    case .directory: "_files -/"
    case .file(let extensions) where extensions.isEmpty: "_files"
    case .file(let extensions): "_files -g \"*.(\(extensions.joined(separator: "|")))(-.)\""
    case .list(let values): "(\(values.map(escaped).joined(separator: " ")))"
    }
  }

  /// Colons and brackets have a meaning inside a specification.
  private func escaped(_ text: String) -> String {
    text.map { ":[]()\\".contains($0) ? "\\\($0)" : String($0) }.joined()
  }
}
