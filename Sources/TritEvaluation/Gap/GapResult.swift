// Tritsmith: how far a model is from another one, on three levels.

import TritCore
import TritModel
import TritSurvey
import TritVerification

/// A mean, or what is computed from means, with its standard error.
public struct Estimate: Sendable, Hashable {
  public var value: Double
  /// As if tokens were independent.
  public var error: Double

  public init(value: Double, error: Double) {
    self.value = value
    self.error = error
  }
}

/// A number a token, summed up.
public struct TokenDistribution: Sendable, Hashable {
  /// `kld`, `reverse_kld`, `js_divergence`, `delta_p`.
  public var name: String
  public var mean: Estimate
  /// Root of the mean square.
  public var rms: Estimate
  /// Values at `TokenDistribution.shares`, linear between the two nearest ranks.
  public var quantiles: [Double]

  /// From the smallest value to the largest.
  public static let shares = [0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]

  /// The value that this share of tokens does not exceed; nil for a share that is not kept.
  public func quantile(_ share: Double) -> Double? {
    TokenDistribution.shares.firstIndex(of: share).flatMap { quantiles.indices.contains($0) ? quantiles[$0] : nil }
  }
}

/// A token where the two models differ most.
public struct WorstToken: Sendable, Hashable {
  /// Place of the scored token in the text's ids.
  public var index: Int
  public var id: Int
  /// KL(P‖Q) of the distribution over this token, in nats.
  public var divergence: Double
  /// Probability both give the text's token.
  public var referenceProbability: Double
  public var candidateProbability: Double
  /// The likeliest token of each.
  public var referenceTop: Int
  public var candidateTop: Int
  /// The token with the text around it, and the likeliest ones; nil without a tokenizer.
  public var text: Text?

  /// The token in its context, as text.
  public struct Text: Sendable, Hashable {
    public var before: String
    public var token: String
    public var after: String
    public var referenceTop: String
    public var candidateTop: String
  }
}

/// How often the likeliest token of one model is among the k likeliest of the other.
public struct TopContainment: Sendable, Hashable {
  /// The k that are reported.
  public static let sizes = [5, 10]

  /// k
  public var size: Int
  /// Share of tokens with the reference's likeliest among the candidate's k.
  public var reference: Estimate
  /// Share of tokens with the candidate's likeliest among the reference's k.
  public var candidate: Estimate
}

/// How far predictions are apart.
public struct ModelGap: Sendable {
  /// Scored tokens that both models have finite logits for.
  public var tokens: Int
  /// Scored tokens where a logit is infinite or not a number; they are in none of the other numbers.
  public var nonFinite: Int
  public var referencePerplexity: Estimate
  public var candidatePerplexity: Estimate
  /// ln(PPL(Q) / PPL(P)), the ratio and the difference, errors with correlation.
  public var logRatio: Estimate
  public var ratio: Estimate
  public var difference: Estimate
  /// Pearson correlation of the log-probabilities of the text's tokens.
  public var correlation: Double
  /// KL(P‖Q), KL(Q‖P), Jensen–Shannon, Δp.
  public var distributions: [TokenDistribution]
  public var sameTopOne: Estimate
  public var sameTopFive: Double
  /// For each of `TopContainment.sizes`.
  public var containment: [TopContainment]
  public var logitNMSE: Double
  public var maximumLogitDifference: Double
  public var meanLogitDifference: Double
  /// Largest KL(P‖Q) first.
  public var worst: [WorstToken]
  /// KL(P‖Q) and Δp of every token, in order of the text; for plots.
  public var divergences: [Double]
  public var probabilityChanges: [Double]

  /// The distribution of that name: `kld`, `reverse_kld`, `js_divergence`, `delta_p`.
  public func distribution(_ name: String) -> TokenDistribution? { distributions.first { $0.name == name } }
  public var meanKL: Double { distribution("kld")?.mean.value ?? .nan }
}

/// How far a hidden state of Q is from that of P, over all tokens.
public struct LayerGap: Sendable, Hashable {
  /// As `ForwardObserver` names it.
  public var name: String
  /// The block, nil outside of blocks.
  public var layer: Int?
  /// `embed`, `self_attn`, `mlp`, `block` (the residual stream after the block), `final_norm`, or a state inside.
  public var part: String
  /// Root of Σ (p − q)² / Σ p².
  public var relativeError: Double
  public var cosine: Double?
  /// 10 log₁₀(Σ p² / Σ (p − q)²), dB.
  public var sqnr: Double?
  public var maximumDifference: Double
  /// Root mean square of P's state.
  public var rms: Double
}

