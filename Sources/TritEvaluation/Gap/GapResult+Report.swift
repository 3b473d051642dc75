// Tritsmith: a gap as a report.

import TritModel
import TritReport
import TritSurvey
import TritVerification
import VisibleText

extension GapResult {
  /// The report of `tritsmith gap`, schema `tritsmith.gap` 2.
  package var report: ReportDocument {
    var report = ReportDocument(
      title: "Gap", schema: ReportSchema("tritsmith.gap", version: 2), verdict: verdict, primaryTable: "distributions")
    report.append(keyFigures)
    report.append(gateTable)
    report.append(partTable)
    report.append(modelFacts)
    report.append(distributionTable)
    appendModelPlots(to: &report)
    report.append(worstTokens)
    if !layers.isEmpty {
      report.append(layerTable)
      appendLayerPlots(to: &report)
    }
    if let attribution {
      report.append(GapResult.table(attribution, tokens: attributionTokens))
      report.append(GapResult.plot(attribution))
      report.append(GapResult.curve(attribution))
    }
    if let tensors, !tensors.isEmpty {
      report.append(GapResult.table(tensors))
      appendTensorPlots(tensors, to: &report)
    }
    report.append(headerFacts)
    report.append(GapResult.facts(reference, "reference", "Reference"))
    report.append(GapResult.facts(candidate, "candidate", "Candidate"))
    let sides: [(name: String, run: RunDescription?)] = [("reference", reference.run), ("candidate", candidate.run)]
    for warning in RunDescription.remarks(\.warnings, of: sides) { report.note(.warning, warning) }
    for note in RunDescription.remarks(\.notes, of: sides) { report.note(.info, note) }
    for note in notes {
      report.note(model.nonFinite > 0 && note.contains(text: "no numbers") ? .error : .warning, note)
    }
    report.note(nonFinite: nonFinite)
    for line in gateLines { report.note(line.passed ? .pass : .fail, line.text) }
    report.glossary = Metric.glossary(Metric.allCases)
    // The verdict says in words how parts compare and what each costs.
    report.brief = ReportBrief(["quality", "perplexity_ratio", "mean_kld", "same_top_1", "fidelity"])
    return report
  }

  // MARK: - Verdict

  private static func number(_ value: Double, _ digits: Int = 4) -> String {
    NumberText.significant(value, digits: digits)
  }

  private static func percent(_ share: Double) -> String { NumberText.fixed(share * 100, digits: 2) + " %" }

  /// One line for each gate, in words.
  private var gateLines: [(passed: Bool, text: String)] {
    var lines: [(Bool, String)] = []
    if let fidelity, fidelity.verdict != .notApplicable {
      let word = fidelity.verdict == .rounded ? "exact but for rounding" : fidelity.holds ? "exact" : "NOT exact"
      lines.append((fidelity.holds, "fidelity: \(word); \(fidelity.detail)"))
    }
    for gate in gates {
      let relation = gate.isUpperBound ? "at most" : "at least"
      lines.append(
        (
          gate.passed,
          "quality: \(gate.name) is \(gate.foundText) over \(plural(model.tokens, "token")), "
            + "\(relation) \(gate.boundText) is asked for"
        ))
    }
    if model.nonFinite > 0 {
      lines.append((false, nonFiniteTokens))
    }
    return lines
  }

  private var nonFiniteTokens: String {
    "\(plural(model.nonFinite, "token")) \(model.nonFinite == 1 ? "has" : "have") logits that are infinite or no numbers"
  }

  private var verdict: ReportVerdict {
    ReportVerdict(outcome, headline, points: [fidelityPoint, qualityPoint] + causePoints + detailPoints)
  }

  /// Red when a gate does not hold, yellow when much is lost without a gate on it.
  private var outcome: ReportSeverity {
    guard passed else { return .fail }
    guard let quality, quality != .visible, quality != .severe else { return .warning }
    return !gates.isEmpty || fidelity?.holds == true ? .pass : .info
  }

