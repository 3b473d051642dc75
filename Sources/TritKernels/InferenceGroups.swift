// Tritsmith: products with matrices that have a scale for each group of columns.

import TritCore

/// Tokens quantized to int8 for a `GroupedMatrix`, each with one scale for the token or one for each group.
package struct GroupedRows: Sendable {
  /// What shares an activation scale.
  package enum Units: Sendable, Hashable {
    /// A token: what a model that was trained with int8 inputs does.
    case token
    /// A group of columns, as the weights have them: closest to inputs that are not rounded at all.
    case group
  }

  package private(set) var rows = 0
  var groups = 0
  private(set) var stride = 0
  var values: [Int8] = []
  /// Σ q of each group.
  var sums: [Int32] = []
  /// What an integer sum is multiplied by; 1 where the token has one scale.
  var units: [Float] = []
  /// Of each token; 1 where groups have their own.
  var scales: [Float] = []
  private var kind: Key?

  private struct Key: Equatable {
    var columns: Int
    var cuts: Int
    var units: Units
  }

  package init() {}

  mutating func reshape(rows: Int, _ shape: GroupedShape, _ units: Units) {
    let key = Key(columns: shape.columns, cuts: shape.cuts, units: units)
    self.rows = rows
    // Past the last column everything is zero, so other widths start afresh.
    guard key != kind || scales.count < rows else { return }
    kind = key
    groups = shape.groups
    stride = shape.blocks * GroupedShape.blockColumns
    values = [Int8](repeating: 0, count: rows * stride)
    sums = [Int32](repeating: 0, count: rows * groups)
    self.units = [Float](repeating: 1, count: rows * groups)
    scales = [Float](repeating: 1, count: rows)
  }
}

/// `GroupedRows` on raw memory.
package struct GroupedInput {
  let values: UnsafePointer<Int8>
  let stride: Int
  let sums: UnsafePointer<Int32>
  let units: UnsafePointer<Float>
  let groups: Int

  package init(
    values: UnsafePointer<Int8>, stride: Int, sums: UnsafePointer<Int32>, units: UnsafePointer<Float>, groups: Int
  ) {
    (self.values, self.stride) = (values, stride)
    (self.sums, self.units, self.groups) = (sums, units, groups)
  }
}

