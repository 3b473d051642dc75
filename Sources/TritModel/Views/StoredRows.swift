// Tritsmith: rows of a stored tensor as the numbers they stand for.

import TritCore
import TritKernels
import TritLayouts

extension TensorDescriptor {
  /// The tensor with its numbers as Floats; nil where their bytes cannot be counted.
  var asFloats: TensorDescriptor? {
    guard let byteCount = Checked.product(4, shape.elementCount) else { return nil }
    var result = self
    result.encoding = .dense(.f32)
    result.scale = nil
    result.location.byteCount = byteCount
    return result
  }
}

/// Reads rows of a tensor as Floats, whatever it is stored as, and makes bytes of rows that were made anew.
struct StoredRows {
  let source: any TensorSource
  let tensor: TensorDescriptor
  /// What the product with the tensor is multiplied by, from a tensor of its own.
  var factor: Float?

  /// Whether rows of a type can be read.
  static func isRead(_ encoding: TensorEncoding) -> Bool {
    switch encoding {
    case .dense(let dtype): dtype.isFloatWeight
    case .ternary(let id): LayoutRegistry.layout(id) != nil
    case .opaque: encoding.blockCodec != nil
    }
  }

  /// A reader of rows.
  ///
  /// - Throws: `GGUFModelError.cannotUnfold` for a type that is not read; its reader, for codes that are no trits.
  func reader() throws -> (Int) throws -> [Float] {
    let columns = tensor.shape.columns
    func contiguous(_ rowBytes: Int, _ decode: @escaping (RawSpan) -> [Float]) -> (Int) throws -> [Float] {
      { row in try source.withBytes(row * rowBytes..<(row + 1) * rowBytes, of: tensor, decode) }
    }
    switch tensor.encoding {
    case .dense(let dtype):
      return contiguous(columns * (dtype.bits / 8)) { DenseValues.floats($0, dtype) }
    case .ternary(let id):
      guard let layout = LayoutRegistry.layout(id) else { break }
      var scale = try source.scale(of: tensor)
      if let factor { scale = scale.multiplied(by: factor) }
      let grid = scale.grid(columns: columns)
      let kernels = ScalarKernels()
      return { row in
        var trits = [Int8](repeating: 0, count: columns)
        try unpack(row, layout, kernels, into: &trits)
        return grid.values(trits, firstRow: row)
      }
    case .opaque:
      // A row is a whole number of blocks, the reader has checked it.
      guard let codec = tensor.encoding.blockCodec else { break }
      return contiguous(columns / codec.blockElements * codec.blockBytes) { codec.decode($0) }
    }
    throw GGUFModelError(.cannotUnfold(type: tensor.encoding.name), file: source.manifest.path, tensor: tensor.name)
  }

  /// Trits of a row.
  func unpack(
    _ row: Int, _ layout: any TernaryLayout, _ kernels: any Kernels, into trits: inout [Int8]
  ) throws {
    var invalid = 0
    for run in layout.runs(row..<row + 1, tensor.shape) {
      invalid += try source.withBytes(run.bytes, of: tensor) { data in
        var output = trits.mutableSpan
        return layout.unpack(data, run, tensor.shape, with: kernels, into: &output)
      }
    }
    guard invalid == 0 else {
      throw GGUFModelError(
        .badValue(expected: "codes 0, 1 and 2", found: "\(invalid) codes of 3 in row \(row)"),
        file: source.manifest.path, tensor: tensor.name)
    }
  }

  /// A range of the bytes of rows of Floats.
  static func floatBytes(
    _ range: Range<Int>, columns: Int, _ row: (Int) throws -> [Float]
  ) throws -> [UInt8] {
    try bytes(range, rowBytes: 4 * columns) { index in
      try row(index).map { $0.bitPattern.littleEndian }.withUnsafeBytes { Array($0) }
    }
  }

  /// A range of the bytes of rows. Rows are made whole: a range may begin and end anywhere in them.
  static func bytes(
    _ range: Range<Int>, rowBytes: Int, _ row: (Int) throws -> [UInt8]
  ) throws -> [UInt8] {
    guard rowBytes > 0, !range.isEmpty else { return [] }
    var result: [UInt8] = []
    result.reserveCapacity(range.count)
    for index in range.lowerBound / rowBytes...(range.upperBound - 1) / rowBytes {
      let start = index * rowBytes
      let wanted = range.clamped(to: start..<start + rowBytes)
      result += try row(index)[wanted.lowerBound - start..<wanted.upperBound - start]
    }
    return result
  }
}

extension TernaryScale {
  /// What trits are multiplied by, times a factor that stands beside them.
  func multiplied(by factor: Float) -> TernaryScale {
    TernaryScale(
      stored: multipliers.map { $0 * factor }, storage: .f32, convention: .multiply, granularity: granularity)
  }
}
