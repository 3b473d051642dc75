// Tritsmith: I2_S of bitnet.cpp.

import TritCore
import TritKernels

/// The three byte orders that share the name I2_S and the type number 36; nothing in a file tells them apart.
public enum I2SOrder: String, Sendable, Hashable, CaseIterable {
  /// Runs of 128 weights: every x86 build, every CPU before November 2025, all published files.
  case group128
  /// Runs of 64 weights: ARM builds since November 2025.
  case group64
  /// Four rows in a byte: x86 builds without `ACT_PARALLEL`.
  case rows4

  /// The layout of this order.
  package var layout: LayoutID { I2S(self).id }
}

/// 2 bits a trit, highest bits first, and after all codes one f32 scale and 28 bytes without meaning.
///
///     group128   byte 32·b + m = code(m)·64 + code(32+m)·16 + code(64+m)·4 + code(96+m)   of run b, m = 0…31
///     group64    byte 16·b + m = code(m)·64 + code(16+m)·16 + code(32+m)·4 + code(48+m)   of run b, m = 0…15
///     rows4      byte g·columns + c = code(4g, c)·64 + code(4g+1, c)·16 + code(4g+2, c)·4 + code(4g+3, c)
///
/// code = trit + 1. Runs go over the flattened matrix and cross row ends when rows are no multiple of them. Such a
/// file can be read back here, but the kernels that run it mis-read it, so it is never written.
/// Source: microsoft/BitNet, `ggml-bitnet-mad.cpp`.
package struct I2S: TernaryLayout {
  /// Bytes after the codes: the scale and what is left of 32.
  static let tailBytes = 32

  package let order: I2SOrder

  package init(_ order: I2SOrder) {
    self.order = order
  }

  package var id: LayoutID { LayoutID(rawValue: "I2_S-" + order.rawValue) }

  package var summary: String {
    switch order {
    case .group128: "bitnet.cpp I2_S, runs of 128 (x86, all published files): 2 bits a trit, one f32 scale"
    case .group64: "bitnet.cpp I2_S, runs of 64 (ARM since November 2025): 2 bits a trit, one f32 scale"
    case .rows4: "bitnet.cpp I2_S, four rows in a byte: 2 bits a trit, one f32 scale"
    }
  }

  package var ggmlType: UInt32? { 36 }
  package var scalePlacement: ScalePlacement { .among(storage: .f32, granularity: .tensor) }

  /// Weights that share a run of bytes and lie in it at equal distances.
  private var run: Int { order == .group64 ? 64 : 128 }

  package func check(_ shape: TensorShape) throws(LayoutError) {
    guard shape.isMatrix else { throw LayoutError(.notAMatrix(rank: shape.rank), layout: id) }
    guard shape.elementCount > 0 else { throw LayoutError(.noElements, layout: id) }
    try checkRowLength(shape)
    switch order {
    case .rows4:
      guard shape.rows % 4 == 0 else { throw LayoutError(.rowsNotMultiple(rows: shape.rows, of: 4), layout: id) }
    case .group128, .group64:
      // What is left over after the last whole run is not stored by the original at all.
      guard shape.elementCount % run == 0 else {
        throw LayoutError(.elementsNotMultiple(elements: shape.elementCount, of: run), layout: id)
      }
    }
  }

  package func checkForWriting(_ shape: TensorShape) throws(LayoutError) {
    try check(shape)
    guard order == .rows4 || shape.columns % run == 0 else {
      throw LayoutError(.columnsNotMultiple(columns: shape.columns, of: run), layout: id)
    }
  }

  package func byteCount(_ shape: TensorShape) -> Int { shape.elementCount / 4 + I2S.tailBytes }

  package func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int { shape.elementCount / 4 }

  package func contiguousRowBytes(_ shape: TensorShape) -> Int? {
    order != .rows4 && shape.columns % run == 0 ? shape.columns / 4 : nil
  }

  /// The smallest number of rows whose bytes belong to them alone.
  private func rowStep(_ shape: TensorShape) -> Int {
    guard order != .rows4 else { return 4 }
    var (a, b) = (shape.columns, run)
    while b != 0 { (a, b) = (b, a % b) }
    return run / a
  }

  package func bands(_ shape: TensorShape, rowsPerBand: Int) -> [LayoutBand] {
    let step = rowStep(shape)
    var bands = splitRows(shape.rows, into: max(1, rowsPerBand / step) * step).map {
      LayoutBand(bytes: $0.lowerBound * shape.columns / 4..<$0.upperBound * shape.columns / 4, rows: [$0])
    }
    // The last band has the tail, so that bands hold every byte.
    if let last = bands.indices.last {
      bands[last].bytes = bands[last].bytes.lowerBound..<bands[last].bytes.upperBound + I2S.tailBytes
    }
    return bands
  }

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let columns = shape.columns
    let codes = band.rowCount * columns / 4
    switch order {
    case .rows4:
      for group in 0..<band.rowCount / 4 {
        let first = 4 * group * columns
        kernels.packFour(
          [first + 3 * columns, first + 2 * columns, first + columns, first], from: trits, into: &bytes,
          group * columns..<(group + 1) * columns)
      }
    case .group128, .group64:
      let part = run / 4
      for group in 0..<codes / part {
        let first = group * run
        kernels.packFour(
          [first + 3 * part, first + 2 * part, first + part, first], from: trits, into: &bytes,
          group * part..<(group + 1) * part)
      }
    }
    for index in codes..<bytes.count { bytes[index] = 0 }
  }

  package func runs(_ rows: Range<Int>, _ shape: TensorShape) -> [RowRun] {
    guard !rows.isEmpty else { return [] }
    let columns = shape.columns
    if order == .rows4 {
      return rows.map { RowRun(rows: $0..<$0 + 1, bytes: $0 / 4 * columns..<($0 / 4 + 1) * columns, plane: 3 - $0 % 4) }
    }
    let first = rows.lowerBound * columns / run
    let end = (rows.upperBound * columns + run - 1) / run
    return [RowRun(rows: rows, bytes: first * run / 4..<end * run / 4, plane: 0)]
  }

  package func unpack(
    _ bytes: RawSpan, _ rows: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    guard order != .rows4 else { return kernels.unpackFour(bytes, plane: rows.plane, into: &trits, at: start) }
    let before = rows.rows.lowerBound * shape.columns % run
    let count = rows.rows.count * shape.columns
    if before == 0, count % run == 0 { return unpackRuns(bytes, kernels, into: &trits, at: start) }
    // Rows that begin or end inside a run: whole runs are unpacked aside and the rows' part is taken.
    var whole = [Int8](repeating: 0, count: 4 * bytes.byteCount)
    var output = whole.mutableSpan
    _ = unpackRuns(bytes, kernels, into: &output, at: 0)
    var invalid = 0
    for index in 0..<count {
      trits[start + index] = whole[before + index]
      if whole[before + index] > 1 { invalid += 1 }
    }
    return invalid
  }

  private func unpackRuns(
    _ bytes: RawSpan, _ kernels: any Kernels, into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    let part = run / 4
    var invalid = 0
    for group in 0..<bytes.byteCount / part {
      let codes = bytes.extracting(group * part..<(group + 1) * part)
      for place in 0..<4 {
        invalid += kernels.unpackFour(codes, plane: 3 - place, into: &trits, at: start + group * run + place * part)
      }
    }
    return invalid
  }
}
