// Tritsmith: canonical composition and decomposition.

/// One spelling for texts that are canonically equivalent, as Unicode defines it (UAX 15).
enum CanonicalForm: String, Sendable {
  case composed = "NFC"
  case decomposed = "NFD"

  /// The text in this form; most texts are already, and are only looked through.
  func apply(to text: [UInt8]) -> [UInt8] {
    let tables = CanonicalTables.shared
    let stirring = self == .composed ? tables.stirsComposition : tables.stirsDecomposition
    var result: [UInt8] = []
    /// What lies before is in `result`.
    var done = 0
    /// Where the last scalar that stands by itself begins: the next may belong to it.
    var last = 0
    var position = 0
    while position < text.count {
      guard text[position] >= 0x80 else {
        last = position
        position += 1
        continue
      }
      let (value, next) = UTF8Coding.scalar(at: position, in: text)
      guard stirring.contains(value) else {
        last = position
        position = next
        continue
      }
      var end = next
      while end < text.count {
        let (value, next) = UTF8Coding.scalar(at: end, in: text)
        guard stirring.contains(value) else { break }
        end = next
      }
      // What follows stands by itself, so nothing beyond it can change.
      result.append(contentsOf: text[done..<last])
      tables.append(last..<end, of: text, in: self, to: &result)
      done = end
      last = end
      position = end
    }
    if done == 0 { return text }
    result.append(contentsOf: text[done...])
    return result
  }
}

/// Scalars in a bit each.
struct ScalarBitmap: Sendable {
  /// No character beyond has a decomposition or a combining class.
  private static let limit: UInt32 = 0x30000
  private var words = [UInt64](repeating: 0, count: Int(limit) / 64)

  @inline(__always)
  func contains(_ value: UInt32) -> Bool {
    value < ScalarBitmap.limit && words[Int(value >> 6)] & 1 << UInt64(value & 63) != 0
  }

  mutating func insert(_ value: UInt32) {
    if value < ScalarBitmap.limit { words[Int(value >> 6)] |= 1 << UInt64(value & 63) }
  }
}

/// `NormalizationData`, read.
struct CanonicalTables: Sendable {
  static let shared = CanonicalTables()

  /// The first and second scalar a character comes apart into; the second may be missing.
  private var parts: [UInt32: (first: UInt32, second: UInt32?)] = [:]
  /// Two scalars to the character they make: `first << 32 | second`.
  private var wholes: [UInt64: UInt32] = [:]
  private var classes: [UInt32: UInt8] = [:]
  /// Scalars that a text in the form may not hold, or not everywhere.
  private(set) var stirsComposition = ScalarBitmap()
  private(set) var stirsDecomposition = ScalarBitmap()

  private enum Hangul {
    static let syllables: Range<UInt32> = 0xAC00..<0xD7A4
    static let leads: Range<UInt32> = 0x1100..<0x1113
    static let vowels: Range<UInt32> = 0x1161..<0x1176
    /// The first stands for none.
    static let tails: Range<UInt32> = 0x11A7..<0x11C3
    static let perLead: UInt32 = 21 * 28
  }

  private init() {
    func number(_ text: Substring) -> UInt32 { UInt32(text, radix: 16) ?? 0 }
    for entry in NormalizationData.decompositions.split(separator: " ") {
      let isExcluded = entry.hasSuffix("!")
      let fields = (isExcluded ? entry.dropLast() : entry).split(whereSeparator: { $0 == ":" || $0 == "+" }).map(number)
      let second = fields.count > 2 ? fields[2] : nil
      parts[fields[0]] = (fields[1], second)
      stirsDecomposition.insert(fields[0])
      if let second, !isExcluded {
        wholes[UInt64(fields[1]) << 32 | UInt64(second)] = fields[0]
        stirsComposition.insert(second)
      } else {
        stirsComposition.insert(fields[0])
      }
    }
    for entry in NormalizationData.classes.split(separator: " ") {
      let fields = entry.split(whereSeparator: { $0 == "-" || $0 == ":" }).map(number)
      guard let first = fields.first, let value = fields.last else { continue }
      for scalar in first...fields[fields.count - 2] {
        classes[scalar] = UInt8(truncatingIfNeeded: value)
        stirsComposition.insert(scalar)
        stirsDecomposition.insert(scalar)
      }
    }
    for scalar in Hangul.syllables { stirsDecomposition.insert(scalar) }
    for scalar in Hangul.vowels { stirsComposition.insert(scalar) }
    for scalar in Hangul.tails.dropFirst() { stirsComposition.insert(scalar) }
  }

