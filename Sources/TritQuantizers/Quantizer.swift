// Tritsmith: how floats become trits and a scale.

import TritCore
import TritKernels

/// The name of a quantizer in options, recipes and reports.
public struct QuantizerID: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
  public let rawValue: String

  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  public var description: String { rawValue }
}

/// What the first pass over a tensor found.
package struct WeightSummary: Sendable, Equatable {
  package var count: Int
  /// Σ|w| in Double, in the order `Kernels.summarize` defines.
  package var magnitudeSum: Double

  package init(count: Int, magnitudeSum: Double) {
    self.count = count
    self.magnitudeSum = magnitudeSum
  }

  /// Of weights in memory, summed in the order `Kernels.summarize` defines.
  package init(of weights: [Float]) {
    self.init(count: weights.count, magnitudeSum: 0)
    for start in stride(from: 0, to: weights.count, by: sumBlock) {
      var lanes = SIMD8<Double>.zero
      for index in start..<min(start + sumBlock, weights.count) {
        lanes[(index - start) & 7] += Double(weights[index].magnitude)
      }
      magnitudeSum += ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    }
  }
}

/// What a quantizer decided for a tensor: from which magnitude a weight is ±1, and the scale in both meanings.
package struct TernaryDecision: Sendable, Equatable {
  /// For bfloat16 weights.
  package var thresholds: TritThresholds
  /// For Float weights: 31-bit magnitude patterns.
  package var floatThresholds: FloatTritThresholds
  /// What trits are multiplied by, before it is rounded to its storage type.
  package var absmean: Float
  /// What trits are divided by, before it is rounded to its storage type.
  package var inverse: Float
}

/// The same as `TritThresholds` for Float magnitudes.
@usableFromInline package struct FloatTritThresholds: Sendable, Equatable {
  @usableFromInline package var positive: UInt32
  @usableFromInline package var negative: UInt32

  package init(positive: UInt32, negative: UInt32) {
    self.positive = positive
    self.negative = negative
  }

  /// The trit of a weight.
  @usableFromInline package func trit(_ weight: Float) -> Int8 {
    let bits = weight.bitPattern
    let magnitude = bits & 0x7FFF_FFFF
    return bits >> 31 == 0 ? (magnitude >= positive ? 1 : 0) : (magnitude >= negative ? -1 : 0)
  }
}

/// A rule that turns the weights of a matrix into trits and scales: a `ThresholdQuantizer` or a `FittingQuantizer`.
package protocol Quantizer: Sendable {
  var id: QuantizerID { get }
  /// One line for lists and reports.
  var summary: String { get }
  /// True when weights are rounded to bfloat16 before anything else, whatever type they are stored in.
  var roundsWeightsToBFloat16: Bool { get }
}

/// A rule for one scale that needs no more than the mean magnitude: how BitNet models are trained.
///
/// The trit of a weight must not fall when its magnitude grows; `TernaryDecision` relies on it.
package protocol ThresholdQuantizer: Quantizer {
  /// Thresholds and scale for a tensor of that summary.
  func decide(_ weights: WeightSummary) -> TernaryDecision

  /// The trit of one weight by the rule itself, slowly: what the thresholds of a decision must agree with.
  func trit(_ weight: Float, _ decision: TernaryDecision) -> Int8
}
