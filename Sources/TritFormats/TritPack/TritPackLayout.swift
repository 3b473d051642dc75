// Tritsmith: the structure of a TritPack file.

import TritCore
import TritLayouts

/// TritPack, one file that is a whole ternary model. Specified in Docs/Formats/TritPack.md.
///
///     preamble (64 bytes) · sections, each on a multiple of 64 · header (JSON)
package enum TritPackFormat: ModelFormat {
  package static let id = FormatID(rawValue: "tritpack")
  package static let summary = "TritPack: one checksummed file with trits, scales, configuration and tokenizer"

  package static func matches(_ path: String, kind: FileKind, firstBytes: [UInt8]) -> Bool {
    kind == .file && (firstBytes.starts(with: TritPackPreamble.Kind.tritpack.magic) || path.hasSuffix(".tritpack"))
  }

  package static func open(_ path: String, _ options: OpenOptions) throws -> any TensorSource {
    try TritPackSource(path: path, options: options)
  }
}

/// The first 64 bytes.
///
///      0  "TRITPACK" or "TRITDIFF"
///      8  u16 major, u16 minor
///     12  u32 flags
///     16  u64 header offset
///     24  u64 header length
///     32  SHA-256 of bytes 0…31 and the header
struct TritPackPreamble {
  /// What tells files of this structure apart.
  struct Kind: Sendable {
    let magic: [UInt8]
    let major: UInt16
    let minor: UInt16
    /// Those that may be set.
    let flags: UInt32
    /// For messages.
    let meaning: String

    var version: String { "\(major).\(minor)" }
    var name: String { String(decoding: magic, as: UTF8.self) }

    static let tritpack = Kind(magic: Array("TRITPACK".utf8), major: 1, minor: 0, flags: 0, meaning: "a TritPack file")
    static let tritdiff = Kind(
      magic: Array("TRITDIFF".utf8), major: 2, minor: 0, flags: TritPackPreamble.compressedHeader,
      meaning: "a patch that 'tritsmith diff' wrote")
  }

  /// The flag of a header that is not its JSON but that JSON compressed (`TritDiffHeaderText`).
  static let compressedHeader: UInt32 = 1
  static let byteCount: UInt64 = 64
  static let alignment: UInt64 = 64
  /// A header names every tensor and file; 100 MB is the limit of safetensors, whose headers hold as much.
  static let headerLimit: UInt64 = 100_000_000

  let kind: Kind
  let flags: UInt32
  var headerOffset: UInt64
  var headerLength: UInt64

  /// The bytes before the digest.
  var prefix: [UInt8] {
    kind.magic + littleEndianBytes(kind.major) + littleEndianBytes(kind.minor) + littleEndianBytes(flags)
      + littleEndianBytes(headerOffset) + littleEndianBytes(headerLength)
  }

  /// The preamble of a file whose header has been written to its place.
  func bytes(headerIn output: OutputFile) throws -> [UInt8] {
    let hash = SHA256()
    hash.update(prefix)
    let (window, end) = (UInt64(1 << 20), headerOffset + headerLength)
    for start in stride(from: headerOffset, to: end, by: Int(clamping: window)) {
      hash.update(try output.bytes(start..<min(end, start + window)))
    }
    return prefix + hash.finalize().bytes
  }

  static func digest(prefix: [UInt8], header: [UInt8]) -> Digest {
    let hash = SHA256()
    hash.update(prefix)
    hash.update(header)
    return hash.finalize()
  }

