// Tritsmith: ternary matrices that products cannot take as they are stored.

import TritCore
import TritKernels
import TritLayouts

extension TensorBinder {
  /// A ternary matrix with scales for groups of columns, or one that is the sum of two planes, as a dense matrix in
  /// memory; nil for a matrix products take as it is.
  ///
  /// trit × multiplier is exact in bfloat16 when the multiplier is a bfloat16 number; sums of planes, and other scales,
  /// are held as Floats. Inputs are made int8 as for every ternary projection.
  mutating func expandedPlanes(_ tensor: TensorDescriptor) throws -> FloatWeights? {
    let second = TritPlanes.second(of: tensor.name)
    let hasSecond = has(second)
    guard let scale = tensor.scale, tensor.encoding.isTernary else { return nil }
    var isGrouped = false
    // Headers say where scales stand; where they stand among codes, the scales themselves say how many there are.
    if case .group = scale.granularity, case .group = try source.scale(of: tensor).granularity { isGrouped = true }
    guard hasSecond || isGrouped else { return nil }
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    let first = try planeValues(tensor)
    guard hasSecond else {
      note("scales of groups: weights are expanded to \(first.isBFloat16 ? "bfloat16" : "float32") in memory")
      let bytes =
        first.isBFloat16 ? first.values.flatMap { littleEndianBytes(BFloat16($0).bits) } : floatBytes(first.values)
      return FloatWeights(
        bytes: .memory(bytes), element: first.isBFloat16 ? .bf16 : .f32, rows: rows, columns: columns)
    }
    let other = try self.tensor(second, [rows, columns])
    guard other.encoding.isTernary else {
      throw ModelError(
        .tensorEncoding(expected: "packed trits, as a second plane", found: other.encoding.name),
        location: location(second))
    }
    note("sums of two ternary matrices are expanded to float32 in memory")
    let values = zip(first.values, try planeValues(other).values).map { $0 + $1 }
    return FloatWeights(bytes: .memory(floatBytes(values)), element: .f32, rows: rows, columns: columns)
  }

  /// trit × scale of a matrix that is multiplied with inputs as they are, in the smallest type that holds every scale.
  mutating func expandedWeights(_ tensor: TensorDescriptor) throws -> FloatWeights {
    let (values, isBFloat16) = try planeValues(tensor)
    let isHalf = !isBFloat16 && values.allSatisfy { HalfFloat($0).float == $0 }
    let element: FloatElement = isBFloat16 ? .bf16 : isHalf ? .f16 : .f32
    note("packed weights that take inputs as they are, and packed embeddings, are expanded in memory")
    let bytes =
      switch element {
      case .bf16: values.flatMap { littleEndianBytes(BFloat16($0).bits) }
      case .f16: values.flatMap { littleEndianBytes(HalfFloat($0).bits) }
      default: floatBytes(values)
      }
    return FloatWeights(
      bytes: .memory(bytes), element: element, rows: tensor.shape.rows, columns: tensor.shape.columns)
  }

  private func floatBytes(_ values: [Float]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(values.count * 4)
    for value in values { result += littleEndianBytes(value.bitPattern) }
    return result
  }

  /// trit × multiplier of a plane.
  private func planeValues(_ tensor: TensorDescriptor) throws -> (values: [Float], isBFloat16: Bool) {
    let shape = tensor.shape
    guard case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id) else {
      throw ModelError(
        .tensorEncoding(expected: "a known layout", found: tensor.encoding.name), location: location(tensor.name))
    }
    try layout.check(shape)
    let scale = try source.scale(of: tensor)
    let count = scale.granularity.count(rows: shape.rows, columns: shape.columns)
    guard scale.stored.count == count, scale.multipliers.allSatisfy(\.isFinite) else {
      throw ModelError(
        .scale(expected: "\(count) finite scales", found: "\(scale.stored.count), or some not finite"),
        location: location(tensor.name))
    }
    var trits = [Int8](repeating: 0, count: shape.elementCount)
    for run in layout.runs(0..<shape.rows, shape) {
      let invalid = try source.withBytes(run.bytes, of: tensor) { bytes in
        var span = trits.mutableSpan
        return layout.unpack(
          bytes, run, shape, with: KernelChoice.best, into: &span, at: run.rows.lowerBound * shape.columns)
      }
      guard invalid == 0 else { throw ModelError(.invalidCodes(count: invalid), location: location(tensor.name)) }
    }
    let grid = scale.grid(columns: shape.columns)
    return (grid.values(trits, firstRow: 0), grid.multipliers.allSatisfy { BFloat16.rounded($0) == $0 })
  }
}
