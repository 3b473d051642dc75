// Tritsmith: the @Argument property wrapper.

/// A word found by its position: `@Argument(help: "The model to read.") var input: String`.
///
/// An optional or defaulted property makes the word optional; an array takes every remaining word and must be the last
/// argument (at least one word is required unless it has a default).
@propertyWrapper
package struct Argument<Value>: DeclaredArgument {
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

extension Argument where Value: ExpressibleByArgument {
  /// Declares a value with a default.
  package init(wrappedValue: Value, help: ArgumentHelp, completion: CompletionKind? = nil) {
    storage = .single(wrappedValue, .init(.positional, of: Value.self, name: [], help: help, completion: completion))
  }

  /// Declares a value that must be given.
  package init(help: ArgumentHelp, completion: CompletionKind? = nil) {
    storage = .single(nil, .init(.positional, of: Value.self, name: [], help: help, completion: completion))
  }
}

extension Argument {
  /// Declares a value that may be absent.
  package init<T: ExpressibleByArgument>(help: ArgumentHelp, completion: CompletionKind? = nil)
  where Value == T? {
    storage = .optional(nil, .init(.positional, of: T.self, name: [], help: help, completion: completion))
  }

  /// Declares a value that may be absent, with the default spelled out.
  package init<T: ExpressibleByArgument>(
    wrappedValue: T?, help: ArgumentHelp, completion: CompletionKind? = nil
  ) where Value == T? {
    storage = .optional(wrappedValue, .init(.positional, of: T.self, name: [], help: help, completion: completion))
  }

  /// Declares a list with a default, often the empty one.
  package init<T: ExpressibleByArgument>(
    wrappedValue: [T], help: ArgumentHelp, completion: CompletionKind? = nil
  ) where Value == [T] {
    storage = .array(wrappedValue, .init(.positional, of: T.self, name: [], help: help, completion: completion))
  }

  /// Declares a list that needs at least one value.
  package init<T: ExpressibleByArgument>(help: ArgumentHelp, completion: CompletionKind? = nil)
  where Value == [T] {
    storage = .array(nil, .init(.positional, of: T.self, name: [], help: help, completion: completion))
  }
}
