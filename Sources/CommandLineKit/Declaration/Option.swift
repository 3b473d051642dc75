// Tritsmith: the @Option property wrapper.

/// A named value: `@Option(help: "Worker threads.") var threads = 4` reads `--threads 8` or `--threads=8`.
///
/// Without a default the option is required, unless the property is optional. An array collects every occurrence; a
/// default array is replaced, not extended. When a single option is repeated the last value wins.
@propertyWrapper
package struct Option<Value>: DeclaredArgument {
  private var storage: ArgumentStorage<Value>

  /// The parsed value, or the default before parsing.
  package var wrappedValue: Value {
    get { storage.unwrapped }
    set { storage = storage.replacing(newValue) }
  }

  func definition(property: String) -> ArgumentDefinition { storage.template.definition(property: property) }
  func store(_ word: String) -> Bool { storage.store(word) }
  func store(_ isOn: Bool) {}
}

extension Option where Value: ExpressibleByArgument {
  /// Declares a value with a default.
  package init(
    wrappedValue: Value, name: NameSpecification = .long, help: ArgumentHelp, completion: CompletionKind? = nil
  ) {
    storage = .single(wrappedValue, .init(.option, of: Value.self, name: name, help: help, completion: completion))
  }

  /// Declares a value that must be given.
  package init(name: NameSpecification = .long, help: ArgumentHelp, completion: CompletionKind? = nil) {
    storage = .single(nil, .init(.option, of: Value.self, name: name, help: help, completion: completion))
  }
}

extension Option {
  /// Declares a value that may be absent.
  package init<T: ExpressibleByArgument>(
    name: NameSpecification = .long, help: ArgumentHelp, completion: CompletionKind? = nil
  )
  where Value == T? {
    storage = .optional(nil, .init(.option, of: T.self, name: name, help: help, completion: completion))
  }

  /// Declares a value that may be absent, with the default spelled out.
  package init<T: ExpressibleByArgument>(
    wrappedValue: T?, name: NameSpecification = .long, help: ArgumentHelp, completion: CompletionKind? = nil
  ) where Value == T? {
    storage = .optional(wrappedValue, .init(.option, of: T.self, name: name, help: help, completion: completion))
  }

  /// Declares a list with a default, often the empty one.
  package init<T: ExpressibleByArgument>(
    wrappedValue: [T], name: NameSpecification = .long, help: ArgumentHelp, completion: CompletionKind? = nil
  ) where Value == [T] {
    storage = .array(wrappedValue, .init(.option, of: T.self, name: name, help: help, completion: completion))
  }

  /// Declares a list that needs at least one value.
  package init<T: ExpressibleByArgument>(
    name: NameSpecification = .long, help: ArgumentHelp, completion: CompletionKind? = nil
  )
  where Value == [T] {
    storage = .array(nil, .init(.option, of: T.self, name: name, help: help, completion: completion))
  }
}
