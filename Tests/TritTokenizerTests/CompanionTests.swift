// Tritsmith: what the files beside a tokenizer.model add to it.

import Testing
import TritCore

@testable import TritTokenizer

/// Ids are those of `LlamaTokenizer.from_pretrained` of transformers 5.23.0, for a folder of `pieces.model` as
/// `tokenizer.model` and the files given here. transformers 4.57.3 gives the same unless said.
@Suite("Files beside a tokenizer.model")
struct CompanionTests {
  private static func tokenizer(
    _ settings: String?, added: String? = nil, map: String? = nil
  ) throws -> Tokenizer {
    func file(_ name: String, _ text: String?) -> TokenizerFiles.File? {
      text.map { .init(name: name, bytes: Array($0.utf8)) }
    }
    return try Tokenizer(
      TokenizerFiles(
        sentencePiece: .init(name: "tokenizer.model", bytes: Files.fixture("Tokenizers/pieces.model")),
        tokenizerConfiguration: file("tokenizer_config.json", settings),
        specialTokensMap: file("special_tokens_map.json", map), addedTokens: file("added_tokens.json", added)))
  }

  private static let hello = [538, 602, 331, 550, 546, 538, 575]
  private static func settings(_ more: String) -> String {
    #"{"tokenizer_class":"LlamaTokenizer","bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>"\#(more)}"#
  }

  // MARK: - Around a text

