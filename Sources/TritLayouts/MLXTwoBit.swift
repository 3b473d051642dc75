// Tritsmith: ternary weights as MLX packs them.

import TritCore
import TritKernels

/// Words of 32 bits along a row, sixteen trits in each, lowest bits first; code = trit + 1.
///
///     byte m of a row = code(4m) + code(4m + 1)·4 + code(4m + 2)·16 + code(4m + 3)·64
///
/// Words are little-endian, so the bytes of a row are the same whatever their words. Scales stand beside the codes, one
/// for 32, 64 or 128 columns, and with each a bias: weight = code · scale + bias. With bias = −scale that is
/// trit · scale. Code 3 would be +2 times the scale: no trit. Source: `mx.quantize` of mlx 0.32, mode `affine`.
package struct MLXTwoBit: RowBlockLayout {
  /// Its name.
  package static let id = LayoutID(rawValue: "mlx-2bit")
  package init() {}

  package var id: LayoutID { MLXTwoBit.id }
  package var summary: String { "MLX affine, 2 bits: sixteen trits in a 32-bit word, consecutive, lowest bits first" }

  /// Weights of a word.
  var blockColumns: Int { 16 }

  func rowBytes(_ columns: Int) -> Int { columns / 4 }

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    kernels.packQuads(from: trits, at: 0, into: &bytes, 0..<band.bytes.count)
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    kernels.unpackQuads(bytes, into: &trits, at: start)
  }
}
