// Tritsmith: places in a text, quoted.

/// A piece of text with one token to look at, and what is known about it.
package struct ReportQuote: Sendable, Hashable {
  /// The text before the token; it may be cut at its beginning.
  package var before: String
  /// The token itself.
  package var token: String
  /// The text behind the token; it may be cut at its end.
  package var after: String
  /// One value per column of the quotes.
  package var values: [ReportValue]

  package init(before: String, token: String, after: String, _ values: [ReportValue] = []) {
    (self.before, self.token, self.after, self.values) = (before, token, after, values)
  }
}

/// Quotes with the same facts about each: the tokens two models differ most about.
package struct ReportQuotes: Sendable, Hashable {
  /// The name in JSON, in snake case.
  package var key: String
  package var title: String?
  /// What is told about each quote.
  package var columns: [ReportColumn]
  package private(set) var quotes: [ReportQuote] = []
  /// What the quotes show, in a sentence or two.
  package var caption: String?

  /// No quotes yet.
  package init(key: String, title: String? = nil, columns: [ReportColumn], caption: String? = nil) {
    (self.key, self.title, self.columns, self.caption) = (key, title, columns, caption)
  }

  /// Adds a quote with exactly one value per column.
  package mutating func append(_ quote: ReportQuote) {
    precondition(
      quote.values.count == columns.count, "Quotes '\(key)': \(quote.values.count) values for \(columns.count) columns")
    quotes.append(quote)
  }
}
