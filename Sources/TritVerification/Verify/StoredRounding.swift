// Tritsmith: how types round the numbers of two forms of one model apart.

import TritLayouts

/// How the stored numbers of two forms of one model were rounded apart; the coarsest counts.
package enum StoredRounding: Sendable, Comparable {
  /// One form on both sides: equal numbers are equal bits.
  case none
  /// Values or scales of two types: by 2⁻⁹ at most, which is bfloat16's, on either side.
  case types
  /// Blocks of 8 bits on one side, as Q8_0: by 0.005 of a Gaussian's spread.
  case eightBits
  /// Blocks of 6 bits on one side, as Q6_K: by 0.019 of it.
  case sixBits

  /// Largest relative error of the worst unit of a step that multiplies with such numbers.
  package var stepBound: Double {
    switch self {
    // Sums may be added in another order: the two arithmetic modes differ by 2e-7.
    case .none: 3e-5
    case .types: 5e-3
    case .eightBits: 3e-2
    case .sixBits: 1e-1
    }
  }

  /// The same as a share of every number of the embeddings.
  package var noise: Float {
    switch self {
    // What another order of additions does.
    case .none: 0x1p-20
    case .types: 0x1p-9
    case .eightBits: 0x1p-7
    case .sixBits: 0x1.8p-6
    }
  }

  /// `noise`, for people.
  package var phrase: String {
    switch self {
    case .none: "embeddings off by 2⁻²⁰, as Float sums are"
    case .types: "embeddings off by 2⁻⁹, as a number rounded to bfloat16 is"
    case .eightBits: "embeddings off by 0.008, as numbers in blocks of 8 bits are"
    case .sixBits: "embeddings off by 0.023, as numbers in blocks of 6 bits are"
    }
  }

  /// By the name of a block type; nil for one that is not known, and for plain numbers.
  package init?(blocks name: String) {
    switch name {
    case Q8_0.name: self = .eightBits
    case Q6_K.name: self = .sixBits
    default: return nil
    }
  }
}
