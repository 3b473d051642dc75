// Tritsmith: what every number of a report means, in one place.

import TritReport

/// Every number reports show, by the id a glossary lists it under.
///
/// P is the reference, Q the candidate; p and q are their distributions over the next token, y is the text's next token,
/// T the number of scored tokens; w is a weight of the reference, q the number that stands for it in the candidate.
package enum Metric: String, Sendable, CaseIterable {
  // Predictions
  case perplexity
  case perplexityRatio = "perplexity-ratio"
  case logRatio = "ln-perplexity-ratio"
  case correlation = "log-probability-correlation"
  case standardError = "standard-error"
  case kld
  case reverseKLD = "reverse-kld"
  case jensenShannon = "js-divergence"
  case percentile
  case sameTopOne = "same-top-1"
  case sameTopFive = "same-top-5"
  case topContainment = "top-containment"
  case deltaP = "delta-p"
  case logitNMSE = "logit-nmse"
  case logitDifference = "logit-difference"
  case worstTokens = "worst-tokens"
  // Layers
  case relativeError = "relative-error"
  case cosine
  case sqnr
  case firstPastBound = "first-layer-past-bound"
  case attribution
  case partCost = "part-cost"
  // Tensors
  case tritShares = "trit-shares"
  case entropy
  case signBalance = "sign-balance"
  case storedScale = "stored-scale"
  case leastSquaresScale = "least-squares-scale"
  case signAgreement = "sign-agreement"
  case nearThreshold = "near-threshold"
  case nmse
  case kurtosis
  case maximumError = "max-error"
  case effectiveBits = "effective-bits"
  case moments
  case edgeDensity = "edge-density"
  // The whole
  case conversionFidelity = "conversion-fidelity"
  case quantizationGap = "quantization-gap"
  case qualityBand = "quality-band"
  case scaleConvention = "scale-convention"
  case codeStream = "code-stream"
  case firstTokenRule = "first-token-rule"
  case fileHash = "file-hash"

  package var term: String { entry.term }
  /// The definition, for a glossary.
  package var text: String { entry.text }
  /// Where the definition comes from; nil for our own.
  package var source: String? { entry.source }

  private var entry: (term: String, text: String, source: String?) {
    predictions ?? layers ?? tensors ?? whole
  }

  /// Definitions for a glossary, in the order of this list.
  package static func glossary(_ metrics: some Collection<Metric>) -> [ReportDefinition] {
    let wanted = Set(metrics)
    return allCases.filter(wanted.contains).map { metric in
      ReportDefinition(
        id: metric.rawValue, term: metric.term, text: metric.text + (metric.source.map { "\nSource: \($0)." } ?? ""))
    }
  }
}

extension ReportFact {
  /// A fact whose meaning is in the list of metrics.
  package init(
    _ label: String, _ value: ReportValue, _ metric: Metric, key: String? = nil, kind: ReportKind? = nil,
    note: String? = nil, explanation: String? = nil, tone: ReportSeverity? = nil
  ) {
    self.init(
      label, value, key: key, kind: kind, note: note, explanation: explanation ?? metric.text,
      definition: metric.rawValue, tone: tone)
  }
}

extension ReportColumn {
  /// A column whose meaning is in the list of metrics.
  package init(
    _ key: String, _ title: String, _ metric: Metric, kind: ReportKind = .text, unit: String? = nil,
    explanation: String? = nil
  ) {
    self.init(
      key, title, kind: kind, unit: unit, explanation: explanation ?? metric.text, definition: metric.rawValue)
  }
}