extension InferenceEngine {
  /// int8 forms of some rows of `x` `[…, columns]`, cut as a matrix is.
  package func quantize(
    _ x: [Float], rows range: Range<Int>, for matrix: GroupedShape, _ kind: GroupedRows.Units,
    into result: inout GroupedRows
  ) {
    let (columns, rows) = (matrix.columns, range.count)
    precondition(range.lowerBound >= 0 && x.count >= range.upperBound * columns, "input has every row")
    result.reshape(rows: rows, matrix, kind)
    let (stride, groups, width) = (result.stride, matrix.groups, matrix.groupColumns)
    x.withUnsafeBufferPointer { x in
      result.values.withUnsafeMutableBufferPointer { values in
        result.sums.withUnsafeMutableBufferPointer { sums in
          result.units.withUnsafeMutableBufferPointer { units in
            result.scales.withUnsafeMutableBufferPointer { scales in
              guard let start = x.baseAddress, let q = values.baseAddress else { return }
              let x = start + range.lowerBound * columns
              team.forEach(rows, grain: 4) { range in
                for row in range {
                  let (input, output) = (x + row * columns, q + row * stride)
                  switch kind {
                  case .group:
                    for group in 0..<(columns + width - 1) / width {
                      let start = group * width
                      let found = kernels.quantizeRow(
                        input + start, min(width, columns - start), into: output + start)
                      sums[row * groups + group] = found.sum
                      // A NaN or infinity leaves a scale that makes every output with this group NaN.
                      units[row * groups + group] = 1 / found.scale
                    }
                  case .token:
                    scales[row] = kernels.quantizeRow(input, columns, into: output).scale
                    for group in 0..<groups {
                      var sum: Int32 = 0
                      for index in group * width..<(group + 1) * width { sum &+= Int32(output[index]) }
                      sums[row * groups + group] = sum
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  /// y = x · Wᵀ (+ bias) with integer sums of each group; `y` is `[x.rows, W.rows]`.
  package func groupedProduct(
    _ matrix: GroupedMatrix, _ x: borrowing GroupedRows, bias: [Float]? = nil, into y: inout [Float]
  ) {
    withPass(matrix, x, bias, &y) { run([$0]) }
  }

  /// Products of one input with two matrices: the threads meet once, when both are done.
  package func groupedProducts(
    _ first: (matrix: GroupedMatrix, bias: [Float]?), _ second: (matrix: GroupedMatrix, bias: [Float]?),
    _ x: borrowing GroupedRows, into y: inout [Float], _ z: inout [Float]
  ) {
    withPass(first.matrix, x, first.bias, &y) { a in
      withPass(second.matrix, x, second.bias, &z) { b in run([a, b]) }
    }
  }

  /// Products of one input with three matrices.
  package func groupedProducts(
    _ first: (matrix: GroupedMatrix, bias: [Float]?), _ second: (matrix: GroupedMatrix, bias: [Float]?),
    _ third: (matrix: GroupedMatrix, bias: [Float]?), _ x: borrowing GroupedRows, into u: inout [Float],
    _ v: inout [Float], _ w: inout [Float]
  ) {
    withPass(first.matrix, x, first.bias, &u) { a in
      withPass(second.matrix, x, second.bias, &v) { b in
        withPass(third.matrix, x, third.bias, &w) { c in run([a, b, c]) }
      }
    }
  }

  private func withPass(
    _ matrix: GroupedMatrix, _ x: borrowing GroupedRows, _ bias: [Float]?, _ y: inout [Float],
    _ body: (GroupedPass) -> Void
  ) {
    precondition(x.groups == matrix.shape.groups, "input is cut as the matrix is")
    precondition(y.count >= x.rows * matrix.rows, "output has every token")
    precondition(bias.map { $0.count == matrix.rows } ?? true, "one bias a row")
    let (stride, groups, tokens) = (x.stride, x.groups, x.rows)
    matrix.withPointers { pointers in
      x.values.withUnsafeBufferPointer { values in
        x.sums.withUnsafeBufferPointer { sums in
          x.units.withUnsafeBufferPointer { units in
            x.scales.withUnsafeBufferPointer { scales in
              y.withUnsafeMutableBufferPointer { y in
                guard let values = values.baseAddress, let sums = sums.baseAddress, let units = units.baseAddress,
                  let scales = scales.baseAddress, let y = y.baseAddress
                else { return }
                let input = GroupedInput(values: values, stride: stride, sums: sums, units: units, groups: groups)
                func pass(_ bias: UnsafePointer<Float>?) -> GroupedPass {
                  GroupedPass(
                    kernels: kernels, matrix: pointers, input: input, scales: scales, tokens: tokens, bias: bias, y: y)
                }
                guard let bias else { return body(pass(nil)) }
                bias.withUnsafeBufferPointer { body(pass($0.baseAddress)) }
              }
            }
          }
        }
      }
    }
  }

  /// Runs products; the parts of all are shared out together.
  private func run(_ passes: [GroupedPass]) {
    passes.withUnsafeBufferPointer { passes in
      team.forEach(passes.map { ($0.matrix.shape.panels, grain($0)) }) { passes[$0].run($1) }
    }
  }

  /// Panels of a part. They stay in the first cache while tokens go by.
  private func grain(_ pass: GroupedPass) -> Int {
    let panels = grain(rowBytes: pass.matrix.shape.panelBytes)
    return pass.tokens == 1 ? panels : max(1, panels / 2)
  }

  /// The same product in Float: trits times scales become Floats, then a Float product, which is what dense weights of
  /// the same numbers give, bit for bit.
  ///
  /// `x` is `[…, columns]`, of which `tokens` are used; `y` is `[tokens.count, rows]`.
  package func widenedProduct(
    _ matrix: GroupedMatrix, _ x: [Float], tokens range: Range<Int>, bias: [Float]? = nil, into y: inout [Float]
  ) {
    let (rows, columns, tokens) = (matrix.rows, matrix.columns, range.count)
    precondition(range.lowerBound >= 0 && x.count >= range.upperBound * columns, "input has every token")
    precondition(y.count >= tokens * rows, "output has every token")
    precondition(bias.map { $0.count == rows } ?? true, "one bias a row")
    matrix.withPointers { matrix in
      x.withUnsafeBufferPointer { x in
        y.withUnsafeMutableBufferPointer { y in
          guard let start = x.baseAddress, let y = y.baseAddress else { return }
          let x = start + range.lowerBound * columns
          team.forEach(rows, grain: 8) { range in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count * columns) { weights in
              guard let weights = weights.baseAddress else { return }
              for row in range {
                matrix.widen(row, kernels, into: weights + (row - range.lowerBound) * columns)
              }
              for first in stride(from: 0, to: tokens, by: tokenBlock) {
                kernels.dot(
                  weights, .f32, rowBytes: 4 * columns, rows: range.count, x + first * columns, xStride: columns,
                  tokens: min(tokenBlock, tokens - first), count: columns, into: y + first * rows + range.lowerBound,
                  yStride: rows)
              }
            }
            guard let bias else { return }
            for token in 0..<tokens {
              for row in range { y[token * rows + row] += bias[row] }
            }
          }
        }
      }
    }
  }
}

/// Integer products of some panels of a `GroupedMatrix` with every token.
private struct GroupedPass {
  let kernels: any InferenceKernels
  let matrix: GroupedPointers
  let input: GroupedInput
  let scales: UnsafePointer<Float>
  let tokens: Int
  let bias: UnsafePointer<Float>?
  let y: UnsafeMutablePointer<Float>

  func run(_ panels: Range<Int>) {
    let shape = matrix.shape
    let range = panels.lowerBound * tileRows..<min(shape.rows, panels.upperBound * tileRows)
    kernels.groupedDot(
      matrix.codes + panels.lowerBound * shape.panelBytes, rows: range.count, shape,
      matrix.scales.advanced(by: panels.lowerBound * shape.groups * tileRows), input, tokens: 0..<tokens,
      into: y + range.lowerBound, yStride: shape.rows)
    for token in 0..<tokens {
      let (output, scale) = (y + token * shape.rows, scales[token])
      if scale != 1 { for row in range { output[row] /= scale } }
      if let bias { for row in range { output[row] += bias[row] } }
    }
  }
}
