// Tritsmith: the parts of a model that a proof keeps apart.

import TritCore
import TritModel
import TritReport
import TritSurvey
import VisibleText

/// A part of a model. All of the first three make it the model it is.
public enum ModelPart: String, Sendable, Hashable, CaseIterable {
  /// Tensors: trits, scales, dense numbers.
  case weights
  /// What `config.json` or GGUF keys say and logits depend on.
  case description
  /// Vocabulary, merges, added tokens, special ids, and the ids of texts.
  case tokenizer
  /// Generation settings and chat template: what a program does with the model's logits.
  case companions

  /// Those a verdict needs.
  public static let needed: Set<ModelPart> = [.weights, .description, .tokenizer]
}

/// What was found for a part of two models.
package struct PartFinding: Sendable, Hashable {
  /// How the two stand to each other.
  package enum Outcome: String, Sendable, Hashable {
    case equal
    /// Weights only: the same but for what storing numbers in other types did to them.
    case rounded
    case differs
    /// The codes are equal; scales were lost where that was allowed.
    case scalesLost = "scales-lost"
    /// Neither model has this part.
    case none
    case notCompared = "not-compared"
  }

  package var part: ModelPart
  package var outcome: Outcome
  /// For people: what was compared, or why nothing was.
  package var detail: String
  /// Settings that are not the same.
  package var differences: [DescriptionDifference]
  /// Differences that are not of settings, a line each.
  package var lines: [String]
  /// What types did to weights that are rounded.
  package var rounding: WeightRounding?
  /// What has to be so for it to be equal, said behind the word: "if …".
  package var condition: String?
  /// What a verdict says of this part beside its outcome.
  package var remarks: [String] = []
  /// Equal key for key, where not every key is understood.
  package var isPartlyUnderstood = false

  package init(
    _ part: ModelPart, _ outcome: Outcome, _ detail: String, differences: [DescriptionDifference] = [],
    lines: [String] = []
  ) {
    self.part = part
    self.outcome = outcome
    self.detail = detail
    self.differences = differences
    self.lines = lines
  }

  /// The finding of weights that are the same, as far as types can hold them.
  package init(weights detail: String, _ rounding: WeightRounding) {
    self.init(
      .weights, rounding.isEmpty ? .equal : .rounded,
      detail + (rounding.isEmpty ? "" : "; rounded by types: \(rounding.phrase)"))
    self.rounding = rounding.isEmpty ? nil : rounding
  }

  /// Whether a verdict that needs this part can stand.
  package var holds: Bool {
    switch outcome {
    case .equal, .rounded, .none, .scalesLost: true
    case .differs, .notCompared: false
    }
  }

  /// The first difference, or the detail, in a line.
  package var text: String {
    guard let first = differences.first else { return detail }
    let more = differences.count > 1 ? " and \(differences.count - 1) more" : ""
    let values = [first.first, first.second].map { printable($0) }
    // Values of several words would read as one.
    let shown = values.contains { $0.contains(" ") } ? values.map { "'\($0)'" } : values
    return "\(printable(first.key)): \(shown[0]) and \(shown[1])\(more)"
  }
}

