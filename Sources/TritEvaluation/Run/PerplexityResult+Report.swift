// Tritsmith: a perplexity as a report.

import TritReport
import TritSurvey

extension PerplexityResult {
  /// The report of `tritsmith perplexity`, schema `tritsmith.perplexity` 1.
  package var report: ReportDocument {
    let count = perplexity.negativeLogLikelihoods.count
    // One token tells nothing of how tokens spread.
    let hasError = count > 1
    let value =
      hasError
      ? NumberText.measured(perplexity.perplexity, perplexity.perplexityStandardError)
      : NumberText.significant(perplexity.perplexity, digits: 5)
    func error(_ number: Double) -> ReportValue { hasError ? .number(number) : .missing }
    let headline = "Perplexity \(value) over \(plural(count, "token"))"
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
          ReportFact("Standard error", error(perplexity.perplexityStandardError)),
          ReportFact("Mean NLL", .number(perplexity.mean), note: "nats per token"),
          ReportFact("Standard error of the mean", error(perplexity.standardError), key: "mean_nll_standard_error"),
          ReportFact("Time", .number(seconds), key: "seconds", kind: .duration),
        ]))
    run.appendNotes(to: &report)
    return report
  }
}
