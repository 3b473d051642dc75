// Tritsmith: a verification as a report.

import TritCore
import TritReport
import TritSurvey
import VisibleText

extension VerifyResult {
  /// The report of `tritsmith verify`, schema `tritsmith.verify` 2.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Verification", schema: ReportSchema("tritsmith.verify", version: 2), primaryTable: "tensors")
    let ternary = tensors.filter(\.isTernary)
    var facts = ReportFacts(
      key: "verification",
      [
        ReportFact("Source", .text(source)),
        ReportFact("Converted", .text(converted)),
        usedQuantizer(ternary),
        ReportFact("Passed", .bool(passed)),
        ReportFact("Tensors", .integer(tensors.count)),
        ReportFact("Ternary tensors", .integer(ternary.count)),
        ReportFact("Trits", .integer(ternary.reduce(0) { $0 + $1.shape.elementCount })),
        tritsThatDiffer(ternary),
        ReportFact("Code stream", .optional(modelHash?.description), kind: .hash),
      ])
    let rounding = self.rounding
    if rounding.scales > 0 {
      facts.append(
        ReportFact("Rounded scales", .integer(rounding.scales), note: "tensors whose scale another type could not hold")
      )
      facts.append(
        ReportFact(
          "Largest scale change", .number(rounding.largestScaleChange), kind: .significant(digits: 3),
          note: "relative to the scale"))
    }
    if rounding.tensors > 0 {
      facts.append(
        ReportFact(
          "Tensors rounded", .integer(rounding.tensors), note: "the same but for the type they are stored in"))
      facts.append(ReportFact("Values rounded", .integer(rounding.values.changed)))
      facts.append(ReportFact("Values that became 0", .integer(rounding.values.vanished)))
      facts.append(ReportFact("Largest rounding", .number(rounding.values.largest)))
    }
    if let percent = scaleLossPercent {
      facts.append(
        ReportFact(
          "Tensors whose scales are lost", .integer(tensors.count { $0.outcome == .scalesLost }),
          note: "their codes are equal"))
      facts.append(
        ReportFact(
          "Mean error", .number(percent), key: "scale_loss_percent", kind: .decimal(digits: 2),
          note: "% of the mean magnitude, by lost scales"))
    }
    if let total {
      for fact in VerifyResult.errorFacts(total) { facts.append(fact) }
    }
    report.append(facts)
    report.append(parts.table)
    if let differences = parts.differences { report.append(differences) }
    report.append(table)
    if !setAside.isEmpty {
      report.note(.info, "only one side has what no forward pass reads: \(ModelChecks.list(setAside))")
    }
    // Of a part that was not asked for, it is a remark.
    let severity = parts.needed.contains(.weights) ? ReportSeverity.error : .info
    for problem in structure { report.note(severity, problem) }
    let wrong = tensors.indices.filter { tensors[$0].outcome == .differs || tensors[$0].outcome == .scalesLost }
      .matricesFirst { tensors[$0].shape }
    let remarks = wrong.map { "\(tensors[$0].name): \(tensors[$0].detail)" }
    for remark in remarks { report.note(severity, remark) }
    for hint in hints + parts.asides { report.note(.info, hint) }
    let conclusion = passed ? parts.verdict : failure
    report.conclude(passed, conclusion)
    var keys: Set = [
      "quantizer", "tensors", "trits_that_differ", "rounded_scales", "largest_scale_change", "values_rounded",
      "values_that_became_0", "scale_loss_percent",
    ]
    // Beside what differs there is no room for what was typed, and for the error of a quantization.
    if passed { keys.formUnion(["source", "converted", "relative_error", "sqnr_db"]) }
    report.brief = ReportBrief(
      keys,
      rows: [
        "parts": parts.notableRows(beside: conclusion), "part_differences": parts.tellingDifferences,
        "tensors": wrong,
      ], told: Set(remarks + structure.filter { conclusion.contains(text: $0) }))
    report.brief?.ranked = ["tensors"]
    return report
  }

  /// Lost scales are no wrong trits, and are told apart.
  private var failure: String {
    if onlyScalesAreLost, parts.failing.allSatisfy({ $0.part == .weights }), let percent = scaleLossPercent {
      let lost = tensors.filter { $0.outcome == .scalesLost }
      return
        "\(ScaleLoss.phrase(percent)): \(lost.count) of \(plural(tensors.count, "tensor")) "
        + "\(lost.count == 1 ? "holds" : "hold") the source's trits with other scales (\(lost.first.map { "tensor '\(printable($0.name))': \($0.detail)" } ?? ""))"
    }
    return parts.failure(
      firstProblem, difference: "the converted model is not what its source gives",
      doubt: "the converted model cannot be called what its source gives")
  }

  private static func errorFacts(_ error: RoundTripError) -> [ReportFact] {
    [
      ReportFact("Max error", .number(error.maximum), note: "round trip against the source's weights"),
      ReportFact("RMSE", .number(error.rmse)),
      ReportFact("Relative error", .optional(error.relative)),
      ReportFact("Cosine", .optional(error.cosine)),
      ReportFact(
        "SQNR", .optional(error.sqnr), key: "sqnr_db", kind: .decimal(digits: 2),
        note: error.sqnr.map { _ in "dB" }),
    ]
  }

  /// No count where no trit was compared: 0 would say that all are right.
  private func tritsThatDiffer(_ ternary: [TensorVerification]) -> ReportFact {
    let count = tensors.reduce(0) { $0 + $1.mismatches }
    let isCompared = ternary.contains(where: \.hasComparedTrits)
    return ReportFact(
      "Trits that differ", isCompared ? .integer(count) : .missing, note: isCompared ? nil : "none could be compared")
  }

  /// The quantizer that was redone, where one was.
  private func usedQuantizer(_ ternary: [TensorVerification]) -> ReportFact {
    if usesQuantizer { return ReportFact("Quantizer", .text(quantizer), note: quantizerReason) }
    return ReportFact(
      "Quantizer", .missing, note: ternary.isEmpty ? "no tensor is made of trits" : "trits are taken as they are")
  }

  private var table: ReportTable {
    let tensors = tensors
    var table = ReportTable(
      key: "tensors", title: "Tensors", columns: VerifyResult.columns, rowCount: tensors.count
    ) { index in
      let tensor = tensors[index]
      let scale = tensor.foundScale.flatMap { $0.granularity == .tensor ? Double($0.stored[0]) : nil }
      let zeroShare =
        tensor.hasComparedTrits ? Double(tensor.zeros) / Double(max(1, tensor.shape.elementCount)) : nil
      return [
        .text(tensor.name), .text(tensor.outcome.rawValue), .text(tensor.detail),
        tensor.hasComparedTrits ? .integer(tensor.mismatches) : .missing,
        .optional(scale), .optional(zeroShare), .optional(tensor.error?.maximum), .optional(tensor.error?.rmse),
        .optional(tensor.error?.relative), .optional(tensor.error?.cosine), .optional(tensor.error?.sqnr),
        .optional(tensor.stream?.digest.description), .optional(tensor.stream?.trits.description),
      ]
    }
    table.badness = tensors.map { max(Double($0.mismatches), $0.scaleChange ?? 0, $0.error?.maximum ?? 0) }
    return table
  }

  /// The details are what a reader came for: numbers make room for them.
  private static var columns: [ReportColumn] {
    var columns = [
      ReportColumn("name", "Tensor"), ReportColumn("outcome", "Outcome"), ReportColumn("detail", "Detail"),
      ReportColumn("mismatches", "Differ", kind: .integer),
      ReportColumn("scale", "Scale", kind: .significant(digits: 6)),
      ReportColumn("zero_share", "Zeros", kind: .fraction(digits: 1)),
      ReportColumn("max_error", "Max error", kind: .significant(digits: 4)),
      ReportColumn("rmse", "RMSE", kind: .significant(digits: 4)),
      ReportColumn("relative_error", "Relative", kind: .decimal(digits: 4)),
      ReportColumn("cosine", "Cosine", kind: .decimal(digits: 4)),
      ReportColumn("sqnr_db", "SQNR", kind: .decimal(digits: 2), unit: "dB"),
      ReportColumn("code_stream", "Code stream", kind: .hash),
      ReportColumn("trits_sha256", "Trits SHA-256", kind: .hash),
    ]
    columns[2].isProse = true
    for index in columns.indices.dropFirst(3) { columns[index].isAside = true }
    return columns
  }
}
