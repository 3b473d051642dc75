// Tritsmith: vocabularies read from text, and texts longer than a batch.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Long files")
struct LongFilesTests {
  // MARK: - Vocabularies and merges are read from text

  /// What a file gives: its tokens and ids of a text, or the error with its place.
  private static func outcome(_ bytes: [UInt8], parsedFirst: Bool) -> String {
    do {
      var file = TokenizerFiles.File(name: "tokenizer.json", bytes: bytes)
      if parsedFirst {
        do { file.parsed = try JSONValue.parse(bytes) } catch {
          throw TokenizerError(.json(error), file: file.name, byteOffset: UInt64(error.offset))
        }
      }
      let tokenizer = try Tokenizer(TokenizerFiles(tokenizer: file))
      let tokens = (0..<tokenizer.endID).map { tokenizer.token(forID: $0) }
      return "\(tokens) \(tokenizer.summary) \(try tokenizer.encode("ab b é😀"))"
    } catch let error as TokenizerError {
      return "\(error.kind) \(error.location)"
    } catch {
      return "\(error)"
    }
  }

  private static let vocab = #"{ "a" :0,  "b":1 ,"ab":2,"Ġ": 3, "\u00c3":4, "\u00A9" : 5,"\ud83d\ude00":6,"Ã©":7}"#

  /// Values made at once and values read from text: every cut, and every byte changed.
  @Test func textAndValuesAgree() {
    let merges = #"[ "a b" , ["a","\u0062"],[ "Ã" , "©" ] ]"#
    let good = Array(HostileTests.file(vocab: Self.vocab, merges: merges).utf8)
    var sound = 0
    for index in good.indices {
      var texts = [Array(good[..<index])]
      for byte in Array("]}\",: 1e\\".utf8) + [0x01, 0xC3] {
        texts.append(good)
        texts[texts.count - 1][index] = byte
      }
      for text in texts where StandIn(firstBytes: text) == nil {
        let outcome = Self.outcome(text, parsedFirst: false)
        #expect(outcome == Self.outcome(text, parsedFirst: true))
        if outcome.hasPrefix("[") { sound += 1 }
      }
    }
    #expect(sound > 50)
  }

  @Test func escapesAndSpacesInKeys() throws {
    let merges = "[ \"\\u0061 b\"\n,\t[ \"\\u00c3\" , \"©\" ]\r\n]"
    let tokenizer = try Tokenizer(json: HostileTests.file(vocab: Self.vocab, merges: merges))
    #expect((0..<8).map { tokenizer.token(forID: $0) } == ["a", "b", "ab", "Ġ", "Ã", "©", "😀", "Ã©"])
    #expect(try tokenizer.encode("abé") == [2, 7])
    #expect(tokenizer.summary.mergeCount == 2)
  }

