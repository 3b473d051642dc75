// Tritsmith: PTQ1_0 of PrismML's fork of llama.cpp.

import TritCore
import TritKernels

/// Blocks of 128 columns in 28 bytes: five trits a byte where they fit, then the block's scale as f16; 1.75 bits.
///
///     bytes  0…15   byte m joins columns m, m+16, m+32, m+48, m+64
///     bytes 16…23   byte 16+m joins columns 80+m, 88+m, 96+m, 104+m, 112+m
///     bytes 24, 25  byte 24+h joins columns 120+h, 122+h, 124+h, 126+h, and a fifth digit 0
///     bytes 26, 27  scale
///
/// The digit code of TQ1_0 on half its block. Of the 256 bytes 243 stand for five digits, and 81 of those for four with
/// a fifth of 0: any other byte is counted as invalid. A block of zeros is stored with scale 0, and a block whose scale
/// is 0 reads as zeros. Source: PrismML-Eng/llama.cpp, `ggml-common.h`.
package struct PTQ1_0: ScaledBase3Layout {
  /// Its name.
  package static let id = LayoutID(rawValue: "PTQ1_0")
  package init() {}

  package var id: LayoutID { PTQ1_0.id }
  package var summary: String { "PrismML PTQ1_0: blocks of 128 columns, five trits a byte, f16 scale in each" }
  package var ggmlType: UInt32? { 143 }

  var geometry: BlockGeometry { BlockGeometry(columns: 128, bytes: 28, codes: 0..<26, scale: 26) }
  var countsOtherBytes: Bool { true }

  package var zeroCodes: [UInt8]? { [UInt8](repeating: 0x80, count: 24) + [0x7F, 0x7F] }
}
