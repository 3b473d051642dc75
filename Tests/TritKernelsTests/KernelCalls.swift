// Tritsmith: kernels called on arrays.

import TritCore
import TritKernels

/// Each operation with arrays in and out, on a slice that begins anywhere, with a margin that must stay untouched.
extension Kernels {
  static var marginMark: UInt8 { 0x5A }

  func summary(_ bytes: [UInt8], from start: Int = 0) -> (sums: [Double], summary: MagnitudeSummary) {
    let count = (bytes.count - start) / 2
    var sums = [Double](repeating: -1, count: (count + sumBlock - 1) / sumBlock)
    var span = sums.mutableSpan
    let summary = summarize(bf16: bytes.span.bytes.extracting(start..<start + 2 * count), blockSums: &span)
    return (sums, summary)
  }

  /// Trits between two margins of `margin` values.
  func quantized(
    _ bytes: [UInt8], from start: Int = 0, _ thresholds: TritThresholds, margin: Int = 0
  ) -> [Int8] {
    let count = (bytes.count - start) / 2
    var trits = [Int8](repeating: 0x5A, count: count + 2 * margin)
    trits.withUnsafeMutableBufferPointer { whole in
      var span = UnsafeMutableBufferPointer(rebasing: whole[margin..<margin + count]).mutableSpan
      quantize(bf16: bytes.span.bytes.extracting(start..<start + 2 * count), thresholds, into: &span)
    }
    return trits
  }

  func snapped(
    _ bytes: [UInt8], from start: Int = 0, _ thresholds: TritThresholds, to value: UInt16, margin: Int = 0
  ) -> [UInt16] {
    let count = (bytes.count - start) / 2
    var output = [UInt16](repeating: 0x5A5A, count: count + 2 * margin)
    output.withUnsafeMutableBufferPointer { whole in
      var span = UnsafeMutableBufferPointer(rebasing: whole[margin..<margin + count]).mutableSpan
      let input = bytes.span.bytes.extracting(start..<start + 2 * count)
      snap(bf16: input, thresholds, to: BFloat16(bits: value), into: &span)
    }
    return output
  }

  /// Bytes with a margin on both sides.
  func packed(_ trits: [Int8], planes: [Int], count: Int, margin: Int = 0) -> [UInt8] {
    var bytes = [UInt8](repeating: Self.marginMark, count: count + 2 * margin)
    var span = bytes.mutableSpan
    if planes.count == 4 {
      packFour(planes, from: trits.span, into: &span, margin..<margin + count)
    } else {
      packFive(planes, from: trits.span, into: &span, margin..<margin + count)
    }
    return bytes
  }

  func unpacked(
    _ bytes: [UInt8], from start: Int = 0, places: Int, plane: Int, margin: Int = 0
  ) -> (trits: [Int8], invalid: Int) {
    let count = bytes.count - start
    var trits = [Int8](repeating: 0x5A, count: count + 2 * margin)
    var span = trits.mutableSpan
    let input = bytes.span.bytes.extracting(start..<bytes.count)
    let invalid =
      places == 4
      ? unpackFour(input, plane: plane, into: &span, at: margin)
      : unpackFive(input, plane: plane, into: &span, at: margin)
    return (trits, invalid)
  }

  /// The sum of the four tables.
  func counts(_ bytes: [UInt8], from start: Int = 0) -> [UInt32] {
    var tables = [UInt32](repeating: 0, count: 4 * 65536)
    var span = tables.mutableSpan
    histogram(bytes.span.bytes.extracting(start..<bytes.count), into: &span)
    return tables[..<65536].indices.map {
      tables[$0] &+ tables[65536 + $0] &+ tables[131072 + $0] &+ tables[196608 + $0]
    }
  }
}

/// Every bfloat16 pattern once, in order, as little-endian bytes.
let everyPattern: [UInt8] = (UInt16.min...UInt16.max).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
