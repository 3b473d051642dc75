// Tritsmith: plots in a few lines of text.

/// A plot as sparklines and bars of block characters, for terminals and Markdown. The numbers themselves are in JSON.
struct TextPlot {
  /// More lines of one kind than this are summed up in words.
  private static let mostLines = 12
  private static let barWidth = 24
  private static let sparkWidth = 48

  let plot: ReportPlot

  init(_ plot: ReportPlot) {
    self.plot = plot
  }

  /// The lines below the title; not wrapped.
  var lines: [String] {
    var result: [String] = []
    let panels = plot.panels.prefix(TextPlot.mostLines)
    let isBars = plot.panels.contains { $0.series.contains { if case .bars = $0.marks { true } else { false } } }
    result.append(isBars ? plot.x.heading : "\(plot.y.heading) along \(plot.x.heading)")
    for panel in panels {
      if let title = panel.title { result.append(title + (panel.note.map { "  (\($0))" } ?? "")) }
      for series in panel.series.prefix(TextPlot.mostLines) { result += lines(series, among: panel.series.count) }
      let references = panel.references.map(phrase)
      if !references.isEmpty { result.append("  marked: " + references.joined(separator: "; ")) }
    }
    if plot.panels.count > panels.count { result.append("and \(plot.panels.count - panels.count) more of these") }
    if let caption = plot.caption { result.append(caption) }
    return result.map(safeText)
  }

  private func phrase(_ reference: ReportReference) -> String {
    let axis = reference.axis == .x ? plot.x : plot.y
    let from = axis.number(reference.from)
    let range = reference.to == reference.from ? from : "\(from) to \(axis.number(reference.to))"
    return "\(reference.label) \(range)"
  }

  // MARK: - Series

  private func lines(_ series: ReportSeries, among count: Int) -> [String] {
    switch series.marks {
    case .bars(let bars):
      return (count > 1 ? ["  " + series.name] : []) + self.bars(bars)
    case .bins(let edges, let amounts):
      guard let first = edges.first, let last = edges.last else { return [] }
      return [spark(series.name, pooled(amounts, by: +), from: first, to: last, floor: 0)]
    case .columns(let points), .line(let points), .points(let points):
      let finite = points.filter { $0.x.isFinite && $0.y.isFinite }
      guard let first = finite.first, let last = finite.last else { return ["  \(series.name)  (no values)"] }
      let values = pooled(finite.map(\.y), by: max)
      return [spark(series.name, values, from: first.x, to: last.x, floor: nil, range: finite.map(\.y))]
    }
  }

  private func bars(_ bars: [ReportBar]) -> [String] {
    let shown = bars.prefix(TextPlot.mostLines)
    let label = shown.map { displayWidth(safeText($0.label)) }.max() ?? 0
    let values = shown.map { plot.x.number($0.value) }
    let width = values.map(displayWidth).max() ?? 0
    let most = shown.map { abs($0.value) }.filter(\.isFinite).max() ?? 0
    var lines = zip(shown, values).map { bar, value in
      let length = most > 0 && bar.value.isFinite ? abs(bar.value) / most : 0
      let name = bar.label + spaces(label - displayWidth(safeText(bar.label)))
      let note = bar.note.map { "  (\($0))" } ?? ""
      return
        "  \(name)  \(spaces(width - displayWidth(value)))\(value)  \(blockBar(length, width: TextPlot.barWidth))\(note)"
    }
    if bars.count > shown.count { lines.append("  and \(bars.count - shown.count) more") }
    return lines
  }

  private func spark(
    _ name: String, _ values: [Double], from: Double, to: Double, floor: Double?, range: [Double]? = nil
  ) -> String {
    let range = range ?? values
    let low = range.min() ?? 0
    let high = range.max() ?? 0
    let text = sparkline(values, from: floor ?? low, to: high)
    func show(_ value: Double, _ axis: ReportAxis) -> String { axis.number(value) }
    let ends = floor == nil ? "\(show(low, plot.y)) to \(show(high, plot.y))" : "most \(show(high, plot.y))"
    return "  \(show(from, plot.x)) \(text) \(show(to, plot.x))  \(name), \(ends)"
  }

  /// At most `sparkWidth` values: neighbours joined.
  private func pooled(_ values: [Double], by join: (Double, Double) -> Double) -> [Double] {
    guard values.count > TextPlot.sparkWidth else { return values }
    return (0..<TextPlot.sparkWidth).map { index in
      let range =
        index * values.count
        / TextPlot.sparkWidth..<max(
          index * values.count / TextPlot.sparkWidth + 1, (index + 1) * values.count / TextPlot.sparkWidth)
      return values[range].dropFirst().reduce(values[range.lowerBound], join)
    }
  }
}

/// Values as blocks of eight heights; a value that is not a number is a space.
func sparkline(_ values: [Double], from low: Double, to high: Double) -> String {
  let blocks: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
  return String(
    values.map { value in
      guard value.isFinite, low.isFinite, high.isFinite else { return " " }
      guard high > low else { return blocks[3] }
      let share = min(1, max(0, (value - low) / (high - low)))
      return blocks[min(7, Int(share * 8))]
    })
}

/// A bar of eighths of a character.
func blockBar(_ share: Double, width: Int) -> String {
  let parts: [Character] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"]
  let eighths = Int((min(1, max(0, share)) * Double(8 * width)).rounded())
  return String(repeating: "█", count: eighths / 8) + (eighths % 8 > 0 ? String(parts[eighths % 8 - 1]) : "")
}
