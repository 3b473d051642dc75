// Tritsmith: how far a model is from another one, on three levels.

import TritCore
import TritModel
import TritSurvey
import TritVerification

/// A mean, or what is computed from means, with its standard error.
package struct Estimate: Sendable, Hashable {
  package var value: Double
  /// As if tokens were independent.
  package var error: Double

  package init(value: Double, error: Double) {
    self.value = value
    self.error = error
  }
}

/// A number a token, summed up.
package struct TokenDistribution: Sendable, Hashable {
  /// `kld`, `reverse_kld`, `js_divergence`, `delta_p`.
  package var name: String
  package var mean: Estimate
  /// Root of the mean square.
  package var rms: Estimate
  /// Values at `TokenDistribution.shares`, linear between the two nearest ranks.
  package var quantiles: [Double]

  /// From the smallest value to the largest.
  package static let shares = [0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]

  /// The value that this share of tokens does not exceed; nil for a share that is not kept.
  package func quantile(_ share: Double) -> Double? {
    TokenDistribution.shares.firstIndex(of: share).flatMap { quantiles.indices.contains($0) ? quantiles[$0] : nil }
  }
}

/// A token where the two models differ most.
package struct WorstToken: Sendable, Hashable {
  /// Place of the scored token in the text's ids.
  package var index: Int
  package var id: Int
  /// KL(P‖Q) of the distribution over this token, in nats.
  package var divergence: Double
  /// Probability both give the text's token.
  package var referenceProbability: Double
  package var candidateProbability: Double
  /// The likeliest token of each.
  package var referenceTop: Int
  package var candidateTop: Int
  /// The token with the text around it, and the likeliest ones; nil without a tokenizer.
  package var text: Text?

  /// The token in its context, as text.
  package struct Text: Sendable, Hashable {
    package var before: String
    package var token: String
    package var after: String
    package var referenceTop: String
    package var candidateTop: String
  }
}

/// How often the likeliest token of one model is among the k likeliest of the other.
package struct TopContainment: Sendable, Hashable {
  /// The k that are reported.
  package static let sizes = [5, 10]

  /// k
  package var size: Int
  /// Share of tokens with the reference's likeliest among the candidate's k.
  package var reference: Estimate
  /// Share of tokens with the candidate's likeliest among the reference's k.
  package var candidate: Estimate
}

/// How far predictions are apart.
package struct ModelGap: Sendable {
  /// Scored tokens that both models have finite logits for.
  package var tokens: Int
  /// Scored tokens where a logit is infinite or not a number; they are in none of the other numbers.
  package var nonFinite: Int
  package var referencePerplexity: Estimate
  package var candidatePerplexity: Estimate
  /// ln(PPL(Q) / PPL(P)), the ratio and the difference, errors with correlation.
  package var logRatio: Estimate
  package var ratio: Estimate
  package var difference: Estimate
  /// Pearson correlation of the log-probabilities of the text's tokens.
  package var correlation: Double
  /// KL(P‖Q), KL(Q‖P), Jensen–Shannon, Δp.
  package var distributions: [TokenDistribution]
  package var sameTopOne: Estimate
  package var sameTopFive: Double
  /// For each of `TopContainment.sizes`.
  package var containment: [TopContainment]
  package var logitNMSE: Double
  package var maximumLogitDifference: Double
  package var meanLogitDifference: Double
  /// Largest KL(P‖Q) first.
  package var worst: [WorstToken]
  /// KL(P‖Q) and Δp of every token, in order of the text; for plots.
  package var divergences: [Double]
  package var probabilityChanges: [Double]

  /// The distribution of that name: `kld`, `reverse_kld`, `js_divergence`, `delta_p`.
  package func distribution(_ name: String) -> TokenDistribution? { distributions.first { $0.name == name } }
  package var meanKL: Double { distribution("kld")?.mean.value ?? .nan }
}

/// How far a hidden state of Q is from that of P, over all tokens.
package struct LayerGap: Sendable, Hashable {
  /// As `ForwardObserver` names it.
  package var name: String
  /// The block, nil outside of blocks.
  package var layer: Int?
  /// `embed`, `self_attn`, `mlp`, `block` (the residual stream after the block), `final_norm`, or a state inside.
  package var part: String
  /// Root of Σ (p − q)² / Σ p².
  package var relativeError: Double
  package var cosine: Double?
  /// 10 log₁₀(Σ p² / Σ (p − q)²), dB.
  package var sqnr: Double?
  package var maximumDifference: Double
  /// Root mean square of P's state.
  package var rms: Double
}

