// Tritsmith: Unicode's normal forms.

/// One spelling for texts that Unicode calls equivalent (UAX 15).
enum NormalizationForm: String, Sendable, CaseIterable {
  case composed = "NFC"
  case decomposed = "NFD"
  case compatiblyComposed = "NFKC"
  case compatiblyDecomposed = "NFKD"

  var isComposed: Bool { self == .composed || self == .compatiblyComposed }
  /// Whether compatible characters become those they stand for, such as `ﬁ` the letters `fi`.
  var isCompatible: Bool { self == .compatiblyComposed || self == .compatiblyDecomposed }

  /// The lowest byte of a text that might not be in this form: a text of lower bytes is, whatever stands in it.
  ///
  /// Below U+0300 there are no marks and nothing composes; U+00C0 is the first character that comes apart, U+00A0 the
  /// first compatible one.
  private var firstByteOfInterest: UInt8 {
    switch self {
    case .composed: 0xCC
    case .decomposed: 0xC3
    case .compatiblyComposed, .compatiblyDecomposed: 0xC2
    }
  }

  /// At most so many bytes come of one: U+FDFA stands for 18 characters of 33 bytes.
  var growth: Int { isCompatible ? 11 : 3 }

  /// The text in this form; most texts are already, and are only looked through.
  ///
  /// - Parameter tables: what characters are known; nil for those of the `tokenizers` library.
  func apply(to text: [UInt8], tables: NormalizationTables? = nil) -> [UInt8] {
    guard var position = text.firstIndex(where: { $0 >= firstByteOfInterest }) else { return text }
    // Back to the beginning of that character, and of the one before, to which it may belong.
    while position > 0, text[position] & 0xC0 == 0x80 { position -= 1 }
    var last = max(0, position - 1)
    while last > 0, text[last] & 0xC0 == 0x80 { last -= 1 }
    let tables = tables ?? .library
    let stirs = NormalizationTables.stirs(self)
    var result: [UInt8] = []
    var marks: [NormalizationTables.Mark] = []
    /// What lies before is in `result`.
    var done = 0
    // `last` is where the last scalar that stands by itself begins: the next may belong to it.
    while position < text.count {
      guard text[position] >= 0x80 else {
        last = position
        position += 1
        continue
      }
      let (value, next) = UTF8Coding.scalar(at: position, in: text)
      guard tables.traits(of: value) & stirs != 0 else {
        last = position
        position = next
        continue
      }
      var end = next
      while end < text.count {
        let (value, next) = UTF8Coding.scalar(at: end, in: text)
        guard tables.traits(of: value) & stirs != 0 else { break }
        end = next
      }
      // What follows stands by itself, so nothing beyond it can change.
      if done == 0 { result.reserveCapacity(text.count) }
      result.append(contentsOf: text[done..<last])
      tables.append(last..<end, of: text, in: self, to: &result, &marks)
      done = end
      last = end
      position = end
    }
    if done == 0 { return text }
    result.append(contentsOf: text[done...])
    return result
  }
}
