// Tritsmith: every quantizer.

/// Every quantizer this package has; one line each.
package enum QuantizerRegistry {
  /// Every quantizer.
  package static let all: [any Quantizer] = [
    AbsMean.bf16,
    AbsMean.float32,
    AbsMean.kernel,
    AbsMeanGroup.of64,
    AbsMeanGroup.of128,
    AbsMeanLeastSquares(),
    OptimalTernary.tensor,
    OptimalTernary.row,
    OptimalTernary.group128,
    ErrorCompensation.tensor,
    ErrorCompensation.row,
    ErrorCompensation.group128,
    TwoPlanes(),
  ]

  /// The quantizer of that name, if there is one.
  package static func quantizer(_ id: QuantizerID) -> (any Quantizer)? {
    all.first { $0.id == id }
  }
}
