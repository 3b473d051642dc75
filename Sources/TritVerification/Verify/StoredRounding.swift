// Tritsmith: how types round the numbers of two forms of one model apart.

import TritLayouts

/// How the stored numbers of two forms of one model were rounded apart; the coarsest counts.
package enum StoredRounding: Sendable, Comparable {
  /// One form on both sides: equal numbers are equal bits.
  case none
  /// Values or scales in F16 on one side, and not on the other.
  case f16
  /// The same of bfloat16, or of types that are not known.
  case bf16
  /// Blocks of 8 bits on one side, as Q8_0: by 0.005 of a Gaussian's spread.
  case eightBits
  /// Blocks of 6 bits on one side, as Q6_K: by 0.019 of it.
  case sixBits

  /// What a number may have lost at most, as a share of itself: half a step of 11 and of 8 digits; of a row in blocks.
  package var share: Double {
    switch self {
    case .none: 0
    case .f16: 0x1p-11
    case .bf16: 0x1p-8
    case .eightBits, .sixBits: stepBound
    }
  }

  /// Largest relative error of the worst unit of a step that multiplies with such numbers, where they were not looked at
  /// one by one.
  package var stepBound: Double {
    switch self {
    // Sums may be added in another order: the two arithmetic modes differ by 2e-7.
    case .none: 3e-5
    // One scale may be off by the whole share, many numbers by share ÷ √7 in the mean: 1.3 and 3.4 times.
    case .f16, .bf16: 1.28 * share
    case .eightBits: 3e-2
    case .sixBits: 1e-1
    }
  }

  /// What a row may lose to a type for rounding to explain it. The small numbers of F16 lose more than its share.
  package var rowBound: Double {
    switch self {
    case .none: 0
    case .f16, .bf16: 1.28 * StoredRounding.bf16.share
    case .eightBits, .sixBits: stepBound
    }
  }

  /// What such numbers are off by in the mean, as a share of every number of the embeddings.
  package var noise: Float {
    switch self {
    // What another order of additions does.
    case .none: 0x1p-20
    case .f16: 0x1p-11
    // Between the largest share and its mean, which is 2⁻⁹·⁴.
    case .bf16: 0x1p-9
    case .eightBits: 0x1p-7
    case .sixBits: 0x1.8p-6
    }
  }

  /// `noise`, for people.
  package var phrase: String {
    switch self {
    case .none: "embeddings off by 2⁻²⁰, as Float sums are"
    case .f16: "embeddings off by 2⁻¹¹, as a number rounded to F16 is"
    case .bf16: "embeddings off by 2⁻⁹, as a number rounded to bfloat16 is"
    case .eightBits: "embeddings off by 0.008, as numbers in blocks of 8 bits are"
    case .sixBits: "embeddings off by 0.023, as numbers in blocks of 6 bits are"
    }
  }

  /// Whether numbers were rounded one by one, so that each can be held against its other form.
  package var isOfNumbers: Bool { self == .f16 || self == .bf16 }

  /// Whether numbers were rounded in blocks, so that one may lose a share of a larger one.
  package var isOfBlocks: Bool { self == .eightBits || self == .sixBits }

  /// By the name of a block type; nil for one that is not known, and for plain numbers.
  package init?(blocks name: String) {
    switch name {
    case Q8_0.name: self = .eightBits
    case Q6_K.name: self = .sixBits
    default: return nil
    }
  }
}
