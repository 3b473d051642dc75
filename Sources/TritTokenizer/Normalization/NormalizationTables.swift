// Tritsmith: what the normal forms know of each character.

/// `NormalizationData`, read. Made when a text first needs it, in well under a millisecond.
struct NormalizationTables: Sendable {
  /// Up to Unicode 9.0, as `tokenizers` 0.23 normalizes: newer characters are left alone.
  static let library = NormalizationTables(includesNewer: false)

  /// For blocks of 128 scalars the place of their traits; the first place is that of scalars without any.
  private var blocks = [UInt16](repeating: 0, count: Int(NormalizationTables.limit >> 7))
  private var traits = [UInt32](repeating: 0, count: 128)
  /// What characters come apart into, end to end; the traits of a character hold the number of its mapping plus 1.
  private var scalars: [UInt32] = []
  private var bounds: [Int32] = [0]
  /// Two scalars to the character they make.
  private var wholes = PairTable(minimumCapacity: 1024)

  /// No character beyond has a decomposition or a combining class.
  private static let limit: UInt32 = 0x30000

  // A character's traits: bits 0…7 its combining class, 8…11 whether a text in a form may not hold it, or not
  // everywhere, 12 whether its mapping is for compatible forms alone, from 16 on the number of its mapping plus 1.

  static func stirs(_ form: NormalizationForm) -> UInt32 {
    switch form {
    case .composed: 1 << 8
    case .decomposed: 1 << 9
    case .compatiblyComposed: 1 << 10
    case .compatiblyDecomposed: 1 << 11
    }
  }
  private static let stirsComposed = stirs(.composed) | stirs(.compatiblyComposed)
  private static let stirsDecomposed = stirs(.decomposed) | stirs(.compatiblyDecomposed)
  private static let stirsCompatible = stirs(.compatiblyComposed) | stirs(.compatiblyDecomposed)
  private static let isCompatible: UInt32 = 1 << 12

  private enum Hangul {
    static let syllables: Range<UInt32> = 0xAC00..<0xD7A4
    static let leads: Range<UInt32> = 0x1100..<0x1113
    static let vowels: Range<UInt32> = 0x1161..<0x1176
    /// The first stands for none.
    static let tails: Range<UInt32> = 0x11A7..<0x11C3
    static let perLead: UInt32 = 21 * 28
  }

  @inline(__always)
  func traits(of value: UInt32) -> UInt32 {
    value < NormalizationTables.limit ? traits[Int(blocks[Int(value >> 7)]) << 7 | Int(value & 127)] : 0
  }

  private mutating func set(_ bits: UInt32, of value: UInt32) {
    guard value < NormalizationTables.limit else { return }
    if blocks[Int(value >> 7)] == 0 {
      blocks[Int(value >> 7)] = UInt16(truncatingIfNeeded: traits.count >> 7)
      traits.append(contentsOf: repeatElement(0, count: 128))
    }
    traits[Int(blocks[Int(value >> 7)]) << 7 | Int(value & 127)] |= bits
  }

  // MARK: - Reading

  /// - Parameter includesNewer: whether characters are known that came after Unicode 9.0.
  init(includesNewer: Bool) {
    readClasses(includesNewer)
    readMappings(includesNewer)
    for scalar in Hangul.syllables { set(NormalizationTables.stirsDecomposed, of: scalar) }
    for scalar in Hangul.vowels { set(NormalizationTables.stirsComposed, of: scalar) }
    for scalar in Hangul.tails.dropFirst() { set(NormalizationTables.stirsComposed, of: scalar) }
  }

  private mutating func readClasses(_ includesNewer: Bool) {
    var reader = PackedNumbers(NormalizationData.classes)
    var end: UInt32 = 0
    while let distance = reader.next(), let length = reader.next(), let order = reader.byte() {
      let first = end &+ distance
      end = first &+ length >> 1 &+ 1
      if length & 1 != 0, !includesNewer { continue }
      for scalar in first..<max(first, end) {
        set(UInt32(order) | NormalizationTables.stirsComposed | NormalizationTables.stirsDecomposed, of: scalar)
      }
    }
  }