  /// Reads and checks the preamble of a file, all but its digest.
  init(of file: InputFile, _ kind: Kind) throws {
    let path = file.path
    self.kind = kind
    let first = try file.bytes(0..<min(ForeignFile.prefixLength, file.byteCount))
    if !first.starts(with: kind.magic), let error = ForeignFile.error(path, first, expected: kind.meaning) {
      throw error
    }
    guard file.byteCount >= TritPackPreamble.byteCount else {
      throw FormatError(.badPreamble("64 bytes are needed, the file has \(file.byteCount)"), file: path)
    }
    let bytes = try file.bytes(0..<TritPackPreamble.byteCount)
    guard bytes.starts(with: kind.magic) else {
      throw FormatError(.badPreamble("it does not begin with \(kind.name)"), file: path, byteOffset: 0)
    }
    func integer(_ range: Range<Int>) -> UInt64 { bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    let (major, minor) = (integer(8..<10), integer(10..<12))
    // A higher minor version only adds what an older reader may ignore.
    guard major == UInt64(kind.major) else {
      let versions = (found: "\(major).\(minor)", supported: "\(kind.major).x")
      throw FormatError(
        1..<UInt64(kind.major) ~= major
          ? .outdatedVersion(found: versions.found, supported: versions.supported)
          : .unsupportedVersion(found: versions.found, supported: versions.supported), file: path, byteOffset: 8)
    }
    guard let flags = UInt32(exactly: integer(12..<16)), flags & ~kind.flags == 0 else {
      let flags = String(integer(12..<16), radix: 16)
      throw FormatError(.badPreamble("flags 0x\(flags) are set"), file: path, byteOffset: 12)
    }
    self.flags = flags
    headerOffset = integer(16..<24)
    headerLength = integer(24..<32)
    guard headerLength <= TritPackPreamble.headerLimit else {
      throw FormatError(
        .headerTooLarge(length: headerLength, limit: TritPackPreamble.headerLimit), file: path, byteOffset: 24)
    }
    guard headerOffset >= TritPackPreamble.byteCount, headerOffset % TritPackPreamble.alignment == 0,
      let end = Checked.sum(headerOffset, headerLength), end == file.byteCount
    else {
      let detail = "a header of \(headerLength) bytes at \(headerOffset) does not end a file of \(file.byteCount)"
      throw FormatError(.badPreamble(detail), file: path, byteOffset: 16)
    }
  }

  /// Reads preamble and header, and compares them with their digest.
  static func header(of file: InputFile, _ kind: Kind) throws -> (preamble: TritPackPreamble, header: [UInt8]) {
    let preamble = try TritPackPreamble(of: file, kind)
    let header = try file.bytes(preamble.headerOffset..<preamble.headerOffset + preamble.headerLength)
    let start = try file.bytes(0..<TritPackPreamble.byteCount)
    guard TritPackPreamble.digest(prefix: Array(start[..<32]), header: header).bytes == Array(start[32...]) else {
      throw FormatError(.checksum(section: "preamble and header"), file: file.path, byteOffset: 0)
    }
    return (preamble, header)
  }

  init(_ kind: Kind, flags: UInt32 = 0, headerOffset: UInt64, headerLength: UInt64) {
    self.kind = kind
    self.flags = flags
    self.headerOffset = headerOffset
    self.headerLength = headerLength
  }
}

/// A run of bytes with its checksum.
struct TritPackSection: Sendable, Equatable {
  enum Compression: String, Sendable { case none, zstd }

  /// From the start of the file, a multiple of 64.
  var offset: UInt64
  /// In the file.
  var storedBytes: UInt64
  /// When decompressed.
  var bytes: Int
  var compression: Compression
  /// Of the stored bytes.
  var digest: Digest

  /// Where the stored bytes are.
  var range: Range<UInt64> { offset..<offset + storedBytes }

  /// Compressed sections are cut in pieces of this many bytes, each a frame of its own, so that any row range can be
  /// read without unpacking the rest.
  static let chunk = 1 << 20

  /// What a section may unpack to. Trits gain a few percent; a section that gains more than this is a bomb, or so
  /// uniform that it may as well be stored as it is. Scales and files are held whole and gain less.
  enum Expansion {
    case streamed, whole

    func limit(stored: UInt64) -> UInt64 {
      let (factor, floor): (UInt64, UInt64) = self == .streamed ? (1024, 1 << 20) : (8, 1 << 16)
      return Checked.product(stored, factor).flatMap { Checked.sum($0, floor) } ?? .max
    }
  }

  /// JSON values a compressed file may hold: they take many times the memory of their text.
  static func valueLimit(stored: UInt64) -> UInt64 { 1 << 16 + stored / 4 }

  /// An upper bound of the JSON values in a text, whatever it is.
  static func valueCount(_ text: [UInt8]) -> Int {
    text.count { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") } + 1
  }

  /// Columns of a matrix that may be compressed: a row is unpacked whole, whatever its bytes in the file.
  static let compressedColumnLimit = 1 << 20

  static func chunkCount(_ bytes: Int) -> Int { bytes / chunk + (bytes % chunk == 0 ? 0 : 1) }

  var json: JSONValue {
    .object([
      "offset": .number(JSONNumber(offset)), "stored_bytes": .number(JSONNumber(storedBytes)),
      "bytes": .number(JSONNumber(bytes)), "compression": .string(compression.rawValue),
      "sha256": .string(digest.description),
    ])
  }
}

/// Where a section stands in the life of a model, for messages.
enum TritPackUse: Sendable {
  case codes(String)
  case scales(String)
  case dense(String)
  case file(String)

  var name: String {
    switch self {
    case .codes(let tensor): "the codes of '\(printable(tensor))'"
    case .scales(let tensor): "the scales of '\(printable(tensor))'"
    case .dense(let tensor): "the values of '\(printable(tensor))'"
    case .file(let name): "the embedded file '\(printable(name))'"
    }
  }
}
