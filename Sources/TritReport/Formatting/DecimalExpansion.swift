// Tritsmith: the exact decimal digits of a double.

/// The exact value of a finite double as decimal digits, because every double is a finite decimal fraction.
///
/// m · 2^e with e < 0 is m · 5^-e / 10^-e, so one multiplication of big integers gives every digit. Rounding the exact
/// digits once cannot go wrong the way scaling by a power of ten does (1.005 · 100 is below 100.5).
struct DecimalExpansion {
  /// Digits without leading zeros; empty for zero.
  private(set) var digits: [UInt8]
  /// How many of the digits stand after the decimal point; digits is padded as needed when printed.
  private(set) var scale: Int

  /// Expands the magnitude of a finite value.
  init(magnitudeOf value: Double) {
    precondition(value.isFinite, "Only finite values have digits")
    guard value != 0 else {
      (digits, scale) = ([], 0)
      return
    }
    // value = significand · 2^exponent with an integer significand, made odd to keep the product short.
    let isSubnormal = value.exponentBitPattern == 0
    var significand = value.significandBitPattern | (isSubnormal ? 0 : 1 << 52)
    var exponent = Int(isSubnormal ? 1 : value.exponentBitPattern) - 1075
    exponent += significand.trailingZeroBitCount
    significand >>= UInt64(significand.trailingZeroBitCount)

    var product = BigDecimalInteger(significand)
    product.multiply(by: exponent < 0 ? 5 : 2, times: abs(exponent))
    digits = product.digits
    scale = max(0, -exponent)
  }

  /// Keeps `count` digits after the point (or drops some before it when negative); an exact tie goes to the even digit.
  mutating func round(toFractionDigits count: Int) {
    let surplus = scale - count
    guard surplus > 0 else { return }
    guard surplus <= digits.count else {
      (digits, scale) = ([], count)
      return
    }
    let kept = digits.count - surplus
    let removed = digits[kept...]
    let half = removed.first ?? 0
    let isTie = half == 5 && removed.dropFirst().allSatisfy { $0 == 0 }
    let roundsUp = isTie ? (kept > 0 && !digits[kept - 1].isMultiple(of: 2)) : half >= 5
    digits.removeSubrange(kept...)
    scale = count
    if roundsUp { increment() }
  }

  private mutating func increment() {
    for index in digits.indices.reversed() {
      if digits[index] < 9 {
        digits[index] += 1
        return
      }
      digits[index] = 0
    }
    digits.insert(1, at: 0)
  }

  /// The power of ten of the first digit; zero for zero.
  var exponent: Int {
    digits.isEmpty ? 0 : digits.count - 1 - scale
  }

  var isZero: Bool { digits.isEmpty }
}

/// A non-negative integer in limbs of nine decimal digits, least significant first.
private struct BigDecimalInteger {
  private static let base: UInt64 = 1_000_000_000
  private var limbs: [UInt32] = []

  init(_ value: UInt64) {
    var rest = value
    while rest > 0 {
      limbs.append(UInt32(rest % Self.base))
      rest /= Self.base
    }
  }

  mutating func multiply(by factor: UInt64, times count: Int) {
    // As many factors at once as fit beside a limb in 64 bits.
    var left = count
    while left > 0 {
      var (chunk, used) = (factor, 1)
      while used < left && chunk * factor < Self.base { (chunk, used) = (chunk * factor, used + 1) }
      left -= used
      var carry: UInt64 = 0
      for index in limbs.indices {
        let product = UInt64(limbs[index]) * chunk + carry
        limbs[index] = UInt32(product % Self.base)
        carry = product / Self.base
      }
      if carry > 0 { limbs.append(UInt32(carry)) }
    }
  }

  var digits: [UInt8] {
    var result: [UInt8] = []
    for limb in limbs {
      var rest = limb
      for _ in 0..<9 {
        result.append(UInt8(rest % 10))
        rest /= 10
      }
    }
    while result.last == 0 { result.removeLast() }
    return result.reversed()
  }
}
