// Tritsmith: TQ2_0 of ggml.

import TritCore
import TritKernels

/// Blocks of 256 columns in 66 bytes: 2 bits a trit, then the block's scale as f16; 2.0625 bits a weight.
///
///     byte 32·g + m = Σ code(128·g + 32·n + m) · 4^n     g = 0, 1   m = 0…31   n = 0…3   code = trit + 1
///     bytes 64, 65 = scale
///
/// Source: llama.cpp, `ggml-quants.c`.
package struct TQ2_0: ScaledBlockLayout {
  /// Its name.
  package static let id = LayoutID(rawValue: "TQ2_0")
  package init() {}

  package var id: LayoutID { TQ2_0.id }
  package var summary: String { "llama.cpp TQ2_0: blocks of 256 columns, 2 bits a trit, f16 scale in each" }
  package var ggmlType: UInt32? { 35 }

  var geometry: BlockGeometry { BlockGeometry(columns: 256, bytes: 66, codes: 0..<64, scale: 64) }

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let geometry = geometry
    for block in 0..<band.rowCount * (shape.columns / geometry.columns) {
      for half in 0..<2 {
        let first = geometry.columns * block + 128 * half
        let output = geometry.bytes * block + 32 * half
        kernels.packFour(
          [first, first + 32, first + 64, first + 96], from: trits, into: &bytes, output..<output + 32)
      }
    }
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    var invalid = 0
    forEachBlock(bytes, run.rows.count, shape.columns, into: &trits, at: start) { byte, column, trits in
      for half in 0..<2 {
        let codes = bytes.extracting(byte + 32 * half..<byte + 32 * half + 32)
        for plane in 0..<4 {
          invalid += kernels.unpackFour(codes, plane: plane, into: &trits, at: column + 128 * half + 32 * plane)
        }
      }
    }
    return invalid
  }
}
