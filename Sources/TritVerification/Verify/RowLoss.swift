// Tritsmith: rounding that takes more than digits.

import TritCore
import TritSurvey

/// A row of which a storage type keeps too little to call that rounding: numbers too small for it became 0, or lost
/// nearly all of their digits.
@usableFromInline package struct RowLoss: Sendable, Hashable {
  var row: Int
  /// √(Σ(before − after)² / Σbefore²).
  var share: Double

  /// For people.
  package func text(_ type: String) -> String {
    "row \(row) loses \(RoundingReport.text(share * 100)) % of its size in \(type): that is no rounding"
  }

  /// The first row that loses more than its type's rounding can take; nil when there is none.
  ///
  /// The bounds are `StoredRounding`'s: a block's largest error is its largest number ÷ 254 in Q8_0, ÷ 62 in Q6_K, and a
  /// largest number is at most √32 and 4 times the spread of its block.
  ///
  /// Concrete for both types of numbers: modules that import this one would get a generic one unspecialized.
  package init?(_ before: [Double], _ after: [Double], columns: Int, firstRow: Int, bound: Double) {
    self.init(min(before.count, after.count), columns, firstRow, bound) { (before[$0], after[$0]) }
  }

  package init?(_ before: [Float], _ after: [Float], columns: Int, firstRow: Int, bound: Double) {
    self.init(min(before.count, after.count), columns, firstRow, bound) { (Double(before[$0]), Double(after[$0])) }
  }

  @inline(__always)
  private init?(
    _ count: Int, _ columns: Int, _ firstRow: Int, _ bound: Double, _ numbers: (Int) -> (before: Double, after: Double)
  ) {
    var (row, column, error, size) = (firstRow, 0, 0.0, 0.0)
    for index in 0..<count {
      let (a, b) = numbers(index)
      error += (a - b) * (a - b)
      size += a * a
      column += 1
      guard column == columns else { continue }
      if error > bound * bound * size {
        (self.row, share) = (row, (error / size).squareRoot())
        return
      }
      (row, column, error, size) = (row + 1, 0, 0, 0)
    }
    return nil
  }
}

extension StoredRounding {
  /// What a type numbers are stored in does to them; nil where it keeps Float, or is not known.
  package init?(of encoding: TensorEncoding) {
    switch encoding {
    case .dense(.f16): self = .f16
    case .dense(.bf16): self = .bf16
    case .opaque(let name): self.init(blocks: name)
    default: return nil
    }
  }
}
