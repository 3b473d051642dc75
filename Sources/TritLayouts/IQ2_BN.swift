// Tritsmith: IQ2_BN of ik_llama.cpp, plain and four rows interleaved.

import TritCore
import TritKernels

/// A row is its f32 scale, then 16 bytes for each 64 columns; 2 bits a trit and 32 for the row.
///
///     byte j = code(j) + code(j+16)·4 + code(j+32)·16 + code(j+48)·64     j = 0…15   code = trit + 1
///
/// A row of zeros is stored with scale 0 and codes 2; a row whose scale is 0 reads as zeros.
/// Source: ik_llama.cpp, `ggml-quants.c`.
package struct IQ2BN: RowBlockLayout {
  /// Its name.
  package static let id = LayoutID(rawValue: "IQ2_BN")
  package init() {}

  package var id: LayoutID { IQ2BN.id }
  package var summary: String { "ik_llama.cpp IQ2_BN: 2 bits a trit, f32 scale at the head of each row" }
  package var ggmlType: UInt32? { 135 }
  package var scalePlacement: ScalePlacement { .among(storage: .f32, granularity: .row) }

  var blockColumns: Int { 64 }
  func rowBytes(_ columns: Int) -> Int { 4 + columns / 4 }

  package func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int { index * rowBytes(shape.columns) }

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let length = rowBytes(shape.columns)
    for row in 0..<band.rowCount {
      for block in 0..<shape.columns / 64 {
        let first = row * shape.columns + 64 * block
        let output = row * length + 4 + 16 * block
        kernels.packFour([first, first + 16, first + 32, first + 48], from: trits, into: &bytes, output..<output + 16)
      }
    }
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    let columns = shape.columns
    let length = rowBytes(columns)
    var invalid = 0
    for row in 0..<run.rows.count {
      let first = start + row * columns
      for block in 0..<columns / 64 {
        let input = row * length + 4 + 16 * block
        let codes = bytes.extracting(input..<input + 16)
        for plane in 0..<4 {
          invalid += kernels.unpackFour(codes, plane: plane, into: &trits, at: first + 64 * block + 16 * plane)
        }
      }
      if bytes.isZeroScale32(at: row * length) { trits.clearIfOnes(first..<first + columns) }
    }
    return invalid
  }
}

/// Four rows of IQ2_BN together: four f32 scales, then 64 bytes for each 64 columns.
///
///     byte 16·l + 4·k + i holds row k, columns 16l+i, 16l+i+4, 16l+i+8, 16l+i+12, lowest bits first   l, k, i = 0…3
package struct IQ2BNR4: TernaryLayout {
  /// Its name.
  package static let id = LayoutID(rawValue: "IQ2_BN_R4")
  package init() {}

  package var id: LayoutID { IQ2BNR4.id }
  package var summary: String { "ik_llama.cpp IQ2_BN_R4: IQ2_BN with four rows interleaved" }
  package var ggmlType: UInt32? { 335 }
  package var scalePlacement: ScalePlacement { .among(storage: .f32, granularity: .row) }

  private func groupBytes(_ columns: Int) -> Int { 16 + columns }

  package func check(_ shape: TensorShape) throws(LayoutError) {
    try IQ2BN().check(shape)
    guard shape.rows % 4 == 0 else { throw LayoutError(.rowsNotMultiple(rows: shape.rows, of: 4), layout: id) }
  }

  package func byteCount(_ shape: TensorShape) -> Int { shape.rows / 4 * groupBytes(shape.columns) }

  package func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int {
    index / 4 * groupBytes(shape.columns) + 4 * (index % 4)
  }

  package func bands(_ shape: TensorShape, rowsPerBand: Int) -> [LayoutBand] {
    let length = groupBytes(shape.columns)
    return splitRows(shape.rows, into: max(1, rowsPerBand / 4) * 4).map {
      LayoutBand(bytes: $0.lowerBound / 4 * length..<$0.upperBound / 4 * length, rows: [$0])
    }
  }

  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let columns = shape.columns
    for group in 0..<band.rowCount / 4 {
      for index in 0..<columns {
        // index = 16·l + 4·k + i, the same in every 64 columns.
        let (row, column) = (4 * group + index % 16 / 4, index / 16 * 16 + index % 4)
        var byte: UInt8 = 0
        for place in 0..<4 {
          let code = UInt8(bitPattern: trits[row * columns + column + 4 * place] &+ 1)
          byte |= code << UInt8(2 * place)
        }
        bytes[group * groupBytes(columns) + 16 + index] = byte
      }
    }
  }

  package func runs(_ rows: Range<Int>, _ shape: TensorShape) -> [RowRun] {
    let length = groupBytes(shape.columns)
    return rows.map { RowRun(rows: $0..<$0 + 1, bytes: $0 / 4 * length..<($0 / 4 + 1) * length, plane: $0 % 4) }
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    var invalid = 0
    for column in 0..<shape.columns {
      let byte = 16 + column / 16 * 16 + 4 * run.plane + column % 4
      let code = bytes.unsafeLoad(fromByteOffset: byte, as: UInt8.self) >> UInt8(2 * (column % 16 / 4)) & 3
      if code == 3 { invalid += 1 }
      trits[start + column] = Int8(bitPattern: code) - 1
    }
    if bytes.isZeroScale32(at: 4 * run.plane) { trits.clearIfOnes(start..<start + shape.columns) }
    return invalid
  }
}
