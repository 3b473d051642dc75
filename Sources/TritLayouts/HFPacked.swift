// Tritsmith: the packing of Hugging Face BitNet checkpoints.

import TritCore
import TritKernels

/// Four rows a quarter of the matrix apart share a byte, 2 bits each, lowest bits first; code = trit + 1.
///
///     byte [p, c] = code[p, c] | code[p+P, c] << 2 | code[p+2P, c] << 4 | code[p+3P, c] << 6,   P = rows / 4
///
/// Source: transformers `integrations/bitnet.py`, `pack_weights`. That function also packs row counts that are no
/// multiple of 4, but the count is then not in the file and `BitLinear` cannot load it, so this layout refuses them.
package struct HFPacked: TernaryLayout {
  /// Its name.
  package static let id = LayoutID(rawValue: "hf-packed")
  package init() {}

  package var id: LayoutID { HFPacked.id }
  package var summary: String { "Hugging Face BitNet: rows r, r+R/4, r+R/2, r+3R/4 in one byte, 2 bits a trit" }

  package func check(_ shape: TensorShape) throws(LayoutError) {
    guard shape.isMatrix else { throw LayoutError(.notAMatrix(rank: shape.rank), layout: id) }
    guard shape.rows % 4 == 0 else { throw LayoutError(.rowsNotMultiple(rows: shape.rows, of: 4), layout: id) }
  }

  package func byteCount(_ shape: TensorShape) -> Int { shape.elementCount / 4 }

  package func bands(_ shape: TensorShape, rowsPerBand: Int) -> [LayoutBand] {
    let quarter = shape.rows / 4
    guard !shape.hasLongRows else {
      return shape.bands(of: 0..<quarter, elements: longBandBytes).map { packed in
        LayoutBand(
          bytes: packed.elements, rows: (0..<4).map { shape.band(packed, movedBy: $0 * quarter).rows },
          columns: [Range<Int>](repeating: packed.columns, count: 4))
      }
    }
    return splitRows(quarter, into: max(1, rowsPerBand / 4)).map { packed in
      LayoutBand(
        bytes: packed.lowerBound * shape.columns..<packed.upperBound * shape.columns,
        rows: (0..<4).map { packed.lowerBound + $0 * quarter..<packed.upperBound + $0 * quarter })
    }
  }

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    kernels.packFour((0..<4).map { $0 * band.bytes.count }, from: trits, into: &bytes, 0..<band.bytes.count)
  }

  package func runs(_ rows: Range<Int>, _ shape: TensorShape) -> [RowRun] {
    let quarter = shape.rows / 4
    return (0..<4).compactMap { plane in
      let part = rows.clamped(to: plane * quarter..<(plane + 1) * quarter)
      guard !part.isEmpty else { return nil }
      let first = part.lowerBound - plane * quarter
      return RowRun(
        rows: part, bytes: first * shape.columns..<(first + part.count) * shape.columns, plane: plane)
    }
  }

  package func runs(columns: Range<Int>, ofRow row: Int, _ shape: TensorShape) -> [RowRun] {
    let (plane, packed) = row.quotientAndRemainder(dividingBy: max(1, shape.rows / 4))
    return [
      RowRun(
        rows: row..<row + 1, bytes: shape.band(columns, ofRow: packed).elements, plane: plane, columns: columns)
    ]
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    kernels.unpackFour(bytes, plane: run.plane, into: &trits, at: start)
  }
}

/// Bytes of a band of long rows, each of four or five trits.
let longBandBytes = 1 << 18

/// Consecutive ranges of at most `size` that cover `count`.
func splitRows(_ count: Int, into size: Int) -> [Range<Int>] {
  stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
}
