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

  /// Few tokens are multiplied with bytes as they are, many with codes expanded once.
  var isInPlace: Bool { tokens < 4 }

  func sum(_ range: Range<Int>) {
    if isInPlace { sumInPlace(range) } else { sumExpanded(range) }
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
            sums + plane * range.count, step: 1, count: range.count, row: plane * byteRows + range.lowerBound, token)
        }
      }
    }
  }

  /// For many tokens: four rows of codes are expanded once and used for every token.
  private func sumExpanded(_ range: Range<Int>) {
    let width = paddedCodeWidth(max(columns, 4 * self.width))
    let count = paddedCodeWidth(columns)
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4 * width) { codes in
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: 4 * tokens) { sums in
        guard let codes = codes.baseAddress, let sums = sums.baseAddress else { return }
        // Codes past the last column meet zeros in the input; they only have to be codes.
        codes.initialize(repeating: 0, count: 4 * width)
        let step = order == .joinedRows ? 1 : 4
        for first in stride(from: range.lowerBound, to: range.upperBound, by: step) {
          let rows = min(step, range.upperBound - first)
          expand(first, rows, into: codes, width)
          kernels.codeProduct(
            codes, stride: width, q, qStride: qStride, tokens: tokens, count: count, into: sums, sumStride: 4)
          for token in 0..<tokens {
            switch order {
            case .joinedRows:
              for plane in 0..<4 {
                finish(sums + 4 * token + plane, step: 4, count: 1, row: plane * byteRows + first, token)
              }
            case .splitRows: finish(sums + 4 * token, step: 1, count: rows, row: first, token)
            }
          }
        }
      }
    }
  }

  private func expand(_ first: Int, _ rows: Int, into codes: UnsafeMutablePointer<UInt8>, _ width: Int) {
    for row in 0..<rows {
      let start = bytes + (first + row) * self.width
      for plane in 0..<4 {
        let place = order == .joinedRows ? plane * width : row * width + plane * self.width
        kernels.expandCodes(start, self.width, plane: plane, into: codes + place)
      }
    }
  }

  @inline(__always)
  private func finish(_ sums: UnsafePointer<Int32>, step: Int, count: Int, row: Int, _ token: Int) {
    epilogue.finish(
      sums, step: step, rows: row..<row + count, scales[token], into: y + token * rows + row)
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
