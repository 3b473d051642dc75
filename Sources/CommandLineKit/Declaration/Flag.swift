// Tritsmith: the @Flag property wrapper.

/// Whether a flag has a second spelling that switches it off.
package enum FlagInversion: Sendable {
  case none
  /// `--mmap` gains `--no-mmap`.
  case prefixedNo

  func names(of names: [ArgumentName]) -> [ArgumentName] {
    guard case .prefixedNo = self else { return [] }
    return names.compactMap { name in
      if case .long(let word) = name { .long("no-\(word)") } else { nil }
    }
  }
}

/// A switch: `@Flag(help: "Print the plan and stop.") var dryRun = false` reads `--dry-run`.
///
/// With `inversion: .prefixedNo` both `--mmap` and `--no-mmap` are read and the last one wins. An optional Bool with an
/// inversion tells "not said" from either.
@propertyWrapper
package struct Flag<Value>: DeclaredArgument {
  private var storage: ArgumentStorage<Value>
  private let value: (Bool) -> Value

  /// Whether the flag was given, or the default before parsing.
  package var wrappedValue: Value {
    get { storage.unwrapped }
    set { storage = storage.replacing(newValue) }
  }

  func definition(property: String) -> ArgumentDefinition { storage.template.definition(property: property) }
  func store(_ word: String) -> Bool { false }
  func store(_ isOn: Bool) { storage.set(value(isOn)) }
}

extension Flag where Value == Bool {
  /// Declares a switch.
  package init(
    wrappedValue: Bool, name: NameSpecification = .long, inversion: FlagInversion = .none, help: ArgumentHelp
  ) {
    var template = ArgumentTemplate(kind: .flag, name: name, inversion: inversion, help: help)
    if case .prefixedNo = inversion { template.defaultDescription = wrappedValue ? "on" : "off" }
    storage = ArgumentStorage(value: wrappedValue, template: template) { _, _ in nil }
    value = { $0 }
  }
}

extension Flag where Value == Bool? {
  /// Declares a switch with a third state, not said.
  package init(name: NameSpecification = .long, inversion: FlagInversion = .prefixedNo, help: ArgumentHelp) {
    let template = ArgumentTemplate(kind: .flag, name: name, inversion: inversion, help: help)
    storage = ArgumentStorage(value: .some(nil), template: template) { _, _ in nil }
    value = { $0 }
  }
}
