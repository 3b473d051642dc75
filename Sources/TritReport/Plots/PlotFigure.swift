// Tritsmith: a plot as a figure of a page.

/// The one way in: a `ReportPlot` becomes a `<figure>` with its title, legend, drawings and caption.
///
/// Every mark is an element of class `m` with a `<title>` that tells its values. A plot of one panel is drawn twice,
/// wide and narrow, and the page shows the one that fits; panels of small multiples are drawn once. Colours are custom
/// properties (`PlotPalette.css`), so a drawing follows the theme of its page.
struct PlotFigure {
  let plot: ReportPlot
  /// Of the wide drawing.
  var size = PlotSize.wide

  /// - Parameter heading: HTML of the heading, which the page makes because it knows glossary links.
  func html(heading: String) -> String {
    var html = "<figure class=\"plot\" id=\"plot-\(htmlText(plot.key))\">\(heading)"
    html += legend
    if plot.panels.count == 1, let panel = plot.panels.first {
      html += "<div class=\"panel\">" + panelHead(panel) + drawing(panel, size) + drawing(panel, .narrow) + "</div>"
    } else {
      let panels = plot.panels.map { "<div class=\"panel\">\(panelHead($0))\(drawing($0, .multiple))</div>" }
      html += "<div class=\"panels\">\(panels.joined())</div>"
    }
    let hidden = plot.panels.map { BarDrawing.hidden($0) }.max() ?? 0
    let rest = hidden > 0 ? "The first \(BarDrawing.mostBars) are drawn; \(hidden) more are in the tables." : nil
    let caption = [plot.caption, rest, beyond].compactMap { $0 }.joined(separator: " ")
    if !caption.isEmpty { html += "<figcaption>\(htmlText(caption))</figcaption>" }
    return html + "</figure>"
  }

  /// Whether the plot is drawn as a heat map: its rows have names, and its cells numbers.
  private var isHeat: Bool { plot.isHeatMap && plot.panels.allSatisfy(HeatDrawing.fits) }

  private func panelHead(_ panel: ReportPanel) -> String {
    (panel.title.map { "<h4>\(htmlText($0))</h4>" } ?? "")
      + (panel.note.map { "<p class=\"panel-note\">\(htmlText($0))</p>" } ?? "")
  }

  private func drawing(_ panel: ReportPanel, _ size: PlotSize) -> String {
    if isHeat { return HeatDrawing(plot: plot, panel: panel, size: size).drawn() }
    let isBars = panel.series.contains { if case .bars = $0.marks { true } else { false } }
    if isBars { return BarDrawing(plot: plot, panel: panel, size: size).drawn() }
    return PanelDrawing(panel, of: plot, size: size, sharing: plot.sharesAxes ? plot.panels : [panel]).drawn()
  }

  /// Names with the colour and shape of their series; nothing to tell apart, nothing shown.
  private var legend: String {
    let names = PlotPalette.seriesNames(plot)
    guard names.count > 1, !isHeat else { return "" }
    let all = plot.panels.flatMap(\.series)
    let items = names.compactMap { name -> String? in
      guard let series = all.first(where: { $0.name == name }) else { return nil }
      let slot = PlotPalette.slot(series, in: plot)
      var svg = SVGBuilder()
      svg.open("svg", ["class": "key \(slot.name)", "viewBox": "0 0 16 12", "aria-hidden": "true"])
      switch series.marks {
      case .line:
        svg.element("path", ["class": "line", "d": "M0 6H16"])
        svg.element("path", ["class": "k", "d": PlotPalette.path(slot.shape, 8, 6, radius: 3.6)])
      case .points: svg.element("path", ["class": "k", "d": PlotPalette.path(slot.shape, 8, 6, radius: 4)])
      case .bins, .columns, .bars: svg.element("path", ["class": "k", "d": "M2 0H14V12H2Z"])
      }
      svg.close("svg")
      return "<li><button type=\"button\">\(svg.text)\(htmlText(name))</button></li>"
    }
    return "<ul class=\"legend\">\(items.joined())</ul>"
  }

  /// References that are not drawn are sentences in words: those too far from the data, and all of a heat map.
  private var beyond: String? {
    if isHeat {
      let sentences = plot.panels.flatMap(\.references).map { "\($0.label): \(plot.y.text(of: $0.from))." }
      return sentences.isEmpty ? nil : sentences.joined(separator: " ")
    }
    let data = PlotData(plot.panels, plot)
    let x = PlotScale(over: data.x, plot.x, includesZero: false, isTight: true)
    let y = PlotScale(over: data.y, plot.y, includesZero: data.startsAtZero, isTight: false)
    var sentences: [String] = []
    for reference in plot.panels.flatMap(\.references) where plot.sharesAxes {
      let (scale, axis) = reference.axis == .x ? (x, plot.x) : (y, plot.y)
      guard !data.x.isEmpty, !scale.contains(reference.from), !scale.contains(reference.to) else { continue }
      let text = "\(reference.label) (\(axis.text(of: reference.from)))"
      if !sentences.contains(text) { sentences.append(text) }
    }
    return sentences.isEmpty ? nil : "Beyond the edge of the plot: \(sentences.joined(separator: ", "))."
  }
}
