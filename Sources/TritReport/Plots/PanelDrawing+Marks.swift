// Tritsmith: the marks of a panel.

extension PanelDrawing {
  /// Draws the marks of one series; each tells its values when pointed at.
  mutating func draw(_ series: ReportSeries, number: Int) {
    let slot = PlotPalette.slot(series, in: plot)
    switch series.marks {
    case .bins(let edges, let amounts): drawBins(edges, amounts, slot.name, series.name)
    case .columns(let points): drawColumns(points, slot.name, series.name, number)
    case .line(let points):
      let shown = ReportMarks.thinned(points)
      drawLine(shown, slot.name)
      drawPoints(shown, slot, series.name, radius: shown.count > 60 ? 1.8 : 3.6)
    case .points(let points):
      let shown = ReportMarks.thinned(points)
      drawPoints(shown, slot, series.name, radius: shown.count > 60 ? 2.4 : 4)
    case .bars: break
    }
  }

  private var isAlone: Bool { panel.series.count == 1 }

  private func tip(_ name: String, _ point: ReportPoint) -> String {
    let place = point.label ?? "\(plot.x.label) \(plot.x.text(of: point.x))"
    return isAlone ? "\(place): \(plot.y.text(of: point.y))" : "\(name), \(place): \(plot.y.text(of: point.y))"
  }

  private mutating func drawBins(_ edges: [Double], _ amounts: [Double], _ color: String, _ name: String) {
    guard edges.count == amounts.count + 1 else { return }
    svg.open("g", ["class": color])
    for (index, amount) in amounts.enumerated() {
      guard amount > 0, let left = x.clamped(edges[index]), let right = x.clamped(edges[index + 1]),
        let top = y.clamped(amount), let base = y.clamped(0), right > left
      else { continue }
      let range = "\(plot.x.text(of: edges[index])) to \(plot.x.text(of: edges[index + 1]))"
      // A hair between bars while there is room for one.
      let gap = right - left > 4 ? 0.6 : 0
      svg.element(
        "rect",
        [
          "class": "m", "x": pixels(left + gap / 2), "y": pixels(top), "width": pixels(right - left - gap),
          "height": pixels(max(0.5, base - top)),
        ], title: (isAlone ? "" : name + ", ") + "\(range): \(plot.y.text(of: amount))")
    }
    svg.close("g")
  }

  private mutating func drawColumns(_ points: [ReportPoint], _ color: String, _ name: String, _ number: Int) {
    svg.open("g", ["class": color])
    for point in points where point.x.isFinite && point.y.isFinite && point.y != 0 {
      // Columns of earlier series at the same place and side of zero carry this one.
      let below = panel.series.prefix(number).reduce(0.0) { sum, other in
        guard case .columns(let others) = other.marks else { return sum }
        let same = others.first { $0.x == point.x && ($0.y < 0) == (point.y < 0) }
        return sum + (same.map { $0.y.isFinite ? $0.y : 0 } ?? 0)
      }
      guard let left = x.clamped(point.x - 0.42), let right = x.clamped(point.x + 0.42),
        let from = y.clamped(below), let to = y.clamped(below + point.y)
      else { continue }
      svg.element(
        "rect",
        [
          "class": "m", "x": pixels(left), "y": pixels(min(from, to)), "width": pixels(right - left),
          "height": pixels(max(0.5, abs(to - from))),
        ], title: tip(name, point))
    }
    svg.close("g")
  }

  private mutating func drawLine(_ points: [ReportPoint], _ color: String) {
    var path = ""
    for point in points {
      guard let left = x.clamped(point.x), let top = y.clamped(point.y) else { continue }
      path += (path.isEmpty ? "M" : "L") + "\(pixels(left)) \(pixels(top))"
    }
    if !path.isEmpty { svg.element("path", ["class": "line \(color)", "d": path]) }
  }

  private mutating func drawPoints(
    _ points: [ReportPoint], _ slot: (name: String, shape: Int), _ name: String, radius: Double
  ) {
    svg.open("g", ["class": slot.name])
    for point in points {
      guard let left = x.clamped(point.x), let top = y.clamped(point.y) else { continue }
      svg.element(
        "path", ["class": "m", "d": PlotPalette.path(slot.shape, left, top, radius: radius)], title: tip(name, point))
    }
    svg.close("g")
  }
}
