// Tritsmith: what layouts of whole rows have in common.

import TritCore
import TritKernels

/// A layout that stores row after row, each in the same number of bytes.
protocol RowBlockLayout: TernaryLayout {
  /// Columns of a row must be a multiple of this.
  var blockColumns: Int { get }
  func rowBytes(_ columns: Int) -> Int
}

extension RowBlockLayout {
  package func check(_ shape: TensorShape) throws(LayoutError) {
    guard shape.isMatrix else { throw LayoutError(.notAMatrix(rank: shape.rank), layout: id) }
    guard shape.columns % blockColumns == 0 else {
      throw LayoutError(.columnsNotMultiple(columns: shape.columns, of: blockColumns), layout: id)
    }
    guard Checked.product(shape.rows, rowBytes(shape.columns)) != nil else {
      throw LayoutError(.tooLarge(rows: shape.rows, columns: shape.columns), layout: id)
    }
    try checkRowLength(shape)
  }

  package func byteCount(_ shape: TensorShape) -> Int { shape.rows * rowBytes(shape.columns) }

  package func contiguousRowBytes(_ shape: TensorShape) -> Int? { rowBytes(shape.columns) }

  package func bands(_ shape: TensorShape, rowsPerBand: Int) -> [LayoutBand] {
    let length = rowBytes(shape.columns)
    return splitRows(shape.rows, into: max(1, rowsPerBand)).map {
      LayoutBand(bytes: $0.lowerBound * length..<$0.upperBound * length, rows: [$0])
    }
  }

  package func runs(_ rows: Range<Int>, _ shape: TensorShape) -> [RowRun] {
    let length = rowBytes(shape.columns)
    return rows.isEmpty
      ? [] : [RowRun(rows: rows, bytes: rows.lowerBound * length..<rows.upperBound * length, plane: 0)]
  }
}

extension MutableSpan<Int8> {
  /// Sets a row to zero when all its trits are +1: what ik_llama.cpp stores, under a scale of 0, for a row of zeros.
  ///
  /// Source: `quantize_row_iq2_bn`, whose comparisons with half of a largest magnitude of 0 all fail.
  mutating func clearIfOnes(_ range: Range<Int>) {
    for index in range where self[index] != 1 { return }
    for index in range { self[index] = 0 }
  }
}

extension RawSpan {
  /// True when the f16 at an offset is +0 or −0.
  func isZeroScale16(at offset: Int) -> Bool {
    unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self) & UInt16(0x7FFF).littleEndian == 0
  }

  /// True when the f32 at an offset is +0 or −0.
  func isZeroScale32(at offset: Int) -> Bool {
    unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self) & UInt32(0x7FFF_FFFF).littleEndian == 0
  }
}

/// Base 3 as ggml stores it: a byte is the digits' value as a fraction of 3⁵, scaled to 256 and rounded up.
///
/// Reading multiplies by 3 and takes what runs over, so that one multiplication gives a digit, most significant first.
enum ScaledBase3 {
  /// byte = ⌈256·v / 243⌉ for v = 0…242.
  static let bytes: [UInt8] = (0..<243).map { UInt8((256 * $0 + 242) / 243) }

  /// Trits of a byte, five for each, most significant digit first.
  static let trits: [Int8] = (0...255).flatMap { byte in [1, 3, 9, 27, 81].map { trit(byte, $0) } }

  /// The trit of a byte at a place: 1 of the most significant digit, then 3, 9, 27, 81.
  @inline(__always)
  static func trit(_ byte: UInt8, _ place: UInt8) -> Int8 {
    Int8(truncatingIfNeeded: (UInt16(byte &* place) &* 3) &>> 8) &- 1
  }

  /// The same for the first place of eight bytes; what is below it is three times the bytes, modulo 256.
  @inline(__always)
  static func firstTrits(_ bytes: SIMD8<UInt8>) -> SIMD8<Int8> {
    SIMD8(truncatingIfNeeded: (SIMD8<UInt16>(truncatingIfNeeded: bytes) &* 3) &>> 8) &- 1
  }

  /// Whether a byte stands for five digits, or for four and a fifth, least significant one of 0.
  ///
  /// byte = ⌈256·v / n⌉ for some v says 256·v ≤ n·byte < 256·v + n: n·byte leaves less than n modulo 256. There are
  /// n = 243 values of five digits and 81 of four.
  @inline(__always)
  static func isUsed(_ byte: UInt8, digits: Int) -> Bool {
    let values: UInt8 = digits == 5 ? 243 : 81
    return byte &* values < values
  }
}
