// Tritsmith: how much of a brief report a screen holds.

import VisibleText

/// How many rows, remarks and lines of texts a brief report has.
struct ScreenLimits {
  /// Rows of a table that has them named, and of one that is shown whole.
  var rows: Int
  var whole: Int
  /// Errors, and warnings; of other remarks one less.
  var notes: Int
  /// Lines of a sentence in a table, and of a fact.
  var prose: Int
  var lines: Int
  /// Lines that name what is left out.
  var closing = 2

  /// Lines of a screen.
  static let screen = 24

  /// Where no terminal sets a limit.
  static let unbounded = ScreenLimits(rows: 100, whole: .max, notes: 4, prose: 6, lines: .max)

  /// What a failure has first on a terminal of more lines than `screen`.
  static let tall = [48, 32, 24, 20, 16, 12, 10, 8, 6].map { count in
    ScreenLimits(rows: count, whole: count, notes: count, prose: 6, lines: 12)
  }

  /// From generous to scarce; the first that fits a screen is taken.
  static let steps = [
    ScreenLimits(rows: 16, whole: 16, notes: 4, prose: 6, lines: 12),
    ScreenLimits(rows: 12, whole: 12, notes: 4, prose: 4, lines: 8),
    ScreenLimits(rows: 8, whole: 8, notes: 4, prose: 3, lines: 6),
    ScreenLimits(rows: 8, whole: 8, notes: 2, prose: 3, lines: 4),
    ScreenLimits(rows: 6, whole: 6, notes: 2, prose: 2, lines: 4),
    ScreenLimits(rows: 5, whole: 5, notes: 2, prose: 2, lines: 3),
    ScreenLimits(rows: 4, whole: 4, notes: 1, prose: 2, lines: 3),
    ScreenLimits(rows: 3, whole: 3, notes: 1, prose: 2, lines: 2),
    ScreenLimits(rows: 2, whole: 2, notes: 1, prose: 2, lines: 2),
    ScreenLimits(rows: 2, whole: 2, notes: 0, prose: 2, lines: 2),
    ScreenLimits(rows: 1, whole: 2, notes: 0, prose: 2, lines: 2),
    ScreenLimits(rows: 1, whole: 2, notes: 0, prose: 1, lines: 2),
    ScreenLimits(rows: 1, whole: 1, notes: 0, prose: 1, lines: 1),
    ScreenLimits(rows: 1, whole: 1, notes: 0, prose: 1, lines: 1, closing: 1),
  ]
}

/// Empty lines between the blocks of a text.
struct BlockGaps {
  private var isFirst = true
  private var previousIsNote = false

  /// Notes in a row belong together; everything else gets air.
  mutating func open(isNote: Bool = false, _ output: inout some TextOutputStream) {
    if !isFirst && !(isNote && previousIsNote) { output.write("\n") }
    (isFirst, previousIsNote) = (false, isNote)
  }
}

/// A text in lines of a width, broken between words, and not within a command in quotes that a line has room for.
///
/// - Parameter label: what the text begins with and would say nothing alone: a word without room stays behind it,
///   a command does not.
func wrappedLines(_ text: String, hanging indent: Int, width: Int?, label: String? = nil) -> [String] {
  guard let width, displayWidth(text) > width else { return [text] }
  var lines: [String] = []
  var current = ""
  for word in wordsKeepingCommands(text, fits: { indent + displayWidth($0) <= width }) {
    let staysBehindLabel = current == label && !word.contains(" ")
    if !current.isEmpty && displayWidth(current) + 1 + displayWidth(word) > width && !staysBehindLabel {
      lines.append(current)
      current = spaces(indent) + word
    } else {
      current += (current.isEmpty ? "" : " ") + word
    }
  }
  return lines + [current]
}

func spaces(_ count: Int) -> String {
  String(repeating: " ", count: max(0, count))
}

/// Breaks a text between words as it arrives.
struct TextWrapper {
  /// The columns of a line; nil for one line.
  let width: Int?
  let lineBreak: String
  /// The word that may go on, and how much of the line is full.
  private var word = ""
  private var used = 0

  init(width: Int?, lineBreak: String) {
    (self.width, self.lineBreak) = (width, lineBreak)
  }

  mutating func append(_ text: String, to output: inout some TextOutputStream) {
    guard width != nil else { return output.write(text) }
    for (index, part) in text.split(separator: " ", omittingEmptySubsequences: false).enumerated() {
      if index > 0 { finish(to: &output) }
      word += part
    }
  }

  /// Writes the last word.
  mutating func finish(to output: inout some TextOutputStream) {
    guard let width, !word.isEmpty else { return }
    let length = displayWidth(word)
    if used > 0 {
      let fits = used + 1 + length <= width
      output.write(fits ? " " : lineBreak)
      used = fits ? used + 1 : 0
    }
    output.write(word)
    used += length
    word = ""
  }
}
