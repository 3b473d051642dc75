// Tritsmith: what a health check found.

import TritCore
import TritReport
import TritSurvey
import VisibleText

/// What a health check found.
public struct CheckResult: Sendable {
  package var path: String
  /// Nil when the model cannot be opened.
  package var format: String?
  package var kind: ModelKind?
  package var tensors: Int
  /// Tensors whose values were read.
  package var readTensors: Int
  package var findings: [CheckFinding]
  /// Whether warnings fail as well.
  package var isStrict: Bool
  /// What could not be looked at.
  package var notes: [String]
  /// What no rule decides and everyone should know.
  package var cautions: [String] = []
  /// What holding the weights against a sibling's gave; nil where none was named, or the model was not read.
  package var sibling: SiblingComparison?

  /// Findings of that severity.
  package func count(_ severity: CheckSeverity) -> Int { findings.count { $0.severity == severity } }
  /// Whether there is no error, and, of a strict check, no warning.
  public var passed: Bool { count(.error) == 0 && (!isStrict || findings.isEmpty) }

  /// The report of `tritsmith check`, schema `tritsmith.check` 1.
  public var report: ReportDocument {
    var report = ReportDocument(
      title: "Check", schema: ReportSchema("tritsmith.check", version: 1),
      verdict: ReportVerdict(passed ? .pass : .fail, headline),
      primaryTable: "findings")
    report.append(ReportFacts(key: "check", facts))
    var table = ReportTable(
      key: "findings", title: "Findings",
      columns: [
        ReportColumn("severity", "Severity", kind: .severity), ReportColumn("rule", "Rule"),
        ReportColumn("subject", "Where"), ReportColumn("detail", "What"),
      ])
    table.columns[3].isProse = true
    for finding in findings {
      table.append([
        .text(finding.severity.rawValue), .text(finding.rule.rawValue), .text(finding.subject), .text(finding.detail),
      ])
    }
    report.append(table)
    for caution in cautions { report.note(.warning, caution) }
    for note in notes { report.note(.info, note) }
    // What the findings say of tensors and files, the notes of opening them say again.
    let saysDamage = findings.contains { $0.rule == .damaged }
    let told = notes.filter { note in
      saysDamage && note.contains(text: "damaged") || findings.contains { $0.isTold(by: note) }
    }
    report.brief = ReportBrief(
      briefKeys,
      rows: ["findings": Array(findings.indices)], told: Set(told))
    return report
  }

  /// Beside what is wrong with a sibling there is no room for numbers that the headline has, and for zeros.
  private var briefKeys: Set<String> {
    let always: Set = ["path", "kind", "sibling", "sibling_tensors", "sibling_different"]
    if !passed, let sibling {
      return always.union(sibling.equal > 0 ? ["sibling_equal"] : [])
        .union(sibling.rounded > 0 ? ["sibling_rounded"] : [])
    }
    return always.union(["errors", "warnings", "tensors_read", "rules"]).union(SiblingComparison.keys)
  }

  /// What it comes down to: what was compared with a sibling is part of it.
  private var headline: String {
    let warnings = plural(count(.warning), "warning")
    guard passed else { return plural(count(.error), "error") + ", " + warnings }
    // What no rule decides is no warning, and no PASS passes over it.
    let open = cautions.isEmpty ? "" : "; \(plural(cautions.count, "point")) left open, below"
    let text = (findings.isEmpty ? "nothing is wrong" : "no errors, \(warnings)") + open
    guard let sibling else { return text }
    guard sibling.isSame else {
      return text + "; \(sibling.different) of \(sibling.tensors) tensors differ from \(printable(sibling.path))"
    }
    return text + "; all \(sibling.tensors) tensors hold the weights of \(printable(sibling.path))"
      + (sibling.rounded > 0 ? ", \(sibling.rounded) of them rounded by their types" : "")
      + " (settings and tokenizers were not compared: 'tritsmith compare' does)"
  }

  private var facts: [ReportFact] {
    // Points left open are told as warnings are, and no rule has them.
    let open = cautions.isEmpty ? nil : "of rules; \(plural(cautions.count, "point")) left open beside them"
    let facts = [
      ReportFact("Path", .text(path)), ReportFact("Format", .optional(format)),
      ReportFact("Kind", .optional(kind?.rawValue)), ReportFact("Passed", .bool(passed)),
      ReportFact("Strict", .bool(isStrict)), ReportFact("Errors", .integer(count(.error))),
      ReportFact("Warnings", .integer(count(.warning)), note: open), ReportFact("Tensors", .integer(tensors)),
      ReportFact("Tensors read", .integer(readTensors)), ReportFact("Rules", .integer(CheckRule.allCases.count)),
    ]
    return facts + (sibling?.facts ?? [])
  }
}
