// Tritsmith: one magnitude beside zero, against the set of all magnitudes.

import Testing
import TritTestSupport

@testable import TritCore

@Suite("One magnitude beside zero")
struct OneMagnitudeTests {
  /// What the words stand for: the set of magnitudes, 0 aside.
  private func defined<Bits: FixedWidthInteger & UnsignedInteger>(_ patterns: ArraySlice<Bits>) -> Bits? {
    let magnitudes = Set(patterns.map { $0 & (Bits.max >> 1) }).subtracting([0])
    return magnitudes.count > 1 ? nil : magnitudes.first ?? 0
  }

  private func find<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ patterns: [Bits], _ range: Range<Int>
  ) -> Bits? {
    let stored = patterns.map(\.littleEndian)
    return OneMagnitude.find(in: stored.span.bytes, Bits.bitWidth == 16 ? .bits16 : .bits32, range).map { Bits($0) }
  }

  @Test("Every length and start, both widths, one number changed at every place")
  func everyPlace() {
    func check<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_: Bits.Type) {
      let sign = Bits(1) << (Bits.bitWidth - 1)
      // Neighbours and extremes: 1, the largest magnitude, and numbers whose bits are part of one another.
      let choices: [Bits] = [1, 2, 3, sign - 1, sign - 2, sign >> 1, (sign >> 1) + 1, 5]
      for one in choices {
        for count in 0...19 {
          let base = (0..<count).map { $0 % 3 == 0 ? Bits(0) : $0 % 3 == 1 ? one : one | sign }
          for start in 0...min(3, count) {
            #expect(find(base, start..<count) == defined(base[start...]))
          }
          for place in 0..<count {
            for other in choices + [sign, 0] {
              var changed = base
              changed[place] = other
              #expect(find(changed, 0..<count) == defined(changed[...]), "\(changed)")
            }
          }
        }
      }
    }
    check(UInt16.self)
    check(UInt32.self)
  }

  @Test("Runs have the magnitudes each of them has alone; the first with several ends it")
  func runs() {
    let numbers: [UInt16] = [0, 7, 0x8007, 0, 0, 0x8000, 0, 0, 9, 9, 0, 0x8009, 5, 0x8005, 6, 0]
    func find(_ range: Range<Int>, _ size: Int) -> (Bool, [UInt32]) {
      var found: [UInt32] = []
      let stored = numbers.map(\.littleEndian)
      let isOne = OneMagnitude.find(in: stored.span.bytes, .bits16, range, runsOf: size) { found.append($0) }
      return (isOne, found)
    }
    #expect(find(0..<14, 4) == (true, [7, 0, 9, 5]))
    #expect(find(0..<16, 4) == (false, [7, 0, 9]))
    #expect(find(1..<13, 5) == (false, [7, 9]))
    #expect(find(0..<8, .max) == (true, [7]))
    #expect(find(3..<3, 1) == (true, []))
  }

  @Test("All zeros of either sign have magnitude 0")
  func zeros() {
    #expect(find([UInt16](repeating: 0x8000, count: 64), 0..<64) == 0)
    #expect(find([UInt32](repeating: 0, count: 7), 0..<7) == 0)
  }
}
