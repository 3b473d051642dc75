// Tritsmith: plots and quotes for programs.

extension ReportPlot {
  /// The plot as one line of JSON: axes and panels with every number.
  var json: String {
    var members = ["\"key\": \(jsonString(key))", "\"title\": \(jsonString(title))"]
    members.append("\"x\": \(x.json), \"y\": \(y.json)")
    members.append("\"panels\": [" + panels.map(\.json).joined(separator: ", ") + "]")
    return "{" + members.joined(separator: ", ") + "}"
  }
}

extension ReportAxis {
  fileprivate var json: String {
    let unit = unit.map(jsonString) ?? "null"
    return "{\"label\": \(jsonString(label)), \"unit\": \(unit), \"scale\": \"\(scale.rawValue)\"}"
  }
}

extension ReportPanel {
  fileprivate var json: String {
    let series = series.map { series in
      "{\"key\": \(jsonString(series.key)), \"name\": \(jsonString(series.name)), \(series.marks.json)}"
    }
    let references = references.map { reference in
      "{\"axis\": \"\(reference.axis.rawValue)\", \"from\": \(jsonNumber(reference.from)), "
        + "\"to\": \(jsonNumber(reference.to)), \"label\": \(jsonString(reference.label))}"
    }
    let title = title.map(jsonString) ?? "null"
    return "{\"title\": \(title), \"series\": [\(series.joined(separator: ", "))], "
      + "\"references\": [\(references.joined(separator: ", "))]}"
  }
}

extension ReportMarks {
  fileprivate var json: String {
    switch self {
    case .bins(let edges, let amounts):
      return "\"marks\": \"bins\", \"edges\": \(jsonNumbers(edges)), \"amounts\": \(jsonNumbers(amounts))"
    case .columns(let points): return "\"marks\": \"columns\", " + json(points)
    case .line(let points): return "\"marks\": \"line\", " + json(points)
    case .points(let points): return "\"marks\": \"points\", " + json(points)
    case .bars(let bars):
      let labels = bars.map { jsonString($0.label) }.joined(separator: ", ")
      return "\"marks\": \"bars\", \"labels\": [\(labels)], \"values\": \(jsonNumbers(bars.map(\.value)))"
    }
  }

  private func json(_ points: [ReportPoint]) -> String {
    var text = "\"x\": \(jsonNumbers(points.map(\.x))), \"y\": \(jsonNumbers(points.map(\.y)))"
    if points.contains(where: { $0.label != nil }) {
      text += ", \"labels\": [" + points.map { $0.label.map(jsonString) ?? "null" }.joined(separator: ", ") + "]"
    }
    return text
  }
}

/// Swift prints the shortest digits that read back the same, in a form that JSON allows; JSON has no NaN or infinity.
func jsonNumber(_ number: Double) -> String {
  number.isFinite ? "\(number)" : "null"
}

private func jsonNumbers(_ numbers: [Double]) -> String {
  "[" + numbers.map(jsonNumber).joined(separator: ", ") + "]"
}
