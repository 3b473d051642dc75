// Tritsmith: plots of a report, as data.

/// One number line of a plot.
public struct ReportAxis: Sendable, Hashable {
  /// How numbers are spread along the axis.
  public enum Scale: String, Sendable, Hashable {
    case linear
    /// Base 10; values of zero and below have no place and are left out.
    case log
  }

  /// What is measured: "Weight".
  public var label: String
  /// Its unit, shown behind the label: "dB".
  public var unit: String?
  public var scale: Scale
  /// How values are shown in remarks and text.
  public var kind: ReportKind
  /// The ends of the axis; nil takes them from the data. Data outside is clipped.
  public var lower: Double?
  public var upper: Double?

  /// A linear axis that fits its data unless told otherwise.
  public init(
    _ label: String, unit: String? = nil, scale: Scale = .linear, kind: ReportKind = .significant(digits: 4),
    lower: Double? = nil, upper: Double? = nil
  ) {
    (self.label, self.unit, self.scale, self.kind) = (label, unit, scale, kind)
    (self.lower, self.upper) = (lower, upper)
  }

  /// The label with its unit.
  public var heading: String { unit.map { "\(label) (\($0))" } ?? label }

  /// A value on this axis, without zeros that say nothing, with its unit.
  func text(of value: Double) -> String {
    minusSign(number(value)) + (unit.map { " " + $0 } ?? "")
  }

  /// The same without the unit.
  func number(_ value: Double) -> String {
    if kind == .integer, let whole = Int(exactly: value) { return NumberText.grouped(whole) }
    if kind == .bytes, let count = UInt64(exactly: value) { return NumberText.bytes(count) }
    let text = kind.text(of: .number(value))
    guard case .significant = kind, text.contains("."), !text.contains("e") else { return text }
    let trimmed = String(text.reversed().drop { $0 == "0" }.reversed())
    return trimmed.last == "." ? String(trimmed.dropLast()) : trimmed
  }
}

/// A place in a plot, with an optional name for it: a layer, a tensor.
public struct ReportPoint: Sendable, Hashable {
  public var x: Double
  public var y: Double
  public var label: String?

  public init(_ x: Double, _ y: Double, label: String? = nil) {
    (self.x, self.y, self.label) = (x, y, label)
  }
}

/// A named amount.
public struct ReportBar: Sendable, Hashable {
  public var label: String
  public var value: Double
  /// A remark behind the value.
  public var note: String?

  public init(_ label: String, _ value: Double, note: String? = nil) {
    (self.label, self.value, self.note) = (label, value, note)
  }
}

/// How the data of a series stand in the plot.
public enum ReportMarks: Sendable, Hashable {
  /// A histogram: `amounts[i]` lies between `edges[i]` and `edges[i + 1]`; one edge more than amounts.
  case bins(edges: [Double], amounts: [Double])
  /// Upright bars around whole x values; several series of columns in a panel stand on each other.
  case columns([ReportPoint])
  /// Points joined in the order given.
  case line([ReportPoint])
  case points([ReportPoint])
  /// Horizontal bars below each other, in the order given; the value lies along the x axis. Several series of bars in
  /// a panel, which must have the same labels in the same order, follow each other in one bar.
  case bars([ReportBar])
}

/// What a colour should say; `automatic` gives the series of a plot different ones.
public enum ReportTone: String, Sendable, Hashable {
  case automatic
  /// For −1, 0 and +1, below, at and above.
  case negative, neutral, positive
}

/// Data of one kind in a plot.
public struct ReportSeries: Sendable, Hashable {
  /// The name in JSON, in snake case.
  public var key: String
  /// The name in the legend. Series of one name have one colour in all panels.
  public var name: String
  public var marks: ReportMarks
  public var tone: ReportTone

  public init(_ name: String, key: String? = nil, _ marks: ReportMarks, tone: ReportTone = .automatic) {
    (self.key, self.name, self.marks, self.tone) = (key ?? snakeCase(name), name, marks, tone)
  }
}

/// Something to compare data with: a threshold, a budget, a range.
public struct ReportReference: Sendable, Hashable {
  /// The axis the line is at a value of.
  public enum Axis: String, Sendable, Hashable { case x, y }

  /// The axis the values belong to: a reference on x stands upright.
  public var axis: Axis
  public var from: Double
  /// Equal to `from` for a line, above it for a band.
  public var to: Double
  public var label: String

  /// A line across the plot.
  public static func line(_ axis: Axis, at value: Double, _ label: String) -> ReportReference {
    ReportReference(axis: axis, from: value, to: value, label: label)
  }

  /// A shaded range.
  public static func band(_ axis: Axis, from: Double, to: Double, _ label: String) -> ReportReference {
    ReportReference(axis: axis, from: from, to: to, label: label)
  }
}

/// One picture: series over two axes.
public struct ReportPanel: Sendable, Hashable {
  /// Needed only among several panels.
  public var title: String?
  /// A line below the title: trit shares, a scale.
  public var note: String?
  public var series: [ReportSeries]
  public var references: [ReportReference]

  public init(
    _ title: String? = nil, note: String? = nil, series: [ReportSeries], references: [ReportReference] = []
  ) {
    (self.title, self.note, self.series, self.references) = (title, note, series, references)
  }
}

/// A plot: one panel, or small multiples of the same axes.
public struct ReportPlot: Sendable, Hashable {
  /// The name in JSON, in snake case.
  public var key: String
  public var title: String
  public var x: ReportAxis
  public var y: ReportAxis
  public var panels: [ReportPanel]
  /// Whether panels have the same ends of their axes, so that they compare; otherwise each fits its data.
  public var sharesAxes: Bool
  /// Whether pages show lines over whole x as rows of cells: a layer × projection heat map.
  public var isHeatMap = false
  /// What the plot says, in a sentence or two below it.
  public var caption: String?
  /// What is plotted, for those who ask.
  public var explanation: String?
  /// The id of a definition in the glossary.
  public var definition: String?

  /// Small multiples.
  public init(
    key: String, title: String, x: ReportAxis, y: ReportAxis, panels: [ReportPanel], sharesAxes: Bool = true,
    caption: String? = nil, explanation: String? = nil, definition: String? = nil
  ) {
    (self.key, self.title, self.x, self.y, self.panels) = (key, title, x, y, panels)
    self.sharesAxes = sharesAxes
    (self.caption, self.explanation, self.definition) = (caption, explanation, definition)
  }

  /// One picture.
  public init(
    key: String, title: String, x: ReportAxis, y: ReportAxis, series: [ReportSeries],
    references: [ReportReference] = [], caption: String? = nil, explanation: String? = nil, definition: String? = nil
  ) {
    self.init(
      key: key, title: title, x: x, y: y, panels: [ReportPanel(series: series, references: references)],
      caption: caption, explanation: explanation, definition: definition)
  }
}
