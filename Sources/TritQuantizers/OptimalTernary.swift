// Tritsmith: the ternary matrix nearest to a given one.

import TritCore

/// Scales by least squares.
///
/// With codes t fixed, Σ(w − a·t)² is least at a = Σ w·t / Σ t². If the k largest magnitudes are ±1, with sum S, that is
/// a = S/k, and the error Σw² − S²/k is least where S²/k is largest: one pass over magnitudes in falling order finds the
/// best of all 3ⁿ codes.
enum LeastSquares {
  /// The best scale of magnitudes that come in falling order; 0 when all are zero.
  static func optimalScale(_ magnitudes: some Sequence<(magnitude: Float, count: Int)>) -> Float {
    var (sum, count) = (0.0, 0.0)
    var (best, scale) = (0.0, 0.0)
    for (magnitude, times) in magnitudes {
      sum += Double(magnitude) * Double(times)
      count += Double(times)
      // Inside a run of equal magnitudes the gain has no maximum but at its ends.
      let gain = sum * sum / count
      if gain > best { (best, scale) = (gain, sum / count) }
    }
    return BFloat16.rounded(Float(scale))
  }

  /// The best scale of a whole matrix. One of zeros gets the scale absmean gives it: a file may have to divide by it.
  static func tensorScale(_ histogram: MagnitudeHistogram) -> Float {
    let scale = optimalScale(histogram.descending)
    return scale > 0 ? scale : BFloat16.rounded(1e-5)
  }

  static func optimalScale(of weights: some Sequence<Float>) -> Float {
    let magnitudes = weights.map(\.magnitude).sorted(by: >)
    return optimalScale(magnitudes.lazy.filter { $0 > 0 }.map { (magnitude: $0, count: 1) })
  }

  /// The trit nearest to weight / scale; 0 at exactly half.
  @inline(__always)
  static func nearest(_ weight: Float, _ scale: Float) -> Int8 {
    weight.magnitude > scale / 2 ? (weight < 0 ? -1 : 1) : 0
  }
}

/// The ternary matrix with the least squared error: `optimal-tensor`, `optimal-row`, `optimal-group128`.
///
/// Scale and codes are the best of all. The scale is then rounded to bfloat16, and each weight gets the trit nearest to
/// it under the rounded scale. Exact for one scale a tensor by the histogram of bfloat16 magnitudes, for rows and groups
/// by sorting.
package struct OptimalTernary: FittingQuantizer {
  package let id: QuantizerID
  package let granularity: ScaleGranularity
  package let summary: String

  /// The least-squares fit with one scale a tensor.
  package static let tensor = OptimalTernary("tensor", .tensor, "one scale a tensor")
  /// The least-squares fit with a scale for each row.
  package static let row = OptimalTernary("row", .row, "a scale for each row")
  /// The least-squares fit with a scale for 128 columns of a row.
  package static let group128 = OptimalTernary("group128", .group(columns: 128), "a scale for 128 weights")

  private init(_ name: String, _ granularity: ScaleGranularity, _ what: String) {
    id = QuantizerID(rawValue: "optimal-" + name)
    self.granularity = granularity
    summary = "least squared error over all codes and scales, " + what
  }

  package var needsHistogram: Bool { granularity == .tensor }

  package func prepare(_ matrix: MatrixEvidence) -> any RowFit {
    switch granularity {
    case .tensor: FixedScaleFit(scale: LeastSquares.tensorScale(matrix.histogram))
    case .row: GroupFit(columns: matrix.columns, group: max(1, matrix.columns))
    case .group(let size): GroupFit(columns: matrix.columns, group: size)
    }
  }
}

/// Codes of absmean (`absmean-float32`) with the scale that fits them best: `absmean-lsq`.
package struct AbsMeanLeastSquares: FittingQuantizer {
  package let id = QuantizerID(rawValue: "absmean-lsq")
  package let granularity = ScaleGranularity.tensor
  package let summary = "codes of absmean-float32 with the scale of least squared error for them"
  package let needsHistogram = true

  package init() {}

  package func prepare(_ matrix: MatrixEvidence) -> any RowFit {
    let threshold = BFloat16(bits: AbsMean.float32.decide(matrix.summary).thresholds.positive)
    var (sum, count) = (0.0, 0.0)
    for (magnitude, times) in matrix.histogram.descending where magnitude >= threshold.float {
      sum += Double(magnitude) * Double(times)
      count += Double(times)
    }
    let scale = BFloat16.rounded(count == 0 ? 1e-5 : Float(sum / count))
    return FixedScaleFit(scale: scale, threshold: threshold.float)
  }
}

/// One scale for the tensor.
struct FixedScaleFit: RowFit {
  var scale: Float
  /// The smallest magnitude that is ±1; nil for the nearest trit.
  var threshold: Float?

  func fit(_ weights: [Float], rows: Int) -> [FittedPlane] {
    let trits = weights.map { weight -> Int8 in
      guard let threshold else { return LeastSquares.nearest(weight, scale) }
      return weight.magnitude >= threshold ? (weight < 0 ? -1 : 1) : 0
    }
    return [FittedPlane(trits: trits, multipliers: [scale])]
  }
}

/// The best scale of every run of `group` columns.
struct GroupFit: RowFit {
  var columns: Int
  var group: Int

  func fit(_ weights: [Float], rows: Int) -> [FittedPlane] {
    var result = FittedPlane(trits: [Int8](repeating: 0, count: weights.count), multipliers: [])
    for row in 0..<rows {
      for start in stride(from: row * columns, to: (row + 1) * columns, by: group) {
        let range = start..<min(start + group, (row + 1) * columns)
        let scale = LeastSquares.optimalScale(of: weights[range])
        for index in range { result.trits[index] = LeastSquares.nearest(weights[index], scale) }
        result.multipliers.append(scale)
      }
    }
    return [result]
  }
}
