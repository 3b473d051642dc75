// Tritsmith: one spelling for templates that write the same.

import TritCore
import VisibleText

/// A chat template in a spelling of its own, by which it is found among those that are known.
///
/// Left out is what changes no text: spaces in tags, kinds of quotes, comments, the name of a message, and branches for
/// tools, documents and tool messages, which are never given here. Text is what transformers' settings leave of it
/// (`trim_blocks`, `lstrip_blocks`). Two templates of one spelling write the same for every conversation, but for
/// `defaultSystemMessage`.
struct ChatTemplateSpelling {
  /// The spelling: text, and tags between U+0001 and U+0002.
  private(set) var text = ""
  /// What is written where a conversation has no system message; in `text` it is U+0004.
  private(set) var defaultSystemMessage: String?
  /// What the template may read of a message, in branches too that are left out.
  private(set) var keys: Set<String> = []

  /// Real templates have a few thousand bytes.
  private static let limit = 1 << 18

  /// nil for what is no template, or of more than 256 KiB.
  init?(_ template: String) {
    guard template.utf8.count <= Self.limit, let parts = Self.parts(of: Array(template.utf8)) else { return nil }
    let named = Self.named(parts)
    keys = Self.keys(named)
    var writer = Writer()
    for part in named { writer.append(part) }
    guard let parts = writer.finish() else { return nil }
    let defaults = Set(parts.compactMap { $0.literal.flatMap(Self.systemMessage)?.content })
    if defaults.count == 1 { defaultSystemMessage = defaults.first }
    for part in parts {
      switch part {
      case .text(let literal):
        if defaultSystemMessage != nil, let found = Self.systemMessage(in: literal) {
          text += literal[..<found.range.lowerBound] + "\u{4}" + literal[found.range.upperBound...]
        } else {
          text += literal
        }
      case .output(let words): text += "\u{1}=" + Self.spelled(words) + "\u{2}"
      case .block(let words): text += "\u{1}" + Self.spelled(words) + "\u{2}"
      }
    }
  }

  /// What the table of known templates has of it.
  var digest: String { String(SHA256.digest(of: Array(text.utf8)).description.prefix(16)) }

  // MARK: - Tags

  /// A word of an expression.
  enum Word: Hashable {
    case name(String)
    case string(String)
    case sign(String)
  }

  enum Part {
    case text(String)
    case output([Word])
    case block([Word])

    var literal: String? { if case .text(let text) = self { text } else { nil } }

    /// Of a tag.
    var words: [Word] {
      switch self {
      case .text: []
      case .output(let words), .block(let words): words
      }
    }
  }

