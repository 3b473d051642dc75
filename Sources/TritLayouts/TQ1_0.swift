// Tritsmith: TQ1_0 of ggml.

import TritCore
import TritKernels

/// Blocks of 256 columns in 54 bytes: five trits a byte where they fit, then the block's scale as f16; 1.6875 bits.
///
///     bytes  0…31   byte m joins columns m, m+32, m+64, m+96, m+128
///     bytes 32…47   byte 32+m joins columns 160+m, 176+m, 192+m, 208+m, 224+m
///     bytes 48…51   byte 48+j joins columns 240+j, 244+j, 248+j, 252+j, and a fifth digit 0
///     bytes 52, 53  scale
///
/// First column most significant, as `ScaledBase3` stores it. Every byte decodes to trits, so no code is invalid. A
/// block whose scale is 0 holds zeros, whatever its codes are. Source: llama.cpp, `ggml-quants.c`.
package struct TQ1_0: ScaledBase3Layout {
  /// Its name.
  package static let id = LayoutID(rawValue: "TQ1_0")
  package init() {}

  package var id: LayoutID { TQ1_0.id }
  package var summary: String { "llama.cpp TQ1_0: blocks of 256 columns, five trits a byte, f16 scale in each" }
  package var ggmlType: UInt32? { 34 }

  var geometry: BlockGeometry { BlockGeometry(columns: 256, bytes: 54, codes: 0..<52, scale: 52) }
  /// Bytes no digits map to decode to trits all the same, as in the original.
  var countsOtherBytes: Bool { false }
}
