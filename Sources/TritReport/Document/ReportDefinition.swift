// Tritsmith: what the words of a report mean, and what it comes down to.

/// An entry of a report's glossary. Facts, columns and plots point to it by its id.
package struct ReportDefinition: Sendable, Hashable {
  /// In kebab or snake case: `mean-kld`.
  package var id: String
  /// The word or phrase: "Mean KL divergence".
  package var term: String
  /// The definition; lines are separated by line feeds.
  package var text: String

  package init(id: String, term: String, text: String) {
    (self.id, self.term, self.text) = (id, term, text)
  }
}

/// What a report comes down to, shown before everything else.
package struct ReportVerdict: Sendable, Hashable {
  /// `pass` and `fail` for a check that ran, `warning` for one that passed with something to say, `info` otherwise.
  package var outcome: ReportSeverity
  /// One sentence.
  package var headline: String
  /// What the headline rests on, most important first; a few lines at most.
  package var points: [String]

  package init(_ outcome: ReportSeverity, _ headline: String, points: [String] = []) {
    (self.outcome, self.headline, self.points) = (outcome, headline, points)
  }
}
