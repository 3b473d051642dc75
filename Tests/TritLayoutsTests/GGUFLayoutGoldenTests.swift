// Tritsmith: ternary layouts of GGUF files against bytes made by the original programs.

import Testing
import TritCore
import TritFormats
import TritKernels
import TritTestSupport

@testable import TritLayouts

/// A golden file: named cases, each with a matrix and its bytes.
struct GoldenCases {
  let source: SafetensorsSource

  init(_ file: String) throws {
    source = try SafetensorsSource(path: Fixtures.golden(file))
  }

  var names: [String] {
    Set(source.manifest.tensors.compactMap { $0.name.split(separator: ".").first.map(String.init) }).sorted()
  }

  func bytes(_ name: String) throws -> [UInt8]? {
    guard let tensor = source.manifest.tensor(named: name) else { return nil }
    return try source.withBytes(0..<tensor.location.byteCount, of: tensor) { span in
      (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
    }
  }

  func floats(_ name: String) throws -> (values: [Float], shape: TensorShape) {
    let tensor = try #require(source.manifest.tensor(named: name))
    let bytes = try #require(try bytes(name))
    let values = stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
    }
    return (values, tensor.shape)
  }
}

/// Packs with scales, as the converter does.
func packed(
  _ layout: any TernaryLayout, _ trits: [Int8], _ shape: TensorShape, _ scale: TernaryScale, rowsPerBand: Int = 1000,
  kernels: any Kernels = ScalarKernels()
) -> [UInt8] {
  var result = [UInt8](repeating: 0xEE, count: layout.byteCount(shape))
  for band in layout.bands(shape, rowsPerBand: rowsPerBand) {
    let stacked = band.rows.flatMap { trits[$0.lowerBound * shape.columns..<$0.upperBound * shape.columns] }
    var bytes = [UInt8](repeating: 0xDD, count: band.bytes.count)
    var output = bytes.mutableSpan
    layout.pack(stacked.span, band, shape, with: kernels, into: &output)
    layout.embed(scale, band, shape, into: &output)
    result.replaceSubrange(band.bytes, with: bytes)
  }
  return result
}

/// Unpacks a range of rows.
func unpacked(
  _ layout: any TernaryLayout, _ bytes: [UInt8], _ rows: Range<Int>, _ shape: TensorShape,
  kernels: any Kernels = ScalarKernels()
) -> (trits: [Int8], invalid: Int) {
  var trits = [Int8](repeating: 7, count: rows.count * shape.columns)
  var invalid = 0
  for run in layout.runs(rows, shape) {
    var output = trits.mutableSpan
    let start = (run.rows.lowerBound - rows.lowerBound) * shape.columns
    invalid += layout.unpack(
      Array(bytes[run.bytes]).span.bytes, run, shape, with: kernels, into: &output, at: start)
  }
  return (trits, invalid)
}

/// The largest magnitudes of runs of `size` values.
private func peaks(_ values: [Float], _ size: Int) -> [Float] {
  stride(from: 0, to: values.count, by: size).map { start in
    values[start..<min(start + size, values.count)].reduce(0) { max($0, abs($1)) }
  }
}

