// Tritsmith: every ternary layout.

import TritCore

/// Every ternary layout this package can write and read; one line each.
public enum LayoutRegistry {
  public static let all: [any TernaryLayout] = [
    HFPacked(),
    SplitRow(.base3),
    SplitRow(.twoBit),
  ]

  public static func layout(_ id: LayoutID) -> (any TernaryLayout)? {
    all.first { $0.id == id }
  }
}
