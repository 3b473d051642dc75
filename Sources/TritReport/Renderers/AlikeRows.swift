// Tritsmith: a fault that repeats over layers, told once.

import VisibleText

/// A text with its numbers apart: "model.layers.0.mlp" is "model.layers.", "0", ".mlp". A sign, a fraction and an
/// exponent belong to their number.
func numberedParts(_ text: String) -> [Substring] {
  var result: [Substring] = []
  var (start, index) = (text.startIndex, text.startIndex)
  while index < text.endIndex {
    guard let end = endOfNumber(text, from: index) else {
      index = text.index(after: index)
      continue
    }
    if start < index { result.append(text[start..<index]) }
    result.append(text[index..<end])
    (start, index) = (end, end)
  }
  if start < text.endIndex { result.append(text[start...]) }
  return result
}

/// Where the number that begins at an index ends; nil where none begins.
private func endOfNumber(_ text: String, from index: String.Index) -> String.Index? {
  func isDigit(_ index: String.Index) -> Bool { index < text.endIndex && text[index].isASCII && text[index].isNumber }
  func pastDigits(_ index: String.Index) -> String.Index {
    var index = index
    while isDigit(index) { index = text.index(after: index) }
    return index
  }
  var end = index
  // Behind a letter it is a hyphen: "model-00001".
  if text[index] == "-", index == text.startIndex || " ([,:".contains(text[text.index(before: index)]) {
    end = text.index(after: index)
  }
  guard isDigit(end) else { return nil }
  end = pastDigits(end)
  if end < text.endIndex, text[end] == ".", isDigit(text.index(after: end)) { end = pastDigits(text.index(after: end)) }
  guard end < text.endIndex, text[end] == "e" else { return end }
  var exponent = text.index(after: end)
  if exponent < text.endIndex, "+-".contains(text[exponent]) { exponent = text.index(after: exponent) }
  return isDigit(exponent) ? pastDigits(exponent) : end
}

private func isNumber(_ part: Substring) -> Bool { part.last.map { $0.isASCII && $0.isNumber } ?? false }

/// Texts that differ in numbers only give the same.
func withoutNumbers(_ text: String) -> String {
  numberedParts(text).map { isNumber($0) ? "#" : $0 }.joined()
}

/// Texts that differ in numbers only, as they come.
struct AlikeTexts {
  let first: String
  private let parts: [Substring]
  /// Places in `parts` of numbers that are not the same in all, with the least and the largest of them.
  private var differing: [Int: (least: Substring, largest: Substring)] = [:]
  private var distinct: Set<String>
  private(set) var count = 1

  init(_ text: String) {
    (first, parts, distinct) = (text, numberedParts(text), [text])
  }

  mutating func add(_ text: String) {
    count += 1
    distinct.insert(text)
    for (place, part) in numberedParts(text).enumerated() where place < parts.count {
      guard part != parts[place] || differing[place] != nil else { continue }
      var range = differing[place] ?? (least: parts[place], largest: parts[place])
      if value(part) < value(range.least) { range.least = part }
      if value(part) > value(range.largest) { range.largest = part }
      differing[place] = range
    }
  }

  var differs: Bool { !differing.isEmpty }
  /// Whether all are one text.
  var isOne: Bool { distinct.count == 1 }

  private func value(_ part: Substring) -> Double { Double(part) ?? .nan }

  /// Whether they differ in parts of names only, as those of layers do; other numbers may not get lost.
  private var isName: Bool {
    differing.keys.allSatisfy { $0 > 0 && parts[$0 - 1].last.map { "._-/".contains($0) } == true }
  }

  /// "layers.0–3.mlp" where these are all between, else "layers.0,2–3.mlp", as `numberList` has them, or "layers.*.mlp"
  /// where several numbers differ; whether that names or counts all of them. Nil for what is no name.
  private var names: (text: String, isComplete: Bool)? {
    guard isName else { return nil }
    let all = differing.values.reduce(1) { $0 * (value($1.largest) - value($1.least) + 1) }
    let isComplete = all == Double(distinct.count)
    let runs = isComplete ? nil : self.runs
    let merged = parts.indices.map { place -> String in
      guard let range = differing[place] else { return String(parts[place]) }
      return isComplete ? "\(range.least)–\(range.largest)" : runs ?? "*"
    }
    return (merged.joined(), isComplete || runs != nil)
  }

  /// The numbers in the one place where they differ: "0–5,8,10–31"; nil where several places differ.
  private var runs: String? {
    guard differing.count == 1, let place = differing.keys.first else { return nil }
    var numbers: [Int] = []
    for text in distinct {
      let parts = numberedParts(text)
      guard place < parts.count, let number = Int(parts[place]) else { return nil }
      numbers.append(number)
    }
    return numberList(numbers.sorted())
  }

  /// The name of all.
  var name: String {
    guard let names else { return remark }
    return names.isComplete ? names.text : "\(names.text) (\(count))"
  }

  /// Which of them a text is: "layer 3".
  func place(of text: String) -> String? {
    guard isName, differs else { return nil }
    let own = numberedParts(text)
    let numbers = differing.keys.sorted().compactMap { $0 < own.count ? own[$0] : nil }
    let before = differing.count == 1 ? differing.keys.first.map { parts[$0 - 1] } : nil
    let isLayer = before.map { $0.hasSuffix("layers.") || $0.hasSuffix("blk.") } ?? false
    return (isLayer ? "layer " : "") + numbers.joined(separator: ".")
  }

  /// One line for all.
  var remark: String {
    if count == 1 { return first }
    guard let names else { return "\(first), and \(count - 1) more alike" }
    return differs ? "\(names.text) (\(count) times)" : first
  }
}

