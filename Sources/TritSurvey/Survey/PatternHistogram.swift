// Tritsmith: counts of every 16-bit pattern in a tensor.

import TritCore
import TritKernels

/// How often each of the 65,536 bfloat16 (or half) patterns occurs.
///
/// It carries every value, so minimum, maximum, zeros and moments are exact and do not depend on the order in which
/// the values were read.
package struct PatternHistogram: Sendable {
  package enum Format: Sendable { case bfloat16, half }

  let format: Format
  package private(set) var counts: [UInt64]

  package init(_ format: Format) {
    self.format = format
    counts = Array(repeating: 0, count: 65536)
  }

  package mutating func add(_ other: PatternHistogram) {
    for index in counts.indices { counts[index] += other.counts[index] }
  }

  /// Adds kernel tables; each of the four has 65,536 counts.
  package mutating func add(tables: [UInt32]) {
    for index in counts.indices {
      counts[index] +=
        UInt64(tables[index]) + UInt64(tables[index + 65536]) + UInt64(tables[index + 131072])
        + UInt64(tables[index + 196608])
    }
  }

  /// Adds values one by one, for small samples.
  package mutating func add(patterns: some Sequence<UInt16>) {
    for pattern in patterns { counts[Int(pattern)] += 1 }
  }

  package func value(_ pattern: Int) -> Double {
    let bits = UInt16(pattern)
    return Double(format == .bfloat16 ? BFloat16(bits: bits).float : HalfFloat(bits: bits).float)
  }

  /// Patterns that occur, with their values and counts, in order of the pattern.
  package var occupied: [(value: Double, count: UInt64)] {
    counts.indices.compactMap { counts[$0] == 0 ? nil : (value($0), counts[$0]) }
  }

  var total: UInt64 { counts.reduce(0, +) }
}

// MARK: - Where the weights gather

extension PatternHistogram {
  /// How densely |w| lies at the edge between 0 and ±1, against the middle of 0.
  ///
  /// With γ = mean |w| and r = |w|/γ: density of r in [0.475, 0.525) over density of r in [0, 0.25). Training with
  /// ternary weights in the loop gathers latents at the edge; a distribution that falls away from zero has at most 1.
  /// On the shipped checkpoints every BitNet projection has 1.42 to 10.6 and every ordinary one 0.87 to 0.97.
  ///
  /// Nil when the data cannot tell: nearly everything is zero-padded or the values are too coarse.
  package var edgeDensity: Double? {
    var magnitudes = [UInt64](repeating: 0, count: 0x8000)
    for pattern in magnitudes.indices { magnitudes[pattern] = counts[pattern] + counts[pattern | 0x8000] }
    guard magnitudes[infinity...].allSatisfy({ $0 == 0 }) else { return nil }
    var sum = 0.0
    var count: UInt64 = 0
    for pattern in 0..<infinity where magnitudes[pattern] > 0 {
      sum += value(pattern) * Double(magnitudes[pattern])
      count += magnitudes[pattern]
    }
    // Pruned or rounded-to-grid weights have many exact zeros; they say nothing about the edge.
    guard count > 0, Double(magnitudes[0]) <= 0.005 * Double(count) else { return nil }
    let mean = sum / Double(count)
    guard let edge = density(magnitudes, 0.475 * mean..<0.525 * mean, minimumCells: 8),
      let middle = density(magnitudes, 0..<0.25 * mean, minimumCells: 8), middle > 0
    else { return nil }
    return edge / middle
  }

  /// Values per unit of magnitude over the cells whose value lies in the range; nil for too few cells.
  ///
  /// A narrow range holds only 13 to 26 bfloat16 values, so real cell widths are used.
  private func density(_ magnitudes: [UInt64], _ range: Range<Double>, minimumCells: Int) -> Double? {
    var width = 0.0
    var count: UInt64 = 0
    var occupied = 0
    let first = firstPattern(from: range.lowerBound)
    // Below 0 there is no cell.
    var (previous, value) = (value(max(0, first - 1)), value(first))
    for pattern in first..<magnitudes.count - 1 {
      guard value < range.upperBound else { break }
      let next = self.value(pattern + 1)
      width += (value - previous) / 2 + (next - value) / 2
      count += magnitudes[pattern]
      if magnitudes[pattern] > 0 { occupied += 1 }
      (previous, value) = (value, next)
    }
    return occupied >= minimumCells && width > 0 ? Double(count) / width : nil
  }

  private var infinity: Int { format == .bfloat16 ? 0x7F80 : 0x7C00 }

  /// The first pattern of a value that is not below another: positive values grow with their patterns.
  private func firstPattern(from least: Double) -> Int {
    var (low, high) = (0, infinity)
    while low < high {
      let middle = (low + high) / 2
      if value(middle) < least { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
