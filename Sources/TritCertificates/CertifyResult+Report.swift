// Tritsmith: a checked certificate as a report.

import TritCore
import TritReport

extension CertifyResult {
  /// The report of `tritsmith certify`, schema `tritsmith.certify` 1.
  package var report: ReportDocument {
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
            note: reproduced ? repetition : "not tried: \(whyNotTried)"),
          ReportFact("Code stream", .optional(certificate.codeStream?.description), kind: .hash),
        ]))
    var table = ReportTable(
      key: "checks", title: "Checks",
      columns: [
        ReportColumn("of", "Of"), ReportColumn("file", "File or field"), ReportColumn("verdict", "Verdict"),
        ReportColumn("sha256", "Expected SHA-256"), ReportColumn("found", "Found"), ReportColumn("detail", "Detail"),
      ])
    for check in checks {
      table.append([
        .text(check.of), .text(check.name), .text(check.verdict.rawValue), .optional(check.expected),
        .optional(check.verdict == .equal ? nil : check.found),
        .optional(check.detail ?? givenName(check).map { "here as '\($0)'" }),
      ])
    }
    report.append(table)
    if !reproduced {
      report.note(.info, "the conversion was not done again (\(whyNotTried)): hashes of what is here were compared")
    }
    report.note(passed ? .pass : .fail, conclusion)
    report.brief = ReportBrief(
      ["path", "source", "output", "reproduced"],
      rows: ["checks": checks.indices.filter { checks[$0].verdict != .equal }])
    return report
  }

  private var conclusion: String {
    if isNew {
      let place = printable(path)
      return passed
        ? "'\(place)' is written: the conversion gave every byte of the output again"
        : "'\(place)' is not written: the conversion gives another output: \(wrong)"
    }
    guard passed else { return "not what the certificate says: \(wrong)" }
    return reproduced
      ? "files, names, request, recipe, audit and code stream are what the certificate says"
      : "hashes and names of what is here are what the certificate says"
  }

  /// What the conversion gave that was done again; the file that is here has its own check.
  private var repetition: String {
    let compared = checks.filter { $0.of == (isNew ? "output" : "reproduced") }
    let isEqual = compared.allSatisfy { $0.verdict == .equal }
    let other = isNew ? "the output's" : "the certified ones"
    return "converted again: its bytes are \(isEqual ? "" : "not ")\(other)"
  }

  private var whyNotTried: String {
    checks.contains { $0.of == "input" && $0.verdict != .equal }
      ? "the source is not the one that was converted" : "hashes alone were asked for"
  }

  /// What does not hold, by name.
  private var wrong: String {
    let names = checks.filter { $0.verdict != .equal }.map { check in
      guard let given = givenName(check) else {
        return "\(check.of) '\(printable(check.name))' \(check.verdict.rawValue)"
      }
      return "output '\(given)' \(check.verdict.rawValue) (certified as '\(printable(check.name))')"
    }
    return names.prefix(4).joined(separator: ", ") + (names.count > 4 ? " and \(names.count - 4) more" : "")
  }

  /// The name of the one output file that is here, where it was certified under another.
  private func givenName(_ check: Check) -> String? {
    guard check.of == "output", check.name == certificate.outputName, let output else { return nil }
    let name = FileSystem.name(of: output)
    return name == check.name ? nil : printable(name)
  }
}
