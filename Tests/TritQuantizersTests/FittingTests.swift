// Tritsmith tests: quantizers that fit trits and scales.

import Testing
import TritCore
import TritTestSupport

@testable import TritQuantizers

/// A fitting quantizer of the registry under its name.
struct RegisteredFit: Sendable, CustomTestStringConvertible {
  var quantizer: any FittingQuantizer
  var testDescription: String { quantizer.id.rawValue }

  static let all = QuantizerRegistry.all.compactMap {
    ($0 as? any FittingQuantizer).map { RegisteredFit(quantizer: $0) }
  }
}

/// A matrix of bfloat16 numbers with bell-shaped values, and inputs that go with it.
struct SampleMatrix {
  var rows: Int
  var columns: Int
  var weights: [Float]
  var gram: InputGram

  init(rows: Int, columns: Int, seed: UInt64, inputs: Int = 64) {
    var generator = SeededGenerator(seed: seed)
    // The sum of four even distributions is near enough to a bell.
    func bell() -> Float { (0..<4).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &generator) } }
    self.rows = rows
    self.columns = columns
    weights = (0..<rows * columns).map { _ in BFloat16.rounded(bell() * 0.02) }
    gram = InputGram(width: columns)
    // Inputs with a shared part, so that columns are correlated.
    for _ in 0..<inputs {
      let shared = bell()
      let x = (0..<columns).map { shared * Float($0 % 3) / 2 + bell() }
      gram.add(x.flatMap { a in x.map { a * $0 } }, count: 1)
    }
  }

  var evidence: MatrixEvidence {
    var histogram = MagnitudeHistogram()
    histogram.add(weights)
    return MatrixEvidence(
      rows: rows, columns: columns, summary: WeightSummary(of: weights), histogram: histogram, calibration: gram)
  }

  /// What planes stand for.
  func values(_ planes: [FittedPlane], _ granularity: ScaleGranularity) -> [Float] {
    let perRow = granularity.count(rows: 1, columns: columns)
    return weights.indices.map { index in
      planes.reduce(Float(0)) { sum, plane in
        let group: Int
        switch granularity {
        case .tensor: group = 0
        case .row: group = index / columns
        case .group(let size): group = index / columns * perRow + index % columns / size
        }
        return sum + Float(plane.trits[index]) * plane.multipliers[group]
      }
    }
  }

  func squaredError(_ values: [Float]) -> Double {
    zip(weights, values).reduce(0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
  }

  /// Σ over rows of (w − q)ᵀ H (w − q): what the outputs over the inputs lose.
  func outputError(_ values: [Float]) -> Double {
    var total = 0.0
    for row in 0..<rows {
      let difference = (0..<columns).map { Double(weights[row * columns + $0]) - Double(values[row * columns + $0]) }
      for i in 0..<columns {
        for j in 0..<columns { total += difference[i] * gram.sums[i * columns + j] * difference[j] }
      }
    }
    return total
  }
}

@Suite("Every fitting quantizer") struct FittingConformanceTests {
  @Test(arguments: RegisteredFit.all, [(5, 300), (1, 1), (17, 128), (3, 129)])
  func fitsMatricesOfAnyShape(_ registered: RegisteredFit, _ size: (rows: Int, columns: Int)) throws {
    let quantizer = registered.quantizer
    let sample = SampleMatrix(rows: size.rows, columns: size.columns, seed: 7)
    let planes = try quantizer.prepare(sample.evidence).fit(sample.weights, rows: size.rows)
    #expect(planes.count == quantizer.planes)
    for plane in planes {
      #expect(plane.trits.count == sample.weights.count)
      #expect(Set(plane.trits).isSubset(of: [-1, 0, 1]))
      #expect(plane.multipliers.count == quantizer.granularity.count(rows: size.rows, columns: size.columns))
      let unsound = plane.multipliers.count {
        let stored = quantizer.scaleStorage == .f16 ? HalfFloat($0).float : BFloat16.rounded($0)
        return !($0 >= 0 && $0.isFinite && stored == $0)
      }
      #expect(unsound == 0)
    }
  }

