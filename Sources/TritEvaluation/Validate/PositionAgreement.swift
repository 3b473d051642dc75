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
    guard let softP = SoftMax(p), let softQ = SoftMax(q) else { return nil }
    (normP, normQ, count) = (softP.norm, softQ.norm, p.count)
    let mean = p.reduce(0.0) { $0 + Double($1) } / Double(p.count)
    (largest, distance, squaredError, squaredSpread) = (0, 0, 0, 0)
    for (a, b) in zip(p, q) {
      let difference = Double(a) - Double(b)
      largest = max(largest, abs(difference))
      distance += abs(difference)
      squaredError += difference * difference
      squaredSpread += (Double(a) - mean) * (Double(a) - mean)
    }
    (divergence, reverseDivergence, jensenShannon) = softP.divergences(from: softQ)
    let (tenP, tenQ) = (p.largestIndices(10), q.largestIndices(10))
    (bestP, bestQ) = (tenP.first ?? 0, tenQ.first ?? 0)
    (placeOfBestP, placeOfBestQ) = (tenQ.firstIndex(of: bestP), tenP.firstIndex(of: bestQ))
    let (firstP, firstQ) = (tenP.prefix(5), tenQ.prefix(5))
    topFive = Double(firstP.count { firstQ.contains($0) }) / Double(max(1, firstP.count))
  }
}

/// Logits as probabilities: e^logit ÷ Σ e^logit.
private struct SoftMax {
  let logits: ArraySlice<Float>
  /// e^(logit − highest), and their sum.
  private var exponentials: [Double] = []
  private var sum = 0.0
  /// log Σ e^logit.
  let norm: Double

  /// Nil when a logit is infinite or not a number.
  init?(_ logits: ArraySlice<Float>) {
    guard logits.allSatisfy(\.isFinite), let highest = logits.max().map(Double.init) else { return nil }
    self.logits = logits
    exponentials.reserveCapacity(logits.count)
    for logit in logits {
      let exponential = Logarithm.exponential(Double(logit) - highest)
      exponentials.append(exponential)
      sum += exponential
    }
    norm = highest + Logarithm.natural(sum)
  }

  /// KL divergence, reverse KL divergence and Jensen-Shannon divergence.
  func divergences(from other: SoftMax) -> (forward: Double, reverse: Double, jensenShannon: Double) {
    let shift = other.norm - norm
    var (forward, backward, mixed) = (0.0, 0.0, 0.0)
    for (index, (a, b)) in zip(logits, other.logits).enumerated() {
      let (x, y) = (exponentials[index] / sum, other.exponentials[index] / other.sum)
      // log p − log q
      let ratio = Double(a) - Double(b) + shift
      forward += x * ratio
      backward -= y * ratio
      let middle = (x + y) / 2
      guard middle > 0 else { continue }
      let logMiddle = Logarithm.natural(middle)
      mixed += x * (Double(a) - norm - logMiddle) + y * (Double(b) - other.norm - logMiddle)
    }
    // Rounding can leave a sum of terms of both signs just below zero.
    return (max(0, forward), max(0, backward), max(0, mixed / 2))
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
