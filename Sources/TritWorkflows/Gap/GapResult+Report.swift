// Tritsmith: a gap as a report.

import TritModel
import TritReport

extension GapResult {
  /// The report of `tritsmith gap`, schema `tritsmith.gap` 1.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Gap", schema: ReportSchema("tritsmith.gap", version: 1), verdict: verdict, primaryTable: "distributions")
    report.append(keyFigures)
    report.append(gateTable)
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
    for note in Set(reference.run.notes + candidate.run.notes).sorted() { report.note(.info, note) }
    for note in notes { report.note(model.nonFinite > 0 && note.contains("no numbers") ? .error : .warning, note) }
    for line in gateLines { report.note(line.passed ? .pass : .fail, line.text) }
    report.glossary = Metric.glossary(Metric.allCases)
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
      let isExact = fidelity.verdict == .exact
      lines.append((isExact, "conversion fidelity: \(isExact ? "exact" : "NOT exact"); \(fidelity.detail)"))
    }
    for gate in gates {
      let relation = gate.isUpperBound ? "at most" : "at least"
      lines.append(
        (
          gate.passed,
          "quantization gap: \(gate.name) is \(GapResult.number(gate.found)), "
            + "\(relation) \(GapResult.number(gate.bound)) is asked for"
        ))
    }
    if model.nonFinite > 0 {
      lines.append((false, "\(model.nonFinite) tokens have logits that are infinite or no numbers"))
    }
    return lines
  }

  private var verdict: ReportVerdict {
    let ratio = model.ratio
    var points: [String] = []
    if let fidelity {
      let words =
        switch fidelity.verdict {
        case .exact: "Conversion is exact: "
        case .differs: "Conversion is NOT exact: "
        case .notApplicable: "Conversion fidelity does not apply: "
        }
      points.append(words + fidelity.detail)
    }
    points.append(
      "Perplexity \(GapResult.number(model.referencePerplexity.value)) → "
        + "\(GapResult.number(model.candidatePerplexity.value)), ratio \(GapResult.number(ratio.value)) ± "
        + "\(GapResult.number(ratio.error, 2)) over \(model.tokens) tokens")
    points.append(
      "Mean KL(P‖Q) \(GapResult.number(model.meanKL)) nats a token; the same likeliest token for "
        + GapResult.percent(model.sameTopOne.value))
    if let first = firstPastBound {
      points.append(
        "Hidden states part at \(first.name): relative error \(GapResult.number(first.relativeError, 3)), bound "
          + GapResult.number(layerBound, 3))
    }
    if let part = attribution?.first(where: { $0.part != .allProjections }) {
      points.append("Of single parts \(part.part.name) costs most: mean KL \(GapResult.number(part.meanKL))")
    }
    let isChecked = !gates.isEmpty || fidelity.map { $0.verdict != .notApplicable } == true
    let outcome: ReportSeverity = !passed ? .fail : isChecked ? .pass : .info
    return ReportVerdict(outcome, headline, points: points)
  }

  /// What is to blame, in one sentence.
  private var headline: String {
    let size = "mean KL is \(GapResult.number(model.meanKL)) nats"
    guard model.tokens > 0 else { return "No token could be compared: logits are infinite or no numbers" }
    switch fidelity?.verdict {
    case .exact: return "The conversion is exact; \(size), all of it due to quantization"
    case .differs: return "The candidate is not what converting the reference gives; \(size)"
    case .notApplicable, nil: return "The candidate's \(size)"
    }
  }

  // MARK: - Facts

  private var keyFigures: ReportFacts {
    ReportFacts(
      key: "summary", isKeyFigures: true,
      [
        ReportFact("Passed", .bool(passed), explanation: "Every gate holds, and every logit is finite."),
        ReportFact(
          "Conversion fidelity", .optional(fidelity?.verdict.rawValue), .conversionFidelity, note: fidelity?.detail),
        ReportFact(
          "Perplexity ratio", .number(model.ratio.value), .perplexityRatio,
          note: "± \(GapResult.number(model.ratio.error, 2))"),
        ReportFact("Mean KL", .number(model.meanKL), .kld, key: "mean_kld", note: "nats a token"),
        ReportFact(
          "Same top-1", .number(model.sameTopOne.value), .sameTopOne, key: "same_top_1", kind: .fraction(digits: 2)),
      ])
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
      facts.append(ReportFact("First state past bound", .text(first.name), .firstPastBound, key: "first_past_bound"))
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
        ReportFact("Context", .integer(context), note: "tokens a window"),
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
      projections.allSatisfy { $0 == ProjectionClass.linear.rawValue } ? "none" : "int8, absmax a token"
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