  @Test(arguments: RegisteredFit.all)
  func rowsDoNotDependOnTheirCompany(_ registered: RegisteredFit) throws {
    let sample = SampleMatrix(rows: 37, columns: 200, seed: 11)
    let fit = try registered.quantizer.prepare(sample.evidence)
    let together = fit.fit(sample.weights, rows: 37)
    let alone = (0..<37).map { fit.fit(Array(sample.weights[$0 * 200..<($0 + 1) * 200]), rows: 1) }
    for plane in together.indices {
      #expect(together[plane].trits == alone.flatMap { $0[plane].trits })
      if registered.quantizer.granularity != .tensor {
        #expect(together[plane].multipliers == alone.flatMap { $0[plane].multipliers })
      }
    }
  }

  @Test(arguments: RegisteredFit.all)
  func zerosStayZero(_ registered: RegisteredFit) throws {
    var sample = SampleMatrix(rows: 4, columns: 130, seed: 3)
    sample.weights = [Float](repeating: 0, count: 520)
    let planes = try registered.quantizer.prepare(sample.evidence).fit(sample.weights, rows: 4)
    let nonzero = planes.flatMap(\.trits).count { $0 != 0 }
    #expect(nonzero == 0)
  }

  @Test(arguments: RegisteredFit.all.filter { !$0.quantizer.isNative })
  func isNearerThanAbsmean(_ registered: RegisteredFit) throws {
    let quantizer = registered.quantizer
    let sample = SampleMatrix(rows: 24, columns: 256, seed: 5)
    let planes = try quantizer.prepare(sample.evidence).fit(sample.weights, rows: 24)
    let values = sample.values(planes, quantizer.granularity)
    let decision = AbsMean.float32.decide(WeightSummary(of: sample.weights))
    let plain = sample.weights.map { Float(AbsMean.float32.trit($0, inverse: decision.inverse)) * decision.absmean }
    // Error compensation is judged by what it is for: the outputs.
    if quantizer.needsCalibration {
      #expect(sample.outputError(values) < sample.outputError(plain))
    } else {
      #expect(sample.squaredError(values) < sample.squaredError(plain))
    }
  }
}

@Suite struct OptimalTernaryTests {
  /// The least error of all 3ⁿ codes, each with its own best scale.
  private func bruteForce(_ weights: [Float]) -> Double {
    let squares = weights.reduce(0.0) { $0 + Double($1) * Double($1) }
    var best = squares
    var total = 1
    for _ in weights { total *= 3 }
    for number in 0..<total {
      var (rest, dot, count) = (number, 0.0, 0.0)
      for weight in weights {
        let code = rest % 3 - 1
        rest /= 3
        dot += Double(code) * Double(weight)
        count += code == 0 ? 0 : 1
      }
      if count > 0 { best = min(best, squares - dot * dot / count) }
    }
    return best
  }

  @Test(arguments: UInt64(1)...20)
  func noCodesAreBetter(_ seed: UInt64) throws {
    let sample = SampleMatrix(rows: 1, columns: 8, seed: seed)
    let best = bruteForce(sample.weights)
    for quantizer in [OptimalTernary.tensor, .row, .group128] {
      let planes = quantizer.prepare(sample.evidence).fit(sample.weights, rows: 1)
      let error = sample.squaredError(sample.values(planes, quantizer.granularity))
      // A scale rounded to 8 bits is off by 2⁻⁸ of itself at most: the error of k trits grows by k·(a·2⁻⁸)².
      let scale = Double(planes[0].multipliers[0])
      #expect(error <= best + 8 * scale * scale * 0x1p-16 + 1e-12)
      #expect(error >= best - 1e-12)
    }
  }

  @Test func histogramAndSortingGiveOneScale() {
    let sample = SampleMatrix(rows: 1, columns: 700, seed: 9, inputs: 1)
    let byHistogram = OptimalTernary.tensor.prepare(sample.evidence).fit(sample.weights, rows: 1)
    let bySorting = OptimalTernary.row.prepare(sample.evidence).fit(sample.weights, rows: 1)
    #expect(byHistogram == bySorting)
  }

