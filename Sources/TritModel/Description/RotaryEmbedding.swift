// Tritsmith: rotary position embedding.

import TritCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How rotary frequencies are stretched for longer contexts.
public enum RotaryScaling: Sendable, Equatable {
  case none
  /// Every frequency divided by a factor.
  case linear(factor: Double)
  /// Llama 3: long wavelengths divided, short ones kept, those between interpolated.
  case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Double)

  /// The `rope_type` of a configuration.
  public var name: String {
    switch self {
    case .none: "default"
    case .linear: "linear"
    case .llama3: "llama3"
    }
  }
}

/// The rotary embedding of a model.
public struct RotaryEmbedding: Sendable, Equatable {
  public var theta: Double
  public var scaling: RotaryScaling

  public init(theta: Double, scaling: RotaryScaling = .none) {
    self.theta = theta
    self.scaling = scaling
  }

  /// Angles a position, theta^(−2i/D) for i < D/2, in Float as transformers computes them.
  ///
  /// Powers are taken in Double and rounded, which is within a unit in the last place of any Float power function.
  /// Source: transformers `modeling_rope_utils.py`.
  public func inverseFrequencies(headDimension: Int) -> [Float] {
    stride(from: 0, to: headDimension, by: 2).map { index in
      let exponent = Float(index) / Float(headDimension)
      let frequency = 1 / Float(pow(theta, Double(exponent)))
      return scaled(frequency)
    }
  }

  private func scaled(_ frequency: Float) -> Float {
    switch scaling {
    case .none: return frequency
    case .linear(let factor): return frequency / Float(factor)
    case .llama3(let factor, let low, let high, let original):
      let wavelength = Float(2 * Double.pi) / frequency
      let longest = Float(original / low)
      let shortest = Float(original / high)
      if wavelength > longest { return frequency / Float(factor) }
      if wavelength < shortest { return frequency }
      let smooth = (Float(original) / wavelength - Float(low)) / Float(high - low)
      return (1 - smooth) * (frequency / Float(factor)) + smooth * frequency
    }
  }

  /// Cosines and sines `[count, D/2]` of the angles at positions from `first` on.
  func angles(first: Int, count: Int, _ frequencies: [Float]) -> (cosines: [Float], sines: [Float]) {
    var cosines: [Float] = []
    var sines: [Float] = []
    cosines.reserveCapacity(count * frequencies.count)
    sines.reserveCapacity(count * frequencies.count)
    for position in first..<first + count {
      for frequency in frequencies {
        let angle = Double(Float(position) * frequency)
        cosines.append(Float(cos(angle)))
        sines.append(Float(sin(angle)))
      }
    }
    return (cosines, sines)
  }

  /// Reads the 4.x keys (`rope_theta`, `rope_scaling`) and the 5.x one (`rope_parameters`).
  ///
  /// A reader that knows only the first would silently take the default theta for 5.x files.
  static func read(
    _ reader: inout ConfigurationReader, defaultTheta: Double
  ) throws(ModelError) -> RotaryEmbedding {
    var found: [(theta: Double?, scaling: RotaryScaling, key: String)] = []
    for key in ["rope_parameters", "rope_scaling"] {
      guard var nested = try reader.nested(key) else { continue }
      let theta = try nested.positive("rope_theta")
      try nested.mustBeOff("partial_rotary_factor", [1])
      let scaling = try readScaling(&nested)
      try nested.finish()
      found.append((theta, scaling, key))
    }
    if found.count == 2, found[0].scaling != found[1].scaling {
      throw reader.error(
        .contradiction(expected: "the scaling of rope_parameters", found: found[1].scaling.name), "rope_scaling")
    }
    let thetas = try found.compactMap(\.theta) + ([reader.positive("rope_theta")].compactMap { $0 })
    guard let theta = thetas.first else {
      try reader.refuseNull("rope_theta", "a number")
      reader.noteAssumption("rope_theta = \(defaultTheta)")
      return RotaryEmbedding(theta: defaultTheta, scaling: found.first?.scaling ?? .none)
    }
    if let other = thetas.first(where: { $0 != theta }) {
      throw reader.error(.contradiction(expected: "one theta, \(theta)", found: "\(other)"), "rope_theta")
    }
    return RotaryEmbedding(theta: theta, scaling: found.first?.scaling ?? .none)
  }

  private static func readScaling(_ reader: inout ConfigurationReader) throws(ModelError) -> RotaryScaling {
    // Older files call it `type`.
    let older = try reader.string("type")
    let name = try reader.string("rope_type") ?? older ?? "default"
    switch name {
    case "default":
      return .none
    case "linear":
      // Divided by 1 every frequency is what it was.
      let factor = try reader.requiredPositive("factor")
      return factor == 1 ? .none : .linear(factor: factor)
    case "llama3":
      let low = try reader.requiredPositive("low_freq_factor")
      let high = try reader.requiredPositive("high_freq_factor")
      guard high > low else {
        throw reader.error(
          .unsupportedValue(expected: "more than low_freq_factor", found: "\(high)"), "high_freq_factor")
      }
      return .llama3(
        factor: try reader.requiredPositive("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
        originalContext: try reader.requiredPositive("original_max_position_embeddings"))
    default:
      throw reader.error(.unsupportedValue(expected: "default, linear or llama3", found: name), "rope_type")
    }
  }
}
