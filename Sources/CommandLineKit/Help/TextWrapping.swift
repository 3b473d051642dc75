// Tritsmith: paragraphs that fit the terminal.

import VisibleText

/// Breaks text at spaces so that no line is longer than `width`; a longer word keeps its line to itself, and so does a
/// command in quotes that has room in one. A word stays behind a label, "error:", which alone says nothing.
///
/// Paragraphs are separated by empty lines. A line that starts with a space is kept as it is.
func wrapped(_ text: String, width: Int, indent: Int = 0) -> [String] {
  let margin = String(repeating: " ", count: indent)
  var lines: [String] = []
  var current = ""
  var used = 0
  func close() {
    if !current.isEmpty { lines.append(margin + current) }
    (current, used) = ("", 0)
  }
  for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
    if line.isEmpty || line.first == " " {
      close()
      lines.append(line.isEmpty ? "" : margin + line)
      continue
    }
    for word in wordsKeepingCommands(line, fits: { indent + columns(of: $0) <= width }) {
      let needed = columns(of: word)
      let isFirst = lines.isEmpty && !current.contains(" ") && !current.hasPrefix("(")
      let isLabel = endsLabel(current) && (indent + needed > width || isFirst)
      let staysBehindLabel = isLabel && !word.contains(" ")
      if !current.isEmpty && indent + used + 1 + needed > width && !staysBehindLabel { close() }
      used += (current.isEmpty ? 0 : 1) + needed
      current += (current.isEmpty ? "" : " ") + word
    }
  }
  close()
  return lines
}

/// Whether a text ends in a colon, coloured or not.
private func endsLabel(_ text: String) -> Bool { text.hasSuffix(":") || text.hasSuffix(":\u{1B}[0m") }

/// Columns of a text on a terminal: colours take none.
func columns(of text: some StringProtocol) -> Int {
  guard text.contains("\u{1B}") else { return text.count }
  var count = 0
  var isEscape = false
  for character in text {
    if character == "\u{1B}" { isEscape = true }
    if !isEscape { count += 1 }
    if character == "m" { isEscape = false }
  }
  return count
}

/// Entries with a label on the left and an explanation on the right.
func twoColumns(_ entries: [(label: String, text: String)], width: Int) -> [String] {
  let indent = 2
  // Labels longer than this get a line of their own instead of pushing every explanation to the right.
  let longest = entries.map(\.label.count).filter { $0 <= 28 }.max() ?? 0
  let column = indent + longest + 2
  return entries.flatMap { entry -> [String] in
    let margin = String(repeating: " ", count: indent)
    var lines = wrapped(entry.text, width: width, indent: column)
    if entry.label.count <= longest, let first = lines.first {
      let gap = String(repeating: " ", count: longest - entry.label.count + 2)
      lines[0] = margin + entry.label + gap + first.dropFirst(column)
      return lines
    }
    return [margin + entry.label] + lines
  }
}

/// Entries under words on their left: a group of several lines says its word once.
func threeColumns(_ entries: [(group: String?, label: String, text: String)], width: Int) -> [String] {
  let first = (entries.compactMap(\.group?.count).max() ?? 0) + 2
  let second = (entries.map(\.label.count).max() ?? 0) + 2
  var previous: String?
  return entries.flatMap { entry -> [String] in
    let group = entry.group == previous ? "" : entry.group ?? ""
    previous = entry.group
    func padded(_ text: String, to width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
    var lines = wrapped(entry.text, width: width, indent: first + second)
    guard let line = lines.first else { return [group] }
    lines[0] = padded(group, to: first) + padded(entry.label, to: second) + line.dropFirst(first + second)
    return lines
  }
}
