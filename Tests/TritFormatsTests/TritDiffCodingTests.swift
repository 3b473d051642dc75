// Tritsmith: the codings of a patch, against definitions written out here.

import Testing
import TritCore
import TritTestSupport

@testable import TritFormats

@Suite struct TritDiffCodingTests {
  /// Trits of which about `share` changed.
  static func pair(_ count: Int, share: Double, _ generator: inout SeededGenerator) -> (before: [Int8], after: [Int8]) {
    let before = generator.trits(count)
    let after = before.map { trit -> Int8 in
      guard Double(generator.next() % 1_000_000) < share * 1_000_000 else { return trit }
      return [-1, 0, 1].filter { $0 != trit }[Int(generator.next() % 2)]
    }
    return (before, after)
  }

  static func encoded(_ before: [Int8], _ after: [Int8], shift: Int) -> [UInt8] {
    var encoder = TritGapEncoder(shift: shift)
    // In uneven parts, as bands come.
    var start = 0
    for part in [1, 7, 1000, Int.max] where start < before.count {
      let end = part == .max ? before.count : min(before.count, start + part)
      encoder.append(before.span.extracting(start..<end), after.span.extracting(start..<end))
      start = end
    }
    return encoder.finish()
  }

  static func decoded(_ code: [UInt8], _ before: [Int8], band: Int) throws -> [Int8] {
    var decoder = try TritGapDecoder(code, count: before.count)
    return try stride(from: 0, to: before.count, by: band).flatMap { start -> [Int8] in
      var part = Array(before[start..<min(start + band, before.count)])
      try decoder.apply(to: &part)
      return part
    }
  }

  @Test func everyChangeHasItsSymbol() {
    // As the specification's table has it.
    let table: [(Int8, Int8, UInt8)] = [
      (0, 1, 1), (0, -1, 2), (1, 0, 1), (1, -1, 2), (-1, 0, 1), (-1, 1, 2), (0, 0, 0), (1, 1, 0), (-1, -1, 0),
    ]
    for (before, after, symbol) in table {
      #expect(TritSymbol.of(before, after) == symbol)
      #expect(TritSymbol.apply(symbol, to: before) == after)
    }
  }

  @Test(arguments: [0, 1, 4, 5, 6, 1003])
  func fiveTritsShareAByte(_ count: Int) {
    var generator = SeededGenerator(seed: UInt64(count + 1))
    let codes = generator.trits(count).map { UInt8($0 + 1) }
    let expected = stride(from: 0, to: count, by: 5).map { start -> UInt8 in
      UInt8((0..<min(5, count - start)).reduce(0) { $0 + Int(codes[start + $1]) * [1, 3, 9, 27, 81][$1] })
    }
    #expect(TritCode.pack(codes.span) == expected)
    #expect(TritCode.unpack(expected.span, count: count) == codes)
  }

  @Test func bytesThatAreNoFiveTritsAreRefused() {
    #expect(TritCode.unpack([243].span, count: 5) == nil)
    #expect(TritCode.unpack([1, 255].span, count: 10) == nil)
    // 27 is a code at the fourth place, where there is none.
    #expect(TritCode.unpack([27].span, count: 3) == nil)
    #expect(TritCode.unpack([26].span, count: 3) == [2, 2, 2])
  }

