// Tritsmith: how well a model agrees with another one.

import TritCore
import TritModel
import TritReport
import TritSurvey

/// How far a model Q is from a model P over all positions of all prompts; everything in Double.
package struct LogitAgreement: Sendable, Hashable {
  /// Tokens that got logits, finite or not.
  package var positions: Int
  /// Positions where a logit of either side is infinite or not a number; they are in none of the other numbers.
  package var nonFinitePositions: Int
  /// Largest |Δlogit|.
  package var maximumDifference: Double
  /// Mean |Δlogit|.
  package var meanDifference: Double
  /// Σ (p − q)² / Σ (p − mean of p at that position)².
  package var nmse: Double
  /// KL(P‖Q) in nats: mean, 99th percentile (linear between ranks) and maximum over positions.
  package var meanKL: Double
  package var p99KL: Double
  package var maximumKL: Double
  /// Share of positions where both have the same likeliest token; the lowest id among equals.
  package var topOne: Double
  /// Mean over positions of how many of the five likeliest tokens of P are among the five of Q, divided by 5.
  package var topFive: Double
}

/// What must hold for a validation to pass; nil takes the default, which follows the rounding noise of the model.
package struct ValidationGates: Sendable, Hashable {
  /// Most KL(P‖Q) on average, in nats.
  package var maximumMeanKL: Double?
  /// Smallest share of positions with the same likeliest token.
  package var minimumTopOne: Double?
  /// Most logit NMSE.
  package var maximumNMSE: Double?
  /// Largest |Δlogit|. Its default holds where both sides do the same in Float32: no inputs are rounded, logits of a file
  /// are no 16-bit numbers, weights of two models are the same or rounded number by number, and no other bound is wider
  /// than its default.
  package var maximumLogitDifference: Double?

  package init(
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
  package static let meanKL = 4.5e-4
  package static let topOne = 0.937
  package static let nmse = 1.9e-4
  /// Sums of Floats in another order move logits of trained models of 4 layers by up to 2e-4 (1e-5 to 1.9e-4 against
  /// transformers, `Docs/ForwardPass.md`), a delta net whose heads stand in another order by 0.1.
  package static let logitDifference = 5e-4
  /// The most KL of positions none of whose logits is off by more than a difference: log E[e^x] of x of mean 0 in a range
  /// r is at most r²/8 (Hoeffding), and r is twice the difference. Over a token or two KL hangs on one number, so that its
  /// own noise says less of it than that of many logits does.
  package static func meanKL(ofDifference largest: Double) -> Double { largest * largest / 2 }
  /// What a default gate must exceed the noise by.
  package static let factor = 3.0
  /// Share of positions whose likeliest token correct implementations disagree on.
  private static let flipRate = (1 - topOne) / factor

  /// The default bound of `topOne` over a number of positions.
  ///
  /// Among few positions one flip is a large share: so many are allowed as a rate of 0.021 exceeds once in a thousand
  /// texts of that length, by the binomial distribution; never fewer than `topOne` says.
  package static func topOne(positions: Int) -> Double {
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
package enum GateBasis: String, Sendable, Hashable {
  case asked
  case standard = "default"
  /// `ValidationGates.factor` times what rounding alone does to this model on this text.
  case noise
}

/// One gate and what came out.
package struct GateResult: Sendable, Hashable {
  package var name: String
  package var found: Double
  package var bound: Double
  /// Whether `bound` is the largest value that passes, or the smallest.
  package var isUpperBound: Bool
  package var basis = GateBasis.asked

  /// The gate of `ValidateResult.wrongSteps`.
  static let wrongSteps = "wrong_steps"
  /// The gate of hidden states of files that are past their bound; all others are of logits.
  static let divergedStates = "diverged_states"
  /// The gate of `LogitAgreement.meanKL`.
  static let meanKL = "mean_kl"
  /// The gate of `LogitAgreement.maximumDifference`.
  static let largestDifference = "max_abs_difference"

  var isOfLogits: Bool { name != GateResult.wrongSteps && name != GateResult.divergedStates }

  /// A value that is not a number never passes.
  package var passed: Bool { isUpperBound ? found <= bound : found >= bound }

  /// "mean KL 0.000432 is above the bound 0.0001", of a gate that does not hold.
  var failure: String {
    let words = ["mean_kld": "mean KL", "same_top_1": "same top-1", "ppl_ratio": "perplexity ratio"]
    let relation = found.isNaN ? "is no number, against" : isUpperBound ? "is above" : "is below"
    return "\(words[name] ?? name) \(foundText) \(relation) the bound \(boundText)"
  }

  /// With three digits, or as many as are needed to stand on the side of the bound where the number is.
  var foundText: String {
    for digits in 3...16 {
      let text = NumberText.significant(found, digits: digits)
      var shown = self
      shown.found = Double(text) ?? found
      if shown.passed == passed { return text }
    }
    return "\(found)"
  }

  /// As it was given: "0.0001", "2".
  var boundText: String { Int64(exactly: bound).map { "\($0)" } ?? "\(bound)" }
}

/// How far a model is from itself when nothing but roundings differ.
package struct RoundingNoise: Sendable, Hashable {
  /// Which roundings, for people.
  package var source: String
  package var meanKL: Double
  package var nmse: Double
  package var topOne: Double
  /// Largest |Δlogit|.
  package var maximumDifference: Double
}

/// A rounding that would explain how far logits are apart.
package struct RoundingExplanation: Sendable, Hashable {
  /// `F16` or `BF16`.
  package var type: String
  /// Largest |Δlogit| it makes on this text.
  package var maximumDifference: Double
  /// Whether numbers of the model show it, so that it counts; the gate fails where nothing does.
  package var isShown: Bool
}

/// How far a hidden state of Q is from that of P, over all tokens.
package struct HiddenStateAgreement: Sendable, Hashable {
  /// `embed`, `block<i>`, `final_norm`; of files any state, as `ForwardObserver` names it.
  package var name: String
  package var maximumDifference: Double
  /// Root of Σ (p − q)² / Σ p².
  package var relativeError: Double
}

/// One side of a comparison.
package struct ValidatedSide: Sendable {
  package var path: String
  /// How it was run; nil for a file of logits.
  package var run: RunDescription?
  /// Identity of trits and scales, whatever the format; nil when the weights are not ternary.
  package var codeStream: Digest?
  /// What its stored scales mean, and why; without evidence for a model without packed tensors.
  package var scale = ScaleFinding(convention: nil, evidence: [])
}

/// What a validation found.
public struct ValidateResult: Sendable {
  /// What is taken as right: P.
  package var reference: ValidatedSide
  /// What is validated: Q.
  package var model: ValidatedSide
  /// What both were run on, for people.
  package var text: String
  package var agreement: LogitAgreement
  /// For each prompt.
  package var prompts: [LogitAgreement]
  /// In order of the forward pass; empty when P is a file of logits without hidden states.
  package var hiddenStates: [HiddenStateAgreement]
  package var hiddenBound: Double
  /// Every step of Q from P's input, in order of the forward pass; empty when P is a file of logits.
  package var steps: [StepAgreement] = []
  /// Steps that only one of the two has.
  package var unmatchedSteps: [String] = []
  /// Which side takes inputs rounded to int8 in the steps only, because the other side's projections do; nil for none.
  package var roundedForSteps: String?
  /// Whether steps were compared in reference arithmetic, because fast arithmetic rounds inputs of one side alone that
  /// the model takes as they are, or in other groups.
  package var stepsInReference = false
  /// Matrices that are not equal, where rounding explains it.
  package var rounded = RoundedMatrices()
  /// Measured when a default gate would not hold without.
  package var noise: [RoundingNoise] = []
  package var gates: [GateResult]
  /// Where numbers stop being finite, by the path of the model.
  package var nonFinite: [String: NonFiniteState] = [:]
  /// Tensors of files of P that were not compared with anything.
  package var unreadTensors: [String] = []
  /// `F16` or `BF16` where all logits of the file are numbers of that type; nil for Floats.
  package var logitType: String?
  /// The first step with a matrix in two types whose numbers cannot be held against each other, where no inputs are
  /// rounded.
  package var unmeasuredStep: String?
  /// Steps that hold numbers which the text does not reach and which could not be held against each other.
  package var unreachedSteps: [String] = []
  /// Why the largest |Δlogit| may be as large as it is.
  package var explanation: RoundingExplanation?
  /// What fast arithmetic does to a model that takes inputs as they are, where gates do not hold against a file of logits.
  package var fastNoise: RoundingNoise?

  /// The first hidden state whose relative error is above the bound.
  package var firstDivergence: HiddenStateAgreement? { hiddenStates.first { !($0.relativeError <= hiddenBound) } }

  /// Steps that are past their bounds, and those that only one of the two has.
  var wrongSteps: Int { steps.count { !$0.passed } + unmatchedSteps.count }

  /// The first step that is past its bound.
  package var firstWrongStep: StepAgreement? { steps.first { !$0.passed } }

  /// Whether every gate passed, and every logit of both models is a finite number.
  public var passed: Bool { agreement.nonFinitePositions == 0 && gates.allSatisfy(\.passed) }
}
