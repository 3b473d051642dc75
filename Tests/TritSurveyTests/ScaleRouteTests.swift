// Tritsmith tests: what makes one stored scale of another, and what the matrices of a model say together.

import Testing
import TritCore
import TritTestSupport

@testable import TritSurvey

@Suite("Routes from scale to scale")
struct ScaleRouteTests {
  private static let model = ScaleAgreement.Origin.model

  private func scale(_ value: Float, _ type: DType, _ convention: ScaleConvention = .multiply) -> TernaryScale {
    TernaryScale(stored: TernaryScale.rounded(value, to: type), storage: type, convention: convention)
  }

  private func agreement(
    _ a: TernaryScale, _ b: TernaryScale, _ origin: ScaleAgreement.Origin = model
  ) throws -> ScaleAgreement {
    let shape = try #require(TensorShape(rows: 4, columns: 256))
    return ScaleAgreement(a, b, LiveUnits(all: ScaleGrid(a.granularity, b.granularity, shape)), origin: origin)
  }

  /// Both ways round.
  private func levels(_ a: TernaryScale, _ b: TernaryScale) throws -> [ScaleCertainty.Level?] {
    try [(a, b), (b, a)].map {
      let found = try agreement($0, $1)
      return found.agrees ? found.certainty.level : nil
    }
  }

  /// bf16(1/24.125) = 0.041503906 stands for 0.0413818 to 0.0416260, whose inverses are 24.0235 to 24.1652. 24 stands for
  /// 23.9375 to 24.0625, which begins below that, 24.25 for 24.1875 and more.
  @Test("a divisor gives its dense number; the next ones give others, or share a number with it at most")
  func divisors() throws {
    let dense = scale(0.041503906, .bf16)
    #expect(BFloat16.rounded(1 / 24.125) == dense.stored[0])
    #expect(try levels(scale(24.125, .bf16, .divide), dense) == [.sure, .sure])
    #expect(try levels(scale(24, .bf16, .divide), dense) == [.common, .common])
    #expect(try levels(scale(24.25, .bf16, .divide), dense) == [nil, nil])
    // In more digits the inverse is one number, and what shares another with it is too far.
    for type in [DType.f16, .f32] {
      #expect(try levels(scale(24.125, .bf16, .divide), scale(1 / 24.125, type)) == [.sure, .sure])
      #expect(try levels(scale(24, .bf16, .divide), scale(1 / 24.125, type)) == [nil, nil])
    }
  }

  /// 0.0744767 becomes 0.07470703 as a factor, 13.4375 as a divisor: no route leads from one to the other. The factor
  /// stands for 0.0744629 to 0.0749512, whose inverses are 13.342 to 13.430, the divisor for 13.40625 to 13.46875.
  @Test("one number rounded on both sides is found, and said where that is no agreement")
  func masters() throws {
    let (factor, divisor) = (scale(0.0744767, .bf16), scale(1 / 0.0744767, .bf16, .divide))
    #expect(factor.stored == [0.07470703125] && divisor.stored == [13.4375])
    #expect(try levels(factor, divisor) == [.common, .common])
    #expect(try levels(factor, scale(13.375, .bf16, .divide)) == [.sure, .sure])
    #expect(try levels(factor, scale(13.5, .bf16, .divide)) == [nil, nil])
    for (a, b) in [(factor, divisor), (divisor, factor)] {
      let found = try agreement(a, b, .either)
      #expect(!found.agrees && found.difference?.contains("rounded in two ways") == true, "\(found)")
      // 13.4375 · 0.07470703125 = 1.00387573
      #expect(found.difference?.contains("(3,860.") == true, "\(found)")
    }
    // onebitllms divides 1 by the bfloat16 mean: 0.05078125 becomes 19.75, whose inverse is 0.05053711.
    #expect(BFloat16.rounded(1 / 0.05078125) == 19.75 && BFloat16.rounded(1 / 19.75) != 0.05078125)
    #expect(try levels(scale(0.05078125, .bf16), scale(19.75, .bf16, .divide)).allSatisfy { $0 ?? .common > .common })
    #expect(try levels(scale(0.05078125, .bf16), scale(1 / 19.75, .f16)) == [.divisor, .divisor])
  }

