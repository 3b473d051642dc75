// Tritsmith: tokenizer files that are wrong in one way each.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Hostile tokenizer files")
struct HostileTests {
  /// A tokenizer of four letters with `model`, `vocab`, `merges` and other sections replaced.
  static func file(
    vocab: String = #"{"a":0,"b":1,"ab":2,"Ġ":3}"#, merges: String = #"[["a","b"]]"#, type: String = "BPE",
    model: String = "", added: String = "[]",
    pre: String = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}"#, post: String = "null",
    decoder: String = #"{"type":"ByteLevel"}"#, normalizer: String = "null", more: String = ""
  ) -> String {
    """
    {"version":"1.0","truncation":null,"padding":null,"added_tokens":\(added),"normalizer":\(normalizer),
    "pre_tokenizer":\(pre),"post_processor":\(post),"decoder":\(decoder),
    "model":{"type":"\(type)"\(model),"vocab":\(vocab),"merges":\(merges)}\(more)}
    """
  }

  private func expectError(_ json: String, _ field: String?, _ words: String...) throws {
    let error = try #require(throws: TokenizerError.self) { try Tokenizer(json: json) }
    #expect(error.location.file == "tokenizer.json")
    #expect(error.location.field == field, "\(error)")
    for word in words { #expect(error.summary.contains(word), "\(error)") }
    #expect(error.category == .malformedInput)
  }

  @Test func theFileItselfIsFine() throws {
    let tokenizer = try Tokenizer(json: HostileTests.file())
    #expect(try tokenizer.encode("ab b") == [2, 3, 1])
    #expect(tokenizer.vocabularySize == 4 && tokenizer.endID == 4)
  }

  @Test func everyTruncationIsAnError() {
    let bytes = Array(HostileTests.file().utf8)
    for length in 0..<bytes.count {
      #expect(throws: TokenizerError.self) {
        try Tokenizer(TokenizerFiles(tokenizer: .init(name: "tokenizer.json", bytes: Array(bytes[..<length]))))
      }
    }
  }

  @Test(arguments: ["WordPiece", "Unigram", "WordLevel", "NFKC"])
  func otherModelsAreNamed(type: String) throws {
    try expectError(HostileTests.file(type: type, model: #","unk_id":0"#), "model.type", "'\(type)'")
  }

  @Test func structure() throws {
    try expectError("[]", nil, "expected an object", "an array")
    try expectError("{}", "model", "missing")
    try expectError(#"{"model":3}"#, "model", "a number")
    try expectError(#"{"model":{}}"#, "model.type", "missing")
    try expectError(String(repeating: "[", count: 100_000), nil, "nested deeper")
    try expectError(HostileTests.file(more: #","extra":1"#), nil, "'extra'")
    try expectError(HostileTests.file(more: #","version":"1.0""#), nil, "twice")
    try expectError(HostileTests.file().replacing("\"1.0\"", with: "\"2.0\""), "version", "2.0")
    try expectError(HostileTests.file().replacing("\"truncation\":null", with: "\"truncation\":{}"), "truncation")
  }

  @Test func modelOptions() throws {
    try expectError(HostileTests.file(model: #","byte_fallback":true"#), "model.byte_fallback", "byte_fallback")
    try expectError(HostileTests.file(model: #","byte_fallback":1"#), "model.byte_fallback", "a boolean")
    try expectError(HostileTests.file(model: #","dropout":0.1"#), "model.dropout", "dropout")
    try expectError(HostileTests.file(model: #","end_of_word_suffix":"</w>""#), "model.end_of_word_suffix")
    try expectError(HostileTests.file(model: #","unk_token":"<unk>""#), "model.unk_token", "'<unk>'")
    try expectError(HostileTests.file(model: #","new_option":true"#), "model", "'new_option'")
    _ = try Tokenizer(json: HostileTests.file(model: #","dropout":0.0,"end_of_word_suffix":"""#))
  }

  @Test func vocabularies() throws {
    try expectError(HostileTests.file(vocab: #"{"a":0,"b":0,"ab":2}"#), "model.vocab", "id 0", "'a'", "'b'")
    try expectError(HostileTests.file(vocab: #"{"a":0,"a":1,"b":3,"ab":2}"#), "model.vocab", "'a'", "twice")
    try expectError(HostileTests.file(vocab: #"{"a":-1}"#), "model.vocab.a", "-1")
    try expectError(HostileTests.file(vocab: #"{"a":1.0}"#), "model.vocab.a", "1.0")
    try expectError(HostileTests.file(vocab: #"{"a":4194304}"#), "model.vocab.a", "4194304")
    try expectError(HostileTests.file(vocab: #"{"a":99999999999999999999999}"#), "model.vocab.a", "99999")
    try expectError(HostileTests.file(vocab: #"{"a":"0"}"#), "model.vocab.a", "a string")
    try expectError(HostileTests.file(vocab: #"["a"]"#), "model.vocab", "an array")
    // Canonically equivalent spellings are two tokens.
    let tokenizer = try Tokenizer(json: HostileTests.file(vocab: "{\"\u{e9}\":0,\"e\u{301}\":1}", merges: "[]"))
    #expect(tokenizer.id(forToken: "\u{e9}") == 0 && tokenizer.id(forToken: "e\u{301}") == 1)
  }

  @Test func sparseIDs() throws {
    let tokenizer = try Tokenizer(json: HostileTests.file(vocab: #"{"a":5,"b":1000,"ab":70,"Ġ":3}"#))
    #expect(try tokenizer.encode("aab") == [5, 70])
    #expect(tokenizer.vocabularySize == 4 && tokenizer.endID == 1001)
    #expect(tokenizer.token(forID: 6) == nil && tokenizer.bytes(forID: 6) == nil && tokenizer.token(forID: -1) == nil)
    #expect(tokenizer.bytes(forID: 3) == [0x20])
    for id in [6, -1, 1001, Int.max] {
      let error = try #require(throws: TokenizerError.self) { try tokenizer.decode([5, id]) }
      #expect(error.kind == .idOutsideVocabulary(id) && error.category == .misuse)
    }
  }

  @Test func mergesMustHoldTokens() throws {
    try expectError(HostileTests.file(merges: #"[["a","c"]]"#), "model.merges", "merge 0", "'c'")
    try expectError(HostileTests.file(merges: #"[["a","b"],["b","a"]]"#), "model.merges", "merge 1", "'ba'")
    try expectError(HostileTests.file(merges: #"["ab"]"#), "model.merges", "not two tokens")
    try expectError(HostileTests.file(merges: #"["a b c"]"#), "model.merges", "not two tokens")
    try expectError(HostileTests.file(merges: #"[["a"]]"#), "model.merges", "not two tokens")
    try expectError(HostileTests.file(merges: #"[7]"#), "model.merges", "not two tokens")
    let versioned = HostileTests.file(merges: ##"["#version: 0.2","a b"]"##)
    #expect(try Tokenizer(json: versioned).encode("ab") == [2])
  }

  @Test func addedTokens() throws {
    func added(_ id: String, _ content: String) -> String { #"{"id":\#(id),"content":"\#(content)","special":true}"# }
    try expectError(HostileTests.file(added: "[\(added("7", "<x>"))]"), "added_tokens[0].id", "id 7", "id is 4")
    try expectError(HostileTests.file(added: "[\(added("1", "<x>"))]"), "added_tokens[0].id", "'b'", "'<x>'")
    try expectError(HostileTests.file(added: "[\(added("1", "a"))]"), "added_tokens[0].id", "its id is 0")
    try expectError(
      HostileTests.file(added: "[\(added("4", "x")),\(added("5", "x"))]"), "added_tokens[1].content", "twice")
    try expectError(HostileTests.file(added: "[\(added("4", ""))]"), "added_tokens[0].content", "empty")
    try expectError(HostileTests.file(added: "[\(added("1e9", "x"))]"), "added_tokens[0].id", "1e9")
    try expectError(HostileTests.file(added: "[\(added("true", "x"))]"), "added_tokens[0].id", "a boolean")
    try expectError(
      HostileTests.file(added: "[\(added("4", String(repeating: "x", count: 1025)))]"), "added_tokens[0].content",
      "1025")
    try expectError(HostileTests.file(added: #"[{"id":4,"content":"x","lstrip":"no"}]"#), "added_tokens[0].lstrip")
    try expectError(HostileTests.file(added: #"[{"id":4,"content":"x","new":1}]"#), "added_tokens[0]", "'new'")
  }

  @Test func preTokenizers() throws {
    for pre in ["null", #"{"type":"WhitespaceSplit"}"#, #"{"type":"Metaspace","replacement":"_"}"#] {
      try expectError(HostileTests.file(pre: pre), "decoder", "a ByteLevel decoder without a ByteLevel pre-tokenizer")
    }
    func metaspace(_ options: String) -> String { HostileTests.file(pre: #"{"type":"Metaspace"\#(options)}"#) }
    try expectError(metaspace(""), "pre_tokenizer.replacement", "missing")
    try expectError(metaspace(#","replacement":"ab""#), "pre_tokenizer.replacement", "one character")
    try expectError(metaspace(#","replacement":" ""#), "pre_tokenizer.replacement", "one character")
    try expectError(
      metaspace(#","replacement":"_","prepend_scheme":"last""#), "pre_tokenizer.prepend_scheme", "'last'")
    try expectError(
      metaspace(#","replacement":"_","add_prefix_space":false"#), "pre_tokenizer.add_prefix_space", "'always'")
    try expectError(
      HostileTests.file(
        pre: #"{"type":"Metaspace","replacement":"_","prepend_scheme":"first"}"#,
        normalizer: #"{"type":"StripAccents"}"#),
      "pre_tokenizer", "'first'")
    try expectError(HostileTests.file(pre: #"{"type":"ByteLevel"}"#), "pre_tokenizer.add_prefix_space", "missing")
    func split(_ pattern: String, _ behavior: String = "Isolated") -> String {
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":\#(pattern),"behavior":"\#(behavior)","invert":false}]}"#
    }
    let at = "pre_tokenizer.pretokenizers[0]"
    try expectError(
      HostileTests.file(pre: split(#"{"Regex":"(?<=a)b"}"#)), at + ".pattern.Regex", "a group", "position 0")
    try expectError(HostileTests.file(pre: split(#"{"String":""}"#)), at + ".pattern.String", "empty")
    try expectError(HostileTests.file(pre: split(#"{"Glob":"a"}"#)), at + ".pattern", "'Glob'")
    try expectError(HostileTests.file(pre: split(#"{}"#)), at + ".pattern", "Regex and String")
    try expectError(HostileTests.file(pre: split(#"{"Regex":"a"}"#, "Joined")), at + ".behavior", "'Joined'")
    let many = Array(repeating: #"{"type":"Digits","individual_digits":true}"#, count: 100).joined(separator: ",")
    let byteLevel = #"{"type":"ByteLevel","add_prefix_space":false}"#
    let sequence = #"{"type":"Sequence","pretokenizers":[\#(many),\#(byteLevel)]}"#
    try expectError(HostileTests.file(pre: sequence), "pre_tokenizer", "number of steps")
    try expectError(
      HostileTests.file(pre: #"{"type":"Sequence","pretokenizers":[\#(byteLevel),\#(byteLevel)]}"#),
      "pre_tokenizer.pretokenizers[1]", "twice")
  }

  @Test func otherSections() throws {
    try expectError(HostileTests.file(normalizer: #"{"type":"Precompiled"}"#), "normalizer.type", "'Precompiled'")
    let double = #"{"type":"Replace","pattern":{"String":"a"},"content":"aa"}"#
    let steps = Array(repeating: double, count: 30).joined(separator: ",")
    try expectError(
      HostileTests.file(normalizer: #"{"type":"Sequence","normalizers":[\#(steps)]}"#), "normalizer", "growth")
    try expectError(HostileTests.file(decoder: "null"), "decoder", "without decoder")
    try expectError(HostileTests.file(decoder: #"{"type":"WordPiece"}"#), "decoder.type", "'WordPiece'")
    try expectError(HostileTests.file(decoder: #"{"type":"Sequence","decoders":[]}"#), "decoder", "without steps")
    let fuse = #"{"type":"Fuse"}"#
    let strip = #"{"type":"Strip","content":" ","start":1,"stop":"#
    for (decoders, field, message) in [
      ("\(strip)0}", "decoder.decoders[0].type", "'Strip'"),
      ("\(fuse),\(strip)1}", "decoder.decoders[1]", "at the beginning"),
      (#"\#(fuse),{"type":"ByteFallback"}"#, "decoder.decoders[1].type", "'ByteFallback' at place 2"),
      (fuse, "decoder", "a ByteLevel pre-tokenizer without a ByteLevel decoder"),
    ] {
      try expectError(
        HostileTests.file(decoder: #"{"type":"Sequence","decoders":[\#(decoders)]}"#), field, message)
    }
    try expectError(HostileTests.file(post: #"{"type":"BertProcessing"}"#), "post_processor.type", "'BertProcessing'")
    func template(_ single: String, ids: String = "[0]") -> String {
      """
      {"type":"TemplateProcessing","single":\(single),"pair":[],
      "special_tokens":{"a":{"id":"a","ids":\(ids),"tokens":["a"]}}}
      """
    }
    let text = #"{"Sequence":{"id":"A","type_id":0}}"#
    let a = #"{"SpecialToken":{"id":"a","type_id":0}}"#
    #expect(try Tokenizer(json: HostileTests.file(post: template("[\(a),\(text),\(a)]"))).encode("b") == [0, 1, 0])
    try expectError(HostileTests.file(post: template("[\(a)]")), "post_processor.single", "once")
    try expectError(HostileTests.file(post: template("[\(text),\(text)]")), "post_processor.single[1].Sequence", "once")
    let special = "post_processor.special_tokens.a"
    try expectError(HostileTests.file(post: template("[\(a),\(text)]", ids: "[1]")), special + ".ids", "id 1")
    try expectError(HostileTests.file(post: template("[\(a),\(text)]", ids: "[]")), special)
    try expectError(
      HostileTests.file(post: template("[\(a.replacing("\"a\"", with: "\"z\"")),\(text)]")),
      "post_processor.single[0].SpecialToken.id", "'z'")
    let many = Array(repeating: a, count: 65).joined(separator: ",")
    try expectError(HostileTests.file(post: template("[\(many)]")), "post_processor.single", "limit of 64")
  }

  /// Without an unknown token what has no token is dropped, and its neighbours merge. Ids of `tokenizers` 0.23.3.
  @Test func charactersWithoutToken() throws {
    let bytes = try Tokenizer(json: HostileTests.file())
    for (text, ids) in [("axb", [2]), ("x", []), ("xab bx", [2, 3, 1]), ("aéb ab", [2, 3, 2]), ("a\nb", [0, 1])] {
      #expect(try bytes.encode(text) == ids, "\(text)")
    }
    let vocab = #"{"a":0,"b":1,"ab":2,"▁":3,"▁▁":4,"<0xC3>":5,"<0xA9>":6}"#
    let merges = #"[["a","b"],["▁","▁"]]"#
    func characters(_ model: String) throws -> Tokenizer {
      try Tokenizer(
        json: HostileTests.file(
          vocab: vocab, merges: merges, model: model, pre: "null", decoder: #"{"type":"Fuse"}"#))
    }
    for model in [#","fuse_unk":false"#, #","fuse_unk":true"#] {
      let tokenizer = try characters(model)
      for (text, ids) in [("axb", [2]), ("x", []), ("xab bx", [2, 1]), ("aéb ab", [2, 2]), ("▁x▁", [4])] {
        #expect(try tokenizer.encode(text) == ids, "\(text)")
      }
    }
    let fallback = try characters(#","byte_fallback":true"#)
    for (text, ids) in [("axb", [2]), ("aéb ab", [0, 5, 6, 1, 2]), ("▁ñ▁", [4])] {
      #expect(try fallback.encode(text) == ids, "\(text)")
    }
  }

  @Test func texts() throws {
    let tokenizer = try Tokenizer(json: HostileTests.file())
    let invalid = try #require(throws: TokenizerError.self) { try tokenizer.encode(utf8: [0x61, 0x62, 0xFF]) }
    #expect(invalid.kind == .invalidUTF8 && invalid.location.byteOffset == 2)
    // The next call is none the worse for it.
    #expect(try tokenizer.encode("ab") == [2])
  }

  /// Exponential with a plain backtracker, such as the library's.
  @Test func slowPatternsEnd() throws {
    let pre = """
      {"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?:a|aa)+b"},"behavior":"Isolated",
      "invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}
      """
    let tokenizer = try Tokenizer(json: HostileTests.file(pre: pre))
    let error = try #require(throws: TokenizerError.self) { try tokenizer.encode(String(repeating: "a", count: 60)) }
    #expect(error.kind == .patternTooSlow(pattern: "(?:a|aa)+b"))
  }
}