  private static func parts(of bytes: [UInt8]) -> [Part]? {
    var parts: [Part] = []
    var position = 0
    /// Whether a tag that begins here stands first on its line.
    var beginsLine = true
    // One line end at the end is no part of a template.
    let end = bytes.last == 0x0A ? bytes.count - 1 : bytes.count
    while position < end {
      var start = position
      while start + 1 < end, bytes[start] != 0x7B || !"{%#".utf8.contains(bytes[start + 1]) { start += 1 }
      guard start + 1 < end else {
        parts.append(.text(String(decoding: bytes[position..<end], as: UTF8.self)))
        break
      }
      let kind = bytes[start + 1]
      var inner = start + 2
      let mark = inner < end ? bytes[inner] : 0
      var stop = start
      if mark == 0x2D || mark == 0x2B { inner += 1 }
      if mark == 0x2D {
        while stop > position, isSpace(bytes[stop - 1]) { stop -= 1 }
      } else if mark != 0x2B, kind != 0x7B {
        var line = start
        while line > position, bytes[line - 1] == 0x20 || bytes[line - 1] == 0x09 { line -= 1 }
        if line > position ? bytes[line - 1] == 0x0A : beginsLine { stop = line }
      }
      if stop > position { parts.append(.text(String(decoding: bytes[position..<stop], as: UTF8.self))) }
      guard var close = closing(kind, from: inner, bytes, end) else { return nil }
      position = close + 2
      let strips = close > inner && bytes[close - 1] == 0x2D
      if strips || (close > inner && bytes[close - 1] == 0x2B) { close -= 1 }
      if strips {
        while position < end, isSpace(bytes[position]) { position += 1 }
      } else if kind != 0x7B, close + 2 == position, position < end, bytes[position] == 0x0A {
        position += 1
      }
      beginsLine = bytes[position - 1] == 0x0A
      guard kind != 0x23 else { continue }
      guard let words = words(bytes[inner..<close]), words.first != .name("raw") else { return nil }
      parts.append(kind == 0x7B ? .output(words) : .block(words))
    }
    return parts
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  /// Where a tag's `}}`, `%}` or `#}` stands.
  private static func closing(_ kind: UInt8, from start: Int, _ bytes: [UInt8], _ end: Int) -> Int? {
    let first: UInt8 = kind == 0x7B ? 0x7D : kind
    var (position, quote, depth) = (start, UInt8(0), 0)
    while position + 1 < end {
      let byte = bytes[position]
      if quote != 0 {
        if byte == 0x5C { position += 1 } else if byte == quote { quote = 0 }
      } else if byte == first, bytes[position + 1] == 0x7D, depth == 0 || kind != 0x7B {
        return position
      } else if kind != 0x23 {
        if byte == 0x22 || byte == 0x27 { quote = byte }
        if byte == 0x7B { depth += 1 } else if byte == 0x7D { depth -= 1 }
      }
      position += 1
    }
    return nil
  }

  private static func words(_ bytes: ArraySlice<UInt8>) -> [Word]? {
    var words: [Word] = []
    var position = bytes.startIndex
    func isName(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
    }
    while position < bytes.endIndex {
      let byte = bytes[position]
      if isSpace(byte) {
        position += 1
      } else if isName(byte) {
        let start = position
        while position < bytes.endIndex, isName(bytes[position]) { position += 1 }
        words.append(.name(String(decoding: bytes[start..<position], as: UTF8.self)))
      } else if byte == 0x22 || byte == 0x27 {
        guard let end = string(bytes, from: position, &words) else { return nil }
        position = end
      } else {
        guard byte < 0x80 else { return nil }
        let isPair =
          position + 1 < bytes.endIndex && (bytes[position + 1] == 0x3D ? "=!<>".utf8.contains(byte) : false)
        words.append(.sign(String(decoding: bytes[position..<(position + (isPair ? 2 : 1))], as: UTF8.self)))
        position += isPair ? 2 : 1
      }
    }
    return withFields(words)
  }

  /// Reads a string with its escapes; gives where it ends.
  private static func string(_ bytes: ArraySlice<UInt8>, from start: Int, _ words: inout [Word]) -> Int? {
    var content: [UInt8] = []
    var position = start + 1
    while position < bytes.endIndex, bytes[position] != bytes[start] {
      if bytes[position] == 0x5C, position + 1 < bytes.endIndex {
        position += 1
        switch bytes[position] {
        case 0x6E: content.append(0x0A)
        case 0x74: content.append(0x09)
        case 0x72: content.append(0x0D)
        case 0x5C, 0x22, 0x27: content.append(bytes[position])
        // Other escapes are kept, with a mark that no text has.
        default: content += [0x03, bytes[position]]
        }
      } else {
        content.append(bytes[position])
      }
      position += 1
    }
    guard position < bytes.endIndex else { return nil }
    words.append(.string(String(decoding: content, as: UTF8.self)))
    return position + 1
  }

  /// Fields as `message['role']`, however they are written.
  private static func withFields(_ words: [Word]) -> [Word] {
    var result: [Word] = []
    var index = 0
    while index < words.count {
      if words[index] == .sign("."), index + 1 < words.count, case .name(let name) = words[index + 1],
        index + 2 == words.count || words[index + 2] != .sign("(")
      {
        result += [.sign("["), .string(name), .sign("]")]
        index += 2
      } else {
        result.append(words[index])
        index += 1
      }
    }
    return result
  }

  /// The parts with messages called `message`.
  private static func named(_ parts: [Part]) -> [Part] {
    func each(_ change: ([Word]) -> [Word]) -> [Part] {
      parts.map {
        switch $0 {
        case .text: $0
        case .output(let words): .output(change(words))
        case .block(let words): .block(change(words))
        }
      }
    }
    var (name, isTaken): (Word?, Bool) = (nil, false)
    _ = each { words in
      if words.contains(.name("message")) { isTaken = true }
      if name == nil, words.count > 3, words[0] == .name("for"), words[2] == .name("in"),
        words[3] == .name("messages") || words[3] == .name("loop_messages")
      {
        name = words[1]
      }
      return words
    }
    guard !isTaken, let name else { return parts }
    return each { $0.map { $0 == name ? .name("message") : $0 } }
  }

  /// Every string of the tags, as any may name a part of a message, but for those that name a part of a tool's call.
  private static func keys(_ parts: [Part]) -> Set<String> {
    let calls: Set<Word> = [.name("tool_call"), .name("tool"), .name("function")]
    var keys: Set<String> = []
    for part in parts {
      let words = part.words
      for (index, word) in words.enumerated() {
        guard case .string(let key) = word else { continue }
        // `tool_call['function']['name']` is of the call too.
        var first = index
        while first > 2, words[first - 1] == .sign("["), words[first - 2] == .sign("]"),
          case .string = words[first - 3]
        { first -= 3 }
        let isOfCall = first > 1 && words[first - 1] == .sign("[") && calls.contains(words[first - 2])
        if !isOfCall { keys.insert(key) }
      }
    }
    return keys
  }

  static func spelled(_ words: [Word]) -> String {
    var text = ""
    var isBehindName = false
    for word in words {
      switch word {
      case .name(let name): text += (isBehindName ? " " : "") + name
      case .string(let string):
        text += "'" + string.replacing(text: "\\", with: "\\\\").replacing(text: "'", with: "\\'") + "'"
      case .sign(let sign): text += sign
      }
      if case .name = word { isBehindName = true } else { isBehindName = false }
    }
    return text
  }

  /// The system message that a text writes as it is.
  private static func systemMessage(in text: String) -> (range: Range<String.Index>, content: String)? {
    guard let start = text.firstRange(ofText: "<|im_start|>system\n")?.upperBound,
      let end = text[start...].firstRange(ofText: "<|im_end|>")?.lowerBound
    else { return nil }
    return (start..<end, String(text[start..<end]))
  }
}

extension ChatTemplateSpelling {
  /// Puts parts together, without those that are never reached.
  private struct Writer {
    private struct Branch {
      /// Whether it is an `if` that is reached.
      var isKnown: Bool
      var isReached: Bool
      /// Whether a tag of it was written.
      var isWritten: Bool
    }

