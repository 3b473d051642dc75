// Tritsmith: plots of the projections of one model.

import TritCore
import TritModel
import TritReport
import TritSurvey

/// What the weights of a model's projections look like: by kind of projection, and from layer to layer.
struct WeightPlots {
  private struct Projection {
    var layer: Int
    var kind: ProjectionKind
    var name: String
    var statistics: TensorStatistics

    /// Shares of −1, 0 and +1: of the trits, or of what absmean would make of the latents.
    var shares: (negative: Double, zero: Double, positive: Double)? {
      let counts: (Int, Int, Int)
      if let ternary = statistics.ternary {
        counts = (ternary.negative, ternary.zero, ternary.positive)
      } else if let latents = statistics.latents {
        counts = (latents.negative, latents.zero, latents.positive)
      } else {
        return nil
      }
      let total = Double(counts.0 + counts.1 + counts.2)
      return total > 0 ? (Double(counts.0) / total, Double(counts.1) / total, Double(counts.2) / total) : nil
    }

    /// The multiplier of trits, or that of absmean.
    var scale: Double? {
      statistics.ternary.map { $0.multiplier } ?? (statistics.absmean > 0 ? statistics.absmean : nil)
    }

    var entropy: Double? {
      if let ternary = statistics.ternary {
        return ternary.negative + ternary.zero + ternary.positive > 0 ? ternary.entropy : nil
      }
      return statistics.latents.map {
        TernaryStatistics(negative: $0.negative, zero: $0.zero, positive: $0.positive, invalid: 0).entropy
      }
    }
  }

  private let projections: [Projection]
  private let kinds: [ProjectionKind]
  /// Whether trits are stored; otherwise shares and scales are what absmean would give.
  private let isTernary: Bool
  private let isOrdinary: Bool

  init(_ result: InspectResult) {
    projections = result.tensors.compactMap { tensor -> Projection? in
      guard case .projection(let layer, let kind) = tensor.role, let statistics = tensor.statistics else { return nil }
      return Projection(layer: layer, kind: kind, name: tensor.descriptor.name, statistics: statistics)
    }.sorted { $0.layer < $1.layer }
    let projections = projections
    kinds = ProjectionKind.allCases.filter { kind in projections.contains { $0.kind == kind } }
    isTernary = projections.contains { $0.statistics.ternary != nil }
    isOrdinary = result.survey.kind == .ordinary
  }

  var isEmpty: Bool { projections.isEmpty }

  /// Shares follow from mean magnitudes that nothing rounds, whatever the family's own quantizer does.
  private static let arithmetic =
    "They are computed as 'absmean-float32' computes them; the quantizer that convert takes can make other trits."

  func append(to page: inout ReportDocument) {
    if isOrdinary {
      page.paragraph(
        "These are ordinary weights. Trits and scales below are what absmean quantization would make of them; a model "
          + "that was not trained for it loses most of its ability. " + WeightPlots.arithmetic)
    } else if !isTernary {
      page.paragraph(
        "Trits and scales below are what absmean quantization makes of these latent weights. " + WeightPlots.arithmetic)
    }
    for plot in [scales, zeros, entropies, densities, shares, latents] {
      if let plot { page.append(plot) }
    }
  }

  // MARK: - Histograms

  private static let tones: [(name: String, key: String, tone: ReportTone)] = [
    ("−1", "minus_one", .negative), ("0", "zero", .neutral), ("+1", "plus_one", .positive),
  ]

  private var latents: ReportPlot? {
    let sums = kinds.compactMap { kind -> (ProjectionKind, LatentHistogram)? in
      let parts = projections.filter { $0.kind == kind }.compactMap(\.statistics.latents)
      guard var sum = parts.first else { return nil }
      for part in parts.dropFirst() { sum.add(part) }
      return (kind, sum)
    }
    guard !sums.isEmpty else { return nil }
    // The shortest axis that holds all but a hundredth of the weights.
    let reach =
      [2, 3, 4, 6].first { reach in sums.allSatisfy { $0.1.share(beyond: reach) <= 0.01 } } ?? LatentHistogram.reach
    let panels = sums.map { kind, sum in
      ReportPanel(
        kind.rawValue, note: WeightPlots.phrase(sum), series: WeightPlots.series(sum, reach: reach),
        references: [.line(.x, at: -0.5, "−½"), .line(.x, at: 0.5, "+½")])
    }
    let beyond = sums.map { $0.1.share(beyond: reach) }.max() ?? 0
    let rest =
      beyond > 0
      ? " At most \(NumberText.percent(beyond, digits: 3)) of a kind lies beyond ±\(reach) γ and is not drawn." : ""
    return ReportPlot(
      key: "latent_weights", title: "Latent weights and the trits they become",
      x: ReportAxis("Weight / γ", kind: .decimal(digits: 1)),
      y: ReportAxis("Share of weights", kind: .fraction(digits: 2)), panels: panels,
      caption: "γ is the mean magnitude of a tensor, the scale of absmean quantization. Weights within ±½ γ become 0; "
        + "those beyond become −1 or +1. All layers of a kind together." + rest,
      explanation: "Each weight in multiples of its tensor's mean magnitude, in bins a tenth wide.",
      definition: "latent-weight")
  }

