// Tritsmith: the pattern matcher by itself.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Patterns")
struct PatternTests {
  /// All matches of a pattern, in order.
  private func matches(_ pattern: String, in text: String, budget: Int = 100_000) throws -> [String] {
    let program = try PatternProgram(pattern)
    var matcher = PatternMatcher()
    matcher.budget = budget
    let bytes = Array(text.utf8)
    var result: [String] = []
    var position = 0
    while let match = try matcher.firstMatch(of: program, in: UTF8Text(bytes: bytes), position..<bytes.count, from: 0) {
      result.append(String(decoding: bytes[match], as: UTF8.self))
      position = match.upperBound
    }
    return result
  }

  /// Expected by the rules of Perl and Oniguruma: earlier alternatives first, greedy runs give back, and so on.
  @Test(arguments: [
    ("a|ab", "ab", ["a"]),
    ("ab|a", "aab", ["a", "ab"]),
    ("a+ab", "aaab", ["aaab"]),
    ("a++ab", "aaab", []),
    ("a?+ab", "ab", []),
    ("a*+b", "aab", ["aab"]),
    ("a+?b?", "aab", ["a", "ab"]),
    ("(?>a|ab)c", "abc ac", ["ac"]),
    ("(?:a|ab)c", "abc ac", ["abc", "ac"]),
    ("(ab){2}", "ababab", ["abab"]),
    ("(?:ab){1,2}c", "abababc", ["ababc"]),
    ("a{2,}", "a aa aaa", ["aa", "aaa"]),
    ("a{,2}b", "aaab b", ["aab", "b"]),
    (#"\s+(?!\S)"#, "a   b  ", ["  ", "  "]),
    (#"x(?=\d)"#, "xx1", ["x"]),
    ("(?!a)[ab]", "abab", ["b", "b"]),
    ("(?i:ab)c", "AbcABCaBc", ["Abc", "aBc"]),
    ("(?i:'S)", "'s'S'\u{17F}", ["'s", "'S", "'\u{17F}"]),
    ("[^a-c\\]\\-x]", "abc]-xy", ["y"]),
    ("[a-]", "b-a", ["-", "a"]),
    ("[\\x41-\\x{43}\\u00e9]", "ABCDé", ["A", "B", "C", "é"]),
    (".", "a\né", ["a", "é"]),
    (#"\P{L}"#, "a1b ", ["1", " "]),
    (#"\p{^L}+"#, "a1 b", ["1 "]),
    ("é+", "éée\u{301}", ["éé"]),
    ("(?:a|)b", "ab b", ["ab", "b"]),
    ("a$", "ab a\na", ["a", "a"]),
    (#"\s+$"#, "a  b  ", ["  "]),
    (#"\b[a-z]+\b"#, "ab1 cd é_ ef", ["cd", "ef"]),
    (#"\B1"#, "1 a1 11", ["1", "1"]),
    (#"\d{1,3}(?=(?:\d{3})*\b)"#, "1234567 12", ["1", "234", "567", "12"]),
    ("[^a[bc[d]]]+", "abxcydz", ["x", "y", "z"]),
    ("[x[a-c]y]+", "axby cz", ["axby", "c"]),
    ("x(?:a|b|)c", "xac xbc xc xd", ["xac", "xbc", "xc"]),
  ])
  func matching(_ pattern: String, _ text: String, _ expected: [String]) throws {
    let found = try matches(pattern, in: text)
    #expect(found.map { Array($0.utf8) } == expected.map { Array($0.utf8) }, "\(pattern): \(found)")
  }

  /// What is not implemented is refused by name, never read as something else.
  @Test(arguments: [
    ("", "match nothing"), ("a*", "match nothing"), ("a|", "match nothing"), ("(?:)", "match nothing"),
    ("^a", "anchor"), ("$", "match nothing"), (#"\b"#, "match nothing"), (#"[\b]"#, #"'\b'"#), (#"\1"#, #"'\1'"#),
    (#"\h"#, #"'\h'"#),
    ("(?<=a)b", "group"), ("(?<n>a)", "group"), ("(?i)a", "group"), ("(?-i:a)", "group"), ("(a", "does not end"),
    ("a)", "unmatched"), ("[a", "does not end"), ("[]", "empty class"), ("[[:alpha:]]", "class inside"),
    ("[a[^b]]", "class inside"), ("[" + String(repeating: "[a", count: 40), "nested deeper"), ("a$+", "a place"),
    (#"\b*a"#, "a place"),
    ("[a&&b]", "intersection"), ("[z-a]", "range"), (#"[\s-z]"#, "range"), (#"\p{Han}"#, "property 'Han'"),
    (#"\p{L"#, "property"), (#"\pL"#, "without braces"), ("a**", "quantifier on a quantifier"),
    ("+a", "nothing before"),
    ("a{2}+", "quantifier on a quantifier"), ("a{2}?", "quantifier on a quantifier"), ("a{3,2}", "repetition"),
    ("a{0}", "repetition"), ("a{1001}", "repetition"), ("a{x}", "{n,m}"), ("}", "without a backslash"),
    ("(?:a?)*b", "can be empty"), ("(?!a)+b", "a place"), ("(?i:ss)", "one character"), ("(?i:é)", "ASCII"),
    (#"(?i:\p{L})"#, "ASCII"), (#"\"#, "backslash at the end"), (#"\x80"#, "code point"),
    (#"\x{110000}"#, "code point"),
    (#"\ud800"#, "code point"), (String(repeating: "(", count: 40), "nested deeper"),
    ("(?:(?:a{900}b){900}c){900}", "repetitions"), (String(repeating: "a", count: 10_001), "bytes"),
  ])
  func refusal(_ pattern: String, _ expected: String) throws {
    let error = try #require(throws: PatternError.self) { try PatternProgram(pattern) }
    #expect(error.construct.contains(expected), "\(pattern.prefix(40)): \(error.construct)")
  }

  @Test func moreSetsThanBitsAreRefused() throws {
    let letters = (0..<70).compactMap { Unicode.Scalar(0x4E00 + $0) }.map { String($0) }.joined()
    #expect(throws: PatternError.self) { try PatternProgram(letters) }
    #expect(try PatternProgram("[\(letters)]").sets.count == 1)
  }

  /// Exponential for a plain backtracker; the allowance of steps ends it.
  @Test func catastrophicBacktrackingStops() throws {
    let text = String(repeating: "a", count: 40)
    #expect(throws: PatternBudgetExceeded.self) { try matches("(?:a|aa)+b", in: text) }
    #expect(throws: PatternBudgetExceeded.self) { try matches("(?:a+)+b", in: text) }
  }

  /// The pages worked out for one scalar serve its neighbours, and far ones get their own.
  @Test func pagesOfMasks() throws {
    let program = try PatternProgram(#"\p{Lu}"#)
    var pages = MaskPages()
    for value: UInt32 in [0xC0, 0xE0, 0x410, 0x430, 0x10400, 0x10FFFF, 0xC1, 0x1E00, 0x410] {
      #expect(pages.mask(of: value, program) == program.mask(of: value))
    }
  }

  @Test func patternsSeeStandInsBehindTheMapping() throws {
    let program = try PatternProgram("\u{120}[a-z]+")
    var matcher = PatternMatcher()
    matcher.budget = 1000
    let text = ByteLevelText(bytes: Array("a bc é".utf8))
    #expect(try matcher.firstMatch(of: program, in: text, 0..<7, from: 0) == 1..<4)
    #expect(try matcher.firstMatch(of: program, in: text, 4..<7, from: 4) == nil)
  }
}

@Suite("UTF-8")
struct UTF8CodingTests {
  @Test func everyScalarIsReadBack() {
    for value in UInt32(0)...0x10FFFF where value % 7 == 0 || value < 0x3000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let bytes = Array(String(scalar).utf8)
      let (found, next) = UTF8Coding.scalar(at: 0, in: bytes)
      #expect(found == value && next == bytes.count)
    }
  }

  @Test(
    arguments: [
      ([], nil), ([0x61], nil), ([0xC3, 0xA9], nil), ([0x61, 0xC3], 1), ([0xC0, 0x80], 0), ([0xE0, 0x80, 0x80], 0),
      ([0xED, 0xA0, 0x80], 0), ([0xF4, 0x90, 0x80, 0x80], 0), ([0xF0, 0x9F, 0x98, 0x80], nil), ([0x80], 0),
      ([0x61, 0xF0, 0x9F, 0x98], 1), ([0xFF], 0),
    ] as [([UInt8], Int?)])
  func invalidOffsets(_ bytes: [UInt8], _ expected: Int?) {
    #expect(WellFormedUTF8.firstInvalid(in: bytes) == expected)
  }

  @Test(
    arguments: [
      ([], 0), ([0x61], 0), ([0xC3], 1), ([0x61, 0xE2, 0x82], 2), ([0xF0, 0x9F, 0x98], 3),
      ([0xF0, 0x9F, 0x98, 0x80], 0),
      ([0xE0, 0x80], 0), ([0x80], 0), ([0xC3, 0xA9], 0), ([0xFF], 0), ([0x80, 0x80, 0x80], 0), ([0xF0, 0x80], 0),
    ] as [([UInt8], Int)])
  func unfinishedTails(_ bytes: [UInt8], _ expected: Int) {
    #expect(UTF8Coding.unfinishedTail(of: bytes) == expected)
  }
}
