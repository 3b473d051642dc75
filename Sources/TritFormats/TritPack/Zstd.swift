// Tritsmith: libzstd.

import CZstd
import TritCore

/// One-shot zstd frames of bounded size.
enum Zstd {
  /// A frame that holds `bytes`.
  static func compress(_ bytes: RawSpan, level: Int32) throws(FormatError) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.byteCount))
    let size = bytes.withUnsafeBytes { input in
      output.withUnsafeMutableBytes {
        ZSTD_compress($0.baseAddress, $0.count, input.baseAddress, input.count, level)
      }
    }
    guard ZSTD_isError(size) == 0 else { throw failure(size) }
    output.removeLast(output.count - size)
    return output
  }

  /// The content of one frame, which must be exactly `count` bytes; no more is ever allocated.
  static func decompress(_ frame: RawSpan, count: Int) throws(FormatError) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: count)
    let size = frame.withUnsafeBytes { input in
      output.withUnsafeMutableBytes { ZSTD_decompress($0.baseAddress, $0.count, input.baseAddress, input.count) }
    }
    guard ZSTD_isError(size) == 0 else { throw failure(size) }
    guard size == count else {
      throw FormatError(.decompression("a frame holds \(size) bytes, \(count) were declared"))
    }
    return output
  }

  private static func failure(_ code: Int) -> FormatError {
    FormatError(.decompression(String(cString: ZSTD_getErrorName(code))))
  }
}
