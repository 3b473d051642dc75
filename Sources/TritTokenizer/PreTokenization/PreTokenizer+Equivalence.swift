// Tritsmith: whether two pre-tokenizers cut alike.

extension PreTokenizer {
  /// Whether the steps are the same, whatever their patterns are spelled like.
  ///
  /// Versions of Unicode are not told apart: `\p{N}` by two versions counts as one set.
  func cuts(like other: PreTokenizer) -> Bool {
    steps.count == other.steps.count && zip(steps, other.steps).allSatisfy { $0.isSame(as: $1) }
  }
}

extension PreTokenizer.Step {
  fileprivate func isSame(as other: PreTokenizer.Step) -> Bool {
    switch (self, other) {
    case (.prefixSpace, .prefixSpace), (.mapBytes, .mapBytes): return true
    case (.split(let one), .split(let two)):
      guard one.behavior == two.behavior, one.isInverted == two.isInverted else { return false }
      switch (one.pattern, two.pattern) {
      case (.never, .never): return true
      case (.literal(let a), .literal(let b)): return a == b
      case (.program(let a), .program(let b)): return a.matches(like: b)
      default: return false
      }
    default: return false
    }
  }
}

extension PatternProgram {
  /// Whether both are compiled to the same instructions over the same sets.
  func matches(like other: PatternProgram) -> Bool {
    func plain(_ set: ScalarSet) -> ScalarSet { ScalarSet(items: set.items, isInverted: set.isInverted) }
    return instructions == other.instructions && sets.map(plain) == other.sets.map(plain)
  }
}
