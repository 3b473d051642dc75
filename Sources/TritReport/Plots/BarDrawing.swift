// Tritsmith: horizontal bars below each other, with their names and values.

/// Draws ranked amounts: on a desk the name stands beside its bar, on a phone above it.
struct BarDrawing {
  /// More bars than this are left to the tables.
  static let mostBars = 60

  let plot: ReportPlot
  let panel: ReportPanel
  let size: PlotSize

  /// The bars of every series, cut to what is drawn.
  private var groups: [(series: ReportSeries, bars: [ReportBar])] {
    panel.series.compactMap { series in
      guard case .bars(let bars) = series.marks else { return nil }
      return (series, Array(bars.prefix(BarDrawing.mostBars)))
    }
  }

  /// How many bars are not drawn.
  static func hidden(_ panel: ReportPanel) -> Int {
    panel.series.reduce(0) { most, series in
      guard case .bars(let bars) = series.marks else { return most }
      return max(most, bars.count - mostBars)
    }
  }

  func drawn() -> String {
    let groups = groups
    let rows = groups.map(\.bars.count).max() ?? 0
    let pitch = size.isNarrow ? 38.0 : 24
    let top = 26.0
    let height = top + pitch * Double(rows) + 42
    var svg = SVGBuilder()
    svg.open(
      "svg",
      [
        "class": size.name, "viewBox": "0 0 \(pixels(size.width)) \(pixels(height))", "role": "img", "tabindex": "0",
        "aria-label": "\(plot.title): \(plot.x.heading) by \(plot.y.heading), \(rows) bars",
      ])
    let labels = groups.first?.bars.map(\.label) ?? []
    let room = size.isNarrow ? 0 : min(300, (labels.map { textWidth($0, size: 12.5) }.max() ?? 0) + 12)
    var scale = scale(groups)
    let values = groups.count == 1 ? groups[0].bars.map { text($0) } : []
    let left = room + (scale.lower < 0 ? 60 : 2)
    // Room for values behind bars, or for half of the last tick's number.
    let right = max(20, 10 + (values.map { textWidth($0, size: 12.5) }.max() ?? 0))
    (scale.start, scale.end) = (left, size.width - right)
    let ticks = scale.ticks(about: size.isNarrow ? 3 : 6, wholeNumbers: plot.x.kind == .integer)
    drawLines(&svg, scale, ticks.values, rows: rows, pitch: pitch, top: top)
    drawAxis(&svg, scale, ticks, top: top, bottom: top + pitch * Double(rows))
    for row in 0..<rows {
      let middle = top + pitch * (Double(row) + 0.5)
      let base = size.isNarrow ? middle + 8 : middle
      if row < labels.count {
        let shown = truncatedInMiddle(labels[row], to: Int((size.isNarrow ? size.width : room) / 7.2))
        svg.label(
          shown, x: size.isNarrow ? 2 : room - 8, y: size.isNarrow ? middle - 4 : middle + 4,
          kind: size.isNarrow ? "tick bar" : "tick bar end", title: shown == labels[row] ? nil : labels[row])
      }
      drawBars(&svg, row, groups, scale, middle: base, thickness: size.isNarrow ? 12 : 15)
    }
    svg.close("svg")
    return svg.text
  }

  private func scale(_ groups: [(series: ReportSeries, bars: [ReportBar])]) -> PlotScale {
    let rows = groups.map(\.bars.count).max() ?? 0
    let sums = (0..<rows).map { row in
      groups.reduce(0.0) {
        $0 + ($1.bars.indices.contains(row) && $1.bars[row].value.isFinite ? $1.bars[row].value : 0)
      }
    }
    return PlotScale(over: sums + [0], plot.x, includesZero: plot.x.scale == .linear, isTight: true)
  }

  private func text(_ bar: ReportBar) -> String {
    minusSign(plot.x.number(bar.value))
  }

  /// The lines of the axis, from top to bottom on a desk; on a phone beside each bar, for names stand between.
  private func drawLines(
    _ svg: inout SVGBuilder, _ scale: PlotScale, _ values: [Double], rows: Int, pitch: Double, top: Double
  ) {
    var parts: [(from: Double, to: Double)] = [(top, top + pitch * Double(rows))]
    if size.isNarrow {
      parts = (0..<rows).map { row in
        let middle = top + pitch * (Double(row) + 0.5)
        return (middle, middle + 16)
      }
    }
    for value in values {
      guard let place = scale.position(value) else { continue }
      let path = parts.map { "M\(pixels(place)) \(pixels($0.from))V\(pixels($0.to))" }.joined()
      svg.element("path", ["class": value == 0 ? "axis" : "grid", "d": path])
    }
  }

  private func drawAxis(
    _ svg: inout SVGBuilder, _ scale: PlotScale, _ ticks: (values: [Double], step: Double?), top: Double, bottom: Double
  ) {
    for value in ticks.values {
      guard let place = scale.position(value) else { continue }
      let label = tickText(value, step: ticks.step, plot.x)
      let half = textWidth(label) / 2
      svg.label(label, x: min(max(place, half), size.width - half), y: bottom + 16, kind: "tick mid")
    }
    svg.label(plot.y.heading, x: size.isNarrow ? 2 : scale.start - 8, y: 13, kind: size.isNarrow ? "name" : "name end")
    // Bold letters are wider than those that are measured.
    let end = max(scale.end, min(size.width - 2, 1.2 * textWidth(plot.x.heading)))
    svg.label(plot.x.heading, x: end, y: bottom + 34, kind: "name end")
    for reference in panel.references where reference.axis == .x && scale.contains(reference.from) {
      guard let place = scale.position(reference.from) else { continue }
      svg.element("path", ["class": "ref", "d": "M\(pixels(place)) \(pixels(top - 6))V\(pixels(bottom))"])
      svg.label(reference.label, x: min(place, size.width - textWidth(reference.label)), y: top - 9, kind: "flag")
    }
  }

  private func drawBars(
    _ svg: inout SVGBuilder, _ row: Int, _ groups: [(series: ReportSeries, bars: [ReportBar])], _ scale: PlotScale,
    middle: Double, thickness: Double
  ) {
    var below = plot.x.scale == .log ? scale.lower : 0
    for (series, bars) in groups where bars.indices.contains(row) {
      let bar = bars[row]
      guard bar.value.isFinite, let from = scale.clamped(below),
        let to = scale.clamped(groups.count == 1 ? bar.value : below + bar.value)
      else { continue }
      let name = groups.count == 1 ? bar.label : "\(bar.label), \(series.name)"
      let unit = plot.x.unit.map { " " + $0 } ?? ""
      svg.open("g", ["class": PlotPalette.slot(series, in: plot).name])
      svg.element(
        "rect",
        [
          "class": "m", "x": pixels(min(from, to)), "y": pixels(middle - thickness / 2),
          "width": pixels(max(0.8, abs(to - from))), "height": pixels(thickness),
        ], title: "\(name): \(text(bar))\(unit)" + (bar.note.map { " (\($0))" } ?? ""))
      svg.close("g")
      if groups.count == 1 {
        let isLeft = bar.value < 0
        svg.label(text(bar), x: isLeft ? to - 6 : to + 6, y: middle + 4, kind: isLeft ? "tick val end" : "tick val")
      } else {
        below += bar.value
      }
    }
  }
}
