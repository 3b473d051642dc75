// Tritsmith: usage lines and help screens.

import VisibleText

extension ArgumentDefinition {
  /// The argument as it stands in a usage line, without brackets for being optional: `--keep <glob> ...`.
  var usageForm: String {
    let value = kind == .flag ? "" : "<\(valueName)>"
    let form = kind == .positional ? value : [displayName, value].filter { !$0.isEmpty }.joined(separator: " ")
    return isRepeating ? form + " ..." : form
  }

  /// The argument in the left column of help: `-o, --output <path>`.
  var helpLabel: String {
    if kind == .positional { return "<\(valueName)>" + (isRepeating ? " ..." : "") }
    let short = names.filter(\.isShort)
    var long = names.filter { !$0.isShort }.map(\.description)
    for inverted in invertedNames { long.append(inverted.description) }
    let spelled = (short.map(\.description) + long).joined(separator: ", ")
    // Long names line up whether or not a short one comes first.
    return (short.isEmpty ? "    " : "") + spelled + (kind == .option ? " <\(valueName)>" : "")
  }

  /// Help with what the declaration adds: values, default, whether required.
  var helpDescription: String { described(help) }

  /// The same of the first sentence.
  var shortDescription: String {
    described(help.firstRange(ofText: ". ").map { help[..<$0.lowerBound] + "." } ?? help)
  }

  private func described(_ help: String) -> String {
    var additions: [String] = []
    if !allowedValues.isEmpty { additions.append("values: " + allowedValues.joined(separator: ", ")) }
    if let defaultDescription { additions.append("default: \(defaultDescription)") }
    if isRequired && kind == .option { additions.append("required") }
    if isRepeating && kind == .option { additions.append("repeatable") }
    return additions.isEmpty ? help : help + " (" + additions.joined(separator: "; ") + ")"
  }
}

extension CommandSchema {
  /// The call with everything it needs: `tritsmith convert [options] --output <path> <input>`.
  package var usageLine: String {
    if !subcommands.isEmpty { return fullName + " <command>" }
    let shown = arguments.filter { $0.visibility == .default }
    var parts = [fullName]
    if shown.contains(where: { $0.kind != .positional && !$0.isRequired }) { parts.append("[options]") }
    parts += shown.filter { $0.kind == .option && $0.isRequired }.map(\.usageForm)
    parts += shown.filter { $0.kind == .positional }.map { $0.isRequired ? $0.usageForm : "[\($0.usageForm)]" }
    return parts.joined(separator: " ")
  }

  /// Visible options under their headings, the general heading first; built-in flags close the general one.
  var optionSections: [(title: String, options: [ArgumentDefinition])] {
    let general = "Options"
    var sections: [(title: String, options: [ArgumentDefinition])] = [(general, [])]
    for option in options where option.visibility == .default {
      let title = option.section ?? general
      if let index = sections.firstIndex(where: { $0.title == title }) {
        sections[index].options.append(option)
      } else {
        sections.append((title, [option]))
      }
    }
    return sections
  }

  /// The help screen, wrapped to a width, with a final line feed.
  ///
  /// - Parameter isShort: only what is used most, on one screen of 24 lines: neither examples nor details, of options
  ///   shared with other commands the usual ones, and of sentences the first. Options are declared in the order of
  ///   their use: the last ones give way.
  package func helpText(width: Int, isShort: Bool = false) -> String {
    var blocks: [[String]] = []
    // A program with many commands keeps to a screen: their options are a call away.
    let isLong = visibleSubcommands.contains { $0.group != nil }
    if !abstract.isEmpty { blocks.append(wrapped(abstract, width: width)) }
    blocks.append(wrapped("usage: " + usageLine, width: width))
    if !discussion.isEmpty, !isShort { blocks.append(wrapped(discussion, width: width)) }
    let words = positionals.filter { $0.visibility == .default }
    if !words.isEmpty {
      blocks.append(["Arguments:"] + twoColumns(words.map { ($0.helpLabel, $0.helpDescription) }, width: width))
    }
    if !visibleSubcommands.isEmpty {
      let entries = visibleSubcommands.map { ($0.name, $0.abstract) } + [("help", "Show the help of a command.")]
      let groups = visibleSubcommands.map(\.group) + [nil]
      blocks.append(
        groups.allSatisfy { $0 == nil }
          ? ["Commands:"] + twoColumns(entries, width: width)
          : threeColumns(zip(groups, entries).map { ($0, $1.0, $1.1) }, width: width))
    }
    if isShort, subcommands.isEmpty {
      blocks += shortOptions(width: width, lines: CommandSchema.screen - blocks.reduce(0) { $0 + $1.count + 1 })
    } else if !isLong {
      for section in optionSections {
        let entries = section.options.map { ($0.helpLabel, $0.helpDescription) }
        blocks.append([section.title + ":"] + twoColumns(entries, width: width))
      }
    }
    if !examples.isEmpty, !isShort {
      let lines = examples.flatMap { example in
        ["  " + example.command] + wrapped(example.explanation, width: width, indent: 6)
      }
      blocks.append(["Examples:"] + lines)
    }
    if isLong {
      let leadsFurther = isShort && !examples.isEmpty
      let options = optionSections.flatMap(\.options).map { option in
        leadsFurther && option.property == "help" ? "-h; --help (examples)" : option.helpLabel.drop { $0 == " " }
      }.joined(separator: "; ")
      blocks.append(wrapped("Options: \(options). More: '\(fullName) help <command>'.", width: width))
    } else if !subcommands.isEmpty {
      blocks.append(wrapped("See '\(fullName) help <command>' for the options of a command.", width: width))
    }
    return blocks.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
  }

  /// Lines of a small terminal.
  private static let screen = 24

  /// Options that fit in a number of lines, and one line about the others.
  private func shortOptions(width: Int, lines: Int) -> [[String]] {
    let all = optionSections.flatMap(\.options)
    var own = all.filter { $0.section == nil && !$0.isDetail && $0.property != "help" }
    var shared = all.filter { $0.section != nil && $0.isUsual }
    while true {
      let shown = own + shared
      let rest = all.count - shown.count - 1
      let more = rest > 0 ? "shows \(rest) more \(rest == 1 ? "option" : "options")" : ""
      let what = [more, examples.isEmpty ? "" : rest > 0 ? "with examples" : "shows examples"].filter { !$0.isEmpty }
      let last = wrapped(
        "'\(fullName) --help' \(what.isEmpty ? "says the same" : what.joined(separator: ", ")).", width: width)
      let entries = shown.map { ($0.helpLabel, $0.shortDescription) }
      let options = shown.isEmpty ? [] : ["Options:"] + twoColumns(entries, width: width)
      if shown.isEmpty { return [last] }
      if options.count + 1 + last.count <= lines { return [options, last] }
      // What cannot be left out is declared first.
      if own.count > 1 { own.removeLast() } else if shared.isEmpty { own = [] } else { shared.removeLast() }
    }
  }
}
