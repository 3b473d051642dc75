// Tritsmith: JSON text out of values, and edits of objects.

import Testing
import TritCore
import TritTestSupport

@Suite struct JSONWriterTests {
  static let messy = #"""
    { "z" : [ 1, 1e-06 , -0.0, [ ], { } ], "a": {"\u0000\u001f\b\f": null, "q\"\\/": "\ud83d\ude00é\n\r\t"},
      "dup": true, "dup": false, "": "" }
    """#

  @Test func compactTextIsTheSameValueWithoutSpace() throws {
    let value = try JSONValue.parse(Array(Self.messy.utf8))
    let expected =
      #"{"z":[1,1e-06,-0.0,[],{}],"a":{"\u0000\u001f\u0008\u000c":null,"q\"\\/":"😀é\n\r\t"},"#
      + #""dup":true,"dup":false,"":""}"#
    #expect(String(decoding: value.serialized(), as: UTF8.self) == expected)
  }

  @Test(arguments: [JSONStyle.compact, .pretty])
  func readsBackWhatItWrote(_ style: JSONStyle) throws {
    let value = try JSONValue.parse(Array(Self.messy.utf8))
    let text = value.serialized(style)
    let again = try JSONValue.parse(text)
    #expect(again.withoutOffsets == value.withoutOffsets)
    #expect(again.serialized(style) == text)
  }

  /// Hugging Face writes `config.json` with `json.dumps(indent=2, sort_keys=True)` and a final newline; files made by
  /// it must come back byte for byte.
  @Test(arguments: [
    "falcon-e-tiny/bitnet/config.json", "bitnet-b158-tiny/packed/config.json", "plain-tiny/config.json",
    "falcon-e-tiny/prequantized-sharded/model.safetensors.index.json", "bitnet-b158-tiny/packed/tokenizer_config.json",
  ])
  func prettyTextEqualsHuggingFace(_ file: String) throws {
    let bytes = try #require(RawFile.read(Fixtures.checkpoint(file)))
    let value = try JSONValue.parse(bytes)
    var written = value.serialized(.pretty)
    // Some of their writers leave the final newline out.
    if bytes.last != 0x0A { written.removeLast() }
    #expect(written == bytes)
  }

  @Test func emptyContainersStayOnOneLine() {
    let value = JSONValue.object(["a": .array([]), "b": .object([:])])
    #expect(String(decoding: value.serialized(.pretty), as: UTF8.self) == "{\n  \"a\": [],\n  \"b\": {}\n}\n")
  }

  @Test func doublesReadBackAsThemselves() {
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<2000 {
      let value = Double(bitPattern: generator.next())
      guard value.isFinite else { continue }
      let number = JSONNumber(value)
      let parsed = try? JSONValue.parse(Array(number.text.utf8)).number
      #expect(parsed?.double?.bitPattern == value.bitPattern, "\(number.text)")
    }
  }

  // MARK: Objects

  static func keys(_ object: JSONObject) -> [String] { object.entries.map(\.key) }

  @Test func newKeysGoToTheirPlaceAmongSortedOnes() {
    var object: JSONObject = ["b": 1, "d": 2]
    object["c"] = 3
    object["a"] = 4
    object["e"] = 5
    #expect(Self.keys(object) == ["a", "b", "c", "d", "e"])
    // Byte order: capitals before small letters, é after z.
    object["B"] = 6
    object["é"] = 7
    #expect(Self.keys(object) == ["B", "a", "b", "c", "d", "e", "é"])
  }

  @Test func newKeysGoToTheEndOfUnsortedOnes() {
    var object: JSONObject = ["b": 1, "a": 2]
    object["aa"] = 3
    #expect(Self.keys(object) == ["b", "a", "aa"])
  }

  @Test func settingKeepsThePlaceAndDropsDuplicates() {
    var object = JSONObject(entries: [
      .init(key: "x", value: 1), .init(key: "k", value: 2), .init(key: "y", value: 3), .init(key: "k", value: 4),
    ])
    object["k"] = 5
    #expect(Self.keys(object) == ["x", "k", "y"])
    #expect(object["k"]?.number?.integer == 5)
    object["k"] = nil
    #expect(Self.keys(object) == ["x", "y"])
    object["absent"] = nil
    #expect(Self.keys(object) == ["x", "y"])
  }

  @Test func removingTakesEveryDuplicate() {
    var object = JSONObject(entries: [.init(key: "k", value: 1), .init(key: "k", value: 2)])
    object["k"] = nil
    #expect(object.entries.isEmpty)
  }
}

extension JSONValue {
  /// The value with the offsets of keys forgotten, which a second text cannot share.
  fileprivate var withoutOffsets: JSONValue {
    switch self {
    case .array(let elements): .array(elements.map(\.withoutOffsets))
    case .object(let object):
      .object(JSONObject(entries: object.entries.map { .init(key: $0.key, value: $0.value.withoutOffsets) }))
    default: self
    }
  }
}
