// Tritsmith: logarithms of the C library.

import LibC

/// Logarithms, so that only this file names the C library.
@usableFromInline package enum Logarithm {
  @inlinable package static func base10(_ value: Double) -> Double { log10(value) }
  @inlinable package static func base2(_ value: Double) -> Double { log2(value) }
  @inlinable package static func natural(_ value: Double) -> Double { log(value) }
  @inlinable package static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
  @inlinable package static func exponential(_ value: Double) -> Double { exp(value) }
}
