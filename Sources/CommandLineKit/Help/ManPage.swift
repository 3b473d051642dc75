// Tritsmith: the manual page, in roff with the classic man macros.

/// Writes one page for a command and all visible ones below it.
package enum ManPage {
  /// A section 1 page; `date` is passed in so that the same input gives the same page.
  ///
  /// - Parameter source: the tool and its version, at the foot of the page.
  package static func generate(for root: CommandSchema, date: String = "", source: String? = nil) -> String {
    let name = root.path.joined(separator: "-")
    var lines = [
      ".TH \"\(quoted(name.uppercased()))\" \"1\" \"\(quoted(date))\" \"\(quoted(source ?? root.name))\" \"User Commands\""
    ]
    lines += [".SH NAME", "\(escaped(name)) \\- \(inline(root.abstract))"]
    lines += [".SH SYNOPSIS"] + synopsis(root)
    if !root.discussion.isEmpty { lines += [".SH DESCRIPTION"] + paragraphs(root.discussion) }
    lines += [".SH OPTIONS"] + arguments(of: root)
    if !root.visibleSubcommands.isEmpty {
      lines.append(".SH COMMANDS")
      for command in below(root) {
        lines += [".SS \"\(quoted(command.fullName))\""] + paragraphs(command.abstract) + [".PP"] + synopsis(command)
        if !command.discussion.isEmpty { lines += [".PP"] + paragraphs(command.discussion) }
        lines += arguments(of: command)
      }
    }
    let examples = ([root] + below(root)).flatMap(\.examples)
    if !examples.isEmpty {
      lines.append(".SH EXAMPLES")
      for example in examples {
        lines +=
          [".PP"] + paragraphs(example.explanation) + [".PP", ".nf", ".RS", escaped(example.command), ".RE", ".fi"]
      }
    }
    lines.append(".SH EXIT STATUS")
    for code in ExitCode.allCases { lines += [".TP", "\\fB\(code.rawValue)\\fR", escaped(code.meaning)] }
    if let tool = root.path.first, root.path.count > 1 { lines += [".SH SEE ALSO", "\\fB\(inline(tool))\\fR(1)"] }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func below(_ command: CommandSchema) -> [CommandSchema] {
    command.visibleSubcommands.flatMap { [$0] + below($0) }
  }

  private static func synopsis(_ command: CommandSchema) -> [String] {
    let rest = command.usageLine.dropFirst(command.fullName.count)
    return ["\\fB\(escaped(command.fullName))\\fR\(inline(String(rest)))"]
  }

  private static func arguments(of command: CommandSchema) -> [String] {
    let shown = command.positionals.filter { $0.visibility == .default } + command.optionSections.flatMap(\.options)
    return shown.flatMap { argument in
      [".TP", "\\fB\(inline(String(argument.helpLabel.drop { $0 == " " })))\\fR"] + paragraphs(argument.helpDescription)
    }
  }

  private static func paragraphs(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? ".PP" : escaped(String($0)) }
  }

  /// Text inside a line: backslashes are roff's, and a bare hyphen would be set as a typographic one.
  private static func inline(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      default: result.append(character)
      }
    }
    return result
  }

  /// A line of text; a leading dot or quote would be taken for a request.
  private static func escaped(_ text: String) -> String {
    let line = inline(text)
    return line.first == "." || line.first == "'" ? "\\&" + line : line
  }

  private static func quoted(_ text: String) -> String {
    inline(text).split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\(dq")
  }
}
