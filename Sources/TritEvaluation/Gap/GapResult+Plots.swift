// Tritsmith: plots of a gap report.

import TritModel
import TritReport
import TritSurvey

extension GapResult {
  // MARK: - Predictions

  func appendModelPlots(to report: inout ReportDocument) {
    guard model.tokens > 1 else { return }
    // KL spans many orders of magnitude, so bins are equal on a logarithmic axis: four a decade.
    let floor = -8
    let edges = (4 * floor...8).map { Logarithm.power(10, Double($0) / 4) }
    var amounts = [Double](repeating: 0, count: edges.count - 1)
    for value in model.divergences {
      let place = value > 0 ? (Logarithm.base10(value) * 4).rounded(.down) - Double(4 * floor) : 0
      amounts[Int(min(Double(amounts.count - 1), max(0, place)))] += 1
    }
    // The axis has the bins between the first and the last that are not empty.
    let first = amounts.firstIndex { $0 > 0 } ?? 0
    let end = (amounts.lastIndex { $0 > 0 } ?? amounts.count - 1) + 1
    report.append(
      ReportPlot(
        key: "kld_distribution", title: "KL(P‖Q) over tokens",
        x: ReportAxis("KL(P‖Q) per token", unit: "nats", scale: .log), y: ReportAxis("Tokens", kind: .integer),
        series: [
          ReportSeries("Tokens", .bins(edges: Array(edges[first...end]), amounts: Array(amounts[first..<end])))
        ],
        references: [
          .line(.x, at: model.meanKL, "mean"),
          .line(.x, at: model.distribution("kld")?.quantile(0.99) ?? .nan, "p99"),
        ].filter { $0.from > 0 },
        caption: first == 0 ? "Tokens below the first bin are counted in it." : nil, explanation: Metric.kld.text,
        definition: Metric.kld.rawValue))
    report.append(
      ReportPlot(
        key: "kld_by_position", title: "KL(P‖Q) along the text",
        x: ReportAxis("Place in the text", unit: "scored tokens", kind: .integer),
        y: ReportAxis("Mean KL(P‖Q)", unit: "nats per token"),
        series: [ReportSeries("Mean of neighbouring tokens", key: "mean_kld", .line(runningMeans))],
        references: [.line(.y, at: model.meanKL, "mean")], explanation: Metric.kld.text,
        definition: Metric.kld.rawValue))
  }

  /// Means of up to 100 runs of neighbouring tokens.
  private var runningMeans: [ReportPoint] {
    let step = max(1, (model.divergences.count + 99) / 100)
    return stride(from: 0, to: model.divergences.count, by: step).map { start in
      let run = model.divergences[start..<min(start + step, model.divergences.count)]
      return ReportPoint(Double(start) + Double(run.count - 1) / 2, run.reduce(0, +) / Double(run.count))
    }
  }

  // MARK: - Layers

  func appendLayerPlots(to report: inout ReportDocument) {
    func series(_ name: String, _ key: String, _ part: String, _ value: (LayerGap) -> Double?) -> ReportSeries {
      ReportSeries(
        name, key: key,
        .line(
          layers.compactMap { state in
            guard state.part == part, let layer = state.layer, let y = value(state), y.isFinite else { return nil }
            return ReportPoint(Double(layer), y, label: "layer \(layer)")
          }))
    }
    report.append(
      ReportPlot(
        key: "layer_sqnr", title: "SQNR by layer", x: ReportAxis("Layer", kind: .integer),
        y: ReportAxis("SQNR", unit: "dB"),
        series: [
          series("Residual stream", "block", "block", \.sqnr), series("Attention", "self_attn", "self_attn", \.sqnr),
          series("Feed-forward", "mlp", "mlp", \.sqnr),
        ], explanation: Metric.sqnr.text, definition: Metric.sqnr.rawValue))
    report.append(
      ReportPlot(
        key: "layer_relative_error", title: "Relative error by layer", x: ReportAxis("Layer", kind: .integer),
        y: ReportAxis("Relative error"),
        series: [
          series("Residual stream", "block", "block") { $0.relativeError },
          series("Attention", "self_attn", "self_attn") { $0.relativeError },
          series("Feed-forward", "mlp", "mlp") { $0.relativeError },
        ], references: [.line(.y, at: layerBound, "bound")], explanation: Metric.relativeError.text,
        definition: Metric.relativeError.rawValue))
  }

  static func plot(_ attribution: [AttributedGap]) -> ReportPlot {
    func panel(_ title: String, _ scope: String) -> ReportPanel {
      ReportPanel(
        title,
        series: [
          ReportSeries(
            "Mean KL(P‖H)", key: "mean_kld",
            .bars(
              attribution.filter { $0.part.scope == scope && $0.meanKL.isFinite }.map {
                ReportBar($0.part.name, $0.meanKL)
              }))
        ])
    }
    return ReportPlot(
      key: "attribution", title: "Where the gap comes from",
      x: ReportAxis("Mean KL(P‖H)", unit: "nats per token"), y: ReportAxis("Part that is ternary"),
      panels: [panel("One layer", "layer"), panel("One kind of projection", "kind")],
      explanation: Metric.attribution.text, definition: Metric.attribution.rawValue)
  }

  /// What each layer costs alone, in the order of the layers; the bars of `plot` are sorted by cost.
  static func curve(_ attribution: [AttributedGap]) -> ReportPlot {
    let points = attribution.compactMap { gap -> ReportPoint? in
      guard case .layer(let layer) = gap.part, gap.meanKL.isFinite else { return nil }
      return ReportPoint(Double(layer), gap.meanKL, label: gap.part.name)
    }
    return ReportPlot(
      key: "layer_kld", title: "KL by layer, each alone ternary", x: ReportAxis("Layer", kind: .integer),
      y: ReportAxis("Mean KL(P‖H)", unit: "nats per token"),
      series: [ReportSeries("Mean KL(P‖H)", key: "mean_kld", .line(points.sorted { $0.x < $1.x }))],
      explanation: Metric.attribution.text, definition: Metric.attribution.rawValue)
  }

