// Tritsmith: how tokens become text again.

import TritCore

/// The decoder section: what a token stands for, and what is done where tokens meet.
enum Detokenizer: Sendable, Equatable {
  /// Tokens are spelled in stand-ins for bytes, which are joined (`ByteLevel`).
  case byteLevel
  /// Tokens are spelled as text.
  case pieces(PieceDecoder)
}

/// The decoder of a vocabulary made by SentencePiece.
struct PieceDecoder: Sendable, Equatable {
  /// What the beginning of a text loses.
  enum Beginning: Sendable, Equatable {
    case nothing
    /// Up to so many of these bytes (`Strip`, behind `Fuse`).
    case strip([UInt8], limit: Int)
    /// Every mark of its first token (`Metaspace`).
    case marksOfFirstToken
  }

  struct Replacement: Sendable, Equatable {
    var pattern: [UInt8]
    var content: [UInt8]
  }

  /// Made in every token, in this order.
  var replacements: [Replacement] = []
  /// Whether `<0x0A>` stands for a byte (`ByteFallback`).
  var takesBytes = false
  var beginning = Beginning.nothing

  /// What a token stands for; the byte when it is one of a character's.
  func bytes(of token: String) -> (bytes: [UInt8], isByte: Bool) {
    if takesBytes, let byte = CharacterAlphabet.byte(named: token) { return ([byte], true) }
    var text = Array(token.utf8)
    for step in replacements { text = Normalizer.replace(step.pattern, with: step.content, in: text) }
    return (text, false)
  }

  /// What a token stands for that begins a text and loses its marks there.
  func bytes(ofFirst token: String) -> [UInt8] {
    replacements.reduce(Array(token.utf8)) { Normalizer.replace($1.pattern, with: [], in: $0) }
  }
}

extension Detokenizer {
  /// What is done, in a line for people.
  var summary: String {
    guard case .pieces(let decoder) = self else { return "ByteLevel" }
    func text(_ bytes: [UInt8]) -> String { "'" + printable(String(decoding: bytes, as: UTF8.self)) + "'" }
    var parts = decoder.replacements.map { "\(text($0.pattern)) becomes \(text($0.content))" }
    if decoder.takesBytes { parts.append("bytes are joined") }
    switch decoder.beginning {
    case .nothing: break
    case .strip(let content, let limit): parts.append("\(limit) of \(text(content)) dropped at the beginning")
    case .marksOfFirstToken: parts.append("marks of the first token dropped")
    }
    return parts.isEmpty ? "tokens are joined" : parts.joined(separator: ", ")
  }
}

// MARK: - Reading

extension Detokenizer {
  /// Reads the decoder section.
  init(_ reader: FieldReader?) throws(TokenizerError) {
    guard let reader else {
      throw TokenizerError(
        .unsupported("a tokenizer without decoder, whose tokens are joined by spaces"), field: "decoder")
    }
    var steps: [FieldReader] = []
    try Detokenizer.flatten(reader, into: &steps)
    if steps.count == 1, try steps[0].requiredString("type") == "ByteLevel" {
      try steps[0].allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
      self = .byteLevel
      return
    }
    var decoder = PieceDecoder()
    var isFused = false
    for (index, step) in steps.enumerated() {
      let type = try step.requiredString("type")
      switch type {
      case "Replace" where !decoder.takesBytes && !isFused:
        try step.allow(["type", "pattern", "content"])
        let (pattern, content) = try Normalizer.literalReplacement(step)
        decoder.replacements.append(.init(pattern: pattern, content: content))
      case "ByteFallback" where !isFused:
        try step.allow(["type"])
        decoder.takesBytes = true
      case "Fuse":
        try step.allow(["type"])
        isFused = true
      case "Strip" where isFused && decoder.beginning == .nothing:
        try step.allow(["type", "content", "start", "stop"])
        decoder.beginning = try Detokenizer.strip(step)
      case "Metaspace" where steps.count == 1:
        let space = try Metaspace(step)
        decoder.replacements = [.init(pattern: Array(String(space.mark).utf8), content: Array(" ".utf8))]
        if space.scheme != .never { decoder.beginning = .marksOfFirstToken }
      default:
        throw step.error(
          .unsupported("decoder '\(printable(type))'\(steps.count > 1 ? " at place \(index + 1)" : "")"), at: "type")
      }
    }
    guard !steps.isEmpty else { throw reader.error(.unsupported("a decoder without steps")) }
    self = .pieces(decoder)
  }

  private static func flatten(_ reader: FieldReader, into steps: inout [FieldReader]) throws(TokenizerError) {
    guard try reader.requiredString("type") == "Sequence" else {
      steps.append(reader)
      return
    }
    try reader.allow(["type", "decoders"])
    for step in try reader.readers("decoders") { try flatten(step, into: &steps) }
    guard steps.count <= PreTokenizer.stepLimit else {
      throw reader.error(.tooLarge(what: "number of steps", found: steps.count, limit: PreTokenizer.stepLimit))
    }
  }

  private static func strip(_ step: FieldReader) throws(TokenizerError) -> PieceDecoder.Beginning {
    let content = try step.requiredString("content")
    let start = try step.required("start").number?.integer
    guard content.unicodeScalars.count == 1, let start, start >= 0, try step.required("stop").number?.integer == 0
    else {
      throw step.error(.unsupported("a Strip that is not of one character at the beginning"))
    }
    return .strip(Array(content.utf8), limit: start)
  }
}

// MARK: - Joining

/// Joins what tokens stand for.
///
/// Neighbouring tokens of bytes are one text when together they are UTF-8; if not, each becomes U+FFFD, as in the
/// `tokenizers` library. So such a run is held back until it ends.
struct PieceJoiner: Sendable {
  private var run: [UInt8] = []
  /// Whether the next token is the first and stands for something else there: `PieceDecoder.bytes(ofFirst:)`.
  private(set) var wantsFirstToken: Bool
  private var toStrip: Int
  private let stripped: [UInt8]

  init(_ decoder: PieceDecoder) {
    wantsFirstToken = decoder.beginning == .marksOfFirstToken
    if case .strip(let content, let limit) = decoder.beginning {
      (stripped, toStrip) = (content, limit)
    } else {
      (stripped, toStrip) = ([], 0)
    }
  }

  /// Takes what the next token stands for; what is certain of the text with it.
  mutating func append(_ bytes: ArraySlice<UInt8>, isByte: Bool) -> [UInt8] {
    wantsFirstToken = false
    if isByte {
      run += bytes
      return []
    }
    return strip(flush() + bytes)
  }

  /// Takes text that keeps its spaces wherever it stands; behind it nothing is a beginning.
  mutating func appendWhole(_ bytes: [UInt8]) -> [UInt8] {
    let before = strip(flush())
    if !bytes.isEmpty { (wantsFirstToken, toStrip) = (false, 0) }
    return before + bytes
  }

  /// The rest.
  mutating func finish() -> [UInt8] { strip(flush()) }

  private mutating func flush() -> [UInt8] {
    defer { run.removeAll(keepingCapacity: true) }
    if WellFormedUTF8.firstInvalid(in: run) == nil { return run }
    return run.flatMap { _ in Array("\u{FFFD}".utf8) }
  }

  private mutating func strip(_ text: [UInt8]) -> [UInt8] {
    var start = 0
    while toStrip > 0, start < text.count {
      guard text[start...].starts(with: stripped) else {
        toStrip = 0
        break
      }
      start += stripped.count
      toStrip -= 1
    }
    return start == 0 ? text : Array(text[start...])
  }
}