  private static func phrase(_ sum: LatentHistogram) -> String {
    let total = Double(max(1, sum.count))
    return zip(tones, [sum.negative, sum.zero, sum.positive]).map { tone, count in
      "\(tone.name) \(NumberText.percent(Double(count) / total))"
    }.joined(separator: ", ")
  }

  /// One series for each trit; the thresholds are edges of bins.
  private static func series(_ sum: LatentHistogram, reach: Int) -> [ReportSeries] {
    let unit = LatentHistogram.binsPerUnit
    let center = sum.bins.count / 2
    let total = Double(max(1, sum.count))
    let bounds = [-reach * unit, -unit / 2, unit / 2, reach * unit]
    return tones.enumerated().map { index, tone in
      let range = bounds[index]..<bounds[index + 1]
      return ReportSeries(
        tone.name, key: tone.key,
        .bins(
          edges: (range.lowerBound...range.upperBound).map { Double($0) / Double(unit) },
          amounts: range.map { sum.bins[center + $0] / total }), tone: tone.tone)
    }
  }

  // MARK: - By layer

  private var layers: ReportAxis { ReportAxis("Layer", kind: .integer) }

  private var shares: ReportPlot? {
    // Tensors of a kind are about equally large, so the mean of their shares is that of their weights.
    let rows = kinds.compactMap { kind -> (name: String, shares: [Double])? in
      let all = projections.filter { $0.kind == kind }.compactMap(\.shares)
      guard !all.isEmpty else { return nil }
      let count = Double(all.count)
      return (
        kind.rawValue,
        [
          all.reduce(0) { $0 + $1.negative } / count, all.reduce(0) { $0 + $1.zero } / count,
          all.reduce(0) { $0 + $1.positive } / count,
        ]
      )
    }
    guard !rows.isEmpty else { return nil }
    return ReportPlot(
      key: "trit_shares", title: "Trits by kind of projection",
      x: ReportAxis("Share of trits", kind: .fraction(digits: 1), lower: 0, upper: 1),
      y: ReportAxis("Kind of projection"),
      series: WeightPlots.tones.enumerated().map { index, tone in
        ReportSeries(
          tone.name, key: tone.key, .bars(rows.map { ReportBar($0.name, $0.shares[index]) }), tone: tone.tone)
      },
      explanation: "The shares of −1, 0 and +1, the mean over the layers.", definition: "trit-shares")
  }

  private func lines(_ value: (Projection) -> Double?) -> [ReportSeries] {
    kinds.compactMap { kind in
      let points = projections.filter { $0.kind == kind }.compactMap { projection in
        value(projection).map { ReportPoint(Double(projection.layer), $0, label: projection.name) }
      }
      return points.isEmpty ? nil : ReportSeries(kind.rawValue, .line(points))
    }
  }

  private func plot(
    _ key: String, _ title: String, _ y: ReportAxis, references: [ReportReference] = [], caption: String? = nil,
    explanation: String, definition: String?, _ value: (Projection) -> Double?
  ) -> ReportPlot? {
    let series = lines(value)
    guard !series.isEmpty else { return nil }
    var plot = ReportPlot(
      key: key, title: title, x: layers, y: y, series: series, references: references, caption: caption,
      explanation: explanation, definition: definition)
    plot.isHeatMap = true
    return plot
  }

  private var scales: ReportPlot? {
    plot(
      "scale_by_layer", "Scale by layer", ReportAxis("Multiplier", kind: .significant(digits: 3)),
      caption: isTernary ? nil : "The mean magnitude of the latent weights.",
      explanation: "A weight is trit × multiplier; large jumps between layers are worth a look.",
      definition: "stored-scale", \.scale)
  }

  private var zeros: ReportPlot? {
    plot(
      "zeros_by_layer", "Zeros by layer", ReportAxis("Share of zeros", kind: .fraction(digits: 1)),
      explanation: "Share of trits that are 0. Gaussian weights and absmean give 31 %.", definition: "trit-shares"
    ) { $0.shares?.zero }
  }

  private var entropies: ReportPlot? {
    plot(
      "entropy_by_layer", "Entropy by layer", ReportAxis("Entropy", unit: "bits per weight", kind: .decimal(digits: 3)),
      references: [.line(.y, at: TernaryStatistics.mostEntropy, "The most there is, log₂ 3")],
      explanation: "Information per trit: 1.585 bits when −1, 0 and +1 are equally frequent.", definition: "entropy",
      \.entropy)
  }

  private var densities: ReportPlot? {
    plot(
      "edge_density_by_layer", "Edge density by layer", ReportAxis("Edge density", kind: .decimal(digits: 2)),
      references: [.line(.y, at: NativenessProbe.modelThreshold, "BitNet models are above, ordinary ones below")],
      caption:
        "Ternary training gathers latent weights at the edge between 0 and ±1; ordinary weights fall away there.",
      explanation: "Density of the weights at ½ γ, over that near 0.", definition: "edge-density",
      \.statistics.edgeDensity)
  }
}

extension LatentHistogram {
  /// Share of the weights beyond a multiple of γ to either side.
  func share(beyond reach: Int) -> Double {
    let center = bins.count / 2
    let inner = bins[(center - reach * LatentHistogram.binsPerUnit)..<(center + reach * LatentHistogram.binsPerUnit)]
    return count > 0 ? max(0, 1 - inner.reduce(0, +) / Double(count)) : 0
  }
}

extension TernaryStatistics {
  /// log₂ 3
  static let mostEntropy = Logarithm.base2(3)
}
