// Tritsmith: trits with several scales as dense numbers.

import Testing
import TritCore

@testable import TritConversion

@Suite("Dense results with several scales")
struct DenseTernaryTests {
  private static let trits: [Int8] = [1, -1, 0, 0, 1, -1]

  /// Bits of bfloat16 numbers that are exact in it.
  private static func bits(_ values: [Float]) -> [UInt16] {
    values.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) }
  }

  private static func filled(_ scale: TernaryScale, firstRow: Int) throws -> [UInt16] {
    var values = [UInt16](repeating: 0xFFFF, count: trits.count)
    let shape = try #require(TensorShape(rows: 4, columns: 3))
    DenseTernary.fill(&values, from: trits, scale.grid(columns: 3), shape.band(firstRow..<firstRow + 2))
    return values.map { UInt16(littleEndian: $0) }
  }

  /// A band of two rows of three columns in the middle of a matrix takes the scales of its own rows.
  @Test("a band that does not begin at row 0", arguments: [ScaleConvention.multiply, .divide])
  func rows(_ convention: ScaleConvention) throws {
    let stored: [Float] = [1, 2, 4, 8]
    let multipliers = stored.map { convention == .multiply ? $0 : 1 / $0 }
    let scale = TernaryScale(stored: stored, storage: .bf16, convention: convention, granularity: .row)
    for firstRow in 0...2 {
      let (a, b) = (multipliers[firstRow], multipliers[firstRow + 1])
      #expect(try Self.filled(scale, firstRow: firstRow) == Self.bits([a, -a, 0, 0, b, -b]))
    }
  }

  /// Groups of two columns: the second of each row has one column only.
  @Test func groups() throws {
    let scale = TernaryScale(
      stored: [1, 2, 4, 8, 16, 32], storage: .bf16, convention: .multiply, granularity: .group(columns: 2))
    #expect(try Self.filled(scale, firstRow: 0) == Self.bits([1, -1, 0, 0, 4, -8]))
    #expect(try Self.filled(scale, firstRow: 1) == Self.bits([4, -4, 0, 0, 16, -32]))
  }
}
