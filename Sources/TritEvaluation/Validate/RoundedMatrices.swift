// Tritsmith: the matrices of two models that rounding alone keeps apart.

import TritReport
import TritSurvey
import VisibleText

/// How many matrices are not equal, and by how much, where rounding explains it.
package struct RoundedMatrices: Sendable, Hashable {
  /// Those whose scales differ, and the largest change of one, as a share of it.
  package var scales = 0
  package var largestScaleChange = 0.0
  /// Those whose numbers differ, which have no scales, and the largest √(Σ (a − b)² / Σ a²).
  package var numbers = 0
  package var largestNumberChange = 0.0
  /// Steps whose scales are no rounding of each other: one number may have been rounded on each side.
  package var common: [String] = []

  /// Steps whose numbers stand in blocks that were not proven to be the other side's: within the blocks' steps they
  /// may be others.
  package var open: [String] = []

  package init() {}

  package var isEmpty: Bool { scales == 0 && numbers == 0 && open.isEmpty }

  /// - Parameter agreement: of the scales of a step; nil where it has none.
  mutating func add(
    _ step: String, _ agreement: ScaleAgreement?, _ measured: MatrixRounding?, isOfBlocks: Bool = false
  ) {
    guard !isOfBlocks || measured?.blocks == .proven else { return open.append(step) }
    if let agreement {
      guard let change = agreement.rounding?.relative else { return }
      scales += 1
      largestScaleChange = max(largestScaleChange, change)
      if agreement.certainty.level <= .common { common.append(step) }
    } else if let measured, measured.isExplained, measured.share > 0 {
      numbers += 1
      largestNumberChange = max(largestNumberChange, measured.share)
    }
  }

  /// For people: what differs, and what explains it.
  var sentence: String {
    var parts: [String] = []
    if scales > 0 {
      let change = ScaleRounding.parts(largestScaleChange)
      parts.append("scales of \(plural(scales, "matrix", "matrices")) differ, by up to \(change)")
    }
    if numbers > 0 {
      let change = ScaleRounding.parts(largestNumberChange)
      parts.append("numbers of \(plural(numbers, "matrix", "matrices")) differ, by up to \(change) of a matrix")
    }
    var text = parts.isEmpty ? "" : parts.joined(separator: ", ") + ": rounding explains them"
    if !common.isEmpty {
      text += ", of \(RoundedMatrices.list(common)) only if one number was rounded in two ways"
    }
    if !open.isEmpty {
      text += (text.isEmpty ? "" : "; ") + "numbers in blocks of \(RoundedMatrices.list(open)) were proven only within "
      text += "the blocks' steps"
    }
    return text
  }

  /// Some steps by their names, the first of many.
  static func list(_ steps: [String]) -> String {
    steps.prefix(3).map(layerName).joined(separator: ", ") + (steps.count > 3 ? " and \(steps.count - 3) more" : "")
  }

  var facts: ReportFacts {
    ReportFacts(
      key: "rounding", title: "Matrices that rounding keeps apart",
      [
        ReportFact("Scales differ", .integer(scales), key: "scales_differ", note: "matrices"),
        ReportFact("Largest change of a scale", .number(largestScaleChange), key: "largest_scale_change"),
        ReportFact("Numbers differ", .integer(numbers), key: "numbers_differ", note: "matrices without scales"),
        ReportFact("Largest change of a matrix", .number(largestNumberChange), key: "largest_number_change"),
        ReportFact(
          "Need one number", .optional(common.isEmpty ? nil : common.joined(separator: ", ")), key: "need_one_number",
          note: "that both sides rounded"),
      ])
  }
}
