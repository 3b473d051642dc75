// Tritsmith: scales that stand among codes, read from a file.

import TritCore
import TritLayouts

/// Reads the scales a layout keeps among its codes.
struct EmbeddedScaleReader {
  let source: any TensorSource
  let tensor: TensorDescriptor
  let layout: any TernaryLayout
  let file: String
  private static let window = 1 << 20

  /// The scales on the coarsest grid that holds them: one for the tensor when all that are not 0 are equal.
  ///
  /// A scale of 0 marks a block or row of zeros, for which any scale is as good.
  func read(_ storage: DType, _ granularity: ScaleGranularity) throws -> TernaryScale {
    let shape = tensor.shape
    if storage == .f16, let geometry = layout.blockGeometry {
      return TernaryScale(
        stored: try readBlocks(geometry), storage: storage, convention: .multiply, granularity: granularity
      ).coarsest(rows: shape.rows, columns: shape.columns)
    }
    let count = granularity.count(rows: shape.rows, columns: shape.columns)
    let width = storage.bits / 8
    var values: [Float] = []
    values.reserveCapacity(count)
    while values.count < count {
      let first = values.count
      let start = layout.scaleOffset(first, shape)
      var end = first + 1
      while end < count, layout.scaleOffset(end, shape) + width <= start + EmbeddedScaleReader.window { end += 1 }
      let range = start..<layout.scaleOffset(end - 1, shape) + width
      try source.withBytes(range, of: tensor) { bytes in
        for index in first..<end {
          let value = layout.readScale(index, shape, from: bytes, at: start)
          guard value.isFinite, value >= 0 else { throw badScale(index, value) }
          values.append(value)
        }
      }
      source.release(range, of: tensor)
    }
    return TernaryScale(stored: values, storage: storage, convention: .multiply, granularity: granularity)
      .coarsest(rows: shape.rows, columns: shape.columns)
  }

  /// The scales of rows that are nothing but blocks: there may be millions, at equal distances.
  private func readBlocks(_ geometry: BlockGeometry) throws -> [Float] {
    let count = tensor.shape.rows * (tensor.shape.columns / geometry.columns)
    let perWindow = max(1, EmbeddedScaleReader.window / geometry.bytes)
    var values: [Float] = []
    values.reserveCapacity(count)
    while values.count < count {
      let first = values.count
      let range = first * geometry.bytes..<min(count, first + perWindow) * geometry.bytes
      try source.withBytes(range, of: tensor) { bytes in
        for start in stride(from: geometry.scale, to: bytes.byteCount, by: geometry.bytes) {
          let bits = UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt16.self))
          let value = HalfFloat(bits: bits).float
          guard value.isFinite, value >= 0 else { throw badScale(values.count, value) }
          values.append(value)
        }
      }
      source.release(range, of: tensor)
    }
    return values
  }

  private func badScale(_ index: Int, _ value: Float) -> FormatError {
    FormatError(
      .badScale("scale \(index) is \(value); a finite number from 0 up is needed"), file: file, tensor: tensor.name,
      byteOffset: tensor.location.offset + UInt64(layout.scaleOffset(index, tensor.shape)))
  }
}
