// Tritsmith: from sums of a ternary product to outputs.

/// What turns a sum of trit × activation into an output; the order of operations is that of the layer named.
package enum ProductEpilogue: Sendable {
  /// transformers `BitLinear`: sum / (activation scale · stored) + bias.
  case divide(by: [Float])
  /// transformers `AutoBitLinear`, offline: (sum / activation scale + bias) · stored.
  case multiply(by: [Float])
  /// transformers `AutoBitLinear`, online: the weights are trit · value, then + bias.
  case weights(of: Float)

  /// One number for the matrix or one a row.
  @inline(__always)
  private static func pick(_ stored: [Float], _ row: Int) -> Float { stored.count == 1 ? stored[0] : stored[row] }

  /// From a Float dot whose inputs are what the layer gives its matrix product (see `referenceInput`).
  @inline(__always)
  func output(dot: Float, scale: Float, row: Int, bias: Float?) -> Float {
    switch self {
    case .divide(let stored):
      let y = dot / (scale * ProductEpilogue.pick(stored, row))
      return bias.map { y + $0 } ?? y
    case .multiply(let stored): return (bias.map { dot + $0 } ?? dot) * ProductEpilogue.pick(stored, row)
    case .weights: return bias.map { dot + $0 } ?? dot
    }
  }

  /// What a trit is multiplied by before the product.
  var weightValue: Float {
    if case .weights(let value) = self { value } else { 1 }
  }

  /// `BitLinear` multiplies the int8 values themselves; the others multiply value / scale.
  var takesRawIntegers: Bool {
    if case .divide = self { true } else { false }
  }
}

/// The epilogue of an integer product on raw memory: threads that share arrays would count references to them at every
/// few rows, in one cache line.
struct IntegerEpilogue {
  private enum Kind {
    case divide
    case multiply
    case weights
  }

  private let kind: Kind
  /// One number for the matrix or one a row.
  private let stored: UnsafeBufferPointer<Float>
  private let bias: UnsafePointer<Float>?

  /// Gives `body` the epilogue of a matrix; it is valid during the call only.
  static func with<Result>(_ matrix: TernaryOperand, _ body: (IntegerEpilogue) -> Result) -> Result {
    let (kind, stored): (Kind, [Float]) =
      switch matrix.epilogue {
      case .divide(let stored): (.divide, stored)
      case .multiply(let stored): (.multiply, stored)
      case .weights(let value): (.weights, [value])
      }
    precondition(stored.count == 1 || stored.count == matrix.rows, "one scale or one a row")
    return stored.withUnsafeBufferPointer { stored in
      guard let bias = matrix.bias else { return body(IntegerEpilogue(kind: kind, stored: stored, bias: nil)) }
      return bias.withUnsafeBufferPointer {
        body(IntegerEpilogue(kind: kind, stored: stored, bias: $0.baseAddress))
      }
    }
  }

  /// Outputs of consecutive rows from Σ code·q; Σ trit·q is that less Σ q.
  ///
  /// Steps that each go over all rows: simple loops, which the compiler makes vectors of.
  @inline(__always)
  func finish(
    _ sums: UnsafePointer<Int32>, rows: Range<Int>, _ activation: ActivationScale,
    into output: UnsafeMutablePointer<Float>
  ) {
    let count = rows.count
    let isOne = stored.count == 1
    if case .divide = kind, !isOne {
      for index in 0..<count {
        let divisor = activation.scale * stored[rows.lowerBound + index]
        output[index] = Float(sums[index] &- activation.sum) / divisor
      }
    } else {
      var divisor = activation.scale
      if case .divide = kind { divisor *= stored[0] }
      for index in 0..<count { output[index] = Float(sums[index] &- activation.sum) / divisor }
    }
    switch kind {
    case .divide: add(rows, to: output)
    case .multiply:
      add(rows, to: output)
      scale(rows, output)
    case .weights:
      scale(rows, output)
      add(rows, to: output)
    }
  }

  @inline(__always)
  private func add(_ rows: Range<Int>, to output: UnsafeMutablePointer<Float>) {
    guard let bias else { return }
    for index in 0..<rows.count { output[index] += bias[rows.lowerBound + index] }
  }

  @inline(__always)
  private func scale(_ rows: Range<Int>, _ output: UnsafeMutablePointer<Float>) {
    if stored.count == 1 {
      let factor = stored[0]
      for index in 0..<rows.count { output[index] *= factor }
    } else {
      for index in 0..<rows.count { output[index] *= stored[rows.lowerBound + index] }
    }
  }
}
