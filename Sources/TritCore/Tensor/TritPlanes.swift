// Tritsmith: matrices stored as the sum of two ternary ones.

/// How a matrix that is the sum of two ternary matrices is stored: the first under its name, the second beside it.
///
/// Both are ordinary ternary tensors with scales of their own. A reader that does not know the second meets a tensor it
/// has no use for; it never takes the first for the whole unawares.
package enum TritPlanes {
  /// What the name of a second plane ends with.
  package static let suffix = ".plane2"

  /// The name of the second plane of a matrix.
  package static func second(of name: String) -> String { name + suffix }

  /// The matrix a second plane belongs to; nil for other names.
  package static func matrix(ofSecond name: String) -> String? {
    name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : nil
  }
}
