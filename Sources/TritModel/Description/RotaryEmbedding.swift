// Tritsmith: rotary position embedding.

import LibC
import TritCore

/// The rotary embedding of a model.
package struct RotaryEmbedding: Sendable, Equatable {
  package var theta: Double
  package var scaling: RotaryScaling
  /// The first columns of a head that are rotated; nil for all of them.
  package var columns: Int?
  /// How many frequencies go by each part of a position with three; a text has three equal ones.
  package var sections: [Int]?

  package init(theta: Double, scaling: RotaryScaling = .none, columns: Int? = nil, sections: [Int]? = nil) {
    self.theta = theta
    self.scaling = scaling
    self.columns = columns
    self.sections = sections
  }

  /// Angles a position, theta^(−2i/D) for i < D/2 before scaling, in Float as transformers computes them.
  ///
  /// Powers are taken in Double and rounded, which is within a unit in the last place of any Float power function.
  /// Source: transformers `modeling_rope_utils.py`.
  package func frequencies(headDimension: Int) -> RotaryFrequencies {
    let powers = stride(from: 0, to: headDimension, by: 2).map { index in
      Float(pow(theta, Double(Float(index) / Float(headDimension))))
    }
    func one(_ frequencies: [Float]) -> RotaryFrequencies {
      RotaryFrequencies(
        short: frequencies, long: frequencies, originalContext: .max, factor: Float(scaling.attentionFactor))
    }
    switch scaling {
    case .none: return one(powers.map { 1 / $0 })
    case .linear(let factor): return one(powers.map { 1 / $0 / Float(factor) })
    case .llama3: return one(powers.map { scaled(1 / $0) })
    case .yarn(let yarn):
      return one(yarn.frequencies(theta: theta, headDimension: headDimension, powers: powers))
    case .longrope(let long):
      func divided(_ divisors: [Float]) -> [Float] { zip(divisors, powers).map { 1 / ($0 * $1) } }
      return RotaryFrequencies(
        short: divided(long.short), long: divided(long.long), originalContext: long.originalContext,
        factor: Float(long.attentionFactor))
    }
  }

  /// A frequency under `llama3`.
  private func scaled(_ frequency: Float) -> Float {
    guard case .llama3(let factor, let low, let high, let original) = scaling else { return frequency }
    let wavelength = Float(2 * Double.pi) / frequency
    let longest = Float(original / low)
    let shortest = Float(original / high)
    if wavelength > longest { return frequency / Float(factor) }
    if wavelength < shortest { return frequency }
    let smooth = (Float(original) / wavelength - Float(low)) / Float(high - low)
    return (1 - smooth) * (frequency / Float(factor)) + smooth * frequency
  }
}

/// Angles a position of every pair of a head, and what their cosines and sines are multiplied by.
package struct RotaryFrequencies: Sendable, Equatable {
  /// Of a text of no more tokens than `originalContext`, and of longer ones.
  package var short: [Float]
  package var long: [Float]
  package var originalContext: Int
  package var factor: Float

  /// Whether two numbers are one that files hold in other ways: each is rounded four times on its way.
  package static func areOne(_ a: Float, _ b: Float) -> Bool { abs(a - b) <= 8 * max(abs(a), abs(b)).ulp }

  /// Those of a text of that many tokens.
  package func values(of length: Int) -> [Float] { length > originalContext ? long : short }

  /// Cosines and sines `[count, D/2]` of the angles at positions from `first` on, in a text of `length` tokens.
  package func angles(first: Int, count: Int, of length: Int) -> (cosines: [Float], sines: [Float]) {
    let frequencies = values(of: length)
    var cosines: [Float] = []
    var sines: [Float] = []
    cosines.reserveCapacity(count * frequencies.count)
    sines.reserveCapacity(count * frequencies.count)
    for position in first..<first + count {
      for frequency in frequencies {
        let angle = Double(Float(position) * frequency)
        cosines.append(Float(cos(angle)) * factor)
        sines.append(Float(sin(angle)) * factor)
      }
    }
    return (cosines, sines)
  }
}

extension ModelDescription {
  /// Whether scalings that are written differently are one: `llama3` is a list of divisors in GGUF, and more than one
  /// set of its four numbers gives the same list.
  func hasScaling(of other: ModelDescription) -> Bool {
    func isList(_ scaling: RotaryScaling) -> Bool {
      switch scaling {
      case .llama3: true
      case .longrope(let long): long.isOneList
      case .none, .linear, .yarn: false
      }
    }
    guard isList(rotary.scaling), isList(other.rotary.scaling) else { return false }
    let width = rotaryDimension
    guard width == other.rotaryDimension else { return false }
    // Of one theta: another one is a difference of its own.
    let mine = RotaryEmbedding(theta: rotary.theta, scaling: rotary.scaling).frequencies(headDimension: width)
    let theirs = RotaryEmbedding(theta: rotary.theta, scaling: other.rotary.scaling).frequencies(headDimension: width)
    return zip(mine.short, theirs.short).allSatisfy(RotaryFrequencies.areOne)
  }
}
