// Tritsmith: layouts against bytes of other programs and bytes worked out by hand.

import Testing
import TritCore
import TritKernels
import TritLayouts
import TritTestSupport

/// transformers `pack_weights` and `unpack_weights`.
@Suite struct HFPackedVectorTests {
  static let golden = GoldenVectors(Fixtures.golden("hf_packing.safetensors"))
  static let matrices = golden.cases.filter { $0.hasPrefix("rows") }

  @Test func theFixtureHasBothKindsOfRowCounts() {
    let rows = Self.matrices.map { Self.golden[$0 + ".ternary"].shape[0] }
    #expect(rows.count { $0 % 4 == 0 } >= 4)
    #expect(rows.count { $0 % 4 != 0 } >= 10)
  }

  @Test(arguments: matrices)
  func packsLikeTransformers(_ name: String) throws {
    let ternary = Self.golden[name + ".ternary"]
    let (rows, columns) = (ternary.shape[0], ternary.shape[1])
    let layout = HFPacked()
    let shape = shape(rows, columns)
    guard rows % 4 == 0 else {
      // The row count would not be in the file, and BitLinear could not load it.
      #expect(throws: LayoutError(.rowsNotMultiple(rows: rows, of: 4), layout: layout.id)) { try layout.check(shape) }
      return
    }
    try layout.check(shape)
    for kernels in allKernels {
      for rowsPerBand in [1, 4, 8, rows] {
        let bytes = layout.packed(ternary.i8, shape, rowsPerBand: rowsPerBand, with: kernels)
        #expect(bytes == Self.golden[name + ".packed"].bytes, "bands of \(rowsPerBand) with \(kernels.name)")
      }
    }
  }

  /// What their packer makes of any row count is readable; rows past the end come out as −1, as theirs do.
  @Test(arguments: matrices)
  func unpacksLikeTransformers(_ name: String) {
    let unpacked = Self.golden[name + ".unpacked"]
    let shape = shape(unpacked.shape[0], unpacked.shape[1])
    for kernels in allKernels {
      let (trits, invalid) = HFPacked().unpacked(
        Self.golden[name + ".packed"].bytes, 0..<shape.rows, shape, with: kernels)
      #expect(trits == unpacked.i8, "\(kernels.name)")
      #expect(invalid == 0)
    }
  }

  @Test func everyByteUnpacksLikeTransformers() {
    let bytes = Self.golden["allbytes.packed"].bytes
    #expect(Set(bytes).count == 256)
    for kernels in allKernels {
      let (trits, invalid) = HFPacked().unpacked(bytes, 0..<4, shape(4, 256), with: kernels)
      // Code 3 is +2 in their result; it means nothing in ours, but it is counted: 64 bytes in each of four places.
      let expected = Self.golden["allbytes.unpacked"].i8
      #expect(trits.count == expected.count)
      #expect(zip(trits, expected).allSatisfy { $1 == 2 || $0 == $1 })
      #expect(invalid == 256)
      #expect(invalid == expected.count { $0 == 2 })
    }
  }

  @Test(arguments: golden.cases.filter { $0.hasPrefix("vector") })
  func vectorsAreRefused(_ name: String) throws {
    let shape = try #require(TensorShape(Self.golden[name + ".ternary"].shape))
    #expect(throws: LayoutError(.notAMatrix(rank: 1), layout: HFPacked.id)) { try HFPacked().check(shape) }
  }
}

/// Bytes of TritPack's layouts worked out by hand from
///
///     two-bit   S = ⌈columns/4⌉:  byte m = Σ code(m + k·S) · 4^k
///     base3     S = ⌈columns/5⌉:  byte m = Σ code(m + k·S) · 3^k        code = trit + 1, 1 past the end
@Suite struct SplitRowVectorTests {
  struct Vector: Sendable, CustomTestStringConvertible {
    var radix: SplitRow.Radix
    var rows: Int
    var trits: [Int8]
    var bytes: [UInt8]
    var testDescription: String { "\(radix) \(rows) × \(trits.count / rows)" }
  }

