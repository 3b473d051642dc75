// Tritsmith: values held apart.

/// A value in memory of its own, for what most elements of a long array do not have.
final class Box<Value: Sendable>: Sendable {
  let value: Value

  init(_ value: Value) {
    self.value = value
  }
}

/// What few elements of a long array were found to have, all of it absent at first.
protocol RareFindings: Sendable, Equatable {
  init()
}

/// Holds such findings apart, because they are larger than all the rest of an element; where there are none, nothing.
@propertyWrapper
struct HeldApart<Findings: RareFindings>: Sendable {
  private var box: Box<Findings>?

  init() {}

  var wrappedValue: Findings {
    get { box?.value ?? Findings() }
    set { box = newValue == Findings() ? nil : Box(newValue) }
  }

  /// Whether memory is used for findings.
  var isHeld: Bool { box != nil }
}
