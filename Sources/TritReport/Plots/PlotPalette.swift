// Tritsmith: colours and shapes that tell series apart.

/// Colours for two grounds. Every two of a set differ for readers with and without colour blindness, and each series
/// also has a shape of its own; `PlotPaletteTests` measures both.
enum PlotPalette {
  /// A colour on white and the one that stands for it on black.
  struct Color: Sendable, Hashable {
    let light: String
    let dark: String
  }

  /// After Okabe and Ito, "Color Universal Design" (2008); darkened or lightened until each stands out from its ground.
  static let series = [
    Color(light: "#0067a8", dark: "#5bb5ef"), Color(light: "#c4500a", dark: "#f28a4b"),
    Color(light: "#00805d", dark: "#2fc295"), Color(light: "#a4417f", dark: "#e394c4"),
    Color(light: "#7a6a00", dark: "#e6cf4a"), Color(light: "#3d3d3d", dark: "#f2f2f2"),
    Color(light: "#3ba3dd", dark: "#2d7fc4"), Color(light: "#8a8a8a", dark: "#9a9a9a"),
  ]
  /// −1, 0, +1.
  static let negative = Color(light: "#0067a8", dark: "#5bb5ef")
  static let neutral = Color(light: "#b9b9b4", dark: "#6d6d6a")
  static let positive = Color(light: "#d0560f", dark: "#f28a4b")

  /// CSS custom properties that hold the colours, for `:root`.
  static var css: String {
    let named =
      series.enumerated().map { ("s\($0)", $1) } + [("tn", negative), ("tz", neutral), ("tp", positive)]
    let variables = named.map { "--\($0):light-dark(\($1.light),\($1.dark))" }.joined(separator: ";")
    let classes = named.map { ".\($0.0){--c:var(--\($0.0))}" }.joined()
    return ":root{\(variables)}\(classes)"
  }

  /// The class of a series and its shape: by its tone, or by the place of its name in the plot.
  static func slot(_ series: ReportSeries, in plot: ReportPlot) -> (name: String, shape: Int) {
    switch series.tone {
    case .negative: return ("tn", 3)
    case .neutral: return ("tz", 0)
    case .positive: return ("tp", 2)
    case .automatic: break
    }
    let index = seriesNames(plot).firstIndex(of: series.name) ?? 0
    return ("s\(index % PlotPalette.series.count)", index % shapes)
  }

  /// Names of the series of a plot, each once, in order.
  static func seriesNames(_ plot: ReportPlot) -> [String] {
    var names: [String] = []
    for series in plot.panels.flatMap(\.series) where !names.contains(series.name) { names.append(series.name) }
    return names
  }

  static let shapes = 6

  /// A path for the shape of a series around a place: disc, square, triangles, diamond, cross.
  static func path(_ shape: Int, _ x: Double, _ y: Double, radius r: Double) -> String {
    func at(_ dx: Double, _ dy: Double) -> String { "\(pixels(x + dx)) \(pixels(y + dy))" }
    func polygon(_ points: [(Double, Double)]) -> String {
      "M" + points.map { at($0.0, $0.1) }.joined(separator: "L") + "Z"
    }
    let s = 0.88 * r
    let t = 1.2 * r
    switch shape {
    case 1: return polygon([(-s, -s), (s, -s), (s, s), (-s, s)])
    case 2: return polygon([(0, -t), (t, 0.85 * r), (-t, 0.85 * r)])
    case 3: return polygon([(0, t), (t, -0.85 * r), (-t, -0.85 * r)])
    case 4: return polygon([(0, -1.3 * r), (1.3 * r, 0), (0, 1.3 * r), (-1.3 * r, 0)])
    case 5:
      let a = 0.42 * r
      return polygon([
        (-a, -t), (a, -t), (a, -a), (t, -a), (t, a), (a, a), (a, t), (-a, t), (-a, a), (-t, a), (-t, -a), (-a, -a),
      ])
    default:
      let d = pixels(r)
      return "M\(at(-r, 0))a\(d) \(d) 0 1 0 \(pixels(2 * r)) 0a\(d) \(d) 0 1 0 \(pixels(-2 * r)) 0Z"
    }
  }
}
