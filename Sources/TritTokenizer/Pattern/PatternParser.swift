// Tritsmith: reading the regular expressions that tokenizers split text with.

/// Why a pattern is refused.
struct PatternError: Error, Equatable {
  /// What the pattern uses, in words.
  var construct: String
  /// Position in the pattern, in scalars.
  var offset: Int
}

/// Parses the subset of Oniguruma's syntax that published byte-level tokenizers use.
///
/// Anything else is refused rather than approximated: a pattern read differently gives other ids without an error.
struct PatternParser {
  var scalars: [Unicode.Scalar]
  var position = 0
  /// The character data of its classes.
  let unicode: UnicodeVersion
  /// Inside `(?i:…)`.
  var ignoresCase = false
  private var depth = 0
  var classDepth = 0
  static let depthLimit = 32
  static let repetitionLimit = 1000

  static func parse(
    _ pattern: String, unicode: UnicodeVersion = .oniguruma
  ) throws(PatternError) -> PatternNode {
    var parser = PatternParser(scalars: Array(pattern.unicodeScalars), unicode: unicode)
    let node = try parser.alternation()
    if parser.position < parser.scalars.count { throw parser.fail("an unmatched ')'") }
    return node
  }

  private init(scalars: [Unicode.Scalar], unicode: UnicodeVersion) {
    self.scalars = scalars
    self.unicode = unicode
  }

  // MARK: Structure

  private mutating func alternation() throws(PatternError) -> PatternNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= PatternParser.depthLimit else {
      throw fail("groups nested deeper than \(PatternParser.depthLimit) levels")
    }
    var branches = [try sequence()]
    while accept("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .alternation(branches)
  }

  private mutating func sequence() throws(PatternError) -> PatternNode {
    var nodes: [PatternNode] = []
    while let scalar = peek(), scalar != "|", scalar != ")" {
      let start = position
      let atom = try atom()
      let node = try quantified(atom)
      if ignoresCase, let last = nodes.last, foldsTogether(last, node) {
        throw PatternError(construct: "letters that ignore case as one character (such as 'ss' and 'ß')", offset: start)
      }
      nodes.append(node)
    }
    return nodes.count == 1 ? nodes[0] : .sequence(nodes)
  }

  private mutating func atom() throws(PatternError) -> PatternNode {
    let start = position
    guard let scalar = next() else { throw fail("nothing where something to match must stand") }
    switch scalar {
    case "(": return try group(start)
    case "[": return .set(try characterClass(start))
    case "\\":
      if accept("b") { return .place(.wordEdge) }
      if accept("B") { return .place(.noWordEdge) }
      return .set(try escape(start))
    case ".": return .set(ScalarSet(items: [.range(0x0A, 0x0A)], isInverted: true, unicode: unicode))
    case "$": return .place(.lineEnd)
    case "^": throw PatternError(construct: "the anchor '^'", offset: start)
    case "?", "*", "+": throw PatternError(construct: "a quantifier with nothing before it", offset: start)
    case "{", "}", "]": throw PatternError(construct: "'\(scalar)' without a backslash", offset: start)
    default: return .set(try literal(scalar, start))
    }
  }

  private mutating func group(_ start: Int) throws(PatternError) -> PatternNode {
    let outer = ignoresCase
    defer { ignoresCase = outer }
    var wrap: (PatternNode) -> PatternNode = { $0 }
    if accept("?") {
      switch next() {
      case ":": break
      case "=": wrap = { .lookahead($0, isInverted: false) }
      case "!": wrap = { .lookahead($0, isInverted: true) }
      case ">": wrap = { .atomic($0) }
      case "i" where accept(":"): ignoresCase = true
      default:
        throw PatternError(
          construct: "a group of a kind other than (…) (?:…) (?i:…) (?=…) (?!…) (?>…)", offset: start)
      }
    }
    let node = try alternation()
    guard accept(")") else { throw PatternError(construct: "a group that does not end", offset: start) }
    return wrap(node)
  }

  private mutating func quantified(_ atom: PatternNode) throws(PatternError) -> PatternNode {
    let start = position
    let minimum: Int
    let maximum: Int?
    var isInterval = false
    switch peek() {
    case "?": (minimum, maximum) = (0, 1)
    case "*": (minimum, maximum) = (0, nil)
    case "+": (minimum, maximum) = (1, nil)
    case "{":
      isInterval = true
      (minimum, maximum) = try interval()
    default: return atom
    }
    if !isInterval { position += 1 }
    switch atom {
    case .lookahead, .place: throw PatternError(construct: "a quantifier on a place", offset: start)
    default: break
    }
    if maximum == nil, atom.matchesEmpty {
      throw PatternError(construct: "an unlimited quantifier on something that can be empty", offset: start)
    }
    var repetition = PatternNode.Repetition.greedy
    // Oniguruma reads `{1,3}?` and `{1,3}+` in its own way; no known tokenizer has them.
    if let suffix = peek(), suffix == "?" || suffix == "+" || suffix == "*" {
      guard !isInterval, suffix != "*" else { throw fail("a quantifier on a quantifier") }
      position += 1
      repetition = suffix == "?" ? .lazy : .possessive
      if let third = peek(), third == "?" || third == "+" || third == "*" { throw fail("a quantifier on a quantifier") }
    }
    if peek() == "{" { throw fail("a quantifier on a quantifier") }
    return .repeated(atom, minimum: minimum, maximum: maximum, repetition)
  }

  /// `{n}`, `{n,}`, `{n,m}` or `{,m}`.
  private mutating func interval() throws(PatternError) -> (Int, Int?) {
    let start = position
    position += 1
    let low = number()
    let hasComma = accept(",")
    let high = hasComma ? number() : low
    guard accept("}"), low != nil || high != nil else {
      throw PatternError(construct: "'{' that begins no {n,m}", offset: start)
    }
    let minimum = low ?? 0
    let maximum = high
    guard minimum <= PatternParser.repetitionLimit, (maximum ?? 0) <= PatternParser.repetitionLimit,
      minimum <= maximum ?? minimum, maximum != 0
    else {
      throw PatternError(
        construct: "a repetition count that is reversed, zero or above \(PatternParser.repetitionLimit)",
        offset: start)
    }
    return (minimum, maximum)
  }

  private mutating func number() -> Int? {
    var value: Int?
    while let scalar = peek(), scalar.value >= 0x30, scalar.value <= 0x39 {
      value = min((value ?? 0) * 10 + Int(scalar.value - 0x30), PatternParser.repetitionLimit + 1)
      position += 1
    }
    return value
  }

  // MARK: Scalars

  func peek() -> Unicode.Scalar? {
    position < scalars.count ? scalars[position] : nil
  }

  mutating func next() -> Unicode.Scalar? {
    guard position < scalars.count else { return nil }
    position += 1
    return scalars[position - 1]
  }

  mutating func accept(_ scalar: Unicode.Scalar) -> Bool {
    guard peek() == scalar else { return false }
    position += 1
    return true
  }

  func fail(_ construct: String) -> PatternError {
    PatternError(construct: construct, offset: position)
  }
}
