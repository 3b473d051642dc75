// Tritsmith: the same ids as the tokenizers library.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Golden ids of the tokenizers library")
struct GoldenTests {
  /// Reference cases that were made with the trained checkpoints.
  @Test(arguments: ["falcon-e-tiny/bitnet", "bitnet-b158-tiny/packed", "bonsai-tiny/unpacked"])
  func checkpointCases(folder: String) throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: folder)
    let model = folder.split(separator: "/")[0]
    let cases = try #require(
      try JSONValue.parse(Files.fixture("Checkpoints/\(model)/reference/tokenizer_cases.json")).array)
    #expect(cases.count > 20)
    for entry in cases {
      let entry = try #require(entry.object)
      let text = try #require(entry["text"]?.string)
      let ids = try #require(entry["ids"]?.integers)
      #expect(try tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
      #expect(try tokenizer.encode(text) == entry["ids_with_special"]?.integers, "\(text.debugDescription)")
      // The decodings are those of the ids without special tokens added.
      try expectBytes(tokenizer.decode(ids), entry["decoded"]?.string)
      try expectBytes(tokenizer.decode(ids, skipSpecialTokens: true), entry["decoded_skip_special"]?.string)
    }
  }

  @Test(arguments: ["falcon-e-tiny/bitnet", "bitnet-b158-tiny/packed"])
  func promptsBeginWithBOS(folder: String) throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: folder)
    let model = folder.split(separator: "/")[0]
    let file = try JSONValue.parse(Files.fixture("Checkpoints/\(model)/reference/prompts.json"))
    let prompts = try #require(file.array ?? file.object?["prompts"]?.array)
    let bos = try #require(tokenizer.bosTokenID)
    for prompt in prompts {
      let text = try #require(prompt.object?["text"]?.string)
      #expect(try [bos] + tokenizer.encode(text, addSpecialTokens: false) == prompt.object?["ids"]?.integers)
    }
  }

  /// Qwen's tokenizers have no BOS, though its configurations number one.
  @Test func promptsWithoutBOS() throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: "bonsai-tiny/unpacked")
    let prompts = try #require(
      try JSONValue.parse(Files.fixture("Checkpoints/bonsai-tiny/reference/prompts.json")).array)
    #expect(tokenizer.bosTokenID == nil && prompts.count > 2)
    for prompt in prompts {
      let text = try #require(prompt.object?["text"]?.string)
      #expect(try tokenizer.encode(text) == prompt.object?["ids"]?.integers)
    }
    // Fewer tokens than the embedding has rows, and two added tokens that are text.
    #expect(tokenizer.endID == 2026 && tokenizer.endTokenIDs == [2021, 2023])
    #expect(tokenizer.specialTokens.map(\.id) == [2021, 2022, 2023])
    #expect(try tokenizer.decode([2022, 2024, 2025], skipSpecialTokens: true) == "<think></think>")
  }

  /// By the ids `AutoTokenizer` of transformers 5.23 gives for "12345" and a composed accent, class by class.
  @Test(arguments: [
    ("falcon-e-tiny/bitnet", ["GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer", "GPTNeoXTokenizer"]),
    ("bonsai-tiny/unpacked", ["GPT2Tokenizer", "CodeGenTokenizer"]),
  ])
  func classes(_ checkpoint: String, _ replacing: [String]) throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: checkpoint)
    for name in replacing {
      #expect(TokenizerClass.replaces(tokenizer, class: name, addsPrefixSpace: false), "\(name)")
    }
    for name in ["PreTrainedTokenizerFast", "TokenizersBackend", "LlamaTokenizer", "LlamaTokenizerFast", "Nonsense"] {
      #expect(!TokenizerClass.replaces(tokenizer, class: name, addsPrefixSpace: false), "\(name)")
    }
    // The file says what this class does.
    let isQwen = checkpoint.hasPrefix("bonsai")
    #expect(TokenizerClass.replaces(tokenizer, class: "Qwen2Tokenizer", addsPrefixSpace: false) != isQwen)
    #expect(TokenizerClass.replaces(tokenizer, class: "Qwen2TokenizerFast", addsPrefixSpace: true))
  }

  /// Every variant of the small tokenizer: families of pre-tokenizers, split behaviors, added-token options and so on.
  @Test func variants() throws {
    let base = try Files.json("Tokenizers/base.json")
    let golden = try Files.json("Tokenizers/golden.json")
    let texts = try #require(golden["texts"]?.array).compactMap { $0.string }
    let variants = try #require(golden["variants"]?.array)
    #expect(variants.count > 30 && texts.count > 100)
    let first = try #require(variants.first?.object?["cases"]?.array)
    for variant in variants {
      let variant = try #require(variant.object)
      let name = try #require(variant["name"]?.string)
      let tokenizer = try Tokenizer(GoldenTests.tokenizerFile(base, variant))
      let cases = try #require(variant["cases"]?.array)
      #expect(cases.count == texts.count)
      for (index, text) in texts.enumerated() {
        let entry = try #require((cases[index].isNull ? first[index] : cases[index]).object)
        let ids = try #require(entry["ids"]?.integers)
        let full = entry["full"]?.integers ?? ids
        let decoded = entry["decoded"]?.string ?? text
        let comment: Comment = "\(name): \(text.debugDescription)"
        #expect(try tokenizer.encode(text, addSpecialTokens: false) == ids, comment)
        #expect(try tokenizer.encode(text) == full, comment)
        try expectBytes(tokenizer.decode(full), decoded, comment)
        try expectBytes(
          tokenizer.decode(full, skipSpecialTokens: true), entry["skipped"]?.string ?? decoded, comment)
      }
    }
  }

  /// Ids in an order no text gives them: ill-formed UTF-8 becomes the same replacement characters.
  @Test func decodings() throws {
    var file = try Files.json("Tokenizers/base.json")
    file["pre_tokenizer"] = .object(["type": "ByteLevel", "add_prefix_space": false, "use_regex": false])
    let tokenizer = try Tokenizer(file)
    let cases = try #require(try Files.json("Tokenizers/golden.json")["decodings"]?.array)
    #expect(cases.count >= 100)
    for entry in cases {
      let ids = try #require(entry.object?["ids"]?.integers)
      try expectBytes(tokenizer.decode(ids), entry.object?["text"]?.string, "\(ids)")
      var decoder = tokenizer.streamingDecoder(skipSpecialTokens: false)
      let pieces = try ids.map { try decoder.append($0) } + [decoder.finish()]
      expectBytes(pieces.joined(), entry.object?["text"]?.string, "\(ids), streamed")
    }
  }

  /// Which scalars are letters, digits, punctuation, … for each pre-tokenizer, over all of Unicode.
  @Test func classes() throws {
    let expected = try #require(try Files.json("Tokenizers/golden.json")["classes"]?.object).entries
    #expect(expected.count > 20)
    // One look at each scalar's category serves all \p{…}; the other classes are asked for themselves.
    var categoryMasks = [UInt32](repeating: 0, count: expected.count)
    var sets = [ScalarSet?](repeating: nil, count: expected.count)
    for (index, entry) in expected.enumerated() {
      switch entry.key {
      case "Digits", "Punctuation", "WhitespaceSplit":
        sets[index] = try GoldenTests.program(ofPreTokenizer: entry.key).sets.first
      default:
        let set = try #require(try PatternProgram(entry.key).sets.first)
        if case .categories(let mask) = set.items.first { categoryMasks[index] = mask } else { sets[index] = set }
      }
    }
    var digests = [ClassDigest](repeating: ClassDigest(), count: expected.count)
    for value in UInt32(0)...0x10FFFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let category: UInt32 = 1 << GeneralCategories.index(of: scalar, .oniguruma)
      // Unassigned for the newest of the three versions, too: in no class.
      if category & GeneralCategories.unassigned != 0, scalar.properties.generalCategory == .unassigned { continue }
      for index in digests.indices {
        let isMember = sets[index].map { $0.contains(value) } ?? (category & categoryMasks[index] != 0)
        if isMember { digests[index].add(value) }
      }
    }
    for (index, entry) in expected.enumerated() {
      #expect(digests[index].count == entry.value.array?[0].number?.integer, "\(entry.key)")
      #expect(digests[index].text == entry.value.array?[1].string, "\(entry.key)")
    }
  }

  /// Words of `Whitespace`, over all of Unicode: a scalar between two letters that `tokenizers` 0.23.3 does not cut.
  @Test func words() throws {
    let program = try GoldenTests.program(ofPreTokenizer: "Whitespace")
    let words = try #require(program.sets.first)
    var digest = ClassDigest()
    for value in UInt32(0)...0x10FFFF where words.contains(value) { digest.add(value) }
    #expect(digest.count == 144_667 && digest.text == "156e6c7c1c2c0c26")
    // Oniguruma, which runs `Split`, has no join controls among them, and has the numbers of Latin-1.
    let split = try #require(try PatternProgram(#"\w"#).sets.first)
    for value in [0x200C, 0x200D, 0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE] as [UInt32] {
      #expect(words.contains(value) != split.contains(value))
    }
  }

  /// A pattern for Oniguruma is no pattern for Rust's crate, though it is spelled alike.
  @Test func wordsOfTwoEngines() throws {
    func preTokenizer(_ first: String) throws -> PreTokenizer {
      let json = """
        {"type":"Sequence","pretokenizers":[\(first),{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}
        """
      return try PreTokenizer(FieldReader(file: .init(name: "test", bytes: Array(json.utf8))))
    }
    let whitespace = try preTokenizer(#"{"type":"Whitespace"}"#)
    let split = try preTokenizer(
      #"{"type":"Split","pattern":{"Regex":"\\w+|[^\\w\\s]+"},"behavior":"Removed","invert":true}"#)
    #expect(whitespace.cuts(like: whitespace) && split.cuts(like: split))
    #expect(!whitespace.cuts(like: split) && !split.cuts(like: whitespace))
  }

  private static func program(ofPreTokenizer type: String) throws -> PatternProgram {
    let options = type == "Digits" ? #","individual_digits":true"# : ""
    let json = """
      {"type":"Sequence","pretokenizers":[{"type":"\(type)"\(options)},
      {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}
      """
    let reader = try FieldReader(file: .init(name: "test", bytes: Array(json.utf8)))
    let step = try PreTokenizer(reader).steps.first
    guard case .split(let splitter) = step, case .program(let program) = splitter.pattern else {
      throw Files.Missing(description: "no program")
    }
    return program
  }

  /// base.json with the sections and model options of a variant.
  static func tokenizerFile(_ base: JSONObject, _ variant: JSONObject) throws -> JSONObject {
    var file = base
    var model = try #require(base["model"]?.object)
    let options = try #require(variant["model_options"]?.object)
    if options["ignore_merges"] != nil { model["ignore_merges"] = true }
    if options["string_merges"] != nil {
      let merges = try #require(model["merges"]?.array)
      model["merges"] = .array(
        merges.map { pair in
          .string((pair.array ?? []).compactMap { $0.string }.joined(separator: " "))
        })
    }
    file["model"] = .object(model)
    for section in try #require(variant["sections"]?.object).entries { file[section.key] = section.value }
    return file
  }

  private func expectBytes(
    _ found: String, _ expected: String?, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(Array(found.utf8) == expected.map { Array($0.utf8) }, comment, sourceLocation: sourceLocation)
  }
}

/// The number of scalars in a class and a hash of them, as generate.py makes it.
private struct ClassDigest {
  var count = 0
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325

  mutating func add(_ value: UInt32) {
    count += 1
    for shift: UInt32 in [0, 8, 16, 24] { hash = (hash ^ UInt64(value >> shift & 0xFF)) &* 0x100_0000_01B3 }
  }

  var text: String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
