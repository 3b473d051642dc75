// Tritsmith: two rows of logits compared, in Double.

/// Sums over positions of how far the logits Q are from the logits P.
struct LogitComparison {
  private(set) var positions = 0
  /// Positions where either side has a logit that is infinite or not a number; left out of everything else.
  private(set) var nonFinite = 0
  private var largest = 0.0
  private var distance = 0.0
  private var elements = 0
  private var squaredError = 0.0
  private var squaredSpread = 0.0
  private var divergences: [Double] = []
  private var topOne = 0
  private var topFive = 0.0

  /// Adds a position; both rows have the same length.
  mutating func add(_ p: [Float], _ q: [Float]) {
    add(PositionAgreement(p[...], q[...]))
  }

  /// Adds a position that was compared; nil is one with a logit that is infinite or not a number.
  mutating func add(_ position: PositionAgreement?) {
    positions += 1
    guard let position else {
      nonFinite += 1
      return
    }
    largest = max(largest, position.largest)
    distance += position.distance
    squaredError += position.squaredError
    squaredSpread += position.squaredSpread
    elements += position.count
    divergences.append(position.divergence)
    topOne += position.isSameTop ? 1 : 0
    topFive += position.topFive
  }

  var result: LogitAgreement {
    let compared = Double(positions - nonFinite)
    func share(_ sum: Double, _ count: Double) -> Double { count > 0 ? sum / count : .nan }
    return LogitAgreement(
      positions: positions, nonFinitePositions: nonFinite, maximumDifference: compared > 0 ? largest : .nan,
      meanDifference: share(distance, Double(elements)),
      // Logits that are all alike have no spread; equal ones agree none the less.
      nmse: compared > 0 && squaredError == 0 ? 0 : share(squaredError, squaredSpread),
      meanKL: share(divergences.reduce(0, +), compared), p99KL: LogitComparison.percentile(0.99, divergences),
      maximumKL: divergences.max() ?? .nan, topOne: share(Double(topOne), compared), topFive: share(topFive, compared))
  }

  /// Linear between the two nearest ranks, as numpy does it.
  static func percentile(_ share: Double, _ values: [Double]) -> Double {
    percentile(share, ofSorted: values.sorted())
  }

  static func percentile(_ share: Double, ofSorted sorted: [Double]) -> Double {
    guard !sorted.isEmpty else { return .nan }
    let place = share * Double(sorted.count - 1)
    let low = Int(place)
    let high = min(low + 1, sorted.count - 1)
    return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
  }
}
