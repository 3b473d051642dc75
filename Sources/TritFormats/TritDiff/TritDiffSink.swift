// Tritsmith: writing TritDiff files.

import TritCore

/// Content of a section being made: cut in chunks, compressed, kept in a file without a name until its turn comes.
package final class TritDiffContent {
  private let spill: OutputFile
  private let level: Int32?
  private var pending: [UInt8] = []
  private var sizes: [UInt32] = []
  private(set) var byteCount = 0
  private var stored: UInt64 = 0

  /// - Parameters:
  ///   - path: of the staged patch.
  ///   - level: of zstd; nil stores content as it is.
  init(beside path: String, level: Int?) throws {
    spill = try OutputFile(unnamedBeside: path)
    self.level = level.map { Int32(clamping: $0) }
  }

  /// Adds bytes to the content.
  package func append(_ bytes: [UInt8]) throws {
    byteCount += bytes.count
    guard level != nil else {
      try spill.write(bytes, at: stored)
      stored += UInt64(bytes.count)
      return
    }
    pending.append(contentsOf: bytes)
    var start = 0
    while pending.count - start >= TritPackSection.chunk {
      try flush(start..<start + TritPackSection.chunk)
      start += TritPackSection.chunk
    }
    if start > 0 { pending.removeFirst(start) }
  }

  private func flush(_ range: Range<Int>) throws {
    let chunk = Array(pending[range])
    let frame = try Zstd.compress(chunk.span.bytes, level: level ?? 3)
    try spill.write(frame, at: stored)
    stored += UInt64(frame.count)
    sizes.append(UInt32(frame.count))
  }

  /// Ends the content. What would not shrink, and shrinks into one chunk, is stored as it is.
  func finish() throws -> FinishedContent {
    func finished(_ compression: TritPackSection.Compression) -> FinishedContent {
      FinishedContent(spill: spill, sizes: sizes, spilled: stored, byteCount: byteCount, compression: compression)
    }
    guard level != nil else { return finished(.none) }
    if sizes.isEmpty, !pending.isEmpty {
      let whole = pending
      let frame = try Zstd.compress(whole.span.bytes, level: level ?? 3)
      if frame.count + 8 >= whole.count {
        try spill.write(whole, at: 0)
        stored = UInt64(whole.count)
        return finished(.none)
      }
    }
    if !pending.isEmpty { try flush(0..<pending.count) }
    pending = []
    return finished(sizes.isEmpty ? .none : .zstd)
  }
}

/// Content of a section, ready to be put into a patch.
package struct FinishedContent: Sendable {
  let spill: OutputFile
  /// Of the frames, when it is compressed.
  let sizes: [UInt32]
  /// Bytes in the spill.
  let spilled: UInt64
  let byteCount: Int
  let compression: TritPackSection.Compression

  /// In the patch.
  var storedBytes: UInt64 { compression == .zstd ? UInt64(4 + 4 * sizes.count) + spilled : spilled }

  /// Copies it to its place.
  func copy(to output: OutputFile, at offset: UInt64) throws -> Digest {
    let hash = SHA256()
    var position = offset
    func write(_ bytes: [UInt8]) throws {
      hash.update(bytes)
      try output.write(bytes, at: position)
      position += UInt64(bytes.count)
    }
    if compression == .zstd {
      try write(littleEndianBytes(UInt32(sizes.count)) + sizes.flatMap { littleEndianBytes($0) })
    }
    let window: UInt64 = 4 << 20
    for start in stride(from: 0, to: spilled, by: Int(clamping: window)) {
      try write(try spill.bytes(start..<min(spilled, start + window)))
    }
    return hash.finalize()
  }
}

/// Where content is kept until its turn comes; used by several threads at once.
package struct TritDiffSpill: Sendable {
  let path: String
  let level: Int

  /// Content for `TritDiffSink.append`.
  ///
  /// - Parameters:
  ///   - expansion: what readers believe its stored bytes to be good for; nil when that is anything.
  ///   - fill: called again when the first attempt is something readers would not believe.
  package func content(
    _ expansion: TritDiffExpansion?, _ fill: (TritDiffContent) throws -> Void
  ) throws -> FinishedContent {
    try content({ expansion?.isBelieved(stored: $0.storedBytes, bytes: $0.byteCount) ?? true }, fill)
  }

  /// The same with another rule of what is believed.
  func content(
    _ isBelieved: (FinishedContent) -> Bool, _ fill: (TritDiffContent) throws -> Void
  ) throws -> FinishedContent {
    for level in [level, nil] {
      let content = try TritDiffContent(beside: path, level: level)
      try fill(content)
      let finished = try content.finish()
      if finished.compression == .none || isBelieved(finished) { return finished }
    }
    preconditionFailure("content that is stored as it is, is believed")
  }
}

/// Writes a patch: sections in order, the header at the end.
package final class TritDiffSink {
  private let output: OutputFile
  /// Makes content on any thread.
  package let spill: TritDiffSpill
  private var sections: [TritPackSection] = []
  private var position = TritPackPreamble.byteCount

  /// Begins a patch in a staged output.
  ///
  /// - Parameters:
  ///   - staging: where the file is made before it is put in place.
  ///   - level: of zstd.
  package init(_ staging: StagedOutput, level: Int) throws {
    output = try staging.createFile()
    spill = TritDiffSpill(path: staging.stagingPath, level: level)
  }

  /// Puts content at the end of the file.
  ///
  /// - Returns: the number of its section.
  package func append(_ content: FinishedContent) throws -> Int {
    let digest = try content.copy(to: output, at: position)
    sections.append(
      TritPackSection(
        offset: position, storedBytes: content.storedBytes, bytes: content.byteCount,
        compression: content.compression, digest: digest))
    let end = position + content.storedBytes
    position = (end + TritPackPreamble.alignment - 1) / TritPackPreamble.alignment * TritPackPreamble.alignment
    try output.resize(to: position)
    return sections.count - 1
  }

  /// Writes header and preamble.
  package func complete(
    generator: String, base: TritDiffBase, target: TritDiffTarget, tensors: [TritDiffTensor], files: [TritDiffFile],
    companions: [TritDiffCompanion]
  ) throws {
    let header = TritDiffHeader(
      generator: generator, base: base, target: target, tensors: tensors, files: files, companions: companions,
      sections: sections)
    let text = try TritDiffHeaderText.content(of: header, beside: spill.path)
    let isCompressed = text.compression == .zstd
    let size = isCompressed ? littleEndianBytes(UInt64(text.byteCount)) : []
    try output.write(size, at: position)
    _ = try text.copy(to: output, at: position + UInt64(size.count))
    let preamble = TritPackPreamble(
      .tritdiff, flags: isCompressed ? TritPackPreamble.compressedHeader : 0, headerOffset: position,
      headerLength: UInt64(size.count) + text.storedBytes)
    try output.write(preamble.bytes(headerIn: output), at: 0)
  }

  /// Brings what was written to the disk.
  package func sync() throws { try output.sync() }
}

/// What a sample takes when compressed.
package enum Sample {
  /// Bytes that zstd needs for a sample, to choose a coding by.
  package static func size(_ bytes: [UInt8], _ level: Int) throws -> Int {
    min(bytes.count, try Zstd.compress(bytes.span.bytes, level: Int32(clamping: level)).count)
  }
}