/// What was found for all parts of two models, and which of them a verdict needs.
package struct PartFindings: Sendable {
  package var findings: [PartFinding]
  /// Parts the verdict is limited to.
  package var needed: Set<ModelPart>
  /// What the user said that files do not, or not so: the verdict rests on it.
  package var remarks: [String] = []

  package init(_ findings: [PartFinding], needed: Set<ModelPart> = ModelPart.needed) {
    self.findings = findings
    self.needed = needed
  }

  package subscript(_ part: ModelPart) -> PartFinding? { findings.first { $0.part == part } }

  /// Parts the verdict needs and does not get.
  package var failing: [PartFinding] { findings.filter { needed.contains($0.part) && !$0.holds } }
  /// Something was compared, and nothing of it fails. Two files without a tensor were both looked through.
  package var holds: Bool {
    failing.isEmpty
      && findings.contains {
        needed.contains($0.part) && ($0.part == .weights || $0.outcome != PartFinding.Outcome.none)
      }
  }

  /// Why the verdict does not hold, as a sentence of its own.
  ///
  /// - Parameters:
  ///   - difference: what it means that something differs.
  ///   - doubt: what it means that something was not compared, and nothing differs.
  package func failure(_ problem: String?, difference: String, doubt: String) -> String {
    let problem = problem ?? ""
    if failing.isEmpty { return problem }
    return (failing.allSatisfy { $0.outcome == .notCompared } ? doubt : difference) + ": " + problem
  }

  /// Why the verdict does not hold, in a line; nil when it does.
  package var problem: String? {
    if let first = failing.first { return "\(first.part.rawValue): \(first.text)" }
    return holds ? nil : "nothing was compared: \(verdict)"
  }

  /// A line about what a verdict rests on: "weights, description, tokenizer equal". What differs without mattering to the
  /// verdict is said too.
  package var verdict: String {
    let looked = ModelPart.allCases.filter { needed.contains($0) }
    let same = looked.filter { self[$0]?.outcome == .equal }
    let equal = same.filter { self[$0]?.condition == nil }.map {
      $0.rawValue + (self[$0]?.isPartlyUnderstood == true ? " (key for key, not all understood)" : "")
    }
    let conditional = same.compactMap { part in self[part]?.condition.map { "\(part.rawValue) equal \($0)" } }
    let none = looked.filter { self[$0]?.outcome == PartFinding.Outcome.none }.map(\.rawValue)
    var parts = (equal.isEmpty ? [] : [equal.joined(separator: ", ") + " equal"]) + conditional
    if needed.contains(.weights), let finding = self[.weights] {
      if let rounding = finding.rounding {
        parts.insert("weights equal but for rounding by types: \(rounding.phrase)", at: 0)
      }
      if finding.outcome == .scalesLost { parts.insert("weights: \(finding.detail)", at: 0) }
    }
    if !none.isEmpty { parts.append("no " + none.joined(separator: ", ") + " on either side") }
    let left = ModelPart.needed.subtracting(needed).map(\.rawValue).sorted()
    if !left.isEmpty { parts.append(left.joined(separator: ", ") + " not looked at, as asked") }
    if !needed.contains(.companions), let companions = self[.companions], companions.outcome == .differs {
      parts.append("companions differ (\(companions.text))")
    }
    parts += told.filter { $0.condition == nil }.flatMap(\.remarks)
    return (parts + remarks).joined(separator: "; ")
  }

  /// Findings whose remarks count.
  private var told: [PartFinding] { findings.filter { needed.contains($0.part) || $0.part == .companions } }

  /// What stands behind conditions of the verdict, which names them alone.
  package var asides: [String] { told.filter { $0.condition != nil }.flatMap(\.remarks) }

  /// A row for each part.
  package var table: ReportTable {
    var table = ReportTable(
      key: "parts", title: "Parts",
      columns: [
        ReportColumn("part", "Part"), ReportColumn("outcome", "Outcome"), ReportColumn("needed", "Needed", kind: .bool),
        ReportColumn("detail", "Detail"),
      ])
    table.columns[3].isProse = true
    for finding in findings {
      table.append([
        .text(finding.part.rawValue), .text(finding.outcome.rawValue), .bool(needed.contains(finding.part)),
        .text(finding.text),
      ])
    }
    return table
  }

  /// Rows of `table` that say more than that a part is equal, and more than a verdict and `differences` say of it. Where
  /// a verdict fails, what holds is no news: those that fail are shown, unless the verdict tells of each.
  package func notableRows(beside verdict: String) -> [Int] {
    let notable = findings.indices.filter { index in
      let finding = findings[index]
      return finding.outcome != .equal && finding.outcome != PartFinding.Outcome.none && finding.differences.isEmpty
        && finding.lines.isEmpty && (holds || needed.contains(finding.part) && !finding.holds)
    }
    let untold = notable.filter { !verdict.contains(text: findings[$0].rounding?.phrase ?? findings[$0].text) }
    return holds || untold.isEmpty ? untold : notable
  }

  /// Rows of `differences`, the first of each part before the second of any. Where a verdict fails for something else,
  /// what it does not rest on is no news.
  package var tellingDifferences: [Int] {
    var start = 0
    var places: [(rank: Int, row: Int)] = []
    for finding in findings {
      let count = finding.differences.count + finding.lines.count
      if holds || needed.contains(finding.part) { places += (0..<count).map { (rank: $0, row: start + $0) } }
      start += count
    }
    return places.sorted { ($0.rank, $0.row) < ($1.rank, $1.row) }.map(\.row)
  }

  /// Everything that differs, beside the weights.
  package var differences: ReportTable? {
    guard findings.contains(where: { !$0.differences.isEmpty || !$0.lines.isEmpty }) else { return nil }
    var table = ReportTable(
      key: "part_differences", title: "Differences beside the weights",
      columns: [
        ReportColumn("part", "Part"), ReportColumn("key", "Key"), ReportColumn("first", "First"),
        ReportColumn("second", "Second"),
      ])
    // A line of its own has no values beside it, and no value is cut.
    table.columns[1].runsOver = true
    for index in [2, 3] { table.columns[index].isProse = true }
    for finding in findings {
      let part = ReportValue.text(finding.part.rawValue)
      for difference in finding.differences {
        table.append([part, .text(difference.key), .text(difference.first), .text(difference.second)])
      }
      for line in finding.lines { table.append([part, .text(line), .missing, .missing]) }
    }
    return table
  }
}
