// Tritsmith: whether two stored scales are the same scale.

import TritCore

/// Compares scales that may be stored in different types, by what trits are multiplied by.
///
/// A type with fewer digits than the other's is taken at its word: f16(1/s) in a file agrees with a divisor s of which
/// it is the rounding. That it was rounded is said, and by how much.
struct ScaleAgreement {
  let difference: String?
  /// What rounding did, for people; nil when the multipliers are the same numbers.
  let note: String?

  var agrees: Bool { difference == nil }

  init(_ expected: TernaryScale, _ found: TernaryScale, shape: TensorShape) {
    let left = expected.multipliers
    let right = found.multipliers
    var worst = 0.0
    var rounded = ""
    // On the finer of the two grids.
    let grid = ScaleAgreement.finer(expected.granularity, found.granularity)
    let perRow = grid == .tensor ? 1 : grid.count(rows: 1, columns: shape.columns)
    for row in 0..<(grid == .tensor ? min(1, shape.rows) : shape.rows) {
      for group in 0..<perRow {
        let a = left[ScaleAgreement.index(expected.granularity, row, group, perRow, shape)]
        let b = right[ScaleAgreement.index(found.granularity, row, group, perRow, shape)]
        // A scale of 0 among others marks a block of zeros, for which any scale is as good.
        if a == b || (a == 0 || b == 0) && grid != .tensor { continue }
        if TernaryScale.rounded(a, to: found.storage) == b {
          rounded = found.storage.rawValue
        } else if TernaryScale.rounded(b, to: expected.storage) == a {
          rounded = expected.storage.rawValue
        } else if ScaleAgreement.isDenseForm(a, of: b, found) || ScaleAgreement.isDenseForm(b, of: a, expected) {
          rounded = DType.bf16.rawValue
        } else {
          let place = grid == .tensor ? "" : " of row \(row)" + (perRow > 1 ? ", group \(group)" : "")
          difference = "a trit\(place) is multiplied by \(b), expected \(a)"
          note = nil
          return
        }
        worst = max(worst, abs(Double(a) - Double(b)) / Double(max(a, b)))
      }
    }
    difference = nil
    note = worst == 0 ? nil : "scale rounded to \(rounded), by \(ScaleAgreement.parts(worst))"
  }

  /// Whether a multiplier is what a dense bfloat16 checkpoint holds for the stored divisor behind another: bf16(1/s).
  ///
  /// A multiplier in f16 is such a 1/s rounded before: bf16 of it can be another number than bf16(1/s).
  private static func isDenseForm(_ dense: Float, of multiplier: Float, _ scale: TernaryScale) -> Bool {
    switch (scale.convention, scale.storage) {
    case (.divide, .bf16): BFloat16.rounded(multiplier) == dense
    case (.multiply, .f16):
      TernaryScale.divisor(ofMultiplier: multiplier, storage: .f16).map { BFloat16.rounded(1 / $0.float) } == dense
    default: false
    }
  }

  /// A relative error in millionths.
  private static func parts(_ error: Double) -> String {
    let millionths = error * 1e6
    return millionths < 0.1 ? "less than 0.1 ppm" : "\((millionths * 10).rounded() / 10) ppm"
  }

  private static func finer(_ a: ScaleGranularity, _ b: ScaleGranularity) -> ScaleGranularity {
    func rank(_ granularity: ScaleGranularity) -> Int {
      switch granularity {
      case .tensor: 0
      case .row: 1
      case .group: 2
      }
    }
    return rank(a) >= rank(b) ? a : b
  }

  private static func index(
    _ granularity: ScaleGranularity, _ row: Int, _ group: Int, _ perRow: Int, _ shape: TensorShape
  ) -> Int {
    switch granularity {
    case .tensor: 0
    case .row: row
    case .group(let size):
      // Groups of another size than the grid's: the one the group begins in.
      row * granularity.count(rows: 1, columns: shape.columns)
        + min(group * ((shape.columns + perRow - 1) / perRow) / size, (shape.columns - 1) / size)
    }
  }
}
