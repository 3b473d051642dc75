// Tritsmith: a generated text as a report.

import TritReport

extension GenerateResult {
  /// The report of `tritsmith run`, schema `tritsmith.run` 1.
  package var report: ReportDocument {
    func optional(_ value: Double?) -> ReportValue { value.map { .number($0) } ?? .missing }
    var report = ReportDocument(title: "Generated text", schema: ReportSchema("tritsmith.run", version: 1))
    report.append(
      ReportFacts(
        key: "run",
        run.facts + [
          ReportFact("Prompt ids", .list(promptIDs.map { .integer($0) })),
          ReportFact("Ids", .list(ids.map { .integer($0) })),
          ReportFact("Generated", .text(text), key: "text"),
          ReportFact("Stop", .text(stop.rawValue)),
          ReportFact("Chat template", .bool(isChat), note: isChat ? nil : "not used"),
          ReportFact("Prompt speed", optional(promptTokensPerSecond), key: "prompt_tokens_per_s", note: "tokens/s"),
          ReportFact("Decode speed", optional(decodedTokensPerSecond), key: "decode_tokens_per_s", note: "tokens/s"),
        ]))
    run.appendNotes(to: &report)
    return report
  }
}
