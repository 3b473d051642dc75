// Tritsmith: a second decoder that trusts nothing the packers use.

import TritCore
import TritLayouts

/// Reads packed trits by the formulas of the format descriptions, sharing no code with layouts and kernels.
///
/// A packer and an unpacker that make the same mistake pass every round trip. This decoder was written from the
/// formats' descriptions and only knows a tensor's stored bytes.
package enum IndependentDecoder {
  /// A code that is no trit; larger than any trit so that it never compares equal.
  package static let invalid: Int8 = 99

  /// Trits of a band, row-major; codes that are no trit read as `invalid`.
  ///
  /// - Returns: nil for a layout this decoder does not know.
  package static func trits(
    _ band: MatrixBand, of tensor: TensorDescriptor, in source: any TensorSource
  ) throws -> [Int8]? {
    guard case .ternary(let layout) = tensor.encoding else { return nil }
    // Of the other layouts rows are never cut.
    if band.isWhole, let trits = try ggufTrits(band.rows, of: tensor, in: source) { return trits }
    switch layout.rawValue {
    case "hf-packed": return try quarters(band, tensor, source)
    case "two-bit": return try parts(band, tensor, source, perByte: 4, radix: 4, validBytes: 256)
    case "mlx-2bit" where band.isWhole: return try words(band.rows, tensor, source)
    case "base3": return try parts(band, tensor, source, perByte: 5, radix: 3, validBytes: 243)
    default: return nil
    }
  }

  /// Hugging Face: row r is place r div (R/4) of the bytes in packed row r mod (R/4).
  private static func quarters(
    _ band: MatrixBand, _ tensor: TensorDescriptor, _ source: any TensorSource
  ) throws -> [Int8] {
    // Of one row, when it is a part of one.
    let (rows, columns) = (band.rows, band.columns.count)
    let quarter = tensor.shape.rows / 4
    var result = [Int8](repeating: 0, count: rows.count * columns)
    var row = rows.lowerBound
    while row < rows.upperBound {
      let end = min(rows.upperBound, (row / quarter + 1) * quarter)
      let start = row % quarter * tensor.shape.columns + band.columns.lowerBound
      try source.withBytes(start..<start + (end - row) * columns, of: tensor) { bytes in
        var output = result.mutableSpan
        place(row / quarter, of: bytes, into: &output, at: (row - rows.lowerBound) * columns)
      }
      if !band.isWhole { source.release(start..<start + columns, of: tensor) }
      row = end
    }
    return result
  }

  /// All four rows of each packed row at once: `body` gets the quarter of the matrix, and trits as rows of packed rows.
  ///
  /// - Parameters:
  ///   - packed: a band of the first quarter, whose elements are those of the bytes.
  ///   - trits: memory that is used again.
  package static func allQuarters(
    packed: MatrixBand, of tensor: TensorDescriptor, in source: any TensorSource, trits: inout [Int8],
    _ body: (Int, [Int8]) -> Void
  ) throws {
    if trits.count != packed.count { trits = [Int8](repeating: 0, count: packed.count) }
    try source.withBytes(packed.elements, of: tensor) { bytes in
      for quarter in 0..<4 {
        var output = trits.mutableSpan
        place(quarter, of: bytes, into: &output, at: 0)
        body(quarter, trits)
      }
    }
    if !packed.isWhole { source.release(packed.elements, of: tensor) }
  }

  /// Bits 2k and 2k + 1 of every byte as trits; 3 is no trit.
  private static func place(_ place: Int, of bytes: RawSpan, into trits: inout MutableSpan<Int8>, at first: Int) {
    precondition(first >= 0 && first + bytes.byteCount <= trits.count && (0..<4).contains(place))
    let shift = UInt8(2 * place)
    bytes.withUnsafeBytes { bytes in
      trits.withUnsafeMutableBufferPointer { trits in
        let output = UnsafeMutableBufferPointer(rebasing: trits[first..<first + bytes.count])
        for index in 0..<bytes.count {
          let code = bytes[index] &>> shift & 3
          // All ones where the code is 3: 3 − 1 = 2 joins 97 to 99, without a branch or a product.
          let isThree = 0 &- (code &>> 1 & code)
          output[index] = Int8(truncatingIfNeeded: (code &- 1) | (isThree & 97))
        }
      }
    }
  }

  /// MLX: column i of a row is digit i mod 16, in base 4 and lowest first, of its word i div 16; a word has four bytes.
  private static func words(
    _ rows: Range<Int>, _ tensor: TensorDescriptor, _ source: any TensorSource
  ) throws -> [Int8] {
    let columns = tensor.shape.columns
    let wordsOfRow = columns / 16
    var result: [Int8] = []
    result.reserveCapacity(rows.count * columns)
    try source.withBytes(rows.lowerBound * wordsOfRow * 4..<rows.upperBound * wordsOfRow * 4, of: tensor) { bytes in
      for word in 0..<rows.count * wordsOfRow {
        var value: UInt32 = 0
        for byte in (0..<4).reversed() {
          value = value * 256 + UInt32(bytes.unsafeLoad(fromByteOffset: 4 * word + byte, as: UInt8.self))
        }
        for _ in 0..<16 {
          let (rest, digit) = value.quotientAndRemainder(dividingBy: 4)
          result.append(digit == 3 ? invalid : Int8(digit) - 1)
          value = rest
        }
      }
    }
    return result
  }

  /// TritPack: byte m of a row of C columns holds columns m, m+S, m+2S, …, S = ⌈C/n⌉, in base `radix`.
  private static func parts(
    _ band: MatrixBand, _ tensor: TensorDescriptor, _ source: any TensorSource, perByte: Int, radix: Int,
    validBytes: Int
  ) throws -> [Int8] {
    let (rows, columns) = (band.rows, tensor.shape.columns)
    let stride = (columns + perByte - 1) / perByte
    // digits[byte · perByte + place], by long division.
    var digits: [Int8] = []
    for byte in 0..<256 {
      var rest = byte
      for _ in 0..<perByte {
        let code = rest % radix
        digits.append(byte >= validBytes || code > 2 ? invalid : Int8(code) - 1)
        rest /= radix
      }
    }
    guard band.isWhole else { return try columnParts(band, stride, digits, perByte, tensor, source) }
    var result = [Int8](repeating: 0, count: rows.count * columns)
    let range = rows.lowerBound * stride..<rows.upperBound * stride
    try source.withBytes(range, of: tensor) { bytes in
      let table = digits.span
      var output = result.mutableSpan
      for row in 0..<rows.count {
        for position in 0..<stride {
          let byte = Int(bytes.unsafeLoad(fromByteOffset: row * stride + position, as: UInt8.self))
          var column = position
          for place in 0..<perByte where column < columns {
            output[unchecked: row * columns + column] = table[unchecked: byte * perByte + place]
            column += stride
          }
        }
      }
    }
    return result
  }

  /// Columns of one row: column c is place c div S of byte c mod S.
  private static func columnParts(
    _ band: MatrixBand, _ stride: Int, _ digits: [Int8], _ perByte: Int, _ tensor: TensorDescriptor,
    _ source: any TensorSource
  ) throws -> [Int8] {
    var result = [Int8](repeating: 0, count: band.count)
    var column = band.columns.lowerBound
    while column < band.columns.upperBound {
      let (place, byte) = column.quotientAndRemainder(dividingBy: stride)
      let count = min(band.columns.upperBound - column, stride - byte)
      let first = band.rows.lowerBound * stride + byte
      let start = column - band.columns.lowerBound
      try source.withBytes(first..<first + count, of: tensor) { bytes in
        let table = digits.span
        var output = result.mutableSpan
        for index in 0..<count {
          let value = Int(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
          output[start + index] = table[value * perByte + place]
        }
      }
      source.release(first..<first + count, of: tensor)
      column += count
    }
    return result
  }
}
