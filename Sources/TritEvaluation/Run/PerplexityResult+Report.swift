// Tritsmith: a perplexity as a report.

import TritReport

extension PerplexityResult {
  /// The report of `tritsmith perplexity`, schema `tritsmith.perplexity` 1.
  package var report: ReportDocument {
    let count = perplexity.negativeLogLikelihoods.count
    let headline =
      "Perplexity \(NumberText.measured(perplexity.perplexity, perplexity.perplexityStandardError)) over "
      + "\(NumberText.grouped(count)) " + (count == 1 ? "token" : "tokens")
    var report = ReportDocument(
      title: "Perplexity", schema: ReportSchema("tritsmith.perplexity", version: 1),
      verdict: ReportVerdict(.info, headline))
    report.append(
      ReportFacts(
        key: "perplexity",
        run.facts + [
          ReportFact("Text", .text(text)),
          ReportFact("Protocol", .text(perplexity.scoring.name)),
          ReportFact("Tokens scored", .integer(perplexity.negativeLogLikelihoods.count), key: "tokens"),
          ReportFact("Perplexity", .number(perplexity.perplexity)),
          ReportFact("Standard error", .number(perplexity.perplexityStandardError)),
          ReportFact("Mean NLL", .number(perplexity.mean), note: "nats per token"),
          ReportFact("Standard error of the mean", .number(perplexity.standardError), key: "mean_nll_standard_error"),
          ReportFact("Time", .number(seconds), key: "seconds", kind: .duration),
        ]))
    run.appendNotes(to: &report)
    return report
  }
}