  /// 1 + 2⁻⁸ lies between the bfloat16 numbers 1 and 1 + 2⁻⁷; 1 is the even one.
  @Test("a number in the middle of two belongs to the even one")
  func ties() throws {
    let tie = scale(1 + 0x1p-8, .f32)
    #expect(try agreement(tie, scale(1, .bf16), .either).agrees)
    #expect(try !agreement(tie, scale(1 + 0x1p-7, .bf16), .either).agrees)
    func number(_ value: Float, _ type: DType) -> ScaleNumber { ScaleNumber(scale(value, type), 0) }
    // F16 numbers stand for others as well: 1 + 2⁻⁸ for some that are rounded up to 1 + 2⁻⁷.
    #expect(number(1, .bf16).hasMaster(with: number(1 + 0x1p-9, .f16)))
    #expect(number(1 + 0x1p-7, .bf16).hasMaster(with: number(1 + 0x1p-8, .f16)))
    #expect(!number(1 + 0x1p-7, .bf16).hasMaster(with: number(1 + 0x1p-9, .f16)))
    // Neighbours meet where one number is, and only one of them is even.
    #expect(!number(1, .bf16).hasMaster(with: number(1 + 0x1p-7, .bf16)))
    #expect(!number(1 + 0x1p-7, .bf16).hasMaster(with: number(1 + 0x1p-6, .bf16)))
  }

  /// What programs make of one divisor, or of one mean.
  private static func forms(_ mean: Float) -> [[TernaryScale]] {
    func stored(_ value: Float, _ type: DType, _ convention: ScaleConvention = .multiply) -> TernaryScale {
      TernaryScale(stored: TernaryScale.rounded(value, to: type), storage: type, convention: convention)
    }
    let divisor = BFloat16.rounded(1 / mean)
    let inverse = 1 / divisor
    let (coarse, half) = (BFloat16.rounded(inverse), HalfFloat(inverse).float)
    let falcon =
      [stored(divisor, .bf16, .divide), stored(coarse, .f16), stored(coarse, .f32), stored(half, .f32)]
      + [.f32, .f16, .bf16].map { stored(inverse, $0) }
    let rounded = BFloat16.rounded(mean)
    let multiplied =
      [stored(1 / mean, .bf16, .divide), stored(mean, .f32), stored(mean, .f16)]
      + [.bf16, .f32].map { stored(rounded, $0) }
    let trained = BFloat16.rounded(1 / rounded)
    let onebit = [stored(rounded, .bf16), stored(trained, .bf16, .divide), stored(1 / trained, .f16)]
    return [falcon, multiplied, onebit]
  }

