// Tritsmith: dense numbers in blocks, as GGUF files hold them.

import TritCore

/// A ggml type that is no ternary one: blocks of numbers rounded to few bits, which decode to Float.
public protocol DenseBlockType: Sendable {
  /// Its name in listings.
  static var name: String { get }
  /// Its number in GGUF files.
  static var ggmlType: UInt32 { get }
  /// Numbers in a block, all of one row.
  static var blockElements: Int { get }
  static var blockBytes: Int { get }

  /// Values of whole blocks, as the original program computes them in Float.
  static func decode(_ bytes: RawSpan) -> [Float]
}

/// Every dense block type this package decodes; one line each.
public enum DenseBlockRegistry {
  /// Every type.
  public static let all: [any DenseBlockType.Type] = [
    Q4_0.self, Q4_1.self, Q5_0.self, Q5_1.self, Q8_0.self, Q4_K.self, Q5_K.self, Q6_K.self, Q1_0.self,
  ]

  /// The type of that name, if there is one.
  public static func type(named name: String) -> (any DenseBlockType.Type)? { all.first { $0.name == name } }
}

extension DenseBlockType {
  /// Decodes block by block: `body` gets all bytes, the first byte of a block and the place of its first value.
  static func blocks(
    of bytes: RawSpan, _ body: (RawSpan, _ byte: Int, _ values: inout [Float], _ first: Int) -> Void
  ) -> [Float] {
    let count = bytes.byteCount / blockBytes
    var values = [Float](repeating: 0, count: count * blockElements)
    for block in 0..<count { body(bytes, block * blockBytes, &values, block * blockElements) }
    return values
  }
}

extension DenseBlockType {
  /// Bytes of a number of values; nil when they are no whole blocks.
  public static func byteCount(elements: Int) -> Int? {
    elements % blockElements == 0 ? Checked.product(elements / blockElements, blockBytes) : nil
  }
}

extension TensorEncoding {
  /// How the tensor's numbers are read when they stand in blocks; nil for other encodings.
  public var denseBlocks: (any DenseBlockType.Type)? {
    if case .opaque(let name) = self { DenseBlockRegistry.type(named: name) } else { nil }
  }
}

/// Fields of blocks.
extension RawSpan {
  func byte(_ offset: Int) -> Int { Int(unsafeLoad(fromByteOffset: offset, as: UInt8.self)) }

  func signed(_ offset: Int) -> Float { Float(unsafeLoad(fromByteOffset: offset, as: Int8.self)) }

  func half(_ offset: Int) -> Float {
    HalfFloat(bits: UInt16(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))).float
  }
}
