// Tritsmith: rows too long to be held whole.

import Testing
import TritCore
import TritKernels
import TritLayouts

@Suite("Layouts of long rows")
struct LongRowTests {
  private static let columns = TensorShape.longestRow + 1_234_567

  /// Trits without a pattern that a wrong place would keep.
  private static func trits(_ count: Int) -> [Int8] {
    var state: UInt64 = 7
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int8((state >> 33) % 3) - 1
    }
  }

  private static func packed(_ layout: any TernaryLayout, _ shape: TensorShape, _ trits: [Int8]) -> [UInt8] {
    var result = [UInt8](repeating: 0xEE, count: layout.byteCount(shape))
    var next = 0
    for band in layout.bands(shape, rowsPerBand: 1) {
      #expect(band.bytes.lowerBound == next && band.count(shape) <= 5 << 18)
      next = band.bytes.upperBound
      let part = band.parts(of: shape).flatMap { trits[$0.elements] }
      #expect(part.count == band.count(shape))
      var bytes = [UInt8](repeating: 0, count: band.bytes.count)
      var output = bytes.mutableSpan
      layout.pack(part.span, band, shape, with: ScalarKernels(), into: &output)
      result.replaceSubrange(band.bytes, with: bytes)
    }
    #expect(next == result.count)
    return result
  }

  private static func unpacked(
    _ layout: any TernaryLayout, _ shape: TensorShape, _ bytes: [UInt8], elements: Int
  ) -> (trits: [Int8], invalid: Int) {
    var result = [Int8](repeating: 9, count: shape.elementCount)
    var invalid = 0
    for band in shape.bands(elements: elements) {
      var trits = [Int8](repeating: 9, count: band.count)
      for run in layout.runs(band, shape) {
        let part = Array(bytes[run.bytes])
        var output = trits.mutableSpan
        invalid += layout.unpack(
          part.span.bytes, run, shape, with: ScalarKernels(), into: &output, at: run.start(in: band, shape))
      }
      result.replaceSubrange(band.elements, with: trits)
    }
    return (result, invalid)
  }

  /// Byte m of a row joins columns m, m + S, m + 2S, …, first column least significant; past the end code 1 stands.
  @Test("TritPack's rows are what its definition says", arguments: [SplitRow.Radix.twoBit, .base3])
  func splitRow(_ radix: SplitRow.Radix) throws {
    let (rows, columns, layout) = (2, Self.columns, SplitRow(radix))
    let shape = try #require(TensorShape(rows: rows, columns: columns))
    try layout.check(shape)
    let trits = Self.trits(rows * columns)
    let (parts, base) = radix == .twoBit ? (4, 4) : (5, 3)
    let length = (columns + parts - 1) / parts
    let expected = (0..<rows * length).map { place -> UInt8 in
      let (row, m) = place.quotientAndRemainder(dividingBy: length)
      var (value, weight) = (0, 1)
      for part in 0..<parts {
        let column = m + part * length
        value += (column < columns ? Int(trits[row * columns + column]) + 1 : 1) * weight
        weight *= base
      }
      return UInt8(value)
    }
    #expect(Self.packed(layout, shape, trits) == expected)
    for elements in [1 << 18, 1 << 20] {
      let found = Self.unpacked(layout, shape, expected, elements: elements)
      #expect(found.trits == trits && found.invalid == 0)
    }
  }

  /// Four rows a quarter of the matrix apart share a byte.
  @Test func quarters() throws {
    let (rows, columns, layout) = (8, Self.columns, HFPacked())
    let shape = try #require(TensorShape(rows: rows, columns: columns))
    try layout.check(shape)
    let trits = Self.trits(rows * columns)
    let quarter = 2 * columns
    let expected = (0..<quarter).map { place -> UInt8 in
      (0..<4).reduce(0) { $0 | UInt8(trits[place + $1 * quarter] + 1) << (2 * UInt8($1)) }
    }
    #expect(Self.packed(layout, shape, trits) == expected)
    let found = Self.unpacked(layout, shape, expected, elements: 1 << 18)
    #expect(found.trits == trits && found.invalid == 0)
  }

  @Test("each code that is none is counted once")
  func invalid() throws {
    let shape = try #require(TensorShape(rows: 1, columns: Self.columns))
    for (layout, bad) in [(SplitRow(.twoBit), UInt8(0b1100_0001)), (SplitRow(.base3), 243)] {
      var bytes = [UInt8](repeating: 0, count: layout.byteCount(shape))
      for place in [0, 300_000, bytes.count - 2] { bytes[place] = bad }
      #expect(Self.unpacked(layout, shape, bytes, elements: 1 << 18).invalid == 3)
    }
  }

  @Test("layouts that read whole rows refuse longer ones, and say how long they may be")
  func refusals() throws {
    let limit = TensorShape.longestRow
    for layout in LayoutRegistry.all {
      let fits = try #require(TensorShape(rows: 4, columns: limit))
      try layout.check(fits)
      let long = try #require(TensorShape(rows: 4, columns: limit + 1024))
      guard layout is SplitRow || layout is HFPacked else {
        let error = #expect(throws: LayoutError.self) { try layout.check(long) }
        #expect(error?.kind.reason == .rowTooLong(columns: limit + 1024), "\(layout.id)")
        #expect(error?.summary.contains("\(limit)") == true)
        continue
      }
      try layout.check(long)
    }
  }
}
