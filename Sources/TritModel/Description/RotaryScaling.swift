// Tritsmith: how rotary frequencies are changed for longer texts.

import LibC
import TritCore

/// How rotary frequencies are stretched for longer contexts.
package enum RotaryScaling: Sendable, Equatable {
  case none
  /// Every frequency divided by a factor.
  case linear(factor: Double)
  /// Llama 3: long wavelengths divided, short ones kept, those between interpolated.
  case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Double)
  case yarn(YaRNScaling)
  case longrope(LongRoPEScaling)

  /// The `rope_type` of a configuration.
  package var name: String {
    switch self {
    case .none: "default"
    case .linear: "linear"
    case .llama3: "llama3"
    case .yarn: "yarn"
    case .longrope: "longrope"
    }
  }

  /// What cosines and sines are multiplied by.
  package var attentionFactor: Double {
    switch self {
    case .none, .linear, .llama3: 1
    case .yarn(let yarn): yarn.attentionFactor
    case .longrope(let long): long.attentionFactor
    }
  }
}

/// YaRN: frequencies that turn often in the original context are kept, those that turn seldom divided, others blended.
///
/// Source: transformers `modeling_rope_utils.py`; ggml `ggml_rope_yarn_corr_dims` and `rope_yarn` compute the same.
package struct YaRNScaling: Sendable, Equatable {
  /// Where the blend begins and ends, in pairs of a head.
  package enum BlendEnds: Sendable, Equatable {
    /// Rounded outwards to whole pairs.
    case wholePairs
    case exact
  }

  package var factor: Double
  /// Tokens the model was trained for before.
  package var originalContext: Int
  /// What cosines and sines are multiplied by.
  package var attentionFactor: Double
  /// Turns in the original context from which on a frequency is kept, and up to which it is divided: `beta_fast` and
  /// `beta_slow`.
  package var fastTurns: Double
  package var slowTurns: Double
  package var blendEnds: BlendEnds

  package static let standardTurns = (fast: 32.0, slow: 1.0)

  /// - Parameter attentionFactor: nil for what YaRN takes, 0.1 · ln factor + 1.
  package init(
    factor: Double, originalContext: Int, attentionFactor: Double? = nil, fastTurns: Double = standardTurns.fast,
    slowTurns: Double = standardTurns.slow, blendEnds: BlendEnds = .wholePairs
  ) {
    self.factor = factor
    self.originalContext = originalContext
    self.attentionFactor = attentionFactor ?? YaRNScaling.standardAttention(factor)
    self.fastTurns = fastTurns
    self.slowTurns = slowTurns
    self.blendEnds = blendEnds
  }

  /// 0.1 · mscale · ln factor + 1 for a factor above 1.
  package static func standardAttention(_ factor: Double, mscale: Double = 1) -> Double {
    factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1
  }

  /// `attentionFactor` by what YaRN takes: GGUF's `rope.scaling.attn_factor`, a Float.
  var attentionRatio: Float { Float(attentionFactor / YaRNScaling.standardAttention(factor)) }

  /// - Parameter powers: theta^(2i/D) of every pair.
  func frequencies(theta: Double, headDimension: Int, powers: [Float]) -> [Float] {
    func pair(turning turns: Double) -> Double {
      Double(headDimension) * log(Double(originalContext) / (turns * 2 * .pi)) / (2 * log(theta))
    }
    var (first, last) = (pair(turning: fastTurns), pair(turning: slowTurns))
    if blendEnds == .wholePairs { (first, last) = (first.rounded(.down), last.rounded(.up)) }
    first = max(first, 0)
    last = min(last, Double(headDimension - 1))
    // No width to blend over: a step.
    if first == last { last += 0.001 }
    return powers.enumerated().map { index, power in
      let blend = min(max((Float(index) - Float(first)) / Float(last - first), 0), 1)
      let kept = 1 - blend
      return 1 / (Float(factor) * power) * (1 - kept) + 1 / power * kept
    }
  }
}

/// LongRoPE: every frequency divided by a number of its own, by one list for short texts and another for long ones.
///
/// Source: transformers `modeling_rope_utils.py`; llama.cpp holds the lists as tensors.
package struct LongRoPEScaling: Sendable, Equatable {
  /// One divisor for each pair of a head.
  package var short: [Float]
  package var long: [Float]
  /// Texts of more tokens take the long list, from their first token on.
  package var originalContext: Int
  /// What cosines and sines are multiplied by.
  package var attentionFactor: Double

  package init(short: [Float], long: [Float], originalContext: Int, attentionFactor: Double) {
    self.short = short
    self.long = long
    self.originalContext = originalContext
    self.attentionFactor = attentionFactor
  }

  /// √(1 + ln factor / ln context) for a factor above 1.
  package static func standardAttention(_ factor: Double, originalContext: Int) -> Double {
    factor <= 1 ? 1 : (1 + log(factor) / log(Double(originalContext))).squareRoot()
  }

  /// Whether both lists are one and nothing else changes: divisors, as `rope_freqs.weight` of GGUF holds them.
  var isOneList: Bool { short == long && attentionFactor == 1 }
}

extension RotaryScaling {
  /// The kind with its numbers, equal for equal scalings.
  package var text: String {
    switch self {
    case .none: return "default"
    case .linear(let factor): return "linear \(Float(factor))"
    case .llama3(let factor, let low, let high, let original):
      return "llama3 \(factor), \(low) to \(high) of \(original)"
    case .yarn(let yarn):
      let ends = yarn.blendEnds == .exact ? ", not truncated" : ""
      return "yarn \(Float(yarn.factor)) of \(yarn.originalContext), attention \(yarn.attentionRatio) of its own, "
        + "\(Float(yarn.fastTurns)) to \(Float(yarn.slowTurns)) turns\(ends)"
    case .longrope(let long):
      return "longrope of \(long.originalContext), attention \(Float(long.attentionFactor)), short "
        + "\(RotaryScaling.digest(long.short)), long \(RotaryScaling.digest(long.long))"
    }
  }

  /// First, last and checksum (SHA-256 of the bit patterns, its beginning) of a list of numbers.
  private static func digest(_ values: [Float]) -> String {
    let hash = SHA256()
    // Named: of a span of an unnamed array the compiler makes broken code without optimization.
    let bits = values.map { $0.bitPattern.littleEndian }
    hash.update(bits.span.bytes)
    return "\(values.first ?? 1)…\(values.last ?? 1) (\(hash.finalize().description.prefix(8)))"
  }
}
