// Tritsmith: tokenizers through GGUF and back.

import Testing
import TritCore
import TritLayouts
import TritTestSupport

@testable import TritModel
@testable import TritTokenizer

@Suite("Tokenizers in GGUF")
struct GGUFTokenizerTests {
  private static func json(_ name: String) throws -> JSONObject {
    let bytes = try InputFile(path: Fixtures.path("Tokenizers/" + name), mode: .buffered).contents(limit: 1 << 24)
    return try #require(try JSONValue.parse(bytes).object)
  }

  /// base.json, changed.
  private static func base(_ change: (inout JSONObject) throws -> Void = { _ in }) throws -> JSONObject {
    var file = try json("base.json")
    try change(&file)
    return file
  }

  /// The rules of names.json with their names.
  private static func rules() throws -> [(names: [String], section: JSONValue)] {
    try #require(try json("names.json")["rules"]?.array).map { rule in
      let rule = try #require(rule.object)
      return (try #require(rule["names"]?.array).compactMap(\.string), try #require(rule["pre_tokenizer"]))
    }
  }

  /// A tokenizer's files, written as GGUF keys.
  private static func write(
    _ file: JSONObject, settings: JSONObject? = nil, configuration: JSONObject? = nil, rows: Int = 700,
    pre: String? = nil, engine: GGUFEngine = .llamaCpp
  ) throws -> GGUFTokenizer {
    let files = GGUFTokenizerFiles(
      tokenizer: file, settings: settings, configuration: configuration, chatTemplate: nil)
    return try GGUFTokenizer(files, vocabulary: rows, pre: pre, engine: engine, file: "/model/tokenizer.json")
  }

  /// The files made of GGUF keys, without those `dropped`, and the notes.
  private static func read(
    _ entries: [MetadataEntry], dropping dropped: Set<String> = [], engine: GGUFEngine = .llamaCpp
  ) throws -> GGUFTokenizerFile {
    var manifest = ModelManifest(format: FormatID(rawValue: "GGUF"), path: "/model.gguf", files: [], tensors: [])
    manifest.entries = entries.filter { !dropped.contains($0.key) }
    return GGUFTokenizerFile(manifest, engine: engine)
  }

