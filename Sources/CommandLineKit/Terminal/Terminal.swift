// Tritsmith: what the terminal can show.

import VisibleText

/// Questions about the terminal, and text made safe for it.
package enum Terminal {
  /// Descriptor 1.
  package static let standardOutput: Int32 = 1
  /// Descriptor 2.
  package static let standardError: Int32 = 2

  /// Whether a descriptor is a terminal.
  package static func isTerminal(_ descriptor: Int32) -> Bool {
    Platform.isTerminal(descriptor)
  }

  /// The columns of the terminal behind a descriptor, `COLUMNS` first; nil when nothing says.
  package static func width(of descriptor: Int32 = standardOutput) -> Int? {
    if let columns = Platform.environment("COLUMNS").flatMap({ Int($0) }), columns > 0 { return columns }
    return Platform.columns(of: descriptor)
  }

  /// The lines of the terminal behind a descriptor; nil when nothing says.
  package static func height(of descriptor: Int32 = standardOutput) -> Int? { Platform.rows(of: descriptor) }

  /// The column where help wraps: the terminal's width, at most 100 because longer lines are hard to read, else 80.
  package static var helpWidth: Int {
    max(40, min(100, width() ?? width(of: standardError) ?? 80))
  }

  /// Text from outside with everything spelled out that cannot be seen, or that could drive the terminal.
  ///
  /// - Parameter keepingLines: lets line feeds through.
  package static func neutralized(_ text: String, keepingLines: Bool = false) -> String {
    spelledOut(text, keeping: keepingLines ? ["\n"] : [])
  }

  /// Text of many lines for standard output: as it is for a file or another program, neutralized on a terminal.
  package static func shown(_ text: String) -> String {
    isTerminal(standardOutput) ? spelledOut(text, keeping: ["\n", "\t"]) : text
  }
}

/// When to colour: the value type of a `--color` option.
package enum ColorPolicy: String, CaseIterable, Sendable, ExpressibleByArgument {
  case auto
  case always
  case never

  /// What the words of a command line ask for; nil for nothing, and for a value there is none of.
  ///
  /// An error about the words is coloured as they say, so they are looked at before they are parsed.
  static func asked(in words: [String]) -> ColorPolicy? {
    let options = words.prefix { $0 != "--" }
    for (index, word) in options.enumerated().reversed() {
      if word.hasPrefix("--color=") { return ColorPolicy(argument: String(word.dropFirst(8))) }
      if word == "--color", index + 1 < options.count { return ColorPolicy(argument: options[index + 1]) }
    }
    return nil
  }

  /// Whether to colour what goes to a descriptor; `auto` wants a terminal, no `NO_COLOR` and a `TERM` that is not dumb.
  package func isEnabled(on descriptor: Int32) -> Bool {
    switch self {
    case .always: true
    case .never: false
    case .auto:
      Terminal.isTerminal(descriptor) && (Platform.environment("NO_COLOR") ?? "").isEmpty
        && Platform.environment("TERM") != "dumb"
    }
  }
}
