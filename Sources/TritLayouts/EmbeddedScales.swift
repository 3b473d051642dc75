// Tritsmith: scales that stand among the codes.

import TritCore

/// Where a layout keeps its scales.
package enum ScalePlacement: Sendable, Hashable {
  /// In a tensor or section of their own; the layout knows nothing of them.
  case beside
  /// Among the codes, as multipliers: weight = trit × scale.
  case among(storage: DType, granularity: ScaleGranularity)
}

extension TernaryLayout {
  package var scalePlacement: ScalePlacement { .beside }

  package func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int { 0 }

  package func checkForWriting(_ shape: TensorShape) throws(LayoutError) { try check(shape) }

  package func contiguousRowBytes(_ shape: TensorShape) -> Int? { nil }

  package var ggmlType: UInt32? { nil }

  package var blockGeometry: BlockGeometry? { nil }

  package var zeroCodes: [UInt8]? { nil }

  /// Type and granularity of embedded scales; nil when they stand beside the codes.
  package var embeddedScale: (storage: DType, granularity: ScaleGranularity)? {
    if case .among(let storage, let granularity) = scalePlacement { (storage, granularity) } else { nil }
  }

  /// Puts the scales of a packed band among its codes, rounded to the layout's storage type.
  ///
  /// - Parameters:
  ///   - scale: one scale for the tensor, one a row, or one a group that holds whole blocks of the layout.
  ///   - band: rows and bytes of the band.
  ///   - shape: the tensor's, in trits.
  ///   - bytes: the band as `pack` left it.
  package func embed(
    _ scale: TernaryScale, _ band: LayoutBand, _ shape: TensorShape, into bytes: inout MutableSpan<UInt8>
  ) {
    embed(scale.grid(columns: shape.columns), band, shape, into: &bytes)
  }

  /// The same with the multipliers of a scale, for matrices of many bands.
  package func embed(
    _ grid: MultiplierGrid, _ band: LayoutBand, _ shape: TensorShape, into bytes: inout MutableSpan<UInt8>
  ) {
    guard let (storage, granularity) = embeddedScale else { return }
    if storage == .f16, band.columns.isEmpty, let geometry = blockGeometry {
      return embedBlocks(grid, band, shape, geometry, into: &bytes)
    }
    func put(_ index: Int, _ value: Float, _ bytes: inout MutableSpan<UInt8>) {
      let place = scaleOffset(index, shape)
      guard band.bytes.contains(place) else { return }
      let start = place - band.bytes.lowerBound
      if storage == .f16 {
        let bits = HalfFloat(value).bits
        for byte in 0..<2 { bytes[start + byte] = UInt8(truncatingIfNeeded: bits >> (8 * UInt16(byte))) }
      } else {
        for byte in 0..<4 { bytes[start + byte] = UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32(byte))) }
      }
    }
    guard granularity != .tensor else { return put(0, grid.multiplier(row: 0, column: 0), &bytes) }
    let places = ScalePlaces(granularity, columns: shape.columns)
    for row in band.rows.joined() {
      places.forEachRun(ofRow: row) { columns, index in
        put(index, grid.multiplier(row: row, column: columns.lowerBound), &bytes)
      }
    }
  }

  /// The same for rows that are nothing but blocks: there may be millions, at equal distances.
  private func embedBlocks(
    _ grid: MultiplierGrid, _ band: LayoutBand, _ shape: TensorShape, _ geometry: BlockGeometry,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let perRow = shape.columns / geometry.columns
    let isOneEach = grid.places.hasRuns(of: geometry.columns)
    let (multipliers, zeroCodes) = (grid.multipliers, zeroCodes ?? [])
    let (scales, zeros) = (multipliers.span, zeroCodes.span)
    for row in band.rows.joined() {
      var start = row * perRow * geometry.bytes - band.bytes.lowerBound
      for block in 0..<perRow {
        let index = isOneEach ? row * perRow + block : grid.places.index(row: row, column: block * geometry.columns)
        // A block of zeros whose scale is not kept.
        let isZero = !zeros.isEmpty && bytes.holds(zeros, at: start + geometry.codes.lowerBound)
        let bits = isZero ? 0 : HalfFloat(scales[index]).bits
        bytes[start + geometry.scale] = UInt8(truncatingIfNeeded: bits)
        bytes[start + geometry.scale + 1] = UInt8(truncatingIfNeeded: bits >> 8)
        start += geometry.bytes
      }
    }
  }

  /// Reads an embedded scale.
  ///
  /// - Parameters:
  ///   - index: which one, in row-major order of the scales.
  ///   - shape: the tensor's, in trits.
  ///   - bytes: a part of the tensor that holds the scale whole.
  ///   - start: offset of that part from the tensor's first byte.
  package func readScale(_ index: Int, _ shape: TensorShape, from bytes: RawSpan, at start: Int) -> Float {
    let place = scaleOffset(index, shape) - start
    switch embeddedScale?.storage {
    case .f16:
      return HalfFloat(
        bits: UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt16.self))
      ).float
    default:
      return Float(
        bitPattern: UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt32.self)))
    }
  }
}

extension MutableSpan<UInt8> {
  /// Whether some bytes stand at a place.
  fileprivate func holds(_ wanted: Span<UInt8>, at start: Int) -> Bool {
    for index in wanted.indices where self[start + index] != wanted[index] { return false }
    return true
  }
}
