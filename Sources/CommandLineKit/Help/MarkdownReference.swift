// Tritsmith: the command reference as Markdown.

/// Writes the reference of every visible command, generated from the same table as the help.
package enum MarkdownReference {
  /// The whole reference of a tool.
  package static func generate(for root: CommandSchema) -> String {
    var blocks = ["# \(root.fullName)"]
    for command in visible(root) {
      if command.path.count > 1 { blocks.append("## \(command.fullName)") }
      blocks += describe(command)
    }
    let codes = ExitCode.allCases.map { "| \($0.rawValue) | \($0.meaning) |" }
    blocks.append((["## Exit codes", "", "| Code | Meaning |", "|---:|---|"] + codes).joined(separator: "\n"))
    return blocks.joined(separator: "\n\n") + "\n"
  }

  private static func visible(_ command: CommandSchema) -> [CommandSchema] {
    [command] + command.visibleSubcommands.flatMap(visible)
  }

  private static func describe(_ command: CommandSchema) -> [String] {
    var blocks: [String] = []
    if !command.abstract.isEmpty { blocks.append(command.abstract) }
    blocks.append("```\n\(command.usageLine)\n```")
    if !command.discussion.isEmpty { blocks.append(command.discussion) }
    let words = command.positionals.filter { $0.visibility == .default }
    if !words.isEmpty { blocks.append(table("Argument", words)) }
    if !command.visibleSubcommands.isEmpty {
      let rows = command.visibleSubcommands.map { "| `\($0.name)` | \(cell($0.abstract)) |" }
      blocks.append((["| Command | |", "|---|---|"] + rows).joined(separator: "\n"))
    }
    for section in command.optionSections { blocks.append(table(section.title, section.options)) }
    for example in command.examples {
      blocks.append("\(example.explanation)\n\n```sh\n\(example.command)\n```")
    }
    return blocks
  }

  private static func table(_ title: String, _ arguments: [ArgumentDefinition]) -> String {
    let rows = arguments.map { argument in
      let label = argument.helpLabel.drop { $0 == " " }
      return "| `\(code(String(label)))` | \(cell(argument.helpDescription)) |"
    }
    return (["| \(title) | |", "|---|---|"] + rows).joined(separator: "\n")
  }

  /// Text of a table cell: a bar would end it, an angle bracket would begin a tag.
  private static func cell(_ text: String) -> String {
    code(text).split(separator: "<", omittingEmptySubsequences: false).joined(separator: "&lt;")
  }

  /// Text between backquotes in a table cell.
  private static func code(_ text: String) -> String {
    text.map { $0 == "|" ? "\\|" : $0 == "\n" ? " " : String($0) }.joined()
  }
}
