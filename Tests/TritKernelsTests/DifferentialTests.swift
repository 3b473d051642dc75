// Tritsmith: native kernels against the scalar definition, bit for bit.

import Testing
import TritCore
import TritKernels
import TritTestSupport

@Suite(.enabled(if: NativeKernels() != nil, "this processor has no native kernels"))
struct KernelDifferentialTests {
  let scalar = ScalarKernels()
  let native: any Kernels = NativeKernels() ?? ScalarKernels()

  /// Every tail length of vectors of 16 and 32 values, several rounds, and the ends of a block of sums.
  static let lengths = Array(0...257) + [4095, 4096, 4097, 4111, 8192, 8193]
  /// Past the ends of what an operation writes; catches a store that is too wide.
  static let margin = 40

  /// NaN has many patterns and only its being one is defined, since operand order is the compiler's.
  static func same(_ left: [Double], _ right: [Double]) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }
  }

  static let thresholds: [TritThresholds] = [
    (0x3F00, 0x3F00), (0x3F00, 0x3F01), (0, 0), (1, 1), (0, 0xFFFF), (0x7F80, 0x7F80), (0x7F7F, 0x7F80),
    (0x7FFF, 0x7FFF), (0x8000, 0x8000), (0xFFFF, 0xFFFF), (0x0080, 0x4000),
  ].map { TritThresholds(positive: $0, negative: $1) }

  @Test func summarizeForEveryLength() {
    var generator = SeededGenerator(seed: 1)
    let bytes = generator.weightBytes(8200)
    for length in Self.lengths {
      for start in [0, 1, 2, 7] {
        let slice = Array(bytes[..<(start + 2 * length)])
        let (sums, summary) = native.summary(slice, from: start)
        let (expectedSums, expected) = scalar.summary(slice, from: start)
        if !Self.same(sums, expectedSums) || summary != expected {
          Issue.record("\(length) values from byte \(start): \(sums) \(summary), scalar \(expectedSums) \(expected)")
        }
      }
    }
  }

  @Test func quantizeForEveryLength() {
    var generator = SeededGenerator(seed: 2)
    let bytes = generator.weightBytes(8200)
    for length in Self.lengths {
      for start in [0, 1] {
        let slice = Array(bytes[..<(start + 2 * length)])
        let thresholds = Self.thresholds[length % 2]
        let trits = native.quantized(slice, from: start, thresholds, margin: Self.margin)
        if trits != scalar.quantized(slice, from: start, thresholds, margin: Self.margin) {
          Issue.record("\(length) values from byte \(start)")
        }
      }
    }
  }

  @Test func snapForEveryLength() {
    var generator = SeededGenerator(seed: 3)
    let bytes = generator.weightBytes(8200)
    for length in Self.lengths {
      for start in [0, 1] {
        let slice = Array(bytes[..<(start + 2 * length)])
        let values = native.snapped(slice, from: start, Self.thresholds[1], to: 0x3DCD, margin: Self.margin)
        if values != scalar.snapped(slice, from: start, Self.thresholds[1], to: 0x3DCD, margin: Self.margin) {
          Issue.record("\(length) values from byte \(start)")
        }
      }
    }
  }

  @Test(arguments: [4, 5])
  func packForEveryLength(_ places: Int) {
    var generator = SeededGenerator(seed: 4)
    let trits = generator.trits(5 * 8200 + 40)
    for length in Self.lengths {
      // Starts of every alignment.
      let planes = (0..<places).map { $0 * (length + 7) + length % 32 }
      let bytes = native.packed(trits, planes: planes, count: length, margin: Self.margin)
      if bytes != scalar.packed(trits, planes: planes, count: length, margin: Self.margin) {
        Issue.record("\(length) bytes of \(places) places")
      }
    }
  }

  @Test(arguments: [4, 5])
  func unpackForEveryLength(_ places: Int) {
    var generator = SeededGenerator(seed: 5)
    // All values, so that invalid codes are counted too.
    let bytes = generator.bytes(8200)
    for length in Self.lengths {
      let start = length % 7
      let slice = Array(bytes[..<(start + length)])
      for plane in 0..<places {
        let (trits, invalid) = native.unpacked(slice, from: start, places: places, plane: plane, margin: Self.margin)
        let expected = scalar.unpacked(slice, from: start, places: places, plane: plane, margin: Self.margin)
        if trits != expected.trits || invalid != expected.invalid {
          Issue.record("\(length) bytes of \(places) places, plane \(plane)")
        }
      }
    }
  }

  @Test func histogramForManyLengths() {
    var generator = SeededGenerator(seed: 6)
    let bytes = generator.bytes(2 * 300 + 1)
    for length in [0, 1, 7, 8, 9, 15, 16, 17, 255, 300] {
      for start in [0, 1] {
        let slice = Array(bytes[..<(start + 2 * length)])
        #expect(native.counts(slice, from: start) == scalar.counts(slice, from: start), "\(length) from \(start)")
      }
    }
  }

  // MARK: Every pattern

  @Test(arguments: thresholds.indices)
  func everyPatternUnderThresholds(_ index: Int) {
    let thresholds = Self.thresholds[index]
    #expect(native.quantized(everyPattern, thresholds) == scalar.quantized(everyPattern, thresholds))
    // One, zero, and a NaN as the level: the bits are merged, not computed.
    for value in [0x3F80, 0, 0x7FC1] as [UInt16] {
      #expect(
        native.snapped(everyPattern, thresholds, to: value) == scalar.snapped(everyPattern, thresholds, to: value))
    }
  }

  @Test func everyPatternInSums() {
    // In order, sixteen blocks of which the last ones hold infinities and NaN; and all mixed.
    let ordered = native.summary(everyPattern)
    let expected = scalar.summary(everyPattern)
    #expect(Self.same(ordered.sums, expected.sums))
    #expect(ordered.summary == expected.summary)
    var mixed = LittleEndian.u16s(everyPattern)
    var generator = SeededGenerator(seed: 65536)
    mixed.shuffle(using: &generator)
    let bytes = mixed.flatMap { LittleEndian.bytes($0) }
    #expect(Self.same(native.summary(bytes).sums, scalar.summary(bytes).sums))
    // Without NaN and infinity the sums are numbers, and equal to the last bit.
    let finite = mixed.filter { $0 & 0x7FFF < 0x7F80 }.flatMap { LittleEndian.bytes($0) }
    let sums = native.summary(finite).sums
    #expect(sums.allSatisfy { $0.isFinite })
    #expect(sums.map(\.bitPattern) == scalar.summary(finite).sums.map(\.bitPattern))
  }
}
