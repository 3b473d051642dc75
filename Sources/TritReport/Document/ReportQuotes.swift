// Tritsmith: places in a text, quoted.

/// A piece of text with one token to look at, and what is known about it.
public struct ReportQuote: Sendable, Hashable {
  /// The text before the token; it may be cut at its beginning.
  public var before: String
  /// The token itself.
  public var token: String
  /// The text behind the token; it may be cut at its end.
  public var after: String
  /// One value per column of the quotes.
  public var values: [ReportValue]

  public init(before: String, token: String, after: String, _ values: [ReportValue] = []) {
    (self.before, self.token, self.after, self.values) = (before, token, after, values)
  }
}

/// Quotes with the same facts about each: the tokens two models differ most about.
public struct ReportQuotes: Sendable, Hashable {
  /// The name in JSON, in snake case.
  public var key: String
  public var title: String?
  /// What is told about each quote.
  public var columns: [ReportColumn]
  public private(set) var quotes: [ReportQuote] = []
  /// What the quotes show, in a sentence or two.
  public var caption: String?

  /// No quotes yet.
  public init(key: String, title: String? = nil, columns: [ReportColumn], caption: String? = nil) {
    (self.key, self.title, self.columns, self.caption) = (key, title, columns, caption)
  }

  /// Adds a quote with exactly one value per column.
  public mutating func append(_ quote: ReportQuote) {
    precondition(
      quote.values.count == columns.count, "Quotes '\(key)': \(quote.values.count) values for \(columns.count) columns")
    quotes.append(quote)
  }
}
