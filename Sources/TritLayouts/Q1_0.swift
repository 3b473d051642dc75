// Tritsmith: Q1_0 of llama.cpp, a binary type.

import TritCore

/// Blocks of 128 values in 18 bytes: an f16 scale d, then a bit a value, consecutive, lowest first: 1 is +d, 0 is −d.
///
/// There is no zero, so this is no ternary type, and trits cannot be stored in it. Source: llama.cpp, `ggml-quants.c`.
package enum Q1_0: BlockCodec {
  package static let name = "Q1_0"
  package static let ggmlType: UInt32 = 41
  package static let blockElements = 128
  package static let blockBytes = 18
  package static let scaleOffsets = [0]

  package static func decode(_ bytes: RawSpan) -> [Float] {
    blocks(of: bytes) { start, values, first in
      let scale = half(bytes, at: start)
      for part in 0..<blockElements / 16 {
        values.put(bytes.bits(at: start + 2 + 2 * part) &<< 1, at: first + 16 * part, scale: scale, zero: 1)
      }
    }
  }
}
