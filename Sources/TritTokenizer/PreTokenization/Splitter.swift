// Tritsmith: splitting pieces where a pattern matches.

/// What becomes of the matches when text is split by a pattern; the names are those of the `tokenizers` library.
enum SplitBehavior: String, Sendable {
  /// Dropped.
  case removed = "Removed"
  /// Each a piece of its own.
  case isolated = "Isolated"
  /// Joined to what stands before.
  case mergedWithPrevious = "MergedWithPrevious"
  /// Joined to what stands behind.
  case mergedWithNext = "MergedWithNext"
  /// Neighbouring matches make one piece.
  case contiguous = "Contiguous"
}

/// One splitting step of a pre-tokenizer.
struct Splitter: Sendable {
  enum Pattern: Sendable {
    case program(PatternProgram)
    /// These bytes exactly.
    case literal([UInt8])
    /// A literal that cannot occur, since it is outside the alphabet of byte stand-ins.
    case never
  }

  var pattern: Pattern
  var behavior: SplitBehavior
  /// Whether what does not match counts as match, and the other way round.
  var isInverted: Bool
  /// The pattern as the file spells it.
  var name: String

  private struct Segment {
    var start: Int
    var end: Int
    var isMatch: Bool
  }

  /// How far pieces have been split.
  struct Cursor {
    /// Index of the piece that comes next.
    var index = 0
    /// What lies before is done.
    fileprivate var position = 0
  }

  /// So many pieces are made at a time, about: those of a long text take several times its room.
  private static let batch = 4096

  /// Splits pieces, which stand in order, from the cursor on, until a batch is added or all is done.
  func split<Text: PatternText>(
    _ pieces: [Piece], from cursor: inout Cursor, of text: Text, into output: inout [Piece],
    _ matcher: inout PatternMatcher
  ) throws(PatternBudgetExceeded) {
    var segments: [Segment] = []
    let full = output.count + Splitter.batch
    while cursor.index < pieces.count, output.count < full {
      let piece = pieces[cursor.index]
      if behavior == .isolated {
        try isolate(piece, from: &cursor, until: full, of: text, into: &output, &matcher)
        continue
      }
      segments.removeAll(keepingCapacity: true)
      var position = piece.start
      while let match = try firstMatch(in: text, position..<piece.end, from: piece.start, &matcher) {
        if match.lowerBound > position {
          segments.append(Segment(start: position, end: match.lowerBound, isMatch: isInverted))
        }
        segments.append(Segment(start: match.lowerBound, end: match.upperBound, isMatch: !isInverted))
        position = match.upperBound
      }
      if position < piece.end { segments.append(Segment(start: position, end: piece.end, isMatch: isInverted)) }
      join(segments, into: &output)
      cursor.index += 1
    }
  }

  /// The common case, without the detour over segments: matches and what lies between are pieces alike.
  private func isolate<Text: PatternText>(
    _ piece: Piece, from cursor: inout Cursor, until full: Int, of text: Text, into output: inout [Piece],
    _ matcher: inout PatternMatcher
  ) throws(PatternBudgetExceeded) {
    var position = max(piece.start, cursor.position)
    while let match = try firstMatch(in: text, position..<piece.end, from: piece.start, &matcher) {
      if match.lowerBound > position { output.append(Piece(start: position, end: match.lowerBound)) }
      output.append(Piece(start: match.lowerBound, end: match.upperBound))
      position = match.upperBound
      if output.count >= full {
        cursor.position = position
        return
      }
    }
    if position < piece.end { output.append(Piece(start: position, end: piece.end)) }
    cursor.index += 1
  }

  @inline(__always)
  private func firstMatch<Text: PatternText>(
    in text: Text, _ range: Range<Int>, from floor: Int, _ matcher: inout PatternMatcher
  ) throws(PatternBudgetExceeded) -> Range<Int>? {
    switch pattern {
    case .program(let program): return try matcher.firstMatch(of: program, in: text, range, from: floor)
    case .never: return nil
    case .literal(let bytes):
      var start = range.lowerBound
      while start + bytes.count <= range.upperBound {
        if bytes.indices.allSatisfy({ text.bytes[start + $0] == bytes[$0] }) { return start..<start + bytes.count }
        start += 1
      }
      return nil
    }
  }

  /// Joins segments as the behavior says. The state carried from one to the next is the library's: whether the last
  /// segment was a match, where a joined one counts by what was joined to it.
  private func join(_ segments: [Segment], into output: inout [Piece]) {
    let first = output.count
    var previousIsMatch = false
    switch behavior {
    case .isolated:
      output.append(contentsOf: segments.map { Piece(start: $0.start, end: $0.end) })
    case .removed:
      for segment in segments where !segment.isMatch { output.append(Piece(start: segment.start, end: segment.end)) }
    case .contiguous:
      for segment in segments {
        if segment.isMatch == previousIsMatch, output.count > first {
          output[output.count - 1].end = segment.end
        } else {
          output.append(Piece(start: segment.start, end: segment.end))
        }
        previousIsMatch = segment.isMatch
      }
    case .mergedWithPrevious:
      for segment in segments {
        if segment.isMatch, !previousIsMatch, output.count > first {
          output[output.count - 1].end = segment.end
        } else {
          output.append(Piece(start: segment.start, end: segment.end))
        }
        previousIsMatch = segment.isMatch
      }
    case .mergedWithNext:
      for segment in segments.reversed() {
        if segment.isMatch, !previousIsMatch, output.count > first {
          output[output.count - 1].start = segment.start
        } else {
          output.append(Piece(start: segment.start, end: segment.end))
        }
        previousIsMatch = segment.isMatch
      }
      output[first...].reverse()
    }
  }
}
