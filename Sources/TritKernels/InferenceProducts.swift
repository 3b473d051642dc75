// Tritsmith: matrix products of a forward pass.

import TritCore

/// A packed ternary matrix as a product needs it, apart from its bytes.
package struct TernaryOperand: Sendable {
  package var rows: Int
  package var columns: Int
  package var order: PackedTritOrder
  package var epilogue: ProductEpilogue
  /// One number a row, or none.
  package var bias: [Float]?

  package init(rows: Int, columns: Int, order: PackedTritOrder, epilogue: ProductEpilogue, bias: [Float]? = nil) {
    precondition(order != .joinedRows || rows % 4 == 0, "joined rows come in fours")
    self.rows = rows
    self.columns = columns
    self.order = order
    self.epilogue = epilogue
    self.bias = bias
  }
}

extension InferenceEngine {
  /// int8 activations of the first `rows` rows of `x` `[rows, columns]`, a scale for each row.
  ///
  /// Source: transformers `integrations/bitnet.py`, `activation_quant`, in Float.
  package func quantize(_ x: [Float], rows: Int, columns: Int, into result: inout QuantizedRows) {
    precondition(x.count >= rows * columns, "input has every row")
    result.reshape(rows: rows, columns: columns)
    let stride = result.stride
    x.withUnsafeBufferPointer { x in
      result.values.withUnsafeMutableBufferPointer { values in
        result.scales.withUnsafeMutableBufferPointer { scales in
          guard let x = x.baseAddress, let values = values.baseAddress, let scales = scales.baseAddress else { return }
          team.forEach(rows, grain: 4) { range in
            for row in range {
              scales[row] = kernels.quantizeRow(x + row * columns, columns, into: values + row * stride)
            }
          }
        }
      }
    }
  }

  /// y = x · Wᵀ with integer sums; `y` is `[x.rows, W.rows]`.
  package func integerProduct(
    _ weights: RawSpan, _ matrix: TernaryOperand, _ x: borrowing QuantizedRows, into y: inout [Float]
  ) {
    withPass(weights, matrix, x, &y) { run([$0]) }
  }

  /// Integer products of one input with several matrices: the threads meet once, when all are done.
  package func integerProducts(
    _ first: (weights: RawSpan, matrix: TernaryOperand), _ second: (weights: RawSpan, matrix: TernaryOperand),
    _ x: borrowing QuantizedRows, into y: inout [Float], _ z: inout [Float]
  ) {
    withPass(first.weights, first.matrix, x, &y) { a in
      withPass(second.weights, second.matrix, x, &z) { b in run([a, b]) }
    }
  }

  /// Integer products of one input with three matrices.
  package func integerProducts(
    _ first: (weights: RawSpan, matrix: TernaryOperand), _ second: (weights: RawSpan, matrix: TernaryOperand),
    _ third: (weights: RawSpan, matrix: TernaryOperand), _ x: borrowing QuantizedRows, into u: inout [Float],
    _ v: inout [Float], _ w: inout [Float]
  ) {
    withPass(first.weights, first.matrix, x, &u) { a in
      withPass(second.weights, second.matrix, x, &v) { b in
        withPass(third.weights, third.matrix, x, &w) { c in run([a, b, c]) }
      }
    }
  }

  /// Gives `body` the integer product of a matrix, ready to run; it is valid during the call only.
  private func withPass(
    _ weights: RawSpan, _ matrix: TernaryOperand, _ x: borrowing QuantizedRows, _ y: inout [Float],
    _ body: (TernaryPass) -> Void
  ) {
    check(weights, matrix, x, y.count)
    let (byteRows, width) = matrix.order.byteRows(rows: matrix.rows, columns: matrix.columns)
    let tokens = x.rows
    let stride = x.stride
    weights.withUnsafeBytes { weights in
      x.values.withUnsafeBufferPointer { values in
        x.scales.withUnsafeBufferPointer { scales in
          y.withUnsafeMutableBufferPointer { y in
            guard let bytes = weights.assumingMemoryBound(to: UInt8.self).baseAddress, let q = values.baseAddress,
              let scales = scales.baseAddress, let y = y.baseAddress
            else { return }
            IntegerEpilogue.with(matrix) { epilogue in
              body(
                TernaryPass(
                  kernels: kernels, order: matrix.order, rows: matrix.rows, columns: matrix.columns,
                  epilogue: epilogue, bytes: bytes, width: width, byteRows: byteRows, q: q, qStride: stride,
                  scales: scales, tokens: tokens, y: y))
            }
          }
        }
      }
    }
  }

  /// Runs products; the parts of all are shared out together.
  private func run(_ passes: [TernaryPass]) {
    passes.withUnsafeBufferPointer { passes in
      team.forEach(passes.map { ($0.byteRows, grain($0)) }) { passes[$0].sum($1) }
    }
  }

  /// Byte rows of a part.
  private func grain(_ pass: TernaryPass) -> Int {
    pass.isInPlace ? grain(rowBytes: pass.width) : tileRows
  }

