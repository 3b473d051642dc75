// Tritsmith: absmean quantization as three published programs compute it.

import TritCore
import TritKernels

/// What happens to a value half way between two trits.
package enum TernaryRounding: String, Sendable, CaseIterable {
  /// torch's `round`: ±½ becomes 0.
  case halfEven
  /// floor(x + ½), as the fine-tuning kernels of onebitllms round: +½ becomes 1, −½ becomes 0.
  case halfUp

  func trit(_ value: Float) -> Int8 {
    let rounded =
      switch self {
      case .halfEven: value.rounded(.toNearestOrEven)
      case .halfUp: (value + 0.5).rounded(.down)
      }
    return rounded >= 1 ? 1 : rounded <= -1 ? -1 : 0
  }
}

/// The precision in which mean, reciprocal and product are rounded.
package enum QuantizerPrecision: String, Sendable, CaseIterable {
  case float32
  /// Every step rounded to bfloat16, half to even.
  case bf16Steps
  /// Mean and reciprocal in Double, then one rounding to Float; products in Float.
  case doubleScale
}

/// scale = mean |w| over the whole tensor, trit = clip(round(w / scale), −1, 1).
///
/// The published programs agree on the formula and differ in arithmetic, which moves the trits of weights near half
/// the scale (about one in a thousand for Gaussian weights, more for trained BitNet latents):
/// - `absmean-bf16`: onebitllms `quantize_to_1bit`; every step in bfloat16, round half to even.
/// - `absmean-float32`: transformers `WeightQuant`; Float, round half to even.
/// - `absmean-kernel`: the Triton kernels onebitllms trains with; floor(x + ½).
///
/// All clamp the mean to at least 1e-5 and multiply by a reciprocal instead of dividing.
package struct AbsMean: ThresholdQuantizer {
  package let id: QuantizerID
  package let precision: QuantizerPrecision
  package let rounding: TernaryRounding
  package let summary: String

  /// As onebitllms' `quantize_to_1bit`.
  package static let bf16 = AbsMean(
    "absmean-bf16", .bf16Steps, .halfEven, "absmean, every step in bfloat16 (onebitllms quantize_to_1bit)")
  /// As transformers' `WeightQuant`.
  package static let float32 = AbsMean(
    "absmean-float32", .float32, .halfEven, "absmean in float32 (transformers WeightQuant)")
  /// As onebitllms' training kernels.
  package static let kernel = AbsMean(
    "absmean-kernel", .doubleScale, .halfUp, "absmean with floor(x + 1/2) (onebitllms training kernels)")

  private init(_ id: String, _ precision: QuantizerPrecision, _ rounding: TernaryRounding, _ summary: String) {
    self.id = QuantizerID(rawValue: id)
    self.precision = precision
    self.rounding = rounding
    self.summary = summary
  }

  package var roundsWeightsToBFloat16: Bool { precision == .bf16Steps }

  package func decide(_ weights: WeightSummary) -> TernaryDecision {
    let (absmean, inverse) = scales(weights)
    func reaches(_ magnitude: Float, _ sign: Float) -> Bool { trit(sign * magnitude, inverse: inverse) != 0 }
    return TernaryDecision(
      thresholds: TritThresholds(
        positive: firstBFloat16 { reaches($0, 1) }, negative: firstBFloat16 { reaches($0, -1) }),
      floatThresholds: FloatTritThresholds(
        positive: firstFloat { reaches($0, 1) }, negative: firstFloat { reaches($0, -1) }),
      absmean: absmean, inverse: inverse)
  }

  /// The trit of one weight, in the arithmetic of the program: the definition the thresholds are derived from.
  ///
  /// `inverse` is what `decide` gives; with `bf16Steps` the weight must be a bfloat16 value.
  package func trit(_ weight: Float, inverse: Float) -> Int8 {
    let product = weight * inverse
    return rounding.trit(precision == .bf16Steps ? BFloat16.rounded(product) : product)
  }

  package func trit(_ weight: Float, _ decision: TernaryDecision) -> Int8 {
    trit(roundsWeightsToBFloat16 ? BFloat16.rounded(weight) : weight, inverse: decision.inverse)
  }

  private func scales(_ weights: WeightSummary) -> (absmean: Float, inverse: Float) {
    let count = max(1, weights.count)
    switch precision {
    case .bf16Steps:
      // torch: sum in Float, divided in Float, rounded once; clamp(min=1e-5) compares with bfloat16(1e-5).
      let mean = BFloat16.rounded(Float(weights.magnitudeSum) / Float(count))
      let clamped = max(mean, BFloat16.rounded(1e-5))
      return (clamped, BFloat16.rounded(1 / clamped))
    case .float32:
      let clamped = max(Float(weights.magnitudeSum) / Float(count), 1e-5)
      return (clamped, 1 / clamped)
    case .doubleScale:
      let clamped = max(weights.magnitudeSum / Double(count), 1e-5)
      return (Float(clamped), Float(1 / clamped))
    }
  }

  /// The smallest finite bfloat16 magnitude that gives ±1; the pattern of infinity when none does.
  private func firstBFloat16(_ reaches: (Float) -> Bool) -> UInt16 {
    UInt16(first(below: UInt32(BFloat16.infinityMagnitude)) { reaches(BFloat16(bits: UInt16($0)).float) })
  }

  private func firstFloat(_ reaches: (Float) -> Bool) -> UInt32 {
    first(below: 0x7F80_0000) { reaches(Float(bitPattern: $0)) }
  }

  private func first(below end: UInt32, _ reaches: (UInt32) -> Bool) -> UInt32 {
    var low: UInt32 = 0
    var high = end
    while low < high {
      let middle = (low + high) / 2
      if reaches(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
