// Tritsmith: vocabularies of SentencePiece beside the tokenizers and sentencepiece libraries.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Pieces of SentencePiece")
struct PieceTests {
  private struct Golden {
    var file: JSONObject
    var base: JSONObject
    var texts: [String]

    init() throws {
      file = try Files.json("Tokenizers/pieces.json")
      base = try #require(file["base"]?.object)
      texts =
        try #require(try Files.json("Tokenizers/golden.json")["texts"]?.array).compactMap(\.string)
        + #require(file["texts"]?.array).compactMap(\.string)
    }

    func variants() throws -> [(name: String, tokenizer: Tokenizer, cases: [JSONValue])] {
      try #require(file["variants"]?.array).map { entry in
        let variant = try #require(entry.object)
        var document = base
        var model = try #require(base["model"]?.object)
        for option in try #require(variant["options"]?.object).entries where option.key != "without" {
          model[option.key] = option.value
        }
        let without = (variant["options"]?.object?["without"]?.array ?? []).compactMap(\.string)
        model["vocab"]?.object.map { vocab in
          var kept = vocab
          kept.entries.removeAll { without.contains($0.key) }
          model["vocab"] = .object(kept)
        }
        document["model"] = .object(model)
        if !without.isEmpty {
          // The library gives added tokens behind a hole other ids than the file states, which is an error here.
          document["added_tokens"] = .array(
            (base["added_tokens"]?.array ?? []).filter { ($0.object?["id"]?.number?.integer ?? 0) < 640 })
        }
        for section in try #require(variant["sections"]?.object).entries { document[section.key] = section.value }
        let name = try #require(variant["name"]?.string)
        return (name, try Tokenizer(document), try #require(variant["cases"]?.array))
      }
    }
  }

  private func expect(
    _ found: String, _ expected: String?, _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(Array(found.utf8) == expected.map { Array($0.utf8) }, comment, sourceLocation: sourceLocation)
  }

  /// Ids and decodings of the tokenizers library under every way a vocabulary of pieces is used.
  @Test func variants() throws {
    let golden = try Golden()
    let variants = try golden.variants()
    #expect(variants.count == 14 && golden.texts.count > 150)
    for (name, tokenizer, cases) in variants {
      let lacksAdded = !tokenizer.addedTokens.contains { $0.id == 640 }
      for (index, text) in golden.texts.enumerated() {
        if lacksAdded, ["<tool>", "</tool>", "<mask>"].contains(where: text.contains) { continue }
        let entry = try #require((cases[index].isNull ? variants[0].cases[index] : cases[index]).object)
        let ids = try #require(entry["ids"]?.integers)
        // The library's ids of added tokens, which two other tokens have as well.
        if lacksAdded, ids.contains(where: { $0 >= 638 }) { continue }
        let comment: Comment = "\(name): \(text.debugDescription.prefix(80))"
        #expect(try tokenizer.encode(text, addSpecialTokens: false) == ids, comment)
        let decoded = entry["decoded"]?.string ?? text
        try expect(tokenizer.decode(ids), decoded, comment)
        try expect(tokenizer.decode(ids, skipSpecialTokens: true), entry["skipped"]?.string ?? decoded, comment)
      }
    }
  }

  /// Ids in an order no text gives them, decoded at once and one by one.
  @Test func decodings() throws {
    let golden = try Golden()
    let tokenizers = Dictionary(try golden.variants().map { ($0.name, $0.tokenizer) }) { first, _ in first }
    let cases = try #require(golden.file["decodings"]?.array)
    #expect(cases.count > 300)
    for entry in cases {
      let variant = try #require(entry.object?["variant"]?.string)
      let tokenizer = try #require(tokenizers[variant])
      let ids = try #require(entry.object?["ids"]?.integers)
      if !tokenizer.addedTokens.contains(where: { $0.id == 640 }), ids.contains(where: { $0 >= 638 }) { continue }
      for (skips, key) in [(false, "text"), (true, "skipped")] {
        try expect(tokenizer.decode(ids, skipSpecialTokens: skips), entry.object?[key]?.string, "\(ids)")
        var stream = tokenizer.streamingDecoder(skipSpecialTokens: skips)
        var text = ""
        for id in ids { text += try stream.append(id) }
        expect(text + stream.finish(), entry.object?[key]?.string, "one by one: \(ids)")
      }
    }
  }

  /// A tokenizer.model alone gives the ids of the sentencepiece library.
  @Test func model() throws {
    let golden = try Golden()
    let tokenizer = try PieceTests.tokenizer(Files.fixture("Tokenizers/pieces.model"))
    let expected = try #require(golden.file["sentencepiece"]?.array)
    #expect(expected.count == golden.texts.count)
    for (text, ids) in zip(golden.texts, expected) {
      #expect(
        try tokenizer.encode(text, addSpecialTokens: false) == ids.integers, "\(text.debugDescription.prefix(80))")
    }
    #expect(tokenizer.bosTokenID == 1 && tokenizer.eosTokenID == 2 && tokenizer.padTokenID == nil)
    #expect(tokenizer.summary.modelType == "BPE (characters, bytes for others)")
    #expect(tokenizer.summary.bytesWithoutToken == [])
  }

  static func tokenizer(_ bytes: [UInt8]) throws(TokenizerError) -> Tokenizer {
    try Tokenizer(TokenizerFiles(sentencePiece: .init(name: "tokenizer.model", bytes: bytes)))
  }

  /// Cutting words apart before merging changes no id: the same merges over the whole text give the same.
  @Test func wordsApart() throws {
    let golden = try Golden()
    let document = try SentencePieceModel(Files.fixture("Tokenizers/pieces.model"), file: "m").document()
    let reader = try FieldReader(.object(document.tokenizer), file: "m", path: "")
    let section = try reader.requiredReader("model")
    let model = try LoadedModel(section, Vocabulary(model: section), isByteLevel: false, ranks: document.ranks).model
    #expect(model.wordMark != nil)
    let tokenizer = try PieceTests.tokenizer(Files.fixture("Tokenizers/pieces.model"))
    for text in golden.texts where !text.contains("<") && !text.contains("foo bar") {
      let marked = tokenizer.normalizer.normalize(Array(text.utf8))
      var workspace = BytePairModel.Workspace()
      #expect(model.encode(marked.indices, of: marked, workspace: &workspace) == nil)
      #expect(try tokenizer.encode(text, addSpecialTokens: false) == workspace.symbols.map { Int($0) })
    }
  }

  // MARK: - Damage

  @Test func everyTruncationIsAnErrorOrAModel() throws {
    let bytes = try Files.fixture("Tokenizers/pieces.model")
    for length in stride(from: 0, to: bytes.count, by: 7) {
      do {
        _ = try PieceTests.tokenizer(Array(bytes[..<length]))
      } catch {
        #expect(error.location.file == "tokenizer.model" && error.category == .malformedInput)
      }
    }
  }

  /// A field of a message, and messages made of fields.
  private func field(_ number: UInt8, _ contents: [UInt8]) -> [UInt8] {
    [number << 3 | 2, UInt8(contents.count)] + contents
  }
  private func piece(_ text: String, score: Float = 0, type: UInt8 = 1) -> [UInt8] {
    field(
      1,
      field(1, Array(text.utf8)) + [0x15] + (0..<4).map { UInt8(truncatingIfNeeded: score.bitPattern >> (8 * $0)) } + [
        0x18, type,
      ])
  }
  private let plain: [UInt8] = [0x1A, 2, 0x20, 0]
  private let bytePair: [UInt8] = [0x12, 2, 0x18, 2]

  @Test func otherModelsAreNamed() throws {
    func expectError(_ bytes: [UInt8], _ words: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
      let error = try #require(throws: TokenizerError.self, sourceLocation: sourceLocation) {
        try PieceTests.tokenizer(bytes)
      }
      for word in words { #expect(error.summary.contains(word), "\(error)", sourceLocation: sourceLocation) }
    }
    let a = piece("a")
    #expect(try PieceTests.tokenizer(a + bytePair + [0x1A, 4, 0x18, 0, 0x20, 0]).encode("a") == [0])
    try expectError([], "no pieces")
    try expectError(a + plain, "Unigram", "only BPE")
    try expectError(a + [0x12, 2, 0x18, 3] + plain, "Word")
    try expectError(a + bytePair, "spaces that stand together")
    try expectError(a + bytePair + [0x1A, 6, 0x0A, 1, 0x78, 0x12, 1, 0x31], "normalizer 'x'")
    try expectError(a + bytePair + [0x1A, 4, 0x20, 0, 0x28, 0], "do not become marks")
    try expectError(a + bytePair + plain + piece("b", type: 5), "unused piece 'b'")
    try expectError(a + bytePair + plain + piece("b", type: 9), "piece type 9")
    try expectError(a + bytePair + plain + piece("b", score: .nan), "piece 1", "no finite score")
    try expectError(a + bytePair + plain + a, "'a' stands twice")
    try expectError(Array("a quick brown fox".utf8), "no SentencePiece model")
    try expectError([0x0A, 0x7F, 1], "longer than what holds it")
    try expectError(a + [0x0F], "wire type 7")
    try expectError([UInt8](repeating: 0xFF, count: 30), "no end")
  }

  /// Merges of one score are made from left to right, whatever they make: "abc" has two of score 0.
  @Test func equalScores() throws {
    let letters = ["a", "b", "c"].flatMap { piece($0, score: -9) }
    let words = piece("bc", score: 0) + piece("ab", score: 0) + piece("ca", score: -1)
    let tokenizer = try PieceTests.tokenizer(letters + words + bytePair + [0x1A, 4, 0x18, 0, 0x20, 0])
    #expect(try tokenizer.encode("abc") == [4, 2])
    #expect(try tokenizer.encode("bca") == [3, 0])
    let long = String(repeating: "abc", count: 40)
    #expect(try tokenizer.encode(long) == [4, 2].cycled(40))
    let model = try SentencePieceModel(letters + words + bytePair + plain, file: "m")
    let tie = try #require(try ScoredMerges(model.pieces, file: "m").tie())
    #expect(tie == ("bc", "ab"))
  }
}

extension Array {
  fileprivate func cycled(_ count: Int) -> [Element] { (0..<count).flatMap { _ in self } }
}
