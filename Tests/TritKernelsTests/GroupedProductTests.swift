// Tritsmith tests: products with scales for groups of columns, against their definition and against mathematics.

import Testing
import TritCore
import TritTestSupport

@testable import TritKernels

@Suite("Products with scales of groups")
struct GroupedProductTests {
  static let native = InferenceEngine.kernelNames.filter { $0 != "scalar" }

  struct Rows: TritRows {
    var trits: [Int8]
    var columns: Int

    func read(_ rows: Range<Int>, into output: inout MutableSpan<Int8>) throws {
      for (index, place) in (rows.lowerBound * columns..<rows.upperBound * columns).enumerated() {
        output[index] = trits[place]
      }
    }
  }

  /// A matrix with its trits and multipliers in the open.
  struct Sample {
    var rows: Int
    var columns: Int
    var trits: [Int8]
    var grid: MultiplierGrid
    var matrix: GroupedMatrix

    init(
      _ rows: Int, _ columns: Int, _ granularity: ScaleGranularity, isHalf: Bool, _ generator: inout SeededGenerator
    ) throws {
      (self.rows, self.columns) = (rows, columns)
      let trits = (0..<rows * columns).map { _ in Int8(generator.next() % 3) - 1 }
      let stored = (0..<granularity.count(rows: rows, columns: columns)).map { _ in
        // Quarters below 1 in thousandths: exact in F16 or far from it.
        Float(generator.next() % 1024 + 1) / (isHalf ? 4096 : 4097)
      }
      self.trits = trits
      let grid = MultiplierGrid(
        TernaryScale(stored: stored, storage: .f32, convention: .multiply, granularity: granularity), columns: columns)
      self.grid = grid
      matrix = try GroupedMatrix(
        Rows(trits: trits, columns: columns), rows: rows, columns: columns, granularity, grid, Parallelism(threads: 2))
    }

    func weight(_ row: Int, _ column: Int) -> Float {
      Float(trits[row * columns + column]) * grid.multiplier(row: row, column: column)
    }
  }

  static let granularities: [ScaleGranularity] = [
    .tensor, .row, .group(columns: 32), .group(columns: 64), .group(columns: 96), .group(columns: 128),
    .group(columns: 256), .group(columns: 4096),
  ]
  static let widths = [1, 7, 31, 32, 33, 64, 100, 127, 128, 129, 192, 256, 320, 1000, 1024, 1025, 2048, 2304]

  @Test("groups that products can take are those that end between runs of 32 columns")
  func shapes() {
    for size in 1...300 {
      let holds = GroupedMatrix.holds(.group(columns: size), columns: 300)
      #expect(holds == (size % 32 == 0 || size >= 300), "\(size)")
    }
    #expect(GroupedMatrix.holds(.group(columns: .max), columns: 300))
    #expect(GroupedMatrix.holds(.row, columns: 5) && GroupedMatrix.holds(.tensor, columns: 5))
  }

