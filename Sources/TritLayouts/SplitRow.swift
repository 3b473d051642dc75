// Tritsmith: TritPack's two ways to store a row of trits.

import TritCore
import TritKernels

/// A row cut into equal parts of S columns; byte m of the row joins column m of every part.
///
///     two-bit   4 parts, S = ⌈columns/4⌉:  byte m = Σ code(m + k·S) · 4^k
///     base3     5 parts, S = ⌈columns/5⌉:  byte m = Σ code(m + k·S) · 3^k        code = trit + 1
///
/// Columns past the end have trit 0 (code 1). Rows follow each other without padding. Equal parts keep packing and
/// unpacking a matter of contiguous runs, and S is at most one more than the columns need, for any row length.
/// Specified in Docs/Formats/TritPack.md.
package struct SplitRow: TernaryLayout {
  /// How many states a trit takes.
  package enum Radix: Int, Sendable {
    case twoBit = 4
    case base3 = 5

    /// Parts a row is cut in, which is also the trits in a byte.
    var parts: Int { rawValue }
  }

  /// Four trits a byte.
  package static let twoBitID = LayoutID(rawValue: "two-bit")
  /// Five trits a byte.
  package static let base3ID = LayoutID(rawValue: "base3")

  package let radix: Radix

  package init(_ radix: Radix) {
    self.radix = radix
  }

  package var id: LayoutID { radix == .twoBit ? SplitRow.twoBitID : SplitRow.base3ID }

  package var summary: String {
    switch radix {
    case .twoBit: "TritPack 2-bit: four parts of a row in one byte, 2 bits a trit"
    case .base3: "TritPack base 3: five parts of a row in one byte, 1.6 bits a trit"
    }
  }

  package func check(_ shape: TensorShape) throws(LayoutError) {
    guard shape.isMatrix else { throw LayoutError(.notAMatrix(rank: shape.rank), layout: id) }
    guard Checked.product(shape.rows, partLength(shape.columns)) != nil else {
      throw LayoutError(.tooLarge(rows: shape.rows, columns: shape.columns), layout: id)
    }
  }

  /// Bytes of one row, and columns of one part.
  func partLength(_ columns: Int) -> Int { columns / radix.parts + (columns % radix.parts == 0 ? 0 : 1) }

  package func byteCount(_ shape: TensorShape) -> Int { shape.rows * partLength(shape.columns) }

  package func bands(_ shape: TensorShape, rowsPerBand: Int) -> [LayoutBand] {
    let length = partLength(shape.columns)
    guard !shape.hasLongRows else {
      return (0..<shape.rows).flatMap { row in
        stride(from: 0, to: length, by: longBandBytes).map { start in
          longBand(start..<min(start + longBandBytes, length), ofRow: row, shape)
        }
      }
    }
    return splitRows(shape.rows, into: max(1, rowsPerBand)).map {
      LayoutBand(bytes: $0.lowerBound * length..<$0.upperBound * length, rows: [$0])
    }
  }

  /// Some bytes of a long row, and the columns of every part they join.
  private func longBand(_ bytes: Range<Int>, ofRow row: Int, _ shape: TensorShape) -> LayoutBand {
    let length = partLength(shape.columns)
    let columns = (0..<radix.parts).map { part in
      min(shape.columns, part * length + bytes.lowerBound)..<min(shape.columns, part * length + bytes.upperBound)
    }
    let first = row * length
    return LayoutBand(
      bytes: first + bytes.lowerBound..<first + bytes.upperBound,
      rows: [Range<Int>](repeating: row..<row + 1, count: radix.parts), columns: columns)
  }

  /// Packs stacked parts of columns; what a part lacks is past the end of the row.
  private func packParts(
    _ trits: Span<Int8>, _ band: LayoutBand, with kernels: any Kernels, into bytes: inout MutableSpan<UInt8>
  ) {
    let length = band.bytes.count
    var padded = [Int8](repeating: 0, count: radix.parts * length)
    var position = 0
    for (part, columns) in band.columns.enumerated() {
      for index in 0..<columns.count { padded[part * length + index] = trits[position + index] }
      position += columns.count
    }
    packRow(padded.span, at: 0, length, with: kernels, into: &bytes, 0..<length)
  }

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    guard band.columns.isEmpty else { return packParts(trits, band, with: kernels, into: &bytes) }
    let columns = shape.columns
    let length = partLength(columns)
    // The last part of a row may be shorter than the others; such rows are packed from a copy that ends in zeros.
    let isWhole = columns == radix.parts * length
    var padded = [Int8](repeating: 0, count: isWhole ? 0 : radix.parts * length)
    for row in 0..<band.rowCount {
      let first = row * columns
      let output = row * length..<(row + 1) * length
      if isWhole {
        packRow(trits, at: first, length, with: kernels, into: &bytes, output)
      } else {
        for column in 0..<columns { padded[column] = trits[unchecked: first + column] }
        packRow(padded.span, at: 0, length, with: kernels, into: &bytes, output)
      }
    }
  }

  /// Packs the parts of a row that begins at `first`, and has all of its last part.
  private func packRow(
    _ trits: Span<Int8>, at first: Int, _ length: Int, with kernels: any Kernels, into bytes: inout MutableSpan<UInt8>,
    _ output: Range<Int>
  ) {
    let planes = (0..<radix.parts).map { first + $0 * length }
    switch radix {
    case .twoBit: kernels.packFour(planes, from: trits, into: &bytes, output)
    case .base3: kernels.packFive(planes, from: trits, into: &bytes, output)
    }
  }

  package func runs(_ rows: Range<Int>, _ shape: TensorShape) -> [RowRun] {
    let length = partLength(shape.columns)
    return rows.isEmpty
      ? [] : [RowRun(rows: rows, bytes: rows.lowerBound * length..<rows.upperBound * length, plane: 0)]
  }

  package func runs(columns: Range<Int>, ofRow row: Int, _ shape: TensorShape) -> [RowRun] {
    let length = partLength(shape.columns)
    return (0..<radix.parts).compactMap { part in
      let found = columns.clamped(to: min(shape.columns, part * length)..<min(shape.columns, (part + 1) * length))
      guard !found.isEmpty else { return nil }
      let first = row * length + found.lowerBound - part * length
      return RowRun(rows: row..<row + 1, bytes: first..<first + found.count, plane: part, columns: found)
    }
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at first: Int
  ) -> Int {
    guard run.columns == nil else {
      switch radix {
      case .twoBit: return kernels.unpackFour(bytes, plane: run.plane, into: &trits, at: first)
      case .base3:
        let invalid = kernels.unpackFive(bytes, plane: run.plane, into: &trits, at: first)
        // As below: the first part meets every byte.
        return run.plane == 0 ? invalid : 0
      }
    }
    let columns = shape.columns
    let length = partLength(columns)
    var invalid = 0
    for row in 0..<run.rows.count {
      for part in 0..<radix.parts where part * length < columns {
        let count = min(length, columns - part * length)
        let start = first + row * columns + part * length
        let input = bytes.extracting(row * length..<row * length + count)
        switch radix {
        case .twoBit: invalid += kernels.unpackFour(input, plane: part, into: &trits, at: start)
        case .base3:
          let bad = kernels.unpackFive(input, plane: part, into: &trits, at: start)
          // A byte above 242 is one fault, not one a plane; the first plane covers every byte of the row.
          if part == 0 { invalid += bad }
        }
      }
    }
    return invalid
  }
}
