// Tritsmith: a pattern compiled to instructions.

/// A pattern in the form the matcher runs.
///
/// Every set of scalars the pattern names has a bit. A scalar is looked up once and yields the mask of the sets that
/// hold it; an instruction asks whether that mask and its own meet.
struct PatternProgram: Sendable, Equatable {
  enum Operation: UInt8, Sendable {
    /// The pattern has matched.
    case accept
    /// Takes one scalar of the mask.
    case set
    /// Takes `first` to `second` scalars of the mask (-1: any number), giving back when what follows fails.
    case run
    /// The same, never giving back.
    case possessiveRun
    /// Goes on here if the next scalar is of the mask, and to `first` when that fails.
    case branch
    /// Goes to `first`, and on here when that fails.
    case lazyBranch
    /// Goes to `first`.
    case jump
    /// Goes to `first` if what stands here up to its accept matches ahead (`second` 0) or does not (1).
    case lookahead
    /// Matches what stands here up to its accept, then goes to `first`, never trying the former another way.
    case atomic
    /// Goes on at the end of the text, or before a scalar of the mask.
    case endOrBefore
    /// Goes on where exactly one of the two neighbours is of the mask (`second` 0), or where not (1).
    case edge
  }

  struct Instruction: Sendable, Equatable {
    var operation: Operation
    var mask: UInt64 = 0
    var first: Int32 = 0
    var second: Int32 = 0
  }

  /// The text that was compiled.
  let pattern: String
  /// The character data its classes go by.
  let unicode: UnicodeVersion
  private(set) var instructions: [Instruction] = []
  private(set) var sets: [ScalarSet] = []
  /// Masks of the 128 ASCII scalars.
  private(set) var asciiMasks: [UInt64] = []
  /// Masks of the stand-ins of the 256 bytes.
  private(set) var byteMasks: [UInt64] = []
  /// A match can begin only with a scalar that meets this.
  private(set) var firstMask: UInt64 = 0

  /// The bit that stands for the end of the text.
  static let endMask: UInt64 = 1 << 63
  private static let setLimit = 63
  private static let instructionLimit = 20_000
  /// Nodes compiled so far, each repetition counted: one of nothing writes no instruction and still takes its time.
  private var emitted = 0
  private static let emissionLimit = 200_000
  /// Published patterns have fewer than a thousand bytes.
  private static let lengthLimit = 10_000

  /// Compiles a pattern; one that can match the empty string is refused, since it would split at every place.
  ///
  /// - Parameter unicode: whose classes are meant, of the engines that run patterns.
  init(_ pattern: String, unicode: UnicodeVersion = .oniguruma) throws(PatternError) {
    self.pattern = pattern
    self.unicode = unicode
    guard pattern.utf8.count <= PatternProgram.lengthLimit else {
      throw PatternError(construct: "more than \(PatternProgram.lengthLimit) bytes", offset: 0)
    }
    let node = try PatternParser.parse(pattern, unicode: unicode)
    if node.matchesEmpty { throw PatternError(construct: "a form that can match nothing", offset: 0) }
    try emit(node)
    append(.accept)
    firstMask = try first(node)
    fillMasks()
  }

  /// A pattern that matches one scalar of a set.
  init(oneOf set: ScalarSet, named pattern: String) {
    self.pattern = pattern
    unicode = set.unicode
    sets = [set]
    instructions = [Instruction(operation: .set, mask: 1), Instruction(operation: .accept)]
    firstMask = 1
    fillMasks()
  }

  /// The sets that hold a scalar.
  func mask(of scalar: UInt32) -> UInt64 {
    var mask: UInt64 = 0
    for (bit, set) in sets.enumerated() where set.contains(scalar) { mask |= 1 << UInt64(bit) }
    return mask
  }

  private mutating func fillMasks() {
    asciiMasks = (0..<128).map { mask(of: $0) }
    byteMasks = ByteAlphabet.scalars.map { mask(of: $0) }
  }

  // MARK: Compiling

  @discardableResult
  private mutating func append(_ operation: Operation, mask: UInt64 = 0, first: Int32 = 0, second: Int32 = 0) -> Int {
    instructions.append(Instruction(operation: operation, mask: mask, first: first, second: second))
    return instructions.count - 1
  }

