// Tritsmith: the syntax tree of a pattern.

/// A place between two scalars, or at an end of the text.
enum PatternPlace: Sendable, Equatable {
  /// The end of the text, or before a line feed (`$`).
  case lineEnd
  /// Between a word character and something else (`\b`).
  case wordEdge
  /// Anywhere else (`\B`).
  case noWordEdge
}

/// A parsed regular expression.
indirect enum PatternNode: Sendable, Equatable {
  enum Repetition: Sendable, Equatable {
    /// As many as possible, giving back when what follows fails.
    case greedy
    /// As few as possible.
    case lazy
    /// As many as possible, never giving back.
    case possessive
  }

  /// One scalar out of a set.
  case set(ScalarSet)
  case sequence([PatternNode])
  /// The first alternative that lets the whole pattern match wins, not the longest.
  case alternation([PatternNode])
  case repeated(PatternNode, minimum: Int, maximum: Int?, Repetition)
  /// Matches nothing where the node matches (or, inverted, does not match) ahead.
  case lookahead(PatternNode, isInverted: Bool)
  /// Once matched, never tried another way.
  case atomic(PatternNode)
  /// A place rather than text.
  case place(PatternPlace)

  /// Whether the node can match the empty string.
  var matchesEmpty: Bool {
    switch self {
    case .set: false
    case .sequence(let nodes): nodes.allSatisfy { $0.matchesEmpty }
    case .alternation(let nodes): nodes.contains { $0.matchesEmpty }
    case .repeated(let node, let minimum, _, _): minimum == 0 || node.matchesEmpty
    case .lookahead, .place: true
    case .atomic(let node): node.matchesEmpty
    }
  }
}
