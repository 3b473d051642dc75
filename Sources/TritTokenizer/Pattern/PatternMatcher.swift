// Tritsmith: running compiled patterns.

/// Text as the matcher sees it: positions are bytes, and the scalar at a position belongs to a mask of sets.
protocol PatternText {
  var bytes: [UInt8] { get }
  /// The mask of the scalar at a position inside the text, and the position after it.
  func scalar(at position: Int, _ program: PatternProgram, _ pages: inout MaskPages) -> (mask: UInt64, next: Int)
  /// The position of the scalar before a position.
  func before(_ position: Int) -> Int
}

/// Valid UTF-8.
struct UTF8Text: PatternText {
  let bytes: [UInt8]

  @inline(__always)
  func scalar(at position: Int, _ program: PatternProgram, _ pages: inout MaskPages) -> (mask: UInt64, next: Int) {
    let lead = bytes[position]
    if lead < 0x80 { return (program.asciiMasks[Int(lead)], position + 1) }
    let (value, next) = UTF8Coding.scalar(at: position, in: bytes)
    return (pages.mask(of: value, program), next)
  }

  @inline(__always)
  func before(_ position: Int) -> Int {
    var position = position - 1
    while bytes[position] & 0xC0 == 0x80 { position -= 1 }
    return position
  }
}

/// Bytes, each seen as the scalar that stands for it in byte-level vocabularies.
struct ByteLevelText: PatternText {
  let bytes: [UInt8]

  @inline(__always)
  func scalar(at position: Int, _ program: PatternProgram, _ pages: inout MaskPages) -> (mask: UInt64, next: Int) {
    (program.byteMasks[Int(bytes[position])], position + 1)
  }

  @inline(__always)
  func before(_ position: Int) -> Int { position - 1 }
}

/// Masks of scalars beyond ASCII, worked out a page of 256 at a time when first met.
struct MaskPages: Sendable {
  private var starts = [Int32](repeating: -1, count: 0x1100)
  private var masks: [UInt64] = []

  @inline(__always)
  mutating func mask(of scalar: UInt32, _ program: PatternProgram) -> UInt64 {
    let start = starts[Int(scalar >> 8)]
    return masks[start >= 0 ? Int(start) + Int(scalar & 0xFF) : fill(scalar, program)]
  }

  @inline(never)
  private mutating func fill(_ scalar: UInt32, _ program: PatternProgram) -> Int {
    let page = scalar & ~0xFF
    let start = masks.count
    for low in 0..<UInt32(256) { masks.append(program.mask(of: page | low)) }
    starts[Int(scalar >> 8)] = Int32(start)
    return start + Int(scalar & 0xFF)
  }
}

/// Thrown inside a match when the allowance of steps is used up.
struct PatternBudgetExceeded: Error {}

/// A backtracking matcher with leftmost-first semantics: of all matches at the leftmost place, the one that prefers
/// earlier alternatives and longer greedy runs, as Oniguruma and Perl have it.
struct PatternMatcher: Sendable {
  private struct Choice: Sendable {
    var instruction: Int32
    /// Runs give back down to here; -1 for a choice between two ways.
    var floor: Int
    var position: Int
  }

  private var choices: [Choice] = []
  var pages = MaskPages()
  /// Steps left. A pattern with overlapping repetitions can take quadratic or exponential time on some texts; Oniguruma
  /// would hang there, this matcher gives up.
  var budget = 0
  /// Where the text that a match may look at begins.
  private var visibleStart = 0

  /// The first match in `range`; what is before `floor`, or behind the range, is out of sight.
  mutating func firstMatch<Text: PatternText>(
    of program: PatternProgram, in text: Text, _ range: Range<Int>, from floor: Int
  ) throws(PatternBudgetExceeded) -> Range<Int>? {
    var start = range.lowerBound
    visibleStart = floor
    while start < range.upperBound {
      let (mask, next) = text.scalar(at: start, program, &pages)
      if mask & program.firstMask != 0 || program.firstMask == .max {
        choices.removeAll(keepingCapacity: true)
        let end = try run(program, text, from: 0, at: start, end: range.upperBound)
        if end >= 0 { return start..<end }
      } else {
        budget -= 1
      }
      start = next
    }
    return nil
  }

