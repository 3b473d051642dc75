// Tritsmith: what is left where a layout had no room for all scales.

import TritCore
import TritSurvey

/// Scales that several of the source's became one of, every code being right.
package struct ScaleLoss: Sendable, Hashable {
  /// How many weights share a scale in the source, and in the converted model.
  package var from: ScaleGranularity
  package var to: ScaleGranularity
  /// Σ|w′ − w| over all weights, w′ with the scale that is left.
  package var error = 0.0
  /// Σ|w|
  package var magnitude = 0.0

  /// Σ|w′ − w| / Σ|w|, in percent.
  package var percent: Double { magnitude > 0 ? 100 * error / magnitude : 0 }

  package static func phrase(_ percent: Double) -> String {
    "codes equal, scales lost, mean error \(text(percent))"
  }

  package static func text(_ percent: Double) -> String { "\((percent * 100).rounded() / 100) %" }
}

extension ScaleLoss {
  /// The loss, where every scale that is found stands for several of the source's and lies among them; nil where scales
  /// differ in any other way.
  ///
  /// - Parameter live: the weights that depend on a scale, on the grid of both granularities.
  package static func between(
    _ expected: TernaryScale, _ found: TernaryScale, _ live: LiveUnits, _ shape: TensorShape,
    _ cancellation: CancellationFlag, trits: (MatrixBand) throws -> [Int8]
  ) throws -> ScaleLoss? {
    let (left, right) = (expected.multipliers, found.multipliers)
    var ranges = [ClosedRange<Float>?](repeating: nil, count: right.count)
    for unit in 0..<live.grid.count where live.isLive[unit] {
      let wanted = left[live.grid.index(unit, expected.granularity)]
      guard wanted > 0, wanted.isFinite, let held = ScaleAgreement.held(wanted, found.storage) else { return nil }
      let place = live.grid.index(unit, found.granularity)
      ranges[place] = ranges[place].map { min($0.lowerBound, held)...max($0.upperBound, held) } ?? held...held
    }
    guard ranges.contains(where: { $0.map { $0.lowerBound < $0.upperBound } ?? false }) else { return nil }
    for (place, range) in ranges.enumerated() {
      if let range, !range.contains(right[place]) { return nil }
    }
    var result = ScaleLoss(from: expected.granularity, to: found.granularity)
    try result.measure(live.grid, left, right, shape, cancellation, trits: trits)
    return result
  }

  private mutating func measure(
    _ grid: ScaleGrid, _ left: [Float], _ right: [Float], _ shape: TensorShape, _ cancellation: CancellationFlag,
    trits: (MatrixBand) throws -> [Int8]
  ) throws {
    let size = grid.size ?? grid.columns
    for band in shape.bands(elements: 1 << 18) {
      try cancellation.check()
      let found = try trits(band)
      for row in 0..<band.rows.count {
        var column = band.columns.lowerBound
        while column < band.columns.upperBound {
          let part = column / size
          let end = min(band.columns.upperBound, (part + 1) * size)
          let first = row * band.columns.count + column - band.columns.lowerBound
          let count = Double(found[first..<first + end - column].count { $0 != 0 })
          column = end
          let unit = grid.size == nil ? 0 : (band.rows.lowerBound + row) * grid.perRow + part
          let (a, b) = (Double(left[grid.index(unit, from)]), Double(right[grid.index(unit, to)]))
          error += count * abs(b - a)
          magnitude += count * abs(a)
        }
      }
    }
  }
}

extension TensorComparison {
  /// The result for a tensor whose codes are right and whose scales are not.
  func differing(
    _ result: TensorVerification, _ detail: String, _ expected: TernaryScale, _ found: TernaryScale, _ live: LiveUnits,
    trits: (MatrixBand) throws -> [Int8]
  ) throws -> TensorVerification {
    let shape = self.expected.shape
    guard
      let loss = try ScaleLoss.between(expected, found, live, shape, work.parallelism.cancellation, trits: trits)
    else { return differs(result, detail) }
    var result = result
    result.outcome = .scalesLost
    result.scaleLoss = loss
    // The error is another number in each layer, and is told of the whole.
    result.detail = "one scale for each \(loss.to.noun) where the source has one for each \(loss.from.noun)"
    return result
  }
}
