// Tritsmith: one panel of a plot as SVG: frame, axes, references.

/// How large a panel is drawn. Text keeps its size, so that a narrow drawing reads on a phone.
struct PlotSize: Sendable, Hashable {
  let width: Double
  let height: Double
  /// The class that decides where it is shown.
  let name: String

  /// Beside text on a desk, 1:1.
  static let wide = PlotSize(width: 960, height: 340, name: "wide")
  /// One of two plots side by side on a desk, 1:1.
  static let half = PlotSize(width: 484, height: 250, name: "wide")
  /// The same panel on a phone.
  static let narrow = PlotSize(width: 350, height: 280, name: "narrow")
  /// One of several panels, on both.
  static let multiple = PlotSize(width: 236, height: 180, name: "multiple")

  var isNarrow: Bool { width < 600 }
}

/// Draws one panel: axes with units, references, then marks (`PanelDrawing+Marks`).
struct PanelDrawing {
  let plot: ReportPlot
  let panel: ReportPanel
  let size: PlotSize
  var x: PlotScale
  var y: PlotScale
  var svg = SVGBuilder()
  private static let rowHeight = 15.0

  /// - Parameter shared: the panels whose data decide the ends of the axes.
  init(_ panel: ReportPanel, of plot: ReportPlot, size: PlotSize, sharing shared: [ReportPanel]) {
    (self.plot, self.panel, self.size) = (plot, panel, size)
    let data = PlotData(shared, plot)
    x = PlotScale(over: data.x, plot.x, includesZero: false, isTight: true)
    y = PlotScale(over: data.y, plot.y, includesZero: data.startsAtZero, isTight: false)
  }

  /// The whole drawing.
  consuming func drawn() -> String {
    let references = panel.references.filter { !isBeyond($0) }
    let upright = references.filter { $0.axis == .x }
    let yTicks = y.ticks(about: size.height < 250 ? 4 : 5, wholeNumbers: plot.y.kind == .integer)
    let yLabels = yTicks.values.map { tickText($0, step: yTicks.step, plot.y) }
    x.start = (yLabels.map { textWidth($0) }.max() ?? 0) + 10
    x.end = size.width - 14
    let rows = labelRows(upright)
    let head = 24 + Double(((rows.max() ?? -1) + 1)) * PanelDrawing.rowHeight
    y.start = size.height - 44
    y.end = head
    svg.open(
      "svg",
      [
        "class": size.name, "viewBox": "0 0 \(pixels(size.width)) \(pixels(size.height))", "role": "img",
        "tabindex": "0", "aria-label": summary,
      ])
    for reference in references where reference.from < reference.to { drawBand(reference) }
    drawAxes(yTicks.values, yLabels)
    for (index, series) in panel.series.enumerated() { draw(series, number: index) }
    for (index, reference) in upright.enumerated() { drawUpright(reference, row: rows[index]) }
    for reference in references where reference.axis == .y { drawLevel(reference) }
    svg.close("svg")
    return svg.text
  }

  /// What the drawing is, for those who hear it.
  private var summary: String {
    let names = panel.series.map(\.name).joined(separator: ", ")
    let title = [plot.title, panel.title].compactMap { $0 }.joined(separator: ", ")
    return "\(title): \(plot.y.heading) along \(plot.x.heading); \(names)"
  }

  /// A reference so far from the data that the data would shrink to a line.
  private func isBeyond(_ reference: ReportReference) -> Bool {
    let scale = reference.axis == .x ? x : y
    return !scale.contains(reference.from) && !scale.contains(reference.to)
  }

  // MARK: - Axes

