// Tritsmith: a heat map: a row of cells for each series, values as colours.

/// Draws the lines of a plot as rows of cells, one for each whole x: more colour is more.
///
/// Numbers stand in cells that have room for them, so that colour never tells alone.
struct HeatDrawing {
  private static let pitch = 22.0
  private static let top = 34.0

  let plot: ReportPlot
  let panel: ReportPanel
  let size: PlotSize
  private let rows: [(name: String, cells: [ReportPoint])]
  /// How numbers are written.
  private let kind: ReportKind

  init(plot: ReportPlot, panel: ReportPanel, size: PlotSize) {
    (self.plot, self.panel, self.size) = (plot, panel, size)
    rows = panel.series.map { series in
      guard case .line(let points) = series.marks else { return (series.name, []) }
      return (series.name, points.filter { $0.x.isFinite && $0.y.isFinite })
    }
    let sizes = rows.flatMap(\.cells).map { abs($0.y) }
    kind = plot.y.kind.forReading(least: sizes.filter { $0 > 0 }.min() ?? 0, most: sizes.max() ?? 0)
  }

  /// Whether there is something to draw, and no more than a page may hold.
  static func fits(_ panel: ReportPanel) -> Bool {
    panel.series.allSatisfy { series in
      guard case .line(let points) = series.marks else { return false }
      return !points.isEmpty && points.count <= ReportMarks.mostPoints
    }
  }

  /// All cells have the same digits behind the point.
  private func number(_ value: Double) -> String {
    guard kind != plot.y.kind else { return minusSign(plot.y.number(value)) }
    return minusSign(kind.text(of: .number(value)))
  }

  func drawn() -> String {
    let cells = rows.flatMap(\.cells)
    let (first, last) = (cells.map(\.x).min() ?? 0, cells.map(\.x).max() ?? 0)
    let (low, high) = (cells.map(\.y).min() ?? 0, cells.map(\.y).max() ?? 0)
    let left = (rows.map { textWidth($0.name) }.max() ?? 0) + 8
    let right = size.width - 2
    let bottom = HeatDrawing.top + HeatDrawing.pitch * Double(rows.count)
    var svg = SVGBuilder()
    svg.open(
      "svg",
      [
        "class": size.name, "viewBox": "0 0 \(pixels(size.width)) \(pixels(bottom + 40))", "role": "img",
        "tabindex": "0",
        "aria-label": "\(plot.title): \(plot.y.heading) by \(plot.x.heading) and row; "
          + rows.map(\.name).joined(separator: ", "),
      ])
    svg.label(plot.y.heading, x: 0, y: 13, kind: "name")
    drawKey(&svg, low, high)
    let width = (right - left) / (last - first + 1)
    for (index, row) in rows.enumerated() {
      let y = HeatDrawing.top + HeatDrawing.pitch * Double(index)
      svg.label(row.name, x: left - 8, y: y + 15, kind: "tick end")
      for point in row.cells {
        let share = high > low ? (point.y - low) / (high - low) : 0.5
        draw(&svg, point, row.name, share, x: left + (point.x - first) * width, y: y, width: width)
      }
    }
    drawAxis(&svg, first, last, left: left, right: right, bottom: bottom)
    svg.close("svg")
    return svg.text
  }

  private func draw(
    _ svg: inout SVGBuilder, _ point: ReportPoint, _ row: String, _ share: Double, x: Double, y: Double, width: Double
  ) {
    let place = point.label ?? "\(row), \(plot.x.label) \(plot.x.text(of: point.x))"
    let number = number(point.y)
    svg.element(
      "rect",
      [
        "class": "m h", "style": HeatDrawing.heat(share), "x": pixels(x + 0.5), "y": pixels(y),
        "width": pixels(max(0.8, width - 1)), "height": pixels(HeatDrawing.pitch - 2),
      ], title: "\(place): \(number)" + (plot.y.unit.map { " " + $0 } ?? ""))
    guard textWidth(number) + 6 <= width else { return }
    svg.label(number, x: x + width / 2, y: y + 14, kind: "cell mid")
  }

  /// The custom property that mixes a cell's colour.
  private static func heat(_ share: Double) -> String { "--h:\(NumberText.fixed(share * 100, digits: 1))%" }

  /// The colours of the least and the most, and three between them.
  private func drawKey(_ svg: inout SVGBuilder, _ low: Double, _ high: Double) {
    let (least, most) = (number(low), number(high))
    guard least != most else { return }
    let end = size.width - 2 - textWidth(most) - 4
    for step in 0..<5 {
      svg.element(
        "rect",
        [
          "class": "h", "style": HeatDrawing.heat(Double(step) / 4), "x": pixels(end - Double(5 - step) * 14), "y": "3",
          "width": "14", "height": "11",
        ])
    }
    svg.label(least, x: end - 76, y: 13, kind: "tick end")
    svg.label(most, x: end + 5, y: 13, kind: "tick")
  }

  private func drawAxis(
    _ svg: inout SVGBuilder, _ first: Double, _ last: Double, left: Double, right: Double, bottom: Double
  ) {
    var scale = PlotScale(over: [first - 0.5, last + 0.5], plot.x, includesZero: false, isTight: true)
    (scale.start, scale.end) = (left, right)
    let ticks = scale.ticks(about: max(2, Int((right - left) / 40)), wholeNumbers: true)
    for value in ticks.values {
      guard let place = scale.position(value) else { continue }
      let label = tickText(value, step: ticks.step, plot.x)
      let half = textWidth(label) / 2
      svg.label(label, x: min(max(place, half), size.width - half), y: bottom + 14, kind: "tick mid")
    }
    svg.label(plot.x.heading, x: right, y: bottom + 32, kind: "name end")
  }
}
