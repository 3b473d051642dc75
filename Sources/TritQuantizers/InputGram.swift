// Tritsmith: what a matrix is multiplied with, as second moments.

import TritCore

/// Σ x·xᵀ over the inputs x of a projection, `[width, width]`.
package struct InputGram: Sendable {
  package let width: Int
  /// Vectors that were added.
  package private(set) var count = 0
  /// Row-major and symmetric.
  package private(set) var sums: [Double]

  package init(width: Int) {
    self.width = width
    sums = [Double](repeating: 0, count: width * width)
  }

  /// Adds products of `count` vectors that were summed elsewhere, `[width, width]`.
  package mutating func add(_ products: [Float], count: Int) {
    precondition(products.count == sums.count, "products of vectors of this width")
    self.count += count
    for index in sums.indices { sums[index] += Double(products[index]) }
  }

  /// Columns by falling H_jj, of equals the lower number first.
  var orderByEnergy: [Int] {
    (0..<width).sorted { (sums[$1 * width + $1], $0) < (sums[$0 * width + $0], $1) }
  }

  /// Memory matrices of these widths take together; nil when that overflows.
  package static func byteCount(widths: [Int]) -> Int? {
    var result = 0
    for width in widths {
      guard let count = Checked.product(width, width), let bytes = Checked.product(count, MemoryLayout<Double>.size),
        let sum = Checked.sum(result, bytes)
      else { return nil }
      result = sum
    }
    return result
  }

  /// The upper triangular U with (H + λI)⁻¹ = Uᵀ·U, H = sums, λ = `damping` × the mean of H's diagonal, as Floats.
  ///
  /// Rows and columns of H are taken in `order`.
  /// Rows and columns are turned round, so that one lower Cholesky factor of H gives the factor of its inverse: if
  /// J·H·J = L·Lᵀ then H = V·Vᵀ with the upper triangular V = J·L·J, and U = V⁻¹.
  ///
  /// - Returns: nil when H is all zero or not a finite matrix.
  func inverseFactor(order: [Int], damping: Double) -> [Float]? {
    let n = width
    let mean = (0..<n).reduce(0.0) { $0 + sums[$1 * n + $1] } / Double(max(1, n))
    guard mean > 0, mean.isFinite else { return nil }
    var lower = [Double](repeating: 0, count: n * n)
    for row in 0..<n {
      for column in 0...row { lower[row * n + column] = sums[order[n - 1 - row] * n + order[n - 1 - column]] }
      lower[row * n + row] += damping * mean
    }
    for row in 0..<n {
      for column in 0...row {
        let dot = InputGram.dot(lower, row * n, column * n, column)
        let rest = lower[row * n + column] - dot
        if row == column {
          guard rest > 0, rest.isFinite else { return nil }
          lower[row * n + row] = rest.squareRoot()
        } else {
          lower[row * n + column] = rest / lower[column * n + column]
        }
      }
    }
    // M = L⁻¹ column by column, kept transposed so that dots run along rows: M·L = I.
    var inverse = [Double](repeating: 0, count: n * n)
    for column in 0..<n {
      inverse[column * n + column] = 1 / lower[column * n + column]
      for row in column + 1..<max(column + 1, n) {
        let dot = InputGram.dot(lower, row * n + column, inverse, column * n + column, row - column)
        inverse[column * n + row] = -dot / lower[row * n + row]
      }
    }
    // U = J·M·J: U[i][j] = M[n−1−i][n−1−j].
    var result = [Float](repeating: 0, count: n * n)
    for row in 0..<n {
      for column in row..<n { result[row * n + column] = Float(inverse[(n - 1 - column) * n + (n - 1 - row)]) }
    }
    return result
  }

  private static func dot(_ a: [Double], _ first: Int, _ second: Int, _ count: Int) -> Double {
    dot(a, first, a, second, count)
  }

  /// Σ a[first + k]·b[second + k], in eight lanes.
  private static func dot(_ a: [Double], _ first: Int, _ b: [Double], _ second: Int, _ count: Int) -> Double {
    var lanes = SIMD8<Double>.zero
    let (x, y) = (a.span, b.span)
    let whole = count / 8 * 8
    for start in stride(from: 0, to: whole, by: 8) {
      var (left, right) = (SIMD8<Double>.zero, SIMD8<Double>.zero)
      for lane in 0..<8 {
        left[lane] = x[unchecked: first + start + lane]
        right[lane] = y[unchecked: second + start + lane]
      }
      lanes += left * right
    }
    var sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    for index in whole..<count { sum += x[unchecked: first + index] * y[unchecked: second + index] }
    return sum
  }
}