  @Test(
    arguments: [
      (settings(#","add_bos_token":true"#), [1], []), (settings(#","add_bos_token":false"#), [], []),
      (settings(#","add_bos_token":false,"add_eos_token":true"#), [], [2]),
      (settings(#","add_bos_token":true,"add_eos_token":true"#), [1], [2]), (#"{"add_bos_token":true}"#, [1], []),
      // transformers 4 puts a BOS before these.
      (settings(""), [], []), (nil, [], []), (settings(#","add_eos_token":true"#), [], [2]),
    ] as [(String?, [Int], [Int])])
  func aroundText(_ settings: String?, _ before: [Int], _ behind: [Int]) throws {
    let tokenizer = try Self.tokenizer(settings)
    #expect(try tokenizer.encode("Hello b") == before + Self.hello + behind)
    #expect(try tokenizer.encode("Hello b", addSpecialTokens: false) == Self.hello)
    #expect(tokenizer.bosTokenID == 1 && tokenizer.eosTokenID == 2)
    // What the files leave open is said, and nothing else.
    let isOpen = settings?.contains("add_bos_token") != true
    #expect(tokenizer.summary.notes.filter { $0.contains("add_bos_token") }.count == (isOpen ? 1 : 0))
    #expect(tokenizer.summary.notes.count == (isOpen ? 1 : 0))
  }

  /// transformers 5 puts nothing before a text where there is no BOS; transformers 4 ends with an error.
  @Test func noBeginToken() throws {
    let text = #"{"tokenizer_class":"LlamaTokenizer","bos_token":null,"eos_token":"</s>","add_bos_token":true}"#
    let tokenizer = try Self.tokenizer(text)
    #expect(try tokenizer.encode("Hello b") == Self.hello)
    #expect(tokenizer.bosTokenID == nil && tokenizer.eosTokenID == 2)
  }

  // MARK: - Tokens

  private static let texts = ["Hello<|im_end|>", "<|im_end|>", "Hello [W]<|im_end|>[W]"]
  private static let start = [538, 602, 331, 550, 546]
  /// Ids of the texts with both tokens, 640 and 641.
  private static let both = [start + [640], [640], start + [538, 641, 640, 641]]

  private static func decoder(_ entries: String) -> String {
    func entry(_ id: Int, _ text: String) -> String {
      #""\#(id)":{"content":"\#(text)","lstrip":false,"normalized":false,"rstrip":false,"special":true}"#
    }
    let own = [entry(0, "<unk>"), entry(1, "<s>"), entry(2, "</s>")].joined(separator: ",")
    return #","added_tokens_decoder":{\#(own),\#(entries)}"#
  }

  private static let end = #""640":{"content":"<|im_end|>","normalized":false,"special":true}"#

  @Test func addedTokens() throws {
    let plain = Self.settings(#","add_bos_token":false"#)
    let file = #"{"[W]":641,"<|im_end|>":640,"<s>":1}"#
    let listed = Self.settings(#","add_bos_token":false,"additional_special_tokens":["<|im_end|>","[W]"]"#)
    let oneListed = Self.settings(#","add_bos_token":false,"additional_special_tokens":["[W]"]"#)
    let decoded = Self.settings(
      #","additional_special_tokens":["[W]"],"add_bos_token":false"# + Self.decoder(Self.end))
    for (settings, added) in [
      (plain, file), (listed, nil), (oneListed, #"{"<|im_end|>":640}"#), (decoded, nil),
    ] as [(String, String?)] {
      let tokenizer = try Self.tokenizer(settings, added: added)
      for (text, ids) in zip(Self.texts, Self.both) { #expect(try tokenizer.encode(text) == ids, "\(text)") }
      #expect(tokenizer.vocabularySize == 642 && tokenizer.summary.notes == [])
    }
    // Where tokenizer_config.json has tokens, the other file is not looked at; white space goes where the token says.
    let stripping = #""641":{"content":"[W]","lstrip":true,"normalized":false,"special":false}"#
    let tokenizer = try Self.tokenizer(
      Self.settings(#","add_bos_token":false"# + Self.decoder(Self.end + "," + stripping)), added: #"{"[X]":640}"#)
    #expect(try tokenizer.encode("Hello [W]<|im_end|>[W]") == Self.start + [641, 640, 641])
    #expect(try tokenizer.decode(Self.start + [640], skipSpecialTokens: true) == "Hello")
    // A role for a token that stands in another file, and for a piece: "he" is 501.
    let ending = try Self.tokenizer(
      #"{"eos_token":"<|im_end|>","add_bos_token":false,"pad_token":"he"}"#, added: #"{"<|im_end|>":640}"#)
    #expect(ending.eosTokenID == 640 && ending.padTokenID == 501)
    #expect(try ending.encode("the") == [538, 540, 501])
    #expect(try ending.decode(Self.start + [640], skipSpecialTokens: true) == "Hello")
  }

  /// transformers 5 renumbers a token behind a gap and transformers 4 keeps its id: either would be a guess.
  @Test func gaps() throws {
    let plain = Self.settings(#","add_bos_token":false"#)
    for (settings, added, words) in [
      (plain, #"{"<|im_end|>":640,"[W]":642}"#, ["'[W]'", "id 642", "641"]),
      (Self.settings(Self.decoder(#""644":{"content":"<|im_end|>"}"#)), nil, ["'<|im_end|>'", "644", "640"]),
      (plain, #"{"<s>":5}"#, ["'<s>'", "id 5", "is 1"]), (plain, #"{"[W]":5}"#, ["id 5", "<0x01>", "[W]"]),
      (plain, #"{"[W]":-1}"#, ["token id", "found -1"]), (plain, #"{"[W]":"x"}"#, ["token id", "a string"]),
    ] as [(String, String?, [String])] {
      let error = try #require(throws: TokenizerError.self) { try Self.tokenizer(settings, added: added) }
      for word in words { #expect(error.summary.contains(word), "\(error)") }
      #expect(error.location.file == (added == nil ? "tokenizer_config.json" : "added_tokens.json"))
    }
  }

  // MARK: - Text

  private static let marked = [
    "Hello b", " Hello b", "  Hello  b", "a<s>b", "<s> a", "a </s> b", "Hello\n<s>\u{2581}x", "\u{2581}a", "é日本", "",
    "a\u{2581}b ", "</s>  the<s>the",
  ]

  /// `legacy` false: a mark before the beginning of the text alone, and none before a space. transformers 5.24.0.
  private static let first = [
    [538, 602, 331, 550, 546, 538, 575], [538, 602, 331, 550, 546, 538, 575], [260, 602, 331, 550, 546, 260, 575],
    [269, 1, 575], [1, 269], [269, 538, 2, 538, 575], [538, 602, 331, 550, 546, 14, 1, 279], [269],
    [538, 610, 234, 155, 169, 234, 160, 176], [], [269, 538, 575, 538], [2, 260, 263, 1, 263],
  ]

  /// `add_prefix_space` false. transformers 5.24.0.
  private static let never = [
    [602, 331, 550, 546, 538, 575], [538, 602, 331, 550, 546, 538, 575], [260, 602, 331, 550, 546, 260, 575],
    [541, 1, 575], [1, 269], [541, 538, 2, 538, 575], [602, 331, 550, 546, 14, 1, 279], [269],
    [610, 234, 155, 169, 234, 160, 176], [], [541, 538, 575, 538], [2, 260, 263, 1, 263],
  ]

  @Test(
    arguments: [
      (#","legacy":false"#, false), (#","legacy":false,"add_prefix_space":true"#, false),
      (#","legacy":false,"add_prefix_space":null"#, false), (#","add_prefix_space":false"#, true),
      (#","add_prefix_space":false,"legacy":true"#, true), (#","add_prefix_space":false,"legacy":false"#, true),
    ])
  func marks(_ more: String, _ isNever: Bool) throws {
    let tokenizer = try Self.tokenizer(Self.settings(#","add_bos_token":false"# + more))
    let expected = isNever ? Self.never : Self.first
    for (text, ids) in zip(Self.marked, expected) { #expect(try tokenizer.encode(text) == ids, "\(text)") }
    let decoded = isNever ? ["Hello b", " Hello b", "  Hello  b"] : ["Hello b", "Hello b", " Hello  b"]
    #expect(try expected.prefix(3).map { try tokenizer.decode($0) } == decoded)
  }

  /// What Llama's folders state beside it changes nothing.
  @Test func usualSettings() throws {
    let usual = [
      "", #","legacy":true,"sp_model_kwargs":{}"#, #","legacy":null,"add_prefix_space":null,"sp_model_kwargs":null"#,
      #","add_prefix_space":true,"clean_up_tokenization_spaces":false,"use_default_system_prompt":false"#,
      #","do_lower_case":false,"split_special_tokens":false,"spaces_between_special_tokens":false"#,
      #","sp_model_kwargs":{"enable_sampling":false,"nbest_size":-1,"alpha":0.1},"padding_side":"left""#,
    ]
    let golden = try Self.tokenizer(nil)
    for more in usual {
      let tokenizer = try Self.tokenizer(Self.settings(#","add_bos_token":false"# + more))
      for text in Self.marked { #expect(try tokenizer.encode(text) == golden.encode(text), "\(more)") }
    }
    for name in ["LlamaTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend", "BitnetTokenizer"] {
      let tokenizer = try Self.tokenizer(#"{"tokenizer_class":"\#(name)","add_bos_token":false}"#)
      // Ids of `TokenizersBackend` of transformers 5.24.0.
      for (text, ids) in [
        ("Hello b", Self.hello), (" Hello b", [260, 602, 331, 550, 546, 538, 575]), ("a<s>b", [269, 1, 538, 575]),
        ("<s> a", [1, 260, 541]),
      ] { #expect(try tokenizer.encode(text) == ids, "\(name) \(text)") }
    }
  }

  @Test(
    arguments: [
      (#"{"tokenizer_class":"T5Tokenizer"}"#, "tokenizer_class", "T5Tokenizer"),
      (#"{"tokenizer_class":"XLNetTokenizerFast"}"#, "tokenizer_class", "XLNetTokenizerFast"),
      (#"{"tokenizer_class":7}"#, "tokenizer_class", "a number"),
      // The general class of transformers 5 goes by the model.
      (#"{"tokenizer_class":"PreTrainedTokenizerFast","add_prefix_space":false}"#, "add_prefix_space", "opposite"),
      (#"{"add_prefix_space":false}"#, "add_prefix_space", "opposite"),
      (settings(#","add_prefix_space":"yes""#), "add_prefix_space", "a boolean"),
      (settings(#","legacy":0"#), "legacy", "a boolean"),
      (settings(#","add_bos_token":"yes""#), "add_bos_token", "a boolean"),
      (settings(#","do_lower_case":true"#), "do_lower_case", "true"),
      (settings(#","split_special_tokens":true"#), "split_special_tokens", "true"),
      (settings(#","sp_model_kwargs":{"enable_sampling":true}"#), "sp_model_kwargs.enable_sampling", "not supported"),
      (settings(#","sp_model_kwargs":{"reverse":true}"#), "sp_model_kwargs.reverse", "not supported"),
    ])
  func settingsThatAreRefused(_ settings: String, _ field: String, _ words: String) throws {
    let error = try #require(throws: TokenizerError.self) { try Self.tokenizer(settings) }
    #expect(error.location.file == "tokenizer_config.json" && error.location.field == field, "\(error)")
    #expect(error.summary.contains(words), "\(error)")
  }
}
