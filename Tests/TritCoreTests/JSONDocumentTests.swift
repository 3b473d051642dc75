// Tritsmith: JSON objects read and written a part at a time, against values made at once.

import Testing
import TritCore

@Suite struct JSONDocumentTests {
  private static let text = #"""
     { "list" : [ 1 , {"a": [true, null]}, "x\n\u00e9", [] ], "none": [], "part": {"inner": [[1], 2], "b": -0.5},
     "text": "]}", "twice": 1, "twice": {"last": [3]}, "\u0061bc": false }
    """#

  @Test func partsAreThoseOfTheWhole() throws {
    let whole = try #require(try JSONValue.parse(Array(Self.text.utf8)).object)
    let document = try #require(try JSONDocument(parsing: Array(Self.text.utf8)))
    for key in ["list", "none", "part", "text", "twice", "abc"] {
      #expect(document[key]?.serialized() == whole[key]?.serialized(), "\(key)")
      #expect(document.elements(key).map { $0.map { $0.serialized() } } == whole[key]?.array?.map { $0.serialized() })
    }
    #expect(document["missing"] == nil && document.elements("missing") == nil && document.object("missing") == nil)
    #expect(document.object("list") == nil && document.object("text") == nil)
    let part = try #require(document.object("part"))
    #expect(part["b"] == whole["part"]?.object?["b"])
    #expect(part.elements("inner").map(Array.init)?.count == 2 && part["list"] == nil)
    #expect(document.object("twice")?.elements("last").map(Array.init)?.count == 1)
    #expect(document.duplicateKeys == ["twice"] && part.duplicateKeys.isEmpty)
  }

  /// Every cut and every change of a byte has the same verdict, and the same place of the error.
  @Test func refusesWhatTheParserRefuses() throws {
    func verdict(_ body: () throws -> Void) -> JSONError? {
      do { try body() } catch let error as JSONError { return error } catch { Issue.record("\(error)") }
      return nil
    }
    let good = Array(Self.text.utf8)
    var refused = 0
    for index in good.indices {
      for byte in [UInt8(ascii: "]"), UInt8(ascii: "\""), UInt8(ascii: ","), UInt8(ascii: "{"), 0x00, 0xFF] {
        var bytes = good
        bytes[index] = byte
        for text in [bytes, Array(good[..<index])] {
          let expected = verdict { _ = try JSONValue.parse(text) }
          #expect(verdict { _ = try JSONDocument(parsing: text) } == expected)
          if expected != nil { refused += 1 }
        }
      }
    }
    #expect(refused > 1000)
    let deep = Array(("{\"a\":" + String(repeating: "[", count: 127)).utf8)
    #expect(verdict { _ = try JSONDocument(parsing: deep) } == verdict { _ = try JSONValue.parse(deep) })
    #expect(try JSONDocument(parsing: Array("[1]".utf8)) == nil && JSONDocument(parsing: Array("\"{\"".utf8)) == nil)
  }

  @Test func elementsToComeAreCounted() throws {
    let text = #"{"a":[[1,2],{"b":[3,"],"]}, "x\",", 4],"c":[],"d":[ 5 ]}"#
    let document = try #require(try JSONDocument(parsing: Array(text.utf8)))
    for (key, count) in [("a", 4), ("c", 0), ("d", 1)] {
      var elements = try #require(document.elements(key))
      for left in (0...count).reversed() {
        #expect(elements.countToCome(smallest: 1) == left)
        #expect((elements.next() == nil) == (left == 0))
      }
      // Room for one comma's element at most.
      var first = try #require(document.elements(key))
      #expect(first.countToCome(smallest: text.utf8.count) <= min(count, 1))
    }
  }

  @Test func textByPartsIsTheTextOfTheWhole() throws {
    var pieces: [[UInt8]] = []
    var text = JSONObjectText { pieces.append($0) }
    try text.add("list", listing: 0..<3) { .number(JSONNumber($0)) }
    try text.add("none", listing: [Int]()) { .number(JSONNumber($0)) }
    try text.add("part") { part in
      try part.add("a\"b", "x")
      try part.add("empty") { _ in }
      try part.add("inner", listing: ["y"]) { .array([.string($0), .null]) }
    }
    try text.add("end", true)
    try text.finish()
    let expected = #"{"list":[0,1,2],"none":[],"part":{"a\"b":"x","empty":{},"inner":[["y",null]]},"end":true}"#
    #expect(pieces.map { String(decoding: $0, as: UTF8.self) } == [expected])
    pieces = []
    try JSONObjectText { pieces.append($0) }.finish()
    #expect(pieces == [Array("{}".utf8)])
  }

  @Test func longTextIsGivenAwayInPieces() throws {
    var pieces: [[UInt8]] = []
    var text = JSONObjectText { pieces.append($0) }
    let list = Array(0..<200_000)
    try text.add("list", listing: list) { .number(JSONNumber($0)) }
    try text.add("long", .string(String(repeating: "x", count: 1_000_000)))
    try text.finish()
    let whole = JSONValue.object([
      "list": .array(list.map { .number(JSONNumber($0)) }), "long": .string(String(repeating: "x", count: 1_000_000)),
    ])
    #expect(pieces.flatMap { $0 } == whole.serialized())
    // A piece ends with the first element that fills it.
    #expect(pieces.count > 15 && pieces.dropLast(2).allSatisfy { $0.count < (64 << 10) + 16 })
  }
}
