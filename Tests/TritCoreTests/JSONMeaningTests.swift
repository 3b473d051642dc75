// Tritsmith tests: JSON values that mean the same.

import Testing

@testable import TritCore

@Suite("JSON values that mean the same")
struct JSONMeaningTests {
  private func means(_ left: String, _ right: String) throws -> Bool {
    let values = try [left, right].map { try JSONValue.parse(Array($0.utf8), dialect: .python) }
    let result = values[0].means(values[1])
    #expect(values[1].means(values[0]) == result)
    return result
  }

  @Test(
    "order, place and spelling aside",
    arguments: [
      ("{\"a\": 1, \"b\": [2, 3]}", "{ \"b\":[2.0,3e0],\"a\":1}"), ("1e-06", "0.000001"), ("4", "4.0"),
      ("-0", "0"), ("{\"a\": {\"b\": 1}}", "{\n\n\"a\": {\"b\": 1}}"), ("{\"a\": 1, \"a\": 2}", "{\"a\": 2}"),
      ("[null, true, \"x\"]", "[null,true,\"x\"]"), ("NaN", "NaN"),
    ])
  func same(_ left: String, _ right: String) throws { #expect(try means(left, right)) }

  @Test(
    "other values",
    arguments: [
      ("{\"a\": 1}", "{\"a\": 2}"), ("{\"a\": 1}", "{\"a\": 1, \"b\": null}"), ("{\"a\": 1}", "{\"b\": 1}"),
      ("[1, 2]", "[2, 1]"), ("1", "\"1\""), ("1", "true"), ("0", "false"), ("null", "0"), ("NaN", "Infinity"),
      // Neighbours that Double cannot tell apart.
      ("9007199254740993", "9007199254740992"),
    ])
  func other(_ left: String, _ right: String) throws { #expect(try !means(left, right)) }
}
