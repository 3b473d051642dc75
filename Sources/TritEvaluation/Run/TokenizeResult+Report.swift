// Tritsmith: token ids as a report.

import TritReport

extension TokenizeResult {
  /// The report of `tritsmith tokenize`, schema `tritsmith.tokenize` 1.
  package var report: ReportDocument {
    let headline = "\(NumberText.grouped(tokens.count)) \(tokens.count == 1 ? "token" : "tokens")"
    var report = ReportDocument(
      title: "Tokens", schema: ReportSchema("tritsmith.tokenize", version: 1), verdict: ReportVerdict(.info, headline),
      primaryTable: "tokens")
    report.append(
      ReportFacts(
        key: "tokenization",
        [
          ReportFact("Model", .text(path)),
          ReportFact("Vocabulary", .integer(summary.vocabularySize)),
          ReportFact("Adds BOS by default", .bool(summary.addsBOSByDefault)),
          ReportFact("Bytes", inputBytes.map { .integer($0) } ?? .missing, kind: .integer),
          ReportFact("Tokens", .integer(tokens.count), key: "token_count"),
          ReportFact("Ids", .integers(tokens.ids)),
          ReportFact("Decoded", .text(decoded)),
        ]))
    let tokens = tokens
    report.append(
      ReportTable(
        key: "tokens", title: "Tokens",
        columns: [
          // An id is a name: digits are not grouped.
          ReportColumn("position", "#", kind: .integer), ReportColumn("id", "Id", kind: .decimal(digits: 0)),
          ReportColumn("token", "Token"), ReportColumn("text", "Text"), ReportColumn("special", "Special", kind: .bool),
        ], rowCount: tokens.count, kind: { tokens.ids[$0] },
        others: { id in
          let token = tokens.token(id)
          return [.integer(token.id), .text(token.spelling), .text(token.text), .bool(token.isSpecial)]
        }))
    report.brief = ReportBrief(["ids", "decoded"])
    for note in notes { report.note(.warning, note) }
    for note in summary.notes { report.note(.info, note) }
    return report
  }
}
