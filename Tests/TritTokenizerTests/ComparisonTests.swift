// Tritsmith: every change to a tokenizer is found, and nothing else.

import Testing
import TritCore
import TritTestSupport

@testable import TritTokenizer

@Suite("Comparing tokenizers")
struct ComparisonTests {
  /// A change to base.json and the differences it must give, in the words of the report.
  struct Fault: Sendable, CustomTestStringConvertible {
    var name: String
    var expected: [String]
    var change: @Sendable (inout JSONObject) throws -> Void

    init(_ name: String, _ expected: [String], _ change: @escaping @Sendable (inout JSONObject) throws -> Void) {
      self.name = name
      self.expected = expected
      self.change = change
    }

    var testDescription: String { name }
  }

  private static func added(_ file: inout JSONObject, _ index: Int, _ key: String, _ value: JSONValue) throws {
    var list = try #require(file["added_tokens"]?.array)
    var token = try #require(list[index].object)
    token[key] = value
    list[index] = .object(token)
    file["added_tokens"] = .array(list)
  }

  private static func step(_ pattern: String, behavior: String = "Isolated", inverted: Bool = false) -> JSONValue {
    .object([
      "type": "Sequence",
      "pretokenizers": .array([
        .object([
          "type": "Split", "pattern": .object(["Regex": .string(pattern)]), "behavior": .string(behavior),
          "invert": .bool(inverted),
        ]), .object(["type": "ByteLevel", "add_prefix_space": false, "use_regex": false]),
      ]),
    ])
  }

