// Tritsmith: JSON with parts left as text, against values made at once.

import Testing
import TritCore

@Suite struct JSONOutlineTests {
  private static let text = #"""
     { "a" : { "list" : [ 1 , {"b": [true, null]}, "x\n\u00e9", [] ], "\u006dap":
     {"\ud83d\ude00" : 1e2 , "k":[2],"k":"3" } , "none" : [ ] , "empty":{ }, "text" : "[1]", "list2": [5] }, "list": [6],
     "in": [{"list": [7]}], "map": {"map": {"list": [8]}} }
    """#
  private static let paths = [
    ["a", "list"], ["a", "map"], ["a", "none"], ["a", "empty"], ["a", "text"], ["in", "list"],
  ]

  private func outline(
    _ text: String, _ paths: [[String]] = paths, dialect: JSONDialect = .strict
  ) throws -> JSONOutline {
    try JSONOutline(parsing: Array(text.utf8), dialect: dialect, leaving: paths)
  }

  @Test func partsAreThoseOfTheWhole() throws {
    let whole = try #require(try JSONValue.parse(Array(Self.text.utf8)).object)
    let outline = try outline(Self.text)
    let object = try #require(outline.value.object)
    for (entry, expected) in zip(object.entries, whole.entries) where entry.key != "a" {
      #expect(entry == expected)
      #expect(outline.elements(of: entry) == nil && outline.members(of: entry) == nil)
    }
    let left = try #require(object["a"]?.object)
    let values = try #require(whole["a"]?.object)
    #expect(left.entries.map(\.key) == ["list", "map", "none", "empty", "text", "list2"])
    #expect(left["list"] == .array([]) && left["map"] == .object([:]) && left["text"] == "[1]")
    for (entry, expected) in zip(left.entries, values.entries) {
      #expect(entry.key == expected.key && entry.offset == expected.offset)
      if let (count, elements) = outline.elements(of: entry) {
        #expect(Array(elements) == expected.value.array && count == expected.value.array?.count)
      } else if let (count, members) = outline.members(of: entry) {
        // Places of members are those in the whole text.
        let members = Array(members)
        #expect(members.map(\.key) == expected.value.object?.entries.map(\.key) && count == members.count)
        #expect(members.map(\.value) == expected.value.object?.entries.map(\.value))
        #expect(members.map(\.offset) == expected.value.object?.entries.map(\.offset))
      } else {
        #expect(entry == expected && ["text", "list2"].contains(entry.key))
      }
    }
  }

  @Test func eachOfTwoKeysIsLeft() throws {
    let object = try #require(try outline(#"{"a":[1],"a":[2,3],"a":4}"#, [["a"]]).value.object)
    let outline = try outline(#"{"a":[1],"a":[2,3],"a":4}"#, [["a"]])
    #expect(object.entries.map { outline.elements(of: $0)?.count } == [1, 2, nil])
    #expect(object.entries.map { outline.elements(of: $0).map { Array($0.elements) } } == [[1], [2, 3], nil])
  }

  /// The dialect holds in what is left; so do the mark in front and the limits.
  @Test func dialectAndLimits() throws {
    let python = try outline("\u{FEFF}{\"a\":[NaN,-Infinity]}", [["a"]], dialect: .python)
    let entry = try #require(python.value.object?.entries.first)
    #expect(python.elements(of: entry).map { $0.elements.map { $0.number?.text } } == ["NaN", "-Infinity"])
    let word = try #require(throws: JSONError.self) { try outline("{\"a\":[NaN]}", [["a"]]) }
    #expect(word.kind == .unexpected(byte: UInt8(ascii: "N"), expected: "a value") && word.offset == 6)
    func limited(_ limits: JSONLimits) throws {
      _ = try JSONOutline(parsing: Array(#"{"a":[[[1]],2]}"#.utf8), limits: limits, leaving: [["a"]])
    }
    try limited(JSONLimits(depth: 4, values: 6))
    let deep = try #require(throws: JSONError.self) { try limited(JSONLimits(depth: 3)) }
    #expect(deep.kind == .tooDeep(limit: 3) && deep.offset == 7)
    let many = try #require(throws: JSONError.self) { try limited(JSONLimits(values: 5)) }
    #expect(many.kind == .tooManyValues(limit: 5) && many.offset == 12)
  }

  /// Every cut and every change of a byte has the same verdict, and the same place of the error.
  @Test func refusesWhatTheParserRefuses() {
    func verdict(_ body: () throws -> JSONValue) -> JSONError? {
      do { _ = try body() } catch let error as JSONError { return error } catch { Issue.record("\(error)") }
      return nil
    }
    let good = Array(Self.text.utf8)
    var refused = 0
    for index in good.indices {
      for byte in Array("]}\",:{\\0e.-".utf8) + [0x00, 0xFF] {
        var bytes = good
        bytes[index] = byte
        for text in [bytes, Array(good[..<index])] {
          let expected = verdict { try JSONValue.parse(text) }
          #expect(verdict { try JSONOutline(parsing: text, leaving: Self.paths).value } == expected)
          if expected != nil { refused += 1 }
        }
      }
    }
    #expect(refused > 5000)
  }
}
