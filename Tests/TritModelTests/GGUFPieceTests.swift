// Tritsmith: vocabularies of SentencePiece, and Qwen's, through GGUF.

import Testing
import TritCore
import TritTestSupport
import TritTokenizer

@testable import TritModel

@Suite("Pieces in GGUF")
struct GGUFPieceTests {
  private static func bytes(_ path: String) throws -> [UInt8] {
    try #require(Fixtures.contents(path), "Fixtures/\(path)")
  }

  private static func json(_ path: String) throws -> JSONObject {
    try #require(try JSONValue.parse(GGUFPieceTests.bytes(path)).object)
  }

  /// The tokenizer of pieces.json without the token that GGUF cannot say.
  private static func base(_ change: (inout JSONObject) throws -> Void = { _ in }) throws -> JSONObject {
    var file = try #require(try json("Tokenizers/pieces.json")["base"]?.object)
    let added = try #require(file["added_tokens"]?.array)
    file["added_tokens"] = .array(added.filter { $0.object?["lstrip"]?.bool != true })
    try change(&file)
    return file
  }

  private static let settings: JSONObject = ["bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"]

  private static func write(_ file: JSONObject, rows: Int = 700) throws -> GGUFTokenizer {
    let files = GGUFTokenizerFiles(tokenizer: file, settings: settings, configuration: nil, chatTemplate: nil)
    return try GGUFTokenizer(files, vocabulary: rows, pre: nil, file: "/model/tokenizer.json")
  }

  private static func read(_ entries: [MetadataEntry]) -> GGUFTokenizerFile {
    var manifest = ModelManifest(format: FormatID(rawValue: "GGUF"), path: "/model.gguf", files: [], tensors: [])
    manifest.entries = entries
    return GGUFTokenizerFile(manifest, engine: .llamaCpp)
  }

  private static func tokenizer(_ file: JSONObject, _ settings: JSONObject?) throws -> Tokenizer {
    try Tokenizer(
      TokenizerFiles(
        tokenizer: .init(name: "tokenizer.json", bytes: JSONValue.object(file).serialized()),
        tokenizerConfiguration: settings.map {
          .init(name: "tokenizer_config.json", bytes: JSONValue.object($0).serialized())
        }))
  }

  private static func tokenizer(_ file: GGUFTokenizerFile) throws -> Tokenizer {
    let files = Dictionary(uniqueKeysWithValues: file.files.map { ($0.name, $0.json) })
    return try tokenizer(try #require(files["tokenizer.json"], "\(file.notes)"), files["tokenizer_config.json"])
  }

  /// Texts whose ids by sentencepiece do not depend on added tokens.
  private static func texts() throws -> [(text: String, ids: [Int])] {
    let golden = try json("Tokenizers/pieces.json")
    let texts =
      try #require(try json("Tokenizers/golden.json")["texts"]?.array).compactMap(\.string)
      + #require(golden["texts"]?.array).compactMap(\.string)
    let ids = try #require(golden["sentencepiece"]?.array)
    return zip(texts, ids).compactMap { text, ids in
      let isPlain = !["<tool>", "</tool>", "<mask>", "foo bar"].contains { text.contains($0) }
      return isPlain ? (text, (ids.array ?? []).compactMap { $0.number?.integer }) : nil
    }
  }

  /// Written and read back, with the merges, from the scores alone, and as other converters write them.
  @Test func roundTrip() throws {
    let source = try GGUFPieceTests.tokenizer(GGUFPieceTests.base(), GGUFPieceTests.settings)
    let entries = try GGUFPieceTests.write(GGUFPieceTests.base()).entries
    #expect(entries.contains(MetadataEntry("tokenizer.ggml.model", .string("llama"))))
    #expect(!entries.contains { $0.key == "tritsmith.tokenizer.sections" })
    let texts = try GGUFPieceTests.texts()
    #expect(texts.count > 130)
    for dropped in [[], ["tokenizer.ggml.merges"]] {
      let file = GGUFPieceTests.read(entries.filter { !dropped.contains($0.key) })
      let back = try GGUFPieceTests.tokenizer(file)
      let comparison = TokenizerComparison(source, back)
      #expect(comparison.isEqual, "\(dropped): \(comparison.differences)")
      for (text, ids) in texts {
        #expect(try back.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
      }
    }
    // Nothing said: a begin token and a space, as llama.cpp does.
    let flags = ["tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_space_prefix", "tokenizer.ggml.add_eos_token"]
    let silent = try GGUFPieceTests.tokenizer(GGUFPieceTests.read(entries.filter { !flags.contains($0.key) }))
    #expect(
      try silent.encode("Hello").first == 1 && silent.encode("Hello").dropFirst().elementsEqual(source.encode("Hello")))
  }

