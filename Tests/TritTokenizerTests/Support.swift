// Tritsmith: files and small tokenizers for the tests of this target.

import TritCore
import TritTestSupport

@testable import TritTokenizer

/// Files under `Fixtures/`.
enum Files {
  struct Missing: Error, CustomStringConvertible {
    var description: String
  }

  static func fixture(_ path: String) throws -> [UInt8] {
    guard let bytes = Fixtures.contents(path) else { throw Missing(description: "no file Fixtures/\(path)") }
    return bytes
  }

  static func json(_ path: String) throws -> JSONObject {
    guard let object = try JSONValue.parse(fixture(path)).object else {
      throw Missing(description: "no object in \(path)")
    }
    return object
  }

  /// The tokenizer of a checkpoint folder with the files beside it.
  static func tokenizer(ofCheckpoint folder: String) throws -> Tokenizer {
    func file(_ name: String) -> TokenizerFiles.File? {
      Fixtures.contents("Checkpoints/\(folder)/\(name)").map { .init(name: name, bytes: $0) }
    }
    return try Tokenizer(
      TokenizerFiles(
        tokenizer: .init(name: "tokenizer.json", bytes: fixture("Checkpoints/\(folder)/tokenizer.json")),
        tokenizerConfiguration: file("tokenizer_config.json"), specialTokensMap: file("special_tokens_map.json"),
        generationConfiguration: file("generation_config.json"), modelConfiguration: file("config.json")))
  }
}

extension Tokenizer {
  /// A tokenizer from a JSON value.
  init(_ object: JSONObject) throws(TokenizerError) {
    let bytes = JSONValue.object(object).serialized()
    try self.init(TokenizerFiles(tokenizer: .init(name: "tokenizer.json", bytes: bytes)))
  }

  init(json: String) throws(TokenizerError) {
    try self.init(TokenizerFiles(tokenizer: .init(name: "tokenizer.json", bytes: Array(json.utf8))))
  }
}

extension JSONValue {
  /// The integers of an array.
  var integers: [Int]? {
    array.map { $0.compactMap { $0.number?.integer } }
  }
}

/// A small generator with a fixed sequence for each seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
