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
  }

  static let stepLimit = 64

  var steps: [Step] = []
  /// What the steps are, in a line for people.
  var summary = ""

  /// GPT-2's pattern, which `ByteLevel` brings with it.
  static let gpt2Pattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Whether words are spelled in stand-ins for bytes.
  var isByteLevel: Bool {
    steps.contains {
      if case .mapBytes = $0 { return true }
      return false
    }
  }

  /// Cuts a piece of `text`; a step that inserts spaces replaces the text, and the pieces refer to the new one.
  ///
  /// `isAtStart` says whether the piece begins the whole text that is encoded.
  func split(
    _ whole: Piece, isAtStart: Bool, of text: inout [UInt8], into pieces: inout [Piece],
    matchers: inout [PatternMatcher]
  ) throws(TokenizerError) {
    pieces.removeAll(keepingCapacity: true)
    if whole.end > whole.start { pieces.append(whole) }
    var isMapped = false
    while matchers.count < steps.count { matchers.append(PatternMatcher()) }
    var output: [Piece] = []
    for (index, step) in steps.enumerated() {
      switch step {
      case .mapBytes: isMapped = true
      case .metaspace(let space): space.apply(to: &text, &pieces, from: whole.start, isAtStart: isAtStart)
      case .prefixSpace: PreTokenizer.addPrefixSpaces(to: &text, &pieces)
      case .split(let splitter):
        output.removeAll(keepingCapacity: true)
        matchers[index].budget = PreTokenizer.budget(forBytes: whole.end - whole.start)
        do {
          if isMapped {
            try splitter.split(pieces, of: ByteLevelText(bytes: text), into: &output, &matchers[index])
          } else {
            try splitter.split(pieces, of: UTF8Text(bytes: text), into: &output, &matchers[index])
          }
        } catch {
          throw TokenizerError(.patternTooSlow(pattern: splitter.name))
        }
        swap(&pieces, &output)
      }
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
