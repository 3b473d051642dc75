// Tritsmith: every set of kernels against arithmetic written out.

import Testing
import TritCore
import TritKernels
import TritTestSupport

/// The sets of kernels this machine can run.
struct KernelSet: Sendable, CustomTestStringConvertible {
  var kernels: any Kernels
  var testDescription: String { kernels.name }

  static let all: [KernelSet] = ([ScalarKernels()] + [NativeKernels()].compactMap { $0 }).map(KernelSet.init)
}

@Suite struct KernelDefinitionTests {
  // MARK: Unpacking

  /// All 256 bytes in every place, by division and modulo; once alone (the tail of a vector loop) and once in a run.
  @Test(arguments: KernelSet.all)
  func unpackingIsDivisionAndModulo(_ set: KernelSet) {
    let all = (0...255).map { UInt8($0) }
    for (places, base) in [(4, 4), (5, 3)] {
      var power = 1
      for plane in 0..<places {
        let digits = all.map { Int8(Int($0) / power % base - 1) }
        let bad = all.map { places == 4 ? Int($0) / power % 4 == 3 : $0 > 242 }
        let run = set.kernels.unpacked(all, places: places, plane: plane)
        #expect(run.trits == digits, "\(places) places, plane \(plane)")
        #expect(run.invalid == bad.count { $0 }, "\(places) places, plane \(plane)")
        for (index, byte) in all.enumerated() {
          let (trits, invalid) = set.kernels.unpacked([byte], places: places, plane: plane)
          if trits != [digits[index]] || invalid != (bad[index] ? 1 : 0) {
            Issue.record("byte \(byte), \(places) places, plane \(plane): \(trits), \(invalid) invalid")
          }
        }
        power *= base
      }
    }
  }

  // MARK: Packing

  /// All 81 groups of four and all 243 of five, first plane least significant.
  @Test(arguments: KernelSet.all)
  func packingSumsDigits(_ set: KernelSet) {
    for (places, base) in [(4, 4), (5, 3)] {
      let groups = places == 4 ? 81 : 243
      var trits: [Int8] = []
      var expected = [UInt8](repeating: 0, count: groups)
      var place = 1
      var divisor = 1
      for _ in 0..<places {
        for group in 0..<groups {
          let code = group / divisor % 3
          trits.append(Int8(code - 1))
          expected[group] += UInt8(code * place)
        }
        divisor *= 3
        place *= base
      }
      let planes = (0..<places).map { $0 * groups }
      #expect(set.kernels.packed(trits, planes: planes, count: groups) == expected)
      #expect(Set(expected).count == groups, "no two groups share a byte")
      for group in 0..<groups {
        let one = set.kernels.packed(trits, planes: planes.map { $0 + group }, count: 1)
        if one != [expected[group]] { Issue.record("group \(group) of \(places): \(one)") }
      }
    }
  }

  /// Planes are starts in one buffer: they may overlap and come in any order.
  @Test(arguments: KernelSet.all)
  func planesAreIndependent(_ set: KernelSet) {
    var generator = SeededGenerator(seed: 4)
    let trits = generator.trits(200)
    let planes = [90, 3, 91, 0]
    let expected = (0..<100).map { index -> UInt8 in
      let codes = planes.map { UInt8(trits[$0 + index] + 1) }
      return codes[0] + 4 * codes[1] + 16 * codes[2] + 64 * codes[3]
    }
    #expect(set.kernels.packed(trits, planes: planes, count: 100) == expected)
  }

  // MARK: Sums

