// Tritsmith: how well a model agrees with another one.

import TritCore
import TritModel
import TritSurvey

/// How far a model Q is from a model P over all positions of all prompts; everything in Double.
public struct LogitAgreement: Sendable, Hashable {
  /// Tokens that got logits, finite or not.
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

/// What must hold for a validation to pass; nil takes the default, which follows the rounding noise of the model.
public struct ValidationGates: Sendable, Hashable {
  /// Most KL(P‖Q) on average, in nats.
  public var maximumMeanKL: Double?
  /// Smallest share of positions with the same likeliest token.
  public var minimumTopOne: Double?
  /// Most logit NMSE.
  public var maximumNMSE: Double?
  /// Largest |Δlogit|. Its default holds where both sides do the same in Float32: no inputs are rounded, logits of a file
  /// are no 16-bit numbers, weights of two models are the same or rounded number by number, and no other bound is wider
  /// than its default.
  public var maximumLogitDifference: Double?

  public init(
    maximumMeanKL: Double? = nil, minimumTopOne: Double? = nil, maximumNMSE: Double? = nil,
    maximumLogitDifference: Double? = nil
  ) {
    self.maximumMeanKL = maximumMeanKL
    self.minimumTopOne = minimumTopOne
    self.maximumNMSE = maximumNMSE
    self.maximumLogitDifference = maximumLogitDifference
  }

  /// Whether a bound was asked for that is wider than its default.
  func isWider(positions: Int) -> Bool {
    maximumMeanKL ?? 0 > ValidationGates.meanKL || maximumNMSE ?? 0 > ValidationGates.nmse
      || minimumTopOne ?? 1 < ValidationGates.topOne(positions: positions)
      || maximumLogitDifference ?? 0 > ValidationGates.logitDifference
  }

  /// Three times what correct implementations of one trained model differ by, since rounding inputs to int8 turns a
  /// last-bit difference into a whole step now and then: mean KL 1.5e-4, NMSE 6.3e-5, and 0.021 of the likeliest tokens
  /// (`Docs/ForwardPass.md`). Where a model is noisier, three times its own noise takes their place.
  public static let meanKL = 4.5e-4
  public static let topOne = 0.937
  public static let nmse = 1.9e-4
  /// Sums of Floats in another order move logits of trained models of 4 layers by up to 2e-4 (1e-5 to 1.9e-4 against
  /// transformers, `Docs/ForwardPass.md`), a delta net whose heads stand in another order by 0.1.
  public static let logitDifference = 5e-4
  /// What a default gate must exceed the noise by.
  public static let factor = 3.0
  /// Share of positions whose likeliest token correct implementations disagree on.
  private static let flipRate = (1 - topOne) / factor

  /// The default bound of `topOne` over a number of positions.
  ///
  /// Among few positions one flip is a large share: so many are allowed as a rate of 0.021 exceeds once in a thousand
  /// texts of that length, by the binomial distribution; never fewer than `topOne` says.
  public static func topOne(positions: Int) -> Double {
    // Over many positions the share is close to the rate, and `topOne` is what bounds it.
    guard (1..<1000).contains(positions) else { return topOne }
    let count = Double(positions)
    var chance = Logarithm.exponential(count * Logarithm.natural(1 - flipRate))
    var (flips, total) = (0, chance)
    while total < 0.999, flips < positions {
      chance *= flipRate / (1 - flipRate) * (count - Double(flips)) / Double(flips + 1)
      flips += 1
      total += chance
    }
    return min(topOne, 1 - Double(flips) / count)
  }
}

/// Where the bound of a gate comes from.
public enum GateBasis: String, Sendable, Hashable {
  case asked
  case standard = "default"
  /// `ValidationGates.factor` times what rounding alone does to this model on this text.
  case noise
}

/// One gate and what came out.
public struct GateResult: Sendable, Hashable {
  public var name: String
  public var found: Double
  public var bound: Double
  /// Whether `bound` is the largest value that passes, or the smallest.
  public var isUpperBound: Bool
  public var basis = GateBasis.asked

