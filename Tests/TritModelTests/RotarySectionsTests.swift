// Tritsmith tests: parts of positions.

import Testing
import TritCore

@testable import TritModel

@Suite("Parts of positions")
struct RotarySectionsTests {
  /// Qwen3.5 has 11, 11 and 10 of 32 frequencies, the shipped tiny one 3, 3 and 2 of 8.
  @Test("parts that nobody says are as even as those of published models")
  func even() {
    #expect(RotarySections.even(pairs: 32) == [11, 11, 10] && RotarySections.even(pairs: 8) == [3, 3, 2])
    for pairs in 1...128 {
      let parts = RotarySections.even(pairs: pairs) + [0]
      #expect(RotarySections.fault(Array(parts.prefix(3)), columns: 2 * pairs) == nil)
      let value = MetadataValue.array(.int32(parts.map { Int32($0) }))
      #expect(RotarySections.fault(stored: value, columns: 2 * pairs, isStated: true) == nil, "\(pairs)")
    }
  }
}
