// Tritsmith: colours and shapes that tell series apart.

/// Colours for two grounds, and a shape for each, so that colour never tells alone. `PlotPaletteTests` measures them.
enum PlotPalette {
  /// A colour on white and the one that stands for it on black.
  struct Color: Sendable, Hashable {
    let light: String
    let dark: String
  }

  /// Found by search: every two differ by at least 0.12 in OKLab to readers with normal vision, protanopia,
  /// deuteranopia and tritanopia (Machado et al. 2009), and each by a contrast of at least 3 from its ground.
  static let series = [
    Color(light: "#1e63cc", dark: "#5a9fe0"), Color(light: "#d76c00", dark: "#9d6300"),
    Color(light: "#165e23", dark: "#9bab05"), Color(light: "#a92a84", dark: "#fd9c9c"),
    Color(light: "#481e00", dark: "#d4d214"), Color(light: "#222e52", dark: "#f2f2f2"),
    Color(light: "#1294e0", dark: "#4b6eb7"), Color(light: "#8b8b8b", dark: "#808080"),
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

  static let shapes = 8

  /// A path for the shape of a series around a place: disc, square, two triangles, diamond, cross, two hourglasses.
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
    case 6: return polygon([(-t, -t), (t, -t), (-t, t), (t, t)])
    case 7: return polygon([(-t, -t), (-t, t), (t, -t), (t, t)])
    default:
      let d = pixels(r)
      return "M\(at(-r, 0))a\(d) \(d) 0 1 0 \(pixels(2 * r)) 0a\(d) \(d) 0 1 0 \(pixels(-2 * r)) 0Z"
    }
  }
}
