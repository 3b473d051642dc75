// Tritsmith: a gap as a page.

import TritReport
import TritSurvey

extension GapResult {
  /// The page of `tritsmith gap --html`: the report in sections, plots before tables, errors beside their values.
  ///
  /// Two runs give the same page: it holds no time and no memory.
  package var page: ReportDocument { page(timings: false) }

  /// The same, with time and memory when they are wanted.
  package func page(timings: Bool) -> ReportDocument {
    let report = report
    var page = ReportDocument(
      title: "\(GapResult.name(candidate.run.path)) against \(GapResult.name(reference.run.path))",
      schema: report.schema, verdict: report.verdict, primaryTable: report.primaryTable)
    var left = report.blocks
    func take(_ matches: (ReportBlock) -> Bool) -> [ReportBlock] {
      let taken = left.filter(matches)
      left.removeAll(where: matches)
      return taken
    }
    func section(_ title: String, _ keys: [String]) {
      // A plot and a table may have one key; the plot stands first.
      let blocks = keys.flatMap { key in
        take { if case .plot(let plot) = $0 { plot.key == key } else { false } } + take { GapResult.key($0) == key }
      }
      guard !blocks.isEmpty else { return }
      page.heading(title)
      for block in blocks { page.append(block.forPage) }
    }
    for block in take({ GapResult.key($0) == "summary" }) {
      page.append(block.withoutFact("passed").withoutFidelityNote.forPage)
    }
    for block in take({ if case .note = $0 { true } else { false } }) {
      // What gates say stands in the verdict and in their table.
      if case .note(let severity, let text) = block, severity != .pass, severity != .fail { page.note(severity, text) }
    }
    section("Predictions", ["kld_distribution", "kld_by_position"])
    section("Layers", ["layer_sqnr", "layer_relative_error"])
    // The plot of the attribution; its table is among the numbers.
    let attribution = take { if case .table(let table) = $0 { table.key == "attribution" } else { false } }
    section("Causes of the gap", ["layer_kld", "attribution"])
    section(
      "Weights",
      ["zeros_by_layer", "scale_by_layer", "weight_sqnr_by_layer", "trit_shares", "latent_weights"])
    section("Tensors", ["tensors"])
    section("Gates and parts", ["gates", "parts"])
    section("Worst tokens", ["worst_tokens"])
    left += attribution
    section("All numbers", ["distributions", "layers", "attribution", "model"])
    page.heading("How it was measured")
    for block in left {
      page.append((timings ? block : block.withoutFact("seconds").withoutFact("peak_memory")).forPage)
    }
    // Long, and the verdict has what most readers look for there.
    page.folded = ["Tensors", "Gates and parts", "Worst tokens", "All numbers", "How it was measured"]
    page.glossary = report.glossary
    return page
  }

  /// The end of a path: it names the model, and what is before it is in the facts.
  static func name(_ path: String) -> String {
    let parts = path.split(separator: "/").filter { $0 != "." && $0 != ".." }
    return parts.isEmpty ? path : parts.suffix(2).joined(separator: "/")
  }

  private static func key(_ block: ReportBlock) -> String? {
    switch block {
    case .facts(let facts): facts.key
    case .table(let table): table.key
    case .plot(let plot): plot.key
    case .quotes(let quotes): quotes.key
    case .heading, .paragraph, .note: nil
    }
  }
}

extension ReportBlock {
  fileprivate func withoutFact(_ key: String) -> ReportBlock {
    guard case .facts(var facts) = self else { return self }
    facts.facts.removeAll { $0.key == key }
    return .facts(facts)
  }

  /// The verdict says in full what fidelity rests on.
  fileprivate var withoutFidelityNote: ReportBlock {
    guard case .facts(var facts) = self else { return self }
    for index in facts.facts.indices where facts.facts[index].key == "conversion_fidelity" {
      facts.facts[index].note = nil
    }
    return .facts(facts)
  }

  private func text(_ error: Double, like kind: ReportKind) -> String {
    if case .fraction(let digits) = kind { return NumberText.percent(error, digits: digits) }
    return NumberText.significant(error, digits: 2)
  }

  /// Standard errors become remarks on their values; histograms of weights get the colours of trits.
  fileprivate var forPage: ReportBlock {
    switch self {
    case .facts(var facts):
      var joined: [ReportFact] = []
      for fact in facts.facts {
        if let last = joined.indices.last, fact.key == joined[last].key + "_error", case .number(let error) = fact.value
        {
          joined[last].note = "± " + text(error, like: joined[last].kind)
        } else {
          joined.append(fact)
        }
      }
      facts.facts = joined
      return .facts(facts)
    case .plot(var plot) where plot.key == "latent_weights":
      for index in plot.panels.indices { plot.panels[index].series = plot.panels[index].series.flatMap(\.byTrit) }
      return .plot(plot)
    default: return self
    }
  }
}

extension ReportSeries {
  /// A histogram over multiples of the scale in three parts, cut at the thresholds ±½.
  fileprivate var byTrit: [ReportSeries] {
    guard case .bins(let edges, let amounts) = marks, let low = edges.firstIndex(where: { $0 >= -0.5 }),
      let high = edges.firstIndex(where: { $0 >= 0.5 }), low < high
    else { return [self] }
    let parts: [(String, String, Range<Int>, ReportTone)] = [
      ("−1", "minus_one", 0..<low, .negative), ("0", "zero", low..<high, .neutral),
      ("+1", "plus_one", high..<amounts.count, .positive),
    ]
    return parts.map { name, key, range, tone in
      ReportSeries(
        name, key: key,
        .bins(edges: Array(edges[range.lowerBound...range.upperBound]), amounts: Array(amounts[range])), tone: tone)
    }
  }
}
