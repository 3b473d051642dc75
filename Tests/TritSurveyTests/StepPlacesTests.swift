// Tritsmith tests: many scales of one matrix show by themselves that they were rounded.

import Testing
import TritCore
import TritTestSupport

@testable import TritSurvey

@Suite("Where scales stood before they were rounded")
struct StepPlacesTests {
  private static let count = 512

  private func groups(_ values: [Float], _ type: DType) -> TernaryScale {
    TernaryScale(stored: values, storage: type, convention: .multiply, granularity: .group(columns: 128))
  }

  private func agreement(_ a: [Float], _ aType: DType, _ b: [Float], _ bType: DType) throws -> ScaleAgreement {
    let shape = try #require(TensorShape(rows: a.count, columns: 128))
    let (one, two) = (groups(a, aType), groups(b, bType))
    return ScaleAgreement(one, two, LiveUnits(all: ScaleGrid(one.granularity, two.granularity, shape)), origin: .model)
  }

  /// Beside as many matrices with equal scales as a model of four layers has.
  private func isDoubtful(_ found: ScaleAgreement) -> Bool {
    let sures = [ScaleCertainty](repeating: .equal, count: 27)
    return ScaleCertainty.doubtful(sures + [found.certainty]) == [27]
  }

  private static func halves(_ seed: UInt64, _ count: Int = Self.count) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in HalfFloat(Float.random(in: 0.01..<0.1, using: &generator)).float }
  }

  /// An embedding whose groups have scales of F16, in a folder of bfloat16, of a model whose other scales are bfloat16.
  @Test("numbers of F16 that stand in all eighths of a bfloat16 step were rounded", arguments: [UInt64(1), 2, 3])
  func rounded(_ seed: UInt64) throws {
    let fine = Self.halves(seed)
    let coarse = fine.map { BFloat16.rounded($0) }
    for type in [DType.bf16, .f32] {
      for found in [try agreement(fine, .f16, coarse, type), try agreement(coarse, type, fine, .f16)] {
        #expect(found.agrees && found.certainty.areEven && !isDoubtful(found), "\(found)")
      }
    }
    // Of Floats rounded to F16, eighths are as good.
    var generator = SeededGenerator(seed: seed)
    let floats = (0..<Self.count).map { _ in Float.random(in: 0.01..<0.1, using: &generator) }
    #expect(try !isDoubtful(agreement(floats, .f32, floats.map { HalfFloat($0).float }, .f16)))
    // Too few to tell.
    let few = try agreement(Array(fine[..<48]), .f16, Array(coarse[..<48]), .bf16)
    #expect(few.agrees && isDoubtful(few))
  }

  /// Half a bfloat16 step is 0.00195 to 0.0039 of a number: rounding takes all of these back.
  @Test("numbers of bfloat16 that were moved by 0.1 % stand in few eighths", arguments: [1, 0, -1])
  func moved(_ sign: Float) throws {
    let coarse = Self.halves(4).map { BFloat16.rounded($0) }
    var generator = SeededGenerator(seed: 6)
    for share in [Float(0.0005), 0.001, 0.0015] {
      let moved = coarse.map { value in
        let factor = sign == 0 ? Bool.random(using: &generator) ? share : -share : sign * share
        return HalfFloat(value * (1 + factor)).float
      }
      for found in [try agreement(moved, .f16, coarse, .bf16), try agreement(coarse, .bf16, moved, .f16)] {
        #expect(found.agrees && !found.certainty.areEven && isDoubtful(found), "\(share): \(found)")
      }
      // Every second one.
      let half = coarse.indices.map { $0 % 2 == 0 ? moved[$0] : coarse[$0] }
      #expect(try isDoubtful(agreement(half, .f16, coarse, .bf16)), "\(share)")
    }
  }

  @Test("what one matrix shows of itself excuses no other")
  func others() throws {
    let fine = Self.halves(5)
    let even = try agreement(fine, .f16, fine.map { BFloat16.rounded($0) }, .bf16).certainty
    let one: Float = 0x1.09p-5
    let single = try agreement([one], .f16, [BFloat16.rounded(one)], .bf16).certainty
    #expect(even.areEven && !single.areEven && single.level == .rounded)
    let sures = [ScaleCertainty](repeating: .equal, count: 26)
    #expect(ScaleCertainty.doubtful(sures + [even, single]) == [27])
    // The next bfloat16 number is no rounding, of how many ever.
    let next = fine.map { BFloat16(bits: BFloat16($0).bits + 1).float }
    #expect(try !agreement(fine, .f16, next, .bf16).agrees)
  }
}