  @Test func leastSquaresKeepsTheCodesOfAbsmean() {
    let sample = SampleMatrix(rows: 8, columns: 64, seed: 2)
    let planes = AbsMeanLeastSquares().prepare(sample.evidence).fit(sample.weights, rows: 8)
    let decision = AbsMean.float32.decide(WeightSummary(of: sample.weights))
    let codes = sample.weights.map { AbsMean.float32.trit($0, inverse: decision.inverse) }
    #expect(planes[0].trits == codes)
    let kept = zip(sample.weights, codes).filter { $0.1 != 0 }.map { Double($0.0.magnitude) }
    #expect(planes[0].multipliers == [BFloat16.rounded(Float(kept.reduce(0, +) / Double(kept.count)))])
  }
}

@Suite struct ErrorCompensationTests {
  /// Optimal brain surgeon as it is defined: after a column is rounded it is eliminated from the inverse of H.
  private func direct(_ sample: SampleMatrix, _ granularity: ScaleGranularity) -> [Int8] {
    let n = sample.columns
    let mean = (0..<n).reduce(0.0) { $0 + sample.gram.sums[$1 * n + $1] } / Double(n)
    var h = sample.gram.sums
    for index in 0..<n { h[index * n + index] += 0.01 * mean }
    let order: [Int]
    if case .group = granularity {
      order = Array(0..<n)
    } else {
      order = (0..<n).sorted { sample.gram.sums[$0 * n + $0] > sample.gram.sums[$1 * n + $1] }
    }
    let inverse = inverted(h, n)
    var result = [Int8](repeating: 0, count: sample.weights.count)
    for row in 0..<sample.rows {
      var w = (0..<n).map { Double(sample.weights[row * n + $0]) }
      var p = inverse
      var scale = 0.0
      func best(_ range: Range<Int>) -> Double { Double(LeastSquares.optimalScale(of: range.map { Float(w[$0]) })) }
      if granularity == .row { scale = best(0..<n) }
      if granularity == .tensor { scale = Double(LeastSquares.optimalScale(of: sample.weights)) }
      for (place, column) in order.enumerated() {
        if case .group(let size) = granularity, place % size == 0 { scale = best(place..<min(n, place + size)) }
        let code: Double = w[column] > scale / 2 ? 1 : w[column] < -scale / 2 ? -1 : 0
        result[row * n + column] = Int8(code)
        let error = (w[column] - code * scale) / p[column * n + column]
        for other in 0..<n { w[other] -= error * p[column * n + other] }
        let pivot = p[column * n + column]
        let line = (0..<n).map { p[column * n + $0] }
        for i in 0..<n {
          let factor = line[i] / pivot
          for j in 0..<n { p[i * n + j] -= factor * line[j] }
        }
      }
    }
    return result
  }

  /// Gauss–Jordan.
  private func inverted(_ matrix: [Double], _ n: Int) -> [Double] {
    var a = matrix
    var result = [Double](repeating: 0, count: n * n)
    for index in 0..<n { result[index * n + index] = 1 }
    for column in 0..<n {
      let pivot = a[column * n + column]
      for j in 0..<n {
        a[column * n + j] /= pivot
        result[column * n + j] /= pivot
      }
      for i in 0..<n where i != column {
        let factor = a[i * n + column]
        for j in 0..<n {
          a[i * n + j] -= factor * a[column * n + j]
          result[i * n + j] -= factor * result[column * n + j]
        }
      }
    }
    return result
  }

  @Test(arguments: [ErrorCompensation.tensor, .row, .group128].map { RegisteredFit(quantizer: $0) })
  func roundsAsTheDefinitionDoes(_ registered: RegisteredFit) throws {
    // More than one block of columns, and a group that ends early.
    let sample = SampleMatrix(rows: 6, columns: 150, seed: 21, inputs: 300)
    let planes = try registered.quantizer.prepare(sample.evidence).fit(sample.weights, rows: 6)
    let expected = direct(sample, registered.quantizer.granularity)
    let different = zip(planes[0].trits, expected).count { $0 != $1 }
    // Float against Double: a weight within a rounding of half the scale may go either way, and pull others along.
    #expect(different <= expected.count / 100, "\(different) of \(expected.count)")
  }

