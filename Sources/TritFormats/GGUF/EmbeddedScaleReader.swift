// Tritsmith: scales that stand among codes, read from a file.

import TritCore
import TritKernels
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
  /// A scale of 0 over a block or row of zeros says nothing, as any scale is as good. Over other trits it is kept as a
  /// scale of its own: `check` names it.
  func read(_ storage: DType, _ granularity: ScaleGranularity) throws -> TernaryScale {
    let shape = tensor.shape
    let values: [Float]
    if storage == .f16, let geometry = layout.blockGeometry {
      values = try readBlocks(geometry)
    } else {
      values = try readOneByOne(storage, granularity)
    }
    let zeros: ZeroScale = try values.contains(0) && losesTrits(values, granularity) ? .isOwn : .fitsAny
    return TernaryScale(stored: values, storage: storage, convention: .multiply, granularity: granularity)
      .coarsest(rows: shape.rows, columns: shape.columns, zeros: zeros)
  }

  private func readOneByOne(_ storage: DType, _ granularity: ScaleGranularity) throws -> [Float] {
    let shape = tensor.shape
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
    return values
  }

  /// Whether trits that are not 0 have a scale of 0.
  private func losesTrits(_ scales: [Float], _ granularity: ScaleGranularity) throws -> Bool {
    let shape = tensor.shape
    let places = ScalePlaces(granularity, columns: shape.columns)
    var trits = [Int8](repeating: 0, count: shape.columns)
    for row in 0..<shape.rows {
      var units: [Range<Int>] = []
      places.forEachRun(ofRow: row) { columns, index in if scales[index] == 0 { units.append(columns) } }
      guard !units.isEmpty else { continue }
      for run in layout.runs(row..<row + 1, shape) {
        try source.withBytes(run.bytes, of: tensor) { bytes in
          var output = trits.mutableSpan
          // What is no trit is counted by those who read the codes.
          _ = layout.unpack(bytes, run, shape, with: KernelChoice.best, into: &output)
        }
      }
      if units.contains(where: { $0.contains { trits[$0] != 0 } }) { return true }
    }
    return false
  }

  /// The scales of rows that are nothing but blocks: there may be millions, at equal distances.
  private func readBlocks(_ geometry: BlockGeometry) throws -> [Float] {
    let count = tensor.shape.rows * (tensor.shape.columns / geometry.columns)
    let perWindow = max(1, EmbeddedScaleReader.window / geometry.bytes)
    var values = [Float](repeating: 0, count: count)
    for first in stride(from: 0, to: count, by: perWindow) {
      let indices = first..<min(count, first + perWindow)
      let range = indices.lowerBound * geometry.bytes..<indices.upperBound * geometry.bytes
      try source.withBytes(range, of: tensor) { bytes in
        var output = values.mutableSpan
        var place = geometry.scale
        for index in indices {
          let scale = HalfFloat(
            bits: UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt16.self)))
          // Positive and finite, as nearly all are, or −0.
          guard scale.bits < 0x7C00 || scale.bits == 0x8000 else { throw badScale(index, scale.float) }
          output[index] = scale.float
          place += geometry.bytes
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