@Suite("GGUF layouts: golden bytes")
struct GGUFLayoutGoldenTests {
  @Test("TQ1_0 and TQ2_0 equal gguf-py byte for byte", arguments: ["TQ1_0", "TQ2_0"])
  func tq(_ name: String) throws {
    let golden = try GoldenCases("tq_blocks.safetensors")
    let layout = try #require(LayoutRegistry.layout(LayoutID(rawValue: name)))
    #expect(golden.names.count == 13)
    for item in golden.names {
      let (values, shape) = try golden.floats(item + ".x")
      let scales = peaks(values, 256)
      let trits = values.indices.map { index -> Int8 in
        let scale = scales[index / 256]
        let inverse = scale == 0 ? 0 : 1 / scale
        return Int8((values[index] * inverse).rounded(.toNearestOrAwayFromZero))
      }
      let scale = TernaryScale(
        stored: scales, storage: .f16, convention: .multiply, granularity: .group(columns: 256))
      let expected = try #require(try golden.bytes("\(item).\(name)"))
      #expect(packed(layout, trits, shape, scale) == expected, "\(item)")
      // Reading back: trit × scale is what gguf-py dequantizes to.
      let (read, invalid) = unpacked(layout, expected, 0..<shape.rows, shape)
      #expect(invalid == 0)
      let dequantized = try golden.floats("\(item).\(name).dequant").values
      for index in read.indices {
        let multiplier = layout.readScale(index / 256, shape, from: expected.span.bytes, at: 0)
        let value = read[index] == 0 ? 0 : Float(read[index]) * multiplier
        #expect(value == dequantized[index] || dequantized[index].isNaN, "\(item) \(index)")
      }
    }
  }

  @Test("I2_S equals the compiled originals in all three orders", arguments: I2SOrder.allCases)
  func i2s(_ order: I2SOrder) throws {
    let golden = try GoldenCases("i2s.safetensors")
    let layout = I2S(order)
    var checked = 0
    for item in golden.names {
      guard let expected = try golden.bytes("\(item).\(order.rawValue)") else { continue }
      let (values, shape) = try golden.floats(item + ".x")
      if item == "unaligned_tail" {
        // The original drops what is left after the last whole run: refused, because it cannot be read back.
        #expect(throws: LayoutError.self) { try layout.check(shape) }
        continue
      }
      // The original compares with the double 1e-6.
      let trits = values.map { Double(abs($0)) < 1e-6 ? Int8(0) : $0 < 0 ? -1 : 1 }
      let scale = TernaryScale(stored: peaks(values, values.count)[0], storage: .f32, convention: .multiply)
      #expect(packed(layout, trits, shape, scale, rowsPerBand: 5) == expected, "\(item)")
      #expect(unpacked(layout, expected, 0..<shape.rows, shape) == (trits, 0), "\(item)")
      checked += 1
    }
    #expect(checked == (order == .rows4 ? 7 : 8))
  }

  @Test("IQ2_BN, IQ1_BN and IQ2_BN_R4 equal the compiled original", arguments: ["IQ2_BN", "IQ1_BN", "IQ2_BN_R4"])
  func iq(_ name: String) throws {
    let golden = try GoldenCases("iq_bn.safetensors")
    let layout = try #require(LayoutRegistry.layout(LayoutID(rawValue: name)))
    for item in golden.names {
      let (values, shape) = try golden.floats(item + ".x")
      let rowPeaks = peaks(values, shape.columns)
      var trits = values.indices.map { index -> Int8 in
        abs(values[index]) < rowPeaks[index / shape.columns] / 2 ? 0 : values[index] < 0 ? -1 : 1
      }
      let scale = TernaryScale(stored: rowPeaks, storage: .f32, convention: .multiply, granularity: .row)
      let expected = try #require(try golden.bytes("\(item).\(name)"))
      #expect(packed(layout, trits, shape, scale) == expected, "\(item)")
      // A row of zeros has scale 0 and codes of +1; it reads as what it means.
      for index in trits.indices where rowPeaks[index / shape.columns] == 0 { trits[index] = 0 }
      #expect(unpacked(layout, expected, 0..<shape.rows, shape) == (trits, 0), "\(item)")
    }
  }

  @Test("Q8_0 follows the published rule and reads back exactly")
  func q8() {
    let values = (0..<64).map { Float($0 * $0 % 97 - 48) / 7 }
    let bytes = Q8_0.encode(values)
    #expect(bytes.count == 68)
    let read = Q8_0.decode(bytes.span.bytes)
    let worst = zip(values, read).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
    #expect(worst <= 48 / 7 / 127)
    #expect(Q8_0.encode([Float](repeating: 0, count: 32)) == [UInt8](repeating: 0, count: 34))
  }
}
