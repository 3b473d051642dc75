// Tritsmith: ordinary tokens that files beside tokenizer.json name as special.

import Testing
import TritCore

@testable import TritTokenizer

/// Ids are those of `AutoTokenizer.from_pretrained` of transformers 5.23.0 for the folder of falcon-e-tiny with the
/// change, of "In the beginning was the word". 'the' is token 1557, ' the' 265.
@Suite("Tokens that are special by name")
struct NamedTokensTests {
  private static let ordinary = [46, 83, 265, 1966, 1134, 389, 265, 621]
  private static let cut = [46, 83, 226, 1557, 1966, 1134, 389, 226, 1557, 621]
  private static let stripped = [46, 83, 1557, 1966, 1134, 389, 1557, 621]

  struct Case: Sendable, CustomTestStringConvertible {
    var settings: [(String, JSONValue)] = []
    var map: [(String, JSONValue)] = []
    var added: JSONObject?
    var hasDecoder = true
    var ids: [Int]

    var testDescription: String { "\(settings) \(map) \(added?.entries.map(\.key) ?? []) \(hasDecoder)" }
  }

  private static let token = JSONValue.object([
    "content": "the", "lstrip": true, "rstrip": false, "normalized": true, "single_word": false, "special": true,
    "__type": "AddedToken",
  ])

  @Test(
    arguments: [
      Case(ids: ordinary),
      Case(settings: [("unk_token", "the")], ids: cut), Case(settings: [("bos_token", "the")], ids: cut),
      Case(settings: [("pad_token", "the")], ids: cut), Case(settings: [("cls_token", "the")], ids: cut),
      Case(settings: [("image_token", "the")], ids: cut), Case(settings: [("unk_token", token)], ids: stripped),
      Case(settings: [("additional_special_tokens", .array(["the"]))], ids: cut),
      Case(settings: [("additional_special_tokens", .array([token]))], ids: stripped),
      Case(settings: [("extra_special_tokens", .array(["the"]))], ids: cut),
      Case(settings: [("extra_special_tokens", .object(["image_token": "the"]))], ids: cut),
      Case(map: [("unk_token", "the")], ids: ordinary),
      Case(map: [("unk_token", "the")], hasDecoder: false, ids: cut),
      Case(map: [("additional_special_tokens", .array(["the"]))], hasDecoder: false, ids: ordinary),
      Case(hasDecoder: false, ids: ordinary), Case(added: ["the": 1557], ids: ordinary),
      Case(added: ["the": 1557], hasDecoder: false, ids: cut),
      // Given a new id, 2048, which no text here meets.
      Case(settings: [("unk_token", "zzzq")], ids: ordinary),
    ])
  func cuts(_ change: Case) throws {
    let folder = "Checkpoints/falcon-e-tiny/bitnet"
    var settings = try Files.json("\(folder)/tokenizer_config.json")
    var map = try Files.json("\(folder)/special_tokens_map.json")
    if !change.hasDecoder { settings["added_tokens_decoder"] = nil }
    for (key, value) in change.settings { settings[key] = value }
    for (key, value) in change.map { map[key] = value }
    var files = TokenizerFiles(
      tokenizer: .init(name: "tokenizer.json", bytes: try Files.fixture("\(folder)/tokenizer.json")),
      tokenizerConfiguration: .init(name: "tokenizer_config.json", parsed: settings),
      specialTokensMap: .init(name: "special_tokens_map.json", parsed: map))
    files.addedTokens = change.added.map { .init(name: "added_tokens.json", parsed: $0) }
    let tokenizer = try Tokenizer(files)
    #expect(try tokenizer.encode("In the beginning was the word", addSpecialTokens: false) == change.ids)
    let isNew = change.settings.contains { $0.1.string == "zzzq" }
    #expect(tokenizer.unknownNames.map(\.content) == (isNew ? ["zzzq"] : []))

    // A tokenizer.json that has the tokens itself is the same tokenizer.
    let completed = try NamedTokens.completed(
      Files.json("\(folder)/tokenizer.json"), settings: files.tokenizerConfiguration,
      specialTokensMap: files.specialTokensMap, addedTokens: files.addedTokens)
    let again = try Tokenizer(TokenizerFiles(tokenizer: .init(name: "tokenizer.json", parsed: completed)))
    #expect(try again.encode("In the beginning was the word", addSpecialTokens: false) == change.ids)
    #expect(again.addedTokens == tokenizer.addedTokens)
  }

  /// A GGUF file says of each token what it is; names of roles there add nothing.
  @Test func otherContainers() throws {
    let folder = "Checkpoints/falcon-e-tiny/bitnet"
    var files = TokenizerFiles(
      tokenizer: .init(name: "tokenizer.json", bytes: try Files.fixture("\(folder)/tokenizer.json")),
      tokenizerConfiguration: .init(name: "tokenizer_config.json", parsed: ["unk_token": "the"]))
    files.isFolder = false
    #expect(try Tokenizer(files).encode("In the beginning was the word", addSpecialTokens: false) == Self.ordinary)
  }
}
