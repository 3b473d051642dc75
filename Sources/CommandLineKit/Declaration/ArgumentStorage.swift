// Tritsmith: the reference slot behind each property wrapper.

/// A wrapped property. One cast finds both kinds: one to a protocol that a type lacks searches the whole program.
protocol DeclaredProperty {
  /// What it declares, under the name of the property.
  func bindings(label: String, section: String?) -> [ArgumentBinding]
  func validateGroups() throws
}

/// What the schema and the parser need of a wrapped property, whatever its value type.
///
/// Commands are structs and reflection yields copies of their wrappers; the copies share the storage, so a value stored
/// through the mirror is the value the command reads.
protocol DeclaredArgument: DeclaredProperty {
  func definition(property: String) -> ArgumentDefinition
  /// Reads one word into the storage; false when the word expresses no value.
  func store(_ word: String) -> Bool
  /// Switches a flag on or off.
  func store(_ isOn: Bool)
}

/// The value of one wrapped property and what was declared about it.
final class ArgumentStorage<Value> {
  private(set) var value: Value?
  private var isFirst = true
  let template: ArgumentTemplate
  /// The new value after one more word, given the values of earlier words.
  private let read: (_ word: String, _ earlier: Value?) -> Value?

  init(value: Value?, template: ArgumentTemplate, read: @escaping (String, Value?) -> Value?) {
    (self.value, self.template, self.read) = (value, template, read)
  }

  /// A slot of its own for a copy that was assigned to.
  func replacing(_ value: Value) -> ArgumentStorage {
    ArgumentStorage(value: value, template: template, read: read)
  }

  func store(_ word: String) -> Bool {
    // The first word replaces the default; later ones join it in an array or replace it.
    guard let value = read(word, isFirst ? nil : value) else { return false }
    (self.value, isFirst) = (value, false)
    return true
  }

  func set(_ value: Value) {
    self.value = value
  }

  var unwrapped: Value {
    guard let value else {
      preconditionFailure("A required argument (\"\(template.help.text)\") was read before parsing")
    }
    return value
  }
}

/// A definition whose names still wait for the property they derive from.
struct ArgumentTemplate {
  var kind: ArgumentDefinition.Kind
  var name: NameSpecification = []
  var inversion: FlagInversion = .none
  var help: ArgumentHelp
  var isRequired = false
  var isRepeating = false
  var defaultDescription: String?
  var allowedValues: [String] = []
  var expectation = ""
  /// Why words are no values, by those in lower case, where their type knows more than that.
  var refusals: [String: String] = [:]
  var completion: CompletionKind = .none
  /// What values of the type are called.
  var valueName: String?

  func definition(property: String) -> ArgumentDefinition {
    let names = name.names(forProperty: property)
    var definition = ArgumentDefinition(
      kind: kind, property: property, names: names, invertedNames: inversion.names(of: names),
      valueName: help.valueName ?? valueName ?? kebabCase(property), help: help.text, isRequired: isRequired,
      isRepeating: isRepeating, defaultDescription: defaultDescription, allowedValues: allowedValues,
      expectation: expectation, completion: completion, visibility: help.visibility, isDetail: help.isDetail,
      isUsual: help.isUsual, takesStream: help.takesStream, section: nil)
    definition.refusals = refusals
    definition.isGivenOnce = help.isGivenOnce
    return definition
  }
}

extension ArgumentTemplate {
  /// What every argument that takes words of type `T` has in common.
  init<T: ExpressibleByArgument>(
    _ kind: ArgumentDefinition.Kind, of type: T.Type, name: NameSpecification, help: ArgumentHelp,
    completion: CompletionKind?
  ) {
    self.init(
      kind: kind, name: name, help: help, allowedValues: T.allowedArguments, expectation: T.argumentExpectation,
      refusals: T.refusals, completion: completion ?? T.defaultCompletion,
      valueName: kind == .option ? T.valueName : nil)
  }

  func required() -> ArgumentTemplate {
    with { $0.isRequired = true }
  }

  func repeating() -> ArgumentTemplate {
    with { $0.isRepeating = true }
  }

  func showing(_ value: String?) -> ArgumentTemplate {
    with { $0.defaultDescription = value.flatMap { $0.isEmpty ? nil : $0 } }
  }

  private func with(_ change: (inout ArgumentTemplate) -> Void) -> ArgumentTemplate {
    var copy = self
    change(&copy)
    return copy
  }
}

// MARK: - The five shapes of a value

extension ArgumentStorage {
  static func single(_ value: Value?, _ template: ArgumentTemplate) -> ArgumentStorage
  where Value: ExpressibleByArgument {
    let template = value == nil ? template.required() : template.showing(value?.argumentDescription)
    return ArgumentStorage(value: value, template: template) { word, _ in Value(argument: word) }
  }

  static func optional<T: ExpressibleByArgument>(_ value: T?, _ template: ArgumentTemplate) -> ArgumentStorage
  where Value == T? {
    ArgumentStorage(value: .some(value), template: template.showing(value?.argumentDescription)) { word, _ in
      T(argument: word).map(Optional.some)
    }
  }

  static func array<T: ExpressibleByArgument>(_ value: [T]?, _ template: ArgumentTemplate) -> ArgumentStorage
  where Value == [T] {
    let shown = value?.map(\.argumentDescription).joined(separator: ", ")
    let template = value == nil ? template.required() : template.showing(shown)
    return ArgumentStorage(value: value, template: template.repeating()) { word, earlier in
      T(argument: word).map { (earlier ?? []) + [$0] }
    }
  }
}
