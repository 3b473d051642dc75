// Tritsmith: how many trits of each kind there are.

import TritCore

/// Counts of −1, 0 and +1.
package struct TernaryStatistics: Sendable, Hashable {
  package var negative: Int
  package var zero: Int
  package var positive: Int
  /// Codes that are no trit: 2-bit codes of 3, or base-3 bytes above 242, whose five digits are counted as they stand.
  package var invalid: Int
  /// What a trit is multiplied by; nil when there are several, or none is known.
  package var multiplier: Double?
  /// How many weights share a scale; nil when that is not known.
  package var granularity: ScaleGranularity?

  package init(
    negative: Int, zero: Int, positive: Int, invalid: Int, multiplier: Double? = nil,
    granularity: ScaleGranularity? = nil
  ) {
    (self.negative, self.zero, self.positive, self.invalid) = (negative, zero, positive, invalid)
    (self.multiplier, self.granularity) = (multiplier, granularity)
  }

  /// Entropy of the counts, in bits a weight; at most log₂ 3 = 1.585.
  package var entropy: Double {
    let total = Double(negative + zero + positive)
    return [negative, zero, positive].reduce(0) { sum, count in
      guard count > 0 else { return sum }
      let share = Double(count) / total
      return sum - share * Logarithm.base2(share)
    }
  }
}
