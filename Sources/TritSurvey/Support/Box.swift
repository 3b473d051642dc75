// Tritsmith: values held apart.

/// A value in memory of its own, for what most elements of a long array do not have.
package final class Box<Value: Sendable>: Sendable {
  package let value: Value

  package init(_ value: Value) {
    self.value = value
  }
}
