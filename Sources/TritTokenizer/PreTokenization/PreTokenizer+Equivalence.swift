// Tritsmith: whether two pre-tokenizers cut alike.

extension PreTokenizer {
  /// Whether the steps cut every text alike, whatever they are spelled like: sets are compared by what they hold,
  /// patterns by `PatternForm`, and steps that come to the same (`Digits` and `\p{N}+`) count as one.
  ///
  /// It errs on one side: steps it calls different may still cut alike. Versions of Unicode are not told apart:
  /// `\p{N}` by two versions counts as one set.
  package func cuts(like other: PreTokenizer) -> Bool {
    let one = plainSteps
    let two = other.plainSteps
    guard one.count == two.count else { return false }
    var isMapped = false
    for (step, otherStep) in zip(one, two) {
      guard step.isSame(as: otherStep, isMapped: isMapped) else { return false }
      if case .mapBytes = step { isMapped = true }
    }
    return true
  }

  /// The steps that do something.
  private var plainSteps: [Step] {
    steps.filter {
      if case .split(let splitter) = $0, case .never = splitter.pattern { return false }
      return true
    }
  }
}

extension PreTokenizer.Step {
  fileprivate func isSame(as other: PreTokenizer.Step, isMapped: Bool) -> Bool {
    switch (self, other) {
    case (.prefixSpace, .prefixSpace), (.mapBytes, .mapBytes): true
    case (.metaspace(let one), .metaspace(let two)): one == two
    case (.split(let one), .split(let two)): one.cuts(like: two, isMapped: isMapped)
    default: false
    }
  }
}

extension Splitter {
  fileprivate func cuts(like other: Splitter, isMapped: Bool) -> Bool {
    guard let one = node(isMapped: isMapped), let two = other.node(isMapped: isMapped) else { return false }
    if let rule = wordRule, let otherRule = other.wordRule, rule != otherRule { return false }
    if one == two, behavior == other.behavior, isInverted == other.isInverted { return true }
    let groups = ScalarGroups([one, two])
    return plain(one, groups) == other.plain(two, groups)
  }

  /// Whose words the pattern speaks of; nil when it speaks of none.
  private var wordRule: Bool? {
    guard case .program(let program) = pattern else { return nil }
    return program.sets.contains { $0.items.contains(.word) } ? program.unicode.isOniguruma : nil
  }

  private struct Plain: Equatable {
    var form: PatternForm
    var behavior: SplitBehavior
    var isInverted: Bool
  }

  /// The pattern's tree, over stand-ins where bytes are seen as such; nil for a pattern that never matches.
  private func node(isMapped: Bool) -> PatternNode? {
    switch pattern {
    case .program(let program): return program.node
    case .never: return nil
    case .literal(let bytes):
      let values =
        isMapped
        ? bytes.map { ByteAlphabet.scalars[Int($0)] }
        : String(decoding: bytes, as: UTF8.self).unicodeScalars.map { $0.value }
      return .sequence(values.map { .set(ScalarSet(items: [.range($0, $0)])) })
    }
  }

  /// The step as one that makes matches pieces of their own, where it comes to that.
  private func plain(_ node: PatternNode, _ groups: ScalarGroups) -> Plain {
    let form = PatternForm(node, groups)
    if behavior == .contiguous, !isInverted, case .set = form {
      return Plain(
        form: .repeated(form, minimum: 1, maximum: nil, .greedy), behavior: .isolated, isInverted: false)
    }
    // Only matches are kept, and nothing lies between them.
    if behavior == .removed, isInverted, form.coversAll(groups) {
      return Plain(form: form, behavior: .isolated, isInverted: false)
    }
    return Plain(form: form, behavior: behavior, isInverted: isInverted && behavior != .isolated)
  }
}

extension PatternProgram {
  /// The tree the program was made from.
  fileprivate var node: PatternNode? {
    if sets.count == 1, instructions.count == 2, instructions[0].operation == .set { return .set(sets[0]) }
    return try? PatternParser.parse(pattern, unicode: unicode)
  }
}