  private static func tokenizer(_ file: GGUFTokenizerFile) throws -> Tokenizer {
    let files = Dictionary(uniqueKeysWithValues: file.files.map { ($0.name, $0.json) })
    return try tokenizer(try #require(files["tokenizer.json"], "\(file.notes)"), files["tokenizer_config.json"])
  }

  private static func tokenizer(_ file: JSONObject, _ settings: JSONObject?) throws -> Tokenizer {
    try Tokenizer(
      TokenizerFiles(
        tokenizer: .init(name: "tokenizer.json", bytes: JSONValue.object(file).serialized()),
        tokenizerConfiguration: settings.map {
          .init(name: "tokenizer_config.json", bytes: JSONValue.object($0).serialized())
        }))
  }

  private static func name(_ tokenizer: GGUFTokenizer) -> String? {
    tokenizer.entries.first { $0.key == "tokenizer.ggml.pre" }?.value.string
  }

  private static func template(_ before: [(String, Int)], _ behind: [(String, Int)]) -> JSONValue {
    func item(_ name: String) -> JSONValue { .object(["SpecialToken": .object(["id": .string(name), "type_id": 0])]) }
    let text: JSONValue = .object(["Sequence": .object(["id": "A", "type_id": 0])])
    var special = JSONObject()
    for (name, id) in before + behind {
      special[name] = .object([
        "id": .string(name), "ids": .array([.number(JSONNumber(id))]), "tokens": .array([.string(name)]),
      ])
    }
    return .object([
      "type": "TemplateProcessing", "single": .array(before.map { item($0.0) } + [text] + behind.map { item($0.0) }),
      "pair": .array([]), "special_tokens": .object(special),
    ])
  }

  // MARK: - There and back

  /// One tokenizer written for an engine: a rule, and what else decides ids.
  private struct Case: CustomStringConvertible {
    var rule: (names: [String], section: JSONValue)
    var engine: GGUFEngine
    var ignoresMerges: Bool
    var normalizes: Bool
    var addsTokens: Bool
    var description: String {
      "\(rule.names[0]) \(engine.rawValue)\(ignoresMerges ? " whole words" : "")\(normalizes ? " NFC" : "")"
        + (addsTokens ? " begin and end" : "")
    }
  }

  /// Every rule with a name for every engine, and four rules with every combination of what else decides ids.
  private static func cases() throws -> [Case] {
    var result: [Case] = []
    for (index, rule) in try rules().enumerated() {
      let isFull = !Set(rule.names).isDisjoint(with: ["llama-bpe", "qwen2", "gpt-4o", "falcon"])
      for (number, engine) in GGUFEngine.allCases.enumerated() {
        for bits in isFull && engine == .llamaCpp ? Array(0..<8) : [(index + 3 * number) % 8] {
          result.append(
            Case(
              rule: rule, engine: engine, ignoresMerges: bits & 1 == 1, normalizes: bits & 2 == 2,
              addsTokens: bits & 4 == 4))
        }
      }
    }
    return result
  }

  /// A tokenizer comes back as the same, under a name by which the engine does the same, or it is refused.
  @Test func everythingComesBackOrIsRefused() throws {
    var written: [String] = []
    var refused: [String] = []
    for item in try GGUFTokenizerTests.cases() {
      let file = try GGUFTokenizerTests.base { file in
        file["pre_tokenizer"] = item.rule.section
        if item.normalizes { file["normalizer"] = .object(["type": "NFC"]) }
        if item.addsTokens {
          file["post_processor"] = GGUFTokenizerTests.template([("<|bos|>", 676)], [("<|eos|>", 677)])
        }
        try file.edit("model") { $0["ignore_merges"] = .bool(item.ignoresMerges) }
      }
      let settings: JSONObject = ["bos_token": "<|bos|>", "eos_token": .object(["content": "<|eos|>"])]
      let keys: GGUFTokenizer
      do {
        keys = try GGUFTokenizerTests.write(file, settings: settings, engine: item.engine)
      } catch let error as GGUFModelError {
        refused.append("\(item): \(error.kind)")
        continue
      }
      written.append("\(item)")
      let source = try GGUFTokenizerTests.tokenizer(file, settings)
      let back = try GGUFTokenizerTests.read(keys.entries, engine: item.engine)
      let found = TokenizerComparison(source, try GGUFTokenizerTests.tokenizer(back))
      #expect(found.isEqual, "\(item): \(found.differences)")
      // The right name of that rule, which most files have by mistake.
      #expect(back.notes.isEmpty == (GGUFTokenizerTests.name(keys) != "default"), "\(item): \(back.notes)")
      let entry = try #require(PreTokenizerName.named(GGUFTokenizerTests.name(keys) ?? ""))
      let meaning = try #require(entry.meaning(in: item.engine), "\(item)")
      #expect(source.cuts(by: meaning.rule), "\(item)")
      #expect(meaning.ignoresMerges == item.ignoresMerges || source.tokenThatMergesMiss == nil, "\(item)")
      #expect(keys.warnings.contains { $0.contains("NFC") } == item.normalizes, "\(item): \(keys.warnings)")
    }
    // Of what an engine has a name for, only NFC under names whose models do not have it is refused.
    #expect(written.contains("qwen2 llama.cpp NFC") && written.contains("falcon llama.cpp whole words begin and end"))
    #expect(written.count > 40 && refused.count > 15, "\(written.count) written, \(refused)")
    #expect(refused.contains { $0.hasPrefix("llama-bpe llama.cpp NFC: unsupportedTokenizer") })
    #expect(refused.contains { $0.hasPrefix("tiny_aya bitnet.cpp") && $0.contains("unnamedPreTokenizer") })
    for text in refused {
      #expect(text.contains("unnamedPreTokenizer") || text.contains("NFC"), "\(text)")
    }
  }

  /// What an engine would do otherwise is refused, and the message names it.
  @Test(arguments: [
    ("Lowercase", #"{"normalizer":{"type":"Lowercase"}}"#, "Lowercase"),
    ("NFKC", #"{"normalizer":{"type":"NFKC"}}"#, "NFKC"),
    ("NFD", #"{"normalizer":{"type":"NFD"}}"#, "NFD"),
    ("Replace", #"{"normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"b"}}"#, "Replace"),
    (
      "prefix space", #"{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}}"#,
      "add_prefix_space"
    ),
    (
      "lstrip", #"{"added_tokens":[{"id":676,"content":"<mask>","lstrip":true,"special":true}]}"#, "lstrip"
    ),
    (
      "single word", #"{"added_tokens":[{"id":676,"content":"<mask>","single_word":true}]}"#, "single_word"
    ),
    (
      "no rule with a name", #"{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}}"#,
      "no name"
    ),
    (
      "digits kept together",
      #"{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]}}"#,
      "no name"
    ),
  ])
  func refusals(_ name: String, _ sections: String, _ expected: String) throws {
    let changed = try #require(try JSONValue.parse(Array(sections.utf8)).object)
    let file = try GGUFTokenizerTests.base { file in
      file["pre_tokenizer"] = .object(["type": "ByteLevel", "add_prefix_space": false, "use_regex": true])
      for entry in changed.entries { file[entry.key] = entry.value }
    }
    let error = try #require(throws: GGUFModelError.self) { try GGUFTokenizerTests.write(file) }
    #expect(error.summary.contains(expected), "\(error)")
    #expect(error.location.file == "/model/tokenizer.json" && error.location.field != nil, "\(error.location)")
    #expect(error.remedy?.contains("--no-tokenizer") == true)
  }

  @Test func templatesBeyondBeginAndEndAreRefused() throws {
    let bos = ("<|bos|>", 676)
    for (before, behind) in [([bos, bos], []), ([], [bos]), ([("<|eos|>", 677)], [])] {
      let file = try GGUFTokenizerTests.base { file in
        file["pre_tokenizer"] = PreTokenizerRule.gpt2.section
        file["post_processor"] = GGUFTokenizerTests.template(before, behind)
      }
      let settings: JSONObject = ["bos_token": "<|bos|>", "eos_token": "<|eos|>"]
      let error = try #require(throws: GGUFModelError.self) { try GGUFTokenizerTests.write(file, settings: settings) }
      #expect(error.summary.contains("put around a text") && error.location.field == "post_processor")
    }
  }

  // MARK: - The user's name

  @Test func namesOfTheUser() throws {
    let llama = try GGUFTokenizerTests.base { $0["pre_tokenizer"] = PreTokenizerRule.llama3.section }
    // A name of the same rule is taken as it is.
    let pixtral = try GGUFTokenizerTests.write(llama, pre: "pixtral")
    #expect(GGUFTokenizerTests.name(pixtral) == "pixtral" && pixtral.warnings.isEmpty)
    // A name of another rule is refused, and says which would do.
    let error = try #require(throws: GGUFModelError.self) { try GGUFTokenizerTests.write(llama, pre: "falcon") }
    #expect(error.summary.contains("'llama-bpe'") && error.summary.contains("'falcon'"))
    let other = try #require(throws: GGUFModelError.self) {
      try GGUFTokenizerTests.write(llama, pre: "falcon_e", engine: .bitnetCpp)
    }
    #expect(other.summary.contains("bitnet.cpp") && other.summary.contains("'llama-bpe'"))
    // A name the engine does not know is written with a warning, and this program reads it back as it was.
    for name in ["falcon_e", "a-name-of-tomorrow"] {
      let keys = try GGUFTokenizerTests.write(llama, pre: name)
      #expect(keys.warnings.contains { $0.contains(name) && $0.contains("not known to llama.cpp") })
      let back = try GGUFTokenizerTests.tokenizer(GGUFTokenizerTests.read(keys.entries))
      #expect(TokenizerComparison(try GGUFTokenizerTests.tokenizer(llama, nil), back).isEqual)
    }
    // What has no name is written under any that the user says, and comes back as it was.
    let odd = try GGUFTokenizerTests.base {
      $0["pre_tokenizer"] = .object(["type": "ByteLevel", "add_prefix_space": false, "use_regex": false])
    }
    let keys = try GGUFTokenizerTests.write(odd, pre: "gpt-2")
    #expect(keys.warnings.contains { $0.contains("'gpt-2' is written as told") })
    let back = try GGUFTokenizerTests.tokenizer(GGUFTokenizerTests.read(keys.entries))
    #expect(TokenizerComparison(try GGUFTokenizerTests.tokenizer(odd, nil), back).isEqual)
    // A name given when the file is read replaces all that the file says.
    var entries = keys.entries
    GGUFTokenizer.setName("qwen2", in: &entries)
    let renamed = try GGUFTokenizerTests.tokenizer(GGUFTokenizerTests.read(entries))
    #expect(renamed.cuts(by: .qwen2))
  }

  /// Merges that do not lead to a token: whether whole words are taken decides ids, and so does the name.
  @Test func wholeWordsDecideTheName() throws {
    // "zq" is a token that no merge makes.
    let file = try GGUFTokenizerTests.base { file in
      file["added_tokens"] = .array([])
      file["pre_tokenizer"] = PreTokenizerRule.llama3.section
      try file.edit("model") { model in
        try model.edit("vocab") { $0["zq"] = 676 }
      }
    }
    var whole = file
    try whole.edit("model") { $0["ignore_merges"] = true }
    #expect(try GGUFTokenizerTests.tokenizer(file, nil).tokenThatMergesMiss == "zq")
    for engine in GGUFEngine.allCases {
      #expect(GGUFTokenizerTests.name(try GGUFTokenizerTests.write(file, engine: engine)) == "smaug-bpe")
      #expect(GGUFTokenizerTests.name(try GGUFTokenizerTests.write(whole, engine: engine)) == "llama-bpe")
    }
    let named = try GGUFTokenizerTests.write(file, pre: "llama-bpe")
    #expect(named.warnings.contains { $0.contains("'zq' gets other ids") })
    // Mistral's rule has one name, under which whole words are taken.
    let tekken = try GGUFTokenizerTests.base { other in
      other = file
      other["pre_tokenizer"] = PreTokenizerRule.tekken.section
    }
    let error = try #require(throws: GGUFModelError.self) { try GGUFTokenizerTests.write(tekken) }
    #expect(error.summary.contains("ignore_merges") && error.summary.contains("'zq'"))
    // base.json as it is reaches every token by merging, so the usual name will do.
    let plain = try GGUFTokenizerTests.base { $0["pre_tokenizer"] = PreTokenizerRule.llama3.section }
    #expect(GGUFTokenizerTests.name(try GGUFTokenizerTests.write(plain)) == "llama-bpe")
  }

  // MARK: - Keys that are missing

  private static let llamaKeys = Result {
    try write(
      base { $0["pre_tokenizer"] = PreTokenizerRule.llama3.section },
      settings: ["bos_token": "<|bos|>", "eos_token": "<|eos|>"]
    ).entries
  }

  /// llama.cpp adds a begin token under the names of Llama 3 and Mistral unless told not to, under others not.
  @Test func beginTokenThatIsNotSaid() throws {
    let entries = try GGUFTokenizerTests.llamaKeys.get()
    let flag: Set = ["tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token"]
    let said = try GGUFTokenizerTests.read(entries)
    #expect(try GGUFTokenizerTests.tokenizer(said).encode("a").count == 1 && said.notes.isEmpty)
    let unsaid = try GGUFTokenizerTests.read(entries, dropping: flag)
    #expect(try GGUFTokenizerTests.tokenizer(unsaid).encode("a").first == 676)
    #expect(unsaid.notes.contains { $0.contains("begin token") })
    for name in PreTokenizerName.all {
      var named = entries
      GGUFTokenizer.setName(name.name, in: &named)
      let file = try GGUFTokenizerTests.read(named, dropping: flag)
      let tokenizer = try GGUFTokenizerTests.tokenizer(file)
      // The names in llama-vocab.cpp whose branch sets add_bos.
      let adding: Set = [
        "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
        "tekken", "chameleon",
      ]
      #expect(tokenizer.prefixIDs == (adding.contains(name.name) ? [676] : []), "\(name.name)")
      #expect(tokenizer.suffixIDs.isEmpty)
    }
    // Without the id as well, llama.cpp takes token 11.
    let nothing = try GGUFTokenizerTests.read(entries, dropping: flag.union(["tokenizer.ggml.bos_token_id"]))
    #expect(try GGUFTokenizerTests.tokenizer(nothing).prefixIDs == [11])
    #expect(nothing.notes.contains { $0.contains("token 11") })
  }

  /// A file without a name is cut by four expressions that no model was trained with.
  @Test func nameThatIsNotSaid() throws {
    let entries = try GGUFTokenizerTests.llamaKeys.get()
    let missing = try GGUFTokenizerTests.read(entries, dropping: ["tokenizer.ggml.pre"])
    #expect(missing.notes.contains { $0.contains("does not say how") && $0.contains("--gguf-pre") })
    var named = entries
    GGUFTokenizer.setName("default", in: &named)
    let defaulted = try GGUFTokenizerTests.read(named)
    #expect(defaulted.notes.contains { $0.contains("says 'default'") })
    for file in [missing, defaulted] {
      #expect(try GGUFTokenizerTests.tokenizer(file).cuts(by: .unnamed))
    }
    var unknown = entries
    GGUFTokenizer.setName("nobody-knows", in: &unknown)
    let file = try GGUFTokenizerTests.read(unknown)
    #expect(file.files.isEmpty && file.notes.contains { $0.contains("'nobody-knows'") && $0.contains("--gguf-pre") })
  }

  /// falcon3 is one rule to bitnet.cpp and another to the others; the type of the tensors tells.
  @Test func namesThatEnginesMeanOtherwise() throws {
    var entries = try GGUFTokenizerTests.llamaKeys.get()
    GGUFTokenizer.setName("falcon3", in: &entries)
    #expect(try GGUFTokenizerTests.tokenizer(GGUFTokenizerTests.read(entries)).cuts(by: .llama3))
    let bitnet = try GGUFTokenizerTests.tokenizer(GGUFTokenizerTests.read(entries, engine: .bitnetCpp))
    #expect(bitnet.cuts(by: .falconDigits) && !bitnet.cuts(by: .llama3))
    GGUFTokenizer.setName("falcon-h1", in: &entries)
    let note = try GGUFTokenizerTests.read(entries, engine: .bitnetCpp).notes
    #expect(note.contains { $0.contains("bitnet.cpp") && $0.contains("'falcon-h1'") })
    func tensor(_ layout: String) throws -> TensorDescriptor {
      TensorDescriptor(
        name: "a", shape: try #require(TensorShape([4, 256])), encoding: .ternary(LayoutID(rawValue: layout)),
        location: TensorLocation(file: 0, offset: 0, byteCount: 0))
    }
    #expect(try GGUFTokenizerFile.engine(of: [tensor("TQ2_0")]) == .llamaCpp)
    #expect(try GGUFTokenizerFile.engine(of: [tensor("IQ2_BN")]) == .ikLlamaCpp)
    for order in I2SOrder.allCases {
      #expect(try GGUFTokenizerFile.engine(of: [tensor(order.layout.rawValue)]) == .bitnetCpp)
    }
  }

  // MARK: - Tokens

  /// Rows without a token get a name that is none, under either type that writers give them.
  @Test func fillersAreLeftOut() throws {
    let entries = try GGUFTokenizerTests.llamaKeys.get()
    let source = try GGUFTokenizerTests.tokenizer(
      GGUFTokenizerTests.base { $0["pre_tokenizer"] = PreTokenizerRule.llama3.section },
      ["bos_token": "<|bos|>", "eos_token": "<|eos|>"])
    for type: Int32 in [4, 5] {
      let changed = entries.map { entry -> MetadataEntry in
        guard entry.key == "tokenizer.ggml.token_type", let types = entry.value.integers else { return entry }
        return MetadataEntry(entry.key, .array(.int32(types.map { $0 == 5 ? type : Int32($0) })))
      }
      let back = try GGUFTokenizerTests.tokenizer(GGUFTokenizerTests.read(changed))
      #expect(TokenizerComparison(source, back).isEqual && back.vocabularySize == 680)
    }
    // A token that is spelled as a filler would be makes a file that readers refuse.
    let file = try GGUFTokenizerTests.base { file in
      file["pre_tokenizer"] = PreTokenizerRule.llama3.section
      file["added_tokens"] = .array([.object(["id": 676, "content": "[PAD690]"])])
    }
    #expect(throws: GGUFModelError.self) { try GGUFTokenizerTests.write(file) }
  }

  /// pad_token_id -1 means none; an id beyond the vocabulary is said of the file it stands in.
  @Test func idsOfTheConfiguration() throws {
    let file = try GGUFTokenizerTests.base { $0["pre_tokenizer"] = PreTokenizerRule.llama3.section }
    let none = try GGUFTokenizerTests.write(file, configuration: ["pad_token_id": .number(JSONNumber(-1))])
    #expect(!none.entries.contains { $0.key == "tokenizer.ggml.padding_token_id" })
    let error = try #require(throws: GGUFModelError.self) {
      try GGUFTokenizerTests.write(file, configuration: ["pad_token_id": 70_000])
    }
    #expect(error.location.file == "/model/config.json" && error.location.field == "pad_token_id", "\(error)")
    // The same for a vocabulary with byte fallback, which is read by another way.
    let pieces: JSONObject = [
      "model": .object([
        "type": "BPE", "byte_fallback": true, "vocab": .object(["<unk>": 0, "▁a": 1]), "merges": .array([]),
      ]),
      "normalizer": .object([
        "type": "Sequence",
        "normalizers": .array([
          .object(["type": "Prepend", "prepend": "▁"]),
          .object(["type": "Replace", "pattern": .object(["String": " "]), "content": "▁"]),
        ]),
      ]),
    ]
    let spaced = try GGUFTokenizerTests.write(pieces, configuration: ["pad_token_id": .number(JSONNumber(-1))], rows: 2)
    #expect(spaced.entries.contains(MetadataEntry("tokenizer.ggml.add_space_prefix", .bool(true))))
    #expect(!spaced.entries.contains { $0.key == "tokenizer.ggml.padding_token_id" })
    let beyond = try #require(throws: GGUFModelError.self) {
      try GGUFTokenizerTests.write(pieces, configuration: ["eos_token_id": 2], rows: 2)
    }
    #expect(beyond.location.file == "/model/config.json" && beyond.location.field == "eos_token_id")
    var lower = pieces
    lower["normalizer"] = .object(["type": "Lowercase"])
    #expect(throws: GGUFModelError.self) { try GGUFTokenizerTests.write(lower, rows: 2) }
  }

  /// Of a pair that stands twice, tokenizer.json counts the last place and GGUF the first.
  @Test func mergesThatStandTwice() throws {
    let file = try GGUFTokenizerTests.base { file in
      file["pre_tokenizer"] = PreTokenizerRule.gpt2.section
      try file.edit("model") { model in
        let merges = try #require(model["merges"]?.array)
        model["merges"] = .array(merges + [merges[0]])
      }
    }
    let keys = try GGUFTokenizerTests.write(file)
    let merges = try #require(keys.entries.first { $0.key == "tokenizer.ggml.merges" }?.value.strings)
    #expect(merges.count == 420 && merges.last == "t h")
    let source = try GGUFTokenizerTests.tokenizer(file, nil)
    let back = try GGUFTokenizerTests.tokenizer(GGUFTokenizerTests.read(keys.entries))
    #expect(TokenizerComparison(source, back).isEqual)
    let doubled = keys.entries.map { entry in
      entry.key == "tokenizer.ggml.merges"
        ? MetadataEntry(entry.key, .array(.string(merges + [merges[0]]))) : entry
    }
    #expect(TokenizerComparison(source, try GGUFTokenizerTests.tokenizer(GGUFTokenizerTests.read(doubled))).isEqual)
  }
}
