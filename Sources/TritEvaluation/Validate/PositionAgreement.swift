// Tritsmith: two distributions over the next token compared, in Double.

import TritSurvey

/// How far the logits Q after one token are from the logits P.
struct PositionAgreement: Sendable {
  /// KL(P‖Q) and KL(Q‖P), in nats.
  var divergence: Double
  var reverseDivergence: Double
  /// ½ KL(P‖M) + ½ KL(Q‖M), M = ½ (P + Q), in nats; at most ln 2.
  var jensenShannon: Double
  /// Largest and summed |Δlogit|.
  var largest: Double
  var distance: Double
  /// Σ (p − q)² and Σ (p − mean p)² over the logits.
  var squaredError: Double
  var squaredSpread: Double
  /// Number of logits.
  var count: Int
  /// The likeliest token of each; the lowest id among equals.
  var bestP: Int
  var bestQ: Int
  /// How many of the five likeliest tokens of P are among the five of Q, divided by 5.
  var topFive: Double
  /// Place, from 0, of P's likeliest token among the ten likeliest of Q, and the other way round; nil further down.
  var placeOfBestP: Int?
  var placeOfBestQ: Int?
  /// log Σ e^logit of both: what makes a logit a log-probability.
  var normP: Double
  var normQ: Double

  var isSameTop: Bool { bestP == bestQ }

  /// Nil when a logit of either side is infinite or not a number. Both rows have the same length.
  init?(_ p: ArraySlice<Float>, _ q: ArraySlice<Float>) {
    guard p.allSatisfy(\.isFinite), q.allSatisfy(\.isFinite), let highP = p.max(), let highQ = q.max() else {
      return nil
    }
    let (topP, topQ) = (Double(highP), Double(highQ))
    let mean = p.reduce(0.0) { $0 + Double($1) } / Double(p.count)
    var (expP, expQ) = ([Double](), [Double]())
    expP.reserveCapacity(p.count)
    expQ.reserveCapacity(p.count)
    var (sumP, sumQ) = (0.0, 0.0)
    var (largest, distance, error, spread) = (0.0, 0.0, 0.0, 0.0)
    for (a, b) in zip(p, q) {
      let (a, b) = (Double(a), Double(b))
      let (x, y) = (Logarithm.exponential(a - topP), Logarithm.exponential(b - topQ))
      expP.append(x)
      expQ.append(y)
      sumP += x
      sumQ += y
      let difference = a - b
      largest = max(largest, abs(difference))
      distance += abs(difference)
      error += difference * difference
      spread += (a - mean) * (a - mean)
    }
    normP = topP + Logarithm.natural(sumP)
    normQ = topQ + Logarithm.natural(sumQ)
    let shift = normQ - normP
    var (forward, backward, mixed) = (0.0, 0.0, 0.0)
    for (index, (a, b)) in zip(p, q).enumerated() {
      let (x, y) = (expP[index] / sumP, expQ[index] / sumQ)
      // log p − log q
      let ratio = Double(a) - Double(b) + shift
      forward += x * ratio
      backward -= y * ratio
      let middle = (x + y) / 2
      guard middle > 0 else { continue }
      let logMiddle = Logarithm.natural(middle)
      mixed += x * (Double(a) - normP - logMiddle) + y * (Double(b) - normQ - logMiddle)
    }
    // Rounding can leave a sum of terms of both signs just below zero.
    divergence = max(0, forward)
    reverseDivergence = max(0, backward)
    jensenShannon = max(0, mixed / 2)
    (self.largest, self.distance, squaredError, squaredSpread) = (largest, distance, error, spread)
    count = p.count
    let (tenP, tenQ) = (p.largestIndices(10), q.largestIndices(10))
    (bestP, bestQ) = (tenP.first ?? 0, tenQ.first ?? 0)
    (placeOfBestP, placeOfBestQ) = (tenQ.firstIndex(of: bestP), tenP.firstIndex(of: bestQ))
    let (firstP, firstQ) = (tenP.prefix(5), tenQ.prefix(5))
    topFive = Double(firstP.count { firstQ.contains($0) }) / Double(max(1, firstP.count))
  }
}

extension ArraySlice<Float> {
  /// Places, from the slice's start, of the largest numbers, largest first, lower places first among equals.
  func largestIndices(_ count: Int) -> [Int] {
    var best: [(value: Float, place: Int)] = []
    var least = -Float.infinity
    for (place, value) in enumerated() {
      if best.count == count, !(value > least) { continue }
      let slot = best.firstIndex { value > $0.value } ?? best.count
      best.insert((value, place), at: slot)
      if best.count > count { best.removeLast() }
      if let last = best.last { least = last.value }
    }
    return best.map(\.place)
  }
}
