// Tritsmith: what must hold for any text.

import Testing
import TritCore

@testable import TritTokenizer

@Suite("Properties")
struct PropertyTests {
  /// A random valid text that mixes ASCII, all planes, white space, marks and joiners.
  static func text(_ generator: inout SeededGenerator, length: Int) -> String {
    let awkward: [UInt32] = [0, 0x0A, 0x0D, 0x20, 0x20, 0x27, 0xA0, 0x301, 0x200D, 0x3000, 0xFEFF, 0xFFFD, 0x1F600]
    var result = String.UnicodeScalarView()
    while result.count < length {
      let value: UInt32 =
        switch generator.next() % 4 {
        case 0: awkward[Int(generator.next() % UInt64(awkward.count))]
        case 1: UInt32(generator.next() % 0x3000)
        case 2: UInt32(generator.next() % 0x110000)
        default: UInt32(0x20 + generator.next() % 0x5F)
        }
      if let scalar = Unicode.Scalar(value) { result.append(scalar) }
    }
    return String(result)
  }

  @Test(arguments: ["falcon-e-tiny/bitnet", "bitnet-b158-tiny/packed"])
  func decodingUndoesEncoding(folder: String) throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: folder)
    for seed in UInt64(0)..<150 {
      var generator = SeededGenerator(state: seed)
      let text = PropertyTests.text(&generator, length: Int(generator.next() % 120))
      let ids = try tokenizer.encode(text, addSpecialTokens: false)
      #expect(try tokenizer.decodedBytes(of: ids) == Array(text.utf8), "seed \(seed)")
      #expect(try tokenizer.encode(utf8: Array(text.utf8), addSpecialTokens: false) == ids, "seed \(seed)")
      #expect(ids.allSatisfy { tokenizer.token(forID: $0) != nil }, "seed \(seed)")
      var decoder = tokenizer.streamingDecoder(skipSpecialTokens: false)
      let pieces = try ids.map { try decoder.append($0) }
      // Valid text never leaves an unfinished character, so the last piece completes it.
      #expect(Array(pieces.joined().utf8) == Array(text.utf8), "seed \(seed)")
      #expect(decoder.finish().isEmpty, "seed \(seed)")
      #expect(
        pieces.allSatisfy { $0.unicodeScalars.allSatisfy { $0 != "\u{FFFD}" } }
          || text.unicodeScalars.contains("\u{FFFD}"))
    }
  }

  /// Both merge loops are one definition: short words scan, long ones use the queue.
  @Test func mergeLoopsAgree() throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: "falcon-e-tiny/bitnet")
    let letters = Array("the and of in he a \u{e9}\u{4e2d}".utf8)
    for seed in UInt64(0)..<200 {
      var generator = SeededGenerator(state: seed)
      let word = (0..<Int(1 + generator.next() % 90)).map { _ in letters[Int(generator.next() % UInt64(letters.count))]
      }
      var work = BytePairModel.Workspace()
      tokenizer.model.encode(0..<word.count, of: word, workspace: &work)
      #expect(work.symbols == PropertyTests.merge(word, tokenizer.model), "seed \(seed)")
    }
  }

  /// The definition: as long as a pair has a merge, merge the leftmost of lowest rank.
  private static func merge(_ word: [UInt8], _ model: BytePairModel) -> [Int32] {
    var symbols = word.map { model.byteIDs[Int($0)] }
    while true {
      var best: (rank: UInt64, at: Int, id: Int32)?
      for index in symbols.indices.dropLast() {
        guard let merge = model.merges[PairTable.key(symbols[index], symbols[index + 1])] else { continue }
        if merge >> 32 < best?.rank ?? .max { best = (merge >> 32, index, Int32(truncatingIfNeeded: merge)) }
      }
      guard let best else { return symbols }
      symbols.replaceSubrange(best.at...best.at + 1, with: [best.id])
    }
  }

  /// The cache and the work memory handed between calls never change an answer.
  @Test func callsAreIndependent() async throws {
    let tokenizer = try Files.tokenizer(ofCheckpoint: "falcon-e-tiny/bitnet")
    var generator = SeededGenerator(state: 5)
    let texts = (0..<40).map { _ in PropertyTests.text(&generator, length: 60) }
    var expected: [[Int]] = []
    for text in texts {
      expected.append(try Files.tokenizer(ofCheckpoint: "falcon-e-tiny/bitnet").encode(text))
      if expected.count == 4 { break }
    }
    try await withThrowingTaskGroup(of: [[Int]].self) { group in
      for _ in 0..<4 { group.addTask { try texts.map { try tokenizer.encode($0) } } }
      var results: [[[Int]]] = []
      for try await result in group { results.append(result) }
      for result in results {
        #expect(result == results[0])
        #expect(Array(result.prefix(4)) == expected)
      }
    }
  }

  @Test func tablesKeepEverything() {
    var pairs = PairTable()
    var strings = ByteStringTable()
    for value in Int32(0)..<5000 {
      pairs.set(PairTable.key(value, -value), to: UInt64(value))
      #expect(strings.insert(Array("\(value)-word".utf8)) == Int(value))
    }
    pairs.set(PairTable.key(7, -7), to: 99)
    #expect(pairs.count == 5000 && strings.count == 5000)
    #expect(pairs[PairTable.key(7, -7)] == 99 && pairs[PairTable.key(-7, 7)] == nil)
    #expect(pairs[PairTable.key(4999, -4999)] == 4999)
    #expect(strings.insert(Array("12-word".utf8)) == nil)
    #expect(strings.index(of: Array("4321-word".utf8)) == 4321 && strings.index(of: Array("x".utf8)) == nil)
    #expect(Array(strings[17]) == Array("17-word".utf8))
  }
}