  /// What fails, where something does; else both verdicts in one sentence.
  private var headline: String {
    guard model.tokens > 0, let quality else {
      return "No token could be compared: logits are infinite or no numbers"
    }
    let failures = gates.filter { !$0.passed }.map(\.failure) + (model.nonFinite > 0 ? [nonFiniteTokens] : [])
    if !failures.isEmpty {
      let conversion = fidelity?.verdict == .differs ? ["the candidate is not what converting the reference gives"] : []
      return (conversion + failures).joined(separator: "; ")
    }
    let size = "\(quality.phrase) of quality, mean KL \(GapResult.number(model.meanKL)) nats per token"
    switch fidelity?.verdict {
    case .exact: return "The candidate is exactly what converting the reference gives; \(size)"
    case .rounded:
      return "The candidate is what converting the reference gives, but for rounding by types; \(size)"
    case .differs: return "The candidate is not what converting the reference gives; \(size)"
    case .notApplicable: return "There is no conversion to check; \(size)"
    case nil: return "The conversion was not checked; \(size)"
    }
  }

  private var fidelityPoint: String {
    switch fidelity?.verdict {
    case .exact: "Fidelity, exact: \(fidelity?.detail ?? "")"
    case .rounded: "Fidelity, exact but for rounding: \(fidelity?.detail ?? "")"
    case .differs: "Fidelity, NOT exact: \(fidelity?.detail ?? "")"
    case .notApplicable: "Fidelity does not apply: \(fidelity?.detail ?? "")"
    case nil: "Fidelity was not checked (--no-fidelity)"
    }
  }

  private var qualityPoint: String {
    "Quality, \(quality?.rawValue ?? "not measured"): over \(plural(model.tokens, "token")) perplexity goes from "
      + "\(GapResult.number(model.referencePerplexity.value)) to \(GapResult.number(model.candidatePerplexity.value)) "
      + "(ratio \(GapResult.number(model.ratio.value)) ± \(GapResult.number(model.ratio.error, 2))), and "
      + "\(GapResult.percent(model.sameTopOne.value)) have the same likeliest token"
  }

  /// What the gap comes from, as far as that was measured.
  private var causePoints: [String] {
    var points: [String] = []
    let measured = parts.filter { $0.cost != nil }.sorted { ($0.cost?.meanKL ?? 0) > ($1.cost?.meanKL ?? 0) }
    for part in measured {
      guard let cost = part.cost else { continue }
      points.append(
        "\(part.part.title) cost \(GapResult.number(cost.meanKL)) nats alone, over "
          + plural(attributionTokens, "token"))
    }
    if measured.isEmpty, model.meanKL > 0 {
      points.append(
        attribution == nil
          ? "The causes of the gap were not measured (--attribute does)" : "The causes of the gap were not measured")
    }
    for part in parts where part.outcome == .differs && part.cost == nil && part.part.isOfProof {
      points.append("\(part.part.title) differ: \(part.detail)")
    }
    let unseen = parts.filter { $0.outcome == .notCompared }.map(\.part.title)
    if !unseen.isEmpty { points.append("Not compared: \(unseen.joined(separator: ", ").lowercased())") }
    return points
  }

  private var detailPoints: [String] {
    var points: [String] = []
    if let first = firstPastBound {
      points.append(
        "Hidden states diverge at \(layerName(first.name)): relative error \(GapResult.number(first.relativeError, 3)), bound "
          + GapResult.number(layerBound, 3))
    }
    if let part = attribution?.first(where: { $0.part != .allProjections }), part.meanKL > 0 {
      points.append(
        "Of single layers and kinds of projection \(part.part.name) costs most, its effect on inputs included: mean KL "
          + GapResult.number(part.meanKL))
    }
    return points
  }

  // MARK: - Facts

