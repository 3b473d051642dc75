// Tritsmith: quantizers that fit trits and scales to a matrix.

import TritCore

/// What a fit is told about a matrix before it sees its rows.
package struct MatrixEvidence: Sendable {
  package var rows: Int
  package var columns: Int
  /// Of the weights rounded to bfloat16.
  package var summary: WeightSummary
  /// Of the same weights; empty unless the quantizer asks for it.
  package var histogram: MagnitudeHistogram
  /// What the matrix is multiplied with; nil unless the quantizer asks for it.
  package var calibration: InputGram?

  package init(
    rows: Int, columns: Int, summary: WeightSummary, histogram: MagnitudeHistogram = MagnitudeHistogram(),
    calibration: InputGram? = nil
  ) {
    (self.rows, self.columns, self.summary) = (rows, columns, summary)
    (self.histogram, self.calibration) = (histogram, calibration)
  }
}

/// One matrix of trits with its scales; a weight is the sum over planes of trit × multiplier.
package struct FittedPlane: Sendable, Equatable {
  /// Row-major.
  package var trits: [Int8]
  /// Numbers of the quantizer's `scaleStorage`: one, one a row, or one a group (row by row).
  package var multipliers: [Float]

  package init(trits: [Int8], multipliers: [Float]) {
    self.trits = trits
    self.multipliers = multipliers
  }
}

/// A rule that makes trits and scales of whole rows: fits to weights that were not trained to be ternary, and rules of
/// training with scales of groups.
///
/// Scales are numbers that trits are multiplied by. Rows are fitted in any order and any number at a time, with the same
/// result.
package protocol FittingQuantizer: Quantizer {
  /// How many weights share a scale.
  var granularity: ScaleGranularity { get }
  /// Planes of trits whose sum stands for a weight.
  var planes: Int { get }
  /// The type scales are rounded to and stored in.
  var scaleStorage: DType { get }
  /// True for rules models are trained with: right for latent weights, and no fit to ordinary ones.
  var isNative: Bool { get }
  var needsHistogram: Bool { get }
  var needsCalibration: Bool { get }
  /// What is the same for all rows.
  func prepare(_ matrix: MatrixEvidence) throws(FitError) -> any RowFit
}

extension FittingQuantizer {
  package var roundsWeightsToBFloat16: Bool { true }
  package var planes: Int { 1 }
  package var scaleStorage: DType { .bf16 }
  package var isNative: Bool { false }
  package var needsHistogram: Bool { false }
  package var needsCalibration: Bool { false }
}

/// A fit ready to take rows.
package protocol RowFit: Sendable {
  /// Fits whole rows, `[rows, columns]` finite values (of bfloat16 if the quantizer rounds weights to it), and returns one `FittedPlane` a plane. With one scale
  /// for the tensor every call returns that one.
  func fit(_ weights: [Float], rows: Int) -> [FittedPlane]
}

/// Why a matrix cannot be fitted.
package enum FitError: Error, Equatable {
  case calibrationMissing
  case calibrationWidth(expected: Int, found: Int)
  /// The calibration says nothing that could be inverted.
  case singular
}

/// How often each bfloat16 magnitude occurs.
package struct MagnitudeHistogram: Sendable, Equatable {
  /// By pattern without sign; only finite magnitudes.
  package private(set) var counts: [Int] = []

  package init() {}

  /// Counts the magnitudes of some weights.
  package mutating func add(_ values: [Float]) {
    if counts.isEmpty { counts = [Int](repeating: 0, count: Int(BFloat16.infinityMagnitude)) }
    for value in values { counts[Int(min(BFloat16(value).magnitudeBits, BFloat16.infinityMagnitude - 1))] += 1 }
  }

  /// Adds the counts of another part of the same tensor.
  package mutating func merge(_ other: MagnitudeHistogram) {
    guard !counts.isEmpty, !other.counts.isEmpty else {
      if counts.isEmpty { counts = other.counts }
      return
    }
    for index in counts.indices { counts[index] += other.counts[index] }
  }

  /// Occurring magnitudes, the largest first.
  var descending: some Sequence<(magnitude: Float, count: Int)> {
    counts.indices.reversed().lazy.filter { counts[$0] > 0 && $0 > 0 }
      .map { (BFloat16(bits: UInt16($0)).float, counts[$0]) }
  }
}
