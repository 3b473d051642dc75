// Tritsmith: layouts with a scale for each 64 or 128 weights, against bytes made by other programs.

import Testing
import TritCore
import TritKernels
import TritTestSupport

@testable import TritLayouts

@Suite("Grouped layouts: golden bytes")
struct GroupedLayoutTests {
  private static let golden = GoldenVectors(Fixtures.golden("grouped.safetensors"))

  private func matrix(_ item: String) throws -> (trits: [Int8], shape: TensorShape, scale: TernaryScale) {
    let (trits, scales) = (Self.golden[item + ".trits"], Self.golden[item + ".scales"])
    let shape = try #require(TensorShape(trits.shape))
    let stored = scales.u16.map { HalfFloat(bits: $0).float }
    let size = shape.columns / scales.shape[1]
    return (
      trits.i8, shape,
      TernaryScale(stored: stored, storage: .f16, convention: .multiply, granularity: .group(columns: size))
    )
  }

  /// `q2_0_g64` is what the C routine of ggml makes of the values; the blocks of 128 are those of another program.
  @Test(
    "packing gives the bytes of the original encoders, reading gives the trits back",
    arguments: [("q2_0_g64", Q2_0(.of64) as any TernaryLayout), ("q2_0_g128", Q2_0(.of128)), ("ptq1_0", PTQ1_0())])
  func bytes(_ field: String, _ layout: any TernaryLayout) throws {
    var checked = 0
    for item in Self.golden.cases where Self.golden.contains("\(item).\(field)") {
      guard Self.golden.contains(item + ".trits") else { continue }
      let expected = Self.golden["\(item).\(field)"].bytes
      let (trits, shape, scale) = try matrix(item)
      try layout.check(shape)
      #expect(expected.count == layout.byteCount(shape))
      for kernels in allKernels {
        for rowsPerBand in [1, 3, 1000] {
          #expect(
            packed(layout, trits, shape, scale, rowsPerBand: rowsPerBand, kernels: kernels) == expected, "\(item)")
        }
        #expect(unpacked(layout, expected, 0..<shape.rows, shape, kernels: kernels) == (trits, 0), "\(item)")
      }
      // trit × scale is the value the other program stores as F16, to the bit.
      let grid = embedded(layout, expected, shape).grid(columns: shape.columns)
      guard Self.golden.contains(item + ".values") else { continue }
      let values = Self.golden[item + ".values"].u16.map { HalfFloat(bits: $0).float }
      #expect(grid.values(trits, firstRow: 0) == values, "\(item)")
      checked += 1
    }
    #expect(checked == ["q2_0_g64": 12, "q2_0_g128": 7, "ptq1_0": 7][field])
  }

  /// The scales among the codes, read one by one.
  private func embedded(_ layout: any TernaryLayout, _ bytes: [UInt8], _ shape: TensorShape) -> TernaryScale {
    let granularity = layout.embeddedScale?.granularity ?? .tensor
    let count = granularity.count(rows: shape.rows, columns: shape.columns)
    return TernaryScale(
      stored: (0..<count).map { layout.readScale($0, shape, from: bytes.span.bytes, at: 0) }, storage: .f16,
      convention: .multiply, granularity: granularity)
  }

  @Test("halves of a group that are zero have scale 0 in blocks of 64, and the other half tells the scale")
  func zeroHalves() throws {
    for item in ["g128_zero_halves", "g128_mixed", "g128_zero_groups"] {
      let (_, shape, scale) = try matrix(item)
      let halves = embedded(Q2_0(.of64), Self.golden[item + ".q2_0_g64"].bytes, shape)
      #expect(halves.stored.contains(0))
      let joined = halves.coarsest(rows: shape.rows, columns: shape.columns)
      #expect(joined == scale.coarsest(rows: shape.rows, columns: shape.columns), "\(item)")
    }
    let (_, shape, scale) = try matrix("g64_unequal_halves")
    #expect(scale.coarsest(rows: shape.rows, columns: shape.columns).granularity == .group(columns: 64))
  }

  @Test("code 3 is counted and reads as no trit", arguments: [("g64_code3", 64), ("g128_code3", 128)])
  func codeThree(_ item: String, _ size: Int) throws {
    let layout = Q2_0(size == 64 ? .of64 : .of128)
    let codes = Self.golden[item + ".codes"]
    let shape = try #require(TensorShape(codes.shape))
    let bytes = Self.golden[item + (size == 64 ? ".q2_0_g64" : ".q2_0_g128")].bytes
    let expected = codes.bytes.count { $0 == 3 }
    #expect(expected > 0)
    let (read, invalid) = unpacked(layout, bytes, 0..<shape.rows, shape)
    #expect(invalid == expected)
    #expect(read == codes.bytes.map { Int8($0) - 1 })
  }

  @Test("every five digits of PTQ1_0 read as what they were made of; bytes no digits map to are counted")
  func baseThree() throws {
    let digits = try matrix("ptq1_0_all_digits")
    let bytes = Self.golden["ptq1_0_all_digits.ptq1_0"].bytes
    #expect(unpacked(PTQ1_0(), bytes, 0..<digits.shape.rows, digits.shape) == (digits.trits, 0))
    let damaged = Self.golden["ptq1_0_invalid.ptq1_0"].bytes
    let shape = try #require(TensorShape(rows: 2, columns: 128))
    #expect(unpacked(PTQ1_0(), damaged, 0..<2, shape).invalid == 2)
    // Which bytes they are, as the other program lists them.
    let unused = Set(Self.golden["ptq1_0_invalid.never_used"].bytes)
    let fours = Set(Self.golden["ptq1_0_invalid.used_in_last_two"].bytes)
    let one = try #require(TensorShape(rows: 1, columns: 128))
    for byte in UInt8.min...UInt8.max {
      for place in [0, 15, 16, 23, 24, 25] {
        var block = [UInt8](repeating: 0x80, count: 24) + [0x7F, 0x7F, 0x00, 0x3C]
        block[place] = byte
        let isValid = place < 24 ? !unused.contains(byte) : fours.contains(byte)
        #expect(unpacked(PTQ1_0(), block, 0..<1, one).invalid == (isValid ? 0 : 1), "byte \(byte) at \(place)")
      }
    }
  }

  /// The vectors of the format description: t_j = (7j mod 3) − 1, scale 0.5.
  @Test("the published vectors")
  func vectors() throws {
    let trits = (0..<128).map { Int8(7 * $0 % 3) - 1 }
    let shape = try #require(TensorShape(rows: 1, columns: 128))
    let scale = TernaryScale(stored: 0.5, storage: .f16, convention: .multiply)
    func hex(_ layout: any TernaryLayout) -> String {
      packed(layout, trits, shape, scale).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    #expect(hex(PTQ1_0()) == "3194bb3194bb3194bb3194bb3194bb31cf456ccf456ccf45436c0038")
    #expect(hex(Q2_0(.of128)) == "00382449922449922449922449922449922449922449922449922449922449922449")
    #expect(
      hex(Q2_0(.of64)) == "003824499224499224499224499224499224" + "003849922449922449922449922449922449")
  }

  @Test("whatever a scale is, codes are read as they stand")
  func oddScales() throws {
    let shape = try #require(TensorShape(rows: 1, columns: 128))
    // NaN, the infinities, and both zeros: `check` names a scale of 0 over trits that are not.
    for bits in [[0x00, 0x7E], [0x00, 0x7C], [0x00, 0xFC], [0x00, 0x00], [0x00, 0x80]] as [[UInt8]] {
      let block = bits + [UInt8](repeating: 0xAA, count: 32)
      #expect(unpacked(Q2_0(.of128), block, 0..<1, shape) == ([Int8](repeating: 1, count: 128), 0))
    }
  }
}
