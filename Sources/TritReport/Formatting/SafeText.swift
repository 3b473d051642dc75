// Tritsmith: text from files nobody vouched for, made safe to show.

import VisibleText

/// Text with everything spelled out that a reader could not see, or that could move the cursor, recolour or reorder.
func safeText(_ text: String) -> String { spelledOut(text) }

/// How many columns of a terminal text occupies, for text without controls.
///
/// Combining marks and joiners take none, East Asian wide characters and emoji take two. Terminals disagree about the
/// rest of Unicode; tensor names do not go there.
func displayWidth(_ text: String) -> Int {
  // Almost all text of a report is ASCII.
  if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
  return text.reduce(0) { $0 + displayWidth($1) }
}

private func displayWidth(_ character: Character) -> Int {
  var width = 0
  for scalar in character.unicodeScalars {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: continue
    default: width = max(width, isWide(scalar) ? 2 : 1)
    }
  }
  return width
}

private func isWide(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
    0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
    0x20000...0x3FFFD:
    true
  default: scalar.properties.isEmojiPresentation
  }
}

/// Text cut to a width with an ellipsis in its middle: the ends of tensor names tell more than their middles.
package func truncatedInMiddle(_ text: String, to width: Int) -> String {
  guard displayWidth(text) > width else { return text }
  guard width > 1 else { return width == 1 ? "…" : "" }
  let tail = suffix(of: text, width: width / 2)
  return prefix(of: text, width: width - 1 - displayWidth(tail)) + "…" + tail
}

/// Text cut to a width with an ellipsis at its end.
func truncatedAtEnd(_ text: String, to width: Int) -> String {
  guard displayWidth(text) > width else { return text }
  return width > 0 ? prefix(of: text, width: width - 1) + "…" : ""
}

private func prefix(of text: String, width: Int) -> String {
  var (result, used) = ("", 0)
  for character in text {
    used += displayWidth(character)
    if used > width { break }
    result.append(character)
  }
  return result
}

private func suffix(of text: String, width: Int) -> String {
  var (result, used) = ([Character](), 0)
  for character in text.reversed() {
    used += displayWidth(character)
    if used > width { break }
    result.append(character)
  }
  return String(result.reversed())
}
