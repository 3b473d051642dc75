// Tritsmith: properties every layout with embedded scales has.

import Testing
import TritCore
import TritKernels

@testable import TritLayouts

@Suite("GGUF layouts: properties")
struct GGUFLayoutPropertyTests {
  private static var embedded: [any TernaryLayout] { LayoutRegistry.all.filter { $0.embeddedScale != nil } }

  private func trits(_ count: Int, seed: UInt64) -> [Int8] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int8((state >> 33) % 3) - 1
    }
  }

  @Test("bands hold every byte once, unpacking gives back what was packed, for any band size")
  func roundTrip() throws {
    for layout in Self.embedded {
      for (rows, columns) in [(4, 256), (8, 512), (12, 768), (64, 256)] {
        let shape = try #require(TensorShape(rows: rows, columns: columns))
        try layout.check(shape)
        let input = trits(rows * columns, seed: UInt64(rows * columns))
        let scale = TernaryScale(stored: 0.40625, storage: .bf16, convention: .multiply)
        let whole = packed(layout, input, shape, scale)
        for rowsPerBand in [1, 3, 4, 7, 1000] {
          let bands = layout.bands(shape, rowsPerBand: rowsPerBand)
          #expect(bands.first?.bytes.lowerBound == 0 && bands.last?.bytes.upperBound == layout.byteCount(shape))
          #expect(zip(bands, bands.dropFirst()).allSatisfy { $0.bytes.upperBound == $1.bytes.lowerBound })
          #expect(bands.flatMap { $0.rows.flatMap(Array.init) }.sorted() == Array(0..<rows))
          #expect(packed(layout, input, shape, scale, rowsPerBand: rowsPerBand) == whole, "\(layout.id)")
        }
        for range in [0..<rows, 1..<2, rows - 1..<rows, 1..<rows - 1] {
          let (read, invalid) = unpacked(layout, whole, range, shape)
          #expect(invalid == 0)
          #expect(read == Array(input[range.lowerBound * columns..<range.upperBound * columns]), "\(layout.id)")
        }
        if let native = NativeKernels() {
          #expect(packed(layout, input, shape, scale, kernels: native) == whole)
          #expect(unpacked(layout, whole, 0..<rows, shape, kernels: native).trits == input)
        }
        let count = layout.embeddedScale?.granularity.count(rows: rows, columns: columns) ?? 0
        for index in 0..<count {
          #expect(layout.readScale(index, shape, from: whole.span.bytes, at: 0) == 0.40625)
        }
      }
    }
  }

  @Test("I2_S rows that cross runs read back in any range, and are not written")
  func crossingRows() throws {
    let shape = try #require(TensorShape(rows: 8, columns: 80))
    for order in [I2SOrder.group128, .group64] {
      let layout = I2S(order)
      let input = trits(640, seed: 5)
      let scale = TernaryScale(stored: 2, storage: .f32, convention: .multiply)
      let bytes = packed(layout, input, shape, scale)
      for range in [0..<8, 0..<1, 3..<5, 7..<8] {
        let expected = Array(input[range.lowerBound * 80..<range.upperBound * 80])
        #expect(unpacked(layout, bytes, range, shape) == (expected, 0))
      }
      #expect(throws: LayoutError.self) { try layout.checkForWriting(shape) }
      #expect(layout.contiguousRowBytes(shape) == nil)
    }
  }

  @Test("code 3 is counted, and every byte of a base-3 layout decodes to trits")
  func invalidCodes() throws {
    for layout in Self.embedded {
      let shape = try #require(TensorShape(rows: 4, columns: 256))
      let bytes = [UInt8](repeating: 0xFF, count: layout.byteCount(shape))
      let (read, invalid) = unpacked(layout, bytes, 0..<4, shape)
      if ["TQ1_0", "IQ1_BN"].contains(layout.id.rawValue) {
        #expect(invalid == 0 && read.allSatisfy { (-1...1).contains($0) })
      } else if layout.id == PTQ1_0.id {
        // 255 is five digits of 2, and four never have a fifth of 2: two bytes of each of eight blocks.
        #expect(invalid == 16)
      } else {
        #expect(invalid == 1024, "\(layout.id)")
      }
    }
  }

  @Test("every byte that packing makes decodes to the digits it was made of; digits of the other bytes are 0 to 2")
  func scaledBase3() {
    for value in 0..<243 {
      let byte = Int(ScaledBase3.bytes[value])
      let digits = (0..<5).map { Int(ScaledBase3.trits[5 * byte + $0]) + 1 }
      #expect(digits.reduce(0) { 3 * $0 + $1 } == value)
    }
    #expect(ScaledBase3.trits.allSatisfy { (-1...1).contains($0) })
  }

  @Test("shapes that do not fit are refused with the number that is needed")
  func misfits() throws {
    let odd = try #require(TensorShape(rows: 6, columns: 100))
    for layout in Self.embedded where layout.id.rawValue != "I2_S-rows4" {
      #expect(throws: LayoutError.self, "\(layout.id)") { try layout.checkForWriting(odd) }
    }
    #expect(throws: LayoutError.self) { try I2S(.rows4).check(odd) }
    let empty = try #require(TensorShape(rows: 0, columns: 256))
    #expect(throws: LayoutError.self) { try I2S(.group128).check(empty) }
  }
}
