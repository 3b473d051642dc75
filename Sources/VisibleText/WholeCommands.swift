// Tritsmith: words of a text, with short commands kept whole.

/// Programs whose commands people paste.
private let programs = ["tritsmith", "git", "hf", "python"]

/// The words of a text for lines that break between them: a command in quotes, `'tritsmith check m.gguf'`, is one word.
///
/// - Parameter fits: whether a line has room for a word; a command without room is broken between its words.
package func wordsKeepingCommands(_ text: some StringProtocol, fits: (String) -> Bool) -> [String] {
  var result: [String] = []
  var command: [String] = []
  func close() {
    let whole = command.joined(separator: " ")
    result += fits(whole) ? [whole] : command
    command = []
  }
  for word in text.split(separator: " ") {
    if !command.isEmpty {
      command.append(String(word))
      if word.contains("'") { close() }
    } else if let quote = word.firstIndex(of: "'"), word[..<quote].allSatisfy({ $0 == "(" }),
      programs.contains(String(word[quote...].dropFirst()))
    {
      command = [String(word)]
    } else {
      result.append(String(word))
    }
  }
  // A quote that never ends is none.
  return result + command
}

/// A path as a shell takes it for one word, and a command for no option.
package func shellWord(_ path: String) -> String {
  let path = path.hasPrefix("-") ? "./" + path : path
  let isPlain = path.unicodeScalars.allSatisfy { scalar in
    scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "._-/@:+=".unicodeScalars.contains(scalar)
  }
  return isPlain && !path.isEmpty ? path : "'" + path.replacing(text: "'", with: "'\\''") + "'"
}
