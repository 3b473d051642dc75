// Tritsmith: absmean with a scale for each group of a row.

import TritCore

/// scale = mean |w| of each run of columns in float32, stored as F16; trit = clip(round(w ÷ stored scale), −1, 1).
///
/// How models with a scale for 64 or 128 weights are trained: `absmean-group64`, `absmean-group128`. The trit is rounded
/// half to even and made with the stored scale, in Float on the weights as they are. A group whose mean rounds to 0 in
/// F16 is zeros. The rule is for latent weights: the mean of weights that are ternary already is smaller than their
/// magnitude by the share of zeros, so those are recognised and taken as they are.
package struct AbsMeanGroup: FittingQuantizer {
  package let id: QuantizerID
  package let granularity: ScaleGranularity
  package let summary: String
  package let scaleStorage = DType.f16
  package let isNative = true
  package let roundsWeightsToBFloat16 = false

  /// A scale for 64 columns of a row.
  package static let of64 = AbsMeanGroup(64)
  /// A scale for 128 columns of a row.
  package static let of128 = AbsMeanGroup(128)

  private init(_ size: Int) {
    id = QuantizerID(rawValue: "absmean-group\(size)")
    granularity = .group(columns: size)
    summary = "absmean of every \(size) weights of a row in float32, stored as F16 (models trained with group scales)"
  }

  package func prepare(_ matrix: MatrixEvidence) -> any RowFit {
    AbsMeanGroupFit(places: ScalePlaces(granularity, columns: matrix.columns))
  }
}

private struct AbsMeanGroupFit: RowFit {
  var places: ScalePlaces

  func fit(_ weights: [Float], rows: Int) -> [FittedPlane] {
    var result = FittedPlane(trits: [Int8](repeating: 0, count: weights.count), multipliers: [])
    for row in 0..<rows {
      places.forEachRun(ofRow: row) { columns, _ in
        let group = row * places.columns + columns.lowerBound..<row * places.columns + columns.upperBound
        // The sum of at most 2^29 Floats has no rounding worth the name in Double: the mean is rounded once.
        var sum = 0.0
        for index in group { sum += Double(weights[index].magnitude) }
        let scale = HalfFloat(Float(sum / Double(group.count))).float
        result.multipliers.append(scale)
        guard scale > 0 else { return }
        for index in group {
          let rounded = (weights[index] / scale).rounded(.toNearestOrEven)
          result.trits[index] = rounded >= 1 ? 1 : rounded <= -1 ? -1 : 0
        }
      }
    }
    return [result]
  }
}