  private var keyFigures: ReportFacts {
    ReportFacts(
      key: "summary", isKeyFigures: true,
      [
        ReportFact("Passed", .bool(passed), explanation: "Every gate holds, and every logit is finite."),
        ReportFact(
          "Conversion fidelity", .optional(fidelity?.verdict.rawValue), .conversionFidelity, kind: .state,
          note: fidelity?.detail,
          tone: fidelityTone),
        ReportFact(
          "Loss of quality", .optional(quality?.rawValue), .qualityBand, key: "quality",
          note: quality.map { GapResult.range(of: $0) }, tone: quality?.tone),
        ReportFact(
          "Perplexity ratio", .number(model.ratio.value), .perplexityRatio,
          note: "± \(GapResult.number(model.ratio.error, 2))"),
        ReportFact("Mean KL", .number(model.meanKL), .kld, key: "mean_kld", note: "nats per token"),
        ReportFact(
          "Same top-1", .number(model.sameTopOne.value), .sameTopOne, key: "same_top_1", kind: .fraction(digits: 2)),
      ])
  }

  private var fidelityTone: ReportSeverity? {
    switch fidelity?.verdict {
    case .exact, .rounded: .pass
    case .differs: .fail
    case .notApplicable, nil: nil
    }
  }

  /// The band in words.
  private static func range(of quality: GapQuality) -> String {
    guard let index = GapQuality.allCases.firstIndex(of: quality) else { return "" }
    let start = index == 0 ? nil : GapQuality.allCases[index - 1].end
    let from = start.map { "from \(number($0, 1))" }
    let to = quality.end.isFinite ? "below \(number(quality.end, 1))" : nil
    return "mean KL " + [from, to].compactMap { $0 }.joined(separator: " to ")
  }

  private var modelFacts: ReportFacts {
    var facts = ReportFacts(key: "model", title: "Predictions, P = reference, Q = candidate")
    func add(
      _ label: String, _ key: String, _ value: Double, _ metric: Metric, kind: ReportKind? = nil, note: String? = nil
    ) {
      facts.append(ReportFact(label, .number(value), metric, key: key, kind: kind, note: note))
    }
    func add(_ label: String, _ key: String, _ estimate: Estimate, _ metric: Metric, kind: ReportKind? = nil) {
      add(label, key, estimate.value, metric, kind: kind)
      facts.append(
        ReportFact(
          "  ±", .number(estimate.error), .standardError, key: key + "_error",
          kind: kind ?? .significant(digits: 3)))
    }
    facts.append(ReportFact("Tokens scored", .integer(model.tokens), key: "tokens"))
    facts.append(ReportFact("Non-finite tokens", .integer(model.nonFinite), key: "nonfinite_tokens"))
    add("PPL(P)", "reference_perplexity", model.referencePerplexity, .perplexity)
    add("PPL(Q)", "perplexity", model.candidatePerplexity, .perplexity)
    add("ln(PPL(Q)/PPL(P))", "ln_ppl_ratio", model.logRatio, .logRatio)
    add("PPL(Q)/PPL(P)", "ppl_ratio", model.ratio, .perplexityRatio)
    add("PPL(Q) − PPL(P)", "ppl_difference", model.difference, .perplexity)
    add("Correlation of ln p", "ln_probability_correlation", model.correlation, .correlation)
    if let kld = model.distribution("kld") {
      add("Mean KL(P‖Q)", "mean_kld", kld.mean, .kld)
      for (share, name, key) in [
        (0.5, "Median KL(P‖Q)", "median_kld"), (0.9, "p90", "p90_kld"), (0.95, "p95", "p95_kld"),
        (0.99, "p99", "p99_kld"), (0.999, "p99.9", "p999_kld"), (1, "Max", "max_kld"), (0, "Min", "min_kld"),
      ] {
        add(name, key, kld.quantile(share) ?? .nan, .percentile)
      }
    }
    if let reverse = model.distribution("reverse_kld") {
      add("Mean KL(Q‖P)", "mean_reverse_kld", reverse.mean, .reverseKLD)
    }
    if let shannon = model.distribution("js_divergence") {
      add("Mean Jensen–Shannon", "mean_js_divergence", shannon.mean, .jensenShannon)
    }
    add("Same top-1", "same_top_1", model.sameTopOne, .sameTopOne, kind: .fraction(digits: 3))
    add("Same top-5", "same_top_5", model.sameTopFive, .sameTopFive, kind: .fraction(digits: 3))
    for top in model.containment {
      add(
        "Reference's top-1 in top-\(top.size)", "reference_top_1_in_top_\(top.size)", top.reference, .topContainment,
        kind: .fraction(digits: 3))
      add(
        "Candidate's top-1 in top-\(top.size)", "candidate_top_1_in_top_\(top.size)", top.candidate, .topContainment,
        kind: .fraction(digits: 3))
    }
    if let change = model.distribution("delta_p") {
      add("Mean Δp", "mean_delta_p", change.mean, .deltaP, kind: .fraction(digits: 4))
      add("RMS Δp", "rms_delta_p", change.rms, .deltaP, kind: .fraction(digits: 4))
    }
    add("Logit NMSE", "logit_nmse", model.logitNMSE, .logitNMSE)
    add("Max |Δlogit|", "max_abs_logit_difference", model.maximumLogitDifference, .logitDifference)
    add("Mean |Δlogit|", "mean_abs_logit_difference", model.meanLogitDifference, .logitDifference)
    if let first = firstPastBound {
      facts.append(
        ReportFact(
          "First state past bound", .text(first.name), .firstPastBound, key: "first_past_bound", kind: .state))
    } else {
      facts.append(
        ReportFact(
          "First state past bound", .missing, .firstPastBound, key: "first_past_bound",
          note: layers.isEmpty ? "not compared" : "none"))
    }
    facts.append(ReportFact("Layer bound", .number(layerBound), .relativeError))
    return facts
  }

