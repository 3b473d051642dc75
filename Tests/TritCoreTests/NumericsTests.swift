// Tritsmith: number formats and checked sizes.

import Testing
import TritCore
import TritTestSupport

@Suite struct BFloat16Tests {
  static let rounding = GoldenVectors(Fixtures.golden("rounding.safetensors"))

  @Test func roundsAsTheReferenceDoes() {
    let inputs = Self.rounding["f32_bits"].u32
    // gguf-py keeps a NaN's top bits with the quiet bit set; torch agrees on all that is no NaN.
    let gguf = Self.rounding["bf16_bits_gguf"].u16
    let torch = Self.rounding["bf16_bits_torch"].u16
    #expect(inputs.count > 2000)
    for (index, bits) in inputs.enumerated() {
      let value = Float(bitPattern: bits)
      let rounded = BFloat16(value).bits
      if rounded != gguf[index] { Issue.record("0x\(String(bits, radix: 16)): \(rounded), gguf \(gguf[index])") }
      if !value.isNaN, rounded != torch[index] { Issue.record("0x\(String(bits, radix: 16)) differs from torch") }
    }
  }

  @Test func widensAsTheReferenceDoes() {
    let expected = Self.rounding["bf16_to_f32_bits"].u32
    for (bits, wide) in zip(Self.rounding["half_bits"].u16, expected) {
      #expect(BFloat16(bits: bits).float.bitPattern == wide, "\(bits)")
    }
  }

  @Test func everyPatternSurvivesTheRoundTrip() {
    for bits in UInt16.min...UInt16.max {
      let value = BFloat16(bits: bits)
      let again = BFloat16(value.float).bits
      let expected = value.float.isNaN ? bits | 0x40 : bits
      if again != expected { Issue.record("\(bits) came back as \(again)") }
    }
  }

  /// Half even is decided by the distance to both neighbours, computed exactly in Double.
  @Test func roundsToTheNearestAndToEven() {
    var generator = SeededGenerator(seed: 16)
    for _ in 0..<20_000 {
      let low = UInt16(truncatingIfNeeded: generator.next()) & 0x7FFF
      guard low < 0x7F7F else { continue }
      // The exact middle, one above, one below, and anything between two neighbours.
      for offset in [0x8000, 0x8001, 0x7FFF, UInt32(generator.next() & 0xFFFF)] {
        let value = Float(bitPattern: UInt32(low) << 16 + offset)
        let below = Double(BFloat16(bits: low).float)
        let above = Double(BFloat16(bits: low + 1).float)
        let toBelow = Double(value) - below
        let toAbove = above - Double(value)
        let nearest = toBelow < toAbove ? low : toBelow > toAbove ? low + 1 : low + low % 2
        if BFloat16(value).bits != nearest || BFloat16(-value).bits != nearest | 0x8000 {
          Issue.record("\(value) was not rounded to \(nearest)")
        }
      }
    }
  }

  @Test func overflowBeginsHalfAStepPastTheLargest() {
    #expect(BFloat16(Float(bitPattern: 0x7F7F_7FFF)).bits == 0x7F7F)
    #expect(BFloat16(Float(bitPattern: 0x7F7F_8000)).bits == 0x7F80)
    #expect(BFloat16(-Float.greatestFiniteMagnitude).bits == 0xFF80)
  }

  @Test func signalingNaNDoesNotBecomeInfinity() {
    // All its payload is in the bits that are cut off.
    #expect(BFloat16(Float(bitPattern: 0x7F80_0001)).bits == 0x7FC0)
    #expect(BFloat16(Float(bitPattern: 0xFF80_0001)).bits == 0xFFC0)
  }

  @Test func onlyFiniteMagnitudesAreBelowTheLimit() {
    for bits in UInt16.min...UInt16.max {
      let value = BFloat16(bits: bits)
      if value.float.isFinite != (value.magnitudeBits < BFloat16.infinityMagnitude) { Issue.record("\(bits)") }
    }
  }
}

@Suite struct HalfFloatTests {
  @Test func roundsAsTheReferenceDoes() {
    let vectors = BFloat16Tests.rounding
    let numpy = vectors["f16_bits_numpy"].u16
    let torch = vectors["f16_bits_torch"].u16
    for (index, bits) in vectors["f32_bits"].u32.enumerated() {
      let value = Float(bitPattern: bits)
      let half = HalfFloat(value)
      if value.isNaN {
        // Payloads of a NaN are the converting machine's choice; that it stays one is not.
        if !half.float.isNaN { Issue.record("NaN 0x\(String(bits, radix: 16)) became \(half.float)") }
      } else if half.bits != numpy[index] || half.bits != torch[index] {
        Issue.record("0x\(String(bits, radix: 16)): \(half.bits), numpy \(numpy[index]), torch \(torch[index])")
      }
    }
  }