  /// What engines do otherwise comes back from the file all the same, and is said.
  @Test(arguments: ["first", "always, cut", "never, cut"])
  func sections(_ name: String) throws {
    let variants = try #require(try GGUFPieceTests.json("Tokenizers/pieces.json")["variants"]?.array)
    let variant = try #require(variants.first { $0.object?["name"]?.string == name }?.object)
    let file = try GGUFPieceTests.base { file in
      for section in try #require(variant["sections"]?.object).entries
      where section.key != "normalizer" || section.value.isNull {
        file[section.key] = section.value
      }
    }
    let written = try GGUFPieceTests.write(file)
    #expect(written.warnings.contains { $0.contains("put a space before every text") } == !name.hasPrefix("never"))
    #expect(written.warnings.contains { $0.contains("merge spaces") } == name.hasSuffix("cut"))
    let comparison = TokenizerComparison(
      try GGUFPieceTests.tokenizer(file, GGUFPieceTests.settings),
      try GGUFPieceTests.tokenizer(GGUFPieceTests.read(written.entries)))
    #expect(comparison.isEqual, "\(comparison.differences)")
  }

  /// A tokenizer.model has scores of its own.
  @Test func model() throws {
    let bytes = try GGUFPieceTests.bytes("Tokenizers/pieces.model")
    var files = GGUFTokenizerFiles(tokenizer: JSONObject(), settings: nil, configuration: nil, chatTemplate: nil)
    let error = try #require(throws: GGUFModelError.self) { try files.read(sentencePiece: bytes, file: "m") }
    #expect(error.summary.contains("'foo bar'"))
  }

  /// Scores that are equal say that the leftmost is merged first, which no order of merges can.
  @Test func equalScores() throws {
    let entries = try GGUFPieceTests.write(GGUFPieceTests.base()).entries.map { entry in
      guard entry.key == "tokenizer.ggml.scores", let count = entry.value.array?.count else { return entry }
      return MetadataEntry(entry.key, .array(.float32([Float](repeating: -1000, count: count))))
    }
    let file = GGUFPieceTests.read(entries.filter { $0.key != "tokenizer.ggml.merges" })
    #expect(file.files.isEmpty && file.problem.map { file.notes.contains($0) } == true)
    #expect(file.problem?.contains("cannot be rebuilt") == true && file.problem?.contains("have one score") == true)
  }

