// Tritsmith: the content of sections.

import TritCore

/// The content of a section, read by range; compressed ones hold u32 count, u32 stored size of each chunk, then the
/// chunks' frames.
struct ChunkReader {
  let section: TritPackSection
  private let file: InputFile
  /// Where the frames begin and end; empty for sections that are not compressed.
  private let frames: [UInt64]

  /// Reads and checks the chunk table.
  init(_ section: TritPackSection, of file: InputFile) throws {
    self.section = section
    self.file = file
    guard section.compression == .zstd else {
      frames = []
      return
    }
    let end = section.offset + section.storedBytes
    func broken(_ detail: String) -> FormatError {
      FormatError(.decompression(detail), file: file.path, byteOffset: section.offset)
    }
    let count = TritPackSection.chunkCount(section.bytes)
    let tableBytes = UInt64(4 + 4 * count)
    guard tableBytes <= section.storedBytes else { throw broken("its chunk table is cut off") }
    let table = try file.bytes(section.offset..<section.offset + tableBytes)
    func entry(_ index: Int) -> UInt64 {
      table[4 * index..<4 * index + 4].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    guard entry(0) == UInt64(count) else { throw broken("its chunk table names \(entry(0)) chunks, not \(count)") }
    var position = section.offset + tableBytes
    var frames = [position]
    for chunk in 0..<count {
      let stored = entry(chunk + 1)
      guard stored <= end - position else { throw broken("chunk \(chunk) reaches past its section") }
      position += stored
      frames.append(position)
    }
    guard position == end else { throw broken("\(end - position) bytes follow its last chunk") }
    self.frames = frames
  }

  /// Any range of the content; chunks it does not touch are not unpacked.
  func bytes(_ range: Range<Int>) throws -> [UInt8] {
    guard section.compression == .zstd else {
      return try file.bytes(section.offset + UInt64(range.lowerBound)..<section.offset + UInt64(range.upperBound))
    }
    var result: [UInt8] = []
    // No more than a few chunks ahead of what was really unpacked: the declared size is only a claim.
    result.reserveCapacity(min(range.count, 16 * TritPackSection.chunk))
    for chunk in range.isEmpty ? 0..<0 : range.lowerBound / TritPackSection.chunk..<frames.count - 1 {
      let start = chunk * TritPackSection.chunk
      let wanted = range.clamped(to: start..<min(start + TritPackSection.chunk, section.bytes))
      guard !wanted.isEmpty else { break }
      let bytes = try self.chunk(chunk)
      result.append(contentsOf: bytes[wanted.lowerBound - start..<wanted.upperBound - start])
    }
    return result
  }

  /// One chunk of the content, of which there are `TritPackSection.chunkCount`.
  func chunk(_ index: Int) throws -> [UInt8] {
    let start = index * TritPackSection.chunk
    let size = min(TritPackSection.chunk, section.bytes - start)
    guard section.compression == .zstd else { return try bytes(start..<start + size) }
    return try file.withBytes(frames[index]..<frames[index + 1]) { frame in
      do throws(FormatError) {
        return try Zstd.decompress(frame, count: size)
      } catch {
        throw error.placed(file: file.path, byteOffset: frames[index])
      }
    }
  }
}

extension TritPackSection {
  /// Compares the stored bytes with their SHA-256, and checks that the bytes up to the next section are zero.
  func check(
    in file: InputFile, named name: String, _ cancellation: CancellationFlag, _ progress: any ProgressObserver
  ) throws {
    let hash = SHA256()
    var position = offset
    let end = offset + storedBytes
    while position < end {
      try cancellation.check()
      let next = min(end, position + 4 << 20)
      try file.withBytes(position..<next) { hash.update($0) }
      file.release(position..<next)
      progress.advanced(by: Int(clamping: next - position))
      position = next
    }
    guard hash.finalize() == digest else {
      throw FormatError(.checksum(section: name), file: file.path, byteOffset: offset)
    }
    let padding = (end + 63) / 64 * 64
    guard try file.bytes(end..<padding).allSatisfy({ $0 == 0 }) else {
      throw FormatError(.checksum(section: "the padding after \(name)"), file: file.path, byteOffset: end)
    }
  }
}
