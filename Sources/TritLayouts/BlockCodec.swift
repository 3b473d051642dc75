// Tritsmith: numbers in blocks with scales of their own, as ggml stores embeddings and heads.

import TritCore

/// A type of ggml that holds dense numbers as small whole numbers times a scale of their block.
///
/// Not ternary: what a file may hold embeddings and the head in. Adding one is a file and a line in `all`.
public protocol BlockCodec: Sendable {
  /// Its name in listings.
  static var name: String { get }
  /// Its number in GGUF files.
  static var ggmlType: UInt32 { get }
  /// Numbers in a block.
  static var blockElements: Int { get }
  static var blockBytes: Int { get }
  /// Where in a block the f16 stands that scales all of it: an even number. A value is finite when it is.
  static var scaleOffset: Int { get }
  /// The largest magnitude a block can stand for, its f16 scale being the largest there is.
  static var largest: Float { get }

  /// Blocks of the values, whose number must be a multiple of `blockElements`: the bytes of ggml's own reference.
  static func encode(_ values: [Float]) -> [UInt8]

  /// Values of whole blocks, exactly as ggml computes them.
  static func decode(_ bytes: RawSpan) -> [Float]

  /// How far from a value the type's rounding alone may have moved it, told from the scales that are stored.
  ///
  /// - Parameters:
  ///   - value: before it was stored.
  ///   - index: its place in the block.
  ///   - block: the bytes of that block.
  static func bound(_ value: Float, at index: Int, in block: RawSpan) -> Double
}

extension BlockCodec {
  /// Bytes of a number of values; nil when they are no whole blocks.
  public static func byteCount(elements: Int) -> Int? {
    elements % blockElements == 0 ? Checked.product(elements / blockElements, blockBytes) : nil
  }

  /// The half float at an offset.
  package static func half(_ bytes: RawSpan, at offset: Int) -> Float {
    HalfFloat(bits: UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))).float
  }

  /// Half of the distance between neighbours of a number in f16: what storing a scale as f16 moved it by at most.
  static func halfStep(ofHalf value: Float) -> Double { max(0x1p-25, abs(Double(value)) * 0x1p-11) }
}

/// The block types that are read and written.
public enum BlockCodecs {
  /// All of them.
  public static let all: [any BlockCodec.Type] = [Q8_0.self, Q6_K.self]

  /// The one of that name, as `TensorEncoding.opaque` has it.
  public static func codec(named name: String) -> (any BlockCodec.Type)? { all.first { $0.name == name } }
}

extension TensorEncoding {
  /// How the tensor's numbers are read when they stand in blocks; nil for other encodings.
  public var blockCodec: (any BlockCodec.Type)? {
    if case .opaque(let name) = self { BlockCodecs.codec(named: name) } else { nil }
  }
}
