// Tritsmith: tensor shapes.

/// Dimensions of a tensor, outermost first, with a product known to fit.
///
/// A weight is `[out, in]`: rows are output features, columns input features, as in PyTorch.
public struct TensorShape: Sendable, Hashable, CustomStringConvertible {
  /// Outermost first, as PyTorch and safetensors have them; empty for a scalar.
  public let dimensions: [Int]
  /// The product of the dimensions: 1 for a scalar.
  public let elementCount: Int

  /// Nil when a dimension is negative or the product does not fit.
  package init?(_ dimensions: [Int]) {
    guard dimensions.allSatisfy({ $0 >= 0 }), let product = Checked.product(dimensions.map { UInt64($0) }),
      let count = Int(exactly: product)
    else { return nil }
    self.dimensions = dimensions
    elementCount = count
  }

  /// A matrix; nil when rows × columns does not fit.
  package init?(rows: Int, columns: Int) {
    self.init([rows, columns])
  }

  package var rank: Int { dimensions.count }

  /// The contiguous dimension; 1 for a scalar.
  @inlinable
  package var columns: Int { dimensions.last ?? 1 }

  /// All other dimensions joined; 1 for vectors and scalars, and 0 where rows hold nothing: `[2^62, 0]` is a shape that
  /// costs a file no byte, and nothing may ever be done for each of its rows.
  @inlinable
  package var rows: Int { columns == 0 ? 0 : elementCount / columns }

  package var isMatrix: Bool { rank == 2 }

  public var description: String { "[" + dimensions.map(String.init).joined(separator: ", ") + "]" }
}