  @Test func inputsThatDoNotCorrelateChangeNothing() throws {
    var sample = SampleMatrix(rows: 5, columns: 40, seed: 4)
    sample.gram = InputGram(width: 40)
    sample.gram.add((0..<1600).map { $0 % 41 == 0 ? 1 : 0 }, count: 40)
    let planes = try ErrorCompensation.row.prepare(sample.evidence).fit(sample.weights, rows: 5)
    #expect(planes == OptimalTernary.row.prepare(sample.evidence).fit(sample.weights, rows: 5))
  }

  @Test func whatIsMissingIsSaid() {
    var sample = SampleMatrix(rows: 2, columns: 8, seed: 1)
    var evidence = sample.evidence
    evidence.calibration = nil
    #expect(throws: FitError.calibrationMissing) { try ErrorCompensation.row.prepare(evidence) }
    evidence.calibration = InputGram(width: 9)
    #expect(throws: FitError.calibrationWidth(expected: 8, found: 9)) { try ErrorCompensation.row.prepare(evidence) }
    sample.gram = InputGram(width: 8)
    #expect(throws: FitError.singular) { try ErrorCompensation.row.prepare(sample.evidence) }
  }
}

@Suite struct TwoPlaneTests {
  /// The least error of all 9ⁿ pairs of codes, each with its own best scales.
  private func bruteForce(_ weights: [Float]) -> Double {
    let squares = weights.reduce(0.0) { $0 + Double($1) * Double($1) }
    var best = squares
    for number in 0..<(0..<weights.count).reduce(1, { product, _ in product * 9 }) {
      var rest = number
      var (tt, uu, tu, tw, uw) = (0.0, 0.0, 0.0, 0.0, 0.0)
      for weight in weights {
        let (t, u, w) = (Double(rest % 3 - 1), Double(rest / 3 % 3 - 1), Double(weight))
        rest /= 9
        (tt, uu, tu) = (tt + t * t, uu + u * u, tu + t * u)
        (tw, uw) = (tw + t * w, uw + u * w)
      }
      let determinant = tt * uu - tu * tu
      guard determinant > 0.5 else { continue }
      let (a, b) = ((tw * uu - uw * tu) / determinant, (uw * tt - tw * tu) / determinant)
      best = min(best, squares - a * tw - b * uw)
    }
    return best
  }

  @Test func comesNearTheBestOfAllCodes() {
    var (found, best, squares) = (0.0, 0.0, 0.0)
    for seed in UInt64(1)...40 {
      let sample = SampleMatrix(rows: 1, columns: 4, seed: seed)
      let planes = TwoPlanes().prepare(sample.evidence).fit(sample.weights, rows: 1)
      let error = sample.squaredError(sample.values(planes, .group(columns: 128)))
      let least = bruteForce(sample.weights)
      #expect(error >= least - 1e-12)
      found += error
      best += least
      squares += sample.weights.reduce(0.0) { $0 + Double($1) * Double($1) }
    }
    // A local search: over 40 groups of 4 it may lose 2 % of the weights' energy against the best, no more.
    #expect(found - best <= 0.02 * squares, "\(found) against \(best) of \(squares)")
  }

  @Test func eachWeightHasItsNearestLevel() {
    let sample = SampleMatrix(rows: 2, columns: 256, seed: 8)
    let planes = TwoPlanes().prepare(sample.evidence).fit(sample.weights, rows: 2)
    let values = sample.values(planes, .group(columns: 128))
    for index in sample.weights.indices {
      let group = index / 256 * 2 + index % 256 / 128
      let (a, b) = (planes[0].multipliers[group], planes[1].multipliers[group])
      let levels = (-1...1).flatMap { t in (-1...1).map { Float(t) * a + Float($0) * b } }
      let distance = levels.map { (sample.weights[index] - $0).magnitude }.min()
      #expect((sample.weights[index] - values[index]).magnitude == distance)
    }
  }
}
