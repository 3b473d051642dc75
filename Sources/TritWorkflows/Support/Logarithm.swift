// Tritsmith: logarithms of the C library.

import LibC

/// Logarithms, so that only this file names the C library.
enum Logarithm {
  static func base10(_ value: Double) -> Double { log10(value) }
  static func base2(_ value: Double) -> Double { log2(value) }
  static func natural(_ value: Double) -> Double { log(value) }
  static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
  static func exponential(_ value: Double) -> Double { exp(value) }
}
