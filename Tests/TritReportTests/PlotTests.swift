// Tritsmith: plots: marks, geometry, and the same data as text and JSON.

import Testing
import TritCore

@testable import TritReport

@Suite struct PlotTests {
  private let axis = ReportAxis("Layer", kind: .integer)

  private func document(_ plot: ReportPlot) -> ReportDocument {
    ReportDocument(title: "", schema: ReportSchema("t", version: 1), blocks: [.plot(plot)])
  }

  private func tokens(_ plot: ReportPlot) -> PageTokens {
    PageTokens("<!DOCTYPE html>" + PlotFigure(plot: plot).html(heading: ""))
  }

  private func numbers(_ tag: PageTokens.Tag) -> [String: Double] {
    Dictionary(tag.attributes.compactMap { name, value in Double(value).map { (name, $0) } }) { first, _ in first }
  }

  @Test func everyPointIsAMarkOnceInEachDrawing() {
    let plot = ReportPlot(
      key: "p", title: "P", x: axis, y: ReportAxis("y"),
      series: (0..<3).map { series in
        ReportSeries("s\(series)", .line((0..<10).map { ReportPoint(Double($0), Double($0 * series)) }))
      })
    let tokens = tokens(plot)
    #expect(tokens.faults.isEmpty)
    #expect(tokens.count("path", class: "m") == 60, "30 wide and 30 narrow")
    #expect(tokens.count("path", class: "line") == 9, "3 in each drawing and 3 in the legend")
    #expect(tokens.count("title") == 60, "every mark tells its value")
  }

  @Test func stackedColumnsFillTheirHeight() {
    let shares = [0.25, 0.5, 0.25]
    let plot = ReportPlot(
      key: "p", title: "P", x: axis, y: ReportAxis("Share", lower: 0, upper: 1),
      panels: (0..<2).map { panel in
        ReportPanel(
          "\(panel)",
          series: shares.enumerated().map { index, share in
            ReportSeries("s\(index)", .columns((0..<4).map { ReportPoint(Double($0), share) }))
          })
      })
    let rects = tokens(plot).tags.filter { $0.name == "rect" && !$0.isEnd }.map(numbers)
    #expect(rects.count == 24)
    for column in Set(rects.compactMap { $0["x"] }) {
      // Two panels, drawn alike: the same three heights twice.
      let parts = rects.filter { $0["x"] == column }.sorted { ($0["y"] ?? 0) < ($1["y"] ?? 0) }
      let heights = parts.compactMap { $0["height"] }
      #expect(heights.count == 6)
      let total = heights.reduce(0, +) / 2
      #expect(abs(total - (PlotSize.multiple.height - 44 - 24)) < 0.5)
      #expect(heights.allSatisfy { abs($0 - total / 4) < 0.3 || abs($0 - total / 2) < 0.3 })
    }
  }

  @Test func binsAreAsWideAsTheirEdgesAndAsHighAsTheirAmounts() {
    let plot = ReportPlot(
      key: "p", title: "P", x: ReportAxis("x"), y: ReportAxis("y", lower: 0, upper: 4),
      series: [ReportSeries("s", .bins(edges: [0, 1, 3, 4], amounts: [1, 4, 2]))])
    let rects = tokens(plot).tags.filter { $0.name == "rect" && !$0.isEnd }.map(numbers).prefix(3)
    let widths = rects.compactMap { $0["width"] }
    let heights = rects.compactMap { $0["height"] }
    #expect(widths.count == 3 && heights.count == 3)
    #expect(abs(widths[1] / widths[0] - 2) < 0.02 && abs(widths[2] - widths[0]) < 0.2)
    #expect(abs(heights[1] / heights[0] - 4) < 0.02 && abs(heights[2] / heights[0] - 2) < 0.02)
  }

  @Test func longSeriesAreThinnedAndKeepTheirExtremes() {
    var points = (0..<100_000).map { ReportPoint(Double($0), Double($0 % 17)) }
    points[54_321].y = 1000
    points[77_777].y = -1000
    let thin = ReportMarks.thinned(points)
    #expect(thin.count <= ReportMarks.mostPoints)
    #expect(thin.contains { $0.y == 1000 } && thin.contains { $0.y == -1000 })
    #expect(thin.map(\.x) == thin.map(\.x).sorted())
  }

  @Test func valuesThatAreNoNumbersHaveNoMarks() {
    let plot = ReportPlot(
      key: "p", title: "P", x: axis, y: ReportAxis("y", scale: .log),
      series: [
        ReportSeries(
          "a", .points([ReportPoint(0, .nan), ReportPoint(1, .infinity), ReportPoint(.nan, 1), ReportPoint(2, 5)]))
      ])
    let tokens = tokens(plot)
    #expect(tokens.count("path", class: "m") == 2)
    for text in tokens.values("d") + tokens.values("x") + tokens.values("y") {
      #expect(!text.contains("nan") && !text.contains("inf"))
    }
  }

