// Tritsmith: completions for fish.

/// Writes one `complete` line per subcommand, option and positional argument, each with a condition on the command.
struct FishCompletion {
  let root: CommandSchema

  var script: String {
    let function = "_" + root.shellIdentifier + "_command"
    var lines = [
      "# fish completion for \(root.name); put it into ~/.config/fish/completions/\(root.name).fish.",
      "",
      "function \(function) -d 'Whether the words before the cursor lead to this command (exactly) or beyond (below)'",
      "  set -l mode $argv[1]",
      "  set -l wanted $argv[2..-1]",
      "  set -l found",
      "  for word in (commandline -opc)",
      "    string match -q -- '-*' $word; or set -a found $word",
      "  end",
      "  set found[1] \(root.name)",
      "  if test $mode = exactly; and test (count $found) -ne (count $wanted)",
      "    return 1",
      "  end",
      "  for index in (seq (count $wanted))",
      "    test \"$found[$index]\" = \"$wanted[$index]\"; or return 1",
      "  end",
      "end",
      "",
      "complete -c \(root.name) -f",
    ]
    for command in root.completedCommands { lines += completions(of: command, condition: function) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func completions(of command: CommandSchema, condition function: String) -> [String] {
    // A command with subcommands speaks only until one of them has been typed.
    let mode = command.visibleSubcommands.isEmpty ? "below" : "exactly"
    let start = "complete -c \(root.name) -n \(quoted("\(function) \(mode) \(command.fullName)"))"
    var lines = command.completedSubcommands.map {
      "\(start) -a \(quoted($0.name)) -d \(quoted(summary($0.abstract)))"
    }
    if !command.visibleSubcommands.isEmpty {
      let names = command.visibleSubcommands.map(\.name).joined(separator: " ")
      let condition = "\(function) exactly \(command.fullName) help"
      lines.append("complete -c \(root.name) -n \(quoted(condition)) -a \(quoted(names))")
    }
    for option in command.completedOptions {
      let value = option.kind == .option ? " -r" + values(option.completion) : ""
      lines.append("\(start)\(names(option.names))\(value) -d \(quoted(summary(option.help)))")
      if !option.invertedNames.isEmpty {
        lines.append("\(start)\(names(option.invertedNames)) -d \(quoted("Switch off: " + summary(option.help)))")
      }
    }
    // fish does not count positional arguments; offering the values of each of them is what its own scripts do.
    for argument in command.positionals where argument.completion != .none {
      lines.append(start + values(argument.completion))
    }
    return lines
  }

  private func names(_ names: [ArgumentName]) -> String {
    names.map { name in
      switch name {
      case .long(let word): " -l \(quoted(word))"
      case .short(let letter): " -s \(quoted(String(letter)))"
      }
    }.joined()
  }

  private func values(_ completion: CompletionKind) -> String {
    switch completion {
    case .none: " -f"
    case .directory: " -f -a '(__fish_complete_directories)'"
    case .file(let extensions) where extensions.isEmpty: " -F"
    case .file(let extensions):
      " -k -f -a \(quoted("(__fish_complete_suffix " + extensions.map { "." + $0 }.joined(separator: " ") + ")"))"
    case .list(let values): " -f -a \(quoted(values.joined(separator: " ")))"
    }
  }

  /// fish knows backslash escapes inside single quotes.
  private func quoted(_ text: String) -> String {
    "'" + text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "'"
  }
}
