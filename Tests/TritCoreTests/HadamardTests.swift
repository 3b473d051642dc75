// Tritsmith tests: the Walsh–Hadamard transform against the matrix it stands for.

import Testing
import TritCore
import TritTestSupport

@Suite("Hadamard transform")
struct HadamardTests {
  /// Sylvester's rule: H of 2n is [[H, H], [H, −H]] of n; not normalized.
  private static func sylvester(_ size: Int) -> [[Double]] {
    guard size > 1 else { return [[1]] }
    let half = sylvester(size / 2)
    return half.map { $0 + $0 } + half.map { row in row + row.map { -$0 } }
  }

  @Test("entries are those of Sylvester's matrix", arguments: [1, 2, 4, 8, 32])
  func entries(_ size: Int) {
    let matrix = Self.sylvester(size)
    for row in 0..<size {
      for column in 0..<size {
        #expect(
          Hadamard.entry(row: row, column: column, size: size) == matrix[row][column] / Double(size).squareRoot())
      }
    }
  }

  @Test("a transform is a product with the matrix, block by block", arguments: [1, 2, 4, 16, 64, 128])
  func product(_ size: Int) {
    let matrix = Self.sylvester(size)
    var generator = SeededGenerator(seed: UInt64(size))
    let values = (0..<3 * size).map { _ in Double(Int(generator.next() >> 44) - (1 << 19)) / 4096 }
    var transformed = values
    Hadamard.transform(&transformed, size: size)
    for block in 0..<3 {
      for column in 0..<size {
        let sum = (0..<size).reduce(0.0) { $0 + values[block * size + $1] * matrix[$1][column] }
        let wanted = sum / Double(size).squareRoot()
        // The numbers are multiples of 2⁻¹² below 2⁷, so that the sums are exact in either order.
        #expect(abs(transformed[block * size + column] - wanted) <= abs(wanted) * 0x1p-51)
      }
    }
    Hadamard.transform(&transformed, size: size)
    for (found, wanted) in zip(transformed, values) { #expect(abs(found - wanted) <= 0x1p-40) }
  }

  @Test("the vector of the format's description")
  func vector() {
    // W = (1, 2, 3, 4), s = (1, −1, 1, 1); W′ = (W ∘ s)·H.
    var values = [1.0, -2, 3, 4]
    Hadamard.transform(&values, size: 4)
    #expect(values == [3, 1, -4, 2])
  }
}
