// Tritsmith: stored scales of checkpoints from the multipliers GGUF files hold.

import TritCore

extension TernaryScale {
  /// The bfloat16 number s whose inverse, rounded to the storage type a multiplier was found in, is that multiplier.
  ///
  /// A packed checkpoint divides by a bfloat16 of 8 significant bits; its inverse in f16 (11 bits) or f32 (24) is
  /// another number for every s, so s can be had back. Nil when the multiplier is no such inverse.
  package static func divisor(ofMultiplier multiplier: Float, storage: DType) -> BFloat16? {
    guard multiplier > 0, multiplier.isFinite else { return nil }
    let nearest = BFloat16(1 / multiplier).bits
    return [nearest, nearest &- 1, nearest &+ 1].map { BFloat16(bits: $0) }.first {
      $0.float.isFinite && $0.float > 0 && rounded(1 / $0.float, to: storage) == multiplier
    }
  }

  /// A number in a storage type, widened again.
  @inlinable
  package static func rounded(_ value: Float, to storage: DType) -> Float {
    switch storage {
    case .bf16: BFloat16.rounded(value)
    case .f16: HalfFloat(value).float
    default: value
    }
  }

  /// The scale a checkpoint stores for a multiplier from a GGUF file: bfloat16 where that says the same, else Float.
  package func asCheckpointScale(_ convention: ScaleConvention) -> TernaryScale {
    guard granularity == .tensor, self.convention == .multiply else { return self }
    let multiplier = stored[0]
    switch convention {
    case .multiply:
      let isExact = BFloat16.holds(multiplier)
      return TernaryScale(stored: multiplier, storage: isExact ? .bf16 : .f32, convention: .multiply)
    case .divide:
      if let divisor = TernaryScale.divisor(ofMultiplier: multiplier, storage: storage) {
        return TernaryScale(stored: divisor.float, storage: .bf16, convention: .divide)
      }
      // A file made from a dense checkpoint holds its bf16(1/s): s as packing that checkpoint would store it.
      if multiplier > 0, BFloat16.holds(multiplier) {
        let divisor = TernaryScale.divisor(ofMagnitude: multiplier)
        if BFloat16.rounded(1 / divisor) == multiplier {
          return TernaryScale(stored: divisor, storage: .bf16, convention: .divide)
        }
      }
      // A tensor of zeros has no scale; 1 is one that can be divided by.
      return TernaryScale(stored: multiplier > 0 ? 1 / multiplier : 1, storage: .f32, convention: .divide)
    }
  }
}