  /// A scalar with its combining class.
  private struct Mark {
    var value: UInt32
    var order: UInt8
  }

  /// Appends a part of a text in a form; what is around it must stand by itself.
  func append(_ range: Range<Int>, of text: [UInt8], in form: CanonicalForm, to output: inout [UInt8]) {
    var marks: [Mark] = []
    var position = range.lowerBound
    while position < range.upperBound {
      let (value, next) = UTF8Coding.scalar(at: position, in: text)
      decompose(value, into: &marks)
      position = next
    }
    sort(&marks)
    if form == .composed { compose(&marks) }
    for mark in marks {
      guard let scalar = Unicode.Scalar(mark.value) else { continue }
      output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
  }

  private func decompose(_ value: UInt32, into marks: inout [Mark]) {
    if Hangul.syllables.contains(value) {
      let index = value - Hangul.syllables.lowerBound
      marks.append(Mark(value: Hangul.leads.lowerBound + index / Hangul.perLead, order: 0))
      marks.append(Mark(value: Hangul.vowels.lowerBound + index % Hangul.perLead / 28, order: 0))
      if index % 28 > 0 { marks.append(Mark(value: Hangul.tails.lowerBound + index % 28, order: 0)) }
    } else if let (first, second) = parts[value] {
      decompose(first, into: &marks)
      if let second { decompose(second, into: &marks) }
    } else {
      marks.append(Mark(value: value, order: classes[value] ?? 0))
    }
  }

  /// Puts marks between two starters into the order of their classes, those of one class as they were.
  private func sort(_ marks: inout [Mark]) {
    var start = 0
    while start < marks.count {
      guard marks[start].order > 0 else {
        start += 1
        continue
      }
      var end = start + 1
      var isSorted = true
      while end < marks.count, marks[end].order > 0 {
        if marks[end].order < marks[end - 1].order { isSorted = false }
        end += 1
      }
      if !isSorted {
        let run = marks[start..<end].enumerated().sorted {
          ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
        }
        for (offset, mark) in run.enumerated() { marks[start + offset] = mark.element }
      }
      start = end
    }
  }

  private func compose(_ marks: inout [Mark]) {
    var result: [Mark] = []
    var starter: Int?
    /// The class of what was kept last since the starter; 0 when nothing was.
    var kept: UInt8 = 0
    for mark in marks {
      // A mark meets its starter over marks of lower classes only.
      if let starter, kept == 0 ? result.count - 1 == starter : kept < mark.order,
        let whole = whole(result[starter].value, mark.value)
      {
        result[starter].value = whole
        continue
      }
      if mark.order == 0 { starter = result.count }
      kept = mark.order
      result.append(mark)
    }
    marks = result
  }

  private func whole(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if Hangul.leads.contains(first), Hangul.vowels.contains(second) {
      let lead = first - Hangul.leads.lowerBound
      return Hangul.syllables.lowerBound + lead * Hangul.perLead + (second - Hangul.vowels.lowerBound) * 28
    }
    if Hangul.syllables.contains(first), Hangul.tails.dropFirst().contains(second),
      (first - Hangul.syllables.lowerBound) % 28 == 0
    {
      return first + second - Hangul.tails.lowerBound
    }
    return wholes[UInt64(first) << 32 | UInt64(second)]
  }
}