  /// Whole numbers below 2^8 are exact in bfloat16 and their sums exact in Double in any order.
  @Test(arguments: KernelSet.all)
  func sumsOfWholeNumbersAreExact(_ set: KernelSet) {
    var generator = SeededGenerator(seed: 8)
    for count in [0, 1, 7, 8, 9, 15, 16, 17, 4095, 4096, 4097, 10_000] {
      var bytes: [UInt8] = []
      var sums = [Int](repeating: 0, count: (count + 4095) / 4096)
      var magnitudes: [Int] = []
      for index in 0..<count {
        let magnitude = Int(generator.next() % 256)
        let value = Float(generator.next() % 2 == 0 ? magnitude : -magnitude)
        bytes += LittleEndian.bytes(UInt16(value.bitPattern >> 16))
        sums[index / 4096] += magnitude
        magnitudes.append(magnitude)
      }
      let result = set.kernels.summary(bytes)
      #expect(result.sums == sums.map { Double($0) }, "\(count) values")
      func bits(_ value: Int?) -> UInt16 { UInt16(Float(value ?? 0).bitPattern >> 16) }
      #expect(result.summary.largest == bits(magnitudes.max()))
      #expect(result.summary.smallestNonzero == bits(magnitudes.filter { $0 > 0 }.min()))
    }
  }

