// Tritsmith: the order of query and key rows in GGUF.

import TritCore

/// The order of query and key rows in GGUF files of family `llama`.
///
/// Hugging Face rotates column i of a head with column i + D/2; llama.cpp rotates 2i with 2i + 1. With D rows a head:
/// stored row h·D + 2i + p is Hugging Face row h·D + p·D/2 + i, for p in 0, 1 and i below D/2.
public struct RowPermutation: Sendable, Hashable {
  public let headRows: Int

  /// Nil when rows cannot be cut into heads of an even number of rows.
  public init?(rows: Int, heads: Int) {
    guard heads > 0, rows > 0, rows % heads == 0, rows / heads % 2 == 0 else { return nil }
    headRows = rows / heads
  }

  /// The Hugging Face row that is stored at a row.
  public func row(ofStored stored: Int) -> Int {
    let place = stored % headRows
    return stored - place + place % 2 * (headRows / 2) + place / 2
  }

  /// The row a Hugging Face row is stored at.
  public func storedRow(of row: Int) -> Int {
    let place = row % headRows
    let half = headRows / 2
    return row - place + 2 * (place % half) + place / half
  }
}

extension ModelDescription {
  /// The row order of a tensor in GGUF; nil when it is Hugging Face's.
  ///
  /// - Parameter rows: of the tensor, or its elements when it is a vector.
  /// - Throws: `GGUFModelError` when rows and heads do not fit.
  package func permutation(_ place: ModulePlace, rows: Int) throws(GGUFModelError) -> RowPermutation? {
    guard place.template.rowOrder == .rotatedPairs else { return nil }
    let heads = place.template.rows == .keys ? attention.keyValueHeads : attention.heads
    guard let permutation = RowPermutation(rows: rows, heads: heads) else {
      throw GGUFModelError(.headsDoNotFit(rows: rows, heads: heads), tensor: place.storedName ?? place.name)
    }
    return permutation
  }
}
