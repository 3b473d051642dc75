// Tritsmith: a scale convention and its evidence, for reports.

import TritCore
import TritFormats
import TritReport

extension ScaleFinding {
  /// The finding itself, unless its evidence conflicts: then nothing may be computed with it.
  package func checked(_ path: String) throws(FormatError) -> ScaleFinding {
    guard convention == nil, isConflicting else { return self }
    throw FormatError(
      .conflictingScaleConvention(
        detail: evidence.map(\.detail).joined(separator: "; "), option: OpenOptions.usualScaleOption), file: path)
  }

  /// What speaks against the convention the user chose, in a sentence; nil where nothing does.
  package var doubt: String? {
    guard isChosen, let convention else { return nil }
    let against = evidence.filter { $0.convention.map { $0 != convention } ?? false }.map(\.detail)
    return against.isEmpty ? nil : "the option says \(convention.rawValue), and " + against.joined(separator: "; ")
  }

  /// The convention and a line for each piece of evidence; empty when there is no packed tensor.
  package func facts(label: String = "Scale convention") -> [ReportFact] {
    guard !evidence.isEmpty else { return [] }
    let meaning =
      switch convention {
      case .divide: "weight = trit ÷ stored scale (stored: 1/absmean)"
      case .multiply: "weight = trit × stored scale (stored: absmean)"
      case nil:
        isConflicting ? "the evidence conflicts; it will not be guessed" : "not known; it will not be guessed"
      }
    var facts = [
      ReportFact(
        label, .optional(convention?.rawValue), .scaleConvention, key: "convention", note: meaning)
    ]
    for (index, evidence) in evidence.enumerated() {
      facts.append(
        ReportFact(
          "Evidence", .text(evidence.detail), key: "evidence_\(index + 1)",
          note: evidence.convention.map { "points to \($0.rawValue)" } ?? "inconclusive"))
    }
    return facts
  }
}
