// Tritsmith: values as people read them.

/// One text of many numbers, without a list of their texts.
func joined(
  _ numbers: [Int], between open: String, _ close: String, separator: String, _ text: (Int) -> String
) -> String {
  var result = open
  for (index, number) in numbers.enumerated() {
    if index > 0 { result += separator }
    result += text(number)
  }
  return result + close
}

extension ReportKind {
  /// A value in a table or a fact; not yet made safe for a medium.
  ///
  /// A value that does not fit the kind is shown by its own nature, so that a slip in a report costs looks, not data.
  func text(of value: ReportValue, missing: String = "-", exactBytes: Bool = false) -> String {
    switch (value, self) {
    case (.missing, _): return missing
    case (.text(let text), _): return text
    case (.bool(let bool), _): return bool ? "yes" : "no"
    case (.list(let values), _):
      return "[" + values.map { text(of: $0, missing: missing) }.joined(separator: ", ") + "]"
    case (.integers(let numbers), _):
      return joined(numbers, between: "[", "]", separator: ", ") { text(of: .integer($0), missing: missing) }
    case (.bytes(let count), _): return exactBytes ? NumberText.exactBytes(count) : NumberText.bytes(count)
    case (.unsigned(let count), .bytes): return exactBytes ? NumberText.exactBytes(count) : NumberText.bytes(count)
    case (.integer(let count), .bytes) where count >= 0:
      return exactBytes ? NumberText.exactBytes(UInt64(count)) : NumberText.bytes(UInt64(count))
    case (.unsigned(let count), .integer): return NumberText.grouped(count)
    case (.integer(let count), .integer): return NumberText.grouped(count)
    case (.unsigned(let count), .text), (.unsigned(let count), .hash), (.unsigned(let count), .bool),
      (.unsigned(let count), .severity):
      return "\(count)"
    case (.integer(let count), .text), (.integer(let count), .hash), (.integer(let count), .bool),
      (.integer(let count), .severity):
      return "\(count)"
    case (.unsigned(let count), _): return text(of: Double(count))
    case (.integer(let count), _): return text(of: Double(count))
    case (.number(let number), _): return text(of: number)
    }
  }

  private func text(of number: Double) -> String {
    switch self {
    case .decimal(let digits): NumberText.fixed(number, digits: digits)
    case .significant(let digits): NumberText.significant(number, digits: digits)
    case .fraction(let digits): NumberText.percent(number, digits: digits)
    case .duration: NumberText.duration(number)
    // Among texts a number stands as its own file spells it: with all digits.
    case .text: "\(number)"
    case .integer, .bytes, .hash, .bool, .severity: NumberText.significant(number, digits: 6)
    }
  }
}
