// Tritsmith: a checked certificate as a report.

import TritCore
import TritReport

extension CertifyResult {
  /// The report of `tritsmith certify`, schema `tritsmith.certify` 1.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Certificate", schema: ReportSchema("tritsmith.certify", version: 1), primaryTable: "checks")
    report.append(
      ReportFacts(
        key: "certificate",
        [
          ReportFact("Certificate", .text(path), key: "path"),
          ReportFact("Source", .optional(source)),
          ReportFact("Output", .optional(output)),
          ReportFact("Passed", .bool(passed)),
          // Of what was not tried there is no yes and no no.
          ReportFact(
            "Reproduced", reproduced ? .bool(true) : .missing,
            note: reproduced ? "converted again and compared byte for byte" : "not tried: \(whyNotTried)"),
          ReportFact("Code stream", .optional(certificate.codeStream?.description), kind: .hash),
        ]))
    var table = ReportTable(
      key: "checks", title: "Checks",
      columns: [
        ReportColumn("of", "Of"), ReportColumn("file", "File or field"), ReportColumn("verdict", "Verdict"),
        ReportColumn("sha256", "SHA-256, expected"), ReportColumn("found", "Found"), ReportColumn("detail", "Detail"),
      ])
    for check in checks {
      table.append([
        .text(check.of), .text(check.name), .text(check.verdict.rawValue), .optional(check.expected),
        .optional(check.verdict == .equal ? nil : check.found), .optional(check.detail),
      ])
    }
    report.append(table)
    if !reproduced {
      report.note(.info, "the conversion was not done again (\(whyNotTried)): hashes of what is here were compared")
    }
    report.note(
      passed ? .pass : .fail,
      passed
        ? reproduced
          ? "files, names, request, recipe, audit and code stream are what the certificate says"
          : "hashes and names of what is here are what the certificate says"
        : "not what the certificate says: \(wrong)")
    report.brief = ReportBrief(
      ["path", "source", "output", "reproduced"],
      rows: ["checks": checks.indices.filter { checks[$0].verdict != .equal }])
    return report
  }

  private var whyNotTried: String {
    checks.contains { $0.of == "input" && $0.verdict != .equal }
      ? "the source is not the one that was converted" : "hashes alone were asked for"
  }

  /// What does not hold, by name.
  private var wrong: String {
    let names = checks.filter { $0.verdict != .equal }.map { "\($0.of) '\(printable($0.name))' \($0.verdict.rawValue)" }
    return names.prefix(4).joined(separator: ", ") + (names.count > 4 ? " and \(names.count - 4) more" : "")
  }
}
