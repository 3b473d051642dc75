// Tritsmith: text from files nobody vouched for, made safe to show.

extension Unicode.Scalar {
  /// True for characters that drive a terminal or change the order of what is read: controls, line and paragraph
  /// separators, marks and overrides of direction, the byte order mark.
  package var isDriving: Bool {
    switch value {
    case 0x20...0x7E: false
    case 0x00...0x1F, 0x7F...0x9F, 0x61C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
    default: false
    }
  }

  /// True for characters that drive, and for those a reader cannot see, or takes for a plain space.
  ///
  /// The second are what Unicode calls default ignorable (joiners, fillers, variation selectors, tags), everything else
  /// of category Cf, spaces other than U+0020, the empty braille pattern, and code points that are no characters.
  package var isUnseen: Bool {
    if value < 0x7F { return value < 0x20 }
    if isDriving || value == 0x2800 { return true }
    if properties.isDefaultIgnorableCodePoint || properties.isNoncharacterCodePoint { return true }
    return switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator: true
    default: false
    }
  }
}

/// Text with characters spelled out that a reader could not see, or that would act on what shows them.
///
/// `\n`, `\r`, `\t`, `\x1b` and `\u{202e}` are the spellings: one value stays on one line.
///
/// - Parameters:
///   - drivingOnly: leaves in place what is only invisible.
///   - kept: characters that stay in any case, such as a line feed.
package func spelledOut(_ text: String, drivingOnly: Bool = false, keeping kept: [Unicode.Scalar] = []) -> String {
  // Almost every name is ASCII.
  if text.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) { return text }
  // A view of scalars is copied whole by every `append(contentsOf:)`, which a long text makes quadratic.
  var result = ""
  for scalar in text.unicodeScalars {
    guard drivingOnly ? scalar.isDriving : scalar.isUnseen, !kept.contains(scalar) else {
      result.append(Character(scalar))
      continue
    }
    result += spelling(scalar)
  }
  return result
}

private func spelling(_ scalar: Unicode.Scalar) -> String {
  switch scalar.value {
  case 0x09: return "\\t"
  case 0x0A: return "\\n"
  case 0x0D: return "\\r"
  case 0x00...0x9F:
    let digits = String(scalar.value, radix: 16)
    return "\\x" + (digits.count < 2 ? "0" : "") + digits
  default: return "\\u{" + String(scalar.value, radix: 16) + "}"
  }
}
