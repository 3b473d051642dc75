// Tritsmith: what one thread does for a part of a ternary product.

/// Integer products of some byte rows with every token.
struct TernaryPass {
  var kernels: any InferenceKernels
  var order: PackedTritOrder
  var rows: Int
  var columns: Int
  var epilogue: IntegerEpilogue
  var bytes: UnsafePointer<UInt8>
  /// Bytes of a byte row.
  var width: Int
  var byteRows: Int
  var q: UnsafePointer<Int8>
  var qStride: Int
  var scales: UnsafePointer<ActivationScale>
  var tokens: Int
  var y: UnsafeMutablePointer<Float>

  /// Few tokens are multiplied with bytes as they are, many with codes decoded once.
  var isInPlace: Bool { tokens < 6 }

  func sum(_ range: Range<Int>) {
    if isInPlace { sumInPlace(range) } else { sumTiles(range) }
  }

  /// For few tokens: the packed bytes are decoded in registers, once a token.
  private func sumInPlace(_ range: Range<Int>) {
    let planes = order == .joinedRows ? 4 : 1
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: planes * range.count) { sums in
      guard let sums = sums.baseAddress else { return }
      let start = bytes + range.lowerBound * width
      for token in 0..<tokens {
        let input = q + token * qStride
        switch order {
        case .joinedRows:
          kernels.joinedDot(
            start, rows: range.count, columns: columns, input, into: sums, planeStride: range.count)
        case .splitRows: kernels.splitDot(start, rows: range.count, part: width, input, into: sums)
        }
        for plane in 0..<planes {
          finish(
            sums + plane * range.count, count: range.count, row: plane * byteRows + range.lowerBound, token)
        }
      }
    }
  }

  /// For many tokens: the bytes of some rows are decoded once and used for every token. A token's outputs of these rows
  /// lie side by side and fill a cache line.
  private func sumTiles(_ range: Range<Int>) {
    let planes = order == .joinedRows ? 4 : 1
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: planes * tokens * tileRows) { sums in
      guard let sums = sums.baseAddress else { return }
      for first in stride(from: range.lowerBound, to: range.upperBound, by: tileRows) {
        let rows = min(tileRows, range.upperBound - first)
        kernels.packedProduct(
          bytes + first * width, rows: rows, width: width, order, q, qStride: qStride, tokens: tokens, into: sums)
        for plane in 0..<planes {
          for token in 0..<tokens {
            finish(
              sums + (plane * tokens + token) * tileRows, count: rows, row: plane * byteRows + first, token)
          }
        }
      }
    }
  }

  @inline(__always)
  private func finish(_ sums: UnsafePointer<Int32>, count: Int, row: Int, _ token: Int) {
    epilogue.finish(sums, rows: row..<row + count, scales[token], into: y + token * rows + row)
  }
}

/// Float products of some byte rows, widened first, with every token.
struct WidenedPass {
  var kernels: any InferenceKernels
  var matrix: TernaryOperand
  var bytes: UnsafePointer<UInt8>
  var width: Int
  var byteRows: Int
  var x: UnsafePointer<Float>
  var scales: UnsafePointer<ActivationScale>
  var tokens: Int
  var y: UnsafeMutablePointer<Float>

  func run(_ range: Range<Int>) {
    let columns = matrix.columns
    let value = matrix.epilogue.weightValue
    let rowsAtOnce = matrix.order == .joinedRows ? 4 : range.count
    withUnsafeTemporaryAllocation(of: Float.self, capacity: rowsAtOnce * columns) { weights in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: rowsAtOnce * tokens) { dots in
        guard let weights = weights.baseAddress, let dots = dots.baseAddress else { return }
        switch matrix.order {
        case .joinedRows:
          for byteRow in range {
            for plane in 0..<4 {
              kernels.widenTrits(
                bytes + byteRow * width, columns, plane: plane, value: value, into: weights + plane * columns)
            }
            multiply(weights, 4, dots) { plane in plane * byteRows + byteRow }
          }
        case .splitRows:
          for row in 0..<range.count {
            for plane in 0..<4 where plane * width < columns {
              kernels.widenTrits(
                bytes + (range.lowerBound + row) * width, min(width, columns - plane * width), plane: plane,
                value: value, into: weights + row * columns + plane * width)
            }
          }
          multiply(weights, range.count, dots) { row in range.lowerBound + row }
        }
      }
    }
  }

  private func multiply(
    _ weights: UnsafeMutablePointer<Float>, _ rows: Int, _ dots: UnsafeMutablePointer<Float>, _ row: (Int) -> Int
  ) {
    let columns = matrix.columns
    kernels.dot(
      weights, .f32, rowBytes: 4 * columns, rows: rows, x, xStride: columns, tokens: tokens, count: columns,
      into: dots, yStride: rows)
    for token in 0..<tokens {
      for index in 0..<rows {
        let row = row(index)
        y[token * matrix.rows + row] = matrix.epilogue.output(
          dot: dots[token * rows + index], scale: scales[token].scale, row: row, bias: matrix.bias?[row])
      }
    }
  }
}
