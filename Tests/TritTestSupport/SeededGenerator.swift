// Tritsmith: random numbers that are the same in every run.

/// SplitMix64 (Steele, Lea, Flood 2014): small, well distributed, and the same sequence on every machine.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) {
    state = seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

extension SeededGenerator {
  /// Trits from a seed, each of −1, 0, +1 about equally often.
  package mutating func trits(_ count: Int) -> [Int8] {
    (0..<count).map { _ in Int8(truncatingIfNeeded: next() % 3) - 1 }
  }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 32) }
  }

  /// Little-endian bytes of finite bfloat16 patterns with exponents near those of trained weights, and some zeros.
  package mutating func weightBytes(_ count: Int) -> [UInt8] {
    (0..<count).flatMap { _ -> [UInt8] in
      let random = next()
      let sign = UInt16(truncatingIfNeeded: random & 1) << 15
      // 2^-12 … 2^3
      let exponent = UInt16(115 + (random >> 8) % 16) << 7
      let fraction = UInt16(truncatingIfNeeded: random >> 16 & 0x7F)
      let bits = (random >> 32) % 16 == 0 ? sign : sign | exponent | fraction
      return [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
    }
  }
}
