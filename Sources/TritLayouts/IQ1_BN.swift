// Tritsmith: IQ1_BN of ik_llama.cpp.

import TritCore
import TritKernels

/// A row is its f16 scale, then 13 bytes for each 64 columns; 1.625 bits a weight and 16 for the row.
///
///     byte 3·s + k joins columns 16s + 5k … 16s + 5k + 4     s = 0…3   k = 0…2
///     byte 12      joins columns 15, 31, 47, 63
///
/// First column least significant, the reverse of TQ1_0; otherwise as `ScaledBase3`. A row whose scale is 0 reads as
/// zeros. Source: ik_llama.cpp, `ggml-quants.c`.
package struct IQ1BN: RowBlockLayout {
  /// Its name.
  package static let id = LayoutID(rawValue: "IQ1_BN")
  package init() {}

  package var id: LayoutID { IQ1BN.id }
  package var summary: String { "ik_llama.cpp IQ1_BN: five trits a byte, f16 scale at the head of each row" }
  package var ggmlType: UInt32? { 134 }
  package var scalePlacement: ScalePlacement { .among(storage: .f16, granularity: .row) }

  var blockColumns: Int { 64 }
  func rowBytes(_ columns: Int) -> Int { 2 + columns / 64 * 13 }

  package func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int { index * rowBytes(shape.columns) }

  /// Columns of each of the 13 bytes, least significant first.
  private static let columns: [[Int]] =
    (0..<12).map { byte in (0..<5).map { 16 * (byte / 3) + 5 * (byte % 3) + $0 } } + [[15, 31, 47, 63]]

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let length = rowBytes(shape.columns)
    let scaled = ScaledBase3.bytes
    let places = IQ1BN.columns
    for row in 0..<band.rowCount {
      for block in 0..<shape.columns / 64 {
        let first = row * shape.columns + 64 * block
        for (byte, columns) in places.enumerated() {
          var value = 0
          for column in columns.reversed() { value = 3 * value + Int(trits[first + column]) + 1 }
          bytes[row * length + 2 + 13 * block + byte] = scaled[value]
        }
      }
    }
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    let length = rowBytes(shape.columns)
    let digits = ScaledBase3.trits
    let places = IQ1BN.columns
    for row in 0..<run.rows.count {
      let first = start + row * shape.columns
      for block in 0..<shape.columns / 64 {
        for (byte, columns) in places.enumerated() {
          let stored = Int(bytes.unsafeLoad(fromByteOffset: row * length + 2 + 13 * block + byte, as: UInt8.self))
          // The table has the most significant digit first, and a fifth digit of 0 above the last byte's four.
          for (digit, column) in columns.enumerated() {
            trits[first + 64 * block + column] = digits[5 * stored + 4 - digit]
          }
        }
      }
      if bytes.isZeroScale16(at: row * length) { trits.clearIfOnes(first..<first + shape.columns) }
    }
    return 0
  }
}
