// Tritsmith: how far the weights of one tensor are from their source.

import TritCore
import TritModel
import TritSurvey

/// One tensor W of the reference against the same tensor Q of the candidate; everything in Double.
package struct TensorGap: Sendable {
  /// What only a ternary tensor has.
  package struct Ternary: Sendable, Hashable {
    package var negative = 0
    package var zero = 0
    package var positive = 0
    /// The stored number, where the tensor has one scale.
    package var storedScale: Double?
    package var convention: ScaleConvention
    /// What a trit is multiplied by, where the tensor has one scale.
    package var multiplier: Double?
    /// Σ w·t / Σ t²: the multiplier that fits these codes best.
    package var leastSquaresScale: Double?
    /// The SQNR that multiplier would give, dB.
    package var leastSquaresSQNR: Double?
    /// Share of codes other than 0 whose weight has their sign; nil when there are none.
    package var signAgreement: Double?
    /// Share of weights whose magnitude is within 2 % of the threshold, half the multiplier; nil when the reference is
    /// ternary itself.
    package var nearThreshold: Double?

    package var count: Int { negative + zero + positive }
    package var zeroShare: Double { Double(zero) / Double(max(1, count)) }
    /// (+1 less −1) / (+1 and −1).
    package var signBalance: Double? {
      positive + negative == 0 ? nil : Double(positive - negative) / Double(positive + negative)
    }
    package var entropy: Double {
      TernaryStatistics(negative: negative, zero: zero, positive: positive, invalid: 0, multiplier: nil).entropy
    }
    /// Least-squares scale over the multiplier in use.
    package var scaleRatio: Double? {
      guard let leastSquaresScale, let multiplier, multiplier != 0 else { return nil }
      return leastSquaresScale / multiplier
    }
  }

  /// Weights of the reference.
  package struct Moments: Sendable, Hashable {
    package var mean: Double
    package var standardDeviation: Double
    package var absoluteMean: Double
    package var largest: Double
    /// Fourth central moment over the squared variance: 3 for a Gaussian; nil without variance.
    package var kurtosis: Double?
  }

  package var name: String
  package var role: TensorRole
  package var shape: TensorShape
  package var referenceEncoding: String
  package var candidateEncoding: String
  /// Stored bytes of the candidate, scales included.
  package var bytes: Int
  package var moments: Moments
  /// √(Σ (w − q)² / Σ w²), the relative Frobenius error.
  package var relativeError: Double?
  package var cosine: Double?
  /// 10 log₁₀(Σ w² / Σ (w − q)²), dB; nil when there is no error.
  package var sqnr: Double?
  package var maximumError: Double
  package var maximumErrorIndex: Int
  package var ternary: Ternary?
  /// How often w / multiplier falls into the bins of `TensorGap.histogramEdges`; empty without a multiplier.
  package var histogram: [Int]

  /// Σ (w − q)² / Σ w².
  package var nmse: Double? { relativeError.map { $0 * $0 } }
  package var effectiveBits: Double { 8 * Double(bytes) / Double(max(1, shape.elementCount)) }

  /// From −3 to 3 in steps of a tenth; values outside are counted in the outermost bins.
  package static let histogramEdges = (0...60).map { Double($0 - 30) / 10 }
}

/// Running sums over pairs of a weight and what stands for it.
struct WeightGapSums {
  private var count = 0
  private var sum = 0.0
  private var magnitude = 0.0
  private var squares = 0.0
  private var cubes = 0.0
  private var fourths = 0.0
  private var largest = 0.0
  private var result = 0.0
  private var product = 0.0
  private var error = 0.0
  private var maximumError = 0.0
  private var maximumErrorIndex = 0
  private var negative = 0
  private var zero = 0
  private var positive = 0
  private var codeProduct = 0.0
  private var agreeing = 0
  private var near = 0
  private var histogram: [Int] = []

