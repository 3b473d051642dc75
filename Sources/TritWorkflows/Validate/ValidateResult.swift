// Tritsmith: how well a model agrees with another one.

import TritCore

/// How far a model Q is from a model P over all positions of all prompts; everything in Double.
public struct LogitAgreement: Sendable, Hashable {
  /// Tokens that got logits.
  public var positions: Int
  /// Positions where a logit of either side is infinite or not a number; they are in none of the other numbers.
  public var nonFinitePositions: Int
  /// Largest |Δlogit|.
  public var maximumDifference: Double
  /// Mean |Δlogit|.
  public var meanDifference: Double
  /// Σ (p − q)² / Σ (p − mean of p at that position)².
  public var nmse: Double
  /// KL(P‖Q) in nats: mean, 99th percentile (linear between ranks) and maximum over positions.
  public var meanKL: Double
  public var p99KL: Double
  public var maximumKL: Double
  /// Share of positions where both have the same likeliest token; the lowest id among equals.
  public var topOne: Double
  /// Mean over positions of how many of the five likeliest tokens of P are among the five of Q, divided by 5.
  public var topFive: Double
}

/// What must hold for a validation to pass.
public struct ValidationGates: Sendable, Hashable {
  /// Most KL(P‖Q) on average, in nats.
  public var maximumMeanKL: Double
  /// Smallest share of positions with the same likeliest token.
  public var minimumTopOne: Double
  /// Most logit NMSE.
  public var maximumNMSE: Double

  /// Correct implementations of one ternary model differ because rounding activations to int8 turns a last-bit
  /// difference into a whole step now and then: mean KL 1.5e-4 and NMSE 6.3e-5 at most on trained checkpoints. One
  /// scale off by a tenth, or one exchanged pair of rows, gives 9e-4 and 2.5e-4 at least.
  public init(maximumMeanKL: Double = 4e-4, minimumTopOne: Double = 0.97, maximumNMSE: Double = 1e-4) {
    self.maximumMeanKL = maximumMeanKL
    self.minimumTopOne = minimumTopOne
    self.maximumNMSE = maximumNMSE
  }
}

/// One gate and what came out.
public struct GateResult: Sendable, Hashable {
  public var name: String
  public var found: Double
  public var bound: Double
  /// Whether `bound` is the largest value that passes, or the smallest.
  public var isUpperBound: Bool

  /// A value that is not a number never passes.
  public var passed: Bool { isUpperBound ? found <= bound : found >= bound }
}

/// How far a hidden state of Q is from that of P, over all tokens.
public struct HiddenStateAgreement: Sendable, Hashable {
  /// `embed`, `block<i>`, `final_norm`.
  public var name: String
  public var maximumDifference: Double
  /// Root of Σ (p − q)² / Σ p².
  public var relativeError: Double
}

/// One side of a comparison.
public struct ValidatedSide: Sendable {
  public var path: String
  /// How it was run; nil for a file of logits.
  public var run: RunDescription?
  /// Identity of trits and scales, whatever the format; nil when the weights are not ternary.
  public var codeStream: Digest?
  /// What its stored scales mean, and why; without evidence for a model without packed tensors.
  public var scale = ScaleFinding(convention: nil, evidence: [])
}

/// What a validation found.
public struct ValidateResult: Sendable {
  /// What is taken as right: P.
  public var reference: ValidatedSide
  /// What is validated: Q.
  public var model: ValidatedSide
  public var agreement: LogitAgreement
  /// For each prompt.
  public var prompts: [LogitAgreement]
  /// In order of the forward pass; empty when P is a file of logits.
  public var hiddenStates: [HiddenStateAgreement]
  public var hiddenBound: Double
  public var gates: [GateResult]

  /// The first hidden state whose relative error is above the bound.
  public var firstDivergence: HiddenStateAgreement? { hiddenStates.first { !($0.relativeError <= hiddenBound) } }

  public var passed: Bool { agreement.nonFinitePositions == 0 && gates.allSatisfy(\.passed) }
}
