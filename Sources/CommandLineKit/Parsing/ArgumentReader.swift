// Tritsmith: options, flags and positional words of one command.

import VisibleText

/// Stores the words of one command line in the arguments of one instance.
struct ArgumentReader {
  let schema: CommandSchema
  private let bindings: [ArgumentBinding]
  private let positionals: [ArgumentBinding]
  private var byName: [ArgumentName: (binding: ArgumentBinding, isOn: Bool)] = [:]
  private var given = Set<String>()
  private var nextPositional = 0

  init(schema: CommandSchema, bindings: [ArgumentBinding]) {
    self.schema = schema
    self.bindings = bindings
    positionals = bindings.filter { $0.definition.kind == .positional }
    for binding in bindings {
      for name in binding.definition.names { byName[name] = (binding, true) }
      for name in binding.definition.invertedNames { byName[name] = (binding, false) }
    }
  }

  mutating func read(_ words: ArraySlice<String>) throws(UsageError) {
    var rest = words
    while let word = rest.popFirst() {
      if word == "--" {
        for word in rest { try readPositional(word) }
        break
      } else if word.hasPrefix("--") {
        try readLong(word, rest: &rest)
      } else if word.hasPrefix("-"), word.count > 1, !looksNegative(word) {
        try readShort(word, rest: &rest)
      } else {
        try readPositional(word)
      }
    }
    // Of the bindings: the schema would reflect the command once more.
    for definition in bindings.map(\.definition) where definition.isRequired {
      if !given.contains(definition.displayName) {
        let form = definition.kind == .option ? "\(definition.displayName) <\(definition.valueName)>" : nil
        throw UsageError(.missingArgument(form ?? definition.displayName), in: schema)
      }
    }
  }

  // MARK: - One word

  private mutating func readLong(_ word: String, rest: inout ArraySlice<String>) throws(UsageError) {
    let body = word.dropFirst(2)
    let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let name = ArgumentName.long(parts.first ?? "")
    guard let match = byName[name] else { throw unknown(name) }
    try apply(match, spelled: name, attached: parts.count == 2 ? parts[1] : nil, rest: &rest)
  }

  /// Reads `-v`, `-vq` (two flags), `-o value`, `-ovalue` and `-o=value`.
  private mutating func readShort(_ word: String, rest: inout ArraySlice<String>) throws(UsageError) {
    var letters = word.dropFirst()
    while let letter = letters.popFirst() {
      let name = ArgumentName.short(letter)
      guard let match = byName[name] else {
        // "-threads" is far more often a long name with a dash missing than seven flags.
        throw unknown(letters.isEmpty ? name : .long(String(word.dropFirst())), typed: word)
      }
      if match.binding.definition.kind == .flag, letters.first != "=" {
        try apply(match, spelled: name, attached: nil, rest: &rest)
        continue
      }
      let attached = letters.first == "=" ? letters.dropFirst() : letters
      let hasAttached = !letters.isEmpty
      try apply(match, spelled: name, attached: hasAttached ? String(attached) : nil, rest: &rest)
      return
    }
  }

  private mutating func apply(
    _ match: (binding: ArgumentBinding, isOn: Bool), spelled name: ArgumentName, attached: String?,
    rest: inout ArraySlice<String>
  ) throws(UsageError) {
    let definition = match.binding.definition
    if definition.kind == .flag {
      if let attached { throw UsageError(.unexpectedValue(option: name.description, value: attached), in: schema) }
      match.binding.storage.store(match.isOn)
      return
    }
    var value = attached
    if value == nil, let next = rest.first, !next.hasPrefix("-") || next == "-" || looksNegative(next) {
      value = next
      rest = rest.dropFirst()
    }
    guard let value else {
      let kind = UsageError.Kind.missingValue(
        option: name.description, valueName: definition.valueName, found: rest.first)
      throw UsageError(kind, in: schema)
    }
    try store(value, in: match.binding)
  }

  private mutating func readPositional(_ word: String) throws(UsageError) {
    guard nextPositional < positionals.count else {
      throw UsageError(.unexpectedArgument(word), in: schema)
    }
    let binding = positionals[nextPositional]
    try store(word, in: binding)
    if !binding.definition.isRepeating { nextPositional += 1 }
  }

  private mutating func store(_ word: String, in binding: ArgumentBinding) throws(UsageError) {
    let definition = binding.definition
    if word == "-", definition.isPath, !definition.takesStream {
      throw UsageError(.noStream(argument: definition.displayName), in: schema)
    }
    if definition.isGivenOnce, given.contains(definition.displayName) {
      let others = definition.names.filter { $0.description != definition.displayName && !$0.isShort }
      let alike = others.isEmpty ? "" : " (also called \(others.map(\.description).joined(separator: ", ")))"
      let sentence = "'\(definition.displayName)'\(alike) takes one value, and two were given"
      throw UsageError(.validation(sentence), in: schema)
    }
    guard binding.storage.store(word) else {
      if let why = definition.refusals[word.lowercased()] {
        let sentence = "'\(word)' is not a value for '\(definition.displayName)': \(why)"
        throw UsageError(.validation("\(sentence); expected \(definition.expectation)"), in: schema)
      }
      let kind = UsageError.Kind.invalidValue(
        word, argument: definition.displayName, expectation: definition.expectation)
      throw UsageError(kind, suggestion: nearestMatch(to: word, among: definition.allowedValues), in: schema)
    }
    given.insert(definition.displayName)
  }

  // MARK: - Helpers

  /// "-5" and "-.5" are values unless the command has a digit for an option.
  private func looksNegative(_ word: String) -> Bool {
    guard word.first == "-", let second = word.dropFirst().first else { return false }
    return (second.isASCII && second.isNumber || second == ".") && byName[.short(second)] == nil
  }

  private func unknown(_ name: ArgumentName, typed: String? = nil) -> UsageError {
    let visible = schema.options.filter { $0.visibility == .default }
    let candidates = visible.flatMap { $0.names + $0.invertedNames }.filter { !$0.isShort }
    var suggestion: String?
    if case .long(let word) = name {
      let words = candidates.map { String($0.description.dropFirst(2)) }
      suggestion = nearestMatch(to: word, among: words).map { "--\($0)" }
      // What many programs call so has a short name that they share.
      if word == "verbose", let shown = visible.first(where: { $0.names.contains(.short("v")) }) {
        suggestion = shown.names.first { !$0.isShort }?.description ?? suggestion
      }
    }
    return UsageError(.unknownOption(typed ?? name.description), suggestion: suggestion, in: schema)
  }
}
