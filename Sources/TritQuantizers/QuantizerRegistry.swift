// Tritsmith: every quantizer.

/// Every quantizer this package has; one line each.
public enum QuantizerRegistry {
  /// Every quantizer.
  public static let all: [any Quantizer] = [
    AbsMean.bf16,
    AbsMean.float32,
    AbsMean.kernel,
  ]

  /// The quantizer of that name, if there is one.
  public static func quantizer(_ id: QuantizerID) -> (any Quantizer)? {
    all.first { $0.id == id }
  }
}