/// The gap when only some projections are the candidate's.
public struct AttributedGap: Sendable, Hashable {
  /// What was taken from the candidate.
  public enum Part: Sendable, Hashable {
    case layer(Int)
    case kind(ProjectionKind)
    /// Every projection: what is left to the whole gap is not in them.
    case allProjections

    public var scope: String {
      switch self {
      case .layer: "layer"
      case .kind: "kind"
      case .allProjections: "all"
      }
    }

    public var name: String {
      switch self {
      case .layer(let index): "layer \(index)"
      case .kind(let kind): kind.rawValue
      case .allProjections: "all projections"
      }
    }
  }

  public var part: Part
  public var meanKL: Double
  public var topOne: Double
  /// PPL with the part exchanged over PPL(P).
  public var perplexityRatio: Double
}

/// Whether the candidate is what a conversion of the reference gives: weights, description, tokenizer.
public struct ConversionFidelity: Sendable, Hashable {
  /// Whether the conversion is what its source gives.
  public enum Verdict: String, Sendable, Hashable {
    case exact
    /// Exact but for what storing numbers in other types did to them.
    case rounded
    case differs = "not_exact"
    /// The two cannot be a source and its conversion.
    case notApplicable = "not_applicable"
  }

  public var verdict: Verdict
  /// For people: what was compared, or the first thing that differs.
  public var detail: String
  public var quantizer: String?
  public var tensors = 0
  public var trits = 0
  public var mismatches = 0
  /// Ternary tensors of which trits or scales differ.
  public var wrongTensors = 0
  /// What was found of each part; empty when nothing was compared.
  public var parts: [PartFinding] = []

  /// Whether nothing but types stands between the two.
  public var holds: Bool { verdict == .exact || verdict == .rounded }
}

/// One of the two models.
public struct GapSide: Sendable {
  public var run: RunDescription
  public var kind: ModelKind
  /// Identity of the weight files.
  public var sha256: Digest
  /// Identity of trits and scales; nil when the weights are not ternary.
  public var codeStream: Digest?
  public var tokenizerSHA256: Digest?
  public var scale: ScaleFinding
}

/// What a gap report holds.
public struct GapResult: Sendable {
  public var reference: GapSide
  public var candidate: GapSide
  /// A path, or `built-in sample`.
  public var text: String
  public var textSHA256: Digest
  /// Of the scored ids as int32, little-endian.
  public var idsSHA256: Digest
  public var context: Int
  public var firstTokenRule: String
  public var model: ModelGap
  /// In order of the forward pass; empty when the models' layers cannot be set against each other.
  public var layers: [LayerGap]
  public var layerBound: Double
  /// Largest mean KL first; nil when not asked for, or not possible.
  public var attribution: [AttributedGap]?
  public var attributionTokens: Int
  /// Nil when not asked for.
  public var tensors: [TensorGap]?
  public var fidelity: ConversionFidelity?
  /// Every part two models can differ in: whether it was compared, how, and what it costs where that was measured.
  public var parts: [GapPartFinding] = []
  /// Gates that were asked for.
  public var gates: [GateResult]
  /// What is left out and why, and what a reader should know.
  public var notes: [String]
  /// Where numbers stop being finite, by the path of the model.
  public var nonFinite: [String: NonFiniteState] = [:]
  public var seconds: Double
  public var peakMemory: UInt64

  /// The first hidden state of the residual stream whose relative error is above the bound.
  public var firstPastBound: LayerGap? {
    layers.first { !$0.name.contains(".") && !($0.relativeError <= layerBound) }
  }

  /// How much is lost; nil when no token could be compared.
  public var quality: GapQuality? { model.tokens > 0 ? GapQuality(meanKL: model.meanKL) : nil }

  /// Every gate that was asked for holds, the conversion is what its source gives, and every logit is finite.
  public var passed: Bool {
    model.nonFinite == 0 && gates.allSatisfy(\.passed) && fidelity?.verdict != .differs
  }
}
