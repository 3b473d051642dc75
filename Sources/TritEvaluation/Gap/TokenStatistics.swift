// Tritsmith: means, errors and percentiles over tokens.

import TritSurvey

/// Numbers of every scored token, and what is computed from them.
///
/// Definitions are those of llama.cpp's perplexity tool, computed in Double from whole distributions: an error is the
/// standard error of a mean as if tokens were independent, errors of a ratio take the correlation into account.
package struct TokenStatistics {
  private(set) var agreement = LogitComparison()
  /// −ln of the probability of the text's token.
  private var referenceLoss: [Double] = []
  private var candidateLoss: [Double] = []
  private(set) var divergences: [Double] = []
  private var reverse: [Double] = []
  private var shannon: [Double] = []
  /// q − p of the text's token.
  private(set) var changes: [Double] = []
  /// Tokens at which a model's likeliest token is among the k likeliest of the other.
  private var contained = TopContainment.sizes.map { (size: $0, reference: 0, candidate: 0) }

  /// Adds a scored token; nil is one with a logit that is infinite or not a number.
  mutating func add(_ position: PositionAgreement?, logitP: Float, logitQ: Float) {
    agreement.add(position)
    guard let position else { return }
    let lossP = position.normP - Double(logitP)
    let lossQ = position.normQ - Double(logitQ)
    referenceLoss.append(lossP)
    candidateLoss.append(lossQ)
    divergences.append(position.divergence)
    reverse.append(position.reverseDivergence)
    shannon.append(position.jensenShannon)
    for index in contained.indices {
      let size = contained[index].size
      if let place = position.placeOfBestP, place < size { contained[index].reference += 1 }
      if let place = position.placeOfBestQ, place < size { contained[index].candidate += 1 }
    }
    changes.append(Logarithm.exponential(-lossQ) - Logarithm.exponential(-lossP))
  }

  /// Σ of −ln p of the text's tokens, for ratios of perplexities.
  var meanLosses: (reference: Double, candidate: Double) {
    (TokenStatistics.mean(referenceLoss).value, TokenStatistics.mean(candidateLoss).value)
  }

  func result(worst: [WorstToken]) -> ModelGap {
    let p = TokenStatistics.mean(referenceLoss)
    let q = TokenStatistics.mean(candidateLoss)
    let covariance = TokenStatistics.covariance(referenceLoss, candidateLoss)
    // Errors of differences from the differences themselves: exactly 0 for equal models.
    let logRatio = TokenStatistics.mean(zip(referenceLoss, candidateLoss).map { $1 - $0 })
    let (pplP, pplQ) = (Logarithm.exponential(p.value), Logarithm.exponential(q.value))
    let ratio = Logarithm.exponential(logRatio.value)
    let scaled = TokenStatistics.mean(zip(referenceLoss, candidateLoss).map { pplQ * $1 - pplP * $0 })
    let total = agreement.result
    return ModelGap(
      tokens: divergences.count, nonFinite: total.nonFinitePositions,
      referencePerplexity: Estimate(value: pplP, error: pplP * p.error),
      candidatePerplexity: Estimate(value: pplQ, error: pplQ * q.error), logRatio: logRatio,
      ratio: Estimate(value: ratio, error: ratio * logRatio.error),
      difference: Estimate(value: pplQ - pplP, error: scaled.error),
      correlation: p.error > 0 && q.error > 0 ? covariance / (p.error * q.error) : .nan,
      distributions: [
        TokenStatistics.distribution("kld", divergences), TokenStatistics.distribution("reverse_kld", reverse),
        TokenStatistics.distribution("js_divergence", shannon), TokenStatistics.distribution("delta_p", changes),
      ],
      sameTopOne: share(total.topOne), sameTopFive: total.topFive,
      containment: contained.map { size, reference, candidate in
        TopContainment(
          size: size, reference: share(Double(reference) / Double(divergences.count)),
          candidate: share(Double(candidate) / Double(divergences.count)))
      },
      logitNMSE: total.nmse, maximumLogitDifference: total.maximumDifference,
      meanLogitDifference: total.meanDifference, worst: worst, divergences: divergences, probabilityChanges: changes)
  }

  /// A share of the tokens with its binomial error.
  private func share(_ value: Double) -> Estimate {
    let compared = Double(divergences.count)
    return Estimate(value: value, error: compared > 1 ? (value * (1 - value) / (compared - 1)).squareRoot() : 0)
  }

  /// Mean and its standard error, the variance taken from n and divided by n − 1; NaN without values.
  static func mean(_ values: [Double]) -> Estimate {
    let count = Double(values.count)
    guard count > 0 else { return Estimate(value: .nan, error: .nan) }
    let mean = values.reduce(0, +) / count
    guard count > 1 else { return Estimate(value: mean, error: 0) }
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    return Estimate(value: mean, error: (variance / (count - 1)).squareRoot())
  }

  /// Covariance of two means.
  static func covariance(_ left: [Double], _ right: [Double]) -> Double {
    let count = Double(left.count)
    guard count > 1 else { return 0 }
    let (a, b) = (mean(left).value, mean(right).value)
    return zip(left, right).reduce(0) { $0 + ($1.0 - a) * ($1.1 - b) } / count / (count - 1)
  }

  static func distribution(_ name: String, _ values: [Double]) -> TokenDistribution {
    let squares = mean(values.map { $0 * $0 })
    let rms = squares.value.squareRoot()
    let sorted = values.sorted()
    return TokenDistribution(
      name: name, mean: mean(values),
      rms: Estimate(value: rms, error: rms > 0 ? 0.5 / rms * squares.error : squares.error),
      quantiles: TokenDistribution.shares.map { LogitComparison.percentile($0, ofSorted: sorted) })
  }
}
