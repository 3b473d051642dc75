// Tritsmith: rows of few kinds, which are spelled once.

import Testing

@testable import TritReport

@Suite("Numbered rows")
struct NumberedRowsTests {
  private static let cells: [[ReportValue]] = [
    [.integer(7), .text("Ġthe"), .text(" the"), .bool(false)],
    [.integer(1234), .text("=1+2|"), .text("a,\"b\""), .bool(true)],
    [.integer(0), .text("中"), .text("\u{1B}[0m\u{202E}"), .missing],
    [.integer(9), .text("wide name of a token"), .text(""), .missing],
  ]

  private func report(_ count: Int, numbered: Bool) -> ReportDocument {
    var report = ReportDocument(title: "T", schema: ReportSchema("t", version: 1), primaryTable: "t")
    let columns = [
      ReportColumn("position", "#", kind: .integer), ReportColumn("id", "Id", kind: .integer),
      ReportColumn("token", "Token"),
      ReportColumn("text", "Text"), ReportColumn("special", "Special", kind: .bool),
    ]
    let kind: @Sendable (Int) -> Int = { $0 % 7 % NumberedRowsTests.cells.count }
    report.append(ReportFacts(key: "facts", [ReportFact("Ids", .integers((0..<count).map { kind($0) }))]))
    if numbered {
      report.append(
        ReportTable(key: "t", columns: columns, rowCount: count, kind: kind) { NumberedRowsTests.cells[$0] })
    } else {
      report.append(
        ReportTable(key: "t", columns: columns, rowCount: count) { [.integer($0)] + NumberedRowsTests.cells[kind($0)] })
    }
    return report
  }

  /// What is remembered changes no byte: rows made one by one are the other way.
  @Test(arguments: ReportFormat.allCases, [0, 1, 3, 5000])
  func sameText(_ format: ReportFormat, _ count: Int) {
    for width in [nil, 100, 40, 14] {
      let renderer = format.renderer(width: width, usesColor: false, showsDetails: true)
      #expect(renderer.text(of: report(count, numbered: true)) == renderer.text(of: report(count, numbered: false)))
    }
  }
}
