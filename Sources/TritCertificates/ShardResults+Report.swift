// Tritsmith: conversions in parts as reports.

import TritConversion
import TritCore
import TritReport
import TritSurvey
import VisibleText

extension ShardPlan {
  /// The report of `tritsmith convert --plan`, schema `tritsmith.shard_plan` 1.
  package func report() -> ReportDocument {
    var report = ReportDocument(
      title: "Plan in parts", schema: ReportSchema("tritsmith.shard_plan", version: 1),
      verdict: ReportVerdict(
        .info, "Nothing is converted yet: any number of workers make the parts, and one more call joins them"))
    report.append(
      ReportFacts(
        key: "plan",
        [
          ReportFact("Plan", .text(path)), ReportFact("Input", .text(request.input)),
          ReportFact("Output", .text(request.output)), ReportFact("Target", .text(request.target.rawValue)),
          ReportFact("Plan SHA-256", .text(digest.description), key: "sha256", kind: .hash),
        ]))
    // Workers run anywhere.
    let place = shellWord(FileSystem.resolved(path) ?? path)
    report.note(
      .info,
      "with four workers: 'tritsmith convert --plan \(place) --worker 1/4', and so on to 4/4, on any machines; then "
        + "'tritsmith convert --plan \(place) --finish'")
    return report
  }
}

extension ShardWorkerResult {
  /// The part in a line, as a conversion has one: `✓ part 3/16 of plan.json  1.5 MB  20 tensors  audited  50 ms`.
  package var line: String {
    let begin = "✓ part \(worker)/\(count) of \(printable(FileSystem.name(of: plan)))"
    guard part != nil else { return begin + "  no tensors are left for it\n" }
    let facts = [NumberText.bytes(partBytes), plural(tensors, "tensor"), "audited", NumberText.duration(seconds)]
    return ([begin] + facts).joined(separator: "  ") + "\n"
  }

  /// The report of `tritsmith convert --worker`, schema `tritsmith.shard_worker` 1.
  package var report: ReportDocument {
    var report = ReportDocument(title: "Part", schema: ReportSchema("tritsmith.shard_worker", version: 1))
    report.append(
      ReportFacts(
        key: "worker",
        [
          ReportFact("Plan", .text(plan)), ReportFact("Worker", .integer(worker)),
          ReportFact("Workers", .integer(count)), ReportFact("Part", .optional(part)),
          ReportFact("Tensors", .integer(tensors)), ReportFact("Part size", .bytes(partBytes), key: "part_bytes"),
          ReportFact("Seconds", .number(seconds), kind: .decimal(digits: 2)),
        ]))
    report.note(.pass, "converted, and compared with the source by an independent decoder")
    return report
  }
}

extension ShardFinishResult {
  /// The conversion in a line, as that of `ConversionResult`.
  package func line(width: Int? = nil) -> String {
    let proof = (earlier ?? 0) > 0 ? "audited, \(earlier ?? 0) of \(workers) parts earlier" : "audited"
    return plan.line(writtenBytes: writtenBytes, proof: proof, seconds: seconds, width: width)
  }

  /// The report of `tritsmith convert --finish`, schema `tritsmith.shard_finish` 2.
  package var report: ReportDocument {
    var report = ReportDocument(
      title: "Conversion in parts", schema: ReportSchema("tritsmith.shard_finish", version: 2))
    report.prefersFacts = true
    report.append(plan.facts)
    if let programs = plan.runtimeTable { report.append(programs) }
    report.append(
      ReportFacts(
        key: "result", title: "Result",
        [
          ReportFact("Parts", .integer(workers)),
          ReportFact(
            "Earlier parts", earlier.map { .integer($0) } ?? .missing, note: "made by runs that were interrupted"),
          ReportFact("Written", .bytes(writtenBytes)),
          ReportFact("Already ternary", .integer(recognised.count), note: "dense tensors taken as they are"),
          ReportFact("Proved tensors", .integer(plan.tensors.count)),
          ReportFact("Seconds", .number(seconds), kind: .decimal(digits: 2)),
          ReportFact("Peak memory", .bytes(Platform.peakResidentBytes)),
        ]))
    for warning in plan.warnings { report.note(.warning, warning) }
    report.note(.pass, "every tensor is, byte for byte, what a worker compared with the source; put in place")
    return report
  }
}
