// Tritsmith: values as people read them.

import VisibleText

/// One text of many numbers, without a list of their texts.
func joined(
  _ numbers: some Collection<Int>, between open: String, _ close: String, separator: String, _ text: (Int) -> String
) -> String {
  var result = open
  for (index, number) in numbers.enumerated() {
    if index > 0 { result += separator }
    result += text(number)
  }
  return result + close
}

/// A list of numbers in square brackets, some thousand at a time: the ids of a megabyte of text are several as text.
func forEachPiece(of numbers: [Int], _ text: (Int) -> String, _ body: (String) -> Void) {
  var start = 0
  repeat {
    let end = min(start + 4096, numbers.count)
    let (open, close) = (start == 0 ? "[" : "", end < numbers.count ? ", " : "]")
    body(joined(numbers[start..<end], between: open, close, separator: ", ", text))
    start = end
  } while start < numbers.count
}

/// A text some thousand scalars at a time.
func forEachPiece(of text: String, _ body: (String) -> Void) {
  let scalars = text.unicodeScalars
  var start = scalars.startIndex
  while start < scalars.endIndex {
    let end = scalars.index(start, offsetBy: 4096, limitedBy: scalars.endIndex) ?? scalars.endIndex
    body(String(scalars[start..<end]))
    start = end
  }
}

extension ReportValue {
  /// Whether it is written in pieces: spelled out and escaped as a whole, a long value takes many times its memory.
  var isLong: Bool {
    switch self {
    case .text(let text): text.utf8.count > 1 << 14
    case .integers(let numbers): numbers.count > 4096
    case .integer, .unsigned, .number, .bytes, .bool, .list, .missing: false
    }
  }
}

extension ReportFact {
  /// The same fact, of a long value no more than a screen may hold.
  var beginning: ReportFact {
    var fact = self
    switch value {
    case .text(let text) where value.isLong: fact.value = .text(String(text.unicodeScalars.prefix(4096)))
    case .integers(let numbers) where value.isLong: fact.value = .integers(Array(numbers.prefix(2048)))
    default: break
    }
    return fact
  }
}

/// Names of machine formats as people say them.
private let wordsOfNames = [
  "conversion_fidelity": "conversion fidelity", "not_exact": "not exact", "not_applicable": "does not apply",
  "other_tensors": "other tensors", "not_compared": "not compared", "kld": "KL(P‖Q)", "reverse_kld": "KL(Q‖P)",
  "js_divergence": "Jensen–Shannon", "delta_p": "Δp", "mean_kld": "mean KL", "same_top_1": "same top-1",
  "ppl_ratio": "perplexity ratio",
]

extension ReportKind {
  /// A value in a table or a fact; not yet made safe for a medium.
  ///
  /// A value that does not fit the kind is shown by its own nature, so that a slip in a report costs looks, not data.
  func text(of value: ReportValue, missing: String = "-", exactBytes: Bool = false) -> String {
    switch (value, self) {
    case (.missing, _): return missing
    case (.text(let text), .state): return wordsOfNames[text] ?? layerName(text)
    // A verdict among numbers; a page chooses the decimals of a column.
    case (.text(let text), .significant), (.text(let text), .decimal): return wordsOfNames[text] ?? text
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
    // A count among measured numbers has no digits after a point.
    case (.unsigned(let count), .integer), (.unsigned(let count), .significant): return NumberText.grouped(count)
    case (.integer(let count), .integer), (.integer(let count), .significant): return NumberText.grouped(count)
    case (.unsigned(let count), .text), (.unsigned(let count), .hash), (.unsigned(let count), .bool),
      (.unsigned(let count), .severity), (.unsigned(let count), .state), (.unsigned(let count), .command):
      return "\(count)"
    case (.integer(let count), .text), (.integer(let count), .hash), (.integer(let count), .bool),
      (.integer(let count), .severity), (.integer(let count), .state), (.integer(let count), .command):
      return "\(count)"
    case (.unsigned(let count), _): return text(of: Double(count))
    case (.integer(let count), _): return text(of: Double(count))
    case (.number(let number), _): return text(of: number)
    }
  }

  /// The same text: a list of numbers in pieces that end with a space but for the last, anything else at once.
  func forEachPiece(of value: ReportValue, exactBytes: Bool = false, _ body: (String) -> Void) {
    if case .integers(let numbers) = value {
      TritReport.forEachPiece(of: numbers, { text(of: .integer($0)) }, body)
    } else {
      body(text(of: value, exactBytes: exactBytes))
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
    case .integer, .bytes, .hash, .bool, .severity, .state, .command: NumberText.significant(number, digits: 6)
    }
  }
}