  @Test("rows come back as trit times scale", arguments: [true, false])
  func rows(_ isHalf: Bool) throws {
    var generator = SeededGenerator(seed: 21)
    let engine = try #require(InferenceEngine(threads: 1, kernelsNamed: InferenceEngine.kernelNames[0]))
    for granularity in Self.granularities {
      for columns in [5, 33, 128, 321] {
        let sample = try Sample(3, columns, granularity, isHalf: isHalf, &generator)
        for row in 0..<3 {
          // A trit of 0 is +0 in both.
          #expect(sample.matrix.row(row, engine).map { $0 + 0 } == (0..<columns).map { sample.weight(row, $0) + 0 })
        }
        // Two bits a weight in whole blocks of sixteen rows, two or four bytes a scale.
        let blocks = (columns + 127) / 128
        #expect(
          sample.matrix.byteCount
            == 16 * blocks * (32 + (isHalf ? 2 : 4) * 128 / sample.matrix.shape.groupColumns))
      }
    }
  }

  @Test("every implementation gives the bits of the definition", arguments: native)
  func definition(_ name: String) throws {
    let native = try #require(InferenceEngine.allKernels.first { $0.name == name })
    var generator = SeededGenerator(seed: 22)
    for granularity in Self.granularities {
      for columns in Self.widths {
        // Many tokens are taken with sixteen rows at once, in tiles of six tokens and blocks of more.
        let wide = [128, 129, 1024, 1025, 2304].contains(columns) ? [(16, 6), (35, 13), (17, 98)] : []
        for isHalf in [true, false] {
          for (rows, tokens) in [(3, 1), (3, 2), (3, 3)] + wide {
            let sample = try Sample(rows, columns, granularity, isHalf: isHalf, &generator)
            let shape = sample.matrix.shape
            let stride = shape.blocks * GroupedShape.blockColumns
            var q = [Int8](repeating: 0, count: tokens * stride)
            for token in 0..<tokens {
              // The largest magnitudes everywhere in some rows: narrow accumulators must not overflow.
              for column in 0..<columns {
                q[token * stride + column] = token == 2 ? -128 : Int8(truncatingIfNeeded: generator.next())
              }
            }
            let sums = (0..<tokens * shape.groups).map { _ in
              Int32(truncatingIfNeeded: generator.next() % 8192) - 4096
            }
            let units = generator.floats(tokens * shape.groups)
            func run(_ kernels: any InferenceKernels) -> [UInt32] {
              var y = [Float](repeating: 9, count: rows * tokens + 1)
              sample.matrix.withPointers { matrix in
                let input = GroupedInput(values: q, stride: stride, sums: sums, units: units, groups: shape.groups)
                kernels.groupedDot(
                  matrix.codes, rows: rows, shape, matrix.scales, input, tokens: 0..<tokens, into: &y, yStride: rows)
              }
              return y.map(\.bitPattern)
            }
            #expect(
              run(native) == run(ScalarInference()), "\(granularity), \(rows) × \(columns), \(tokens) tokens")
          }
        }
      }
    }
  }

  @Test("products are those of mathematics, whatever kernels, threads and number of tokens")
  func mathematics() throws {
    var generator = SeededGenerator(seed: 23)
    for (rows, columns) in [(1, 5), (5, 130), (9, 512), (12, 1100), (35, 200)] {
      for granularity in Self.granularities {
        let sample = try Sample(rows, columns, granularity, isHalf: true, &generator)
        let bias = generator.floats(rows)
        for tokens in rows == 9 ? [17] : rows == 35 ? [7] : [1, 2, 5] {
          let x = (0..<tokens * columns).map { _ in Float.random(in: -2...2, using: &generator) }
          var results: Set<[UInt32]> = []
          for name in InferenceEngine.kernelNames {
            for threads in 1...3 {
              let engine = try #require(InferenceEngine(threads: threads, kernelsNamed: name))
              var output: [UInt32] = []
              for units in [GroupedRows.Units.group, .token] {
                var quantized = GroupedRows()
                engine.quantize(x, rows: 0..<tokens, for: sample.matrix.shape, units, into: &quantized)
                var y = [Float](repeating: .nan, count: tokens * rows)
                engine.groupedProduct(sample.matrix, quantized, bias: bias, into: &y)
                output += y.map(\.bitPattern)
              }
              var y = [Float](repeating: .nan, count: tokens * rows)
              engine.widenedProduct(sample.matrix, x, tokens: 0..<tokens, bias: bias, into: &y)
              output += y.map(\.bitPattern)
              results.insert(output)
            }
          }
          #expect(results.count == 1, "\(rows) × \(columns), \(granularity), \(tokens) tokens")
          let output = try #require(results.first).map { Float(bitPattern: $0) }
          for token in 0..<tokens {
            let input = Array(x[token * columns..<(token + 1) * columns])
            let width = sample.matrix.shape.groupColumns
            for row in 0..<rows {
              func sum(_ value: (Int) -> Double) -> (Double, size: Double) {
                var (sum, size) = (Double(bias[row]), abs(Double(bias[row])))
                for column in 0..<columns {
                  let term = Double(sample.weight(row, column)) * value(column)
                  sum += term
                  size += abs(term)
                }
                return (sum, size)
              }
              /// int8 and back, of the columns that share a scale.
              func rounded(_ column: Int, _ range: Range<Int>) -> Double {
                let largest = input[range].reduce(Float(1e-5)) { max($0, $1.magnitude) }
                let scale = (1 / largest) * 127
                return Double((input[column] * scale).rounded(.toNearestOrEven)) / Double(scale)
              }
              let place = token * rows + row
              let plain = sum { Double(input[$0]) }
              let group = sum { column in
                let start = column / width * width
                return rounded(column, start..<min(columns, start + width))
              }
              let whole = sum { rounded($0, 0..<columns) }
              // Float sums of a few hundred terms: their rounding, relative to the sum of magnitudes.
              for (index, expected) in [group, whole, plain].enumerated() {
                let found = Double(output[index * tokens * rows + place])
                #expect(abs(found - expected.0) <= 1e-5 * expected.size + 1e-12, "\(granularity) \(index)")
              }
            }
          }
        }
      }
    }
  }

  @Test("a product in Float is that of dense weights of the same numbers, bit for bit")
  func dense() throws {
    var generator = SeededGenerator(seed: 24)
    for columns in [33, 256, 1030] {
      let sample = try Sample(11, columns, .group(columns: 64), isHalf: true, &generator)
      let bytes = (0..<11 * columns).flatMap {
        LittleEndian.bytes(HalfFloat(sample.weight($0 / columns, $0 % columns)).bits)
      }
      let x = generator.floats(4 * columns)
      for name in InferenceEngine.kernelNames {
        let engine = try #require(InferenceEngine(threads: 2, kernelsNamed: name))
        var (packed, dense) = ([Float](repeating: 9, count: 33), [Float](repeating: 9, count: 33))
        engine.widenedProduct(sample.matrix, x, tokens: 1..<4, into: &packed)
        engine.floatProduct(bytes.span.bytes, .f16, rows: 11, columns: columns, x, tokens: 1..<4, into: &dense)
        #expect(packed.map(\.bitPattern) == dense.map(\.bitPattern))
      }
    }
  }

  @Test("what is no number comes out as none, and products run together are those run one by one")
  func together() throws {
    var generator = SeededGenerator(seed: 25)
    let samples = try [70, 3, 40].map { rows in
      try Sample(rows, 640, .group(columns: 128), isHalf: rows != 3, &generator)
    }
    var x = generator.floats(2 * 640)
    x[700] = .infinity
    for threads in 1...3 {
      let engine = try #require(InferenceEngine(threads: threads, kernelsNamed: InferenceEngine.kernelNames[0]))
      var quantized = GroupedRows()
      engine.quantize(x, rows: 0..<2, for: samples[0].matrix.shape, .group, into: &quantized)
      let alone = samples.map { sample -> [UInt32] in
        var y = [Float](repeating: 9, count: 2 * sample.rows)
        engine.groupedProduct(sample.matrix, quantized, into: &y)
        #expect(y[..<sample.rows].allSatisfy(\.isFinite) && y[sample.rows...].allSatisfy(\.isNaN))
        return y.map(\.bitPattern)
      }
      var u = [Float](repeating: 9, count: 140)
      var v = [Float](repeating: 9, count: 6)
      var w = [Float](repeating: 9, count: 80)
      engine.groupedProducts(
        (samples[0].matrix, nil), (samples[1].matrix, nil), (samples[2].matrix, nil), quantized, into: &u, &v, &w)
      #expect([u, v, w].map { $0.map(\.bitPattern) } == alone, "\(threads) threads")
      engine.groupedProducts((samples[1].matrix, nil), (samples[2].matrix, nil), quantized, into: &v, &w)
      #expect([v, w].map { $0.map(\.bitPattern) } == Array(alone[1...]), "\(threads) threads")
    }
  }
}
