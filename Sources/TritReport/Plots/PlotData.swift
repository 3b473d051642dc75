// Tritsmith: what a plot's axes must reach, and how many marks are drawn.

/// Values along both axes of panels.
struct PlotData {
  private(set) var x: [Double] = []
  private(set) var y: [Double] = []
  /// Amounts are lengths, and a length begins at zero.
  private(set) var startsAtZero = false

  init(_ panels: [ReportPanel], _ plot: ReportPlot) {
    for panel in panels { add(panel) }
    for panel in panels {
      for reference in panel.references { add(reference, plot) }
    }
  }

  private mutating func add(_ panel: ReportPanel) {
    var stacks: [Double: (below: Double, above: Double)] = [:]
    for series in panel.series {
      switch series.marks {
      case .bins(let edges, let amounts):
        startsAtZero = true
        x += edges
        y += amounts
      case .columns(let points):
        startsAtZero = true
        for point in points where point.x.isFinite && point.y.isFinite {
          x += [point.x - 0.5, point.x + 0.5]
          var stack = stacks[point.x] ?? (0, 0)
          if point.y < 0 { stack.below += point.y } else { stack.above += point.y }
          stacks[point.x] = stack
        }
      case .line(let points), .points(let points):
        let shown = points.filter { $0.x.isFinite && $0.y.isFinite }
        x += shown.map(\.x)
        y += shown.map(\.y)
      case .bars: break
      }
    }
    for stack in stacks.values { y += [stack.below, stack.above] }
  }

  /// A reference widens an axis, unless the data would fill less than a third of it then.
  private mutating func add(_ reference: ReportReference, _ plot: ReportPlot) {
    let values = reference.axis == .x ? x : y
    let axis = reference.axis == .x ? plot.x : plot.y
    guard var low = values.filter(\.isFinite).min(), let high = values.filter(\.isFinite).max() else { return }
    if reference.axis == .y && startsAtZero { low = min(low, 0) }
    for value in [reference.from, reference.to] where value.isFinite {
      let isNear =
        axis.scale == .log
        ? value > 0 && value > low / 100 && value < high * 100
        : max(high, value) - min(low, value) <= 3 * max(high - low, abs(high) * 0.1)
      guard isNear else { continue }
      if reference.axis == .x { x.append(value) } else { y.append(value) }
    }
  }
}

extension ReportMarks {
  /// More points than this of one series are thinned: a page must stay small, and pixels are few.
  static let mostPoints = 400

  /// The points of a line or cloud that are drawn: of each run of neighbours the lowest and the highest.
  static func thinned(_ points: [ReportPoint]) -> [ReportPoint] {
    let usable = points.filter { $0.x.isFinite && $0.y.isFinite }
    guard usable.count > mostPoints else { return usable }
    let runs = mostPoints / 2
    return (0..<runs).flatMap { run -> [ReportPoint] in
      let range = run * usable.count / runs..<(run + 1) * usable.count / runs
      let low = range.min { usable[$0].y < usable[$1].y } ?? range.lowerBound
      let high = range.max { usable[$0].y < usable[$1].y } ?? range.lowerBound
      return low == high ? [usable[low]] : [usable[min(low, high)], usable[max(low, high)]]
    }
  }
}