  @Test("whatever forms of one scale there are, all agree; a wrong Float does with none of more than 16 bits")
  func sound() throws {
    var generator = SeededGenerator(seed: 24)
    for _ in 0..<200 {
      let mean = Float.random(in: 0.01..<0.1, using: &generator)
      for forms in Self.forms(mean) {
        for a in forms {
          for b in forms { #expect(try agreement(a, b).agrees, "\(mean): \(a), \(b)") }
        }
      }
      let falcon = Self.forms(mean)[0]
      for wrong in [(1 / falcon[0].stored[0]).nextUp, 1.001 / falcon[0].stored[0]] {
        #expect(try !levels(falcon[0], scale(wrong, .f32)).contains(.sure), "\(mean)")
      }
    }
  }

  @Test("weights that share a scale on one side have one on the other", arguments: [DType.f16, .f32])
  func shared(_ type: DType) throws {
    let packed = [scale(24.125, .bf16, .divide), scale(0.07470703, .bf16)]
    for trits in packed {
      let value = TernaryScale.rounded(trits.multiplier(), to: type)
      // 0.0007 above: every one of them would be the same bfloat16 number, or have the same divisor.
      let moved = TernaryScale.rounded(value * 1.0007, to: type)
      for granularity in [ScaleGranularity.row, .group(columns: 128)] {
        let count = granularity.count(rows: 4, columns: 256)
        for place in [0, count / 2, count - 1] {
          let dense = (0..<count).map { $0 == place ? moved : value }
          let wrong = TernaryScale(stored: dense, storage: type, convention: .multiply, granularity: granularity)
          let right = TernaryScale(
            stored: dense.map { _ in value }, storage: type, convention: .multiply, granularity: granularity)
          for origin in [ScaleAgreement.Origin.either, Self.model] {
            for (a, b, isSound) in [
              (trits, right, true), (right, trits, true), (trits, wrong, false), (wrong, trits, false),
            ] {
              let found = try agreement(a, b, origin)
              #expect(found.agrees == isSound, "\(granularity), \(place), \(found)")
              if !isSound { #expect(found.strangeRow == place * 4 / count, "\(granularity), \(place), \(found)") }
            }
          }
        }
      }
    }
  }

  @Test("one way explains all groups, and a group that needs another one is strange")
  func groups() throws {
    var generator = SeededGenerator(seed: 5)
    let halves = (0..<8).map { _ in HalfFloat(Float.random(in: 0.01..<0.1, using: &generator)).float }
    func groups(_ values: [Float], _ type: DType) -> TernaryScale {
      TernaryScale(stored: values, storage: type, convention: .multiply, granularity: .group(columns: 128))
    }
    let coarse = halves.map { BFloat16.rounded($0) }
    let packed = groups(coarse, .bf16)
    for origin in [ScaleAgreement.Origin.either, Self.model] {
      #expect(try agreement(packed, groups(coarse, .f32), origin).agrees)
      #expect(try agreement(packed, groups(halves, .f16), origin).agrees)
      // A Float that bfloat16 rounds to the stored number, in one group.
      var moved = coarse
      moved[5] *= 1 + 0x1p-10
      #expect(BFloat16.rounded(moved[5]) == coarse[5])
      let found = try agreement(packed, groups(moved, .f32), origin)
      #expect(!found.agrees && found.strangeRow == 2, "\(found)")
      // The next bfloat16 number in one group.
      moved[5] = BFloat16(bits: BFloat16(coarse[5]).bits + 1).float
      #expect(try !agreement(packed, groups(moved, .bf16), origin).agrees)
      // All of them were rounded.
      #expect(try agreement(packed, groups(coarse.map { $0 * (1 + 0x1p-10) }, .f32), origin).agrees)
      // One scale that F16 has no number for may have been rounded alone.
      var exact = halves
      exact[5] *= 1 + 0x1p-13
      #expect(try agreement(groups(halves, .f16), groups(exact, .f32), origin).agrees)
    }
  }

  /// Of 28 matrices one that shares a number with its divisor and is no rounding of it: chance makes that of one in six.
  @Test("what few matrices of a model need was not done to it")
  func together() throws {
    func certainty(_ a: TernaryScale, _ b: TernaryScale) throws -> ScaleCertainty { try agreement(a, b).certainty }
    let sure = try certainty(scale(24.125, .bf16, .divide), scale(0.041503906, .bf16))
    let common = try certainty(scale(24, .bf16, .divide), scale(0.041503906, .bf16))
    #expect(common.level == .common && sure.level == .sure)
    func doubtful(_ all: [ScaleCertainty]) -> Set<Int> { ScaleCertainty.doubtful(all) }
    let sures = [ScaleCertainty](repeating: sure, count: 27)
    #expect(doubtful(sures + [common]) == [27] && doubtful([common] + sures) == [0])
    #expect(doubtful(sures + [sure]).isEmpty && doubtful([common]).isEmpty)
    // Three of 14, as of a model whose means were rounded both as factors and as divisors.
    #expect(doubtful(sures[..<11] + [common, common, common]).isEmpty)
    // A Float whose inverse has the stored divisor: none of the other Floats is one.
    let rounded = try certainty(scale(24.125, .bf16, .divide), scale(1 / 24.11, .f32))
    #expect(rounded.level == .rounded)
    let exact = try certainty(scale(24.125, .bf16, .divide), scale(1 / 24.125, .f32))
    #expect(doubtful([ScaleCertainty](repeating: exact, count: 13) + [rounded]) == [13])
    #expect(doubtful([ScaleCertainty](repeating: rounded, count: 14)).isEmpty)
    // A dense number that its divisor moved, bf16(1/19.75) for 0.05078125: of 14 factors one is a wrong one.
    let factor = scale(0.05078125, .bf16)
    let (moved, equal) = (try certainty(factor, scale(1 / 19.75, .bf16)), try certainty(factor, factor))
    #expect(moved.level == .rounded && doubtful([ScaleCertainty](repeating: equal, count: 13) + [moved]) == [13])
    #expect(doubtful([ScaleCertainty](repeating: equal, count: 10) + [moved, moved]).isEmpty)
    // 1225 · 2⁻¹⁴ is f16(1/13.375), and the factor's 1224 · 2⁻¹⁴ is bf16(1/13.375): others are equal, and no inverses.
    #expect(HalfFloat(1 / 13.375).float == 1225 * 0x1p-14 && BFloat16.rounded(1 / 13.375) == 1224 * 0x1p-14)
    let inverse = try certainty(scale(1224 * 0x1p-14, .bf16), scale(1225 * 0x1p-14, .f16))
    #expect(inverse.level == .divisor && doubtful([ScaleCertainty](repeating: equal, count: 13) + [inverse]) == [13])
    #expect(doubtful([ScaleCertainty](repeating: inverse, count: 14)).isEmpty)
    // Matrices that were not read hold equal numbers.
    #expect(doubtful([ScaleCertainty](repeating: .equal, count: 13) + [rounded]) == [13])
    #expect(doubtful([ScaleCertainty](repeating: .equal, count: 23) + [moved, moved, moved, moved, moved]).isEmpty)
    #expect(doubtful([ScaleCertainty](repeating: .equal, count: 13) + [moved]) == [13])
  }

  /// The same numbers in every type that holds them, for a tensor and for each of its groups.
  private func carriers(_ number: TernaryScale) -> [TernaryScale] {
    let multiplier = number.multiplier()
    let types: [DType] = [.bf16, .f16, .f32].filter { TernaryScale.rounded(multiplier, to: $0) == multiplier }
    return [number]
      + types.flatMap { type in
        [ScaleGranularity.tensor, .row, .group(columns: 128)].map { granularity in
          let count = granularity.count(rows: 4, columns: 256)
          return TernaryScale(
            stored: [Float](repeating: multiplier, count: count), storage: type, convention: .multiply,
            granularity: granularity)
        }
      }
  }

  @Test("what holds a number says nothing of it")
  func carriers() throws {
    // 0.05078125 by way of 19.75; 0.0744767 as a factor, and as a divisor; a divisor beside the next dense number.
    let numbers = [
      scale(0.05078125, .bf16), scale(1 / 19.75, .bf16), scale(19.75, .bf16, .divide), scale(1 / 19.75, .f16),
      scale(0.0744767, .bf16), scale(13.4375, .bf16, .divide), scale(24.25, .bf16, .divide), scale(1 / 24.125, .f16),
    ]
    for a in numbers {
      for b in numbers {
        let expected = try agreement(a, b)
        for one in carriers(a) {
          for two in carriers(b) {
            let found = try agreement(one, two)
            #expect(found.agrees == expected.agrees, "\(one), \(two): \(found)")
            #expect(!found.agrees || found.certainty.level == expected.certainty.level, "\(one), \(two)")
          }
        }
      }
    }
    // f16(1/13.4375) shares a number with the factor as its divisor does: 0.0744629 to 0.0745921.
    #expect(try levels(scale(0.0744767, .bf16), scale(1 / 13.4375, .f16)) == [.common, .common])
    // A Float beside 0.05078125, as a checkpoint holds it that divides: 1/19.692307 is the number, or the one above.
    let float = TernaryScale(stored: 1 / Float(0.05078125), storage: .f32, convention: .divide)
    for other in [scale(19.75, .bf16, .divide), scale(1 / 19.75, .f16), scale(1 / 19.75, .bf16)] {
      #expect(try levels(float, other) == levels(scale(0.05078125, .bf16), other))
    }
  }

  /// f16(1/d) is in the middle of two bfloat16 numbers where its last three digits are 100, and 1/d is on the side of the
  /// odd one.
  @Test("an inverse that F16 puts in the middle of two bfloat16 numbers may be either of them")
  func twice() throws {
    var count = 0
    for bits in BFloat16(16).bits..<BFloat16(64).bits {
      let inverse = 1 / BFloat16(bits: bits).float
      let (once, twice) = (BFloat16.rounded(inverse), BFloat16.rounded(HalfFloat(inverse).float))
      guard once != twice else { continue }
      count += 1
      #expect(try levels(scale(once, .bf16), scale(twice, .bf16)) == [.sure, .sure], "\(bits)")
    }
    #expect(count > 0)
  }

  @Test("scales that are all above the other side's by as much were multiplied, and rounding is no factor")
  func multiplied() throws {
    var generator = SeededGenerator(seed: 25)
    let divisors = (0..<28).map { _ in BFloat16.rounded(Float.random(in: 16..<60, using: &generator)) }
    func doubtful(_ change: (Float) -> TernaryScale) throws -> Int {
      let all = try divisors.compactMap { divisor -> ScaleCertainty? in
        let found = try agreement(scale(divisor, .bf16, .divide), change(divisor))
        return found.agrees ? found.certainty : nil
      }
      #expect(all.count == 28)
      return ScaleCertainty.doubtful(all).count
    }
    // 0.0015 is less than half a step of any bfloat16 number, which is 0.00195 to 0.0039 of it.
    #expect(try doubtful { scale(1 / $0 * 1.0015, .f32) } == 28)
    #expect(try doubtful { scale(1 / $0 / 1.0015, .f32) } == 28)
    // Steps of F16 are 0.0005 to 0.001 of a number.
    #expect(try doubtful { scale(HalfFloat(bits: HalfFloat(1 / $0).bits + 1).float, .f16) } == 28)
    #expect(try doubtful { scale(1 / $0, .f16) } == 0)
    #expect(try doubtful { scale(1 / $0, .bf16) } == 0)
    // One scale in all matrices tells nothing of signs.
    let one = try agreement(scale(24.125, .bf16, .divide), scale(1 / 24.11, .f32)).certainty
    #expect(ScaleCertainty.doubtful([ScaleCertainty](repeating: one, count: 28)).isEmpty)
  }
}
