// Tritsmith: a second decoder that trusts nothing the packers use.

import TritCore
import TritLayouts

/// Reads packed trits by the formulas of the format descriptions, sharing no code with layouts and kernels.
///
/// A packer and an unpacker that make the same mistake pass every round trip. This decoder was written from the
/// formats' descriptions, by division and remainder, and only knows a tensor's stored bytes.
enum IndependentDecoder {
  /// A code that is no trit; larger than any trit so that it never compares equal.
  static let invalid: Int8 = 99

  /// Trits of rows, row-major; codes that are no trit read as `invalid`.
  ///
  /// - Returns: nil for a layout this decoder does not know.
  static func trits(
    _ rows: Range<Int>, of tensor: TensorDescriptor, in source: any TensorSource
  ) throws -> [Int8]? {
    guard case .ternary(let layout) = tensor.encoding else { return nil }
    switch layout.rawValue {
    case "hf-packed": return try quarters(rows, tensor, source)
    case "two-bit": return try parts(rows, tensor, source, perByte: 4, radix: 4, validBytes: 256)
    case "base3": return try parts(rows, tensor, source, perByte: 5, radix: 3, validBytes: 243)
    default: return nil
    }
  }

  /// Hugging Face: row r is place r div (R/4) of the bytes in packed row r mod (R/4).
  private static func quarters(
    _ rows: Range<Int>, _ tensor: TensorDescriptor, _ source: any TensorSource
  ) throws -> [Int8] {
    let columns = tensor.shape.columns
    let quarter = tensor.shape.rows / 4
    var result = [Int8](repeating: 0, count: rows.count * columns)
    for row in rows {
      let start = (row % quarter) * columns
      let place = UInt8(1) << UInt8(2 * (row / quarter))
      let first = (row - rows.lowerBound) * columns
      try source.withBytes(start..<start + columns, of: tensor) { bytes in
        var output = result.mutableSpan
        for column in 0..<columns {
          let code = bytes.unsafeLoad(fromUncheckedByteOffset: column, as: UInt8.self) / place % 4
          output[unchecked: first + column] = code == 3 ? invalid : Int8(truncatingIfNeeded: code) &- 1
        }
      }
    }
    return result
  }

  /// TritPack: byte m of a row of C columns holds columns m, m+S, m+2S, …, S = ⌈C/n⌉, in base `radix`.
  private static func parts(
    _ rows: Range<Int>, _ tensor: TensorDescriptor, _ source: any TensorSource, perByte: Int, radix: Int,
    validBytes: Int
  ) throws -> [Int8] {
    let columns = tensor.shape.columns
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
}