  @Test func aReferenceFarAwayIsToldInWords() {
    let plot = ReportPlot(
      key: "p", title: "P", x: axis, y: ReportAxis("KL", unit: "nats"),
      series: [ReportSeries("a", .line([ReportPoint(0, 0.001), ReportPoint(1, 0.002)]))],
      references: [.line(.y, at: 0.0015, "near"), .line(.y, at: 1, "budget")])
    let html = PlotFigure(plot: plot).html(heading: "")
    #expect(html.contains("Beyond the edge of the plot: budget (1 nats)."))
    #expect(html.contains(">near<") && !html.contains(">budget<"))
  }

  /// The line of one threshold went through the words of the next.
  @Test func uprightLinesBeginBelowAllTheirLabels() throws {
    let bins = ReportMarks.bins(edges: [-3, 0, 3], amounts: [1, 2])
    let plot = ReportPlot(
      key: "p", title: "P", x: axis, y: ReportAxis("n"),
      panels: [
        ReportPanel(
          series: [ReportSeries("a", bins)],
          references: [.line(.x, at: -0.5, "threshold −½"), .line(.x, at: 0.5, "threshold +½")])
      ])
    let panel = try #require(plot.panels.first)
    let drawn = PanelDrawing(panel, of: plot, size: .narrow, sharing: [panel]).drawn()
    let tags = PageTokens("<!DOCTYPE html>" + drawn).tags
    func values(_ tag: PageTokens.Tag) -> [String: String] {
      Dictionary(tag.attributes.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
    let labels = tags.map(values).filter { $0["class"]?.hasPrefix("flag") == true }.compactMap {
      $0["y"].flatMap(Double.init)
    }
    let lines = tags.map(values).filter { $0["class"] == "ref" }.compactMap { $0["d"] }
    let tops = lines.compactMap { $0.split { " V".contains($0) }.dropFirst().first.flatMap { Double($0) } }
    #expect(Set(labels).count == 2 && tops.count == 2, "\(labels), \(lines)")
    #expect(tops.allSatisfy { top in labels.allSatisfy { $0 <= top } }, "\(labels), \(tops)")
  }

  @Test func rankedBarsKeepTheirOrderAndSayWhenTheyAreCut() {
    let plot = ReportPlot(
      key: "p", title: "P", x: ReportAxis("KL", unit: "nats"), y: ReportAxis("Tensor"),
      series: [ReportSeries("a", .bars((0..<70).map { ReportBar("t\($0)", Double(70 - $0)) }))])
    let tokens = tokens(plot)
    #expect(tokens.count("rect", class: "m") == 2 * BarDrawing.mostBars)
    // Both axes have their labels, on a desk and on a phone.
    let drawn = PlotFigure(plot: plot).html(heading: "")
    #expect(drawn.split(separator: ">KL (nats)<").count == 3 && drawn.split(separator: ">Tensor<").count == 3)
    #expect(PlotFigure(plot: plot).html(heading: "").contains("10 more are in the tables"))
  }

  /// An axis went through the first letter of every name.
  @Test func namesOfBarsStandBetweenTheLines() throws {
    let bars = (0..<5).map { ReportBar("layer \($0)", Double(5 - $0)) }
    let plot = ReportPlot(
      key: "p", title: "P", x: ReportAxis("KL"), y: ReportAxis("Part"), series: [ReportSeries("a", .bars(bars))])
    let panel = try #require(plot.panels.first)
    let tags = PageTokens("<!DOCTYPE html>" + BarDrawing(plot: plot, panel: panel, size: .narrow).drawn()).tags
    func values(_ tag: PageTokens.Tag) -> [String: String] {
      Dictionary(tag.attributes.map { ($0.name, $0.value) }) { first, _ in first }
    }
    let names = tags.map(values).filter { $0["class"] == "tick bar" }.compactMap { $0["y"].flatMap(Double.init) }
    let lines = tags.map(values).filter { ["axis", "grid"].contains($0["class"] ?? "") }.compactMap { $0["d"] }
    #expect(names.count == 5 && lines.count > 1, "\(tags)")
    for line in lines {
      // "M2 45V61M2 83V99": beside each bar.
      let parts = line.split(separator: "M").compactMap { part -> (from: Double, to: Double)? in
        let ends = part.split { $0 == " " || $0 == "V" }.compactMap { Double($0) }
        return ends.count == 3 ? (ends[1], ends[2]) : nil
      }
      #expect(parts.count == 5, "\(line)")
      for (part, name) in parts.flatMap({ part in names.map { (part, $0) } }) {
        #expect(part.to <= name - 10 || part.from >= name + 3, "\(part) and the name at \(name)")
      }
    }
  }

  @Test func numbersFarApartKeepExponents() {
    let kind = ReportKind.significant(digits: 5)
    #expect(kind.forReading(least: 1.178e-5, most: 255.5) == kind)
    #expect(kind.forReading(least: 0.02, most: 255.5) == .decimal(digits: 3))
    #expect(kind.forReading(least: 20, most: 255.5) == .decimal(digits: 2))
  }

  // MARK: - Text and JSON

  private var sample: ReportPlot {
    ReportPlot(
      key: "sqnr", title: "SQNR by layer", x: axis, y: ReportAxis("SQNR", unit: "dB", kind: .decimal(digits: 1)),
      series: [
        ReportSeries("q_proj", .line([ReportPoint(0, 1), ReportPoint(1, 4.5, label: "layer 1"), ReportPoint(2, 8)]))
      ], references: [.line(.y, at: 6, "budget")], caption: "Higher is better.")
  }

  @Test func asText() {
    #expect(
      TextRenderer().text(of: document(sample)) == """
        SQNR by layer
        SQNR (dB) along Layer
          0 ▁▅█ 2  q_proj, 1.0 to 8.0
          marked: budget 6.0
        Higher is better.

        """)
    let bars = ReportPlot(
      key: "a", title: "Attribution", x: ReportAxis("KL", unit: "nats", kind: .decimal(digits: 2)),
      y: ReportAxis("Part"),
      series: [ReportSeries("KL", .bars([ReportBar("layer 0", 0.8), ReportBar("q_proj", 0.2, note: "all layers")]))])
    #expect(
      MarkdownRenderer().text(of: document(bars)) == """
        ### Attribution

            KL (nats)
              layer 0  0.80  ████████████████████████
              q_proj   0.20  ██████  (all layers)

        """)
  }

