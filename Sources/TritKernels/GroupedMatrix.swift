// Tritsmith: packed trits with a scale for each group of columns, as products take them.

import TritCore

/// How the rows of a `GroupedMatrix` are cut, and where their codes lie.
///
///     panel p             rows 16p … 16p + 15
///     block b of a row    columns 128b … 128b + 127
///     byte m of a block   Σ code(128b + 32k + m) · 4^k     k = 0…3   m = 0…31   code = trit + 1
///
/// Rows of a panel are interleaved in fours of these bytes: block b has 512 bytes, and byte m of row r is at
/// 64 · (m / 4) + 4r + m % 4. So a vector holds the same columns of several rows, whose sums need no adding up across
/// it. Columns and rows past the end have trit 0. Blocks hold 1, 2 or 4 groups of equal width, so that a group never
/// crosses the places of a byte.
package struct GroupedShape: Sendable, Hashable {
  static let blockColumns = 128
  /// Bytes of a row in a block.
  static let blockBytes = 32

  package var rows: Int
  package var columns: Int
  /// Groups of a block: 1, 2 or 4.
  package var cuts: Int

  /// Columns that share a scale in memory: 128, 64 or 32.
  package var groupColumns: Int { GroupedShape.blockColumns / cuts }
  /// Blocks of a row.
  package var blocks: Int { (columns + GroupedShape.blockColumns - 1) / GroupedShape.blockColumns }
  /// Groups of a row, those of its last block that hold no column too.
  package var groups: Int { blocks * cuts }
  /// Bytes of a row, and of a panel.
  var rowBytes: Int { blocks * GroupedShape.blockBytes }
  var panelBytes: Int { tileRows * rowBytes }
  var panels: Int { (rows + tileRows - 1) / tileRows }

  /// Where a byte of a block of a row lies; those of a four follow each other.
  @inline(__always)
  func place(row: Int, block: Int, byte: Int) -> Int {
    let panel = row / tileRows * panelBytes + block * tileRows * GroupedShape.blockBytes
    return panel + byte / 4 * 4 * tileRows + row % tileRows * 4 + byte % 4
  }

  /// Where the scale of a group of a row lies: those of sixteen rows side by side.
  func scalePlace(row: Int, group: Int) -> Int { (row / tileRows * groups + group) * tileRows + row % tileRows }

  /// Rows of whole panels, those past the last row too, in parts for repacking.
  var bands: [Range<Int>] {
    let count = max(1, repackedTrits / max(1, columns) / tileRows)
    return stride(from: 0, to: panels, by: count).map { $0 * tileRows..<min(panels, $0 + count) * tileRows }
  }

  /// Where what belongs to bands stands, of an array with so many elements a panel.
  func places(of bands: [Range<Int>], panel count: Int) -> [Range<Int>] {
    bands.map { $0.lowerBound / tileRows * count..<$0.upperBound / tileRows * count }
  }

  /// The shape for scales of a granularity; nil where groups end inside a run of 32 columns.
  ///
  /// Larger groups are held as several of 128 with the same scale.
  package init?(rows: Int, columns: Int, _ granularity: ScaleGranularity) {
    (self.rows, self.columns) = (rows, columns)
    switch granularity {
    case .tensor, .row: cuts = 1
    case .group(let size) where size >= columns: cuts = 1
    case .group(let size):
      guard let cuts = [1, 2, 4].first(where: { size % (GroupedShape.blockColumns / $0) == 0 }), size > 0 else {
        return nil
      }
      self.cuts = cuts
    }
  }
}

/// Scales of a `GroupedMatrix`: float16 where that holds every one of them, else Float.
package enum GroupedScales: Sendable {
  case half([UInt16])
  case single([Float])

  /// The scales on raw memory.
  package struct Pointer {
    let base: UnsafeRawPointer
    let isHalf: Bool

    package init(base: UnsafeRawPointer, isHalf: Bool) {
      self.base = base
      self.isHalf = isHalf
    }

    @inline(__always)
    subscript(_ index: Int) -> Float { (isHalf ? FloatElement.f16 : .f32).load(base, index) }

    func advanced(by count: Int) -> Pointer { Pointer(base: base + count * (isHalf ? 2 : 4), isHalf: isHalf) }
  }

  func withPointer<Result>(_ body: (Pointer) -> Result?) -> Result? {
    switch self {
    case .half(let values):
      values.withUnsafeBytes { $0.baseAddress.flatMap { body(Pointer(base: $0, isHalf: true)) } }
    case .single(let values):
      values.withUnsafeBytes { $0.baseAddress.flatMap { body(Pointer(base: $0, isHalf: false)) } }
    }
  }

  var byteCount: Int {
    switch self {
    case .half(let values): 2 * values.count
    case .single(let values): 4 * values.count
    }
  }
}