  private mutating func readMappings(_ includesNewer: Bool) {
    var reader = PackedNumbers(NormalizationData.mappings)
    var end: UInt32 = 0
    var mapping: [UInt32] = []
    var wholeScalars: [UInt32] = []
    while let flags = reader.next(), let distance = reader.next() {
      let count = flags & 8 == 0 ? 1 : reader.next() ?? 0
      let length = Int(flags >> 4) + 1
      while mapping.count < length { mapping.append(0) }
      for place in 0..<length {
        let zigzag = reader.next() ?? 0
        mapping[place] = zigzag & 1 == 0 ? mapping[place] &+ zigzag >> 1 : mapping[place] &- (zigzag >> 1 &+ 1)
      }
      let first = end &+ distance
      end = first &+ count
      let isCompatible = flags & 1 != 0
      let isWhole = !isCompatible && flags & 4 == 0 && length == 2
      for offset in 0..<count {
        if offset > 0 { mapping[0] &+= 1 }
        if flags & 2 != 0, !includesNewer { continue }
        scalars.append(contentsOf: mapping[..<length])
        bounds.append(Int32(scalars.count))
        // Numbers begin at 1, for which the bounds already have one more.
        var bits = UInt32(bounds.count - 1) << 16
        if isCompatible {
          bits |= NormalizationTables.isCompatible | NormalizationTables.stirsCompatible
        } else {
          bits |= NormalizationTables.stirsDecomposed | (isWhole ? 0 : NormalizationTables.stirsComposed)
        }
        set(bits, of: first + offset)
        if isWhole {
          wholeScalars.append(first + offset)
          let pair = PairTable.key(Int32(bitPattern: mapping[0]), Int32(bitPattern: mapping[1]))
          wholes.set(pair, to: UInt64(first + offset))
          set(NormalizationTables.stirsComposed, of: mapping[1])
        }
      }
    }
    // A whole may have a compatible part, and then is not what its parts make: U+0385 of U+00A8 is one.
    for value in wholeScalars where holdsCompatible(value) {
      set(NormalizationTables.stirs(.compatiblyComposed), of: value)
    }
  }

  private func holdsCompatible(_ value: UInt32) -> Bool {
    let traits = traits(of: value)
    let mapping = Int(traits >> 16)
    guard mapping > 0 else { return false }
    return traits & NormalizationTables.isCompatible != 0
      || scalars[Int(bounds[mapping - 1])..<Int(bounds[mapping])].contains(where: holdsCompatible)
  }

  // MARK: - Rewriting

  /// A scalar with its combining class.
  struct Mark {
    var value: UInt32
    var order: UInt8
  }

  /// Appends a part of a text in a form; what is around it must stand by itself. `marks` is memory to work in.
  func append(
    _ range: Range<Int>, of text: [UInt8], in form: NormalizationForm, to output: inout [UInt8], _ marks: inout [Mark]
  ) {
    marks.removeAll(keepingCapacity: true)
    var position = range.lowerBound
    while position < range.upperBound {
      let (value, next) = UTF8Coding.scalar(at: position, in: text)
      decompose(value, form.isCompatible, into: &marks)
      position = next
    }
    sort(&marks)
    if form.isComposed { compose(&marks) }
    for mark in marks { UTF8Coding.append(mark.value, to: &output) }
  }

  private func decompose(_ value: UInt32, _ isCompatible: Bool, into marks: inout [Mark]) {
    if Hangul.syllables.contains(value) {
      let index = value - Hangul.syllables.lowerBound
      marks.append(Mark(value: Hangul.leads.lowerBound + index / Hangul.perLead, order: 0))
      marks.append(Mark(value: Hangul.vowels.lowerBound + index % Hangul.perLead / 28, order: 0))
      if index % 28 > 0 { marks.append(Mark(value: Hangul.tails.lowerBound + index % 28, order: 0)) }
      return
    }
    let traits = traits(of: value)
    let mapping = Int(traits >> 16)
    if mapping > 0, isCompatible || traits & NormalizationTables.isCompatible == 0 {
      for index in bounds[mapping - 1]..<bounds[mapping] { decompose(scalars[Int(index)], isCompatible, into: &marks) }
    } else {
      marks.append(Mark(value: value, order: UInt8(truncatingIfNeeded: traits)))
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
    // How many are kept, in the places before, and which of them is the last starter.
    var count = 0
    var starter: Int?
    /// The class of what was kept last since the starter; 0 when nothing was.
    var kept: UInt8 = 0
    for index in marks.indices {
      let mark = marks[index]
      // A mark meets its starter over marks of lower classes only.
      if let starter, kept == 0 ? count - 1 == starter : kept < mark.order,
        let whole = whole(marks[starter].value, mark.value)
      {
        marks[starter].value = whole
        continue
      }
      if mark.order == 0 { starter = count }
      kept = mark.order
      marks[count] = mark
      count += 1
    }
    marks.removeSubrange(count...)
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
    let pair = PairTable.key(Int32(bitPattern: first), Int32(bitPattern: second))
    return wholes[pair].map { UInt32(truncatingIfNeeded: $0) }
  }
}

/// Numbers of seven bits a byte, low ones first, in base64.
private struct PackedNumbers {
  private var bytes: [UInt8] = []
  private var position = 0

  init(_ text: StaticString) {
    bytes.reserveCapacity(text.utf8CodeUnitCount * 3 / 4)
    var bits: UInt32 = 0
    var count = 0
    text.withUTF8Buffer { characters in
      for character in characters {
        let digit: UInt8
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): digit = 62
        case UInt8(ascii: "/"): digit = 63
        // The spaces between lines, and what fills the last group.
        default: continue
        }
        bits = bits << 6 | UInt32(digit)
        count += 6
        if count >= 8 {
          count -= 8
          bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
      }
    }
  }

  mutating func byte() -> UInt8? {
    guard position < bytes.count else { return nil }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func next() -> UInt32? {
    var value: UInt32 = 0
    var shift: UInt32 = 0
    while let byte = byte() {
      value |= UInt32(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    return nil
  }
}
