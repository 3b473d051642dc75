// Tritsmith tests: absmean without any of the library.

/// Absmean written out weight by weight, as the published programs are documented to compute it.
package enum NaiveAbsMean {
  /// The nearest number with 8 significant bits, ties to even; by scaling, without touching bit patterns.
  package static func bf16(_ value: Double) -> Double {
    guard value != 0 else { return value }
    let step = Double(sign: .plus, exponent: value.exponent - 7, significand: 1)
    return (value / step).rounded(.toNearestOrEven) * step
  }

  package static func clip(_ value: Double) -> Int8 { Int8(max(-1, min(1, value))) }

  /// - Returns: trits and the inverse scale as stored, for weights whose magnitudes sum without rounding.
  package static func quantize(_ weights: [Float], _ arithmetic: String) -> (trits: [Int8], divisor: Float) {
    let sum = weights.reduce(0.0) { $0 + Double(abs($1)) }
    let count = Double(weights.count)
    switch arithmetic {
    case "absmean-bf16":
      // Sum and quotient in Float, then every step rounded to bfloat16.
      let mean = bf16(Double(Float(sum) / Float(count)))
      let inverse = bf16(Double(1 / Float(mean)))
      let trits = weights.map { clip(bf16(Double($0 * Float(inverse))).rounded(.toNearestOrEven)) }
      return (trits, Float(inverse))
    case "absmean-float32":
      let inverse = 1 / (Float(sum) / Float(count))
      let trits = weights.map { clip(Double(($0 * inverse).rounded(.toNearestOrEven))) }
      return (trits, Float(bf16(Double(inverse))))
    case "absmean-kernel":
      let inverse = Float(1 / (sum / count))
      let trits = weights.map { clip(Double(($0 * inverse + 0.5).rounded(.down))) }
      return (trits, Float(bf16(Double(inverse))))
    default: preconditionFailure("no arithmetic '\(arithmetic)'")
    }
  }
}
