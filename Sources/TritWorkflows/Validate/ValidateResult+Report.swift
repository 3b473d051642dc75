// Tritsmith: a validation as a report.

import TritReport

extension ValidateResult {
  /// The report of `tritsmith validate`, schema `tritsmith.validate` 1.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Validation", schema: ReportSchema("tritsmith.validate", version: 1), primaryTable: "prompts")
    var facts = [ReportFact("Passed", .bool(passed))]
    facts += ValidateResult.facts(reference, "Reference", "reference")
    facts += ValidateResult.facts(model, "Model", "model")
    facts.append(
      ReportFact(
        "Same weights", hasSameWeights.map { .bool($0) } ?? .missing, kind: .bool, note: "trits and scales, any format")
    )
    report.append(ReportFacts(key: "validation", facts))
    let scale = model.scale.facts()
    if !scale.isEmpty { report.append(ReportFacts(key: "scale", title: "What stored scales mean", scale)) }
    report.append(agreementFacts)
    report.append(gateTable)
    report.append(promptTable)
    if !hiddenStates.isEmpty { report.append(hiddenTable) }
    for note in Set((reference.run?.notes ?? []) + (model.run?.notes ?? [])).sorted() { report.note(.info, note) }
    if let first = firstDivergence {
      report.note(
        .warning,
        "hidden states part at \(first.name): relative error "
          + NumberText.significant(first.relativeError, digits: 3) + ", bound "
          + NumberText.significant(hiddenBound, digits: 3))
    }
    if agreement.nonFinitePositions > 0 {
      report.note(.error, "\(agreement.nonFinitePositions) positions have logits that are infinite or not a number")
    }
    for gate in gates where !gate.passed {
      let found = NumberText.significant(gate.found, digits: 4)
      let bound = NumberText.significant(gate.bound, digits: 4)
      report.note(.error, "\(gate.name) is \(found), \(gate.isUpperBound ? "at most" : "at least") \(bound) is wanted")
    }
    if !passed, let advice { report.note(.info, advice) }
    report.note(passed ? .pass : .fail, passed ? "the logits agree" : "the logits do not agree")
    return report
  }

  /// Whether both have the same trits and scales; nil when that cannot be said.
  public var hasSameWeights: Bool? {
    guard let left = reference.codeStream, let right = model.codeStream else { return nil }
    return left == right
  }

  /// Where to look when logits do not agree.
  private var advice: String? {
    guard let same = hasSameWeights else { return nil }
    guard same else { return "trits or scales differ: 'tritsmith verify' names the tensors" }
    if let left = reference.run, let right = model.run, left.projections != right.projections {
      let (p, q) = (left.projections.joined(separator: ", "), right.projections.joined(separator: ", "))
      return "both hold the same trits and scales, but projections compute as \(p) and as \(q), and Linear does not "
        + "quantize activations"
    }
    return "both hold the same trits and scales: look at the other tensors, the configuration, or the engine"
  }

  private static func facts(_ side: ValidatedSide, _ label: String, _ key: String) -> [ReportFact] {
    [
      ReportFact(label, .text(side.path), key: key),
      ReportFact("\(label) projections", .optional(side.run?.projections.joined(separator: ", "))),
      ReportFact("\(label) arithmetic", .optional(side.run?.mode.rawValue)),
      ReportFact("\(label) code stream", .optional(side.codeStream?.description), kind: .hash),
    ]
  }

  private var agreementFacts: ReportFacts {
    ReportFacts(
      key: "agreement", title: "Agreement, KL(reference‖model)",
      [
        ReportFact("Positions", .integer(agreement.positions)),
        ReportFact("Non-finite positions", .integer(agreement.nonFinitePositions)),
        ReportFact("Max |Δlogit|", .number(agreement.maximumDifference), key: "max_abs_difference"),
        ReportFact("Mean |Δlogit|", .number(agreement.meanDifference), key: "mean_abs_difference"),
        ReportFact("Logit NMSE", .number(agreement.nmse), key: "logit_nmse"),
        ReportFact("Mean KL", .number(agreement.meanKL), key: "mean_kl", note: "nats"),
        ReportFact("p99 KL", .number(agreement.p99KL), key: "p99_kl"),
        ReportFact("Max KL", .number(agreement.maximumKL), key: "max_kl"),
        ReportFact("Top-1 agreement", .number(agreement.topOne), key: "top1", kind: .fraction(digits: 2)),
        ReportFact("Top-5 agreement", .number(agreement.topFive), key: "top5", kind: .fraction(digits: 2)),
        ReportFact("First divergence", .optional(firstDivergence?.name), note: "hidden states"),
        ReportFact(
          "Relative error there", .optional(firstDivergence?.relativeError), key: "first_divergence_relative_error"),
        ReportFact("Hidden state bound", .number(hiddenBound), key: "hidden_bound"),
      ])
  }

  private var gateTable: ReportTable {
    var table = ReportTable(
      key: "gates", title: "Gates",
      columns: [
        ReportColumn("gate", "Gate"), ReportColumn("found", "Found", kind: .significant(digits: 4)),
        ReportColumn("kind", "Must be"), ReportColumn("bound", "Bound", kind: .significant(digits: 4)),
        ReportColumn("passed", "Passed", kind: .bool),
      ])
    for gate in gates {
      table.append([
        .text(gate.name), .number(gate.found), .text(gate.isUpperBound ? "at most" : "at least"), .number(gate.bound),
        .bool(gate.passed),
      ])
    }
    return table
  }

  private var promptTable: ReportTable {
    var table = ReportTable(
      key: "prompts", title: "Prompts",
      columns: [
        ReportColumn("prompt", "Prompt", kind: .integer), ReportColumn("positions", "Positions", kind: .integer),
        ReportColumn("max_abs_difference", "Max |Δ|", kind: .significant(digits: 3)),
        ReportColumn("mean_abs_difference", "Mean |Δ|", kind: .significant(digits: 3)),
        ReportColumn("logit_nmse", "NMSE", kind: .significant(digits: 3)),
        ReportColumn("mean_kl", "Mean KL", kind: .significant(digits: 3)),
        ReportColumn("p99_kl", "p99 KL", kind: .significant(digits: 3)),
        ReportColumn("max_kl", "Max KL", kind: .significant(digits: 3)),
        ReportColumn("top1", "Top-1", kind: .fraction(digits: 1)),
        ReportColumn("top5", "Top-5", kind: .fraction(digits: 1)),
      ])
    for (index, prompt) in prompts.enumerated() {
      table.append([
        .integer(index), .integer(prompt.positions), .number(prompt.maximumDifference), .number(prompt.meanDifference),
        .number(prompt.nmse), .number(prompt.meanKL), .number(prompt.p99KL), .number(prompt.maximumKL),
        .number(prompt.topOne), .number(prompt.topFive),
      ])
    }
    return table
  }

  private var hiddenTable: ReportTable {
    var table = ReportTable(
      key: "hidden_states", title: "Hidden states",
      columns: [
        ReportColumn("state", "State"), ReportColumn("max_abs_difference", "Max |Δ|", kind: .significant(digits: 3)),
        ReportColumn("relative_error", "Relative error", kind: .significant(digits: 3)),
      ])
    for state in hiddenStates {
      table.append([.text(state.name), .number(state.maximumDifference), .number(state.relativeError)])
    }
    return table
  }
}
