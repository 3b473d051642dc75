// Tritsmith: dense numbers in blocks with scales of their own, as ggml stores them.

import TritCore

/// A ggml type that is no ternary one: blocks of numbers rounded to few bits, which decode to Float.
///
/// Not ternary: what a file may hold embeddings, the head, and matrices that fit no ternary type in. Adding one is a file
/// and a line in `BlockCodecs.all`.
package protocol BlockCodec: Sendable {
  /// Its name in listings.
  static var name: String { get }
  /// Its number in GGUF files.
  static var ggmlType: UInt32 { get }
  /// Numbers in a block, all of one row.
  static var blockElements: Int { get }
  static var blockBytes: Int { get }
  /// Where in a block the f16 numbers stand that scale or shift all of it: even. A value is finite when they are.
  static var scaleOffsets: [Int] { get }

  /// Values of whole blocks, as the original program computes them in Float.
  static func decode(_ bytes: RawSpan) -> [Float]
}

/// A block type that is written as well.
package protocol WritableBlockCodec: BlockCodec {
  /// The largest magnitude a block can stand for, its f16 scale being the largest there is.
  static var largest: Float { get }

  /// Blocks of the values, whose number must be a multiple of `blockElements`: the bytes of ggml's own reference.
  static func encode(_ values: [Float]) -> [UInt8]

  /// How far from a value the type's rounding alone may have moved it, told from the scales that are stored.
  ///
  /// - Parameters:
  ///   - value: before it was stored.
  ///   - index: its place in the block.
  ///   - block: the bytes of that block.
  static func bound(_ value: Float, at index: Int, in block: RawSpan) -> Double
}

/// The one list of block types.
package enum BlockCodecs {
  /// All of them.
  package static let all: [any BlockCodec.Type] = [
    Q4_0.self, Q4_1.self, Q5_0.self, Q5_1.self, Q8_0.self, Q4_K.self, Q5_K.self, Q6_K.self, Q1_0.self,
  ]

  /// Those that are written.
  package static let writable: [any WritableBlockCodec.Type] = all.compactMap { $0 as? any WritableBlockCodec.Type }

  /// The one of that name, as `TensorEncoding.opaque` has it.
  package static func codec(named name: String) -> (any BlockCodec.Type)? { all.first { $0.name == name } }
}

extension TensorEncoding {
  /// How the tensor's numbers are read when they stand in blocks; nil for other encodings.
  package var blockCodec: (any BlockCodec.Type)? {
    if case .opaque(let name) = self { BlockCodecs.codec(named: name) } else { nil }
  }

  /// Where an element's bytes begin, of an element that begins a block.
  package func byteOffset(ofElement element: Int) -> Int {
    if let codec = blockCodec { return element / codec.blockElements * codec.blockBytes }
    guard let dtype else { preconditionFailure("elements of \(name) have no places of their own") }
    return element * (dtype.bits / 8)
  }

  /// How the tensor's numbers are written when they stand in blocks that are; nil for other encodings.
  package var writableBlockCodec: (any WritableBlockCodec.Type)? { blockCodec as? any WritableBlockCodec.Type }
}

extension BlockCodec {
  /// Bytes of a number of values; nil when they are no whole blocks.
  package static func byteCount(elements: Int) -> Int? {
    elements % blockElements == 0 ? Checked.product(elements / blockElements, blockBytes) : nil
  }

  /// The half float at an offset.
  package static func half(_ bytes: RawSpan, at offset: Int) -> Float {
    HalfFloat(bits: UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))).float
  }

  /// The byte at an offset.
  static func byte(_ bytes: RawSpan, at offset: Int) -> Int {
    Int(bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
  }

  /// Half of the distance between neighbours of a number in f16: what storing a scale as f16 moved it by at most.
  static func halfStep(ofHalf value: Float) -> Double { max(0x1p-25, abs(Double(value)) * 0x1p-11) }

  /// Decodes block by block: `body` gets the first byte of a block and the place of its first value, and stays in both.
  @inline(__always)
  static func blocks(
    of bytes: RawSpan, _ body: (_ byte: Int, _ values: inout MutableSpan<Float>, _ first: Int) -> Void
  ) -> [Float] {
    let count = bytes.byteCount / blockBytes
    var values = [Float](repeating: 0, count: count * blockElements)
    var output = values.mutableSpan
    for block in 0..<count { body(block * blockBytes, &output, block * blockElements) }
    return values
  }
}

/// Sixteen codes of a block: a loop over them becomes a few instructions, and models have billions.
typealias BlockCodes = SIMD16<UInt8>

extension RawSpan {
  /// Sixteen bytes of a block, which the caller knows to be there.
  @inline(__always)
  func codes(at offset: Int) -> BlockCodes {
    unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: BlockCodes.self)
  }

  /// Sixteen bits, lowest first: each is multiplied into the highest place and taken back from there.
  @inline(__always)
  func bits(at offset: Int) -> BlockCodes {
    let bits = unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self).littleEndian
    let places = SIMD16<UInt16>(
      1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11, 1 << 10, 1 << 9, 1 << 8, 128, 64, 32, 16, 8, 4, 2, 1)
    return BlockCodes(truncatingIfNeeded: (SIMD16(repeating: bits) &* places) &>> 15)
  }
}

extension MutableSpan<Float> {
  /// Sixteen values of a block, whose place the caller has made room for: scale × (code − zero).
  @inline(__always)
  mutating func put<Code: FixedWidthInteger & SIMDScalar>(
    _ codes: SIMD16<Code>, at first: Int, scale: Float, zero: Int32 = 0
  ) {
    let whole = SIMD16<Int32>(truncatingIfNeeded: codes) &- zero
    for lane in 0..<16 { self[unchecked: first &+ lane] = scale * Float(whole[lane]) }
  }

  /// Sixteen values of a block: scale × code + offset. Not for types without an offset, for −0 + 0 is 0.
  @inline(__always)
  mutating func put(_ codes: BlockCodes, at first: Int, scale: Float, offset: Float) {
    let whole = SIMD16<Int32>(truncatingIfNeeded: codes)
    for lane in 0..<16 { self[unchecked: first &+ lane] = scale * Float(whole[lane]) + offset }
  }
}
