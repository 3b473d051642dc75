// Tritsmith: literals, escapes and character classes of patterns.

extension PatternParser {
  /// One literal scalar, with its other cases inside `(?i:…)`.
  func literal(_ scalar: Unicode.Scalar, _ start: Int) throws(PatternError) -> ScalarSet {
    try folded(ScalarSet(items: [.range(scalar.value, scalar.value)], unicode: unicode), start)
  }

  /// What follows a backslash outside of a class.
  mutating func escape(_ start: Int) throws(PatternError) -> ScalarSet {
    let set = ScalarSet(items: [try escapedItem(start)], unicode: unicode)
    return try folded(set, start)
  }

  /// `[…]`, after the opening bracket.
  mutating func characterClass(_ start: Int) throws(PatternError) -> ScalarSet {
    var set = ScalarSet(items: [], unicode: unicode)
    let isInverted = accept("^")
    while true {
      let itemStart = position
      guard let scalar = next() else { throw PatternError(construct: "a class that does not end", offset: start) }
      if scalar == "]" { break }
      if scalar == "[" {
        try appendClass(to: &set, itemStart)
        continue
      }
      if scalar == "&", peek() == "&" { throw PatternError(construct: "an intersection of classes", offset: itemStart) }
      let item = scalar == "\\" ? try escapedItem(itemStart) : .range(scalar.value, scalar.value)
      // A hyphen is itself at either end of the class and makes a range anywhere else.
      guard peek() == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
        set.items.append(item)
        continue
      }
      position += 1
      let endStart = position
      guard let end = next() else { throw PatternError(construct: "a class that does not end", offset: start) }
      let last = end == "\\" ? try escapedItem(endStart) : .range(end.value, end.value)
      guard case .range(let low, let lowEnd) = item, case .range(let high, let highEnd) = last, low == lowEnd,
        high == highEnd, low <= high, scalar != "-", end != "["
      else {
        throw PatternError(construct: "a range in a class that is not two ascending characters", offset: itemStart)
      }
      set.items.append(.range(low, high))
    }
    if set.items.isEmpty { throw PatternError(construct: "an empty class", offset: start) }
    set = try folded(set, start)
    set.isInverted = isInverted
    return set
  }

  /// A class inside a class adds what it holds, after its opening bracket.
  private mutating func appendClass(to set: inout ScalarSet, _ start: Int) throws(PatternError) {
    guard peek() != "^", peek() != ":" else {
      throw PatternError(construct: "a class inside a class that is inverted or named", offset: start)
    }
    classDepth += 1
    defer { classDepth -= 1 }
    guard classDepth <= PatternParser.depthLimit else {
      throw PatternError(construct: "classes nested deeper than \(PatternParser.depthLimit) levels", offset: start)
    }
    set.items += try characterClass(start).items
  }

  /// After a backslash: a category, a shorthand or a literal.
  private mutating func escapedItem(_ start: Int) throws(PatternError) -> ScalarSet.Item {
    guard let letter = next() else { throw PatternError(construct: "a backslash at the end", offset: start) }
    switch letter {
    case "p", "P": return try category(isInverted: letter == "P", start)
    case "s": return .whiteSpace(true)
    case "S": return .whiteSpace(false)
    case "d": return .categories(1 << 8)
    case "D": return .categories(GeneralCategories.all & ~(1 << 8))
    case "w": return .word
    case "r": return .range(0x0D, 0x0D)
    case "n": return .range(0x0A, 0x0A)
    case "t": return .range(0x09, 0x09)
    case "f": return .range(0x0C, 0x0C)
    case "v": return .range(0x0B, 0x0B)
    case "u": return try codePoint(digits: 4, start)
    case "x":
      guard accept("{") else { return try codePoint(digits: 2, start) }
      let item = try codePoint(digits: nil, start)
      guard accept("}") else { throw PatternError(construct: "a code point that does not end", offset: start) }
      return item
    case "a"..."z", "A"..."Z", "0"..."9":
      throw PatternError(construct: "the escape '\\\(letter)'", offset: start)
    case _ where letter.isASCII: return .range(letter.value, letter.value)
    default: throw PatternError(construct: "a backslash before a character outside of ASCII", offset: start)
    }
  }

  /// `{L}` or `{^L}` after `\p`.
  private mutating func category(isInverted: Bool, _ start: Int) throws(PatternError) -> ScalarSet.Item {
    guard accept("{") else { throw PatternError(construct: "\\p without braces", offset: start) }
    let isInverted = accept("^") != isInverted
    var name = ""
    while let scalar = next(), scalar != "}" { name.unicodeScalars.append(scalar) }
    guard position > 0, scalars[position - 1] == "}", let mask = GeneralCategories.mask(named: name) else {
      throw PatternError(construct: "the property '\(name)'", offset: start)
    }
    return .categories(isInverted ? GeneralCategories.all & ~mask : mask)
  }

  /// A code point in hexadecimal: exactly so many digits, or up to eight when not said.
  private mutating func codePoint(digits: Int?, _ start: Int) throws(PatternError) -> ScalarSet.Item {
    var value: UInt32 = 0
    var count = 0
    while count < digits ?? 8, let scalar = peek(), let digit = hexadecimalDigit(scalar) {
      value = value << 4 | digit
      position += 1
      count += 1
    }
    // `\x80` and up would be a byte, not a character, for Oniguruma.
    guard count == digits ?? max(count, 1), Unicode.Scalar(value) != nil, digits != 2 || value < 0x80 else {
      throw PatternError(construct: "a code point that is not a character", offset: start)
    }
    return .range(value, value)
  }

  private func hexadecimalDigit(_ scalar: Unicode.Scalar) -> UInt32? {
    switch scalar {
    case "0"..."9": scalar.value - 0x30
    case "a"..."f": scalar.value - 0x61 + 10
    case "A"..."F": scalar.value - 0x41 + 10
    default: nil
    }
  }

  // MARK: Ignoring case

  /// The set with the other cases of its ASCII letters, inside `(?i:…)`.
  ///
  /// Unicode folds U+017F (ſ) to s and U+212A (the Kelvin sign) to k, so `(?i:'s)` matches `'ſ`, as Oniguruma has it.
  /// Everything outside of ASCII has more involved folds and is refused.
  private func folded(_ set: ScalarSet, _ start: Int) throws(PatternError) -> ScalarSet {
    guard ignoresCase else { return set }
    var result = set
    for item in set.items {
      switch item {
      case .whiteSpace: continue
      case .range(let low, let high) where high < 0x80:
        for value in low...high {
          guard let scalar = Unicode.Scalar(value), scalar.properties.isAlphabetic else { continue }
          result.items.append(.range(value ^ 0x20, value ^ 0x20))
          if value | 0x20 == 0x73 { result.items.append(.range(0x17F, 0x17F)) }
          if value | 0x20 == 0x6B { result.items.append(.range(0x212A, 0x212A)) }
        }
      default: throw PatternError(construct: "more than ASCII letters where case is ignored", offset: start)
      }
    }
    return result
  }

  /// Whether two neighbours could also match one character that folds to two, such as `ß` for `ss` or `ﬁ` for `fi`.
  func foldsTogether(_ left: PatternNode, _ right: PatternNode) -> Bool {
    guard case .set(let first) = left, case .set(let second) = right else { return false }
    let pairs: [(Unicode.Scalar, Unicode.Scalar)] = [("s", "s"), ("s", "t"), ("f", "f"), ("f", "i"), ("f", "l")]
    return pairs.contains { first.contains($0.0.value) && second.contains($0.1.value) }
  }
}
