// Tritsmith: pre-tokenizers by the names GGUF files give them.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Names of pre-tokenizers")
struct NamesTests {
  /// One entry of names.json, which names.py made with the tokenizers library.
  struct Entry {
    var names: [String]
    var section: JSONValue
    var spellings: [JSONValue]
    var hashes: [String]
  }

  static func entries() throws -> [Entry] {
    let rules = try #require(try Files.json("Tokenizers/names.json")["rules"]?.array)
    return try rules.map { rule in
      let rule = try #require(rule.object)
      return Entry(
        names: try #require(rule["names"]?.array).compactMap(\.string), section: try #require(rule["pre_tokenizer"]),
        spellings: try #require(rule["spellings"]?.array),
        hashes: try #require(rule["hashes"]?.array).compactMap(\.string))
    }
  }

  /// Where a name of the fixture is looked for: the engine that has the rule.
  private func engine(of name: String) -> GGUFEngine { name == "falcon_e" ? .bitnetCpp : .llamaCpp }

  /// Every name gives the ids of the pipeline that it stands for.
  @Test func ids() throws {
    let base = try Files.json("Tokenizers/base.json")
    let texts =
      try #require(try Files.json("Tokenizers/golden.json")["texts"]?.array).compactMap(\.string)
      + #require(try Files.json("Tokenizers/names.json")["texts"]?.array).compactMap(\.string)
    let entries = try NamesTests.entries()
    #expect(entries.count == 25)
    for entry in entries {
      let name = entry.names[0]
      let meaning = try #require(PreTokenizerName.named(name)?.meaning(in: engine(of: name)), "\(name)")
      var file = base
      file["pre_tokenizer"] = meaning.rule.section
      let tokenizer = try Tokenizer(file)
      #expect(entry.hashes.count == texts.count)
      for (text, expected) in zip(texts, entry.hashes) {
        let ids = try tokenizer.encode(text, addSpecialTokens: false)
        #expect(IDHash.text(ids) == expected, "\(name): \(text.debugDescription.prefix(60)) gives \(ids.prefix(40))")
      }
    }
  }

  /// A section is known by what it does, whoever spelled it.
  @Test func recognition() throws {
    let entries = try NamesTests.entries()
    for entry in entries {
      for section in [entry.section] + entry.spellings {
        let preTokenizer = try PreTokenizer(section: section)
        for name in entry.names {
          let found = PreTokenizerName.names(for: preTokenizer, in: engine(of: name)).map(\.name)
          #expect(found.contains(name), "\(name) among \(found) for \(preTokenizer.summary)")
        }
        // The names found have one rule, and no entry of another rule is among them.
        let found = PreTokenizerName.names(for: preTokenizer, in: engine(of: entry.names[0]))
        // bitnet.cpp means another rule than the others by falcon3.
        let others = entries.filter { $0.names != entry.names }.flatMap(\.names).filter { $0 != "falcon3" }
        #expect(found.filter { others.contains($0.name) }.map(\.name) == [])
      }
    }
  }

  @Test func preferredNames() throws {
    func first(_ name: String, _ engine: GGUFEngine) throws -> String? {
      let entry = try #require(try NamesTests.entries().first { $0.names.contains(name) })
      return PreTokenizerName.names(for: try PreTokenizer(section: entry.section), in: engine).first?.name
    }
    for engine in GGUFEngine.allCases {
      #expect(try first("llama-bpe", engine) == "llama-bpe")
      #expect(try first("falcon", engine) == "falcon")
      #expect(try first("qwen2", engine) == "qwen2")
      #expect(try first("gpt-2", engine) == "gpt-2")
      #expect(try first("starcoder", engine) == "starcoder")
    }
    #expect(try first("falcon_e", .bitnetCpp) == "falcon3" && first("falcon_e", .llamaCpp) == nil)
    #expect(try first("gpt-4o", .bitnetCpp) == nil && first("gpt-4o", .ikLlamaCpp) == "gpt-4o")
  }

  /// What nobody has a name for is not taken for something else.
  @Test(arguments: [
    #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}"#,
    #"{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}"#,
    #"{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]}"#,
    #"{"type":"Sequence","pretokenizers":[{"type":"Punctuation","behavior":"Contiguous"},{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},{"type":"Digits","individual_digits":false}]}"#,
  ])
  func unknown(_ json: String) throws {
    let section = try JSONValue.parse(Array(json.utf8))
    for engine in GGUFEngine.allCases {
      #expect(PreTokenizerName.names(for: try PreTokenizer(section: section), in: engine).map(\.name) == [])
    }
  }

  /// One letter of the pattern changed makes it another, by all engines' rules.
  @Test(arguments: [
    ("{1,3}", "{1,4}"), ("'re|", ""), (#"[^\r\n\p{L}\p{N}]?"#, #"[^\n\p{L}\p{N}]?"#), (#"\s+(?!\S)|"#, ""),
    (#"[\r\n]*"#, #"[\r\n]?"#), (#"| ?[^"#, "|[^"), (#"\p{L}+"#, #"\p{L}"#),
  ])
  func nearMisses(_ part: String, _ other: String) throws {
    let steps = PreTokenizerRule.llama3.steps
    let pattern = try #require(steps[0].object?["pattern"]?.object?["Regex"]?.string)
    let pieces = pattern.split(separator: part, maxSplits: 1, omittingEmptySubsequences: false)
    #expect(pieces.count == 2)
    var split = try #require(steps[0].object)
    split["pattern"] = .object(["Regex": .string(pieces.joined(separator: other))])
    let section = PreTokenizerRule.section([.object(split), steps[1]])
    #expect(PreTokenizerName.names(for: try PreTokenizer(section: section), in: .llamaCpp).map(\.name) == [])
  }

  @Test func namesAreUnique() {
    #expect(Set(PreTokenizerName.all.map(\.name)).count == PreTokenizerName.all.count)
    for entry in PreTokenizerName.all { #expect(entry.usualMeaning != nil) }
    #expect(PreTokenizerName.named("falcon-h1")?.meaning(in: .bitnetCpp) == nil)
    #expect(PreTokenizerName.named("Falcon") == nil)
  }
}

/// FNV-1a, 32 bits, over ids of four little-endian bytes, as names.py makes it.
enum IDHash {
  static func text(_ ids: [Int]) -> String {
    var hash: UInt32 = 0x811C_9DC5
    for id in ids {
      for shift in [0, 8, 16, 24] { hash = (hash ^ UInt32(id >> shift & 0xFF)) &* 0x0100_0193 }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
