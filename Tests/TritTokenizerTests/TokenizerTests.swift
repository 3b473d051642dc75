// Tritsmith: roles of tokens, the summary and streaming.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Tokenizer")
struct TokenizerTests {
  private func files(_ config: String? = nil, map: String? = nil, generation: String? = nil, model: String? = nil)
    -> TokenizerFiles
  {
    let added = (0..<3).map { #"{"id":\#(4 + $0),"content":"<\#($0)>","special":true}"# }.joined(separator: ",")
    func file(_ name: String, _ text: String?) -> TokenizerFiles.File? {
      text.map { .init(name: name, bytes: Array($0.utf8)) }
    }
    return TokenizerFiles(
      tokenizer: .init(name: "tokenizer.json", bytes: Array(HostileTests.file(added: "[\(added)]").utf8)),
      tokenizerConfiguration: file("tokenizer_config.json", config),
      specialTokensMap: file("special_tokens_map.json", map),
      generationConfiguration: file("generation_config.json", generation),
      modelConfiguration: file("config.json", model))
  }

  @Test func rolesByName() throws {
    let tokenizer = try Tokenizer(
      files(#"{"bos_token":"<0>","eos_token":{"content":"<1>"}}"#, map: #"{"eos_token":"<2>","pad_token":"<2>"}"#))
    #expect(tokenizer.bosTokenID == 4 && tokenizer.eosTokenID == 5 && tokenizer.padTokenID == 6)
    #expect(tokenizer.endTokenIDs == [5])
    #expect(tokenizer.specialTokens.map { $0.id } == [4, 5, 6] && tokenizer.isSpecial(4) && !tokenizer.isSpecial(3))
  }

  @Test func rolesByID() throws {
    let tokenizer = try Tokenizer(
      files(
        #"{"bos_token":null}"#, generation: #"{"eos_token_id":[6,5],"pad_token_id":-1}"#,
        model: #"{"bos_token_id":4,"eos_token_id":4}"#))
    // A tokenizer that names its tokens has no BOS it does not name: Qwen's, whose configurations number one.
    #expect(tokenizer.bosTokenID == nil && tokenizer.eosTokenID == 6 && tokenizer.padTokenID == nil)
    #expect(tokenizer.endTokenIDs == [6, 5])
    let unnamed = try Tokenizer(files(nil, model: #"{"bos_token_id":4,"eos_token_id":4}"#))
    #expect(unnamed.bosTokenID == 4 && unnamed.eosTokenID == 4)
  }

  @Test func namesComeBeforeIDs() throws {
    let tokenizer = try Tokenizer(files(#"{"eos_token":"<1>"}"#, generation: #"{"eos_token_id":[6,5]}"#))
    #expect(tokenizer.eosTokenID == 5 && tokenizer.endTokenIDs == [5, 6])
    #expect(try Tokenizer(files()).bosTokenID == nil)
  }

  @Test(arguments: [
    (#"{"bos_token":"<9>"}"#, "bos_token"), (#"{"bos_token":7}"#, "bos_token"),
    (#"{"bos_token":{}}"#, "bos_token.content"),
    (#"{"added_tokens_decoder":{"4":{"content":"<9>"}}}"#, "added_tokens_decoder.4"),
    (#"{"added_tokens_decoder":{"x":{"content":"<0>"}}}"#, "added_tokens_decoder.x"), (#"{"bos_token":"#, nil),
  ])
  func wrongConfigurations(_ config: String, _ field: String?) throws {
    let error = try #require(throws: TokenizerError.self) { try Tokenizer(files(config)) }
    #expect(error.location.file == "tokenizer_config.json" && error.location.field == field, "\(error)")
  }

  @Test func wrongIDs() throws {
    for text in [
      #"{"eos_token_id":99}"#, #"{"eos_token_id":"2"}"#, #"{"eos_token_id":[1,{}]}"#, #"{"eos_token_id":1.5}"#,
    ] {
      let error = try #require(throws: TokenizerError.self) { try Tokenizer(files(generation: text)) }
      #expect(error.location.file == "generation_config.json" && error.location.field == "eos_token_id", "\(error)")
    }
  }

  @Test func contradictionsThatChangeNothingAreNoted() throws {
    let config =
      #"{"bos_token":"<0>","add_bos_token":true,"added_tokens_decoder":{"4":{"content":"<0>","lstrip":true}}}"#
    let notes = try Tokenizer(files(config)).summary.notes
    #expect(notes.count == 2)
    #expect(notes.contains { $0.contains("add_bos_token") } && notes.contains { $0.contains("'<0>'") })
  }

  @Test func summaries() throws {
    let bitnet = try Files.tokenizer(ofCheckpoint: "bitnet-b158-tiny/packed").summary
    #expect(bitnet.modelType == "BPE (byte-level)" && bitnet.vocabularySize == 1536 && bitnet.endID == 1536)
    #expect(bitnet.modelVocabularySize == 1530 && bitnet.mergeCount == 1274 && bitnet.addedTokens.count == 6)
    #expect(bitnet.bosTokenID == 1530 && bitnet.eosTokenID == 1531 && bitnet.padTokenID == 1535)
    #expect(bitnet.addsBOSByDefault && !bitnet.addsEOSByDefault && bitnet.prefixIDs == [1530])
    #expect(bitnet.postProcessor == "ByteLevel, TemplateProcessing" && bitnet.normalizer.isEmpty)
    #expect(bitnet.preTokenizer.hasPrefix("Split((?i:'s") && bitnet.preTokenizer.hasSuffix(", Isolated), ByteLevel"))
    #expect(bitnet.bytesWithoutToken.isEmpty && bitnet.notes.isEmpty)
    let falcon = try Files.tokenizer(ofCheckpoint: "falcon-e-tiny/bitnet").summary
    #expect(falcon.vocabularySize == 2048 && falcon.mergeCount == 1786 && !falcon.addsBOSByDefault)
    #expect(falcon.bosTokenID == 1 && falcon.eosTokenID == 2 && falcon.padTokenID == 0)
    #expect(falcon.specialTokens.count == 6 && !falcon.ignoresMergesForWholeWords)
  }

  @Test func streamingHoldsBackUnfinishedCharacters() throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: "falcon-e-tiny/bitnet")
    let bytes = try "é😀".utf8.map { byte in
      try #require((0..<tokenizer.endID).first { tokenizer.bytes(forID: $0) == [byte] })
    }
    var decoder = tokenizer.streamingDecoder()
    #expect(try bytes.map { try decoder.append($0) } == ["", "é", "", "", "", "😀"])
    #expect(decoder.finish().isEmpty)
    // Special tokens are left out, and an unfinished character ends as one replacement character.
    let bos = try #require(tokenizer.bosTokenID)
    #expect(try decoder.append(bos).isEmpty)
    #expect(try decoder.append(bytes[2]) == "" && decoder.append(bytes[3]) == "" && decoder.finish() == "\u{FFFD}")
    #expect(throws: TokenizerError.self) { try decoder.append(2048) }
  }

  /// `run`, `tokenize` and `perplexity` take no ids.
  @Test func remediesNameTheCommandsThatTakeIDs() {
    let kinds = [TokenizerErrorKind.unsupportedModelType("WordPiece"), .unknownKey("k"), .patternTooSlow(pattern: "a")]
    for kind in kinds {
      #expect(TokenizerError(kind, file: "t").remedy?.hasPrefix("validate, logits and gap take token ids") == true)
    }
  }

  @Test func alphabetIsABijection() {
    #expect(Set(ByteAlphabet.scalars).count == 256)
    for (byte, value) in ByteAlphabet.scalars.enumerated() {
      #expect(Unicode.Scalar(value).flatMap { ByteAlphabet.byte(of: $0) } == UInt8(byte))
    }
    #expect(ByteAlphabet.scalars[0x20] == 0x120 && ByteAlphabet.scalars[0x0A] == 0x10A)
    #expect(ByteAlphabet.decode("Ġa ") == nil && ByteAlphabet.decode("Ġa") == [0x20, 0x61])
  }
}
