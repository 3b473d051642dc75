// Tritsmith: cutting text into the words that are encoded apart.

/// A piece of text, as positions of bytes.
struct Piece: Sendable, Equatable {
  var start: Int
  var end: Int
}

/// The steps that cut text into words, in order; each cuts every piece the one before left.
struct PreTokenizer: Sendable {
  enum Step: Sendable {
    /// Puts a space before every piece that does not begin with one.
    case prefixSpace
    case split(Splitter)
    /// Puts marks for spaces.
    case metaspace(Metaspace)
    /// From here on text is seen as byte stand-ins: a later pattern meets `Ġ`, not a space.
    case mapBytes

    var mapsBytes: Bool {
      if case .mapBytes = self { true } else { false }
    }

    /// Whether positions in the text are others afterwards.
    var rewritesText: Bool {
      switch self {
      case .prefixSpace, .metaspace: true
      case .split, .mapBytes: false
      }
    }
  }

  static let stepLimit = 64

  var steps: [Step] = []
  /// What the steps are, in a line for people.
  var summary = ""

  /// GPT-2's pattern, which `ByteLevel` brings with it.
  static let gpt2Pattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Whether words are spelled in stand-ins for bytes.
  var isByteLevel: Bool { steps.contains { $0.mapsBytes } }

  /// Runs the steps up to the last that rewrites text, which see it whole; the pieces refer to the new text.
  ///
  /// `isAtStart` says whether the piece begins the whole text that is encoded.
  /// - Returns: the pieces, and the step to go on with.
  func rewrite(
    _ whole: Piece, isAtStart: Bool, of text: inout [UInt8], matchers: inout [PatternMatcher]
  ) throws(TokenizerError) -> (pieces: [Piece], step: Int) {
    while matchers.count < steps.count { matchers.append(PatternMatcher()) }
    for index in steps.indices { matchers[index].budget = PreTokenizer.budget(forBytes: whole.end - whole.start) }
    var pieces = whole.end > whole.start ? [whole] : []
    let first = steps.lastIndex { $0.rewritesText }.map { $0 + 1 } ?? 0
    for (index, step) in steps[..<first].enumerated() {
      switch step {
      case .mapBytes: break
      case .metaspace(let space): space.apply(to: &text, &pieces, from: whole.start, isAtStart: isAtStart)
      case .prefixSpace: PreTokenizer.addPrefixSpaces(to: &text, &pieces)
      case .split:
        var (cursor, output) = (Splitter.Cursor(), [Piece]())
        while cursor.index < pieces.count {
          try cut(pieces, from: &cursor, step: index, of: text, into: &output, &matchers[index])
        }
        pieces = output
      }
    }
    return (pieces, first)
  }

  /// The first step that cuts, from a step on; nil when there is none.
  func cuttingStep(from step: Int) -> Int? {
    steps[min(step, steps.count)...].firstIndex {
      if case .split = $0 { return true }
      return false
    }
  }

  /// Cuts pieces by one step, and adds what comes of a few thousand of them.
  func cut(
    _ pieces: [Piece], from cursor: inout Splitter.Cursor, step index: Int, of text: [UInt8],
    into output: inout [Piece], _ matcher: inout PatternMatcher
  ) throws(TokenizerError) {
    guard case .split(let splitter) = steps[index] else { return }
    do {
      if steps[..<index].contains(where: { $0.mapsBytes }) {
        try splitter.split(pieces, from: &cursor, of: ByteLevelText(bytes: text), into: &output, &matcher)
      } else {
        try splitter.split(pieces, from: &cursor, of: UTF8Text(bytes: text), into: &output, &matcher)
      }
    } catch {
      throw TokenizerError(.patternTooSlow(pattern: splitter.name))
    }
  }

  /// Steps a pattern may take: published patterns need fewer than ten a byte.
  private static func budget(forBytes count: Int) -> Int {
    let (product, overflow) = count.multipliedReportingOverflow(by: 500)
    return overflow ? .max : max(product, 1_000_000)
  }

  private static func addPrefixSpaces(to text: inout [UInt8], _ pieces: inout [Piece]) {
    let space = UInt8(ascii: " ")
    guard pieces.contains(where: { text[$0.start] != space }) else { return }
    var spaced: [UInt8] = []
    spaced.reserveCapacity(text.count + pieces.count)
    for index in pieces.indices {
      let piece = pieces[index]
      let start = spaced.count
      if text[piece.start] != space { spaced.append(space) }
      spaced.append(contentsOf: text[piece.start..<piece.end])
      pieces[index] = Piece(start: start, end: spaced.count)
    }
    text = spaced
  }
}
