// Tritsmith: the basis that rotated weights are stored in.

import TritCore
import TritKernels

/// How inputs are turned before they are multiplied with rotated weights, which stay packed.
///
/// Projections that share one share the turned input too, so equal ones are one object.
final class WeightBasis: Sendable {
  let columns: Int
  let blockSize: Int
  /// By stored column; nil where all are +1.
  let signs: [Float]?
  /// For each stored column the one of the ordinary matrix; nil where all stay.
  let order: [Int]?

  init(_ rotation: RowRotation) {
    columns = rotation.columns
    blockSize = rotation.blockSize
    signs = rotation.signs?.map { Float($0) }
    order = rotation.order
  }

  /// Rows of `columns` numbers each.
  func change(
    _ x: [Float], rows: Int, _ direction: BasisChange, _ engine: InferenceEngine, into y: inout [Float]
  ) {
    engine.changeBasis(
      x, rows: rows, columns: columns, block: blockSize, signs: signs, order: order, direction, into: &y)
  }
}

/// How the rows of one stored matrix are rotated.
package struct RowRotation: Sendable, Hashable {
  package var columns: Int
  package var blockSize: Int
  /// By stored column; nil where all are +1.
  package var signs: [Int8]?
  /// For each stored column the one of the ordinary matrix; nil where all stay.
  package var order: [Int]?

  package init(columns: Int, blockSize: Int, signs: [Int8]?, order: [Int]? = nil) {
    (self.columns, self.blockSize, self.signs, self.order) = (columns, blockSize, signs, order)
  }

  /// Makes the ordinary matrix of rows.
  var unfolding: RowUnfolding {
    var places: [Int]?
    if let order {
      var inverse = [Int](repeating: 0, count: order.count)
      for (stored, column) in order.enumerated() { inverse[column] = stored }
      places = inverse
    }
    return RowUnfolding(blockSize: blockSize, signs: signs, order: places)
  }
}

/// A source that shows a model's files under Hugging Face's names and in its form.
package protocol ModelView: TensorSource {
  /// What a tensor of the files is called here; nil for one that is not shown.
  func name(ofStored name: String) -> String?
  /// What the numbers of a tensor that is shown were made of.
  func values(of tensor: TensorDescriptor) -> ModuleTemplate.StoredValues
  /// How the rows of a tensor are rotated as it is shown; nil for ordinary ones.
  func rotation(of tensor: TensorDescriptor) -> RowRotation?
  /// The columns that were rotated together in a tensor that is shown as the ordinary matrix; nil for others.
  func unfoldedBlock(of tensor: TensorDescriptor) -> Int?
  /// What its files are rotated by, whatever it shows; nil where they are not.
  var storedRotation: StoredRotation? { get }
  /// Whether rotated weights are shown as they are stored.
  var keepsRotation: Bool { get }
  /// The same files with rotated weights as those of the ordinary model.
  func asOrdinary() throws -> any TensorSource
}

/// What the weights of a model are rotated by, to tell whether two are rotated alike.
package struct StoredRotation: Sendable, Equatable {
  /// For people.
  package var text: String
  /// By the names of the ordinary model.
  var rows: [ExactString: RowRotation]
  /// Rotated tensors.
  package var count: Int { rows.count }
  /// How many columns are rotated together, each size once.
  package var blockSizes: [Int] { Set(rows.values.map(\.blockSize)).sorted() }

  /// For people: "blocks of 512 and 1024".
  static func text(blocks sizes: some Collection<Int>) -> String {
    "blocks of " + Set(sizes).sorted().map(String.init).joined(separator: " and ")
  }

  package static func == (left: StoredRotation, right: StoredRotation) -> Bool { left.rows == right.rows }
}