  private mutating func drawAxes(_ yTicks: [Double], _ yLabels: [String]) {
    for (value, label) in zip(yTicks, yLabels) {
      guard let place = y.position(value) else { continue }
      let kind = value == 0 ? "axis" : "grid"
      svg.element("path", ["class": kind, "d": "M\(pixels(x.start)) \(pixels(place))H\(pixels(x.end))"])
      svg.label(label, x: x.start - 6, y: place + 4, kind: "tick end")
    }
    svg.label(plot.y.heading, x: 0, y: 13, kind: "name")
    let count = Int((x.end - x.start) / (size.isNarrow ? 64 : 90))
    let ticks = x.ticks(about: max(2, count), wholeNumbers: plot.x.kind == .integer)
    for value in ticks.values {
      guard let place = x.position(value), place >= x.start - 0.5, place <= x.end + 0.5 else { continue }
      svg.element("path", ["class": "axis", "d": "M\(pixels(place)) \(pixels(y.start))v5"])
      let label = tickText(value, step: ticks.step, plot.x)
      let half = textWidth(label) / 2
      svg.label(label, x: min(max(place, half), size.width - half), y: y.start + 18, kind: "tick mid")
    }
    svg.element("path", ["class": "axis", "d": "M\(pixels(x.start)) \(pixels(y.start))H\(pixels(x.end))"])
    svg.label(plot.x.heading, x: x.end, y: y.start + 37, kind: "name end")
  }

  // MARK: - References

  private func referenceText(_ reference: ReportReference) -> String {
    let axis = reference.axis == .x ? plot.x : plot.y
    let from = axis.text(of: reference.from)
    guard reference.from < reference.to else { return "\(reference.label): \(from)" }
    return "\(reference.label): \(from) to \(axis.text(of: reference.to))"
  }

  private mutating func drawBand(_ reference: ReportReference) {
    let scale = reference.axis == .x ? x : y
    guard let from = scale.clamped(reference.from), let to = scale.clamped(reference.to) else { return }
    let (low, length) = (pixels(min(from, to)), pixels(abs(to - from)))
    let (left, right, top, bottom) = (pixels(x.start), pixels(x.end - x.start), pixels(y.end), pixels(y.start - y.end))
    if reference.axis == .x {
      svg.element(
        "rect", ["class": "band", "x": low, "y": top, "width": length, "height": bottom],
        title: referenceText(reference))
    } else {
      svg.element(
        "rect", ["class": "band", "x": left, "y": low, "width": right, "height": length],
        title: referenceText(reference))
    }
  }

  /// Rows for the labels of upright references, so that neighbours do not lie on each other.
  private func labelRows(_ references: [ReportReference]) -> [Int] {
    var ends: [Double] = []
    return references.map { reference in
      guard let place = x.clamped((reference.from + reference.to) / 2) else { return 0 }
      let half = textWidth(reference.label) / 2 + 4
      let row = ends.firstIndex { $0 < place - half } ?? ends.count
      if row == ends.count { ends.append(0) }
      ends[row] = place + half
      return row
    }
  }

  private mutating func drawUpright(_ reference: ReportReference, row: Int) {
    let middle = (reference.from + reference.to) / 2
    guard let place = x.clamped(middle) else { return }
    let top = 24 + Double(row + 1) * PanelDrawing.rowHeight
    if reference.from == reference.to {
      // From the frame, not from its label: a label in a row below would be struck through.
      svg.element(
        "path", ["class": "ref", "d": "M\(pixels(place)) \(pixels(y.end))V\(pixels(y.start))"],
        title: referenceText(reference))
    }
    let half = textWidth(reference.label) / 2
    let center = min(max(place, x.start + half), max(x.start + half, x.end - half))
    svg.label(reference.label, x: center, y: top - 4, kind: "flag mid", title: referenceText(reference))
  }

  private mutating func drawLevel(_ reference: ReportReference) {
    guard let place = y.clamped((reference.from + reference.to) / 2) else { return }
    if reference.from == reference.to {
      svg.element(
        "path", ["class": "ref", "d": "M\(pixels(x.start)) \(pixels(place))H\(pixels(x.end))"],
        title: referenceText(reference))
    }
    svg.label(reference.label, x: x.end - 2, y: place - 5, kind: "flag end", title: referenceText(reference))
  }
}
