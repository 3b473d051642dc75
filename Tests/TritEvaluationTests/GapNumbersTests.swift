// Tritsmith tests: the arithmetic of a gap, by hand.

import Testing
import TritCore
import TritModel

@testable import TritEvaluation
@testable import TritSurvey

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Gap numbers")
struct GapNumbersTests {
  @Test("two distributions over two tokens")
  func position() throws {
    // p = (1/2, 1/2), q = (1/4, 3/4); logits are shifted, which changes no probability.
    let p: [Float] = [7, 7]
    let q = [Float(log(1.0)), Float(log(3.0))]
    let found = try #require(PositionAgreement(p[...], q[...]))
    #expect(abs(found.divergence - 0.5 * log(4.0 / 3)) < 1e-7)
    #expect(abs(found.reverseDivergence - (0.25 * log(0.5) + 0.75 * log(1.5))) < 1e-7)
    // m = (3/8, 5/8)
    let shannon =
      (0.5 * log(4.0 / 3) + 0.5 * log(4.0 / 5) + 0.25 * log(2.0 / 3) + 0.75 * log(6.0 / 5)) / 2
    #expect(abs(found.jensenShannon - shannon) < 1e-7)
    #expect(found.bestP == 0 && found.bestQ == 1 && !found.isSameTop && found.topFive == 1)
    #expect(found.placeOfBestP == 1 && found.placeOfBestQ == 1)
    #expect(PositionAgreement([1, .infinity][...], q[...]) == nil)
    #expect(PositionAgreement([1, .nan][...], q[...]) == nil)
  }

  @Test("the likeliest token of one among the k likeliest of the other")
  func containment() throws {
    // P falls from token 0 on. Q rises but for one: P's likeliest is the 8th of Q, Q's likeliest the last of P.
    let p = (0..<12).map { Float(-$0) }
    var q = (0..<12).map { Float($0) }
    q[0] = 4.5
    let found = try #require(PositionAgreement(p[...], q[...]))
    #expect(found.bestP == 0 && found.bestQ == 11 && found.placeOfBestP == 7 && found.placeOfBestQ == nil)
    // Equal logits: the lower id first, so that token 1 is behind token 0.
    let tied = try #require(PositionAgreement([0, 1][...], [2, 2][...]))
    #expect(tied.placeOfBestP == 1 && tied.placeOfBestQ == 1)
    var statistics = TokenStatistics()
    statistics.add(found, logitP: p[0], logitQ: q[0])
    statistics.add(PositionAgreement(p[...], p[...]), logitP: p[0], logitQ: p[0])
    let model = statistics.result(worst: [])
    #expect(model.containment.map(\.size) == [5, 10])
    #expect(model.containment.map(\.reference.value) == [0.5, 1])
    #expect(model.containment.map(\.candidate.value) == [0.5, 0.5])
    // √(s(1−s)/(T−1))
    #expect(model.containment[0].reference.error == 0.5 && model.containment[1].reference.error == 0)
  }