/// Where the trits of a matrix come from; read by several threads.
package protocol TritRows: Sendable {
  /// Trits of some rows, row by row from the first place on.
  func read(_ rows: Range<Int>, into trits: inout MutableSpan<Int8>) throws
}

/// Packed trits with a scale for each group of columns, in memory: 2 bits a weight and 2 bytes a group.
package struct GroupedMatrix: Sendable {
  package let shape: GroupedShape
  let codes: [UInt8]
  let scales: GroupedScales
  /// Types that hold every scale, of F16 and BF16; F32 holds any.
  package let scaleTypes: Set<DType>

  package var rows: Int { shape.rows }
  package var columns: Int { shape.columns }
  package var byteCount: Int { codes.count + scales.byteCount }

  /// Whether scales of a granularity can be held.
  package static func holds(_ granularity: ScaleGranularity, columns: Int) -> Bool {
    GroupedShape(rows: 1, columns: columns, granularity) != nil
  }

  /// Packs a matrix, bands of rows in parallel.
  ///
  /// - Parameters:
  ///   - grid: what each trit is multiplied by, of a granularity this type holds.
  package init(
    _ source: some TritRows, rows: Int, columns: Int, _ granularity: ScaleGranularity, _ grid: MultiplierGrid,
    _ parallelism: Parallelism
  ) throws {
    guard let shape = GroupedShape(rows: rows, columns: columns, granularity) else {
      preconditionFailure("groups of \(granularity) end inside a run of 32 columns")
    }
    self.shape = shape
    let bands = shape.bands
    (scales, scaleTypes) = try GroupedMatrix.scales(grid, shape, bands, parallelism)
    codes = try parallelism.filled(
      shape.places(of: bands, panel: shape.panelBytes),
      workspace: [Int8](repeating: 0, count: (bands.first?.count ?? 0) * columns)
    ) { band, trits, bytes in
      let band = bands[band]
      let range = band.clamped(to: 0..<rows)
      var span = trits.mutableSpan
      try source.read(range, into: &span)
      // Rows past the last one are packed as well, from no columns at all: every byte is written.
      for row in 0..<band.count {
        let start = min(row, range.count) * columns
        let end = row < range.count ? start + columns : start
        GroupedMatrix.pack(trits.span.extracting(start..<end), shape, row, into: &bytes)
      }
    }
  }

  /// Scales where products read them, and the types that hold each of them.
  private static func scales(
    _ grid: MultiplierGrid, _ shape: GroupedShape, _ bands: [Range<Int>], _ parallelism: Parallelism
  ) throws -> (GroupedScales, Set<DType>) {
    let isHalf = grid.multipliers.allSatisfy(HalfFloat.holds)
    let isBFloat16 = grid.multipliers.allSatisfy(BFloat16.holds)
    func filled<Element: BitwiseCopyable>(_ stored: @Sendable (Float) -> Element) throws -> [Element] {
      let places = shape.places(of: bands, panel: shape.groups * tileRows)
      return try parallelism.filled(places, workspace: ()) { band, _, output in
        let band = bands[band]
        for row in band {
          for group in 0..<shape.groups {
            let column = group * shape.groupColumns
            let isThere = row < shape.rows && column < shape.columns
            output[shape.scalePlace(row: row - band.lowerBound, group: group)] =
              stored(isThere ? grid.multiplier(row: row, column: column) : 0)
          }
        }
      }
    }
    return (
      isHalf ? .half(try filled { HalfFloat($0).bits.littleEndian }) : .single(try filled { $0 }),
      Set((isHalf ? [DType.f16] : []) + (isBFloat16 ? [.bf16] : []))
    )
  }

  /// The bytes of a row, eight at a time: of each of a block's four places eight trits at once.
  private static func pack(
    _ trits: Span<Int8>, _ shape: GroupedShape, _ row: Int, into bytes: inout MutableSpan<UInt8>
  ) {
    let columns = trits.count
    trits.withUnsafeBytes { trits in
      func codes(_ column: Int) -> UInt64 {
        if column + 8 <= columns {
          // −1, 0 and 1 are 3, 0 and 1 in their lowest bits; one more is 0, 1 and 2 there.
          let word = UInt64(littleEndian: trits.loadUnaligned(fromByteOffset: column, as: UInt64.self))
          return ((word & 0x0303_0303_0303_0303) &+ 0x0101_0101_0101_0101) & 0x0303_0303_0303_0303
        }
        var word: UInt64 = 0
        for index in 0..<8 {
          let code = column + index < columns ? UInt64(trits[column + index] &+ 1) & 3 : 1
          word |= code << UInt64(8 * index)
        }
        return word
      }
      bytes.withUnsafeMutableBytes { bytes in
        for block in 0..<shape.blocks {
          for byte in stride(from: 0, to: GroupedShape.blockBytes, by: 8) {
            let first = block * GroupedShape.blockColumns + byte
            let word = codes(first) | codes(first + 32) << 2 | codes(first + 64) << 4 | codes(first + 96) << 6
            for half in 0..<2 {
              bytes.storeBytes(
                of: UInt32(truncatingIfNeeded: word >> UInt64(32 * half)).littleEndian,
                toByteOffset: shape.place(row: row, block: block, byte: byte + 4 * half), as: UInt32.self)
            }
          }
        }
      }
    }
  }

  /// A row as Floats, trit × scale.
  package func row(_ index: Int, _ engine: InferenceEngine) -> [Float] {
    precondition((0..<rows).contains(index), "a row of the matrix")
    return [Float](unsafeUninitializedCapacity: columns) { output, count in
      if let output = output.baseAddress { withPointers { $0.widen(index, engine.kernels, into: output) } }
      count = columns
    }
  }

  /// Gives `body` the matrix on raw memory; it is valid during the call only.
  func withPointers(_ body: (GroupedPointers) -> Void) {
    codes.withUnsafeBufferPointer { codes in
      _ = scales.withPointer { scales in
        if let codes = codes.baseAddress { body(GroupedPointers(shape: shape, codes: codes, scales: scales)) }
        return ()
      }
    }
  }
}

