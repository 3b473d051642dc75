// Tritsmith: vocabularies and merges read from text, against values made at once.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Long files")
struct LongFilesTests {
  /// What a file gives: its tokens and ids of a text, or the error with its place.
  private static func outcome(_ bytes: [UInt8], parsedFirst: Bool) -> String {
    do {
      var file = TokenizerFiles.File(name: "tokenizer.json", bytes: bytes)
      if parsedFirst {
        do { file.parsed = try JSONValue.parse(bytes) } catch {
          throw TokenizerError(.json(error), file: file.name, byteOffset: error.offset)
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
}
