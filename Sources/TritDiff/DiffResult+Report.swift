// Tritsmith: patches as reports.

import TritConversion
import TritCore
import TritFormats
import TritReport
import TritSurvey

extension DiffResult {
  /// The report of `tritsmith diff`, schema `tritsmith.diff` 1.
  package var report: ReportDocument {
    var report = ReportDocument(
      title: "Patch", schema: ReportSchema("tritsmith.diff", version: 1), primaryTable: "tensors")
    report.append(
      ReportFacts(
        key: "diff",
        [
          ReportFact("Base", .text(base)), ReportFact("Target", .text(target)), ReportFact("Patch", .text(patch)),
          ReportFact("Seconds", .number(seconds), kind: .duration),
        ]))
    summary.append(to: &report)
    report.note(.pass, "every tensor was made again from the base and the patch: all hashes are the target's")
    report.brief = PatchSummary.brief
    return report
  }
}

extension ApplyResult {
  /// The report of `tritsmith apply`, schema `tritsmith.apply` 1.
  package var report: ReportDocument {
    var report = ReportDocument(title: "Patched model", schema: ReportSchema("tritsmith.apply", version: 1))
    let header = summary.header
    report.append(
      ReportFacts(
        key: "apply",
        [
          ReportFact("Base", .text(base)), ReportFact("Patch", .text(patch)), ReportFact("Output", .text(output)),
          ReportFact("Format", .text(conversion?.plan.request.target.rawValue ?? header.target.format)),
          ReportFact("Tensors", .integer(header.tensors.count)),
          ReportFact("Ternary tensors", .integer(header.tensors.count { $0.identity.isTernary })),
          ReportFact("Files", .integer(header.files.count + header.companions.count)),
          ReportFact("Code stream", .optional(header.target.codeStream?.description), kind: .hash),
          ReportFact("Patch size", .bytes(summary.byteCount), key: "patch_bytes"),
          ReportFact("Written", .bytes(conversion?.writtenBytes ?? writtenBytes), key: "written_bytes"),
          ReportFact("Seconds", .number(seconds), kind: .duration),
        ]))
    let converted = conversion == nil ? "" : ", then converted and audited"
    report.note(.pass, "read back: code streams, tensors and files have the hashes the patch states" + converted)
    report.brief = ReportBrief(["output", "tensors", "ternary_tensors", "files", "code_stream", "written_bytes"])
    return report
  }
}

extension PatchSummary {
  /// The report of `tritsmith inspect PATCH`, schema `tritsmith.patch` 1.
  package func report(path: String) -> ReportDocument {
    var report = ReportDocument(
      title: "Patch \(path)", schema: ReportSchema("tritsmith.patch", version: 1),
      verdict: ReportVerdict(.info, headline), primaryTable: "tensors")
    report.append(ReportFacts(key: "patch", [ReportFact("Path", .text(path))]))
    append(to: &report)
    report.brief = ReportBrief(
      Self.brief.keys.union([
        "base_code_stream", "target_code_stream", "target_format", "target_tensors", "target_files", "generator",
      ]))
    return report
  }

  /// What the patch is and does, in a sentence.
  private var headline: String {
    let changed = NumberText.grouped(Checked.clampedSum(flips))
    let scales = changedScales == 0 ? "no scale" : plural(changedScales, "scale")
    let changes =
      comparedTrits == 0
      ? "no trits are compared"
      : "\(changed) of \(NumberText.grouped(comparedTrits)) trits change, and \(scales)"
    return
      "A patch of \(NumberText.bytes(byteCount)) that makes a model of \(NumberText.bytes(targetBytes)): \(changes)"
  }

  private var changedScales: Int { header.tensors.count { $0.scale != nil && $0.scale != .same } }

  static let brief = ReportBrief(
    [
      "base", "target", "patch", "patch_bytes", "target_bytes", "ratio", "compared", "changed", "changed_share",
      "scales_changed",
    ])

  func append(to report: inout ReportDocument) {
    report.append(models)
    report.append(size)
    report.append(trits)
    report.append(table)
    let removed = removed
    if !removed.isEmpty {
      report.append(
        ReportTable(
          key: "removed", title: "Tensors of the base that are not used", columns: [ReportColumn("name", "Tensor")],
          rowCount: removed.count
        ) { [.text(removed[$0])] })
    }
    if !header.companions.isEmpty { report.append(files) }
  }

  private var models: ReportFacts {
    ReportFacts(
      key: "models", title: "Models",
      [
        ReportFact("Base code stream", .optional(header.base.codeStream?.description), kind: .hash),
        ReportFact("Base tensors", .integer(header.base.tensors.count)),
        ReportFact("Target code stream", .optional(header.target.codeStream?.description), kind: .hash),
        ReportFact("Target tensors", .integer(header.tensors.count)),
        ReportFact("Target format", .text(header.target.format)),
        ReportFact("Target files", .integer(header.files.count + header.companions.count)),
        ReportFact("Made by", .text(header.generator), key: "generator"),
      ])
  }

