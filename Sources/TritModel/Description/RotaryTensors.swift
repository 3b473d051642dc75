// Tritsmith: rotary settings that GGUF holds as tensors.

import TritCore

/// Divisors of rotary frequencies, one for each pair of a head, that a GGUF file holds as tensors.
///
/// Source: llama.cpp `llama-model.cpp` (`get_rope_factors`) and `conversion/llama.py`.
struct RotaryTensors {
  /// Of every text: what `llama3` makes of the frequencies.
  static let frequencies = "rope_freqs.weight"
  /// Of `longrope`.
  static let short = "rope_factors_short.weight"
  static let long = "rope_factors_long.weight"

  private(set) var values: [String: [Float]] = [:]
  /// The first of them that cannot be read.
  private(set) var problem: ModelError?

  /// - Parameter form: of the file's family; a graph that knows no such tensors refuses them, so they are left to be
  ///   found as tensors nobody uses.
  init(_ source: any TensorSource, _ form: GGUFForm?) throws {
    guard form?.rotaryFactors == .tensors else { return }
    for name in [RotaryTensors.frequencies, RotaryTensors.short, RotaryTensors.long] {
      guard let tensor = source.manifest.tensor(named: name) else { continue }
      let location = ErrorLocation(file: source.manifest.path, tensor: name)
      guard tensor.encoding == .dense(.f32), tensor.shape.rank == 1, tensor.shape.elementCount <= 1 << 16 else {
        problem =
          problem
          ?? ModelError(
            .tensorEncoding(expected: "a list of F32", found: "\(tensor.encoding.name) \(tensor.shape)"),
            location: location)
        continue
      }
      let count = tensor.shape.elementCount
      let found = try source.withBytes(0..<4 * count, of: tensor) { bytes in
        (0..<count).map {
          Float(bitPattern: UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
        }
      }
      if let bad = found.first(where: { !$0.isFinite || $0 <= 0 }) {
        problem =
          problem
          ?? ModelError(
            .unsupportedValue(expected: "finite numbers above 0", found: "\(bad)"), location: location)
      }
      values[name] = found
    }
  }

  /// Whether a tensor is one of these, and read as a setting.
  func holds(_ name: String) -> Bool { values[name] != nil }
}

extension ModelDescription {
  /// Tensors that hold this model's rotary settings in GGUF; none for most.
  package var rotaryTensors: [(name: String, values: [Float])] {
    switch rotary.scaling {
    case .none, .linear, .yarn: []
    case .llama3(let factor, let low, let high, let original):
      [
        (
          RotaryTensors.frequencies,
          Llama3Divisors(factor: factor, low: low, high: high, original: original).values(
            theta: rotary.theta, headDimension: attention.headDimension)
        )
      ]
    case .longrope(let long): [(RotaryTensors.long, long.long), (RotaryTensors.short, long.short)]
    }
  }
}

/// `llama3` scaling as a list of divisors, and back.
struct Llama3Divisors: Equatable {
  var factor: Double
  var low: Double
  var high: Double
  var original: Double

  var scaling: RotaryScaling {
    .llama3(factor: factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: original)
  }

  /// Wavelengths, in tokens, of the pairs of a head.
  private static func wavelengths(theta: Double, headDimension: Int) -> [Double] {
    RotaryEmbedding(theta: theta).frequencies(headDimension: headDimension).short.map { 2 * .pi / Double($0) }
  }

  init(factor: Double, low: Double, high: Double, original: Double) {
    (self.factor, self.low, self.high, self.original) = (factor, low, high, original)
  }

  /// 1 for short wavelengths, `factor` for long ones, a number between for those between.
  func values(theta: Double, headDimension: Int) -> [Float] {
    Llama3Divisors.wavelengths(theta: theta, headDimension: headDimension).map { wavelength in
      if wavelength > original / low { return Float(factor) }
      if wavelength < original / high { return 1 }
      let smooth = (original / wavelength - low) / (high - low)
      return Float(1 / ((1 - smooth) / factor + smooth))
    }
  }

  /// The settings that give a list of divisors; nil for a list that `llama3` does not give.
  ///
  /// Only ratios of the two bounds and the original context are in a list: the lower bound is taken as 1, as in every
  /// published model, and the numbers nearest to whole ones that give the list.
  init?(_ divisors: [Float], theta: Double, headDimension: Int) {
    guard divisors.count == headDimension / 2, let largest = divisors.max(), largest > 1, divisors.min() == 1 else {
      return nil
    }
    let factor = HuggingFaceDescription.shortest(largest)
    let wavelengths = Llama3Divisors.wavelengths(theta: theta, headDimension: headDimension)
    // s = A/wavelength − B for wavelengths between, with A = original/(high − low), B = low/(high − low).
    var between: [(rate: Double, smooth: Double)] = []
    for (divisor, wavelength) in zip(divisors, wavelengths) where divisor > 1 && divisor < largest {
      let share = 1 / factor
      between.append((rate: 1 / wavelength, smooth: (1 / Double(divisor) - share) / (1 - share)))
    }
    var candidates: [Llama3Divisors] = []
    func add(_ high: Double, _ original: Double) {
      guard high > 1, original > 0, high.isFinite, original.isFinite else { return }
      candidates.append(Llama3Divisors(factor: factor, low: 1, high: high, original: original))
    }
    if let first = between.first {
      // From one of them the context follows for every upper bound; that of every published model comes first.
      for high in [4.0, 2, 8, 3, 16] { add(high, ((first.smooth * (high - 1) + 1) / first.rate).rounded()) }
      if let last = between.last, first.rate != last.rate {
        let slope = (first.smooth - last.smooth) / (first.rate - last.rate)
        let high = 1 + 1 / (slope * first.rate - first.smooth)
        for rounded in [high.rounded(), (2 * high).rounded() / 2, (8 * high).rounded() / 8] {
          add(rounded, (slope * (rounded - 1)).rounded())
        }
      }
    } else {
      // No wavelength lies between: any context does that has none there.
      for exponent in 5..<22 { add(4, Double(1 << exponent)) }
    }
    let fit = candidates.first { candidate in
      zip(candidate.values(theta: theta, headDimension: headDimension), divisors).allSatisfy {
        abs($0 - $1) <= 8 * $1.ulp
      }
    }
    guard let fit else { return nil }
    self = fit
  }
}