  /// Makes an earlier instruction go to the next one to be written.
  private mutating func land(_ index: Int) {
    instructions[index].first = Int32(instructions.count)
  }

  private mutating func bit(of set: ScalarSet) throws(PatternError) -> UInt64 {
    if let index = sets.firstIndex(of: set) { return 1 << UInt64(index) }
    guard sets.count < PatternProgram.setLimit else {
      throw PatternError(construct: "more than \(PatternProgram.setLimit) different characters and classes", offset: 0)
    }
    sets.append(set)
    return 1 << UInt64(sets.count - 1)
  }

  private mutating func emit(_ node: PatternNode) throws(PatternError) {
    emitted += 1
    guard instructions.count < PatternProgram.instructionLimit, emitted < PatternProgram.emissionLimit else {
      throw PatternError(construct: "repetitions that multiply beyond reason", offset: 0)
    }
    switch node {
    case .set(let set): append(.set, mask: try bit(of: set))
    case .sequence(let nodes):
      for node in nodes { try emit(node) }
    case .alternation(let nodes):
      var exits: [Int] = []
      for node in nodes.dropLast() {
        let branch = append(.branch, mask: try first(node))
        try emit(node)
        exits.append(append(.jump))
        land(branch)
      }
      if let last = nodes.last { try emit(last) }
      for exit in exits { land(exit) }
    case .repeated(let node, let minimum, let maximum, let repetition):
      try emitRepetition(of: node, minimum, maximum, repetition)
    case .lookahead(let node, let isInverted):
      let index = append(.lookahead, second: isInverted ? 1 : 0)
      try emit(node)
      append(.accept)
      land(index)
    case .atomic(let node):
      let index = append(.atomic)
      try emit(node)
      append(.accept)
      land(index)
    case .place(.lineEnd): append(.endOrBefore, mask: try bit(of: ScalarSet(items: [.range(0x0A, 0x0A)])))
    case .place(.wordEdge): append(.edge, mask: try bit(of: ScalarSet(items: [.word], unicode: unicode)))
    case .place(.noWordEdge): append(.edge, mask: try bit(of: ScalarSet(items: [.word], unicode: unicode)), second: 1)
    }
  }

  private mutating func emitRepetition(
    of node: PatternNode, _ minimum: Int, _ maximum: Int?, _ repetition: PatternNode.Repetition
  ) throws(PatternError) {
    if case .set(let set) = node, repetition != .lazy {
      append(
        repetition == .possessive ? .possessiveRun : .run, mask: try bit(of: set), first: Int32(minimum),
        second: Int32(maximum ?? -1))
      return
    }
    if repetition == .possessive {
      return try emit(.atomic(.repeated(node, minimum: minimum, maximum: maximum, .greedy)))
    }
    for _ in 0..<minimum { try emit(node) }
    let operation = repetition == .lazy ? Operation.lazyBranch : .branch
    let mask = try first(node)
    guard let maximum else {
      let branch = append(operation, mask: mask)
      try emit(node)
      append(.jump, first: Int32(branch))
      land(branch)
      return
    }
    var branches: [Int] = []
    for _ in minimum..<maximum {
      branches.append(append(operation, mask: mask))
      try emit(node)
    }
    for branch in branches { land(branch) }
  }

  /// The sets a match of the node can begin with; all when it may be empty, for then anything may follow.
  private mutating func first(_ node: PatternNode) throws(PatternError) -> UInt64 {
    switch node {
    case .set(let set): return try bit(of: set)
    case .sequence(let nodes):
      var mask: UInt64 = 0
      for node in nodes {
        switch node {
        case .lookahead, .place: continue
        default: break
        }
        // `first` of an optional node is what the node itself may begin with; what follows it adds its own.
        if case .repeated(let inner, minimum: 0, _, _) = node, !inner.matchesEmpty {
          mask |= try first(inner)
          continue
        }
        return mask | (try first(node))
      }
      return .max
    case .alternation(let nodes):
      var mask: UInt64 = 0
      for node in nodes { mask |= try first(node) }
      return mask
    case .repeated(let node, let minimum, _, _):
      return minimum == 0 ? .max : try first(node)
    case .lookahead, .place: return .max
    case .atomic(let node): return try first(node)
    }
  }
}
