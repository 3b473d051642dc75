// Tritsmith: what the schema knows of one argument, option or flag.

/// Explains an argument to a reader; a plain string literal is enough in most cases.
package struct ArgumentHelp: Sendable, ExpressibleByStringInterpolation {
  /// Where an argument is shown.
  package enum Visibility: Sendable {
    case `default`
    /// Accepted, but left out of help, completions and the reference.
    case hidden
  }

  /// What the argument does, in a sentence or two.
  package var text: String
  /// What stands for the value in usage lines, without angle brackets; the property name if absent.
  package var valueName: String?
  /// Whether help shows the argument.
  package var visibility: Visibility
  /// Whether `-h` leaves it to `--help`.
  package var isDetail: Bool
  /// Whether `-h` shows it although it is shared with other commands.
  package var isUsual: Bool
  /// Whether the word `-` stands for standard input or output; it is refused in place of other files.
  package var takesStream: Bool
  /// Whether a second value is misuse; of most options the last one counts.
  package var isGivenOnce: Bool

  /// Describes an argument beyond its text.
  package init(
    _ text: String, valueName: String? = nil, visibility: Visibility = .default, isDetail: Bool = false,
    isUsual: Bool = false, takesStream: Bool = false, isGivenOnce: Bool = false
  ) {
    self.text = text
    self.valueName = valueName
    self.visibility = visibility
    self.isDetail = isDetail
    self.isUsual = isUsual
    self.takesStream = takesStream
    self.isGivenOnce = isGivenOnce
  }

  /// A description with nothing but its text.
  package init(stringLiteral text: String) {
    self.init(text)
  }
}

/// What a shell offers when the value of an argument is being typed.
package enum CompletionKind: Sendable, Equatable {
  /// Files with one of the extensions (no dots), and directories to walk into; every file when the list is empty.
  case file(extensions: [String] = [])
  case directory
  case list([String])
  case none
}

/// One argument, option or flag as declared: everything but the value it got.
package struct ArgumentDefinition: Sendable {
  /// How the argument is written on the command line.
  package enum Kind: Sendable {
    case positional
    case option
    case flag
  }

  /// How the argument is written on the command line.
  package var kind: Kind
  /// The property that declares it.
  package var property: String
  /// Spellings; empty for positional arguments.
  package var names: [ArgumentName]
  /// Spellings that switch a flag off, such as `--no-mmap`.
  package var invertedNames: [ArgumentName]
  /// Stands for the value in usage lines.
  package var valueName: String
  /// What the argument does.
  package var help: String
  /// Whether leaving it out is misuse.
  package var isRequired: Bool
  /// Whether it may be given several times.
  package var isRepeating: Bool
  /// The value used when it is left out, if help should name one.
  package var defaultDescription: String?
  /// The complete list of accepted values, when there is one.
  package var allowedValues: [String]
  /// What a value must be, for error messages: "a whole number".
  package var expectation: String
  /// What the shell offers.
  package var completion: CompletionKind
  /// Whether help shows it.
  package var visibility: ArgumentHelp.Visibility
  /// Whether short help leaves it out.
  package var isDetail = false
  /// Whether short help shows it although it stands in a section of its own.
  package var isUsual = false
  /// Whether `-` may be given for a file.
  package var takesStream = false
  /// The title of the option group it came from.
  package var section: String?
  /// Why words are no values, by those in lower case, where their type knows more than that.
  var refusals: [String: String] = [:]
  /// Whether a second value is misuse.
  var isGivenOnce = false

  /// The name errors use: `--output` or `<input>`.
  package var displayName: String {
    let preferred = names.first { !$0.isShort } ?? names.first
    return preferred.map(\.description) ?? "<\(valueName)>"
  }

  /// Whether its value names a file or a folder.
  var isPath: Bool {
    switch completion {
    case .file, .directory: true
    case .list, .none: false
    }
  }

  /// The built-in flag every command has.
  static let help = ArgumentDefinition(
    kind: .flag, property: "help", names: [.short("h"), .long("help")], invertedNames: [], valueName: "",
    help: "Show this help.", isRequired: false, isRepeating: false, defaultDescription: nil, allowedValues: [],
    expectation: "", completion: .none, visibility: .default, section: nil)

  /// The built-in flag of a root command that states its version.
  static let version = ArgumentDefinition(
    kind: .flag, property: "version", names: [.short("V"), .long("version")], invertedNames: [], valueName: "",
    help: "Show the version.", isRequired: false, isRepeating: false, defaultDescription: nil, allowedValues: [],
    expectation: "", completion: .none, visibility: .default, section: nil)
}