  /// Adds a run of weights against dense values.
  mutating func add(_ weights: [Float], dense: [Float]) {
    for index in weights.indices { addPair(Double(weights[index]), Double(dense[index])) }
  }

  /// Adds a run of weights against trits; `multiplier` gives what the trit at an index of the run is multiplied by.
  mutating func add(_ weights: [Float], trits: [Int8], isLatent: Bool, multiplier: (Int) -> Float) {
    if isLatent, histogram.isEmpty { histogram = Array(repeating: 0, count: TensorGap.histogramEdges.count - 1) }
    for index in weights.indices {
      let (w, scale) = (Double(weights[index]), multiplier(index))
      let trit = trits[index]
      addPair(w, Double(Float(trit) * scale))
      switch trit {
      case -1:
        negative += 1
        codeProduct -= w
        agreeing += w < 0 ? 1 : 0
      case 1:
        positive += 1
        codeProduct += w
        agreeing += w > 0 ? 1 : 0
      default: zero += 1
      }
      guard isLatent, scale > 0 else { continue }
      let ratio = w / Double(scale)
      if abs(abs(ratio) - 0.5) <= 0.01 { near += 1 }
      if ratio.isFinite {
        // Rounded down: bin 30 begins at 0.
        histogram[min(histogram.count - 1, max(0, Int((ratio * 10 + 30).rounded(.down).clamped(-1, 1000))))] += 1
      }
    }
  }

  private mutating func addPair(_ w: Double, _ q: Double) {
    let square = w * w
    sum += w
    magnitude += abs(w)
    squares += square
    cubes += square * w
    fourths += square * square
    largest = max(largest, abs(w))
    result += q * q
    product += w * q
    let difference = w - q
    error += difference * difference
    if abs(difference) > maximumError {
      maximumError = abs(difference)
      maximumErrorIndex = count
    }
    count += 1
  }

  /// What the sums say about the tensor.
  func finish(_ gap: inout TensorGap, scale: TernaryScale?, isLatent: Bool) {
    let n = Double(max(1, count))
    let mean = sum / n
    let variance = max(0, squares / n - mean * mean)
    let central = fourths / n - 4 * mean * cubes / n + 6 * mean * mean * squares / n - 3 * mean * mean * mean * mean
    gap.moments = TensorGap.Moments(
      mean: mean, standardDeviation: variance.squareRoot(), absoluteMean: magnitude / n, largest: largest,
      kurtosis: variance > 0 ? central / (variance * variance) : nil)
    gap.relativeError = squares > 0 ? (error / squares).squareRoot() : nil
    gap.cosine = squares > 0 && result > 0 ? product / (squares * result).squareRoot() : nil
    gap.sqnr = squares > 0 && error > 0 ? 10 * Logarithm.base10(squares / error) : nil
    gap.maximumError = maximumError
    gap.maximumErrorIndex = maximumErrorIndex
    gap.histogram = histogram
    guard let scale else { return }
    let isSingle = scale.granularity == .tensor
    var ternary = TensorGap.Ternary(convention: scale.convention)
    (ternary.negative, ternary.zero, ternary.positive) = (negative, zero, positive)
    let codes = Double(negative + positive)
    if isSingle {
      ternary.storedScale = scale.stored.first.map { Double($0) }
      ternary.multiplier = Double(scale.multiplier())
    }
    if codes > 0 {
      ternary.leastSquaresScale = codeProduct / codes
      let rest = squares - codeProduct * codeProduct / codes
      ternary.leastSquaresSQNR = squares > 0 && rest > 0 ? 10 * Logarithm.base10(squares / rest) : nil
      ternary.signAgreement = Double(agreeing) / codes
    }
    if isLatent { ternary.nearThreshold = Double(near) / n }
    gap.ternary = ternary
  }
}

extension Double {
  fileprivate func clamped(_ low: Double, _ high: Double) -> Double { Swift.min(high, Swift.max(low, self)) }
}
