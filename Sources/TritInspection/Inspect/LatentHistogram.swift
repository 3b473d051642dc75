// Tritsmith: where the weights of a tensor lie between −1, 0 and +1.

import TritSurvey

/// Weights in multiples of γ, the tensor's mean magnitude, in bins a tenth wide; and which trit absmean would give.
///
/// A weight turns from 0 to ±1 at |w| = γ/2, which is an edge between bins. Counts are of stored values with γ in
/// Double; quantizers round γ to narrower types, so their counts differ by the few weights at the edge.
package struct LatentHistogram: Sendable, Hashable {
  /// Bins a unit of γ.
  static let binsPerUnit = 10
  /// Multiples of γ the bins reach, to both sides.
  static let reach = 8

  /// γ
  package private(set) var absmean: Double
  /// Weights in each bin from −8 γ to 8 γ. A 16-bit value stands for all numbers that round to it, so its count is
  /// spread over the bins its cell touches; without that, bins and the grid of values would make a comb.
  package private(set) var bins = [Double](repeating: 0, count: 2 * reach * binsPerUnit)
  /// Weights beyond the last bins, and their share of `count`.
  package private(set) var beyond = 0.0
  /// Weights below −γ/2, within, and above γ/2.
  package private(set) var negative = 0
  package private(set) var zero = 0
  package private(set) var positive = 0

  /// Finite weights.
  package var count: Int { negative + zero + positive }

  private init(absmean: Double) {
    self.absmean = absmean
  }

  /// Bins the patterns of a tensor; nil when there is nothing to bin.
  init?(_ histogram: PatternHistogram, absmean: Double) {
    guard absmean > 0, absmean.isFinite else { return nil }
    self.init(absmean: absmean)
    for pattern in histogram.counts.indices where histogram.counts[pattern] > 0 {
      let value = histogram.value(pattern)
      guard value.isFinite else { continue }
      let count = Int(histogram.counts[pattern])
      classify(value, count: count)
      let cell = histogram.cell(of: pattern)
      spread(cell.from / absmean, cell.to / absmean, Double(count))
    }
  }

  /// Bins values that are no multiples of anything; nil when there is nothing to bin.
  init?(_ values: [Double], absmean: Double) {
    guard absmean > 0, absmean.isFinite else { return nil }
    self.init(absmean: absmean)
    for value in values where value.isFinite {
      classify(value, count: 1)
      spread(value / absmean, value / absmean, 1)
    }
  }

  private mutating func classify(_ value: Double, count: Int) {
    if value < -absmean / 2 {
      negative += count
    } else if value > absmean / 2 {
      positive += count
    } else {
      zero += count
    }
  }

  /// Adds an amount evenly between two multiples of γ.
  private mutating func spread(_ from: Double, _ to: Double, _ amount: Double) {
    let scale = Double(LatentHistogram.binsPerUnit)
    let low = (from + Double(LatentHistogram.reach)) * scale
    let high = (to + Double(LatentHistogram.reach)) * scale
    let middle = (low + high) / 2
    guard middle >= 0, middle < Double(bins.count) else {
      beyond += amount
      return
    }
    let first = max(0, Int(low))
    let last = min(bins.count - 1, Int(high))
    guard first < last, high > low else {
      bins[Int(middle)] += amount
      return
    }
    for bin in first...last {
      let part = min(high, Double(bin + 1)) - max(low, Double(bin))
      bins[bin] += amount * max(0, part) / (high - low)
    }
  }

  /// Adds another tensor's weights, each in multiples of its own γ.
  package mutating func add(_ other: LatentHistogram) {
    let total = Double(count + other.count)
    absmean = total > 0 ? (absmean * Double(count) + other.absmean * Double(other.count)) / total : 0
    for bin in bins.indices { bins[bin] += other.bins[bin] }
    beyond += other.beyond
    negative += other.negative
    zero += other.zero
    positive += other.positive
  }
}

extension PatternHistogram {
  /// The numbers that round to a pattern: half-way to its neighbours.
  func cell(of pattern: Int) -> (from: Double, to: Double) {
    let sign = pattern & 0x8000
    let magnitude = pattern & 0x7FFF
    let value = abs(value(pattern))
    guard magnitude > 0 else { return (0, 0) }
    let below = abs(self.value(magnitude - 1))
    let above = abs(self.value(min(0x7FFF, magnitude + 1)))
    let upper = above.isFinite ? (value + above) / 2 : value
    let (low, high) = ((below + value) / 2, upper)
    return sign == 0 ? (low, high) : (-high, -low)
  }
}
