// Tritsmith: values held apart.

/// A value in memory of its own, for what most elements of a long array do not have.
final class Box<Value: Sendable>: Sendable {
  let value: Value

  init(_ value: Value) {
    self.value = value
  }
}
