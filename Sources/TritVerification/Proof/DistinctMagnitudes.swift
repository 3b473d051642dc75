// Tritsmith: whether numbers have many magnitudes.

/// Magnitudes of numbers, as many as are needed to know that they are many: a matrix of trits and few scales has few.
package struct DistinctMagnitudes: Sendable {
  package static let many = 64
  private var found: Set<Float> = []
  /// The last one: a row of trits has one, and a set is dear to ask of every number.
  private var last: Float?

  package init() {}

  package var areMany: Bool { found.count >= DistinctMagnitudes.many }

  package mutating func add(_ number: Float) {
    guard number.magnitude != last, !areMany else { return }
    last = number.magnitude
    found.insert(number.magnitude)
  }

  package mutating func add(_ others: DistinctMagnitudes) {
    if !areMany { found.formUnion(others.found) }
  }
}
