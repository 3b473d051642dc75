// Tritsmith: the JSON reader against RFC 8259.

import Testing
import TritCore
import TritTestSupport

@Suite struct JSONParserTests {
  /// A text and the value it stands for.
  struct Accepted: Sendable, CustomTestStringConvertible {
    var text: String
    var value: JSONValue

    init(_ text: String, _ value: JSONValue) {
      self.text = text
      self.value = value
    }

    var testDescription: String { text }
  }

  static let accepted: [Accepted] = [
    Accepted("null", .null),
    Accepted("true", true),
    Accepted(" \t\r\nfalse\n\r\t ", false),
    Accepted("0", 0),
    Accepted("-0", .number(JSONNumber(text: "-0"))),
    Accepted("1e5", .number(JSONNumber(text: "1e5"))),
    Accepted("1E+5", .number(JSONNumber(text: "1E+5"))),
    Accepted("-12.50e-03", .number(JSONNumber(text: "-12.50e-03"))),
    Accepted("0.0", .number(JSONNumber(text: "0.0"))),
    Accepted("123456789012345678901234567890", .number(JSONNumber(text: "123456789012345678901234567890"))),
    Accepted("\"\"", ""),
    Accepted("\"/\u{7F}é😀\"", "/\u{7F}é😀"),
    Accepted(#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
    Accepted(#""\u0041\u00e9\u20AC\u0000""#, "Aé€\u{0}"),
    Accepted(#""\ud83d\ude00 \uD800\uDC00 \uDBFF\uDFFF""#, "😀 \u{10000} \u{10FFFF}"),
    Accepted(#""\ufffe\uffff\uFDD0""#, .string(String(decoding: Hex.bytes("EFBFBE EFBFBF EFB790"), as: UTF8.self))),
    Accepted("[]", .array([])),
    Accepted("[ ]", .array([])),
    Accepted("[ 1 , [ ] , \"\" ]", .array([1, .array([]), ""])),
    Accepted("{}", .object([:])),
    Accepted("{ }", .object([:])),
  ]

  @Test(arguments: accepted)
  func acceptsTheGrammar(_ accepted: Accepted) throws {
    let value = try JSONValue.parse(Array(accepted.text.utf8))
    #expect(value == accepted.value)
  }

  /// A text that is no JSON, why, and where.
  struct Refused: Sendable, CustomTestStringConvertible {
    var text: [UInt8]
    var kind: JSONError.Kind
    var offset: Int

    init(_ text: String, _ kind: JSONError.Kind, _ offset: Int) {
      self.init(Array(text.utf8), kind, offset)
    }

    init(_ text: [UInt8], _ kind: JSONError.Kind, _ offset: Int) {
      self.text = text
      self.kind = kind
      self.offset = offset
    }

    var testDescription: String { String(decoding: text, as: UTF8.self) }
  }

  static let refused: [Refused] = [
    Refused("", .unexpectedEnd, 0),
    Refused("   ", .unexpectedEnd, 3),
    Refused("tru", .unexpectedEnd, 0),
    Refused("trux", .unexpected(byte: 0x74, expected: "a value"), 0),
    Refused("True", .unexpected(byte: 0x54, expected: "a value"), 0),
    Refused("NaN", .unexpected(byte: 0x4E, expected: "a value"), 0),
    Refused("-Infinity", .invalidNumber, 1),
    Refused("nullx", .trailingContent, 4),
    Refused("1 2", .trailingContent, 2),
    Refused("{}\u{0}", .trailingContent, 2),
    Refused("{}{}", .trailingContent, 2),
    Refused("01", .invalidNumber, 0),
    Refused("-01", .invalidNumber, 1),
    Refused("[00]", .invalidNumber, 1),
    Refused("-", .invalidNumber, 1),
    Refused("1.", .invalidNumber, 2),
    Refused("1.e3", .invalidNumber, 2),
    Refused("1e", .invalidNumber, 2),
    Refused("1e+", .invalidNumber, 3),
    Refused("+1", .unexpected(byte: 0x2B, expected: "a value"), 0),
    Refused(".5", .unexpected(byte: 0x2E, expected: "a value"), 0),
    Refused("0x10", .trailingContent, 1),
    Refused("[1,]", .trailingComma, 3),
    Refused("{\"a\":1, }", .trailingComma, 8),
    Refused("[,1]", .unexpected(byte: 0x2C, expected: "a value"), 1),
    Refused("[1 2]", .unexpected(byte: 0x32, expected: "',' or ']'"), 3),
    Refused("[1}", .unexpected(byte: 0x7D, expected: "',' or ']'"), 2),
    Refused("[", .unexpectedEnd, 1),
    Refused("[1", .unexpectedEnd, 2),
    Refused("[1,", .unexpectedEnd, 3),
    Refused("{", .unexpectedEnd, 1),
    Refused("{\"a\"", .unexpectedEnd, 4),
    Refused("{\"a\":", .unexpectedEnd, 5),
    Refused("{\"a\" 1}", .unexpected(byte: 0x31, expected: "':' after a key"), 5),
    Refused("{a:1}", .unexpected(byte: 0x61, expected: "a key in double quotes"), 1),
    Refused("{'a':1}", .unexpected(byte: 0x27, expected: "a key in double quotes"), 1),
    Refused("{1:1}", .unexpected(byte: 0x31, expected: "a key in double quotes"), 1),
    Refused("{\"a\":1]", .unexpected(byte: 0x5D, expected: "',' or '}'"), 6),
    Refused("// c\n1", .unexpected(byte: 0x2F, expected: "a value"), 0),
    Refused("\u{FEFF}{}", .byteOrderMark(encoding: "UTF-8"), 0),
    Refused("\u{A0}1", .unexpected(byte: 0xC2, expected: "a value"), 0),
    Refused("\u{C}1", .unexpected(byte: 0x0C, expected: "a value"), 0),
    Refused("\"", .unexpectedEnd, 1),
    Refused("\"a", .unexpectedEnd, 2),
    Refused("\"a\\", .unexpectedEnd, 3),
    Refused("\"a\\n", .unexpectedEnd, 4),
    Refused("\"a\nb\"", .controlCharacter(0x0A), 2),
    Refused("\"\\n\u{1F}\"", .controlCharacter(0x1F), 3),
    Refused("\"\u{0}\"", .controlCharacter(0), 1),
    Refused(#""\x41""#, .invalidEscape, 2),
    Refused(#""\U0041""#, .invalidEscape, 2),
    Refused(#""\u004g""#, .invalidEscape, 6),
    Refused(#""\u+041""#, .invalidEscape, 3),
    Refused("\"\\u004", .unexpectedEnd, 6),
    // A high half alone, before another character, before another escape, before another high half; a low half alone.
    Refused(#""\ud83d""#, .loneSurrogate, 7),
    Refused(#""\ud83dx""#, .loneSurrogate, 7),
    Refused(#""\ud83d\n""#, .loneSurrogate, 7),
    Refused(#""\ud83d\ud83d""#, .loneSurrogate, 13),
    Refused(#""\ud83d\u0041""#, .loneSurrogate, 13),
    Refused(#""\ude00""#, .loneSurrogate, 7),
    Refused(#""\ude00\ud83d""#, .loneSurrogate, 7),
  ]

  static func expectError(
    _ kind: JSONError.Kind, _ offset: Int, in text: [UInt8], limits: JSONLimits = JSONLimits(),
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    do throws(JSONError) {
      let value = try JSONValue.parse(text, limits: limits)
      Issue.record("accepted as \(value)", sourceLocation: sourceLocation)
    } catch {
      #expect(error.kind == kind, sourceLocation: sourceLocation)
      #expect(error.offset == offset, sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: refused)
  func refusesAndSaysWhere(_ refused: Refused) {
    Self.expectError(refused.kind, refused.offset, in: refused.text)
  }

  @Test func everyTruncationOfAnObjectIsRefused() {
    let text = Array(#"{"a":[1.5e-3,true,null,"x\u00e9\ud83d\ude00\n"],"b":{"c":-0}}"#.utf8)
    #expect(throws: Never.self) { try JSONValue.parse(text) }
    for length in 0..<text.count {
      #expect(throws: JSONError.self, "\(length) bytes") { try JSONValue.parse(Array(text[..<length])) }
    }
  }

  // MARK: Limits

  static func nested(_ depth: Int, _ open: String, _ inner: String, _ close: String) -> [UInt8] {
    Array((String(repeating: open, count: depth) + inner + String(repeating: close, count: depth)).utf8)
  }

  /// serde_json, which the safetensors reader uses, takes 127 levels and refuses the 128th.
  @Test func nestingStopsAt127() throws {
    _ = try JSONValue.parse(Self.nested(127, "[", "", "]"))
    _ = try JSONValue.parse(Self.nested(127, #"{"a":"#, "1", "}"))
    Self.expectError(.tooDeep(limit: 127), 127, in: Self.nested(128, "[", "", "]"))
    Self.expectError(.tooDeep(limit: 127), 5 * 127, in: Self.nested(128, #"{"a":"#, "1", "}"))
    // Far past the limit the answer must come from the limit and not from the stack.
    Self.expectError(.tooDeep(limit: 127), 127, in: [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000))
  }

  /// Long arrays and objects are given their place at once: what stands in them must not mislead the count.
  @Test(arguments: [4095, 4096, 4097, 20_000])
  func longOnesKeepTheirMembers(_ count: Int) throws {
    let odd = [#""],}\\\",[""#, "[1,[2,3],{}]", #"{"a,":[","]}"#, "0"]
    let values = try odd.map { try JSONValue.parse(Array($0.utf8)) }
    let members = (0..<count).map { odd[$0 % 4] }
    let array = try JSONValue.parse(Array(("[[" + members.joined(separator: ",") + "],7]").utf8))
    // Members remember where they stood, so texts are compared.
    let expected = (0..<count).map { values[$0 % 4].serialized() }
    #expect(array.array?.count == 2 && array.array?.last == 7)
    #expect(array.array?.first?.array?.map { $0.serialized() } == expected)
    let object = try JSONValue.parse(
      Array(("{" + members.enumerated().map { "\"\($0)\" : \($1)" }.joined(separator: ",") + "}").utf8))
    #expect(object.object?.entries.map { $0.value.serialized() } == expected)
    #expect(throws: JSONError.self) { try JSONValue.parse(Array(("[" + members.joined(separator: ",") + ",,]").utf8)) }
  }

  @Test func levelsSideBySideDoNotAddUp() throws {
    let pair = "[" + String(repeating: "[],", count: 300) + "[]]"
    let value = try JSONValue.parse(Array(pair.utf8), limits: JSONLimits(depth: 2))
    #expect(value.array?.count == 301)
  }

  @Test func valueLimitCountsElementsAndMembers() throws {
    // The array, three numbers, the object and its member: six.
    let text = Array(#"[1,2,3,{"a":4}]"#.utf8)
    _ = try JSONValue.parse(text, limits: JSONLimits(values: 6))
    Self.expectError(.tooManyValues(limit: 5), 12, in: text, limits: JSONLimits(values: 5))
  }

  // MARK: UTF-8

  /// Every boundary of Unicode table 3-7, "Well-Formed UTF-8 Byte Sequences"; 0x20 is where JSON strings begin.
  static let wellFormed: [String] = [
    "20", "7F", "C280", "DFBF", "E0A080", "E0BFBF", "E18080", "ECBFBF", "ED8080", "ED9FBF", "EE8080",
    "EFBFBF", "F0908080", "F0BFBFBF", "F1808080", "F3BFBFBF", "F4808080", "F48FBFBF",
  ]

  static let illFormed: [String] = [
    // Continuations and leads that never begin anything.
    "80", "BF", "C080", "C1BF", "F5808080", "F8888080", "FE", "FF",
    // Second bytes outside the range of their lead: overlong forms, surrogates, past U+10FFFF.
    "E09FBF", "EDA080", "EDBFBF", "F08FBFBF", "F4908080",
    // Second, third and fourth bytes that continue nothing, or are missing.
    "C27F", "C2C0", "C2", "E1807F", "E180C0", "E180", "E1", "F180807F", "F18080C0", "F18080", "F180", "F1",
  ]

  @Test(arguments: wellFormed)
  func acceptsWellFormedUTF8(_ hex: String) throws {
    let bytes = Hex.bytes(hex)
    let value = try JSONValue.parse([0x22] + bytes + [0x22])
    #expect(value.string.map { Array($0.utf8) } == bytes)
  }

  @Test(arguments: illFormed)
  func refusesIllFormedUTF8(_ hex: String) {
    let bytes = Hex.bytes(hex)
    Self.expectError(.invalidUTF8, 1, in: [0x22] + bytes + [0x22])
    // At the very end of the text, where reading ahead would leave it.
    Self.expectError(.invalidUTF8, 1, in: [0x22] + bytes)
    // Behind a valid character and outside a string.
    Self.expectError(.invalidUTF8, 4, in: [0x22] + Array("é".utf8) + [0x22] + bytes)
  }

  /// The standard library's own decoder as a second opinion, over all two-byte texts and seeded longer ones.
  @Test func agreesWithTheStandardLibraryOnUTF8() {
    func isWellFormed(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }
    func check(_ bytes: [UInt8]) {
      var found = true
      do throws(JSONError) {
        _ = try JSONValue.parse([0x22] + bytes + [0x22])
      } catch {
        if error.kind == .invalidUTF8 { found = false }
      }
      if found != isWellFormed(bytes) { Issue.record("bytes \(Hex.text(bytes))") }
    }
    for first in 0x80...0xFF {
      for second in 0x00...0xFF { check([UInt8(first), UInt8(second)]) }
    }
    var generator = SeededGenerator(seed: 37)
    let leads: [UInt8] = [0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4]
    for _ in 0..<4000 {
      let lead = leads[Int(generator.next() % UInt64(leads.count))]
      let rest = (0..<3).map { _ in
        generator.next() % 8 == 0 ? UInt8(truncatingIfNeeded: generator.next()) : 0x80 | UInt8(generator.next() & 0x3F)
      }
      check([lead] + rest)
    }
  }

  // MARK: What is kept

  @Test func keepsOrderDuplicatesAndOffsets() throws {
    let value = try JSONValue.parse(Array(#"{ "b":1, "a":2,"b" :3}"#.utf8))
    let object = try #require(value.object)
    #expect(object.entries.map(\.key) == ["b", "a", "b"])
    #expect(object.entries.map(\.offset) == [2, 9, 15])
    #expect(object.entries.map { $0.value.number?.text } == ["1", "2", "3"])
    #expect(object["b"]?.number?.integer == 3, "the last one counts, as in Python")
    #expect(object.duplicateKeys == ["b"])
  }

  @Test func keysThatDifferInBytesDiffer() throws {
    // U+00E9, and e with U+0301: one character to a reader, two keys to a file.
    let value = try JSONValue.parse(Array("{\"\u{E9}\":1,\"e\u{301}\":2}".utf8))
    let object = try #require(value.object)
    #expect(object.duplicateKeys.isEmpty)
    #expect(object["\u{E9}"]?.number?.integer == 1)
    #expect(object["e\u{301}"]?.number?.integer == 2)
  }

  @Test func keysAreComparedAfterUnescaping() throws {
    let value = try JSONValue.parse(Array(#"{"a\u0062":1,"ab":2}"#.utf8))
    #expect(value.object?.duplicateKeys == ["ab"])
  }

  @Test(arguments: ["1e-06", "1E-6", "0.000001", "1000042.0", "-0", "-0.0", "1.0000000000000000000001", "1e400"])
  func keepsTheSpellingOfNumbers(_ text: String) throws {
    let value = try JSONValue.parse(Array("[\(text)]".utf8))
    #expect(value.array?.first?.number?.text == text)
    #expect(value.serialized() == Array("[\(text)]".utf8))
  }

  @Test func numbersAreReadStrictlyAsIntegers() {
    let cases: [(String, UInt64?, Int?)] = [
      ("0", 0, 0), ("42", 42, 42), ("-1", nil, -1), ("-0", nil, 0), ("1.0", nil, nil), ("1e2", nil, nil),
      ("9223372036854775807", 9_223_372_036_854_775_807, Int.max), ("9223372036854775808", 1 << 63, nil),
      ("18446744073709551615", UInt64.max, nil), ("18446744073709551616", nil, nil), ("", nil, nil),
    ]
    for (text, unsigned, integer) in cases {
      #expect(JSONNumber(text: text).unsigned == unsigned, "\(text)")
      #expect(JSONNumber(text: text).integer == integer, "\(text)")
    }
    #expect(JSONNumber(text: "1e-06").double == 1e-6)
  }

  @Test func errorsReadWell() {
    let error = #expect(throws: JSONError.self) { try JSONValue.parse(Array(#"{"a" 1}"#.utf8)) }
    #expect(error?.description == "expected ':' after a key, found byte 0x31 ('1') at offset 5")
    let control = #expect(throws: JSONError.self) { try JSONValue.parse([0x1B]) }
    #expect(control?.description == "expected a value, found byte 0x1b at offset 0", "nothing drives a terminal")
  }
}
