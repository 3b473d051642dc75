// Tritsmith: what every layout of the registry must do.

import Testing
import TritCore
import TritKernels
import TritLayouts
import TritTestSupport

@Suite struct LayoutConformanceTests {
  /// Rows and columns around the widths of vectors and of bytes of trits.
  static let sizes: [(rows: Int, columns: Int)] = [
    (1, 1), (1, 3), (1, 5), (3, 1), (4, 1), (4, 5), (5, 4), (5, 127), (8, 128), (12, 129), (16, 31), (128, 3), (127, 2),
    (20, 160), (7, 256), (36, 33), (4, 4), (260, 6),
  ]

  /// Sizes of the table and a few from a seed, without those the layout refuses.
  static func shapes(_ layout: any TernaryLayout) -> [TensorShape] {
    var generator = SeededGenerator(seed: 77)
    let random = (0..<6).map { _ in (rows: Int(generator.next() % 40) + 1, columns: Int(generator.next() % 150) + 1) }
    // Random rows in fours too, or a layout that needs them would see none.
    let fours = random.map { (rows: 4 * ($0.rows / 4 + 1), columns: $0.columns) }
    return (sizes + random + fours).map { shape($0.rows, $0.columns) }.filter { (try? layout.check($0)) != nil }
  }

  @Test(arguments: RegisteredLayout.all)
  func everyRowRangeComesBack(_ registered: RegisteredLayout) {
    let layout = registered.layout
    var generator = SeededGenerator(seed: 1)
    for shape in Self.shapes(layout) {
      let trits = generator.trits(shape.elementCount)
      let bytes = layout.packed(trits, shape, rowsPerBand: shape.rows)
      var ranges = [0..<shape.rows, 0..<0, shape.rows..<shape.rows, shape.rows - 1..<shape.rows]
      for _ in 0..<6 {
        let first = Int(generator.next() % UInt64(shape.rows))
        ranges.append(first..<first + Int(generator.next() % UInt64(shape.rows - first + 1)))
      }
      for kernels in allKernels {
        for rows in ranges {
          let (part, invalid) = layout.unpacked(bytes, rows, shape, with: kernels)
          let expected = Array(trits[rows.lowerBound * shape.columns..<rows.upperBound * shape.columns])
          if part != expected || invalid != 0 {
            Issue.record("\(shape) rows \(rows) with \(kernels.name): \(invalid) invalid codes")
          }
        }
      }
    }
  }

  @Test(arguments: RegisteredLayout.all)
  func bandsOfAnySizeGiveTheSameBytes(_ registered: RegisteredLayout) {
    let layout = registered.layout
    var generator = SeededGenerator(seed: 2)
    for shape in Self.shapes(layout) {
      let trits = generator.trits(shape.elementCount)
      let whole = layout.packed(trits, shape, rowsPerBand: shape.rows)
      #expect(whole.count == layout.byteCount(shape))
      for kernels in allKernels {
        for rowsPerBand in [-1, 0, 1, 2, 3, 5, 8, 64, 100_000] {
          if layout.packed(trits, shape, rowsPerBand: rowsPerBand, with: kernels) != whole {
            Issue.record("\(shape) in bands of \(rowsPerBand) with \(kernels.name)")
          }
        }
      }
    }
  }

  @Test(arguments: RegisteredLayout.all)
  func bandsHoldEveryRowAndByteOnce(_ registered: RegisteredLayout) {
    let layout = registered.layout
    for shape in Self.shapes(layout) {
      for rowsPerBand in [-5, 0, 1, 2, 3, 7, 64, 100_000] {
        let bands = layout.bands(shape, rowsPerBand: rowsPerBand)
        var position = 0
        var rows = [Int](repeating: 0, count: shape.rows)
        for band in bands {
          #expect(band.bytes.lowerBound == position, "\(shape): bands follow each other")
          position = band.bytes.upperBound
          for row in band.rows.joined() { rows[row] += 1 }
          #expect(band.rowCount == band.rows.reduce(0) { $0 + $1.count })
          // "About" rowsPerBand: never more, but that a byte's rows stay together.
          #expect(band.rowCount <= max(4, rowsPerBand), "\(shape) in bands of \(rowsPerBand)")
        }
        #expect(position == layout.byteCount(shape), "\(shape): bands cover all bytes")
        #expect(rows.allSatisfy { $0 == 1 }, "\(shape): each row is in one band")
      }
    }
  }

  @Test(arguments: RegisteredLayout.all)
  func runsAreInRowOrderAndInsideTheStorage(_ registered: RegisteredLayout) {
    let layout = registered.layout
    for shape in Self.shapes(layout) {
      for first in 0..<shape.rows {
        let rows = first..<shape.rows
        let runs = layout.runs(rows, shape)
        #expect(Array(runs.map(\.rows).joined()) == Array(rows), "\(shape) \(rows)")
        #expect(runs.allSatisfy { $0.bytes.lowerBound >= 0 && $0.bytes.upperBound <= layout.byteCount(shape) })
      }
      #expect(layout.runs(0..<0, shape).isEmpty)
    }
  }

