// Tritsmith: a family check as a report.

import TritCore
import TritReport
import TritSurvey
import TritVerification

extension FamilyResult {
  /// The report of `tritsmith family`, schema `tritsmith.family` 2.
  package var report: ReportDocument {
    var report = ReportDocument(
      title: "Family", schema: ReportSchema("tritsmith.family", version: 2), primaryTable: "proofs")
    report.append(
      ReportFacts(
        key: "family",
        [
          ReportFact("Passed", .bool(passed)), ReportFact("Models", .integer(members.count)),
          ReportFact("Families", .integer(families), note: "models that belong together are one"),
        ]))
    report.append(memberTable)
    report.append(proofTable)
    for note in notes { report.note(.info, note) }
    for member in members {
      if let fault = member.fault { report.note(.error, "\(printable(member.path)) cannot be read: \(fault)") }
    }
    // What could not be compared is told first: there is something to mend before the others are believed.
    for proof in proofs.filter({ !$0.isCompared }) + proofs.filter({ $0.isCompared && !$0.holds }) {
      // A detail about a tensor that one side lacks begins with its name.
      let isNamed = proof.detail.hasPrefix("tensor '") || proof.detail.hasPrefix("'")
      let tensor = isNamed ? "" : proof.firstTensor.map { "tensor '\(printable($0))': " } ?? ""
      // Of what was not compared the detail says so. An equation of weights holds where another part differs.
      let weights = proof.differingParts.isEmpty ? " does not hold" : " holds, but not all else"
      let outcome = proof.isCompared ? weights : ""
      report.note(.error, "\(proof.equation)\(outcome): \(tensor)\(proof.detail)")
    }
    report.conclude(passed, verdict)
    // Errors say which proofs do not hold, and why.
    report.brief = ReportBrief(["families", "models"])
    return report
  }

  private var verdict: String {
    let unread = members.count - readable
    guard unread > 0 else { return passed ? "\(both) are forms of one model: " + common : failure }
    let others = proofs.allSatisfy(\.holds) ? "the other \(readable) are forms of one model" : "the others: " + failure
    return "\(unread) of \(plural(members.count, "model")) cannot be read; \(others)"
  }

  private var both: String { readable == 2 ? "both" : "all \(readable)" }

  private var failure: String {
    let open = proofs.count { !$0.isCompared }
    guard open == 0 else {
      let wrong = proofs.count { $0.isCompared && !$0.holds }
      let pairs = plural(proofs.count, "pair")
      guard wrong > 0 else { return "\(open) of \(pairs) could not be compared: a model cannot be read" }
      return "\(wrong) of \(pairs) \(wrong == 1 ? "does" : "do") not hold, and \(open) could not be compared"
    }
    if let besideWeights { return besideWeights }
    guard families == 1 else { return "the \(readable) models form \(families) families" }
    let wrong = proofs.count { !$0.holds }
    return
      "\(wrong) of \(plural(proofs.count, "pair")) \(wrong == 1 ? "does" : "do") not hold: other pairs alone join the "
      + "\(readable) models"
  }

  /// What to say where weights are equal in every pair, and another part is not; nil where that is not so.
  private var besideWeights: String? {
    let wrong = proofs.filter { !$0.holds }
    let weights = proofs.compactMap { $0.parts[.weights]?.outcome }
    guard !wrong.isEmpty, wrong.allSatisfy({ !$0.differingParts.isEmpty }), weights.count == proofs.count,
      weights.allSatisfy({ $0 == .equal || $0 == .rounded })
    else { return nil }
    let names = ModelPart.allCases.filter { part in wrong.contains { $0.differingParts.contains(part) } }
    let subject = names == [.tokenizer] ? "their tokenizers" : names.map(\.rawValue).joined(separator: " and ")
    let verb = names.count == 1 && names != [.tokenizer] ? "differs" : "differ"
    let rounding = weights.contains(.rounded) ? " but for rounding by types" : ""
    return "weights are equal in \(both) models\(rounding), and "
      + "\(subject) \(verb)"
  }

  /// What every pair has equal.
  private var common: String {
    let verdicts = Set(proofs.map(\.parts.verdict))
    return verdicts.count == 1 ? proofs[0].parts.verdict : "weights, description and tokenizer hold in every pair"
  }

  private var memberTable: ReportTable {
    var table = ReportTable(
      key: "models", title: "Models",
      columns: [
        ReportColumn("family", "Family", kind: .integer), ReportColumn("path", "Path"),
        ReportColumn("format", "Format"), ReportColumn("kind", "Kind"),
        ReportColumn("code_stream", "Code stream", .codeStream, kind: .hash),
      ])
    for member in members {
      table.append([
        member.fault == nil ? .integer(member.family) : .missing, .text(member.path),
        member.fault == nil ? .text(member.format) : .missing, .text(member.kind?.rawValue ?? "unreadable"),
        .optional(member.codeStream?.description),
      ])
    }
    return table
  }

  private var proofTable: ReportTable {
    var table = ReportTable(
      key: "proofs", title: "Proofs",
      columns: [
        ReportColumn("equation", "Equation"), ReportColumn("holds", "Holds", kind: .bool),
        ReportColumn("tensors", "Tensors", kind: .integer), ReportColumn("trits", "Trits", kind: .integer),
        ReportColumn("trits_that_differ", "Differ", kind: .integer),
        ReportColumn("scales_agree", "Scales agree", kind: .bool), ReportColumn("description", "Description"),
        ReportColumn("tokenizer", "Tokenizer"), ReportColumn("companions", "Companions"),
        ReportColumn("first_tensor", "First that does not"),
        ReportColumn("detail", "Detail"),
      ])
    // The equation tells pairs apart; beside it there is room for the reason alone.
    table.columns[10].isProse = true
    for index in 2..<10 { table.columns[index].isAside = true }
    for proof in proofs {
      table.append([
        .text(proof.equation), .bool(proof.holds), .integer(proof.tensors), .integer(proof.trits),
        .integer(proof.mismatches), proof.scalesAgree.map { .bool($0) } ?? .missing,
        .optional(proof.parts[.description]?.outcome.rawValue), .optional(proof.parts[.tokenizer]?.outcome.rawValue),
        .optional(proof.parts[.companions]?.outcome.rawValue), .optional(proof.firstTensor),
        .text(proof.detail),
      ])
    }
    return table
  }
}
