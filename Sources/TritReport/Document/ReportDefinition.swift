// Tritsmith: what the words of a report mean, and what it comes down to.

/// An entry of a report's glossary. Facts, columns and plots point to it by its id.
public struct ReportDefinition: Sendable, Hashable {
  /// In kebab or snake case: `mean-kld`.
  public var id: String
  /// The word or phrase: "Mean KL divergence".
  public var term: String
  /// The definition; lines are separated by line feeds.
  public var text: String

  public init(id: String, term: String, text: String) {
    (self.id, self.term, self.text) = (id, term, text)
  }
}

/// What a report comes down to, shown before everything else.
public struct ReportVerdict: Sendable, Hashable {
  /// `pass` and `fail` for a check that ran, `warning` for one that passed with something to say, `info` otherwise.
  public var outcome: ReportSeverity
  /// One sentence.
  public var headline: String
  /// What the headline rests on, most important first; a few lines at most.
  public var points: [String]

  public init(_ outcome: ReportSeverity, _ headline: String, points: [String] = []) {
    (self.outcome, self.headline, self.points) = (outcome, headline, points)
  }
}
