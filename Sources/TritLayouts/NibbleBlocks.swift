// Tritsmith: Q4_0, Q4_1, Q5_0 and Q5_1 of ggml.

import TritCore

/// Blocks of 32 values: an f16 scale d, for the types `_1` an f16 offset m, for the types of five bits the fifth bits
/// of all, then 16 bytes; byte j holds values j (low) and j + 16 (high).
///
///     Q4_0  d·(q − 8)     Q4_1  d·q + m     Q5_0  d·(q − 16)     Q5_1  d·q + m
///
/// Source: llama.cpp, `ggml-quants.c`.
private struct NibbleBlock {
  var hasOffset: Bool
  var hasFifthBit: Bool

  @inline(__always)
  func decode<Block: BlockCodec>(_ bytes: RawSpan, as _: Block.Type) -> [Float] {
    Block.blocks(of: bytes) { start, values, first in
      let scale = Block.half(bytes, at: start)
      let offset = hasOffset ? Block.half(bytes, at: start + 2) : 0
      let high = start + (hasOffset ? 4 : 2)
      let packed = bytes.codes(at: high + (hasFifthBit ? 4 : 0))
      var (low, upper) = (packed & 15, packed &>> 4)
      if hasFifthBit {
        low |= bytes.bits(at: high) &<< 4
        upper |= bytes.bits(at: high + 2) &<< 4
      }
      put(low, at: first, scale: scale, offset: offset, &values)
      put(upper, at: first + 16, scale: scale, offset: offset, &values)
    }
  }

  @inline(__always)
  private func put(
    _ codes: BlockCodes, at first: Int, scale: Float, offset: Float, _ values: inout MutableSpan<Float>
  ) {
    if hasOffset {
      values.put(codes, at: first, scale: scale, offset: offset)
    } else {
      values.put(codes, at: first, scale: scale, zero: hasFifthBit ? 16 : 8)
    }
  }
}

/// Four bits, symmetric.
package enum Q4_0: BlockCodec {
  package static let name = "Q4_0"
  package static let ggmlType: UInt32 = 2
  package static let blockElements = 32
  package static let blockBytes = 18
  package static let scaleOffsets = [0]

  package static func decode(_ bytes: RawSpan) -> [Float] {
    NibbleBlock(hasOffset: false, hasFifthBit: false).decode(bytes, as: Self.self)
  }
}

/// Four bits and an offset.
package enum Q4_1: BlockCodec {
  package static let name = "Q4_1"
  package static let ggmlType: UInt32 = 3
  package static let blockElements = 32
  package static let blockBytes = 20
  package static let scaleOffsets = [0, 2]

  package static func decode(_ bytes: RawSpan) -> [Float] {
    NibbleBlock(hasOffset: true, hasFifthBit: false).decode(bytes, as: Self.self)
  }
}

/// Five bits, symmetric.
package enum Q5_0: BlockCodec {
  package static let name = "Q5_0"
  package static let ggmlType: UInt32 = 6
  package static let blockElements = 32
  package static let blockBytes = 22
  package static let scaleOffsets = [0]

  package static func decode(_ bytes: RawSpan) -> [Float] {
    NibbleBlock(hasOffset: false, hasFifthBit: true).decode(bytes, as: Self.self)
  }
}

/// Five bits and an offset.
package enum Q5_1: BlockCodec {
  package static let name = "Q5_1"
  package static let ggmlType: UInt32 = 7
  package static let blockElements = 32
  package static let blockBytes = 24
  package static let scaleOffsets = [0, 2]

  package static func decode(_ bytes: RawSpan) -> [Float] {
    NibbleBlock(hasOffset: true, hasFifthBit: true).decode(bytes, as: Self.self)
  }
}
