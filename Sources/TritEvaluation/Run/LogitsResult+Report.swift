// Tritsmith: written logits as a report.

import TritReport
import TritSurvey

extension RunDescription {
  /// Facts every report about a run begins with.
  var facts: [ReportFact] {
    [
      ReportFact("Model", .text(path)),
      ReportFact("Format", .text(format)),
      ReportFact("Class", .text(architecture)),
      ReportFact("Projections", .text(projections.joined(separator: ", "))),
      ReportFact("Arithmetic", .text(mode.rawValue)),
      ReportFact("Kernels", .text(kernels)),
      ReportFact("Threads", .integer(threads)),
    ]
  }

  /// Remarks below a report, what makes its numbers doubtful first.
  func appendNotes(to report: inout ReportDocument) {
    for warning in warnings { report.note(.warning, warning) }
    for note in notes { report.note(.info, note) }
  }
}

extension LogitsResult {
  /// The report of `tritsmith logits`, schema `tritsmith.logits` 1.
  package var report: ReportDocument {
    let tokens = prompts.reduce(0) { $0 + $1.tokens }
    let headline = "Logits of \(tokens) \(tokens == 1 ? "token" : "tokens") are written"
    var report = ReportDocument(
      title: "Logits", schema: ReportSchema("tritsmith.logits", version: 1), verdict: ReportVerdict(.info, headline),
      primaryTable: "prompts")
    report.append(
      ReportFacts(
        key: "logits",
        run.facts + [
          ReportFact("Vocabulary", .integer(vocabulary)),
          ReportFact("Output", .text(output)),
          ReportFact("Output size", .bytes(outputBytes), key: "output_bytes"),
          ReportFact("Time", .number(seconds), key: "seconds", kind: .duration),
        ]))
    var table = ReportTable(
      key: "prompts", title: "Prompts",
      columns: [
        ReportColumn("prompt", "Prompt", kind: .integer), ReportColumn("tokens", "Tokens", kind: .integer),
        ReportColumn("next_id", "Likeliest next", kind: .decimal(digits: 0)),
        ReportColumn("hidden_states", "Hidden states"),
      ])
    for (index, prompt) in prompts.enumerated() {
      table.append([
        .integer(index), .integer(prompt.tokens), prompt.next.map { .integer($0) } ?? .missing,
        .optional(prompt.hiddenStates),
      ])
    }
    report.append(table)
    run.appendNotes(to: &report)
    return report
  }
}
