// Tritsmith: IEEE 754 half precision.

/// An IEEE 754 binary16 number, converted in integer arithmetic so that every platform gives the same bits.
///
/// Swift's own `Float16` does not exist on every platform this package builds for.
@usableFromInline package struct HalfFloat: Sendable, Hashable {
  @usableFromInline package var bits: UInt16

  @inlinable
  package init(bits: UInt16) {
    self.bits = bits
  }

  /// Rounds half to even; values above 65504 by at least half a step become infinity, tiny ones subnormal or zero.
  @inlinable
  package init(_ value: Float) {
    let pattern = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: pattern >> 16) & 0x8000
    let magnitude = pattern & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 {
      bits = sign | 0x7E00 | UInt16(truncatingIfNeeded: magnitude >> 13) & 0x3FF
    } else if magnitude >= 0x4780_0000 {
      bits = sign | 0x7C00
    } else if magnitude >= 0x3880_0000 {
      // Normal: drop 13 fraction bits and rebias the exponent; a carry may run into the exponent, also to infinity.
      let rounded = magnitude &+ 0xFFF &+ (magnitude >> 13 & 1)
      bits = sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
    } else if magnitude > 0x3300_0000 {
      // Subnormal: shift the fraction with its hidden bit so that the exponent becomes the smallest.
      let shift = 126 - (magnitude >> 23)
      let fraction = magnitude & 0x7F_FFFF | 0x80_0000
      let kept = fraction >> shift
      let rest = fraction & (1 << shift - 1)
      let half: UInt32 = 1 << (shift - 1)
      bits = sign | UInt16(truncatingIfNeeded: rest > half || rest == half && kept & 1 == 1 ? kept + 1 : kept)
    } else {
      bits = sign
    }
  }

  @inlinable
  package var float: Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1F)
    let fraction = UInt32(bits & 0x3FF)
    switch exponent {
    case 0:
      let value = Float(fraction) * 0x1p-24
      return Float(bitPattern: sign | value.bitPattern)
    case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }

  /// Whether a Float is a half already; false of what is no number.
  @inlinable
  package static func holds(_ value: Float) -> Bool {
    // Normal numbers of half precision, which nearly all are, by their bits alone.
    let pattern = value.bitPattern
    if pattern & 0x1FFF == 0, 113...142 ~= pattern >> 23 & 0xFF { return true }
    return HalfFloat(value).float == value
  }
}
