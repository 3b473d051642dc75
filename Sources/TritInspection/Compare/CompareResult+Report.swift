// Tritsmith: a comparison as a report.

import TritCore
import TritReport
import TritSurvey
import TritVerification
import VisibleText

extension CompareResult {
  /// The report of `tritsmith compare`, schema `tritsmith.compare` 2.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Comparison", schema: ReportSchema("tritsmith.compare", version: 2), primaryTable: "tensors")
    func count(_ outcome: ComparedTensor.Outcome) -> Int { tensors.count { $0.outcome == outcome } }
    report.append(
      ReportFacts(
        key: "comparison",
        [
          ReportFact("First", .text(first)), ReportFact("Second", .text(second)), ReportFact("Same", .bool(isSame)),
          ReportFact("Tensors", .integer(tensors.count), note: unpaired), ReportFact("Equal", .integer(count(.equal))),
          ReportFact("Rounded", .integer(count(.rounded)), note: "the same but for the type they are stored in"),
          ReportFact("Different", .integer(count(.different))),
          ReportFact("First code stream", .optional(firstHash?.description), kind: .hash),
          ReportFact("Second code stream", .optional(secondHash?.description), kind: .hash),
        ]))
    report.append(parts.table)
    if let differences = parts.differences { report.append(differences) }
    report.append(table)
    if tensors.contains(where: { !$0.differences.isEmpty }) { report.append(differenceTable) }
    if !setAside.isEmpty {
      report.note(.info, "only one side has what no forward pass reads: \(ModelChecks.list(setAside))")
    }
    for problem in structure { report.note(.error, problem) }
    for hint in hints + parts.asides { report.note(.info, hint) }
    let conclusion =
      isSame
      ? (parts.needed.isSuperset(of: ModelPart.needed) ? "the two are the same model: " : "") + parts.verdict
      : parts.failure(
        parts.problem, difference: "the two are not the same model" + (isExact ? " to the last bit" : ""),
        doubt: "the two cannot be called the same model")
    report.conclude(isSame, conclusion)
    // Beside what differs there is no room for what was typed, and for what is not there.
    let facts: Set<String> = isSame ? ["first", "second", "rounded"] : count(.rounded) > 0 ? ["rounded"] : []
    report.brief = ReportBrief(
      facts.union(["tensors", "equal", "different"]),
      rows: [
        "parts": parts.notableRows(beside: conclusion), "part_differences": parts.tellingDifferences,
        "tensors": tensors.indices.filter { isWrong(tensors[$0]) }.matricesFirst { tensors[$0].shape },
      ], told: Set(structure.filter { conclusion.contains(text: $0) }))
    report.brief?.ranked = ["tensors"]
    return report
  }

  /// Those that were not compared.
  private var unpaired: String? {
    structure.isEmpty ? nil : "compared; \(unpairedCount) more on one side only, or of another shape"
  }

  private var table: ReportTable {
    let tensors = tensors
    var columns = [
      ReportColumn("name", "Tensor"), ReportColumn("outcome", "Outcome"), ReportColumn("detail", "Detail"),
      ReportColumn("first_encoding", "First"),
      ReportColumn("second_encoding", "Second"), ReportColumn("differing", "Differ", kind: .integer),
      ReportColumn("first_scale", "First scale", kind: .significant(digits: 6)),
      ReportColumn("second_scale", "Second scale", kind: .significant(digits: 6)),
    ]
    // The details are what a reader came for: the others make room for them.
    columns[2].isProse = true
    for index in columns.indices.dropFirst(3) { columns[index].isAside = true }
    var table = ReportTable(key: "tensors", title: "Tensors", columns: columns, rowCount: tensors.count) { index in
      let tensor = tensors[index]
      func multiplier(_ scale: TernaryScale?) -> Double? {
        scale.flatMap { $0.granularity == .tensor ? Double($0.multiplier()) : nil }
      }
      return [
        .text(tensor.name), .text(tensor.outcome.rawValue), .text(tensor.detail), .text(tensor.firstEncoding),
        .text(tensor.secondEncoding), tensor.isUncounted ? .missing : .integer(tensor.count),
        .optional(multiplier(tensor.firstScale)), .optional(multiplier(tensor.secondScale)),
      ]
    }
    table.badness = tensors.map { max(Double($0.count), $0.scaleRounding?.relative ?? 0, $0.rounding?.largest ?? 0) }
    return table
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