  static let faults: [Fault] = [
    Fault("two tokens swapped", [#"token 300: "#, #"token 301: "#]) { file in
      try file.edit("model") { model in
        try model.edit("vocab") { vocab in
          let one = try #require(vocab.entries.firstIndex { $0.value.number?.integer == 300 })
          let two = try #require(vocab.entries.firstIndex { $0.value.number?.integer == 301 })
          let value = vocab.entries[one].value
          vocab.entries[one].value = vocab.entries[two].value
          vocab.entries[two].value = value
        }
      }
    },
    Fault("the first merge is lost", [#"merge 0, "t" with "h", only in the first"#, #"gives ids"#]) { file in
      try file.edit("model") { model in
        model["merges"] = .array(Array(try #require(model["merges"]?.array).dropFirst()))
      }
    },
    Fault("the last merge is lost", [#"merge 419, "#]) { file in
      try file.edit("model") { model in
        model["merges"] = .array(Array(try #require(model["merges"]?.array).dropLast()))
      }
    },
    Fault("two merges swapped", [#"merge 3: "Ġ Ġ" and "o r", in another order"#]) { file in
      try file.edit("model") { model in
        var merges = try #require(model["merges"]?.array)
        merges.swapAt(3, 4)
        model["merges"] = .array(merges)
      }
    },
    Fault("merges ignored", ["ignore_merges: false and true"]) { file in
      try file.edit("model") { $0["ignore_merges"] = true }
    },
    Fault("an added token is lost", [#"token 679: "</tool>" and none"#, #"added token "</tool>" only in the first"#]) {
      $0["added_tokens"] = .array(Array(try #require($0["added_tokens"]?.array).dropLast()))
    },
    Fault(
      "an added token is spelled otherwise",
      [
        #"token 678: "<tool>" and "<Tool>""#, #"added token "<tool>" only in the first"#,
        #"added token "<Tool>" only in the second"#,
      ]
    ) { try added(&$0, 2, "content", "<Tool>") },
    Fault("special", [#"added token "<tool>": special is false and true"#]) { try added(&$0, 2, "special", true) },
    Fault("lstrip", [#"added token "<|bos|>": lstrip is false and true"#]) { try added(&$0, 0, "lstrip", true) },
    Fault("rstrip", [#"added token "<|bos|>": rstrip is false and true"#]) { try added(&$0, 0, "rstrip", true) },
    Fault("single_word", [#"added token "<tool>": single_word is false and true"#]) {
      try added(&$0, 2, "single_word", true)
    },
    Fault("a normalizer", ["normalizer: none and Replace", #"gives ids"#]) {
      $0["normalizer"] = .object(["type": "Replace", "pattern": .object(["String": "e"]), "content": "o"])
    },
    Fault("prefix space", ["pre-tokenizer: ByteLevel and ByteLevel(prefix space)", #"gives ids"#]) {
      $0["pre_tokenizer"] = .object(["type": "ByteLevel", "add_prefix_space": true, "use_regex": false])
    },
    Fault("another pattern", ["pre-tokenizer: ByteLevel and ByteLevel(GPT-2 pattern)"]) {
      $0["pre_tokenizer"] = .object(["type": "ByteLevel", "add_prefix_space": false, "use_regex": true])
    },
    Fault("a split", [#"pre-tokenizer: ByteLevel and Split(\p{N}, Isolated), ByteLevel"#]) {
      $0["pre_tokenizer"] = step(#"\p{N}"#)
    },
    Fault("BOS", ["ids put before a text: no ids and ids 676"]) {
      $0["post_processor"] = .object([
        "type": "TemplateProcessing",
        "single": .array([
          .object(["SpecialToken": .object(["id": "<|bos|>", "type_id": 0])]),
          .object(["Sequence": .object(["id": "A", "type_id": 0])]),
        ]), "pair": .array([]),
        "special_tokens": .object([
          "<|bos|>": .object(["id": "<|bos|>", "ids": .array([676]), "tokens": .array(["<|bos|>"])])
        ]),
      ])
    },
    Fault("a row is added", [#"token 680: none and "[PAD681]""#]) { file in
      file["added_tokens"] = .array(
        try #require(file["added_tokens"]?.array) + [
          .object(["id": 680, "content": "[PAD681]", "special": false])
        ])
    },
  ]

  @Test(arguments: faults)
  func faultIsFound(fault: Fault) throws {
    let base = try Files.json("Tokenizers/base.json")
    var file = base
    try fault.change(&file)
    let found = TokenizerComparison(try Tokenizer(base), try Tokenizer(file))
    let lines = found.differences.map(\.description)
    #expect(!found.isEqual)
    for expected in fault.expected {
      #expect(lines.contains { $0.contains(expected) }, "\(expected) among \(lines)")
    }
    // The other way round as many are found.
    let back = TokenizerComparison(try Tokenizer(file), try Tokenizer(base))
    #expect(back.counts == found.counts)
  }

  @Test func roles() throws {
    let base = TokenizerFiles.File(name: "tokenizer.json", bytes: try Files.fixture("Tokenizers/base.json"))
    func tokenizer(_ settings: String) throws -> Tokenizer {
      try Tokenizer(
        TokenizerFiles(
          tokenizer: base, tokenizerConfiguration: .init(name: "tokenizer_config.json", bytes: Array(settings.utf8))))
    }
    let first = try tokenizer(#"{"bos_token":"<|bos|>","eos_token":"<|eos|>"}"#)
    let second = try tokenizer(#"{"bos_token":"<|eos|>","pad_token":"<tool>"}"#)
    let found = TokenizerComparison(first, second)
    #expect(
      found.differences == [
        .role(.bos, first: 676, second: 677), .role(.eos, first: 677, second: nil),
        .role(.pad, first: nil, second: 678),
      ])
    #expect(found.differences[0].description == "id of bos: 676 and 677" && found.omittedCount == 0)
  }

  /// What is spelled otherwise and means the same.
  @Test func sameThingsAreTheSame() throws {
    let base = try Files.json("Tokenizers/base.json")
    let whole = try Tokenizer(base)
    var file = base
    try file.edit("model") { model in
      model["merges"] = .array(
        try #require(model["merges"]?.array).map { pair in
          .string((pair.array ?? []).compactMap { $0.string }.joined(separator: " "))
        })
    }
    // Without a normalizer, and with tokens that cannot meet, it is the same text they are looked for in.
    for index in 0..<4 { try ComparisonTests.added(&file, index, "normalized", true) }
    // Added tokens may be in the model's vocabulary as well. Tokens that fill rows.
    let added = try #require(file["added_tokens"]?.array).compactMap(\.object)
    try file.edit("model") { model in
      try model.edit("vocab") { vocab in
        for token in added { vocab[try #require(token["content"]?.string)] = token["id"] }
        for id in 680..<700 { vocab["[PAD\(id)]"] = .number(JSONNumber(id)) }
      }
    }
    let found = TokenizerComparison(whole, try Tokenizer(file))
    #expect(found.isEqual, "\(found.differences)")
    #expect(found.comparedTokens == 700 && found.comparedMerges == 420)
    #expect(found.comparedTexts == TokenizerComparison.hardTexts.count + 4)
    #expect(TokenizerComparison.hardTexts.count > 150)
  }

  /// A row is filled only by the name of its own id, and only where no text gives it.
  @Test func fillersThatAreNone() throws {
    let base = try Files.json("Tokenizers/base.json")
    var file = base
    file["added_tokens"] = .array(
      try #require(base["added_tokens"]?.array) + [.object(["id": 680, "content": "[PAD680]", "special": false])])
    let lines = TokenizerComparison(try Tokenizer(base), try Tokenizer(file)).differences.map(\.description)
    #expect(lines.contains(#"token 680: none and "[PAD680]""#) && lines.contains { $0.hasPrefix("added token") })
  }

  /// The list is cut; the counts are not.
  @Test func manyDifferencesAreCounted() throws {
    let base = try Files.json("Tokenizers/base.json")
    var file = base
    try file.edit("model") { model in
      model["merges"] = .array(Array(try #require(model["merges"]?.array).prefix(100)))
    }
    let found = TokenizerComparison(try Tokenizer(base), try Tokenizer(file))
    #expect(found.counts["merge"] == 320 && found.counts["token"] == nil)
    #expect(found.differences.filter { $0.kind == "merge" }.count == TokenizerComparison.listLimit)
    #expect(found.omittedCount >= 312)
  }

  @Test(arguments: ["falcon-e-tiny/bitnet", "bitnet-b158-tiny/packed"])
  func checkpointsEqualThemselves(folder: String) throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: folder)
    #expect(TokenizerComparison(tokenizer, try Files.tokenizer(ofCheckpoint: folder)).isEqual)
  }

  /// Every variant of the golden file is another tokenizer than the first, and the report says so.
  @Test func variants() throws {
    let base = try Files.json("Tokenizers/base.json")
    let variants = try #require(try Files.json("Tokenizers/golden.json")["variants"]?.array)
    let first = try Tokenizer(GoldenTests.tokenizerFile(base, #require(variants.first?.object)))
    for variant in variants.dropFirst() {
      let variant = try #require(variant.object)
      let other = try Tokenizer(GoldenTests.tokenizerFile(base, variant))
      let isSame = variant["name"]?.string == "string merges"
      #expect(TokenizerComparison(first, other).isEqual == isSame, "\(variant["name"]?.string ?? "")")
    }
  }
}
