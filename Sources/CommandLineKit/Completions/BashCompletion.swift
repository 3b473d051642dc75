// Tritsmith: completions for bash 3.2 and later.

/// Writes one function that finds the command among the words and offers what fits at the cursor.
struct BashCompletion {
  let root: CommandSchema

  var script: String {
    let function = root.shellIdentifier
    return """
      # bash completion for \(root.name); source it, or put it into a completions directory as "\(root.name)".

      \(function)_files() {
        # Directories, and files that end in one of the given extensions (every file when none is given).
        local IFS=$'\\n' extension
        compopt -o filenames 2>/dev/null
        if [ $# -eq 0 ]; then
          COMPREPLY=($(compgen -f -- "$cur"))
          return
        fi
        COMPREPLY=($(compgen -d -- "$cur"))
        for extension in "$@"; do
          COMPREPLY+=($(compgen -f -X "!*.$extension" -- "$cur"))
        done
      }

      \(function)_directories() {
        local IFS=$'\\n'
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$cur"))
      }

      \(function)() {
        local cur prev word command index position expectsValue isOptionsOver
        COMPREPLY=()
        cur=${COMP_WORDS[COMP_CWORD]}
        prev=
        if [ "$COMP_CWORD" -gt 0 ]; then prev=${COMP_WORDS[COMP_CWORD-1]}; fi
        # bash splits --name=value at the equals sign; join it again.
        if [ "$cur" = "=" ]; then
          cur=
        elif [ "$prev" = "=" ] && [ "$COMP_CWORD" -gt 1 ]; then
          prev=${COMP_WORDS[COMP_CWORD-2]}
        fi

        command=\(shellQuoted(root.fullName))
        position=0
        expectsValue=
        isOptionsOver=
        for ((index = 1; index < COMP_CWORD; index++)); do
          word=${COMP_WORDS[index]}
          if [ -n "$expectsValue" ]; then
            if [ "$word" != "=" ]; then expectsValue=; fi
            continue
          fi
          if [ -n "$isOptionsOver" ]; then
            position=$((position + 1))
            continue
          fi
          case "$command:$word" in
      \(transitions())
            *:--) isOptionsOver=1 ;;
            *:-*) ;;
            *) position=$((position + 1)) ;;
          esac
        done

        if [ -z "$isOptionsOver" ]; then
          case "$command:$prev" in
      \(optionValues())
          esac
        fi

        if [ -z "$isOptionsOver" ] && [ "${cur:0:1}" = "-" ]; then
          case "$command" in
      \(optionNames())
          esac
          return
        fi

        case "$command:$position" in
      \(positions())
        esac
      }

      complete -F \(function) \(root.name)

      """
  }

  // MARK: - Branches of the case statements

  /// How each word before the cursor changes what is expected.
  private func transitions() -> String {
    var lines: [String] = []
    for command in root.completedCommands {
      for next in command.visibleSubcommands {
        lines.append("\(shellQuoted("\(command.fullName):\(next.name)"))) command=\(shellQuoted(next.fullName)) ;;")
      }
      if !command.visibleSubcommands.isEmpty {
        // "help" is followed by the same words as the command itself.
        lines.append("\(shellQuoted("\(command.fullName):help"))) ;;")
      }
      let valued = command.arguments.filter { $0.kind == .option }.flatMap(\.names)
      let patterns = valued.map { shellQuoted("\(command.fullName):\($0)") }
      if !patterns.isEmpty { lines.append(patterns.joined(separator: " | ") + ") expectsValue=1 ;;") }
    }
    return indented(lines, by: 6)
  }

  private func optionValues() -> String {
    var lines: [String] = []
    for command in root.completedCommands {
      for option in command.completedOptions where option.kind == .option {
        let patterns = option.names.map { shellQuoted("\(command.fullName):\($0)") }.joined(separator: " | ")
        lines.append("\(patterns)) \(action(for: option.completion)); return ;;")
      }
    }
    return indented(lines, by: 6)
  }

  private func optionNames() -> String {
    let lines = root.completedCommands.map { command in
      let names = command.completedOptions.flatMap { $0.names + $0.invertedNames }.map(\.description)
      return "\(shellQuoted(command.fullName))) \(action(for: .list(names))) ;;"
    }
    return indented(lines, by: 6)
  }

  private func positions() -> String {
    var lines: [String] = []
    for command in root.completedCommands {
      if !command.completedSubcommands.isEmpty {
        let names = command.completedSubcommands.map(\.name)
        lines.append("\(shellQuoted(command.fullName + ":0"))) \(action(for: .list(names))) ;;")
      }
      for (index, argument) in command.positionals.enumerated() {
        let pattern = shellQuoted("\(command.fullName):") + (argument.isRepeating ? "*" : "\(index)")
        lines.append("\(pattern)) \(action(for: argument.completion)) ;;")
      }
    }
    return indented(lines, by: 4)
  }

  private func action(for completion: CompletionKind) -> String {
    switch completion {
    case .none: "COMPREPLY=()"
    case .directory: "\(root.shellIdentifier)_directories"
    case .file(let extensions):
      ([root.shellIdentifier + "_files"] + extensions.map(shellQuoted)).joined(separator: " ")
    case .list(let values):
      "COMPREPLY=($(compgen -W \(shellQuoted(values.joined(separator: " "))) -- \"$cur\"))"
    }
  }

  private func indented(_ lines: [String], by count: Int) -> String {
    lines.map { String(repeating: " ", count: count) + $0 }.joined(separator: "\n")
  }
}