  /// The same product in Float, as transformers computes it: activations and trits become Floats, then a Float product.
  package func referenceProduct(
    _ weights: RawSpan, _ matrix: TernaryOperand, _ x: borrowing QuantizedRows, into y: inout [Float]
  ) {
    check(weights, matrix, x, y.count)
    widenedProduct(
      weights, matrix, referenceInput(x, raw: matrix.epilogue.takesRawIntegers), x.scales, tokens: x.rows, into: &y)
  }

  /// The same of inputs that are not made int8: x · Wᵀ of trits and scales, in Float. `x` is `[…, columns]`, of which
  /// the first `tokens` are used.
  package func plainProduct(
    _ weights: RawSpan, _ matrix: TernaryOperand, _ x: [Float], tokens: Int, into y: inout [Float]
  ) {
    precondition(
      weights.byteCount >= matrix.order.byteCount(rows: matrix.rows, columns: matrix.columns), "weights have every row")
    precondition(
      x.count >= tokens * matrix.columns && y.count >= tokens * matrix.rows, "input and output have every token")
    precondition(matrix.bias.map { $0.count == matrix.rows } ?? true, "one bias a row")
    let scales = [ActivationScale](repeating: ActivationScale(scale: 1, sum: 0), count: tokens)
    widenedProduct(weights, matrix, x, scales, tokens: tokens, into: &y)
  }

  private func widenedProduct(
    _ weights: RawSpan, _ matrix: TernaryOperand, _ input: [Float], _ scales: [ActivationScale], tokens: Int,
    into y: inout [Float]
  ) {
    let (byteRows, width) = matrix.order.byteRows(rows: matrix.rows, columns: matrix.columns)
    weights.withUnsafeBytes { weights in
      input.withUnsafeBufferPointer { input in
        scales.withUnsafeBufferPointer { scales in
          y.withUnsafeMutableBufferPointer { y in
            guard let bytes = weights.assumingMemoryBound(to: UInt8.self).baseAddress, let x = input.baseAddress,
              let scales = scales.baseAddress, let y = y.baseAddress
            else { return }
            let pass = WidenedPass(
              kernels: kernels, matrix: matrix, bytes: bytes, width: width, byteRows: byteRows, x: x, scales: scales,
              tokens: tokens, y: y)
            team.forEach(byteRows, grain: matrix.order == .joinedRows ? 1 : 4) { pass.run($0) }
          }
        }
      }
    }
  }

  /// What a quantized layer multiplies: the int8 values as Floats, or value / scale.
  package func referenceInput(_ x: borrowing QuantizedRows, raw: Bool) -> [Float] {
    var result = [Float](repeating: 0, count: x.rows * x.columns)
    for row in 0..<x.rows {
      let scale = x.scales[row].scale
      for column in 0..<x.columns {
        let value = Float(x.values[row * x.stride + column])
        result[row * x.columns + column] = raw ? value : value / scale
      }
    }
    return result
  }

  /// y = x · Wᵀ (+ bias) for float weights, read where they are.
  ///
  /// `x` is `[…, columns]`, of which `tokens` are used; `y` is `[tokens.count, rows]`.
  package func floatProduct(
    _ weights: RawSpan, _ element: FloatElement, rows: Int, columns: Int, _ x: [Float],
    tokens range: Range<Int>, bias: [Float]? = nil, into y: inout [Float]
  ) {
    precondition(weights.byteCount >= rows * columns * element.byteCount, "weights have every row")
    let tokens = range.count
    precondition(range.lowerBound >= 0 && x.count >= range.upperBound * columns, "input has every token")
    precondition(y.count >= tokens * rows, "output has every token")
    precondition(bias.map { $0.count == rows } ?? true, "one bias a row")
    let rowBytes = columns * element.byteCount
    weights.withUnsafeBytes { weights in
      x.withUnsafeBufferPointer { x in
        y.withUnsafeMutableBufferPointer { y in
          guard let weights = weights.baseAddress, let start = x.baseAddress, let y = y.baseAddress else { return }
          let x = start + range.lowerBound * columns
          // Kernels take four rows at once, and with many tokens eight.
          let rowsAtOnce = tokens == 1 ? 4 : 8
          let grain = max(1, grain(rowBytes: rowBytes) / rowsAtOnce) * rowsAtOnce
          team.forEach(rows, grain: grain) { range in
            // Tokens in small blocks: their inputs stay in cache while the rows of this part go by.
            for first in stride(from: 0, to: tokens, by: tokenBlock) {
              kernels.dot(
                weights + range.lowerBound * rowBytes, element, rowBytes: rowBytes, rows: range.count,
                x + first * columns, xStride: columns, tokens: min(tokenBlock, tokens - first), count: columns,
                into: y + first * rows + range.lowerBound, yStride: rows)
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

  private func check(_ weights: RawSpan, _ matrix: TernaryOperand, _ x: borrowing QuantizedRows, _ outputs: Int) {
    precondition(
      weights.byteCount >= matrix.order.byteCount(rows: matrix.rows, columns: matrix.columns), "weights have every row")
    precondition(x.columns == matrix.columns && outputs >= x.rows * matrix.rows, "shapes of input and output fit")
    precondition(matrix.bias.map { $0.count == matrix.rows } ?? true, "one bias a row")
  }
}

/// Tokens a float product handles before it goes to the next rows.
let tokenBlock = 16
