// Tritsmith: whether two patterns match alike, whatever they are spelled like.

/// Scalars in groups, each of which every set of some patterns holds whole or not at all.
///
/// The boundaries of all ranges, with every white space by itself, cut the scalars into segments; a group is what one
/// segment holds of one general category. Of long segments every category is assumed to be there. Sets of scalars are
/// then sets of bits, and `[^\s]` and `[^\s\n]` the same one.
struct ScalarGroups {
  /// First scalars of the segments, ascending from 0.
  private var starts: [UInt32]
  /// Which categories a segment has.
  private var categories: [UInt32]
  private var isSpace: [Bool]

  /// The groups that the sets of some patterns need.
  init(_ nodes: [PatternNode]) {
    var cuts: Set<UInt32> = [0]
    for node in nodes { node.visitSets { $0.addCuts(to: &cuts) } }
    for value in UInt32(0)...0x3000 {
      guard let scalar = Unicode.Scalar(value), scalar.properties.isWhitespace else { continue }
      cuts.insert(value)
      cuts.insert(value + 1)
    }
    starts = cuts.filter { $0 <= 0x10FFFF }.sorted()
    categories = []
    isSpace = []
    for (index, start) in starts.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1] : 0x110000
      isSpace.append(Unicode.Scalar(start)?.properties.isWhitespace ?? false)
      var mask: UInt32 = end - start > 64 ? GeneralCategories.all : 0
      for value in start..<end where mask != GeneralCategories.all {
        guard let scalar = Unicode.Scalar(value) else { continue }
        mask |= 1 << GeneralCategories.index(of: scalar, .oniguruma)
      }
      categories.append(mask)
    }
  }

  /// A set as the groups in it.
  func bits(_ set: ScalarSet) -> ScalarBits {
    var bits = ScalarBits(masks: Array(repeating: 0, count: starts.count), hasOtherWords: false)
    for item in set.items {
      switch item {
      case .range(let low, let high):
        for index in starts.indices where starts[index] >= low && starts[index] <= high { bits.masks[index] = .max }
      case .categories(let mask): for index in starts.indices { bits.masks[index] |= mask }
      case .whiteSpace(let expected):
        for index in starts.indices where isSpace[index] == expected { bits.masks[index] = .max }
      case .word:
        // Letters, marks, decimal and letter numbers, connectors; the few others are one group of their own.
        let letters: UInt32 = 0b11111 | 1 << 9
        for index in starts.indices { bits.masks[index] |= GeneralCategories.word | letters }
        bits.hasOtherWords = true
      }
    }
    for index in starts.indices {
      if set.isInverted { bits.masks[index] = ~bits.masks[index] }
      bits.masks[index] &= categories[index]
    }
    if set.isInverted { bits.hasOtherWords.toggle() }
    return bits
  }

  /// Every scalar.
  var everything: ScalarBits { ScalarBits(masks: categories, hasOtherWords: true) }
}

/// A set of scalars as groups.
struct ScalarBits: Hashable {
  /// Categories in each segment.
  var masks: [UInt32]
  /// Whether it holds the word characters of `\w` whose category is not one of words.
  var hasOtherWords: Bool

  func isDisjoint(from other: ScalarBits) -> Bool {
    zip(masks, other.masks).allSatisfy { $0 & $1 == 0 }
  }

  func contains(_ other: ScalarBits) -> Bool {
    zip(masks, other.masks).allSatisfy { $1 & ~$0 == 0 } && (hasOtherWords || !other.hasOtherWords)
  }

  func union(_ other: ScalarBits) -> ScalarBits {
    ScalarBits(
      masks: zip(masks, other.masks).map { $0 | $1 }, hasOtherWords: hasOtherWords || other.hasOtherWords)
  }

  func precedes(_ other: ScalarBits) -> Bool {
    masks == other.masks ? !hasOtherWords && other.hasOtherWords : masks.lexicographicallyPrecedes(other.masks)
  }
}