/// A `GroupedMatrix` on raw memory.
struct GroupedPointers {
  let shape: GroupedShape
  let codes: UnsafePointer<UInt8>
  let scales: GroupedScales.Pointer

  /// A row as Floats, trit × scale.
  func widen(_ row: Int, _ kernels: any InferenceKernels, into output: UnsafeMutablePointer<Float>) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: GroupedShape.blockBytes) { bytes in
      guard let start = bytes.baseAddress else { return }
      for run in 0..<(shape.columns + 31) / 32 {
        if run % 4 == 0 {
          for byte in stride(from: 0, to: GroupedShape.blockBytes, by: 4) {
            (start + byte).update(from: codes + shape.place(row: row, block: run / 4, byte: byte), count: 4)
          }
        }
        let scale = scales[shape.scalePlace(row: row, group: run * shape.cuts / 4)]
        kernels.widenTrits(
          start, min(32, shape.columns - 32 * run), plane: run % 4, value: scale, into: output + 32 * run)
      }
    }
  }
}

/// Trits of a band that is repacked: they stay in the second cache.
package let repackedTrits = 1 << 18

extension Parallelism {
  /// What is made in bands that follow each other: each is written where it stays, so that nothing is held twice.
  ///
  /// - Parameters:
  ///   - workspace: made once for each thread.
  ///   - body: fills a band; called from several threads.
  package func filled<Element: BitwiseCopyable, Workspace>(
    _ bands: [Range<Int>], workspace: @autoclosure @Sendable () -> Workspace,
    _ body: @Sendable (_ band: Int, _ workspace: inout Workspace, _ output: inout MutableSpan<Element>) throws -> Void
  ) throws -> [Element] {
    try [Element](unsafeUninitializedCapacity: bands.last?.upperBound ?? 0) { buffer, count in
      // Bands do not overlap: every thread writes its own elements.
      nonisolated(unsafe) let whole = buffer
      try forEachBand(bands.count, workspace: workspace()) { band, workspace in
        var span = UnsafeMutableBufferPointer(rebasing: whole[bands[band]]).mutableSpan
        try body(band, &workspace, &span)
      }
      count = bands.last?.upperBound ?? 0
    }
  }
}
