// Tritsmith: normalizers beside Unicode's own test and the tokenizers library.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Normalization")
struct NormalizationTests {
  /// Every line of NormalizationTest.txt, each by all of its conditions, with the characters of that version.
  @Test func unicodeTest() throws {
    let tables = NormalizationTables(includesNewer: true)
    let text = String(decoding: try Files.fixture("Tokenizers/NormalizationTest.txt"), as: UTF8.self)
    #expect(text.hasPrefix("# NormalizationTest-\(NormalizationData.version).txt\n"))
    var count = 0
    var isPart1 = false
    var singles: Set<UInt32> = []
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      if line.hasPrefix("@") {
        isPart1 = line == "@Part1"
        continue
      }
      var columns: [[UInt8]] = []
      for column in line.split(separator: ";") {
        if column.hasPrefix("=") {
          columns.append(columns[try #require(Int(column.dropFirst()))])
        } else {
          let scalars = try column.split(separator: " ").map {
            try #require(UInt32($0, radix: 16).flatMap(Unicode.Scalar.init))
          }
          columns.append(scalars.flatMap { Array(String($0).utf8) })
          if isPart1, columns.count == 1 { singles.insert(scalars[0].value) }
        }
      }
      try #require(columns.count == 5, "\(line)")
      let (c1, c2, c3, c4, c5) = (columns[0], columns[1], columns[2], columns[3], columns[4])
      func check(_ form: NormalizationForm, _ inputs: [[UInt8]], _ expected: [UInt8]) {
        for input in inputs { #expect(form.apply(to: input, tables: tables) == expected, "\(form.rawValue): \(line)") }
      }
      check(.composed, [c1, c2, c3], c2)
      check(.composed, [c4, c5], c4)
      check(.decomposed, [c1, c2, c3], c3)
      check(.decomposed, [c4, c5], c5)
      check(.compatiblyComposed, [c1, c2, c3, c4, c5], c4)
      check(.compatiblyDecomposed, [c1, c2, c3, c4, c5], c5)
      count += 1
    }
    #expect(count == 19074 && singles.count > 17000)
    // What part 1 does not list stays what it is in all forms.
    for value in UInt32(0)...0x10FFFF where !singles.contains(value) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let bytes = Array(String(scalar).utf8)
      for form in NormalizationForm.allCases where form.apply(to: bytes, tables: tables) != bytes {
        Issue.record("\(form.rawValue) of U+\(String(value, radix: 16))")
      }
    }
  }

  private struct Golden {
    var normalizers: [(name: String, normalizer: Normalizer)]
    var file: JSONObject

    init() throws {
      file = try Files.json("Tokenizers/normalization.json")
      normalizers = try #require(file["normalizers"]?.object).entries.map {
        ($0.key, try Normalizer(FieldReader($0.value, file: "test", path: "normalizer")))
      }
      #expect(normalizers.count == 10)
    }
  }

  /// Texts of bases, marks and oddities in random order, by the tokenizers library.
  @Test func texts() throws {
    let golden = try Golden()
    let texts = try #require(golden.file["texts"]?.array)
    #expect(texts.count > 300)
    for entry in texts {
      let results = try #require(entry.array)
      let text = Array(try #require(results[0].string).utf8)
      for (index, (name, normalizer)) in golden.normalizers.enumerated() {
        let expected = results[index + 1].string.map { Array($0.utf8) } ?? text
        #expect(normalizer.normalize(text) == expected, "\(name): \(text)")
      }
    }
  }

  /// Every character where characters differ, and samples of the others, each in six surroundings: one hash a normalizer.
  @Test func scalars() throws {
    let golden = try Golden()
    let sparse = try #require(golden.file["sparse"]?.array).compactMap(\.integers).map { UInt32($0[0])..<UInt32($0[1]) }
    let expected = try #require(golden.file["scalars"]?.object)
    for (name, normalizer) in golden.normalizers {
      let value = try #require(expected[name]?.array)
      var hash: UInt64 = 0xCBF2_9CE4_8422_2325
      var count = 0
      for scalar in UInt32(0)..<0x110000 {
        guard let character = Unicode.Scalar(scalar),
          scalar % 61 == 0 || !sparse.contains(where: { $0.contains(scalar) })
        else { continue }
        let text = String(character)
        for text in [
          text, "a" + text + "\u{316}\u{301}", "\u{301}" + text + "\u{323}", "\u{1100}" + text, "\u{AC00}" + text,
          " " + text,
        ] {
          for byte in normalizer.normalize(Array(text.utf8)) + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
          count += 1
        }
      }
      #expect(count == value[0].number?.integer, "\(name)")
      let digits = String(hash, radix: 16)
      #expect(String(repeating: "0", count: 16 - digits.count) + digits == value[1].string, "\(name)")
    }
  }

  /// Steps that lengthen a text multiply, and are refused before they fill memory.
  @Test func growth() throws {
    func section(_ count: Int) throws -> FieldReader {
      let step = #"{"type":"NFKD"}"#
      let json =
        #"{"type":"Sequence","normalizers":[\#([String](repeating: step, count: count).joined(separator: ","))]}"#
      return try FieldReader(JSONValue.parse(Array(json.utf8)), file: "test", path: "normalizer")
    }
    #expect(try Normalizer(section(2)).steps.count == 2)
    #expect(throws: TokenizerError.self) { try Normalizer(section(3)) }
    #expect(Array("\u{FDFA}".utf8).count * NormalizationForm.compatiblyDecomposed.growth >= 33)
  }
}