  @Test(arguments: [
    (#"{"a":0,"b":1e0}"#, "1e0", "model.vocab.b"), (#"{"a":0,"b":1.0}"#, "1.0", "model.vocab.b"),
    (#"{"a":0,"b":-0}"#, "-0", "model.vocab.b"), (#"{"a":0,"\u0062":[1]}"#, "an array", "model.vocab.b"),
    (#"{"a":0,"\u0061":1}"#, "'a' stands twice", "model.vocab"), (#"{"a":65568}"#, "65543", "model.vocab.a"),
  ])
  func wrongIDs(vocab: String, words: String, field: String) throws {
    let json = HostileTests.file(vocab: vocab, merges: "[]")
    let error = try #require(throws: TokenizerError.self) { try Tokenizer(json: json) }
    #expect(error.location.field == field && error.summary.contains(words), "\(error)")
  }

  @Test func sectionsThatStandTwice() throws {
    for (more, path) in [
      (#","vocab":{}"#, "model"), (#","merges":[]"#, "model"), (#","\u0076ocab":3"#, "model"),
    ] {
      let json = HostileTests.file(model: more)
      let error = try #require(throws: TokenizerError.self) { try Tokenizer(json: json) }
      #expect(error.location.field == path && error.summary.contains("twice"), "\(error)")
    }
  }

  // MARK: - Texts

  private static func tokenizer(split behavior: String, then more: String = "") throws -> Tokenizer {
    let split = #"{"type":"Split","pattern":{"String":" "},"behavior":"\#(behavior)","invert":false}"#
    let byteLevel = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}"#
    return try Tokenizer(
      json: HostileTests.file(
        vocab: #"{"a":0,"b":1,"ab":2,"Ġ":3,"Ġa":4}"#, merges: #"[["Ġ","a"],["a","b"]]"#,
        pre: #"{"type":"Sequence","pretokenizers":[\#(split),\#(more)\#(byteLevel)]}"#))
  }

  /// Words are cut and encoded some thousands at a time: nothing shows where a batch ends.
  @Test(arguments: [
    ("Isolated", [3, 2], [3, 0, 1]), ("Removed", [2], [0, 1]), ("MergedWithPrevious", [3, 2], [3, 0, 1]),
    ("MergedWithNext", [4, 1], [4, 1]), ("Contiguous", [3, 2], [3, 0, 1]),
  ])
  func wordsBeyondABatch(behavior: String, once: [Int], cutTwice: [Int]) throws {
    let second = #"{"type":"Split","pattern":{"String":"b"},"behavior":"Isolated","invert":false},"#
    for (more, ids) in [("", once), (second, cutTwice)] {
      let tokenizer = try Self.tokenizer(split: behavior, then: more)
      for count in [1, 2047, 2048, 2049, 4095, 4096, 4097, 10_000] {
        let expected = repeatElement(ids, count: count).flatMap { $0 }
        #expect(try tokenizer.encode(String(repeating: " ab", count: count)) == expected, "\(count) of \(behavior)")
      }
    }
  }

  /// More words than are remembered; `ab` becomes one token wherever it stands.
  @Test func wordsBeyondTheCache() throws {
    let tokenizer = try Self.tokenizer(split: "Isolated")
    var text: [UInt8] = []
    var expected: [Int] = []
    for number in 0..<1 << 16 {
      let letters = (0..<16).map { number >> $0 & 1 }
      text += letters.map { UInt8(ascii: "a") + UInt8($0) } + [UInt8(ascii: " ")]
      var index = 0
      while index < 16 {
        let isPair = letters[index] == 0 && index < 15 && letters[index + 1] == 1
        expected.append(isPair ? 2 : letters[index])
        index += isPair ? 2 : 1
      }
      expected.append(3)
    }
    #expect(try tokenizer.encode(utf8: text) == expected)
  }

  /// Ids are decoded some thousands at a time, where a character may be cut.
  @Test func decodingBeyondABatch() throws {
    let tokenizer = try Tokenizer(json: HostileTests.file(vocab: #"{"Ã":0,"©":1,"a":2}"#, merges: "[]"))
    for (before, count) in [(0, 2048), (1, 2048), (1, 5000), (0, 5000)] {
      let ids = Array(repeating: 2, count: before) + repeatElement([0, 1], count: count).flatMap { $0 }
      let text = String(repeating: "a", count: before) + String(repeating: "é", count: count)
      #expect(try tokenizer.decode(ids) == text)
      #expect(try tokenizer.decode(ids + [0]) == text + "\u{FFFD}")
      #expect(throws: TokenizerError.self) { try tokenizer.decode(ids + [3]) }
    }
    let pieces = try Tokenizer(
      json: HostileTests.file(vocab: #"{"é":0,"b":1}"#, merges: "[]", pre: "null", decoder: #"{"type":"Fuse"}"#))
    let ids = [1] + Array(repeating: 0, count: 40_000)
    #expect(try pieces.decode(ids) == "b" + String(repeating: "é", count: 40_000))
  }
}
