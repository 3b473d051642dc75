// Tritsmith: two rows of logits compared, in Double.

import TritModel

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
    positions += 1
    guard p.allSatisfy(\.isFinite), q.allSatisfy(\.isFinite), let bestP = p.largestIndex, let bestQ = q.largestIndex
    else {
      nonFinite += 1
      return
    }
    let mean = p.reduce(0.0) { $0 + Double($1) } / Double(p.count)
    let (normP, normQ) = (logSumExp(p.span), logSumExp(q.span))
    var divergence = 0.0
    for (a, b) in zip(p, q) {
      let (a, b) = (Double(a), Double(b))
      let difference = a - b
      largest = max(largest, abs(difference))
      distance += abs(difference)
      squaredError += difference * difference
      squaredSpread += (a - mean) * (a - mean)
      let logP = a - normP
      divergence += Logarithm.exponential(logP) * (logP - (b - normQ))
    }
    elements += p.count
    // Rounding can leave a sum of terms of both signs just below zero.
    divergences.append(max(0, divergence))
    topOne += bestP == bestQ ? 1 : 0
    let (firstP, firstQ) = (p.largestIndices(5), q.largestIndices(5))
    topFive += Double(firstP.count { firstQ.contains($0) }) / Double(max(1, firstP.count))
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
    guard !values.isEmpty else { return .nan }
    let sorted = values.sorted()
    let place = share * Double(sorted.count - 1)
    let low = Int(place)
    let high = min(low + 1, sorted.count - 1)
    return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
  }
}

extension [Float] {
  /// Places of the largest numbers, largest first, lower places first among equals.
  func largestIndices(_ count: Int) -> [Int] {
    var best: [Int] = []
    for index in indices {
      if best.count == count, let last = best.last, self[index] <= self[last] { continue }
      let place = best.firstIndex { self[index] > self[$0] } ?? best.count
      best.insert(index, at: place)
      if best.count > count { best.removeLast() }
    }
    return best
  }
}
