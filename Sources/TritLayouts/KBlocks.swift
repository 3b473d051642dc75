// Tritsmith: Q4_K and Q5_K of ggml.

import TritCore

/// Blocks of 256 values in eight runs of 32, each with a 6-bit scale s and a 6-bit minimum m of its own.
///
///     d · dmin · 12 bytes of s and m · for Q5_K 32 bytes of fifth bits · 128 bytes of four bits
///     value = d·s·q − dmin·m
///
/// Bytes 32·c … 32·c + 31 hold run 2c in their low halves and run 2c + 1 in their high ones; bit r of fifth-bit byte l is
/// that of value l of run r. Source: llama.cpp, `ggml-quants.c`.
private enum KBlock {
  @inline(__always)
  static func decode<Block: BlockCodec>(_ bytes: RawSpan, hasFifthBit: Bool, as _: Block.Type) -> [Float] {
    Block.blocks(of: bytes) { start, values, first in
      let (scale, minimum) = (Block.half(bytes, at: start), Block.half(bytes, at: start + 2))
      let fifth = start + 16
      let codes = fifth + (hasFifthBit ? 32 : 0)
      for run in 0..<8 {
        let (s, m) = parameters(bytes, start + 4, run, as: Block.self)
        let (step, offset) = (scale * Float(s), minimum * Float(m))
        for half in [0, 16] {
          var code = bytes.codes(at: codes + run / 2 * 32 + half) &>> UInt8(run % 2 * 4) & 15
          if hasFifthBit { code |= (bytes.codes(at: fifth + half) &>> UInt8(run) & 1) &<< 4 }
          values.put(code, at: first + 32 * run + half, scale: step, offset: -offset)
        }
      }
    }
  }

  /// Scale and minimum of a run: six bits each, the upper two of the last four runs in spare bits of the first four.
  private static func parameters<Block: BlockCodec>(
    _ bytes: RawSpan, _ start: Int, _ run: Int, as _: Block.Type
  ) -> (scale: Int, minimum: Int) {
    func byte(_ offset: Int) -> Int { Block.byte(bytes, at: start + run + offset) }
    guard run >= 4 else { return (byte(0) & 63, byte(4) & 63) }
    return (byte(4) & 15 | (byte(-4) >> 6) << 4, byte(4) >> 4 | (byte(0) >> 6) << 4)
  }
}

/// Four bits with scales and minima of runs.
package enum Q4_K: BlockCodec {
  package static let name = "Q4_K"
  package static let ggmlType: UInt32 = 12
  package static let blockElements = 256
  package static let blockBytes = 144
  package static let scaleOffsets = [0, 2]

  package static func decode(_ bytes: RawSpan) -> [Float] {
    KBlock.decode(bytes, hasFifthBit: false, as: Self.self)
  }
}

/// Five bits with scales and minima of runs.
package enum Q5_K: BlockCodec {
  package static let name = "Q5_K"
  package static let ggmlType: UInt32 = 13
  package static let blockElements = 256
  package static let blockBytes = 176
  package static let scaleOffsets = [0, 2]

  package static func decode(_ bytes: RawSpan) -> [Float] {
    KBlock.decode(bytes, hasFifthBit: true, as: Self.self)
  }
}
