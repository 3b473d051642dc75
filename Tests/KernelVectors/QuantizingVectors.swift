// Tritsmith: vectors of the quantizing and packing operations (trit_kernels.h).

import TritCore
import TritKernels
import TritTestSupport

extension VectorFile {
  private static let lengths =
    [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000]

  mutating func addQuantizing() {
    var generator = SeededGenerator(seed: 71)
    for length in Self.lengths + [4095, 4096, 4097, 9000] { addSummary(generator.weightBytes(length)) }
    // Large and small numbers as far apart as a Double has bits, so that another order of sums gives other last bits.
    for length in Array(9...40) + Array(9...40) + [4099] {
      addSummary(
        (0..<length).flatMap { _ in
          let random = generator.next()
          let exponent = (random & 1 == 0 ? 120 : 168) + random >> 8 % 8
          return LittleEndian.bytes(UInt16(exponent << 7 | random >> 16 % 128))
        })
    }
    // Nothing but zeros; every pattern, NaN and infinity among them.
    addSummary([UInt8](repeating: 0, count: 70))
    addSummary((0...UInt16.max).flatMap { LittleEndian.bytes($0) })
    for length in Self.lengths { addThresholds(generator.weightBytes(length), &generator) }
    addThresholds((0...UInt16.max).flatMap { LittleEndian.bytes($0) }, &generator)
    for length in Self.lengths { addPacking(length, &generator) }
    // More than 255 steps of 16 bytes, all of them bad: counters of a byte must not wrap.
    addUnpacking([UInt8](repeating: 255, count: 9001))
    addUnpacking((0...255).map { $0 })
    for length in Self.lengths { addUnpacking(generator.bytes(length)) }
    addHistogram(generator.bytes(2 * 2003))
    addHistogram([UInt8](repeating: 7, count: 2 * 77))
    addHistogram((0...UInt16.max).flatMap { LittleEndian.bytes($0) })
  }

  private mutating func addSummary(_ bytes: [UInt8]) {
    var sums = [Double](repeating: 0, count: (bytes.count / 2 + sumBlock - 1) / sumBlock)
    var span = sums.mutableSpan
    let summary = ScalarKernels().summarize(bf16: bytes.span.bytes, blockSums: &span)
    add(
      "summarize_bf16", [bytes.count / 2, sumBlock], [.raw(bytes)],
      [.doubles(sums), .u16([summary.largest, summary.smallestNonzero &- 1])])
  }

  private mutating func addThresholds(_ bytes: [UInt8], _ generator: inout SeededGenerator) {
    let count = bytes.count / 2
    let drawn = (UInt16(0x3C00 + generator.next() % 0x400), UInt16(0x3C00 + generator.next() % 0x400))
    for (positive, negative) in [drawn, (0, 0x7FFF), (0x7F80, 1), (0x7FFF, 0)] {
      let thresholds = TritThresholds(positive: positive, negative: negative)
      var trits = [Int8](repeating: Self.untouchedTrit, count: count)
      var span = trits.mutableSpan
      ScalarKernels().quantize(bf16: bytes.span.bytes, thresholds, into: &span)
      add("quantize_bf16", [count, Int(positive), Int(negative)], [.raw(bytes)], [.trits(trits)])
      let value = BFloat16(bits: 0x3D71)
      var snapped = [UInt16](repeating: 0, count: count)
      var output = snapped.mutableSpan
      ScalarKernels().snap(bf16: bytes.span.bytes, thresholds, to: value, into: &output)
      add(
        "snap_bf16", [count, Int(positive), Int(negative), Int(value.bits)], [.raw(bytes)],
        [.u16(snapped.map { UInt16(littleEndian: $0) })])
    }
  }

  private mutating func addPacking(_ count: Int, _ generator: inout SeededGenerator) {
    for places in [4, 5] {
      let trits = generator.trits(places * count + 3)
      // Planes in any order, some of them over each other.
      let planes = (0..<places).map { $0 == 1 ? 3 : (places - 1 - $0) * count }
      var bytes = [UInt8](repeating: Self.untouched, count: count)
      var span = bytes.mutableSpan
      if places == 4 {
        ScalarKernels().packFour(planes, from: trits.span, into: &span, 0..<count)
      } else {
        ScalarKernels().packFive(planes, from: trits.span, into: &span, 0..<count)
      }
      add(places == 4 ? "pack_four" : "pack_five", [count] + planes, [.trits(trits)], [.bytes(bytes)])
    }
  }

  private mutating func addUnpacking(_ bytes: [UInt8]) {
    for places in [4, 5] {
      for plane in 0..<places {
        var trits = [Int8](repeating: Self.untouchedTrit, count: bytes.count)
        var span = trits.mutableSpan
        let invalid =
          places == 4
          ? ScalarKernels().unpackFour(bytes.span.bytes, plane: plane, into: &span, at: 0)
          : ScalarKernels().unpackFive(bytes.span.bytes, plane: plane, into: &span, at: 0)
        add(
          places == 4 ? "unpack_four" : "unpack_five", [bytes.count, plane], [.raw(bytes)],
          [.trits(trits), .count(invalid)])
      }
    }
  }

  /// Counts begin with 1 in every table: a kernel adds to them.
  private mutating func addHistogram(_ bytes: [UInt8]) {
    var tables = [UInt32](repeating: 1, count: 4 * 65536)
    var span = tables.mutableSpan
    ScalarKernels().histogram(bytes.span.bytes, into: &span)
    let counts = (0..<65536).map { place in (0..<4).reduce(0) { $0 &+ tables[$1 * 65536 + place] } }
    add("histogram16", [bytes.count / 2], [.raw(bytes)], [.u32(counts)])
  }
}
