// Tritsmith: opening TritDiff files.

import TritCore
import TritLayouts

/// What a patch may make of few bytes.
package enum TritDiffLimits {
  /// Headers of safetensors and GGUF files, which hold tokenizers, have less.
  static let skeleton = 512 << 20

  /// With a base, the result is as large as something the user has, and anything goes.
  package static func expansion(of coding: TritDiffCoding, isTernary: Bool) -> TritDiffExpansion? {
    coding.needsBase ? nil : isTernary ? .held : .streamed
  }
}

/// How many times its stored bytes a section may unpack to, and 1 MiB more. Trits and numbers gain a few percent,
/// texts a factor of ten; what gains more is a bomb, or so uniform that it may as well be stored as it is.
package enum TritDiffExpansion: UInt64, Sendable {
  /// Content that is held in memory, or becomes something that is.
  case held = 16
  case streamed = 1024

  func isBelieved(stored: UInt64, bytes: Int) -> Bool {
    guard let product = Checked.product(stored, rawValue), let limit = Checked.sum(product, 1 << 20) else {
      return true
    }
    return UInt64(bytes) <= limit
  }

  func isBelieved(_ section: TritPackSection) -> Bool {
    section.compression == .none || isBelieved(stored: section.storedBytes, bytes: section.bytes)
  }
}

/// Bytes of a target's file that are a tensor's.
package struct TritDiffExtent: Sendable {
  package var name: String
  package var place: TritDiffPlace
  package var byteCount: Int
}

extension TritDiffTensor {
  /// Bytes in the target's file, without scales.
  package var storedByteCount: Int {
    switch identity.content {
    case .bytes(_, let count, _): count
    case .trits: layout.flatMap { LayoutRegistry.layout($0) }?.byteCount(identity.shape) ?? 0
    }
  }

  package var scaleByteCount: Int {
    guard case .trits(_, let scale) = identity.content else { return 0 }
    return scale.byteCount(identity.shape) ?? 0
  }

  /// Where the tensor and its scales lie in the target's files.
  package var extents: [TritDiffExtent] {
    let codes = TritDiffExtent(name: identity.name, place: place, byteCount: storedByteCount)
    guard let scalePlace else { return [codes] }
    return [codes, TritDiffExtent(name: identity.name, place: scalePlace, byteCount: scaleByteCount)]
  }
}

extension TritDiffHeader {
  /// Tensors and scales where they lie in the target's files.
  package var extents: [TritDiffExtent] { tensors.flatMap(\.extents) }

  /// Every use of a section, for messages.
  var sectionUses: [(section: Int, name: String)] {
    var uses: [(section: Int, name: String)] = []
    for tensor in tensors {
      let name = printable(tensor.identity.name)
      if let section = tensor.section { uses.append((section, "the changes of '\(name)'")) }
      if case .section(let section) = tensor.scale { uses.append((section, "the scales of '\(name)'")) }
    }
    for file in files { uses.append((file.section, "the header of '\(printable(file.name))'")) }
    for companion in companions {
      if let section = companion.section { uses.append((section, "the file '\(printable(companion.name))'")) }
    }
    return uses
  }

  package var sectionCount: Int { sections.count }

  /// Where a section stands in the patch.
  package func storedRange(_ section: Int) -> Range<UInt64> {
    sections[section].offset..<sections[section].offset + sections[section].storedBytes
  }

  /// Bytes a section takes in the patch.
  package func storedBytes(_ section: Int?) -> Int { section.map { Int(clamping: sections[$0].storedBytes) } ?? 0 }
}

/// A patch on disk, its header proved. Sections are read when they are needed.
package final class TritDiffPatch: Sendable {
  package let path: String
  package let header: TritDiffHeader
  package let byteCount: UInt64
  let file: InputFile

  /// - Throws: `TensorIOError` when it cannot be opened, `FormatError` when it is no patch or breaks the format's rules.
  package init(path: String, access: FileAccessMode = .buffered) throws {
    let file = try InputFile(path: path, mode: access)
    let (preamble, stored) = try TritPackPreamble.header(of: file, .tritdiff)
    let reader = TritDiffHeaderReader(path: path, headerOffset: preamble.headerOffset)
    header = try reader.read(try TritDiffHeaderText.text(stored, preamble, of: file))
    try reader.check(header)
    self.path = path
    self.file = file
    byteCount = file.byteCount
  }

  /// Whether a file begins as a patch does.
  package static func matches(_ path: String) -> Bool {
    guard FileSystem.kind(of: path) == .file, let file = try? InputFile(path: path, mode: .buffered),
      file.byteCount >= 8
    else { return false }
    return (try? file.bytes(0..<8)) == TritPackPreamble.Kind.tritdiff.magic
  }

  /// Compares every section with its SHA-256, and checks that the bytes between sections are zero.
  package func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {
    var names = [String](repeating: "", count: header.sections.count)
    for use in header.sectionUses { names[use.section] = use.name }
    progress.began(
      ProgressPhase(name: "checking the patch", totalBytes: header.sections.reduce(0) { $0 + $1.storedBytes }))
    defer { progress.ended() }
    let uses = names
    try parallelism.forEachBand(header.sections.count) { index in
      try header.sections[index].check(in: file, named: uses[index], parallelism.cancellation, progress)
    }
  }

  /// Throws when the patch has changed since it was opened.
  package func checkUnchanged() throws { try file.checkUnchanged() }

  /// Where a section begins in the patch.
  package func offset(_ section: Int?) -> UInt64? { section.map { header.sections[$0].offset } }

  /// The whole content of a section that is held in memory: scales, headers, files, gaps.
  package func content(_ section: Int) throws -> [UInt8] {
    try ChunkReader(header.sections[section], of: file).bytes(0..<header.sections[section].bytes)
  }

  /// The content of a section from its beginning.
  package func stream(_ section: Int) throws -> TritDiffStream {
    TritDiffStream(try ChunkReader(header.sections[section], of: file))
  }
}

/// Content of a section in order, a chunk at a time.
package struct TritDiffStream {
  private let reader: ChunkReader
  private var chunk: [UInt8] = []
  private var next = 0
  private var used = 0

  init(_ reader: ChunkReader) { self.reader = reader }

  /// The next bytes; there are as many as the section's size says.
  package mutating func read(_ count: Int) throws -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count)
    while result.count < count {
      if used == chunk.count {
        chunk = try reader.chunk(next)
        next += 1
        used = 0
      }
      let taken = min(count - result.count, chunk.count - used)
      result.append(contentsOf: chunk[used..<used + taken])
      used += taken
    }
    return result
  }
}
