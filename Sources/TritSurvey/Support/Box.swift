// Tritsmith: values held apart.

/// A value in memory of its own, for what most elements of a long array do not have.
package final class Box<Value: Sendable>: Sendable {
  package let value: Value

  package init(_ value: Value) {
    self.value = value
  }
}

/// What few elements of a long array were found to have, all of it absent at first.
package protocol RareFindings: Sendable, Equatable {
  init()
}

/// Holds such findings apart, because they are larger than all the rest of an element; where there are none, nothing.
@propertyWrapper
package struct HeldApart<Findings: RareFindings>: Sendable {
  private var box: Box<Findings>?

  package init() {}

  package var wrappedValue: Findings {
    get { box?.value ?? Findings() }
    set { box = newValue == Findings() ? nil : Box(newValue) }
  }

  /// Whether memory is used for findings.
  var isHeld: Bool { box != nil }
}