  private var size: ReportFacts {
    func bytes(_ isIncluded: (TritDiffTensor) -> Bool) -> ReportValue {
      .bytes(UInt64(header.tensors.lazy.filter(isIncluded).reduce(0) { $0 + self.bytes(of: $1) }))
    }
    let files =
      header.files.reduce(0) { $0 + header.storedBytes($1.section) }
      + header.companions.reduce(0) { $0 + header.storedBytes($1.section) }
    return ReportFacts(
      key: "size", title: "Size",
      [
        ReportFact("Patch size", .bytes(byteCount), key: "patch_bytes"),
        ReportFact("Target size", .bytes(targetBytes), key: "target_bytes"),
        ReportFact(
          "Ratio", .optional(targetBytes > 0 ? Double(byteCount) / Double(targetBytes) : nil), key: "ratio",
          kind: .fraction(digits: 2)),
        ReportFact("Ternary tensors", bytes { $0.identity.isTernary }, key: "ternary_bytes"),
        ReportFact("Other tensors", bytes { !$0.identity.isTernary }, key: "dense_bytes"),
        ReportFact("Headers and files", .bytes(UInt64(files)), key: "file_bytes"),
      ])
  }

  private var trits: ReportFacts {
    let flips = self.flips
    let changed = Checked.clampedSum(flips)
    let compared = comparedTrits
    var facts = [
      ReportFact("Trits compared", .integer(compared), key: "compared"),
      ReportFact("Trits changed", .integer(changed), key: "changed"),
      ReportFact(
        "Share", .optional(compared > 0 ? Double(changed) / Double(compared) : nil), key: "changed_share",
        kind: .fraction(digits: 3)),
    ]
    let labels = ["−1 to 0", "−1 to +1", "0 to −1", "0 to +1", "+1 to −1", "+1 to 0"]
    for (index, label) in labels.enumerated() {
      facts.append(ReportFact(label, .integer(flips[index]), key: TritDiffChange.flipKeys[index]))
    }
    facts.append(ReportFact("Sign changes", .integer(Checked.clampedSum([flips[1], flips[4]]))))
    facts.append(ReportFact("Scales changed", .integer(changedScales)))
    return ReportFacts(key: "trits", title: "Trits", facts)
  }

  private var table: ReportTable {
    var table = ReportTable(
      key: "tensors", title: "Tensors",
      columns: [
        ReportColumn("name", "Tensor"), ReportColumn("shape", "Shape"), ReportColumn("encoding", "Encoding"),
        ReportColumn("coding", "Coding"), ReportColumn("changed", "Changed", kind: .integer),
        ReportColumn("changed_share", "Share", kind: .fraction(digits: 3)),
        ReportColumn("sign_changes", "Signs", kind: .integer), ReportColumn("scale", "Scale"),
        ReportColumn("largest_change", "Largest", kind: .significant(digits: 3)),
        ReportColumn("bytes", "Bytes", kind: .bytes), ReportColumn("from", "From"),
      ], rowCount: header.tensors.count
    ) { [self] in row(header.tensors[$0]) }
    table.setFooter([
      "total", .missing, .missing, .missing,
      .integer(Checked.clampedSum(header.tensors.lazy.map { $0.change?.count ?? 0 })),
      .missing, .integer(Checked.clampedSum([flips[1], flips[4]])), .missing, .missing,
      .bytes(UInt64(header.tensors.reduce(0) { $0 + bytes(of: $1) })), .missing,
    ])
    return table
  }

  private func row(_ tensor: TritDiffTensor) -> [ReportValue] {
    let identity = tensor.identity
    var encoding = tensor.layout?.rawValue ?? ""
    if case .bytes(let stored, _, _) = identity.content { encoding = stored.name }
    var (signs, largest) = (ReportValue.missing, ReportValue.missing)
    switch tensor.change {
    case .flips(let counts): signs = .integer(Checked.clampedSum([counts[1], counts[4]]))
    case .elements(_, let change): largest = .optional(change)
    case nil: break
    }
    let count = tensor.change?.count
    let share = count.map { identity.shape.elementCount > 0 ? Double($0) / Double(identity.shape.elementCount) : 0 }
    // Where it has another name in the base.
    let from = tensor.from.flatMap { ExactString($0) == ExactString(identity.name) ? nil : $0 }
    return [
      .text(identity.name), .list(identity.shape.dimensions.map { .integer($0) }), .text(encoding),
      .text(tensor.from == nil ? "new" : tensor.coding.rawValue), count.map { .integer($0) } ?? .missing,
      .optional(share), signs, .optional(tensor.scale.map { $0 == .same ? "same" : "new" }), largest,
      .bytes(UInt64(bytes(of: tensor))), .optional(from),
    ]
  }

  private var files: ReportTable {
    var table = ReportTable(
      key: "files", title: "Other files",
      columns: [
        ReportColumn("name", "File"), ReportColumn("file_bytes", "Size", kind: .bytes),
        ReportColumn("origin", "Origin"), ReportColumn("bytes", "Bytes in patch", kind: .bytes),
      ])
    for file in header.companions {
      table.append([
        .text(file.name), .bytes(UInt64(file.byteCount)), .text(file.section == nil ? "base" : "patch"),
        .bytes(UInt64(header.storedBytes(file.section))),
      ])
    }
    return table
  }
}