  /// Runs from an instruction to its accept; the end of the match, or -1.
  private mutating func run<Text: PatternText>(
    _ program: PatternProgram, _ text: Text, from first: Int, at start: Int, end: Int
  ) throws(PatternBudgetExceeded) -> Int {
    let base = choices.count
    var index = first
    var position = start
    while true {
      budget -= 1
      if budget < 0 { throw PatternBudgetExceeded() }
      let instruction = program.instructions[index]
      var matches = true
      switch instruction.operation {
      case .accept:
        if choices.count > base { choices.removeLast(choices.count - base) }
        return position
      case .set:
        matches = false
        if position < end {
          let (mask, next) = text.scalar(at: position, program, &pages)
          if mask & instruction.mask != 0 {
            position = next
            index += 1
            matches = true
          }
        }
      case .run, .possessiveRun:
        let floor: Int
        (matches, floor) = takeRun(instruction, program, text, at: &position, end: end)
        index += 1
        if matches, instruction.operation == .run, position > floor {
          choices.append(Choice(instruction: Int32(index), floor: floor, position: position))
        }
      case .branch:
        let mask = position < end ? text.scalar(at: position, program, &pages).mask : PatternProgram.endMask
        // A branch that may be empty has the mask of all: it is also taken where the scalar belongs to no set.
        if mask & instruction.mask != 0 || instruction.mask == .max {
          choices.append(Choice(instruction: instruction.first, floor: -1, position: position))
          index += 1
        } else {
          index = Int(instruction.first)
        }
      case .lazyBranch:
        choices.append(Choice(instruction: Int32(index + 1), floor: -1, position: position))
        index = Int(instruction.first)
      case .jump:
        index = Int(instruction.first)
      case .lookahead:
        let ahead = try run(program, text, from: index + 1, at: position, end: end)
        matches = (ahead >= 0) == (instruction.second == 0)
        index = Int(instruction.first)
      case .endOrBefore:
        matches = position >= end || text.scalar(at: position, program, &pages).mask & instruction.mask != 0
        index += 1
      case .edge:
        let isEdge = isEdge(of: instruction.mask, program, text, at: position, end: end)
        matches = isEdge == (instruction.second == 0)
        index += 1
      case .atomic:
        let ahead = try run(program, text, from: index + 1, at: position, end: end)
        matches = ahead >= 0
        position = ahead
        index = Int(instruction.first)
      }
      if matches { continue }
      guard let choice = otherChoice(text, above: base) else { return -1 }
      index = Int(choice.instruction)
      position = choice.position
    }
  }

  /// Takes scalars of a set, as many as are allowed.
  ///
  /// - Returns: Whether they are enough, and the position down to which a run can give back.
  @inline(__always)
  private mutating func takeRun<Text: PatternText>(
    _ instruction: PatternProgram.Instruction, _ program: PatternProgram, _ text: Text, at position: inout Int, end: Int
  ) -> (isEnough: Bool, floor: Int) {
    var taken = 0
    var floor = position
    while position < end, taken != instruction.second {
      let (mask, next) = text.scalar(at: position, program, &pages)
      if mask & instruction.mask == 0 { break }
      position = next
      taken += 1
      if taken == instruction.first { floor = position }
    }
    budget -= taken
    return (taken >= instruction.first, floor)
  }

  /// Whether of the scalars around a position one is in a set and one is not.
  @inline(__always)
  private mutating func isEdge<Text: PatternText>(
    of set: UInt64, _ program: PatternProgram, _ text: Text, at position: Int, end: Int
  ) -> Bool {
    let isAhead = position < end && text.scalar(at: position, program, &pages).mask & set != 0
    let isBehind =
      position > visibleStart && text.scalar(at: text.before(position), program, &pages).mask & set != 0
    return isAhead != isBehind
  }

  /// The latest choice, to be taken another way; a run gives back a scalar.
  @inline(__always)
  private mutating func otherChoice<Text: PatternText>(_ text: Text, above base: Int) -> Choice? {
    guard choices.count > base, var choice = choices.last else { return nil }
    if choice.floor >= 0 {
      choice.position = text.before(choice.position)
      if choice.position > choice.floor {
        choices[choices.count - 1].position = choice.position
        return choice
      }
    }
    choices.removeLast()
    return choice
  }
}