  /// Twenty trits by hand: changes at 2 (0→+1), 3 (−1→+1) and 12 (0→−1), so runs of 2, 0 and 8.
  @Test func aCodeWrittenByHand() throws {
    var before = [Int8](repeating: 1, count: 20)
    (before[2], before[3], before[12]) = (0, -1, 0)
    var after = before
    (after[2], after[3], after[12]) = (1, 1, -1)
    // k = 2: 2 is quotient 0 (bit 0), rest 01; 0 is 0 00; 8 is 110 00. Lowest bit first: 0,0,1 0,0,0 1,1 | 0,0,0
    let code: [UInt8] =
      [3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
      + [0b1100_0100, 0b0000_0000] + [0b10] + [0b1]
    #expect(Self.encoded(before, after, shift: 2) == code)
    #expect(try Self.decoded(code, before, band: 3) == after)
  }

  @Test(arguments: [0, 0.0005, 0.01, 0.2, 0.66, 1] as [Double])
  func gapsGiveTheTritsBack(_ share: Double) throws {
    var generator = SeededGenerator(seed: 5)
    for count in [1, 2, 31, 4099] {
      let (before, after) = Self.pair(count, share: share, &generator)
      for shift in [0, 1, 3, 9, 30] {
        let code = Self.encoded(before, after, shift: shift)
        for band in [1, 64, count] { #expect(try Self.decoded(code, before, band: band) == after) }
      }
    }
  }

  @Test func theChosenShiftIsTheBest() {
    var generator = SeededGenerator(seed: 8)
    for share in [0.003, 0.05, 0.3] {
      let (before, after) = Self.pair(20_000, share: share, &generator)
      var statistics = TritGapStatistics()
      var gap = 0
      for (a, b) in zip(before, after) {
        if a == b {
          gap += 1
        } else {
          statistics.add(gap)
          gap = 0
        }
      }
      let sizes = (0...16).map { Self.encoded(before, after, shift: $0).count }
      #expect(sizes[statistics.best.shift] == sizes.min())
    }
  }

  /// Every bit of a code flipped, and every length cut: an error or other trits, never a crash.
  @Test func damagedGapsDoNotCrash() {
    var generator = SeededGenerator(seed: 9)
    let (before, after) = Self.pair(300, share: 0.1, &generator)
    let code = Self.encoded(before, after, shift: 2)
    for index in code.indices {
      for bit in 0..<8 {
        let damaged = ByteMutator.flipping(bit: bit, of: index, in: code)
        if let trits = try? Self.decoded(damaged, before, band: 50) { #expect(trits != after) }
      }
    }
    for count in code.indices {
      #expect(throws: TritDiffFault.self) { try Self.decoded(Array(code[..<count]), before, band: 300) }
    }
  }

  @Test(arguments: [1, 2, 4, 8])
  func bytesComeBack(_ width: Int) {
    var generator = SeededGenerator(seed: UInt64(width))
    let before = generator.bytes(width * 37)
    let after = generator.bytes(width * 37)
    let whole = BytePlanes.split(after.span, width: width)
    #expect(BytePlanes.join(whole.span, width: width) == after)
    let changes = BytePlanes.split(after.span, xor: before.span, width: width)
    #expect(BytePlanes.join(changes.span, xor: before.span, width: width) == after)
  }

  /// Two bfloat16 numbers, 0x3F80 to 0x3F7F and 0x0001 to 0x0003: low bytes first, then the high ones.
  @Test func bytesByHand() {
    let (before, after): ([UInt8], [UInt8]) = ([0x80, 0x3F, 1, 0], [0x7F, 0x3F, 3, 0])
    #expect(BytePlanes.split(after.span, width: 2) == [0x7F, 3, 0x3F, 0])
    #expect(BytePlanes.split(after.span, xor: before.span, width: 2) == [0xFF, 2, 0, 0])
  }

  /// Of changes that do not depend on each other no code takes fewer bits for one than H(p) / p for its place and 1 for
  /// what it becomes; H(p) = −p log₂ p − (1 − p) log₂ (1 − p). This one takes 2 % more at most, but for chance.
  @Test(arguments: [(0.001, 12.408), (0.01, 9.079), (0.1, 5.690), (0.5, 3)])
  func gapsAreNearTheEntropy(_ share: Double, _ least: Double) {
    var generator = SeededGenerator(seed: 12)
    let (before, after) = Self.pair(1_000_000, share: share, &generator)
    var statistics = TritGapStatistics()
    var (gap, changes) = (0, 0)
    for (a, b) in zip(before, after) {
      gap += 1
      guard a != b else { continue }
      statistics.add(gap - 1)
      (gap, changes) = (0, changes + 1)
    }
    let bytes = Self.encoded(before, after, shift: statistics.best.shift).count - TritGaps.headerBytes
    let bits = Double(8 * bytes) / Double(changes)
    #expect(bits > 0.99 * least && bits < 1.03 * least, "\(bits)")
  }
}
