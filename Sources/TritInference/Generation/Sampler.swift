// Tritsmith: choosing the next token.

import TritCore
import TritModel

/// How the next token is chosen from logits.
public enum SamplingMethod: Sendable, Equatable {
  /// The largest logit; the lowest id among equals.
  case greedy
  /// Softmax of logits / temperature, cut to the smallest set of most likely tokens whose probabilities reach `topP`.
  case nucleus(temperature: Double, topP: Double)
}

/// Chooses tokens; the same seed and logits give the same tokens on every machine with the same `exp`.
package struct Sampler: Sendable {
  package let method: SamplingMethod
  private var state: UInt64

  /// - Throws: `ModelError` for a temperature that is not a finite number above 0, or a top-p outside (0, 1].
  package init(_ method: SamplingMethod, seed: UInt64 = 0) throws(ModelError) {
    if case .nucleus(let temperature, let topP) = method {
      guard temperature > 0, temperature.isFinite else {
        throw ModelError(.outOfRange(expected: "a finite temperature above 0", found: "\(temperature)"))
      }
      guard topP > 0, topP <= 1 else {
        throw ModelError(.outOfRange(expected: "a top-p above 0 and at most 1", found: "\(topP)"))
      }
    }
    self.method = method
    state = seed
  }

  /// The next token.
  ///
  /// - Throws: `ModelError` when no logit is a number.
  package mutating func next(_ logits: Span<Float>) throws(ModelError) -> Int {
    guard let best = Sampler.largest(logits) else { throw ModelError(.noFiniteLogit) }
    switch method {
    case .greedy: return best
    case .nucleus(let temperature, let topP): return sample(logits, best: best, temperature: temperature, topP: topP)
    }
  }

  /// The same for an array.
  package mutating func next(_ logits: [Float]) throws(ModelError) -> Int {
    try next(logits.span)
  }

  /// Place of the largest logit that is a number, the first among equals.
  static func largest(_ logits: Span<Float>) -> Int? {
    var best: Int?
    for index in logits.indices where !logits[index].isNaN {
      guard let current = best else {
        best = index
        continue
      }
      if logits[index] > logits[current] { best = index }
    }
    guard let best, logits[best] > -.infinity else { return nil }
    return best
  }

  private mutating func sample(_ logits: Span<Float>, best: Int, temperature: Double, topP: Double) -> Int {
    let top = Double(logits[best])
    guard top.isFinite else { return best }
    var weights: [(id: Int, weight: Double)] = []
    var total = 0.0
    for index in logits.indices where !logits[index].isNaN {
      let weight = exponential((Double(logits[index]) - top) / temperature)
      guard weight > 0 else { continue }
      weights.append((index, weight))
      total += weight
    }
    if topP < 1 {
      // Most likely first, lower ids first among equals: the cut must not depend on the sort.
      weights.sort { $0.weight != $1.weight ? $0.weight > $1.weight : $0.id < $1.id }
      var kept = 0.0
      let count = weights.firstIndex {
        kept += $0.weight
        return kept >= topP * total
      }
      weights.removeLast(weights.count - 1 - (count ?? weights.count - 1))
      total = kept
    }
    var remaining = uniform() * total
    for entry in weights {
      remaining -= entry.weight
      if remaining < 0 { return entry.id }
    }
    return weights.last?.id ?? best
  }

  /// A number from 0 up to 1, by SplitMix64.
  private mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    bits ^= bits >> 31
    return Double(bits >> 11) * 0x1p-53
  }
}