/// Texts in the order of the first of each kind, those that differ in numbers only together.
private func alikeTexts(_ texts: [String]) -> [AlikeTexts] {
  var result: [AlikeTexts] = []
  var places: [String: Int] = [:]
  for text in texts {
    let key = withoutNumbers(text)
    if let place = places[key] {
      result[place].add(text)
    } else {
      places[key] = result.count
      result.append(AlikeTexts(text))
    }
  }
  return result
}

/// Sentences in their order; those that differ in numbers only are told once, as notes of a report are.
package func foldedRemarks(_ texts: [String]) -> [String] { alikeTexts(texts).map(\.remark) }

/// Names in their order, those that differ in numbers only as one, with how many each stands for.
package func foldedNames(_ names: [String]) -> [(name: String, count: Int)] {
  alikeTexts(names).map { ($0.name, $0.count) }
}

/// Rows of a table that differ in numbers only.
private struct AlikeRow {
  /// The place of the first.
  let first: Int
  private(set) var count = 1
  /// The worst row so far; the first where nothing tells which is worst.
  private var shown: [ReportValue]
  private var badness: Double?
  private var isRanked = false
  private var texts: [Int: AlikeTexts] = [:]
  private var least: [ReportValue]
  private var largest: [ReportValue]

  init(_ row: [ReportValue], at first: Int, _ badness: Double?) {
    (self.first, self.badness) = (first, badness)
    (shown, least, largest) = (row, row, row)
    for (place, value) in row.enumerated() {
      if case .text(let text) = value { texts[place] = AlikeTexts(text) }
    }
  }

  mutating func add(_ row: [ReportValue], _ badness: Double?) {
    count += 1
    if let badness, let known = self.badness, badness != known {
      isRanked = true
      if badness > known { (shown, self.badness) = (row, badness) }
    }
    for (place, value) in row.enumerated() {
      if case .text(let text) = value { texts[place]?.add(text) }
      guard let number = value.magnitude else { continue }
      if number < least[place].magnitude ?? .infinity { least[place] = value }
      if number > largest[place].magnitude ?? -.infinity { largest[place] = value }
    }
  }

  /// The cells of all: a name with a star for its layer, the range of numbers, and of other texts the worst.
  func cells(_ columns: [ReportColumn]) -> [ReportValue] {
    guard count > 1 else { return shown }
    let named = shown.indices.first { texts[$0]?.differs == true && columns[$0].kind != .hash }
    var origin = isRanked ? "worst" : "first"
    if let named, case .text(let text) = shown[named], let place = texts[named]?.place(of: text) {
      origin = (isRanked ? "worst in " : "in ") + place
    }
    return shown.indices.map { place -> ReportValue in
      if let texts = texts[place], case .text(let text) = shown[place] {
        if place == named { return .text(texts.name) }
        // That of one row is not that of all.
        if columns[place].kind == .hash { return texts.isOne ? shown[place] : .missing }
        return texts.differs ? .text("\(origin): \(text)") : shown[place]
      }
      guard least[place] != largest[place] else { return shown[place] }
      return columns[place].kind.range(from: least[place], to: largest[place])
        .map { ReportValue.text($0) } ?? shown[place]
    }
  }
}

extension ReportTable {
  /// Kinds of rows that are told apart, and rows that are looked at; others count as left out.
  private static let mostKinds = 1000
  private static let mostFolded = 10_000

  /// Rows whose texts differ in numbers only become one with their count; `first` is the place of the first.
  func alike(_ indices: [Int]) -> [(cells: [ReportValue], count: Int, first: Int)] {
    var groups: [AlikeRow] = []
    var places: [[String]: Int] = [:]
    for index in indices.prefix(Self.mostFolded) {
      let row = rows[index]
      let key: [String] = zip(row, columns).map { value, column in
        switch value {
        // Hashes are never alike, and tell no row from another.
        case .text(let text): column.kind == .hash ? "#" : withoutNumbers(text)
        case .bool, .list, .integers: column.kind.text(of: value)
        case .integer, .unsigned, .number, .bytes: "#"
        case .missing: ""
        }
      }
      if let place = places[key] {
        groups[place].add(row, badness(of: index))
      } else if groups.count < Self.mostKinds {
        places[key] = groups.count
        groups.append(AlikeRow(row, at: index, badness(of: index)))
      }
    }
    return groups.map { ($0.cells(columns), $0.count, $0.first) }
  }

  private func badness(of row: Int) -> Double? { row < badness.count ? badness[row] : nil }
}

extension ReportValue {
  /// The value as a number, to see which is larger.
  fileprivate var magnitude: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .unsigned(let number), .bytes(let number): Double(number)
    case .number(let number): number.isNaN ? nil : number
    case .text, .bool, .list, .integers, .missing: nil
    }
  }
}

extension ReportKind {
  /// Two numbers by as few digits as tell them apart; nil where none do.
  fileprivate func range(from least: ReportValue, to largest: ReportValue) -> String? {
    for digits in 1...6 {
      let kind: ReportKind =
        switch self {
        case .significant(let all): .significant(digits: min(all, digits + 1))
        case .decimal(let all): .decimal(digits: min(all, digits + 1))
        case .text, .integer, .bytes, .fraction, .hash, .bool, .duration, .severity, .state, .command: self
        }
      var ends = [least, largest].map { kind.text(of: $0) }
      guard ends[0] != ends[1] else { continue }
      if ends.allSatisfy({ $0.hasSuffix(" %") }) { ends[0].removeLast(2) }
      // Between a number and a minus a dash is no word.
      return ends.joined(separator: ends.contains { $0.hasPrefix("-") } ? " to " : "–")
    }
    return nil
  }
}
