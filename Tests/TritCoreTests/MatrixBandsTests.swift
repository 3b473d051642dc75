// Tritsmith: matrices cut into bands.

import Testing
import TritCore

@Suite("Bands of a matrix")
struct MatrixBandsTests {
  private static let long = TensorShape.longestRow

  @Test(
    "bands follow each other and hold every element once",
    arguments: [
      [7, 12], [1, 1], [5, 100_000], [3, long], [1, long + 1], [3, 2 * long + 5], [0, 8], [8, 0], [0, 3 * long],
    ])
  func cover(_ dimensions: [Int]) throws {
    let shape = try #require(TensorShape(dimensions))
    for elements in [1 << 18, 1 << 20] {
      var next = 0
      for band in shape.bands(elements: elements) {
        #expect(band.elements.lowerBound == next && !band.elements.isEmpty)
        #expect(band.count == band.rows.count * band.columns.count)
        #expect(band.elements.lowerBound == band.rows.lowerBound * dimensions[1] + band.columns.lowerBound)
        #expect(band.isWhole || band.rows.count == 1)
        // One row, where that alone is more.
        #expect(band.count <= max(elements, shape.hasLongRows ? 0 : dimensions[1]))
        next = band.elements.upperBound
      }
      #expect(next == shape.elementCount)
    }
  }

  @Test("rows that are not long stay whole, as many as fit")
  func whole() throws {
    let shape = try #require(TensorShape(rows: 10, columns: 3000))
    #expect(shape.bands(elements: 12_000).map(\.rows) == [0..<4, 4..<8, 8..<10])
    #expect(shape.bands(elements: 2).map(\.rows) == (0..<10).map { $0..<$0 + 1 })
    #expect(shape.bands(of: 3..<9, elements: 12_000).map(\.rows) == [3..<7, 7..<9])
    #expect(shape.bands(elements: 12_000).allSatisfy { $0.isWhole })
  }

  @Test("long rows are cut, each from its beginning")
  func pieces() throws {
    let columns = Self.long + 3
    let shape = try #require(TensorShape(rows: 2, columns: columns))
    let half = Self.long / 2
    let bands = Array(shape.bands(elements: half))
    let cut = [0..<half, half..<Self.long, Self.long..<columns]
    #expect(bands.map(\.columns) == cut + cut)
    #expect(bands.map(\.rows) == [0..<1, 0..<1, 0..<1, 1..<2, 1..<2, 1..<2])
    #expect(shape.band(bands[1], movedBy: 1) == bands[4])
    #expect(!bands[0].isWhole && shape.band(0..<2).isWhole)
  }

  @Test("shares of bytes add up to about the whole")
  func shares() throws {
    let shape = try #require(TensorShape(rows: 3, columns: 2 * Self.long + 5))
    let bands = shape.bands(elements: 1 << 18)
    let sum = bands.reduce(0) { $0 + shape.byteShare($1, of: 1_000_003) }
    #expect(sum <= 1_000_003 && sum > 1_000_003 - bands.count)
  }

  @Test("a piece of a row has the multipliers of its columns")
  func values() throws {
    let columns = Self.long + 100
    let shape = try #require(TensorShape(rows: 2, columns: columns))
    let band = shape.band(250..<650, ofRow: 1)
    let trits = (0..<400).map { Int8($0 % 3 - 1) }
    func expected(_ multiplier: (Int) -> Float) -> [Float] {
      trits.indices.map { trits[$0] == 0 ? 0 : Float(trits[$0]) * multiplier(250 + $0) }
    }
    func values(_ stored: [Float], _ granularity: ScaleGranularity) -> [Float] {
      TernaryScale(stored: stored, storage: .f32, convention: .multiply, granularity: granularity)
        .grid(columns: columns).values(trits, band)
    }
    #expect(values([0.5], .tensor) == expected { _ in 0.5 })
    #expect(values([0.5, 3], .row) == expected { _ in 3 })
    let perRow = ScaleGranularity.group(columns: 256).groups(columns: columns)
    let scales = (0..<2 * perRow).map { Float($0 + 1) }
    #expect(values(scales, .group(columns: 256)) == expected { Float(perRow + $0 / 256 + 1) })
    // Rows in another order.
    let grid = TernaryScale(stored: [0.5, 3], storage: .f32, convention: .multiply, granularity: .row)
      .grid(columns: columns)
    #expect(grid.values(trits, band) { 1 - $0 } == expected { _ in 0.5 })
  }
}