  static let vectors: [Vector] = [
    // One column: the code, and 1 in all other places.
    Vector(radix: .twoBit, rows: 3, trits: [-1, 0, 1], bytes: [0x54, 0x55, 0x56]),
    Vector(radix: .base3, rows: 3, trits: [-1, 0, 1], bytes: [120, 121, 122]),
    // Full bytes: all −1, all 0, all +1.
    Vector(radix: .twoBit, rows: 3, trits: [-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1], bytes: [0x00, 0x55, 0xAA]),
    Vector(
      radix: .base3, rows: 3, trits: [-1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1], bytes: [0, 121, 242]),
    // One place at a time: 4^k and 3^k above all −1.
    Vector(
      radix: .twoBit, rows: 4, trits: [0, -1, -1, -1, -1, 0, -1, -1, -1, -1, 0, -1, -1, -1, -1, 0],
      bytes: [1, 4, 16, 64]),
    Vector(
      radix: .base3, rows: 5,
      trits: [0, -1, -1, -1, -1, -1, 0, -1, -1, -1, -1, -1, 0, -1, -1, -1, -1, -1, 0, -1, -1, -1, -1, -1, 0],
      bytes: [1, 3, 9, 27, 81]),
    // Five columns, S = 2: columns 0,1 | 2,3 | 4,– | –,–. Codes 2 1 0 2 1.
    //   byte 0 = 2 + 4·0 + 16·1 + 64·1 = 82, byte 1 = 1 + 4·2 + 16·1 + 64·1 = 89
    Vector(radix: .twoBit, rows: 1, trits: [1, 0, -1, 1, 0], bytes: [82, 89]),
    // Seven columns, S = 2: 0,1 | 2,3 | 4,5 | 6,– | –,–. Codes 2 2 0 1 2 0 1.
    //   byte 0 = 2 + 3·0 + 9·2 + 27·1 + 81·1 = 128, byte 1 = 2 + 3·1 + 9·0 + 27·1 + 81·1 = 113
    Vector(radix: .base3, rows: 1, trits: [1, 1, -1, 0, 1, -1, 0], bytes: [128, 113]),
    // Six columns, S = 2, five parts: the last two are all padding. Codes 0 1 2 0 1 2.
    //   byte 0 = 0 + 3·2 + 9·1 + 27 + 81 = 123, byte 1 = 1 + 3·0 + 9·2 + 27 + 81 = 127
    Vector(radix: .base3, rows: 1, trits: [-1, 0, 1, -1, 0, 1], bytes: [123, 127]),
  ]

  @Test(arguments: vectors)
  func packsAndUnpacks(_ vector: Vector) {
    let layout = SplitRow(vector.radix)
    let shape = shape(vector.rows, vector.trits.count / vector.rows)
    for kernels in allKernels {
      #expect(layout.packed(vector.trits, shape, rowsPerBand: 2, with: kernels) == vector.bytes, "\(kernels.name)")
      let (trits, invalid) = layout.unpacked(vector.bytes, 0..<vector.rows, shape, with: kernels)
      #expect(trits == vector.trits, "\(kernels.name)")
      #expect(invalid == 0)
    }
  }

  @Test func sizesFollowTheFormula() {
    let cases = [
      (1, 1, 1), (4, 1, 1), (5, 2, 1), (6, 2, 2), (8, 2, 2), (9, 3, 2), (10, 3, 2), (11, 3, 3), (2560, 640, 512),
    ]
    for (columns, twoBit, base3) in cases {
      #expect(SplitRow(.twoBit).byteCount(shape(3, columns)) == 3 * twoBit, "\(columns) columns")
      #expect(SplitRow(.base3).byteCount(shape(3, columns)) == 3 * base3, "\(columns) columns")
    }
    #expect(HFPacked().byteCount(shape(12, 7)) == 21)
  }
}
