// Tritsmith: a merge as a report.

import TritCore
import TritReport

extension MergeResult {
  /// The report of `tritsmith merge`, schema `tritsmith.merge` 1.
  package var report: ReportDocument {
    var report = ReportDocument(
      title: "Merge", schema: ReportSchema("tritsmith.merge", version: 1), primaryTable: "tensors")
    let weights = tensors.reduce(0) { $0 + $1.shape.elementCount }
    let flips = tensors.reduce(0) { $0 + $1.flips }
    report.append(
      ReportFacts(
        key: "merge",
        [
          ReportFact("Base", .text(request.base)),
          ReportFact("Adapter", .text(request.adapter)),
          ReportFact("Output", .text(request.output)),
          ReportFact("Merged tensors", .integer(tensors.count)),
          ReportFact("Copied tensors", .integer(copied)),
          ReportFact("Quantizer", .text(quantizer), note: "whose trits are counted; convert by the same"),
          ReportFact("Weights merged", .integer(weights)),
          ReportFact("Trits flipped", .integer(flips)),
          ReportFact(
            "Share flipped", .number(Double(flips) / Double(max(1, weights))), kind: .fraction(digits: 3)),
          ReportFact("Written", .bytes(writtenBytes)),
          ReportFact("Seconds", .number(seconds), kind: .decimal(digits: 2)),
        ]))
    var table = ReportTable(
      key: "tensors", title: "Merged",
      columns: [
        ReportColumn("name", "Tensor"), ReportColumn("rank", "Rank", kind: .integer),
        ReportColumn("scaling", "Scaling", kind: .significant(digits: 4)),
        ReportColumn("relative_change", "Change", kind: .significant(digits: 4)),
        ReportColumn("flips", "Flipped", kind: .integer),
        ReportColumn("flip_share", "Share", kind: .fraction(digits: 3)),
        ReportColumn("scale_before", "Scale before", kind: .significant(digits: 6)),
        ReportColumn("scale_after", "Scale after", kind: .significant(digits: 6)),
      ])
    // What becomes of trits matters most, then by how much; rank and scaling are mostly those of all.
    for (index, rank) in [(1, 3), (2, 3), (6, 2), (7, 2), (3, 1)] { table.columns[index].asideRank = rank }
    for tensor in tensors {
      table.append([
        .text(tensor.name), .integer(tensor.rank), .number(tensor.scaling), .optional(tensor.relativeChange),
        .integer(tensor.flips), .number(Double(tensor.flips) / Double(max(1, tensor.shape.elementCount))),
        .number(Double(tensor.scales.before)), .number(Double(tensor.scales.after)),
      ])
    }
    report.append(table)
    for warning in warnings { report.note(.warning, warning) }
    report.conclude(
      true, "written, reopened, every merged weight compared with the sum in double precision, and put in place")
    report.brief = ReportBrief(
      ["output", "merged_tensors", "trits_flipped", "share_flipped", "written"],
      rows: ["tensors": Array(tensors.indices)])
    return report
  }
}
