// Tritsmith: patches taken apart and put together by code of the tests' own.

import CZstd
import TritCore

/// The bytes of a patch, and its header as JSON.
package enum PatchBytes {
  /// What stands before the header, and the header's JSON; compressed or not, it is taken for one that is not.
  package static func parts(_ patch: [UInt8]) -> (before: [UInt8], header: [UInt8]) {
    let start = Int(LittleEndian.u64(patch, at: 16))
    let (before, stored) = (Array(patch[..<start]), Array(patch[start...]))
    guard before[12] == 1 else { return (before, stored) }
    // u64 bytes of the JSON, u32 count of frames, u32 bytes of each, frames.
    let count = Int(LittleEndian.u32(stored, at: 8))
    var (place, header) = (12 + 4 * count, [UInt8]())
    for index in 0..<count {
      let size = Int(LittleEndian.u32(stored, at: 12 + 4 * index))
      header += ZstandardFrame.content(Array(stored[place..<place + size])) ?? []
      place += size
    }
    precondition(header.count == Int(LittleEndian.u64(stored)), "the size of a header of the program's own")
    return (ByteMutator.flipping(bit: 0, of: 12, in: before), header)
  }

  /// A patch with that header, not compressed; lengths and checksum are right.
  package static func assembled(_ before: [UInt8], _ header: [UInt8]) -> [UInt8] {
    let lengths = LittleEndian.bytes(UInt64(before.count)) + LittleEndian.bytes(UInt64(header.count))
    let prefix = Array(before[..<16]) + lengths
    return prefix + SHA256.digest(of: prefix + header).bytes + Array(before[64...]) + header
  }
}

/// Frames of zstd, by the library itself.
package enum ZstandardFrame {
  /// A frame that holds bytes.
  package static func holding(_ bytes: [UInt8]) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let size = ZSTD_compress(&frame, frame.count, bytes, bytes.count, 3)
    precondition(ZSTD_isError(size) == 0, "a buffer of the bound's size is enough")
    return Array(frame[..<size])
  }

  /// The content of a frame.
  ///
  /// Nil for a frame that is damaged, or names no size.
  package static func content(_ frame: [UInt8]) -> [UInt8]? {
    let size = ZSTD_getFrameContentSize(frame, frame.count)
    // The two words for no size are the largest numbers.
    guard size < 1 << 26 else { return nil }
    var result = [UInt8](repeating: 0, count: Int(size))
    return ZSTD_decompress(&result, result.count, frame, frame.count) == result.count ? result : nil
  }
}