/// The gap when only some projections are the candidate's.
package struct AttributedGap: Sendable, Hashable {
  /// What was taken from the candidate.
  package enum Part: Sendable, Hashable {
    case layer(Int)
    case kind(ProjectionKind)
    /// Every projection: what is left to the whole gap is not in them.
    case allProjections

    package var scope: String {
      switch self {
      case .layer: "layer"
      case .kind: "kind"
      case .allProjections: "all"
      }
    }

    package var name: String {
      switch self {
      case .layer(let index): "layer \(index)"
      case .kind(let kind): kind.rawValue
      case .allProjections: "all projections"
      }
    }
  }

  package var part: Part
  package var meanKL: Double
  package var topOne: Double
  /// PPL with the part exchanged over PPL(P).
  package var perplexityRatio: Double
}

/// Whether the candidate is what a conversion of the reference gives: weights, description, tokenizer.
package struct ConversionFidelity: Sendable, Hashable {
  /// Whether the conversion is what its source gives.
  package enum Verdict: String, Sendable, Hashable {
    case exact
    /// Exact but for what storing numbers in other types did to them.
    case rounded
    case differs = "not_exact"
    /// The two cannot be a source and its conversion.
    case notApplicable = "not_applicable"
  }

  package var verdict: Verdict
  /// For people: what was compared, or the first thing that differs.
  package var detail: String
  package var quantizer: String?
  package var tensors = 0
  package var trits = 0
  package var mismatches = 0
  /// Ternary tensors of which trits or scales differ.
  package var wrongTensors = 0
  /// What was found of each part; empty when nothing was compared.
  package var parts: [PartFinding] = []

  /// Whether nothing but types stands between the two.
  package var holds: Bool { verdict == .exact || verdict == .rounded }
}

/// One of the two models.
package struct GapSide: Sendable {
  package var run: RunDescription
  package var kind: ModelKind
  /// Identity of the weight files.
  package var sha256: Digest
  /// Identity of trits and scales; nil when the weights are not ternary.
  package var codeStream: Digest?
  package var tokenizerSHA256: Digest?
  package var scale: ScaleFinding
}

/// What a gap report holds.
package struct GapResult: Sendable {
  package var reference: GapSide
  package var candidate: GapSide
  /// A path, or `built-in sample`.
  package var text: String
  package var textSHA256: Digest
  /// Of the scored ids as int32, little-endian.
  package var idsSHA256: Digest
  package var context: Int
  package var firstTokenRule: String
  package var model: ModelGap
  /// In order of the forward pass; empty when the models' layers cannot be set against each other.
  package var layers: [LayerGap]
  package var layerBound: Double
  /// Largest mean KL first; nil when not asked for, or not possible.
  package var attribution: [AttributedGap]?
  package var attributionTokens: Int
  /// Nil when not asked for.
  package var tensors: [TensorGap]?
  package var fidelity: ConversionFidelity?
  /// Every part two models can differ in: whether it was compared, how, and what it costs where that was measured.
  package var parts: [GapPartFinding] = []
  /// Gates that were asked for.
  package var gates: [GateResult]
  /// What is left out and why, and what a reader should know.
  package var notes: [String]
  /// Where numbers stop being finite, by the path of the model.
  package var nonFinite: [String: NonFiniteState] = [:]
  package var seconds: Double
  package var peakMemory: UInt64

  /// The first hidden state of the residual stream whose relative error is above the bound.
  package var firstPastBound: LayerGap? {
    layers.first { !$0.name.contains(".") && !($0.relativeError <= layerBound) }
  }

  /// How much is lost; nil when no token could be compared.
  package var quality: GapQuality? { model.tokens > 0 ? GapQuality(meanKL: model.meanKL) : nil }

  /// Every gate that was asked for holds, the conversion is what its source gives, and every logit is finite.
  package var passed: Bool {
    model.nonFinite == 0 && gates.allSatisfy(\.passed) && fidelity?.verdict != .differs
  }
}