  @Test func holdsWhatAPatternStandsForAndNothingBetween() {
    for bits in UInt16.min...UInt16.max {
      let value = HalfFloat(bits: bits).float
      if HalfFloat.holds(value) == value.isNaN { Issue.record("\(bits)") }
      if value.isFinite, HalfFloat.holds(value.nextUp) { Issue.record("above \(bits)") }
    }
    for value in [65520, 65536, 65504 + 32, 131072, -65536, 0x1p-25] as [Float] { #expect(!HalfFloat.holds(value)) }
  }

  @Test func widensAsTheReferenceDoes() {
    let vectors = BFloat16Tests.rounding
    for (bits, wide) in zip(vectors["half_bits"].u16, vectors["f16_to_f32_bits"].u32) {
      let value = HalfFloat(bits: bits).float
      let expected = Float(bitPattern: wide)
      #expect(expected.isNaN ? value.isNaN : value.bitPattern == wide, "\(bits)")
    }
  }

  /// binary16 by its definition: ±2^(e − 15) · (1 + f / 1024), and ±2^(−14) · f / 1024 where e is 0.
  @Test func everyPatternHasItsValueAndSurvivesTheRoundTrip() {
    for bits in UInt16.min...UInt16.max {
      let half = HalfFloat(bits: bits)
      let exponent = Int(bits >> 10 & 31)
      let fraction = Double(bits & 1023)
      let sign = bits >> 15 == 0 ? 1.0 : -1.0
      if exponent == 31 {
        let isRight = fraction == 0 ? Double(half.float) == sign * Double.infinity : half.float.isNaN
        if !isRight { Issue.record("\(bits) is \(half.float)") }
      } else {
        let scale = Double(sign: .plus, exponent: max(exponent, 1) - 15, significand: 1)
        let value = sign * scale * ((exponent == 0 ? 0 : 1) + fraction / 1024)
        if Double(half.float).bitPattern != value.bitPattern { Issue.record("\(bits) is \(half.float), not \(value)") }
      }
      if !half.float.isNaN, HalfFloat(half.float).bits != bits { Issue.record("\(bits) did not come back") }
    }
  }

  @Test func roundsToTheNearestAndToEven() {
    var generator = SeededGenerator(seed: 10)
    for _ in 0..<20_000 {
      let low = UInt16(truncatingIfNeeded: generator.next()) & 0x7FFF
      guard low < 0x7BFF else { continue }
      let below = Double(HalfFloat(bits: low).float)
      let above = Double(HalfFloat(bits: low + 1).float)
      // The middle of two halves is exact in Float; its neighbours there are strictly on one side.
      let middle = Float((below + above) / 2)
      let cases = [
        (middle, low + low % 2), (middle.nextUp, low + 1), (middle.nextDown, low), (Float(below), low),
      ]
      for (value, expected) in cases
      where HalfFloat(value).bits != expected || HalfFloat(-value).bits != expected | 0x8000 {
        Issue.record("\(value) was not rounded to \(expected)")
      }
    }
    // 65504 is the largest; half a step more is infinity, and half the smallest subnormal is zero by evenness.
    #expect(HalfFloat(Float(65520).nextDown).bits == 0x7BFF)
    #expect(HalfFloat(Float(65520)).bits == 0x7C00)
    #expect(HalfFloat(Float(0x1p-25)).bits == 0)
    #expect(HalfFloat(Float(0x1p-25).nextUp).bits == 1)
    #expect(HalfFloat(-Float.leastNonzeroMagnitude).bits == 0x8000)
  }
}

@Suite struct CheckedTests {
  @Test func productsOverflowLeftToRight() {
    let large: UInt64 = 1 << 63 - 1
    #expect(Checked.product([] as [UInt64]) == 1)
    #expect(Checked.product([3, 5, 7] as [UInt64]) == 105)
    #expect(Checked.product([UInt64.max, 1]) == UInt64.max)
    #expect(Checked.product([UInt64.max, 2]) == nil)
    // The order matters, as in the reference reader.
    #expect(Checked.product([0, large, 4]) == 0)
    #expect(Checked.product([large, 4, 0]) == nil)
  }

  @Test func sumsAndSignedProducts() {
    #expect(Checked.product(Int.max, 1) == Int.max)
    #expect(Checked.product(Int.max, 2) == nil)
    #expect(Checked.product(Int.min, -1) == nil)
    #expect(Checked.sum(Int.max, 0) == Int.max)
    #expect(Checked.sum(Int.max, 1) == nil)
    #expect(Checked.sum(UInt64.max, 1) == nil)
    #expect(Checked.sum(UInt64.max - 1, 1) == UInt64.max)
  }

