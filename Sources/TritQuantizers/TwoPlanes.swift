// Tritsmith: weights as the sum of two ternary matrices.

import TritCore

/// w ≈ a·t + b·u with trits t and u and two scales for 128 weights: nine levels, about 3.4 bits a weight in TritPack.
///
/// Scales and codes are improved in turn, from two beginnings: the best ternary fit and the best of what it leaves, and
/// nine even steps. Codes are the nearest of the nine levels, scales the least-squares solution for them; neither step
/// can make the error larger. The better end is kept; it need not be the best of all 9ⁿ.
package struct TwoPlanes: FittingQuantizer {
  package let id = QuantizerID(rawValue: "two-plane-group128")
  package let granularity = ScaleGranularity.group(columns: 128)
  package let planes = 2
  package let summary = "sum of two ternary matrices, scales for 128 weights (3.49 bits with base3)"

  package init() {}

  package func prepare(_ matrix: MatrixEvidence) -> any RowFit { TwoPlaneFit(columns: matrix.columns, group: 128) }
}

struct TwoPlaneFit: RowFit {
  var columns: Int
  var group: Int

  /// Rounds of improving scales and codes; most groups stand still after ten.
  static let rounds = 20

  func fit(_ weights: [Float], rows: Int) -> [FittedPlane] {
    let empty = FittedPlane(trits: [Int8](repeating: 0, count: weights.count), multipliers: [])
    var result = [empty, empty]
    for row in 0..<rows {
      for start in stride(from: row * columns, to: (row + 1) * columns, by: group) {
        let range = start..<min(start + group, (row + 1) * columns)
        let (a, b) = scales(Array(weights[range]))
        result[0].multipliers.append(a)
        result[1].multipliers.append(b)
        for index in range {
          (result[0].trits[index], result[1].trits[index]) = TwoPlaneFit.nearest(weights[index], a, b)
        }
      }
    }
    return result
  }

  /// Two bfloat16 scales for a group.
  private func scales(_ weights: [Float]) -> (Float, Float) {
    let first = LeastSquares.optimalScale(of: weights)
    let rest = weights.map { $0 - Float(LeastSquares.nearest($0, first)) * first }
    let largest = weights.reduce(Float(0)) { max($0, $1.magnitude) }
    let starts = [(first, LeastSquares.optimalScale(of: rest)), (largest * 0.75, largest * 0.25)]
    let ends = starts.map { improved(weights, $0) }
    // The first of equals.
    return ends[1].error < ends[0].error ? ends[1].scales : ends[0].scales
  }

  private func improved(_ weights: [Float], _ start: (Float, Float)) -> (scales: (Float, Float), error: Double) {
    var best = (scales: rounded(start), error: error(weights, rounded(start)))
    var (current, last) = (start, rounded(start))
    for _ in 0..<TwoPlaneFit.rounds {
      // Normal equations of Σ(w − a·t − b·u)².
      var (tt, uu, tu, tw, uw) = (0.0, 0.0, 0.0, 0.0, 0.0)
      for weight in weights {
        let codes = TwoPlaneFit.nearest(weight, current.0, current.1)
        let (t, u, w) = (Double(codes.0), Double(codes.1), Double(weight))
        tt += t * t
        uu += u * u
        tu += t * u
        tw += t * w
        uw += u * w
      }
      let determinant = tt * uu - tu * tu
      guard determinant > 0 else { break }
      // The nine levels are symmetric, so the signs of scales belong to the codes.
      let next = (
        Float((tw * uu - uw * tu) / determinant).magnitude, Float((uw * tt - tw * tu) / determinant).magnitude
      )
      if next == current { break }
      current = next
      // Most steps of the last rounds are lost in rounding.
      guard rounded(current) != last else { continue }
      last = rounded(current)
      let error = error(weights, last)
      if error < best.error { best = (last, error) }
    }
    return best
  }

  private func rounded(_ scales: (Float, Float)) -> (Float, Float) {
    (BFloat16.rounded(scales.0), BFloat16.rounded(scales.1))
  }

  private func error(_ weights: [Float], _ scales: (Float, Float)) -> Double {
    weights.reduce(0) { sum, weight in
      let codes = TwoPlaneFit.nearest(weight, scales.0, scales.1)
      let difference = Double(weight) - Double(Float(codes.0) * scales.0 + Float(codes.1) * scales.1)
      return sum + difference * difference
    }
  }

  /// The codes of the nearest level; of equals the first in the order 0, a, b, a + b, a − b, each before its negative.
  ///
  /// - Parameters:
  ///   - a: at least 0, as `b` is: no level of the other sign is then nearer to a weight than 0.
  @inline(__always)
  static func nearest(_ weight: Float, _ a: Float, _ b: Float) -> (Int8, Int8) {
    let magnitude = weight.magnitude
    var (t, u): (Int8, Int8) = (0, 0)
    var distance = magnitude
    // Without a branch: which level is nearest cannot be guessed.
    @inline(__always) func consider(_ first: Int8, _ second: Int8, _ level: Float) {
      let other = (magnitude - level).magnitude
      let isNearer = other < distance
      t = isNearer ? first : t
      u = isNearer ? second : u
      distance = isNearer ? other : distance
    }
    consider(1, 0, a)
    consider(0, 1, b)
    consider(1, 1, a + b)
    let sign: Int8 = a < b ? 1 : -1
    consider(-sign, sign, (a - b).magnitude)
    return weight < 0 ? (-t, -u) : (t, u)
  }
}