    private var parts: [Part] = []
    private var branches: [Branch] = []
    private var isBroken = false
    private var isReached: Bool { branches.last?.isReached ?? true }

    mutating func append(_ part: Part) {
      switch part {
      case .text(let text): if isReached { write(text) }
      case .output(let words): if isReached { for piece in Writer.sum(words) { write(piece) } }
      case .block(let words): block(words)
      }
    }

    /// nil where tags do not fit together.
    func finish() -> [Part]? { isBroken || !branches.isEmpty ? nil : parts }

    private mutating func write(_ text: String) {
      if case .text(let before) = parts.last {
        parts[parts.count - 1] = .text(before + text)
      } else if !text.isEmpty {
        parts.append(.text(text))
      }
    }

    private mutating func write(_ words: [Word]) {
      if words.count == 1, case .string(let text) = words[0] { write(text) } else { parts.append(.output(words)) }
    }

    /// The branch that a tag ends or goes on with.
    private mutating func left() -> Branch? {
      if branches.isEmpty { isBroken = true }
      return branches.popLast()
    }

    private mutating func block(_ words: [Word]) {
      switch words.first {
      case .name("if"):
        guard isReached else { return branches.append(Branch(isKnown: false, isReached: false, isWritten: false)) }
        let isNever = Writer.isNever(words.dropFirst())
        if !isNever { parts.append(.block(words)) }
        branches.append(Branch(isKnown: true, isReached: !isNever, isWritten: !isNever))
      case .name("elif"):
        guard var branch = left() else { return }
        if branch.isKnown {
          branch.isReached = !Writer.isNever(words.dropFirst())
          if branch.isReached {
            parts.append(.block([.name(branch.isWritten ? "elif" : "if")] + words.dropFirst()))
            branch.isWritten = true
          }
        }
        branches.append(branch)
      case .name("else"):
        guard var branch = left() else { return }
        if branch.isKnown {
          branch.isReached = true
          if branch.isWritten { parts.append(.block(words)) }
        }
        branches.append(branch)
      case .name("endif"):
        guard let branch = left() else { return }
        if branch.isWritten { parts.append(.block(words)) }
      case .name("for"):
        if isReached { parts.append(.block(words)) }
        branches.append(Branch(isKnown: isReached, isReached: isReached, isWritten: isReached))
      case .name("endfor"):
        guard let branch = left() else { return }
        if branch.isWritten { parts.append(.block(words)) }
      default: if isReached { parts.append(.block(words)) }
      }
    }

    /// What a condition has in it that never holds here.
    private static let never: Set<String> = [
      "tools", "tools is not none", "documents", "documents is not none", "message['role']=='tool'",
      "message['tool_calls']", "message['tool_calls']is defined",
    ]

    private static func isNever(_ condition: ArraySlice<Word>) -> Bool {
      guard !condition.contains(.name("or")), !condition.contains(.name("if")) else { return false }
      var depth = 0
      let parts = condition.split { word in
        if case .sign(let sign) = word { depth += "([{".contains(text: sign) ? 1 : ")]}".contains(text: sign) ? -1 : 0 }
        return depth == 0 && word == .name("and")
      }
      return parts.contains { never.contains(spelled(Array($0))) }
    }

    /// The parts of a sum, one after the other; other expressions as they are.
    private static func sum(_ words: [Word]) -> [[Word]] {
      var pieces: [[Word]] = [[]]
      var depth = 0
      for word in words {
        if case .sign(let sign) = word {
          depth += "([{".contains(text: sign) ? 1 : ")]}".contains(text: sign) ? -1 : 0
          if depth == 0, sign == "+" {
            pieces.append([])
            continue
          }
          if depth == 0, ![")", "]", "}", "|", "."].contains(sign) { return [words] }
        } else if depth == 0, ["if", "or", "and", "not", "in", "is"].contains(where: { word == .name($0) }) {
          return [words]
        }
        pieces[pieces.count - 1].append(word)
      }
      return pieces.contains([]) ? [words] : pieces
    }
  }
}