  @Test func alignment() {
    let cases: [(Int, Int, Int?)] = [
      (0, 64, 0), (1, 64, 64), (64, 64, 64), (65, 64, 128), (7, 1, 7), (Int.max, 64, nil), (Int.max - 62, 64, nil),
      (Int.max / 64 * 64, 64, Int.max / 64 * 64),
    ]
    for (value, alignment, expected) in cases {
      #expect(Checked.aligned(value, to: alignment) == expected, "\(value) to \(alignment)")
    }
  }
}

@Suite struct TensorShapeTests {
  /// Rows that hold nothing are no rows: a file may claim 2^62 of them without a byte.
  @Test func countsElementsRowsAndColumns() throws {
    let cases: [([Int], elements: Int, rows: Int, columns: Int)] = [
      ([], 1, 1, 1), ([7], 7, 1, 7), ([3, 5], 15, 3, 5), ([2, 3, 5], 30, 6, 5), ([0], 0, 0, 0), ([4, 0], 0, 0, 0),
      ([0, 4], 0, 0, 4), ([0, Int.max, 4], 0, 0, 4), ([Int.max, 0], 0, 0, 0), ([4, 0, 5], 0, 0, 5),
    ]
    for (dimensions, elements, rows, columns) in cases {
      let shape = try #require(TensorShape(dimensions), "\(dimensions)")
      #expect(shape.elementCount == elements, "\(dimensions)")
      #expect(shape.rows == rows, "\(dimensions)")
      #expect(shape.columns == columns, "\(dimensions)")
    }
  }

  @Test func refusesWhatDoesNotFit() {
    for dimensions in [[-1], [2, -3], [-1, -1], [Int.max, 2], [Int.max, 4, 0], [1 << 32, 1 << 31]] {
      #expect(TensorShape(dimensions) == nil, "\(dimensions)")
    }
  }
}

@Suite struct TernaryScaleTests {
  @Test func countsOfEveryGranularity() {
    #expect(ScaleGranularity.tensor.count(rows: 5, columns: 300) == 1)
    #expect(ScaleGranularity.row.count(rows: 5, columns: 300) == 5)
    let cases = [(300, 1, 1500), (300, 128, 15), (256, 128, 10), (1, 128, 5), (0, 128, 0), (300, 1000, 5)]
    for (columns, group, expected) in cases {
      let granularity = ScaleGranularity.group(columns: group)
      #expect(granularity.count(rows: 5, columns: columns) == expected, "\(columns) by \(group)")
    }
  }

  /// A header may name any group size below 2^63; counting must not trap.
  @Test func hugeGroupsAreOneARow() {
    #expect(ScaleGranularity.group(columns: Int.max).count(rows: 3, columns: 300) == 3)
    #expect(ScaleGranularity.group(columns: Int.max).count(rows: 1, columns: Int.max) == 1)
  }

  @Test func multipliersFollowTheConvention() {
    let multiply = TernaryScale(stored: 0.75, storage: .bf16, convention: .multiply)
    #expect(multiply.multiplier() == 0.75)
    let divide = TernaryScale(stored: [4, 3], storage: .f32, convention: .divide, granularity: .row)
    // The correctly rounded inverse of 3.
    #expect(divide.multipliers == [0.25, Float(bitPattern: 0x3EAA_AAAB)])
  }

  @Test func storedBytesAreLittleEndian() {
    let one: Float = 1
    #expect(TernaryScale(stored: one, storage: .bf16, convention: .divide).storedBytes == [0x80, 0x3F])
    #expect(TernaryScale(stored: one, storage: .f16, convention: .divide).storedBytes == [0x00, 0x3C])
    let pair = TernaryScale(stored: [1, -2], storage: .f32, convention: .multiply, granularity: .row)
    #expect(pair.storedBytes == [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0])
  }
}

@Suite struct ExactStringTests {
  /// "é" in one scalar and in two: equal to Swift, different names to a file.
  @Test func composedAndDecomposedDiffer() {
    let composed = "\u{E9}"
    let decomposed = "e\u{301}"
    #expect(composed == decomposed, "what makes ExactString necessary")
    #expect(ExactString(composed) != ExactString(decomposed))
    #expect(Set([ExactString(composed), ExactString(decomposed)]).count == 2)
    #expect([ExactString(composed): 1, ExactString(decomposed): 2][ExactString(decomposed)] == 2)
  }

  @Test func equalBytesAreEqualAndHashEqually() {
    // One built, one literal, both long enough not to be stored in place.
    let built = String(decoding: Array("model.layers.17.self_attn.q_proj.weight".utf8), as: UTF8.self)
    let literal = "model.layers.17.self_attn.q_proj.weight"
    #expect(ExactString(built) == ExactString(literal))
    #expect(ExactString(built).hashValue == ExactString(literal).hashValue)
    #expect(
      ExactString(String(literal.dropFirst(6))).hashValue == ExactString("layers.17.self_attn.q_proj.weight").hashValue)
  }

  @Test func ordersByBytes() {
    let sorted = ["", "A", "Z", "a", "a\u{0}", "ab", "e\u{301}", "z", "\u{E9}", "\u{FFFD}", "😀"]
    #expect(sorted.reversed().map(ExactString.init).sorted().map(\.string) == sorted)
  }
}
