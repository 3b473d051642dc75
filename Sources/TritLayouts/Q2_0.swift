// Tritsmith: Q2_0 of llama.cpp and PQ2_0 of PrismML's fork.

import TritCore
import TritKernels

/// A block is its f16 scale, then 2 bits a trit, consecutive, lowest bits first; code = trit + 1.
///
///     byte 2 + m = code(4m) + code(4m + 1)·4 + code(4m + 2)·16 + code(4m + 3)·64
///
/// Q2_0 has 64 columns a block (18 bytes, 2.25 bits a weight). PQ2_0 has 128 (34 bytes, 2.125 bits); files written
/// before August 2026 call the same blocks Q2_0 and give them the type number 42. Code 3 stands for +2 times the scale:
/// no trit, and no encoder writes it for ternary weights. A block of zeros is stored with scale 0, as the original
/// encoder does, and a block whose scale is 0 reads as zeros. Sources: llama.cpp `ggml-quants.c`; PrismML-Eng/llama.cpp.
package struct Q2_0: ScaledBlockLayout {
  /// Weights of a block.
  package enum Block: Int, Sendable {
    case of64 = 64
    case of128 = 128
  }

  /// Blocks of 64 weights.
  package static let id = LayoutID(rawValue: "Q2_0")
  /// Blocks of 128 weights.
  package static let prismID = LayoutID(rawValue: "PQ2_0")

  package let block: Block

  package init(_ block: Block) {
    self.block = block
  }

  package var id: LayoutID { block == .of64 ? Q2_0.id : Q2_0.prismID }

  package var summary: String {
    switch block {
    case .of64: "llama.cpp Q2_0: blocks of 64 columns, 2 bits a trit, f16 scale in each"
    case .of128: "PrismML PQ2_0, and Q2_0 before August 2026: blocks of 128 columns, 2 bits a trit, f16 scale in each"
    }
  }

  package var ggmlType: UInt32? { block == .of64 ? 42 : 142 }

  var geometry: BlockGeometry {
    let codes = block.rawValue / 4
    return BlockGeometry(columns: block.rawValue, bytes: 2 + codes, codes: 2..<2 + codes, scale: 0)
  }

  package var zeroCodes: [UInt8]? { [UInt8](repeating: 0x55, count: geometry.codes.count) }

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let geometry = geometry
    for block in 0..<band.rowCount * (shape.columns / geometry.columns) {
      let output = block * geometry.bytes + geometry.codes.lowerBound
      kernels.packQuads(
        from: trits, at: block * geometry.columns, into: &bytes, output..<output + geometry.codes.count)
    }
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    let codes = geometry.codes
    var invalid = 0
    forEachBlock(bytes, run.rows.count, shape.columns, into: &trits, at: start) { byte, column, trits in
      invalid += kernels.unpackQuads(
        bytes.extracting(byte + codes.lowerBound..<byte + codes.upperBound), into: &trits, at: column)
    }
    return invalid
  }
}
