// Tritsmith: plans and conversions as reports.

import TritCore
import TritReport
import TritSurvey
import TritVerification

extension ConversionPlan {
  /// A conversion in a line: `✓ bitnet  2.9 MB  28 ternary + 11 dense  audited  0.3 s`.
  ///
  /// - Parameters:
  ///   - shortProof: the same in fewer words.
  ///   - width: of the terminal: a path that is too long loses its folders, then the proof its numbers, the counts their
  ///     words, and the name its middle. What has no room on a very narrow one goes on below.
  package func line(
    writtenBytes: UInt64, proof: String, shortProof: String? = nil, seconds: Double, width: Int?
  ) -> String {
    var facts = [
      NumberText.bytes(writtenBytes), "\(ternaryCount) ternary + \(tensors.count - ternaryCount) dense", proof,
      NumberText.duration(seconds),
    ]
    var lines = ["✓ " + printable(request.output)]
    func isTooLong() -> Bool { width.map { (lines + facts).joined(separator: "  ").count > $0 } ?? false }
    if isTooLong() { lines = ["✓ " + printable(FileSystem.name(of: request.output))] }
    if isTooLong(), let shortProof { facts[2] = shortProof }
    if isTooLong() { facts[1] = "\(ternaryCount) + \(tensors.count - ternaryCount) tensors" }
    if isTooLong(), let width {
      let room = width - facts.reduce(2) { $0 + 2 + $1.count }
      if room >= 12 {
        lines = ["✓ " + truncatedInMiddle(printable(FileSystem.name(of: request.output)), to: room)]
      }
    }
    for fact in facts {
      if let width, lines[lines.count - 1].count + 2 + fact.count > width {
        lines.append("  " + fact)
      } else {
        lines[lines.count - 1] += "  " + fact
      }
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// The report of `tritsmith convert --dry-run`, schema `tritsmith.plan` 2.
  public var report: ReportDocument {
    let headline =
      "Nothing is written: \(NumberText.bytes(UInt64(outputBytes))) of tensors are planned, \(ternaryCount) ternary + "
      + "\(tensors.count - ternaryCount) dense, without header and companions"
    var report = ReportDocument(
      title: "Conversion plan", schema: ReportSchema("tritsmith.plan", version: 2),
      verdict: ReportVerdict(.info, headline), primaryTable: "tensors")
    report.append(facts)
    if let runtimeTable { report.append(runtimeTable) }
    for warning in warnings { report.note(.warning, warning) }
    var table = ReportTable(
      key: "tensors", title: "Tensors",
      columns: [
        ReportColumn("name", "Tensor"), ReportColumn("role", "Role"), ReportColumn("shape", "Shape"),
        ReportColumn("step", "Step"), ReportColumn("from", "From"), ReportColumn("to", "To"),
        ReportColumn("input_bytes", "In", kind: .bytes), ReportColumn("output_bytes", "Out", kind: .bytes),
      ])
    // What becomes of a tensor matters more than what its name says already.
    for (index, rank) in [(1, 2), (2, 2), (4, 1)] { table.columns[index].asideRank = rank }
    for tensor in tensors {
      table.append([
        .text(tensor.name), .text(tensor.role.name),
        .list(tensor.source.shape.dimensions.map { .integer($0) }), .text(tensor.step.name),
        .text(tensor.source.encoding.name), .text(tensor.encoding.name), .bytes(UInt64(tensor.source.storedBytes)),
        .bytes(UInt64(tensor.byteCount)),
      ])
    }
    table.setFooter([
      "total", nil, nil, nil, nil, nil, .bytes(UInt64(inputBytes)), .bytes(UInt64(outputBytes)),
    ])
    report.append(table)
    var files = ReportTable(
      key: "files", title: "Files that come along",
      columns: [ReportColumn("name", "File"), ReportColumn("bytes", "Bytes", kind: .bytes)])
    for companion in companions { files.append([.text(companion.name), .bytes(UInt64(companion.bytes))]) }
    if !companions.isEmpty { report.append(files) }
    report.brief = ReportBrief([
      "input", "output", "target", "quantizer", "loaded_by", "ternary_tensors", "dense_tensors", "input_bytes",
      "output_bytes",
    ])
    return report
  }

  private var quantizerFact: ReportFact {
    guard tensors.contains(where: { $0.step == .quantize || $0.step == .snap }) else {
      return ReportFact("Quantizer", .missing, note: "trits are taken as they are")
    }
    return ReportFact(
      "Quantizer", .text(quantizer.id.rawValue), note: "\(quantizer.summary); \(quantizerReason)")
  }

  /// Which programs load the result, which do not, and how that is known; nil where nothing is.
  package var runtimeTable: ReportTable? {
    let rows = runtimes
    guard !rows.isEmpty else { return nil }
    var table = ReportTable(
      key: "loads_in", title: "Programs",
      columns: [
        ReportColumn("program", "Program"), ReportColumn("outcome", "Outcome"), ReportColumn("evidence", "Evidence"),
        ReportColumn("reason", "Reason"), ReportColumn("version", "Version"),
      ])
    table.columns[3].isProse = true
    for row in rows {
      table.append([
        .text(row.runtime.name), .text(row.outcome.name), .text(row.evidence.rawValue), .optional(row.outcome.reason),
        .text(row.runtime.version),
      ])
    }
    return table
  }

  /// What was decided, in a few lines.
  package var facts: ReportFacts {
    ReportFacts(
      key: "plan",
      [
        ReportFact("Input", .text(request.input), note: survey.kind.phrase),
        ReportFact("Output", .text(request.output)),
        ReportFact("Target", .text(request.target.rawValue)),
        ReportFact("Family", .optional(survey.architecture?.family)),
        quantizerFact,
        ReportFact(
          "Scale convention", .text(convention.rawValue),
          note: convention == .divide ? "weight = trit ÷ stored scale" : "weight = trit × stored scale"),
        ReportFact("Loads in", .text(loaders.joined(separator: ", ")), key: "loaded_by", note: loadingNote),
        ReportFact("Ternary tensors", .integer(ternaryCount)),
        ReportFact("Dense tensors", .integer(tensors.count - ternaryCount)),
        ReportFact("Input bytes", .bytes(UInt64(inputBytes))),
        ReportFact("Output bytes", .bytes(UInt64(outputBytes)), note: "tensors, without headers"),
      ])
  }
}

extension ConversionResult {
  /// The report of `tritsmith convert`, schema `tritsmith.convert` 2.
  package var report: ReportDocument {
    var report = ReportDocument(title: "Conversion", schema: ReportSchema("tritsmith.convert", version: 2))
    report.prefersFacts = true
    report.append(plan.facts)
    if let programs = plan.runtimeTable { report.append(programs) }
    var facts = ReportFacts(
      key: "result", title: "Result",
      [
        ReportFact("Written", .bytes(writtenBytes)),
        ReportFact("Already ternary", .integer(recognised.count), note: "dense tensors taken as they are"),
      ])
    if plan.request.target == .gguf { for fact in scaleFacts { facts.append(fact) } }
    for fact in [
      ReportFact("Audited tensors", .integer(audit.tensors.count)),
      ReportFact("Audit passed", .bool(audit.passed)),
      ReportFact("Seconds", .number(seconds), kind: .decimal(digits: 2)),
      ReportFact("Peak memory", .bytes(Platform.peakResidentBytes)),
    ] { facts.append(fact) }
    report.append(facts)
    for warning in plan.warnings + warnings { report.note(.warning, warning) }
    if !rounded.isEmpty { report.append(roundingTable) }
    report.brief = ReportBrief(["output", "loaded_by", "rounding"])
    guard plan.request.target == .trainable else {
      report.conclude(true, "\(made), reopened and compared with the source: \(audit.parts.verdict); put in place")
      return report
    }
    let restored = audit.tensors.count(where: \.isTernary)
    report.conclude(
      true,
      "\(made), reopened, made ternary again by all absmean arithmetics (every trit of \(restored) matrices equal), "
        + "compared with the source: \(audit.parts.verdict); put in place")
    return report
  }

  /// The conversion in a line, as ``ConversionPlan`` says it.
  package func line(width: Int? = nil) -> String {
    let rounding = audit.rounding.isEmpty ? nil : audit.rounding
    var proof = "audited"
    if audit.scaleLossPercent != nil { proof += ", scales lost" }
    let shortProof = proof + (rounding == nil ? "" : ", rounded")
    if let rounding { proof += ", " + rounding.words }
    return plan.line(
      writtenBytes: writtenBytes, proof: proof, shortProof: shortProof, seconds: seconds, width: width)
  }

  /// What a person should know of the output beside what the plan said.
  package var warnings: [String] {
    let lost = audit.scaleLossPercent.map {
      "\(ScaleLoss.phrase($0)) of a weight's magnitude, as --allow-scale-loss lets pass"
    }
    let found = [lost].compactMap { $0 } + findings.map(\.sentence)
    guard plan.request.target == .trainable else { return found }
    let restored = audit.tensors.filter(\.isTernary)
    let rescaled = restored.filter { $0.detail != LatentRestoration.sameAgain }
    guard let first = rescaled.first else { return found }
    return found + [
      "\(rescaled.count) of \(restored.count) matrices get another scale when made ternary again; '\(first.name)': "
        + first.detail
    ]
  }

  /// What was written, and how long that took.
  private var made: String {
    let dense = plan.tensors.count - plan.ternaryCount
    return "\(NumberText.bytes(writtenBytes)) written (\(plan.ternaryCount) ternary, \(dense) dense tensors) in "
      + NumberText.duration(seconds)
  }

  /// What the output's type did to the scales: how many tensors have another multiplier, and by how much at most.
  private var scaleFacts: [ReportFact] {
    var largest = 0.0
    var count = 0
    for tensor in audit.tensors {
      // Of what became dense there are no scales left to hold beside those of the source.
      let change = max(tensor.scaleChange ?? 0, tensor.scaleRounding?.relative ?? 0)
      if change > 0 { count += 1 }
      largest = max(largest, change)
    }
    let note = count == 0 ? "every multiplier is the source's" : nil
    return [
      ReportFact("Rounded scales", .integer(count), note: note),
      ReportFact(
        "Largest scale change", .number(largest), kind: .significant(digits: 3), note: "relative to the scale"),
    ]
  }

  /// Dense tensors whose values the output's type could not hold exactly.
  private var roundingTable: ReportTable {
    var table = ReportTable(
      key: "rounding", title: "Rounded values",
      columns: [
        ReportColumn("name", "Tensor"), ReportColumn("type", "Type"), ReportColumn("values", "Values", kind: .integer),
        ReportColumn("changed", "Changed", kind: .integer),
        ReportColumn("vanished", "Now 0", kind: .integer),
        ReportColumn("largest_change", "Largest change", kind: .significant(digits: 4)),
      ])
    for (name, report) in rounded {
      let type = plan.tensors.first { $0.name == name }?.encoding.name
      table.append([
        .text(name), .optional(type), .integer(report.count), .integer(report.changed), .integer(report.vanished),
        .number(report.largest),
      ])
    }
    return table
  }
}
