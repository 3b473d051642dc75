// Tritsmith: a comparison as a report.

import TritCore
import TritReport

extension CompareResult {
  /// The report of `tritsmith compare`, schema `tritsmith.compare` 1.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Comparison", schema: ReportSchema("tritsmith.compare", version: 1), primaryTable: "tensors")
    func count(_ outcome: ComparedTensor.Outcome) -> Int { tensors.count { $0.outcome == outcome } }
    report.append(
      ReportFacts(
        key: "comparison",
        [
          ReportFact("First", .text(first)), ReportFact("Second", .text(second)), ReportFact("Same", .bool(isSame)),
          ReportFact("Tensors", .integer(tensors.count)), ReportFact("Equal", .integer(count(.equal))),
          ReportFact("Rounded", .integer(count(.rounded)), note: "the same but for the type they are stored in"),
          ReportFact("Different", .integer(count(.different))),
          ReportFact("First code stream", .optional(firstHash?.description), kind: .hash),
          ReportFact("Second code stream", .optional(secondHash?.description), kind: .hash),
        ]))
    report.append(table)
    if tensors.contains(where: { !$0.differences.isEmpty }) { report.append(differenceTable) }
    for problem in structure { report.note(.error, problem) }
    for hint in hints { report.note(.info, hint) }
    report.note(
      isSame ? .pass : .fail,
      isSame
        ? "the two are the same model" + agreed : "the two are not the same model" + (isExact ? " to the last bit" : "")
    )
    return report
  }

  /// What kept tensors from being the same numbers.
  private var agreed: String {
    let rounded = tensors.count { $0.outcome == .rounded }
    return rounded == 0 ? "" : ", but for rounding by the types of \(rounded) tensors"
  }

  private var table: ReportTable {
    let tensors = tensors
    return ReportTable(
      key: "tensors", title: "Tensors",
      columns: [
        ReportColumn("name", "Tensor"), ReportColumn("outcome", "Outcome"), ReportColumn("first_encoding", "First"),
        ReportColumn("second_encoding", "Second"), ReportColumn("differing", "Differ", kind: .integer),
        ReportColumn("first_scale", "First scale", kind: .significant(digits: 6)),
        ReportColumn("second_scale", "Second scale", kind: .significant(digits: 6)), ReportColumn("detail", "Detail"),
      ], rowCount: tensors.count
    ) { index in
      let tensor = tensors[index]
      func multiplier(_ scale: TernaryScale?) -> Double? {
        scale.flatMap { $0.granularity == .tensor ? Double($0.multiplier()) : nil }
      }
      return [
        .text(tensor.name), .text(tensor.outcome.rawValue), .text(tensor.firstEncoding), .text(tensor.secondEncoding),
        .integer(tensor.count), .optional(multiplier(tensor.firstScale)), .optional(multiplier(tensor.secondScale)),
        .text(tensor.detail),
      ]
    }
  }

  private var differenceTable: ReportTable {
    var table = ReportTable(
      key: "differences", title: "First differences",
      columns: [
        ReportColumn("name", "Tensor"), ReportColumn("row", "Row", kind: .integer),
        ReportColumn("column", "Column", kind: .integer), ReportColumn("first", "First"),
        ReportColumn("second", "Second"),
      ])
    for tensor in tensors {
      for difference in tensor.differences {
        table.append([
          .text(tensor.name), .integer(difference.row), .integer(difference.column), .text(difference.first),
          .text(difference.second),
        ])
      }
    }
    return table
  }
}
