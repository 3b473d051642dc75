// Tritsmith: how options and flags are called on the command line.

/// One spelling of an option or flag: a word after two dashes or a letter after one.
package enum ArgumentName: Hashable, Sendable, CustomStringConvertible {
  case long(String)
  case short(Character)

  /// The name as it is typed, dashes included.
  package var description: String {
    switch self {
    case .long(let word): "--\(word)"
    case .short(let letter): "-\(letter)"
    }
  }

  /// Whether the name is a single letter.
  package var isShort: Bool {
    if case .short = self { true } else { false }
  }
}

/// Which names an option or flag answers to; some of them derive from the property.
///
///     @Option(name: [.long, .customShort("o")], help: "Where to write.") var output: String
package struct NameSpecification: Sendable, ExpressibleByArrayLiteral {
  /// One name, not yet joined to a property.
  package enum Element: Sendable {
    case long
    case short
    case customLong(String)
    case customShort(Character)
  }

  var elements: [Element]

  /// Names in the order they appear in help.
  package init(arrayLiteral elements: Element...) {
    self.elements = elements
  }

  /// The property name in kebab case: `maxTokens` becomes `--max-tokens`.
  package static let long: NameSpecification = [.long]
  /// The first letter of the property: `verbose` becomes `-v`.
  package static let short: NameSpecification = [.short]

  /// A word other than the property name, without its dashes.
  package static func customLong(_ word: String) -> NameSpecification { [.customLong(word)] }

  /// A letter other than the first of the property.
  package static func customShort(_ letter: Character) -> NameSpecification { [.customShort(letter)] }

  func names(forProperty property: String) -> [ArgumentName] {
    elements.map { element in
      switch element {
      case .long: .long(kebabCase(property))
      case .short: .short(property.first?.lowercased().first ?? "?")
      case .customLong(let word): .long(word)
      case .customShort(let letter): .short(letter)
      }
    }
  }
}

/// Turns `maxTokens` or `GapReport` into `max-tokens` and `gap-report`; a run of capitals is one word.
func kebabCase(_ identifier: String) -> String {
  let letters = Array(identifier)
  var result = ""
  for (index, letter) in letters.enumerated() {
    if letter == "_" {
      result += "-"
      continue
    }
    let startsWord =
      letter.isUppercase && index > 0 && letters[index - 1] != "_"
      && (!letters[index - 1].isUppercase || (index + 1 < letters.count && letters[index + 1].isLowercase))
    if startsWord { result += "-" }
    result += letter.lowercased()
  }
  return result
}
