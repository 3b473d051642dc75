// Tritsmith: bfloat16.

/// A bfloat16 number: the upper half of a Float.
///
///     bit 15   14 ............ 7   6 ......... 0
///        sign      exponent          fraction
///
/// Conversion from Float rounds half to even and keeps subnormals; a NaN keeps its top bits with the quiet bit set, as
/// ggml and gguf-py do (torch writes 0xFFFF for every NaN).
@usableFromInline package struct BFloat16: Sendable, Hashable {
  @usableFromInline package var bits: UInt16

  @inlinable
  package init(bits: UInt16) {
    self.bits = bits
  }

  @inlinable
  package init(_ value: Float) {
    let pattern = value.bitPattern
    if value.isNaN {
      bits = UInt16(truncatingIfNeeded: pattern >> 16) | 0x40
    } else {
      bits = UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16)
    }
  }

  @inlinable package var float: Float { Float(bitPattern: UInt32(bits) << 16) }

  /// Exponent and fraction without the sign; larger means larger magnitude, and 0x7F80 and above is not finite.
  @inlinable package var magnitudeBits: UInt16 { bits & 0x7FFF }

  /// The first magnitude that is not a finite number.
  @usableFromInline package static let infinityMagnitude: UInt16 = 0x7F80

  /// A Float rounded to bfloat16 and widened again.
  @inlinable
  package static func rounded(_ value: Float) -> Float {
    BFloat16(value).float
  }

  /// Whether a Float is a bfloat16 number already; false of what is no number.
  @inlinable
  package static func holds(_ value: Float) -> Bool { rounded(value) == value }
}
