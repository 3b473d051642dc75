// Tritsmith: how stored rows are rotated.

import TritCore

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