  @Test(arguments: RegisteredLayout.all)
  func anIndependentDecoderReadsTheSameTrits(_ registered: RegisteredLayout) {
    let layout = registered.layout
    var generator = SeededGenerator(seed: 3)
    for shape in Self.shapes(layout) {
      let trits = generator.trits(shape.elementCount)
      let bytes = layout.packed(trits, shape, rowsPerBand: 4)
      #expect(NaiveDecoder.trits(layout.id, bytes, shape) == trits, "\(shape)")
    }
  }

  /// Columns past the end are written as trit 0, so that equal matrices are equal files.
  @Test(arguments: RegisteredLayout.all)
  func theSameTritsAlwaysGiveTheSameBytes(_ registered: RegisteredLayout) {
    let layout = registered.layout
    // Odd rows where the layout has them.
    let shape = (try? layout.check(shape(8, 13))) == nil ? shape(8, 48) : shape(8, 13)
    let count = shape.elementCount
    let minus = layout.packed([Int8](repeating: -1, count: count), shape, rowsPerBand: 3)
    let plus = layout.packed([Int8](repeating: 1, count: count), shape, rowsPerBand: 3)
    let zero = layout.packed([Int8](repeating: 0, count: count), shape, rowsPerBand: 3)
    for bytes in [minus, plus, zero] {
      // Rows are all alike, so must their bytes be.
      let rowBytes = bytes.count / (layout.id == HFPacked.id ? 2 : 8)
      for start in stride(from: 0, to: bytes.count, by: rowBytes) {
        #expect(bytes[start..<start + rowBytes] == bytes[..<rowBytes])
      }
    }
  }

  /// Random bytes hold codes no packer writes; every one of them is counted, once.
  @Test(arguments: RegisteredLayout.all)
  func invalidCodesAreCounted(_ registered: RegisteredLayout) {
    let layout = registered.layout
    var generator = SeededGenerator(seed: 4)
    for shape in Self.shapes(layout) {
      let bytes = generator.bytes(layout.byteCount(shape))
      let half = shape.rows / 2
      for rows in [0..<shape.rows, half..<shape.rows] {
        var expected = 0
        if layout.id == SplitRow.base3ID {
          // Five trits to a byte: one above 242 is one fault.
          let length = (shape.columns + 4) / 5
          expected = bytes[rows.lowerBound * length..<rows.upperBound * length].count { $0 > 242 }
        } else {
          for row in rows {
            for column in 0..<shape.columns where NaiveDecoder.code(layout.id, bytes, row, column, shape) == 3 {
              expected += 1
            }
          }
        }
        for kernels in allKernels {
          let found = layout.unpacked(bytes, rows, shape, with: kernels).invalid
          #expect(found == expected, "\(shape) rows \(rows) with \(kernels.name)")
        }
      }
    }
  }

  @Test(arguments: RegisteredLayout.all)
  func emptyMatricesHaveNoBytes(_ registered: RegisteredLayout) throws {
    let layout = registered.layout
    let columns = (try? layout.check(shape(4, 5))) == nil ? 16 : 5
    for shape in [shape(0, columns), shape(4, 0), shape(0, 0)] {
      try layout.check(shape)
      #expect(layout.byteCount(shape) == 0)
      #expect(layout.packed([], shape, rowsPerBand: 2).isEmpty)
      #expect(layout.unpacked([], 0..<shape.rows, shape).trits.isEmpty)
    }
  }

  @Test(arguments: RegisteredLayout.all)
  func onlyMatricesAreStored(_ registered: RegisteredLayout) throws {
    for dimensions in [[], [8], [4, 4, 4]] {
      let shape = try #require(TensorShape(dimensions))
      #expect(throws: LayoutError(.notAMatrix(rank: dimensions.count), layout: registered.layout.id)) {
        try registered.layout.check(shape)
      }
    }
  }

  /// Sizes as large as a shape can be must not trap.
  @Test(arguments: RegisteredLayout.all)
  func hugeShapesAreCountedOrRefused(_ registered: RegisteredLayout) {
    let layout = registered.layout
    for (rows, columns) in [(4, Int.max / 4), (Int.max / 4 * 4, 1), (1 << 31, 1 << 31), (Int.max, 0), (0, Int.max)] {
      let shape = shape(rows, columns)
      guard (try? layout.check(shape)) != nil else { continue }
      let bytes = layout.byteCount(shape)
      #expect(bytes >= 0 && bytes >= shape.elementCount / 5 && bytes <= shape.elementCount, "\(shape)")
    }
  }

  @Test func identifiersAreUnique() {
    let ids = LayoutRegistry.all.map(\.id)
    #expect(Set(ids).count == ids.count)
    for layout in LayoutRegistry.all {
      #expect(LayoutRegistry.layout(layout.id)?.id == layout.id)
      #expect(!layout.summary.isEmpty)
    }
    #expect(LayoutRegistry.layout(LayoutID(rawValue: "HF-PACKED")) == nil)
    #expect(LayoutRegistry.layout(LayoutID(rawValue: "")) == nil)
  }
}