  // MARK: - Tensors

  func appendTensorPlots(_ tensors: [TensorGap], to report: inout ReportDocument) {
    let projections = tensors.compactMap { tensor -> (Int, ProjectionKind, TensorGap)? in
      guard case .projection(let layer, let kind) = tensor.role, tensor.ternary != nil else { return nil }
      return (layer, kind, tensor)
    }
    guard !projections.isEmpty else { return }
    func byKind(_ value: (TensorGap) -> Double?) -> [ReportSeries] {
      ProjectionKind.allCases.compactMap { kind in
        let points = projections.filter { $0.1 == kind }.sorted { $0.0 < $1.0 }.compactMap { layer, _, tensor in
          value(tensor).map { ReportPoint(Double(layer), $0, label: tensor.name) }
        }
        return points.isEmpty ? nil : ReportSeries(kind.rawValue, .line(points))
      }
    }
    func heatMap(_ key: String, _ title: String, _ y: ReportAxis, _ metric: Metric, _ value: (TensorGap) -> Double?) {
      let series = byKind(value)
      guard !series.isEmpty else { return }
      var plot = ReportPlot(
        key: key, title: title, x: ReportAxis("Layer", kind: .integer), y: y, series: series,
        explanation: metric.text, definition: metric.rawValue)
      plot.isHeatMap = true
      report.append(plot)
    }
    heatMap("zeros_by_layer", "Zeros by layer", ReportAxis("Share of zeros", kind: .fraction(digits: 1)), .tritShares) {
      $0.ternary?.zeroShare
    }
    heatMap(
      "scale_by_layer", "Scale by layer", ReportAxis("Multiplier", kind: .significant(digits: 3)), .storedScale
    ) { $0.ternary?.multiplier }
    heatMap(
      "weight_sqnr_by_layer", "Weight SQNR by layer", ReportAxis("SQNR", unit: "dB", kind: .decimal(digits: 2)), .sqnr,
      \.sqnr)
    report.append(GapResult.shares(projections.map { ($0.1, $0.2) }))
    if let plot = GapResult.histograms(projections.map { ($0.1, $0.2) }) { report.append(plot) }
  }

  private static func shares(_ tensors: [(kind: ProjectionKind, gap: TensorGap)]) -> ReportPlot {
    func bars(_ count: (TensorGap.Ternary) -> Int) -> [ReportBar] {
      ProjectionKind.allCases.compactMap { kind in
        let chosen = tensors.filter { $0.kind == kind }.compactMap(\.gap.ternary)
        let total = chosen.reduce(0) { $0 + $1.count }
        return total == 0
          ? nil : ReportBar(kind.rawValue, Double(chosen.reduce(0) { $0 + count($1) }) / Double(total))
      }
    }
    return ReportPlot(
      key: "trit_shares", title: "Trits by kind of projection",
      x: ReportAxis("Share of trits", kind: .fraction(digits: 1), lower: 0, upper: 1),
      y: ReportAxis("Kind of projection"),
      series: [
        ReportSeries("−1", key: "minus_one", .bars(bars(\.negative)), tone: .negative),
        ReportSeries("0", key: "zero", .bars(bars(\.zero)), tone: .neutral),
        ReportSeries("+1", key: "plus_one", .bars(bars(\.positive)), tone: .positive),
      ], explanation: Metric.tritShares.text, definition: Metric.tritShares.rawValue)
  }

  /// Latent weights in units of what trits are multiplied by; nil when the reference is ternary itself.
  private static func histograms(_ tensors: [(kind: ProjectionKind, gap: TensorGap)]) -> ReportPlot? {
    let panels = ProjectionKind.allCases.compactMap { kind -> ReportPanel? in
      let chosen = tensors.filter { $0.kind == kind && !$0.gap.histogram.isEmpty }.map(\.gap)
      guard let first = chosen.first else { return nil }
      var counts = [Int](repeating: 0, count: first.histogram.count)
      for gap in chosen { for index in counts.indices { counts[index] += gap.histogram[index] } }
      let ternary = chosen.compactMap(\.ternary)
      let total = Double(max(1, ternary.reduce(0) { $0 + $1.count }))
      func percent(_ count: (TensorGap.Ternary) -> Int) -> String {
        NumberText.fixed(100 * Double(ternary.reduce(0) { $0 + count($1) }) / total, digits: 1) + " %"
      }
      return ReportPanel(
        kind.rawValue,
        note: "−1 \(percent(\.negative)), 0 \(percent(\.zero)), +1 \(percent(\.positive))",
        series: [
          ReportSeries("Weights", .bins(edges: TensorGap.histogramEdges, amounts: counts.map { Double($0) }))
        ],
        references: [.line(.x, at: -0.5, "threshold −½"), .line(.x, at: 0.5, "threshold +½")])
    }
    guard !panels.isEmpty else { return nil }
    return ReportPlot(
      key: "latent_weights", title: "Latent weights and where they become trits",
      x: ReportAxis("w / multiplier", kind: .decimal(digits: 1)), y: ReportAxis("Weights", kind: .integer),
      panels: panels, sharesAxes: false,
      caption: "All layers of a kind together; weights beyond ±3 are in the outermost bins.",
      explanation: Metric.nearThreshold.text, definition: Metric.nearThreshold.rawValue)
  }
}
