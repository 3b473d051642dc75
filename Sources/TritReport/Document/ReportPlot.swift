// Tritsmith: plots of a report, as data.

/// One number line of a plot.
package struct ReportAxis: Sendable, Hashable {
  /// How numbers are spread along the axis.
  package enum Scale: String, Sendable, Hashable {
    case linear
    /// Base 10; values of zero and below have no place and are left out.
    case log
  }

  /// What is measured: "Weight".
  package var label: String
  /// Its unit, shown behind the label: "dB".
  package var unit: String?
  package var scale: Scale
  /// How values are shown in remarks and text.
  package var kind: ReportKind
  /// The ends of the axis; nil takes them from the data. Data outside is clipped.
  package var lower: Double?
  package var upper: Double?

  /// A linear axis that fits its data unless told otherwise.
  package init(
    _ label: String, unit: String? = nil, scale: Scale = .linear, kind: ReportKind = .significant(digits: 4),
    lower: Double? = nil, upper: Double? = nil
  ) {
    (self.label, self.unit, self.scale, self.kind) = (label, unit, scale, kind)
    (self.lower, self.upper) = (lower, upper)
  }

  /// The label with its unit.
  package var heading: String { unit.map { "\(label) (\($0))" } ?? label }

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
package struct ReportPoint: Sendable, Hashable {
  package var x: Double
  package var y: Double
  package var label: String?

  package init(_ x: Double, _ y: Double, label: String? = nil) {
    (self.x, self.y, self.label) = (x, y, label)
  }
}

/// A named amount.
package struct ReportBar: Sendable, Hashable {
  package var label: String
  package var value: Double
  /// A remark behind the value.
  package var note: String?

  package init(_ label: String, _ value: Double, note: String? = nil) {
    (self.label, self.value, self.note) = (label, value, note)
  }
}

/// How the data of a series stand in the plot.
package enum ReportMarks: Sendable, Hashable {
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
package enum ReportTone: String, Sendable, Hashable {
  case automatic
  /// For −1, 0 and +1, below, at and above.
  case negative, neutral, positive
}

/// Data of one kind in a plot.
package struct ReportSeries: Sendable, Hashable {
  /// The name in JSON, in snake case.
  package var key: String
  /// The name in the legend. Series of one name have one colour in all panels.
  package var name: String
  package var marks: ReportMarks
  package var tone: ReportTone

  package init(_ name: String, key: String? = nil, _ marks: ReportMarks, tone: ReportTone = .automatic) {
    (self.key, self.name, self.marks, self.tone) = (key ?? snakeCase(name), name, marks, tone)
  }
}

/// Something to compare data with: a threshold, a budget, a range.
package struct ReportReference: Sendable, Hashable {
  /// The axis the line is at a value of.
  package enum Axis: String, Sendable, Hashable { case x, y }

  /// The axis the values belong to: a reference on x stands upright.
  package var axis: Axis
  package var from: Double
  /// Equal to `from` for a line, above it for a band.
  package var to: Double
  package var label: String

  /// A line across the plot.
  package static func line(_ axis: Axis, at value: Double, _ label: String) -> ReportReference {
    ReportReference(axis: axis, from: value, to: value, label: label)
  }

  /// A shaded range.
  package static func band(_ axis: Axis, from: Double, to: Double, _ label: String) -> ReportReference {
    ReportReference(axis: axis, from: from, to: to, label: label)
  }
}

/// One picture: series over two axes.
package struct ReportPanel: Sendable, Hashable {
  /// Needed only among several panels.
  package var title: String?
  /// A line below the title: trit shares, a scale.
  package var note: String?
  package var series: [ReportSeries]
  package var references: [ReportReference]

  package init(
    _ title: String? = nil, note: String? = nil, series: [ReportSeries], references: [ReportReference] = []
  ) {
    (self.title, self.note, self.series, self.references) = (title, note, series, references)
  }
}

/// A plot: one panel, or small multiples of the same axes.
package struct ReportPlot: Sendable, Hashable {
  /// The name in JSON, in snake case.
  package var key: String
  package var title: String
  package var x: ReportAxis
  package var y: ReportAxis
  package var panels: [ReportPanel]
  /// Whether panels have the same ends of their axes, so that they compare; otherwise each fits its data.
  package var sharesAxes: Bool
  /// Whether pages show lines over whole x as rows of cells: a layer × projection heat map.
  package var isHeatMap = false
  /// What the plot says, in a sentence or two below it.
  package var caption: String?
  /// What is plotted, for those who ask.
  package var explanation: String?
  /// The id of a definition in the glossary.
  package var definition: String?

  /// Small multiples.
  package init(
    key: String, title: String, x: ReportAxis, y: ReportAxis, panels: [ReportPanel], sharesAxes: Bool = true,
    caption: String? = nil, explanation: String? = nil, definition: String? = nil
  ) {
    (self.key, self.title, self.x, self.y, self.panels) = (key, title, x, y, panels)
    self.sharesAxes = sharesAxes
    (self.caption, self.explanation, self.definition) = (caption, explanation, definition)
  }

  /// One picture.
  package init(
    key: String, title: String, x: ReportAxis, y: ReportAxis, series: [ReportSeries],
    references: [ReportReference] = [], caption: String? = nil, explanation: String? = nil, definition: String? = nil
  ) {
    self.init(
      key: key, title: title, x: x, y: y, panels: [ReportPanel(series: series, references: references)],
      caption: caption, explanation: explanation, definition: definition)
  }
}