  /// The order of additions is part of the definition: eight lanes, then pairs, pairs of pairs, and both halves.
  @Test(arguments: KernelSet.all)
  func sumsFollowTheDefinedOrder(_ set: KernelSet) {
    var generator = SeededGenerator(seed: 88)
    for count in [5, 16, 31, 4096, 4099, 9000] {
      // Exponents far apart, so that another order gives another last bit.
      let bits = (0..<count).map { _ in UInt16(0x2000 + generator.next() % 0x4000) | UInt16(generator.next() % 2) << 15
      }
      var expected: [Double] = []
      for start in stride(from: 0, to: count, by: 4096) {
        var lanes = [Double](repeating: 0, count: 8)
        for index in start..<min(count, start + 4096) {
          lanes[(index - start) % 8] += Double(Float(bitPattern: UInt32(bits[index] & 0x7FFF) << 16))
        }
        expected.append(
          ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])))
      }
      let result = set.kernels.summary(bits.flatMap { LittleEndian.bytes($0) })
      #expect(result.sums.map(\.bitPattern) == expected.map(\.bitPattern), "\(count) values")
    }
  }

  @Test(arguments: KernelSet.all)
  func aSplitAtBlocksChangesNothing(_ set: KernelSet) {
    var generator = SeededGenerator(seed: 5)
    let bytes = generator.weightBytes(5 * 4096 + 100)
    let whole = set.kernels.summary(bytes)
    for cuts in [[1], [2, 3], [1, 2, 3, 4], [4], [5]] {
      var sums: [Double] = []
      var summary = MagnitudeSummary()
      for (from, to) in zip([0] + cuts, cuts + [6]) {
        let part = set.kernels.summary(Array(bytes[from * 8192..<min(bytes.count, to * 8192)]))
        sums += part.sums
        summary.merge(part.summary)
      }
      #expect(sums == whole.sums, "cut at \(cuts)")
      #expect(summary == whole.summary, "cut at \(cuts)")
    }
  }

  @Test(arguments: KernelSet.all)
  func extremesSeeSpecialValues(_ set: KernelSet) {
    func summary(_ bits: [UInt16]) -> MagnitudeSummary {
      // Once in the vector loop and once in its tail.
      let short = set.kernels.summary(bits.flatMap { LittleEndian.bytes($0) }).summary
      let padded = [UInt16](repeating: 0, count: 64) + bits + [UInt16](repeating: 0x8000, count: 32)
      #expect(set.kernels.summary(padded.flatMap { LittleEndian.bytes($0) }).summary == short)
      return short
    }
    let one: UInt16 = 0x3F80
    #expect(summary([]).largest == 0 && summary([]).isFinite && summary([]).isTernary)
    #expect(summary([0, 0x8000]).smallestNonzero == 0)
    #expect(summary([0, 0x8000]).isTernary)
    #expect(summary([one, one | 0x8000, 0x8000]).isTernary)
    #expect(!summary([one, one + 1]).isTernary)
    #expect(summary([1, 0x8001]).largest == 1, "subnormal numbers count")
    #expect(summary([1, one]).smallestNonzero == 1)
    #expect(summary([0x7F7F]).isFinite)
    for bad in [0x7F80, 0xFF80, 0x7F81, 0xFFFF, 0x7FC0] as [UInt16] {
      #expect(!summary([one, bad, 0]).isFinite, "\(bad)")
    }
  }

  @Test func mergingKeepsTheExtremes() {
    func make(_ largest: UInt16, _ smallest: UInt16) -> MagnitudeSummary {
      var summary = MagnitudeSummary()
      summary.largest = largest
      summary.smallestNonzero = smallest
      return summary
    }
    let cases = [
      (make(0, 0), make(0, 0), make(0, 0)), (make(0, 0), make(5, 2), make(5, 2)), (make(5, 2), make(0, 0), make(5, 2)),
      (make(5, 2), make(4, 1), make(5, 1)), (make(4, 3), make(9, 7), make(9, 3)),
    ]
    for (left, right, expected) in cases {
      var merged = left
      merged.merge(right)
      #expect(merged == expected)
    }
  }

  // MARK: Thresholds

  @Test(arguments: KernelSet.all)
  func quantizingAndSnappingCompareMagnitudes(_ set: KernelSet) {
    // −∞ … +∞ in numbers, for thresholds 0.5 and 0.75 and the value 2.
    let inputs: [Float] = [0, -0.0, 0.25, -0.25, 0.5, -0.5, 0.75, -0.75, 1e30, -1e30, .infinity, -.infinity]
    let trits: [Int8] = [0, 0, 0, 0, 1, 0, 1, -1, 1, -1, 1, -1]
    let snapped: [Float] = [0, -0.0, 0, -0.0, 2, -0.0, 2, -2, 2, -2, 2, -2]
    let bytes = inputs.flatMap { LittleEndian.bytes(UInt16($0.bitPattern >> 16)) }
    let thresholds = TritThresholds(positive: 0x3F00, negative: 0x3F40)
    // Enough copies to fill vectors.
    let many = Array(repeatElement(bytes, count: 12).joined())
    #expect(set.kernels.quantized(many, thresholds) == Array(repeatElement(trits, count: 12).joined()))
    #expect(
      set.kernels.snapped(many, thresholds, to: 0x4000)
        == Array(repeatElement(snapped.map { UInt16($0.bitPattern >> 16) }, count: 12).joined()))
  }

  // MARK: Histogram

  @Test(arguments: KernelSet.all)
  func histogramCountsEveryPattern(_ set: KernelSet) {
    #expect(set.kernels.counts(everyPattern).allSatisfy { $0 == 1 })
    var generator = SeededGenerator(seed: 9)
    var expected = [UInt32](repeating: 0, count: 65536)
    var bytes: [UInt8] = []
    for _ in 0..<2003 {
      let pattern = UInt16(generator.next() % 100) &* 601
      expected[Int(pattern)] += 1
      bytes += LittleEndian.bytes(pattern)
    }
    #expect(set.kernels.counts(bytes) == expected)
    #expect(set.kernels.counts([0xFF] + bytes, from: 1) == expected)
  }

  // MARK: Choice

  @Test func choices() throws {
    let scalar = try KernelChoice.scalar.kernels()
    #expect(scalar.name == "scalar")
    if let native = NativeKernels() {
      let demanded = try KernelChoice.native.kernels()
      #expect(demanded.name == native.name)
      #expect(KernelChoice.best.name == native.name)
      #expect(native.name != "scalar")
    } else {
      #expect(throws: KernelError()) { try KernelChoice.native.kernels() }
      #expect(KernelChoice.best.name == "scalar")
    }
    let automatic = try KernelChoice.auto.kernels()
    #expect(automatic.name == KernelChoice.best.name)
    #expect(KernelError().category == .misuse)
  }
}