  @Test("means, errors, correlation and percentiles over three tokens")
  func statistics() throws {
    var statistics = TokenStatistics()
    // Text's token has p = 1/2, 1/2, 1/2 and q = 1/4, 3/4, 1/2.
    let half: [Float] = [0, 0]
    let quarter = [0, Float(log(3.0))]
    statistics.add(PositionAgreement(half[...], quarter[...]), logitP: half[0], logitQ: quarter[0])
    statistics.add(PositionAgreement(half[...], quarter[...]), logitP: half[1], logitQ: quarter[1])
    statistics.add(PositionAgreement(half[...], half[...]), logitP: half[0], logitQ: half[0])
    statistics.add(nil, logitP: .nan, logitQ: 0)
    let result = statistics.result(worst: [])
    #expect(result.tokens == 3 && result.nonFinite == 1)
    #expect(abs(result.referencePerplexity.value - 2) < 1e-6 && result.referencePerplexity.error < 1e-6)
    let losses = [log(4.0), log(4.0 / 3), log(2.0)]
    let mean = losses.reduce(0, +) / 3
    #expect(abs(result.candidatePerplexity.value - exp(mean)) < 1e-6)
    // Variance over n, divided by n − 1.
    let error = (losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 3 / 2).squareRoot()
    #expect(abs(result.candidatePerplexity.error - exp(mean) * error) < 1e-6)
    #expect(abs(result.logRatio.value - (mean - log(2.0))) < 1e-6 && abs(result.logRatio.error - error) < 1e-6)
    let change = try #require(result.distribution("delta_p"))
    #expect(abs(change.mean.value) < 1e-7)
    #expect(abs(change.rms.value - (0.125 / 3).squareRoot()) < 1e-7)
    #expect(abs((change.quantile(1) ?? 0) - 0.25) < 1e-7 && abs((change.quantile(0) ?? 0) + 0.25) < 1e-7)
    #expect(abs((change.quantile(0.75) ?? 0) - 0.125) < 1e-7)
    #expect(abs(result.sameTopOne.value - 1.0 / 3) < 1e-12)
    #expect(abs(result.sameTopOne.error - (1.0 / 3 * 2 / 3 / 2).squareRoot()) < 1e-12)
  }

  @Test("weights against trits")
  func weights() throws {
    var sums = WeightGapSums()
    // Threshold 0.5, scale 1: −1 0 0 1 1, and 0.505 is within 2 % of the threshold.
    let weights: [Float] = [-2, -0.25, 0, 0.505, 1]
    sums.add(weights, trits: [-1, 0, 0, 1, 1], isLatent: true) { _ in 1 }
    var gap = TensorGap(
      name: "t", role: .other, shape: try #require(TensorShape([1, 5])), referenceEncoding: "F32",
      candidateEncoding: "two-bit", bytes: 2,
      moments: .init(mean: 0, standardDeviation: 0, absoluteMean: 0, largest: 0), maximumError: 0,
      maximumErrorIndex: 0, histogram: [])
    sums.finish(&gap, scale: TernaryScale(stored: 1, storage: .f32, convention: .multiply), isLatent: true)
    let half = Double(Float(0.505))
    let squares = 4 + 0.0625 + half * half + 1
    let error = 1 + 0.0625 + (1 - half) * (1 - half)
    #expect(abs((gap.relativeError ?? 0) - (error / squares).squareRoot()) < 1e-12)
    #expect(abs((gap.cosine ?? 0) - (3 + half) / (squares * 3).squareRoot()) < 1e-12)
    #expect(gap.maximumError == 1 && gap.maximumErrorIndex == 0 && gap.effectiveBits == 3.2)
    let ternary = try #require(gap.ternary)
    #expect(ternary.negative == 1 && ternary.zero == 2 && ternary.positive == 2)
    #expect(ternary.zeroShare == 0.4 && ternary.signAgreement == 1 && ternary.nearThreshold == 0.2)
    #expect(abs((ternary.signBalance ?? 0) - 1.0 / 3) < 1e-12)
    #expect(abs((ternary.leastSquaresScale ?? 0) - (3 + half) / 3) < 1e-12)
    #expect(abs(ternary.entropy - (0.2 * log2(5.0) + 0.8 * log2(2.5))) < 1e-12)
    #expect(gap.histogram.reduce(0, +) == 5 && gap.histogram[30] == 1 && gap.histogram[35] == 1)
    #expect(gap.histogram[10] == 1 && gap.histogram[27] == 1 && gap.histogram[40] == 1)
  }

  @Test("every metric has a term and a definition")
  func definitions() {
    for metric in Metric.allCases { #expect(metric.term != metric.rawValue && metric.text.count > 20, "\(metric)") }
    #expect(Set(Metric.allCases.map(\.rawValue)).count == Metric.allCases.count)
  }
}
