// Tritsmith: the compressed text of a patch's header.

import TritCore

/// The header's JSON, or, with the flag of the preamble: u64 bytes of the JSON, then its chunks as in a compressed
/// section.
enum TritDiffHeaderText {
  /// Whether readers take a header of so many stored bytes for that text.
  ///
  /// Half of a header is hashes, which do not shrink: real ones become a fifth, and have a value for five bytes. Values
  /// take many times their text.
  static func isBelieved(stored: UInt64, bytes: Int, values: Int) -> Bool {
    guard let product = Checked.product(stored, 6), let limit = Checked.sum(product, 1 << 16) else { return false }
    return UInt64(bytes) <= min(limit, TritPackPreamble.headerLimit) && UInt64(values) <= 1 << 14 + stored / 5
  }

  /// The JSON of a header, whose stored bytes have been compared with their digest.
  static func text(_ stored: [UInt8], _ preamble: TritPackPreamble, of file: InputFile) throws -> [UInt8] {
    guard preamble.flags & TritPackPreamble.compressedHeader != 0 else { return stored }
    func fault(_ detail: String) -> FormatError {
      FormatError(.decompression(detail), file: file.path, byteOffset: preamble.headerOffset, field: "header")
    }
    guard stored.count >= 8 else { throw fault("the header's size is cut off") }
    let size: UInt64 = stored[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    guard let count = Int(exactly: size), isBelieved(stored: preamble.headerLength, bytes: count, values: 0) else {
      throw fault("\(preamble.headerLength) bytes of the header unpack to \(size), more than is allowed")
    }
    let section = TritPackSection(
      offset: preamble.headerOffset + 8, storedBytes: preamble.headerLength - 8, bytes: count, compression: .zstd,
      digest: SHA256.digest(of: Array(stored[8...])))
    let text = try ChunkReader(section, of: file).bytes(0..<count)
    guard isBelieved(stored: preamble.headerLength, bytes: count, values: TritPackSection.valueCount(text)) else {
      throw fault("\(preamble.headerLength) bytes of the header hold more values than are allowed")
    }
    return text
  }

  /// The text of a header to be written: compressed, unless no reader would believe that.
  ///
  /// Level 9 would save 1 %, and take 13 MB while everything a header says is in memory.
  static func content(of header: TritDiffHeader, beside path: String) throws -> FinishedContent {
    var values = 0
    return try TritDiffSpill(path: path, level: 3).content {
      isBelieved(stored: 8 + $0.storedBytes, bytes: $0.byteCount, values: values)
    } _: { content in
      values = 0
      try header.write {
        values += TritPackSection.valueCount($0)
        try content.append($0)
      }
    }
  }
}
