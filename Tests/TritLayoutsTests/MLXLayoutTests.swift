// Tritsmith: trits in words of 32 bits, against words made by mlx.

import Testing
import TritCore
import TritKernels
import TritLayouts
import TritTestSupport

@Suite("MLX: golden words")
struct MLXLayoutTests {
  private static let golden = GoldenVectors(Fixtures.golden("grouped.safetensors"))

  @Test("packing gives the words that mlx dequantizes to the values, reading gives the trits back")
  func words() throws {
    var checked = 0
    for item in Self.golden.cases where Self.golden.contains(item + ".trits") {
      guard Self.golden.contains(item + ".mlx_words") else { continue }
      let (trits, expected) = (Self.golden[item + ".trits"], Self.golden[item + ".mlx_words"].bytes)
      let shape = try #require(TensorShape(trits.shape))
      let layout = MLXTwoBit()
      try layout.check(shape)
      #expect(expected.count == layout.byteCount(shape), "\(item)")
      for kernels in allKernels {
        for rowsPerBand in [1, 3, 1000] {
          #expect(layout.packed(trits.i8, shape, rowsPerBand: rowsPerBand, with: kernels) == expected, "\(item)")
        }
        #expect(layout.unpacked(expected, 0..<shape.rows, shape, with: kernels) == (trits.i8, 0), "\(item)")
      }
      checked += 1
    }
    #expect(checked >= 10)
  }

  @Test("the words of t = (7j mod 3) − 1 as their description gives them")
  func described() throws {
    let trits = (0..<128).map { Int8(7 * $0 % 3) - 1 }
    let words: [UInt32] = [
      0x2492_4924, 0x4924_9249, 0x9249_2492, 0x2492_4924, 0x4924_9249, 0x9249_2492, 0x2492_4924, 0x4924_9249,
    ]
    let bytes = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
    #expect(MLXTwoBit().packed(trits, shape(1, 128), rowsPerBand: 1) == bytes)
  }

  @Test("code 3 is counted", arguments: ["g64_code3", "g128_code3"])
  func codeThree(_ item: String) throws {
    let codes = Self.golden[item + ".codes"]
    let shape = try #require(TensorShape(codes.shape))
    let expected = codes.bytes.count { $0 == 3 }
    #expect(expected > 0)
    let read = MLXTwoBit().unpacked(Self.golden[item + ".mlx_words"].bytes, 0..<shape.rows, shape)
    #expect(read.invalid == expected && read.trits == codes.bytes.map { Int8($0) - 1 })
  }

  @Test("rows that are no whole words are refused")
  func misfit() {
    #expect(throws: LayoutError.self) { try MLXTwoBit().check(shape(2, 24)) }
  }
}
