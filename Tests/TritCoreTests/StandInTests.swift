// Tritsmith: what is saved in place of a file, and JSON as Python writes it.

import Testing
import TritCore

@Suite struct StandInTests {
  /// The pointer of the Git LFS specification's example.
  static let pointer = """
    version https://git-lfs.github.com/spec/v1
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
    size 12345

    """

  @Test(arguments: [
    (pointer, StandIn.gitLFSPointer), ("version https://hawser.github.com/spec/v1\noid sha256:00", .gitLFSPointer),
    ("/annex/objects/SHA256E-s31390--f50d7ac4.gguf\n", .gitAnnexPointer),
    ("<!DOCTYPE html>\n<html class=\"\">", .webPage), ("\n  <html lang=\"en\">", .webPage),
    ("\u{FEFF}<!doctype html>", .webPage), ("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", .webPage),
    ("Entry not found", .serverMessage("Entry not found")), ("404: Not Found", .serverMessage("404: Not Found")),
    (#"{"error":"Repository not found"}"#, .serverMessage(#"{"error":"Repository not found"}"#)),
  ])
  func isRecognised(_ text: String, _ expected: StandIn) {
    #expect(StandIn(firstBytes: Array(text.utf8)) == expected)
  }

  @Test(arguments: [
    "", "{", "{\"model_type\": \"llama\"}", "version", "GGUF", "version https://example.com", "# Notes\n",
  ])
  func isNot(_ text: String) { #expect(StandIn(firstBytes: Array(text.utf8)) == nil) }
}

@Suite struct PythonJSONTests {
  static func parse(_ text: String, _ dialect: JSONDialect = .python) throws(JSONError) -> JSONValue {
    try JSONValue.parse(Array(text.utf8), dialect: dialect)
  }

  /// What `json.dumps([float("nan"), float("inf"), -float("inf")])` of Python 3.12 gives.
  @Test func pythonsNumbersAreRead() throws {
    let value = try Self.parse("[NaN, Infinity, -Infinity]")
    let numbers = try #require(value.array).compactMap(\.number)
    #expect(numbers.map(\.text) == ["NaN", "Infinity", "-Infinity"])
    for number in numbers {
      let hasValue = number.double != nil || number.integer != nil || number.unsigned != nil
      #expect(!hasValue, "no reader of numbers may take \(number.text)")
    }
    #expect(String(decoding: value.serialized(), as: UTF8.self) == "[NaN,Infinity,-Infinity]")
    let object = try #require(try Self.parse(#"{"a": {"b": [1, Infinity]}, "c": NaN}"#).object)
    #expect(object.nonFiniteValues.map(\.place) == ["a.b[1]", "c"])
    #expect(object.nonFiniteValues.map(\.value) == ["Infinity", "NaN"])
  }

  /// What Python's `json.loads` refuses as well.
  @Test(arguments: ["nan", "inf", "Inf", "+Infinity", "-NaN", "Infinit", "NaNs", "I", "-I", "N", "-"])
  func othersAreNot(_ text: String) {
    #expect(throws: JSONError.self) { try Self.parse(text) }
  }

  @Test(arguments: ["NaN", "[Infinity]", "{\"a\": -Infinity}"])
  func strictTextsHaveNone(_ text: String) {
    #expect(throws: JSONError.self) { try Self.parse(text, .strict) }
  }

  @Test func byteOrderMarks() throws {
    let marked = [0xEF, 0xBB, 0xBF] + Array(#"{"a": 1}"#.utf8)
    #expect(try JSONValue.parse(marked, dialect: .python).object?["a"] == 1)
    let error = #expect(throws: JSONError.self) { try JSONValue.parse(marked) }
    #expect(error?.offset == 0 && error?.description.contains("byte order mark") == true)
    #expect(error?.remedy?.contains("without a byte order mark") == true)
    #expect(throws: JSONError.self) { try JSONDocument(parsing: marked) }
    // As PowerShell writes `> config.json`.
    let wide: [UInt8] = [0xFF, 0xFE, 0x7B, 0, 0x7D, 0]
    let other = #expect(throws: JSONError.self) { try JSONValue.parse(wide, dialect: .python) }
    #expect(other?.kind == .byteOrderMark(encoding: "UTF-16"))
  }
}