  /// Engines go by scores: they count beside merges of another order, and nothing is guessed for what is missing.
  @Test func scoresCount() throws {
    let entries = try GGUFPieceTests.write(GGUFPieceTests.base()).entries
    let key = "tokenizer.ggml.scores"
    guard case .array(.float32(let scores)) = entries.first(where: { $0.key == key })?.value else {
      Issue.record("no scores")
      return
    }
    func problem(_ change: (MetadataEntry) -> MetadataEntry?) -> String? {
      GGUFPieceTests.read(entries.compactMap(change)).problem
    }
    func with(_ other: [Float]) -> String? {
      problem { $0.key == key ? MetadataEntry(key, .array(.float32(other))) : $0 }
    }
    #expect(with(scores) == nil)
    // Merges that the scores were not made from: ids are those of the scores, here of the same order.
    let halved = scores.map { $0 / 2 }
    let back = try GGUFPieceTests.tokenizer(
      GGUFPieceTests.read(entries.map { $0.key == key ? MetadataEntry(key, .array(.float32(halved))) : $0 }))
    for (text, ids) in try GGUFPieceTests.texts() { #expect(try back.encode(text, addSpecialTokens: false) == ids) }
    let tied = scores.indices.map { (300..<600).contains($0) ? 0 : scores[$0] }
    #expect(with(tied)?.contains("have one score") == true)
    #expect(with([Float](scores.dropLast()))?.contains("no score for each token") == true)
    #expect(problem { $0.key == key ? nil : $0 }?.contains("no score for each token") == true)
    var broken = scores
    broken[300] = .nan
    #expect(with(broken)?.contains("score of token 300 is nan") == true)
  }

  /// By their types tokens of bytes are known, without which text would be lost.
  @Test func types() throws {
    let entries = try GGUFPieceTests.write(GGUFPieceTests.base()).entries
    let key = "tokenizer.ggml.token_type"
    let types = try #require(entries.first { $0.key == key }?.value.integers).map { Int32(clamping: $0) }
    func problem(_ types: [Int32]?) -> String? {
      GGUFPieceTests.read(
        entries.compactMap { entry in
          guard entry.key == key else { return entry }
          return types.map { MetadataEntry(key, .array(.int32($0))) }
        }
      ).problem
    }
    #expect(problem(types) == nil)
    #expect(problem(nil)?.contains("has 0 types (token_type) for 700 tokens") == true)
    #expect(problem([Int32](types.dropLast()))?.contains("699 types") == true)
    #expect(problem(types.map { $0 == 6 ? 1 : $0 })?.contains("not '<0x00>'") == true)
  }

  /// Settings beside a tokenizer.model go to GGUF: no space before text as a flag, one before its beginning alone as
  /// sections, with a warning.
  @Test(arguments: [(#""add_prefix_space":false"#, false), (#""legacy":false"#, true), (#""legacy":true"#, true)])
  func settingsOfModels(_ more: String, _ addsSpace: Bool) throws {
    // The user's piece, which GGUF cannot say, becomes a control piece.
    var bytes = try GGUFPieceTests.bytes("Tokenizers/pieces.model")
    let name = Array("foo bar".utf8)
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: name) }) + name.count
    let type = try #require((place..<place + 8).first { bytes[$0] == 0x18 && bytes[$0 + 1] == 4 }) + 1
    bytes[type] = 3
    let text =
      #"{"tokenizer_class":"LlamaTokenizer","bos_token":"<s>","eos_token":"</s>","add_bos_token":false,\#(more)}"#
    let settings = try #require(try JSONValue.parse(Array(text.utf8)).object)
    var files = GGUFTokenizerFiles(tokenizer: JSONObject(), settings: settings, configuration: nil, chatTemplate: nil)
    try files.read(sentencePiece: bytes, file: "/model/tokenizer.model")
    let written = try GGUFTokenizer(files, vocabulary: 640, pre: nil, file: "/model/tokenizer.model")
    #expect(written.entries.contains(MetadataEntry("tokenizer.ggml.add_space_prefix", .bool(addsSpace))))
    let isFirst = more.contains("legacy\":false")
    #expect(written.entries.contains { $0.key == "tritsmith.tokenizer.sections" } == isFirst)
    #expect(written.warnings.contains { $0.contains("put a space before every text") } == isFirst)
    let source = try Tokenizer(
      TokenizerFiles(
        sentencePiece: .init(name: "tokenizer.model", bytes: bytes),
        tokenizerConfiguration: .init(name: "tokenizer_config.json", bytes: Array(text.utf8))))
    let back = try GGUFPieceTests.tokenizer(GGUFPieceTests.read(written.entries))
    let comparison = TokenizerComparison(source, back)
    #expect(comparison.isEqual, "\(comparison.differences)")
    for text in ["Hello b", " Hello b", "a<s>b", "<s> a"] {
      #expect(try back.encode(text) == source.encode(text), "\(text)")
    }
  }

  /// Qwen's tokenizer is named, keeps NFC and its tokens that are text, and has no begin token behind.
  @Test func qwen() throws {
    let folder = "Checkpoints/bonsai-tiny/unpacked/"
    let files = GGUFTokenizerFiles(
      tokenizer: try GGUFPieceTests.json(folder + "tokenizer.json"),
      settings: try GGUFPieceTests.json(folder + "tokenizer_config.json"),
      generationConfiguration: try GGUFPieceTests.json(folder + "generation_config.json"),
      configuration: try GGUFPieceTests.json(folder + "config.json"), chatTemplate: nil)
    let written = try GGUFTokenizer(files, vocabulary: 2048, pre: nil, file: "/model/tokenizer.json")
    #expect(written.entries.contains(MetadataEntry("tokenizer.ggml.pre", .string("qwen2"))))
    #expect(written.entries.contains(MetadataEntry("tokenizer.ggml.add_bos_token", .bool(false))))
    // As llama.cpp's converter does, an id from config.json that is not added.
    let converted = written.entries + [MetadataEntry("tokenizer.ggml.bos_token_id", .uint32(2021))]
    var numbered = written
    // A number beyond the vocabulary is left out there, and a token that is there stays.
    for id in [2048, -1, 2021, 5] { numbered.add(configuredBegin: id, vocabulary: 2048) }
    #expect(numbered.entries == converted)
    let cases = try #require(
      try JSONValue.parse(GGUFPieceTests.bytes("Checkpoints/bonsai-tiny/reference/tokenizer_cases.json")).array)
    #expect(cases.count == 320)
    for entries in [written.entries, converted] {
      let back = try GGUFPieceTests.tokenizer(GGUFPieceTests.read(entries))
      #expect(back.bosTokenID == nil && back.eosTokenID == 2021 && back.specialTokens.map(\.id) == [2021, 2022, 2023])
      for entry in cases {
        let text = try #require(entry.object?["text"]?.string)
        #expect(try back.encode(text) == entry.object?["ids"]?.array?.compactMap { $0.number?.integer })
      }
    }
  }
}
