// Tritsmith: the Walsh–Hadamard transform.

/// The normalized Walsh–Hadamard transform in Sylvester's order: the one definition of it.
///
/// H[r][c] = (−1)^popcount(r & c) ÷ √B. H is symmetric and its own inverse, so that one function folds and unfolds, and a
/// row may stand on either side. Docs/Formats/Rotation.md.
package enum Hadamard {
  /// An entry of H, as it is defined.
  package static func entry(row: Int, column: Int, size: Int) -> Double {
    let sign: Double = (row & column).nonzeroBitCount % 2 == 0 ? 1 : -1
    return sign / Double(size).squareRoot()
  }

  /// Multiplies every run of `size` numbers by H, in place.
  ///
  /// - Parameters:
  ///   - values: whole runs.
  ///   - size: a power of two.
  package static func transform(_ values: inout [Double], size: Int) {
    precondition(size > 0 && size & (size - 1) == 0, "a power of two")
    precondition(values.count % size == 0, "whole runs")
    let norm = 1 / Double(size).squareRoot()
    var span = values.mutableSpan
    // Each pass joins pairs that are `half` apart: H of 2n is made of four H of n.
    var half = 1
    while half < size {
      var start = 0
      while start < span.count {
        for index in start..<start + half {
          let (a, b) = (span[unchecked: index], span[unchecked: index + half])
          span[unchecked: index] = a + b
          span[unchecked: index + half] = a - b
        }
        start += 2 * half
      }
      half *= 2
    }
    for index in 0..<span.count { span[unchecked: index] *= norm }
  }
}
