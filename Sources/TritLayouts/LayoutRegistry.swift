// Tritsmith: every ternary layout.

import TritCore

/// Every ternary layout this package can write and read; one line each.
package enum LayoutRegistry {
  /// Every layout; the first one of a ggml type is what that type means unless told.
  package static let all: [any TernaryLayout] = [
    HFPacked(),
    SplitRow(.base3),
    SplitRow(.twoBit),
    MLXTwoBit(),
    TQ1_0(),
    TQ2_0(),
    Q2_0(.of64),
    Q2_0(.of128),
    PTQ1_0(),
    I2S(.group128),
    I2S(.group64),
    I2S(.rows4),
    IQ1BN(),
    IQ2BN(),
    IQ2BNR4(),
  ]

  /// The layout of that name, if there is one.
  package static func layout(_ id: LayoutID) -> (any TernaryLayout)? {
    all.first { $0.id == id }
  }

  /// The layout of a ggml type; the first one where a type number stands for several byte orders.
  package static func layout(ggmlType: UInt32) -> (any TernaryLayout)? {
    all.first { $0.ggmlType == ggmlType }
  }
}