extension ScalarSet {
  fileprivate func addCuts(to cuts: inout Set<UInt32>) {
    for case .range(let low, let high) in items {
      cuts.insert(low)
      cuts.insert(high + 1)
    }
  }
}

extension PatternNode {
  fileprivate func visitSets(_ body: (ScalarSet) -> Void) {
    switch self {
    case .set(let set): body(set)
    case .sequence(let nodes), .alternation(let nodes): for node in nodes { node.visitSets(body) }
    case .repeated(let node, _, _, _), .lookahead(let node, _), .atomic(let node): node.visitSets(body)
    case .place: break
    }
  }
}

/// A pattern in a form that does not depend on how it is spelled, as far as the rules below go.
indirect enum PatternForm: Equatable {
  case set(ScalarBits)
  case sequence([PatternForm])
  case alternation([PatternForm])
  case repeated(PatternForm, minimum: Int, maximum: Int?, PatternNode.Repetition)
  case lookahead(PatternForm, isInverted: Bool)
  case atomic(PatternForm)
  case place(PatternPlace)

  /// The form of a whole pattern.
  init(_ node: PatternNode, _ groups: ScalarGroups) {
    self = PatternForm.plain(node, groups).withPlainTails
  }

  /// The alternatives in their order; one for a pattern without.
  var alternatives: [PatternForm] {
    if case .alternation(let forms) = self { return forms }
    return [self]
  }

  /// The parts in their order; one for a part by itself.
  var parts: [PatternForm] {
    if case .sequence(let forms) = self { return forms }
    return [self]
  }

  private static func sequence(of forms: [PatternForm]) -> PatternForm {
    forms.count == 1 ? forms[0] : .sequence(forms)
  }

  private var matchesEmpty: Bool {
    switch self {
    case .set: false
    case .sequence(let forms): forms.allSatisfy { $0.matchesEmpty }
    case .alternation(let forms): forms.contains { $0.matchesEmpty }
    case .repeated(let form, let minimum, _, _): minimum == 0 || form.matchesEmpty
    case .lookahead, .place: true
    case .atomic(let form): form.matchesEmpty
    }
  }

  private var looksAround: Bool {
    switch self {
    case .set: false
    case .sequence(let forms), .alternation(let forms): forms.contains { $0.looksAround }
    case .repeated(let form, _, _, _), .atomic(let form): form.looksAround
    case .lookahead, .place: true
    }
  }

  // MARK: - Structure

  private static func plain(_ node: PatternNode, _ groups: ScalarGroups) -> PatternForm {
    switch node {
    case .set(let set): return .set(groups.bits(set))
    case .sequence(let nodes): return sequence(of: nodes.flatMap { plain($0, groups).parts })
    case .alternation(let nodes):
      let forms = nodes.flatMap { plain($0, groups).alternatives }.flatMap { $0.distributed }
      return joined(forms)
    case .repeated(let node, let minimum, let maximum, _) where minimum == maximum && 1...8 ~= minimum:
      return sequence(of: (0..<minimum).flatMap { _ in plain(node, groups).parts })
    case .repeated(let node, let minimum, let maximum, let repetition):
      return .repeated(plain(node, groups), minimum: minimum, maximum: maximum, repetition)
    case .lookahead(let node, let isInverted): return .lookahead(plain(node, groups), isInverted: isInverted)
    case .atomic(let node): return .atomic(plain(node, groups))
    case .place(let place): return .place(place)
    }
  }

  /// The sets of a text of fixed length; nil for anything else.
  private var word: [ScalarBits]? {
    var result: [ScalarBits] = []
    for part in parts {
      guard case .set(let bits) = part else { return nil }
      result.append(bits)
    }
    return result
  }

  /// `a(b|cd)` as `ab` and `acd`: what follows a fixed beginning, as alternatives of their own.
  private var distributed: [PatternForm] {
    let parts = parts
    guard let last = parts.last, case .alternation(let choices) = last, choices.count <= 32,
      let head = PatternForm.sequence(of: Array(parts.dropLast())).word, parts.count > 1
    else { return [self] }
    return choices.map { .sequence(head.map { .set($0) } + $0.parts) }
  }

  /// Alternatives with runs of fixed words in an order of their own, where the order decides nothing.
  private static func joined(_ forms: [PatternForm]) -> PatternForm {
    var result: [PatternForm] = []
    var words: [[ScalarBits]] = []
    func flush() {
      result += merged(words).map { sequence(of: $0.map { .set($0) }) }
      words = []
    }
    for form in forms {
      if let word = form.word, !word.isEmpty {
        words.append(word)
      } else {
        flush()
        result.append(form)
      }
    }
    flush()
    return result.count == 1 ? result[0] : .alternation(result)
  }

  /// Words of which no text can match two, sorted, those that differ in one place made one.
  private static func merged(_ words: [[ScalarBits]]) -> [[ScalarBits]] {
    guard words.count <= 64 else { return words }
    for (index, one) in words.enumerated() {
      for other in words[(index + 1)...]
      where one != other && !zip(one, other).contains(where: { $0.isDisjoint(from: $1) }) { return words }
    }
    func precedes(_ one: [ScalarBits], _ other: [ScalarBits]) -> Bool {
      one.count == other.count
        ? one.lexicographicallyPrecedes(other) { $0.precedes($1) } : one.count < other.count
    }
    var result = Array(Set(words)).sorted(by: precedes)
    var index = 0
    while index < result.count {
      let word = result[index]
      let other = result.indices.dropFirst(index + 1).first { place in
        result[place].count == word.count && zip(word, result[place]).count { $0 != $1 } == 1
      }
      if let other {
        result[index] = zip(word, result[other]).map { $0.union($1) }
        result.remove(at: other)
        result.sort(by: precedes)
        index = 0
      } else {
        index += 1
      }
    }
    return result
  }

  // MARK: - Repetitions that never give back

  /// The pattern with the repetitions of its alternatives' ends in one spelling.
  private var withPlainTails: PatternForm {
    let forms = alternatives.map { form -> PatternForm in
      var parts = form.parts
      for index in parts.indices { parts[index] = parts[index].greedy(before: parts[(index + 1)...]) }
      // `X*Y+` takes what `X*Y` takes where Y is part of X: the first run leaves one.
      if let last = parts.last, parts.count > 1, case .repeated(.set(let tail), 1, nil, .greedy) = last,
        case .repeated(.set(let run), 0, nil, .greedy) = parts[parts.count - 2], run.contains(tail)
      {
        parts[parts.count - 1] = .set(tail)
      }
      return PatternForm.sequence(of: parts)
    }
    return forms.count == 1 ? forms[0] : .alternation(forms)
  }

  /// A run that never gives back as one that may, where giving back could not help what follows.
  private func greedy(before rest: ArraySlice<PatternForm>) -> PatternForm {
    guard case .repeated(.set(let run), let minimum, let maximum, .possessive) = self else { return self }
    let isFree =
      switch rest.first {
      case .set(let next), .repeated(.set(let next), 1..., _, _): next.isDisjoint(from: run)
      default: rest.allSatisfy { $0.matchesEmpty && !$0.looksAround }
      }
    return isFree ? .repeated(.set(run), minimum: minimum, maximum: maximum, .greedy) : self
  }

  // MARK: - What is matched

  /// Whether every scalar, wherever it stands, is part of a match: then nothing lies between matches.
  func coversAll(_ groups: ScalarGroups) -> Bool {
    var covered: ScalarBits?
    for form in alternatives {
      let needed = form.parts.filter { !$0.matchesEmpty }
      guard needed.count == 1, !form.parts.contains(where: { $0.looksAround }) else { continue }
      let bits: ScalarBits
      switch needed[0] {
      case .set(let set), .repeated(.set(let set), 1, _, .greedy): bits = set
      default: continue
      }
      covered = covered?.union(bits) ?? bits
    }
    return covered?.contains(groups.everything) ?? false
  }
}
