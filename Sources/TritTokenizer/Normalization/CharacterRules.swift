// Tritsmith: normalizers that look at each character by itself.

/// What `Lowercase`, `Strip` and `StripAccents` do.
enum CharacterRules {
  private static let spaces = ScalarSet(items: [.whiteSpace(true)], unicode: .rust)
  private static let marks = ScalarSet(items: [.categories(GeneralCategories.marks)], unicode: .normalization)

  static func lowercased(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    forEachCharacter(of: text) { value, range in
      switch value {
      case 0x41...0x5A: result.append(UInt8(value) + 0x20)
      case 0..<0x80: result.append(UInt8(value))
      default:
        guard let scalar = Unicode.Scalar(value), scalar.properties.changesWhenLowercased else {
          return result.append(contentsOf: text[range])
        }
        result.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
      }
    }
    return result
  }

  static func stripped(_ text: [UInt8], left: Bool, right: Bool) -> [UInt8] {
    var start = 0
    var end = text.count
    while left, start < end {
      let (value, next) = UTF8Coding.scalar(at: start, in: text)
      guard spaces.contains(value) else { break }
      start = next
    }
    while right, start < end {
      let before = UTF8Text(bytes: text).before(end)
      guard spaces.contains(UTF8Coding.scalar(at: before, in: text).value) else { break }
      end = before
    }
    return start == 0 && end == text.count ? text : Array(text[start..<end])
  }

  static func withoutMarks(_ text: [UInt8]) -> [UInt8] {
    // The first mark is U+0300.
    guard text.contains(where: { $0 >= 0xCC }) else { return text }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    forEachCharacter(of: text) { value, range in
      if value < 0x300 || !marks.contains(value) { result.append(contentsOf: text[range]) }
    }
    return result
  }

  private static func forEachCharacter(of text: [UInt8], _ body: (_ value: UInt32, _ range: Range<Int>) -> Void) {
    var position = 0
    while position < text.count {
      let (value, next) = UTF8Coding.scalar(at: position, in: text)
      body(value, position..<next)
      position = next
    }
  }
}