  /// The gate of `ValidateResult.wrongSteps`.
  static let wrongSteps = "wrong_steps"
  /// The gate of hidden states of files that are past their bound; all others are of logits.
  static let divergedStates = "diverged_states"
  /// The gate of `LogitAgreement.maximumDifference`.
  static let largestDifference = "max_abs_difference"

  var isOfLogits: Bool { name != GateResult.wrongSteps && name != GateResult.divergedStates }

  /// A value that is not a number never passes.
  public var passed: Bool { isUpperBound ? found <= bound : found >= bound }
}

/// How far a model is from itself when nothing but roundings differ.
public struct RoundingNoise: Sendable, Hashable {
  /// Which roundings, for people.
  public var source: String
  public var meanKL: Double
  public var nmse: Double
  public var topOne: Double
  /// Largest |Δlogit|.
  public var maximumDifference: Double
}

/// A rounding that would explain how far logits are apart.
public struct RoundingExplanation: Sendable, Hashable {
  /// `F16` or `BF16`.
  public var type: String
  /// Largest |Δlogit| it makes on this text.
  public var maximumDifference: Double
  /// What makes it likely, so that it counts; nil when nothing does, and the gate fails.
  public var reason: RoundingReason?
}

/// How far a hidden state of Q is from that of P, over all tokens.
public struct HiddenStateAgreement: Sendable, Hashable {
  /// `embed`, `block<i>`, `final_norm`; of files any state, as `ForwardObserver` names it.
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
  /// What both were run on, for people.
  public var text: String
  public var agreement: LogitAgreement
  /// For each prompt.
  public var prompts: [LogitAgreement]
  /// In order of the forward pass; empty when P is a file of logits without hidden states.
  public var hiddenStates: [HiddenStateAgreement]
  public var hiddenBound: Double
  /// Every step of Q from P's input, in order of the forward pass; empty when P is a file of logits.
  public var steps: [StepAgreement] = []
  /// Steps that only one of the two has.
  public var unmatchedSteps: [String] = []
  /// Which side takes inputs rounded to int8 in the steps only, because the other side's projections do; nil for none.
  public var roundedForSteps: String?
  /// Whether steps were compared in reference arithmetic, because fast arithmetic rounds inputs of one side alone that
  /// the model takes as they are.
  public var stepsInReference = false
  /// Measured when a default gate would not hold without.
  public var noise: [RoundingNoise] = []
  public var gates: [GateResult]
  /// Where numbers stop being finite, by the path of the model.
  public var nonFinite: [String: NonFiniteState] = [:]
  /// Tensors of files of P that were not compared with anything.
  public var unreadTensors: [String] = []
  /// `F16` or `BF16` where all logits of the file are numbers of that type; nil for Floats.
  public var logitType: String?
  /// The first step with a matrix in two types whose numbers cannot be held against each other, where no inputs are
  /// rounded.
  public var unmeasuredStep: String?
  /// Why the largest |Δlogit| may be as large as it is.
  public var explanation: RoundingExplanation?
  /// What fast arithmetic does to a model that takes inputs as they are, where gates do not hold against a file of logits.
  public var fastNoise: RoundingNoise?

  /// The first hidden state whose relative error is above the bound.
  public var firstDivergence: HiddenStateAgreement? { hiddenStates.first { !($0.relativeError <= hiddenBound) } }

  /// Steps that are past their bounds, and those that only one of the two has.
  var wrongSteps: Int { steps.count { !$0.passed } + unmatchedSteps.count }

  /// The first step that is past its bound.
  public var firstWrongStep: StepAgreement? { steps.first { !$0.passed } }

  public var passed: Bool { agreement.nonFinitePositions == 0 && gates.allSatisfy(\.passed) }
}