  private var headerFacts: ReportFacts {
    ReportFacts(
      key: "run", title: "How it was measured",
      [
        ReportFact("Tool", .text(Product.generator)),
        ReportFact("Text", .text(text)),
        ReportFact("Text SHA-256", .text(textSHA256.description), key: "text_sha256", kind: .hash),
        ReportFact(
          "Ids SHA-256", .text(idsSHA256.description), key: "ids_sha256", kind: .hash, note: "scored ids, int32"),
        ReportFact("Context", .integer(context), note: "tokens per window"),
        ReportFact("First-token rule", .text(firstTokenRule), .firstTokenRule),
        ReportFact("Seed", .missing, note: "nothing is random"),
        ReportFact("Threads", .integer(candidate.run.threads)),
        ReportFact("Kernels", .text(candidate.run.kernels)),
        ReportFact("Time", .number(seconds), key: "seconds", kind: .duration),
        ReportFact("Peak memory", .bytes(peakMemory)),
      ])
  }

  private static func facts(_ side: GapSide, _ key: String, _ title: String) -> ReportFacts {
    let projections = side.run.projections
    // All but Linear quantize their inputs per token by their largest magnitude.
    let activations =
      projections.allSatisfy { $0 == ProjectionClass.linear.rawValue } ? "none" : "int8, absmax per token"
    var facts = ReportFacts(
      key: key, title: title,
      [
        ReportFact("Path", .text(side.run.path)),
        ReportFact("Format", .text(side.run.format)),
        ReportFact("Class", .text(side.run.architecture)),
        ReportFact("Variant", .text(side.kind.rawValue), note: side.kind.phrase),
        ReportFact("Projections", .text(projections.joined(separator: ", "))),
        ReportFact("Arithmetic", .text(side.run.mode.rawValue)),
        ReportFact("Activations", .text(activations)),
        ReportFact("SHA-256", .text(side.sha256.description), .fileHash, key: "sha256", kind: .hash),
        ReportFact("Code stream", .optional(side.codeStream?.description), .codeStream, kind: .hash),
        ReportFact(
          "Tokenizer SHA-256", .optional(side.tokenizerSHA256?.description), key: "tokenizer_sha256", kind: .hash,
          note: "tokenizer.json"),
      ])
    for fact in side.scale.facts() { facts.append(fact) }
    return facts
  }
}
