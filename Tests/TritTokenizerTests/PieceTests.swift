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
    let document = try SentencePieceModel(Files.fixture("Tokenizers/pieces.model"), file: "m").document([])
    let reader = try FieldReader(.object(document.tokenizer), file: "m", path: "")
    let section = try reader.requiredReader("model")
    let model = try LoadedModel(section, Vocabulary(model: section), isByteLevel: false, ranks: document.ranks).model
    #expect(model.wordMark != nil)
    let tokenizer = try PieceTests.tokenizer(Files.fixture("Tokenizers/pieces.model"))
    for text in golden.texts where !text.contains("<") && !text.contains("foo bar") {
      let marked = tokenizer.normalizer.normalize(Array(text.utf8))
      var workspace = BytePairModel.Workspace()
      model.encode(marked.indices, of: marked, workspace: &workspace)
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
    // The library refuses these too.
    let (byte, fallback): ([UInt8], [UInt8]) = (piece("<0x41>", type: 6), [0x12, 5, 0x18, 2, 0x98, 2, 1])
    try expectError(a + byte + bytePair + plain, "piece 1 is of a byte", "byte_fallback is false")
    try expectError(a + byte + fallback + plain, "256 bytes", "there are 1")
    for name in ["<0xZZ>", "<0x4a>", "<0x+1>", "A"] {
      try expectError(a + piece(name, type: 6) + fallback + plain, "piece 1", "'\(name)'", "no byte")
    }
    try expectError(a + piece("b", type: 2) + piece("c", type: 2) + bytePair + plain, "pieces 1 and 2", "unknown")
    // It rewrites decoded text by a table, and refuses a damaged one.
    try expectError(a + bytePair + plain + [0x2A, 6, 0x0A, 1, 0x78, 0x12, 1, 0x31], "decoded text", "'x'")
    #expect(try PieceTests.tokenizer(a + bytePair + [0x1A, 4, 0x18, 0, 0x20, 0, 0x2A, 2, 0x12, 0]).encode("a") == [0])
    try expectError(Array("a quick brown fox".utf8), "no SentencePiece model")
    try expectError([0x0A, 0x7F, 1], "longer than what holds it")
    try expectError(a + [0x0F], "wire type 7")
    try expectError([UInt8](repeating: 0xFF, count: 30), "no end")
  }

  /// A small model with pieces of the user: `▁the▁`, `ma` and two spaces.
  private func users(surface: String? = nil, addsPrefix: Bool = true) -> [UInt8] {
    let pieces: [(String, Float, UInt8)] = [
      ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁the▁", 0, 4), ("ma", 0, 4), ("  ", 0, 4), ("▁ab", -1, 1),
      ("ab", -2, 1), ("▁a", -3, 1), ("▁", -9, 1), ("a", -9, 1), ("b", -9, 1), ("t", -9, 1), ("h", -9, 1), ("e", -9, 1),
    ]
    var trainer: [UInt8] = [0x18, 2]
    if let surface { trainer += [0xE2, 2, UInt8(surface.utf8.count)] + Array(surface.utf8) }
    let rules: [UInt8] = addsPrefix ? [0x20, 0] : [0x20, 0, 0x18, 0]
    return pieces.flatMap { piece($0.0, score: $0.1, type: $0.2) } + field(2, trainer) + field(3, rules)
  }

  /// The user's pieces are found where spaces have become marks. Ids of `sentencepiece` 0.2.3 for the same bytes.
  @Test func piecesOfTheUser() throws {
    let prefixed: [(String, [Int])] = [
      ("ab the ab", [6, 3, 7]), ("the the the ", [3, 12, 13, 14, 3]), ("▁the▁", [9, 3]),
      ("the▁theab", [3, 12, 13, 14, 7]), ("ab  ab", [6, 9, 6]), ("mama ma", [9, 4, 4, 9, 4]), ("maab", [9, 4, 7]),
      (" ma", [9, 9, 4]), ("abzzab z", [6, 0, 7, 9, 0]), ("ab\tthe b", [6, 0, 12, 13, 14, 9, 11]), ("", []),
      ("thea the  the ", [9, 12, 13, 14, 10, 3, 3]), ("ab the▁▁the▁", [6, 3, 3]),
    ]
    let plain: [(String, [Int])] = [
      ("ab the ab", [7, 3, 7]), ("the the the ", [12, 13, 14, 3, 12, 13, 14, 9]), ("▁the▁", [3]),
      ("the▁theab", [12, 13, 14, 9, 12, 13, 14, 7]), ("ab  ab", [7, 9, 6]), ("mama ma", [4, 4, 9, 4]),
      ("maab", [4, 7]), (" ma", [9, 4]), ("ab\tthe b", [7, 0, 12, 13, 14, 9, 11]), ("ab the▁▁the▁", [7, 3, 3]),
    ]
    for (addsPrefix, cases) in [(true, prefixed), (false, plain)] {
      let tokenizer = try PieceTests.tokenizer(users(addsPrefix: addsPrefix))
      for (text, ids) in cases { #expect(try tokenizer.encode(text) == ids, "\(text.debugDescription)") }
    }
  }

  /// What an unknown piece decodes to keeps its spaces. Texts of `sentencepiece` 0.2.3 for the same bytes.
  @Test func unknownSurface() throws {
    let cases: [(surface: String?, addsPrefix: Bool, ids: [Int], text: String)] = [
      (nil, true, [0], " ⁇ "), (nil, true, [0, 6], " ⁇  ab"), (nil, true, [6, 0], "ab ⁇ "),
      (nil, true, [6, 0, 6], "ab ⁇  ab"), (nil, true, [0, 0], " ⁇  ⁇ "), (nil, true, [9, 0, 9, 6], " ⁇   ab"),
      (" ?? ", true, [0, 6], " ??  ab"), (" ?? ", true, [6, 0], "ab ?? "), ("", true, [0], ""),
      ("", true, [0, 6], "ab"), ("", true, [6, 0, 6], "ab ab"), ("", true, [9, 0, 9, 6], "  ab"),
      (nil, false, [0, 6], " ⁇  ab"), (nil, false, [6, 0, 6], " ab ⁇  ab"), (nil, false, [9, 0, 9, 6], "  ⁇   ab"),
    ]
    for (surface, addsPrefix, ids, text) in cases {
      let tokenizer = try PieceTests.tokenizer(users(surface: surface, addsPrefix: addsPrefix))
      #expect(try tokenizer.decode(ids) == text, "\(ids)")
      var stream = tokenizer.streamingDecoder(skipSpecialTokens: false)
      var streamed = ""
      for id in ids { streamed += try stream.append(id) }
      #expect(streamed + stream.finish() == text, "one by one: \(ids)")
    }
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

  /// Llama 2's runs of spaces have one score. A list of merges, longer left parts first, makes of them what scores make.
  @Test func runsOfOneScore() throws {
    func marks(_ lengths: [Int]) -> [UInt8] {
      lengths.flatMap { piece(String(repeating: "\u{2581}", count: $0), score: -1e9) }
    }
    let letters = piece("a", score: -2) + piece("\u{2581}a", score: -1)
    let settings = bytePair + [0x1A, 4, 0x18, 0, 0x20, 0]
    let bytes = marks([1, 2, 3, 4]) + letters + settings
    let model = try SentencePieceModel(bytes, file: "m")
    let tie = try ScoredMerges(model.pieces, file: "m").tie()
    #expect(tie == nil)
    // As many runs of four as fit, from the left; the last space before a letter belongs to it.
    func run(_ count: Int) -> [Int] { [Int](repeating: 3, count: count / 4) + (count % 4 > 0 ? [count % 4 - 1] : []) }
    for tokenizer in [try PieceTests.tokenizer(bytes), try Tokenizer(try model.document([]).tokenizer)] {
      for count in 0...13 {
        let text = String(repeating: " ", count: count)
        #expect(try tokenizer.encode(text) == run(count), "\(count)")
        let word = count == 0 ? [4] : run(count - 1) + [5]
        #expect(try tokenizer.encode(text + "a" + text) == word + run(count), "\(count)")
      }
    }
    // Where a run is missing, or is part of another piece, it is not known.
    for pieces in [marks([1, 2, 4]), marks([1, 2, 3]) + piece("\u{2581}\u{2581}a", score: -3)] {
      let model = try SentencePieceModel(pieces + letters + settings, file: "m")
      let tie = try ScoredMerges(model.pieces, file: "m").tie()
      #expect(tie != nil)
    }
  }
}

extension PieceTests {
  private func merges(of texts: [String]) throws -> (merges: [JSONValue], ranks: [Int]) {
    let pieces = texts.enumerated().map {
      SentencePieceModel.Piece(text: $0.element, score: -Float($0.offset), type: .normal)
    }
    return try ScoredMerges(pieces, file: "m").list()
  }

  /// Pieces of 1, 2, 3, … n letters: each is cut everywhere, so that they have n(n - 1)/2 merges of (n^3 - n)/3 bytes.
  private func chain(_ count: Int) -> [String] { (1...count).map { String(repeating: "a", count: $0) } }

  /// All texts of up to n letters "a" and "b": they have (n - 2) 2^(n + 1) + 4 merges.
  private func texts(upTo count: Int) -> [String] {
    var last = [""]
    return (1...count).flatMap { _ -> [String] in
      last = last.flatMap { [$0 + "a", $0 + "b"] }
      return last
    }
  }

  @Test("few pieces with merges that would fill the memory are refused")
  func manyMerges() throws {
    #expect(try merges(of: chain(230)).merges.count == 26_335)
    #expect(try merges(of: texts(upTo: 12)).merges.count == 81_924)
    let long = try #require(throws: TokenizerError.self) { try merges(of: chain(362)) }
    #expect(long.summary.contains("bytes of merges"), "\(long)")
    let many = try #require(throws: TokenizerError.self) { try merges(of: texts(upTo: 13)) }
    #expect(many.summary.contains("number of merges"), "\(many)")
  }

  @Test("the parts of a long piece are found where they are pieces, and only there")
  func longPiece() throws {
    let (start, end) = (String(repeating: "a", count: 20_000), String(repeating: "b", count: 30_000))
    let found = try merges(of: [start, end, start + end, "a", "b"])
    #expect(found.merges == [.array([.string(start), .string(end)])] && found.ranks == [0])
  }
}

extension Array {
  fileprivate func cycled(_ count: Int) -> [Element] { (0..<count).flatMap { _ in self } }
}