  @Test func statesReadAsLayersAndAreWrittenAsTheyAreCalled() throws {
    #expect(ReportKind.state.text(of: "block12.self_attn.q_proj") == "layer 12 self_attn.q_proj")
    #expect(ReportKind.state.text(of: "block3") == "layer 3" && ReportKind.state.text(of: "block") == "layer")
    // As rows that are alike are named.
    #expect(ReportKind.state.text(of: "block0–31.mlp") == "layer 0–31 mlp")
    #expect(ReportKind.state.text(of: "worst in 3: block3") == "worst in 3: layer 3")
    for other in ["embed", "final_norm", "blocks", "blocked.0", "block1x", "block1."] {
      #expect(ReportKind.state.text(of: .text(other)) == other)
    }
    #expect(ReportKind.text.text(of: "block3") == "block3")
    let facts = ReportFacts(key: "f", [ReportFact("Worst", "block0.mlp", kind: .state)])
    var document = ReportDocument(title: "", schema: ReportSchema("t", version: 1))
    document.append(facts)
    #expect(TextRenderer().text(of: document).contains("layer 0 mlp"))
    #expect(JSONRenderer().text(of: document).contains("\"block0.mlp\""))
  }

  @Test func asJSON() throws {
    let text = JSONRenderer().text(of: document(sample))
    let plot = try #require(try JSONValue.parse(Array(text.utf8)).object?["plots"]?.array?.first?.object)
    #expect(plot["key"]?.string == "sqnr")
    #expect(plot["y"]?.object?["unit"]?.string == "dB")
    let panel = try #require(plot["panels"]?.array?.first?.object)
    let series = try #require(panel["series"]?.array?.first?.object)
    #expect(series["marks"]?.string == "line" && series["key"]?.string == "q_proj")
    #expect(series["y"]?.array?.compactMap { $0.number?.double } == [1, 4.5, 8])
    #expect(series["labels"]?.array?.compactMap(\.string) == ["layer 1"])
    #expect(panel["references"]?.array?.first?.object?["from"]?.number?.double == 6)
  }

  @Test func verdictAndQuotesInEveryFormat() {
    var document = ReportDocument(
      title: "", schema: ReportSchema("t", version: 1), verdict: ReportVerdict(.fail, "No.", points: ["why"]))
    var quotes = ReportQuotes(
      key: "worst", title: "Worst", columns: [ReportColumn("kl", "KL", kind: .decimal(digits: 1), unit: "nats")])
    quotes.append(ReportQuote(before: "In the ", token: "end", after: "\ning", [4.25]))
    document.append(quotes)
    #expect(
      TextRenderer().text(of: document) == """
        FAIL No.
        - why

        Worst
        1  In the ⟦end⟧\\ning
           KL (nats) 4.2

        """)
    let json = JSONRenderer().text(of: document)
    #expect(json.contains(#""verdict": {"outcome": "fail", "headline": "No.", "points": ["why"]}"#))
    #expect(json.contains(#"{"before": "In the ", "token": "end", "after": "\ning", "kl": 4.25}"#))
    #expect(MarkdownRenderer().text(of: document).contains("1. In the **⟦end⟧**\\\\ning (KL (nats) 4.2)"))
  }
}
