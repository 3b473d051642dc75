// Tritsmith: ternary matrices with scales of groups, and those that are the sum of two planes.

import TritCore
import TritKernels
import TritLayouts
import TritModel

/// The trits of a packed tensor, read by several threads.
struct PackedTrits: TritRows {
  private let source: any TensorSource
  private let tensor: TensorDescriptor
  private let layout: any TernaryLayout

  /// - Throws: `ModelError` for a layout that is not known, `LayoutError` for a matrix it cannot hold.
  init(_ tensor: TensorDescriptor, in source: any TensorSource) throws {
    guard case .ternary(let id) = tensor.encoding, let layout = LayoutRegistry.layout(id) else {
      let known = LayoutRegistry.all.map(\.id.rawValue).joined(separator: ", ")
      throw ModelError(
        .tensorEncoding(expected: known, found: tensor.encoding.name), file: source.manifest.path, tensor: tensor.name)
    }
    try layout.check(tensor.shape)
    (self.source, self.tensor, self.layout) = (source, tensor, layout)
  }

  /// The trits of some rows; gives mapped pages back, for a copy stands in for them.
  func read(_ rows: Range<Int>, into trits: inout MutableSpan<Int8>) throws {
    let shape = tensor.shape
    for run in layout.runs(rows, shape) {
      let start = (run.rows.lowerBound - rows.lowerBound) * shape.columns
      let invalid = try source.withBytes(run.bytes, of: tensor) { bytes in
        layout.unpack(bytes, run, shape, with: KernelChoice.best, into: &trits, at: start)
      }
      // Codes that stand for no trit must not reach the packer.
      guard invalid == 0 else {
        throw try ModelError.invalidCodes(invalid, of: tensor, run.rows, in: source)
      }
      source.release(run.bytes, of: tensor)
    }
  }
}

extension TensorBinder {
  /// A packed projection in the form its products take, and the arithmetic it stands for.
  ///
  /// Models with scales of groups were trained without rounding inputs; where the description says otherwise, it holds.
  mutating func packed(
    _ tensor: TensorDescriptor, _ layout: LayoutID, _ scheme: QuantizationScheme, _ bias: [Float]?
  ) throws -> (Projection.Weights, ProjectionClass) {
    if has(TritPlanes.second(of: tensor.name)) {
      return (.dense(try expanded(tensor), bias: bias), scheme.isWeightOnly ? .linear : .autoBitLinearOffline)
    }
    // Headers say where scales stand; where they stand among codes, the scales themselves say how many there are.
    var scale: TernaryScale?
    if case .group = tensor.scale?.granularity { scale = try source.scale(of: tensor) }
    let isGrouped = if case .group = scale?.granularity { true } else { false }
    let isPlain = scheme.takesPlainInputs(layout, isGrouped: isGrouped)
    guard isGrouped || isPlain else {
      let (bytes, operand, projectionClass) = try ternary(
        tensor, layout, rows: tensor.shape.rows, columns: tensor.shape.columns, bias: bias)
      return (.ternary(bytes, operand), projectionClass)
    }
    let projectionClass: ProjectionClass = isPlain ? .linear : .autoBitLinearOffline
    if let matrix = try grouped(tensor, scale) { return (.grouped(matrix, bias: bias), projectionClass) }
    return (.dense(try expanded(tensor), bias: bias), projectionClass)
  }

  /// A packed embedding or head.
  mutating func packedTokens(_ tensor: TensorDescriptor) throws -> TokenWeights {
    if !has(TritPlanes.second(of: tensor.name)), let matrix = try grouped(tensor) { return .grouped(matrix) }
    return .dense(try expanded(tensor))
  }

  /// A packed matrix with its scales, repacked; nil where groups end at places products have no kernel for.
  ///
  /// - Parameter scale: the tensor's, where it has been read already: there may be millions of numbers.
  private mutating func grouped(_ tensor: TensorDescriptor, _ scale: TernaryScale? = nil) throws -> GroupedMatrix? {
    let shape = tensor.shape
    let scale = try finiteScale(of: tensor, scale)
    guard GroupedMatrix.holds(scale.granularity, columns: shape.columns) else { return nil }
    let trits = try PackedTrits(tensor, in: source)
    note("scales of groups: weights are held packed in memory, 2 bits a trit and a scale for each group")
    let result = try GroupedMatrix(
      trits, rows: shape.rows, columns: shape.columns, scale.granularity, scale.grid(columns: shape.columns),
      parallelism)
    source.release(0..<tensor.location.byteCount, of: tensor)
    return result
  }

  private func finiteScale(of tensor: TensorDescriptor, _ read: TernaryScale? = nil) throws -> TernaryScale {
    let scale = try read ?? source.scale(of: tensor)
    let count = scale.granularity.count(rows: tensor.shape.rows, columns: tensor.shape.columns)
    guard scale.stored.count == count, scale.multipliers.allSatisfy(\.isFinite) else {
      throw ModelError(
        .scale(expected: "\(count) finite scales", found: "\(scale.stored.count), or some not finite"),
        location: location(tensor.name))
    }
    return scale
  }

  /// A ternary matrix that is the sum of two planes, or has groups no kernel takes, as a dense one in memory.
  ///
  /// trit × multiplier is exact in bfloat16 when the multiplier is a bfloat16 number; sums of planes, and other scales,
  /// are held as Floats.
  private mutating func expanded(_ tensor: TensorDescriptor) throws -> FloatWeights {
    let second = TritPlanes.second(of: tensor.name)
    let (rows, columns) = (tensor.shape.rows, tensor.shape.columns)
    let first = try planeValues(tensor)
    guard has(second) else {
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

  private func floatBytes(_ values: [Float]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(values.count * 4)
    for value in values { result += littleEndianBytes(value.bitPattern) }
    return result
  }

  /// trit × multiplier of a plane.
  private func planeValues(_ tensor: TensorDescriptor) throws -> (values: [Float], isBFloat16: Bool) {
    let shape = tensor.shape
    let scale = try finiteScale(of: tensor)
    var trits = [Int8](repeating: 0, count: shape.elementCount)
    var span = trits.mutableSpan
    try PackedTrits(tensor, in: source).read(0..<shape.rows, into: &span)
    let grid = scale.grid(columns: shape.columns)
    return (grid.values(trits, firstRow: 0), grid.multipliers.allSatisfy(BFloat16.holds))
  }
}
