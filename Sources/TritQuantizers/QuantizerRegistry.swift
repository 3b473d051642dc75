// Tritsmith: every quantizer.

/// Every quantizer this package has; one line each.
public enum QuantizerRegistry {
  public static let all: [any Quantizer] = [
    AbsMean.bf16,
    AbsMean.float32,
    AbsMean.kernel,
  ]

  public static func quantizer(_ id: QuantizerID) -> (any Quantizer)? {
    all.first { $0.id == id }
  }
}
