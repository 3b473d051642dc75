// Tritsmith: writing TritPack.

import Synchronization
import TritCore
import TritLayouts

/// How sections are stored.
package enum TritPackCompression: Sendable, Hashable {
  case none
  case zstd(level: Int)
}

/// A tensor to be written to a TritPack file.
package struct TritPackTensor: Sendable {
  package var name: String
  package var shape: TensorShape
  package var encoding: TensorEncoding
  package var byteCount: Int
  package var scale: (storage: DType, granularity: ScaleGranularity, convention: ScaleConvention)?

  package init(
    name: String, shape: TensorShape, encoding: TensorEncoding, byteCount: Int,
    scale: (storage: DType, granularity: ScaleGranularity, convention: ScaleConvention)? = nil
  ) {
    self.name = name
    self.shape = shape
    self.encoding = encoding
    self.byteCount = byteCount
    self.scale = scale
  }

  /// Bytes of the scales; 0 for dense tensors.
  package var scaleByteCount: Int {
    guard let scale else { return 0 }
    return scale.granularity.count(rows: shape.rows, columns: shape.columns) * scale.storage.bits / 8
  }

  /// The name under which the scales are written.
  package static func scaleName(of tensor: String) -> String { tensor + "\u{0}scale" }
}

/// Everything about a TritPack file but its tensor bytes.
package struct TritPackPlan: Sendable {
  package var generator: String
  package var recipe: JSONObject
  package var metadata: [(key: String, value: String)]
  package var tensors: [TritPackTensor]
  package var files: [(name: String, bytes: [UInt8])]
  package var compression: TritPackCompression

  package init(
    generator: String, recipe: JSONObject, metadata: [(key: String, value: String)], tensors: [TritPackTensor],
    files: [(name: String, bytes: [UInt8])], compression: TritPackCompression
  ) {
    self.generator = generator
    self.recipe = recipe
    self.metadata = metadata
    self.tensors = tensors
    self.files = files
    self.compression = compression
  }
}

/// Writes a TritPack file by position; `finish` adds checksums, header and preamble.
///
/// With compression, tensors first go to a file without a name beside the output, because sizes are known only
/// afterwards; uncompressed sections are written where they stay.
package final class TritPackSink: TensorSink {
  private let plan: TritPackPlan
  private let output: OutputFile
  private let outputPath: String
  private let spill: OutputFile?
  /// An uncompressed section.
  private struct Section {
    var name: ExactString
    var offset: UInt64
    var byteCount: Int
    /// Nil for what readers take uncompressed only.
    var expansion: TritPackSection.Expansion?
    /// JSON values of an embedded file.
    var values = 0

    /// Whether readers take it compressed to that many bytes.
    func isBelieved(stored: UInt64) -> Bool {
      guard let expansion else { return false }
      return UInt64(byteCount) <= expansion.limit(stored: stored)
        && UInt64(values) <= TritPackSection.valueLimit(stored: stored)
    }
  }

  /// Uncompressed sections in file order.
  private let sections: [Section]
  private let indexOfName: [ExactString: Int]
  private let written = Atomic<UInt64>(0)
  private let parallelism: Parallelism

  package init(plan: TritPackPlan, staging: StagedOutput, parallelism: Parallelism) throws {
    self.plan = plan
    self.parallelism = parallelism
    outputPath = staging.path(of: "")
    output = try staging.createFile()
    var sections: [Section] = []
    var position = TritPackPreamble.byteCount
    func add(_ name: String, _ byteCount: Int, _ expansion: TritPackSection.Expansion?, values: Int = 0) {
      sections.append(
        Section(
          name: ExactString(name), offset: position, byteCount: byteCount, expansion: expansion, values: values))
      position = TritPackSink.aligned(position + UInt64(byteCount))
    }
    for tensor in plan.tensors {
      let isWide = tensor.shape.isMatrix && tensor.shape.columns > TritPackSection.compressedColumnLimit
      add(tensor.name, tensor.byteCount, isWide ? nil : .streamed)
      if tensor.scale != nil { add(TritPackTensor.scaleName(of: tensor.name), tensor.scaleByteCount, .whole) }
    }
    for file in plan.files {
      add("\u{0}file/" + file.name, file.bytes.count, .whole, values: TritPackSection.valueCount(file.bytes))
    }
    self.sections = sections
    indexOfName = Dictionary(
      sections.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    if plan.compression == .none {
      spill = nil
      try output.resize(to: position)
    } else {
      let file = try OutputFile(unnamedBeside: outputPath)
      try file.resize(to: position)
      spill = file
    }
    for file in plan.files { try write(file.bytes.span.bytes, to: "\u{0}file/" + file.name, at: 0) }
  }

  package func write(_ bytes: RawSpan, to tensor: String, at offset: Int) throws {
    guard let index = indexOfName[ExactString(tensor)] else {
      preconditionFailure("tensor '\(tensor)' is not in the plan")
    }
    let section = sections[index]
    precondition(offset >= 0 && offset + bytes.byteCount <= section.byteCount, "write inside tensor '\(tensor)'")
    try (spill ?? output).write(bytes, at: section.offset + UInt64(offset))
    written.wrappingAdd(UInt64(bytes.byteCount), ordering: .relaxed)
  }

  package func complete() throws {
    let expected = sections.reduce(UInt64(0)) { $0 + UInt64($1.byteCount) }
    let total = written.load(ordering: .relaxed)
    guard total == expected else {
      throw TensorIOError(.incomplete(written: total, expected: expected), path: outputPath)
    }
    let finished =
      switch plan.compression {
      case .none: try hashedSections()
      case .zstd(let level): try compressedSections(of: spill ?? output, level: Int32(clamping: level))
      }
    let header = TritPackHeader(
      generator: plan.generator, recipe: plan.recipe, metadata: plan.metadata, tensors: headerTensors(),
      files: headerFiles(), sections: finished)
    let json = header.json.serialized()
    let end = finished.last.map { TritPackSink.aligned($0.offset + $0.storedBytes) } ?? TritPackPreamble.byteCount
    let preamble = TritPackPreamble(.tritpack, headerOffset: end, headerLength: UInt64(json.count))
    try output.resize(to: end)
    try output.write(json, at: end)
    try output.write(preamble.bytes(headerIn: output), at: 0)
  }

  package func sync() throws { try output.sync() }

  // MARK: - Sections

  /// Sections that are in place already: only their checksums are missing.
  private func hashedSections() throws -> [TritPackSection] {
    try parallelism.mapBands(sections.count) { index in
      let section = sections[index]
      return TritPackSection(
        offset: section.offset, storedBytes: UInt64(section.byteCount), bytes: section.byteCount,
        compression: .none, digest: try TritPackSink.digest(of: output, section.offset, UInt64(section.byteCount)))
    }
  }

  /// Compresses the spilled sections chunk by chunk, a few at a time, and appends them in order.
  ///
  /// A section that would not shrink, or shrinks more than readers believe, is stored as it is.
  private func compressedSections(of input: OutputFile, level: Int32) throws -> [TritPackSection] {
    var position = TritPackPreamble.byteCount
    var result: [TritPackSection] = []
    for section in sections {
      let start = position
      let count = TritPackSection.chunkCount(section.byteCount)
      let tableBytes = 4 + 4 * count
      var sizes: [UInt32] = []
      var end = start + UInt64(tableBytes)
      for wave in stride(from: 0, to: count, by: 2 * parallelism.threads) {
        let chunks = wave..<min(count, wave + 2 * parallelism.threads)
        let frames = try parallelism.mapBands(chunks.count) { index in
          let first = (chunks.lowerBound + index) * TritPackSection.chunk
          let size = min(TritPackSection.chunk, section.byteCount - first)
          let from = section.offset + UInt64(first)
          let raw = try input.bytes(from..<from + UInt64(size))
          return try Zstd.compress(raw.span.bytes, level: level)
        }
        for frame in frames {
          try output.write(frame, at: end)
          sizes.append(UInt32(frame.count))
          end += UInt64(frame.count)
        }
      }
      var stored = end - start
      var compression = TritPackSection.Compression.zstd
      if stored >= UInt64(section.byteCount) || !section.isBelieved(stored: stored) {
        compression = .none
        stored = UInt64(section.byteCount)
        try TritPackSink.copy(input, section.offset, to: output, start, stored)
      } else {
        try output.write(littleEndianBytes(UInt32(count)) + sizes.flatMap { littleEndianBytes($0) }, at: start)
      }
      // What a longer attempt left past the section's end must not stay as padding.
      try output.resize(to: start + stored)
      position = TritPackSink.aligned(start + stored)
      result.append(
        TritPackSection(
          offset: start, storedBytes: stored, bytes: section.byteCount, compression: compression,
          digest: try TritPackSink.digest(of: output, start, stored)))
    }
    return result
  }

  private static let window: UInt64 = 4 << 20
  private static let windowStride = 4 << 20

  private static func digest(of file: OutputFile, _ offset: UInt64, _ count: UInt64) throws -> Digest {
    let hash = SHA256()
    for start in stride(from: offset, to: offset + count, by: windowStride) {
      hash.update(try file.bytes(start..<min(start + window, offset + count)))
    }
    return hash.finalize()
  }

  private static func copy(
    _ input: OutputFile, _ from: UInt64, to output: OutputFile, _ target: UInt64, _ count: UInt64
  ) throws {
    for start in stride(from: UInt64(0), to: count, by: windowStride) {
      try output.write(input.bytes(from + start..<from + min(start + window, count)), at: target + start)
    }
  }

  private static func aligned(_ position: UInt64) -> UInt64 {
    (position + TritPackPreamble.alignment - 1) / TritPackPreamble.alignment * TritPackPreamble.alignment
  }

  // MARK: - Header

  private func headerTensors() -> [TritPackHeader.Tensor] {
    var index = 0
    return plan.tensors.map { tensor in
      let section = index
      index += tensor.scale == nil ? 1 : 2
      return TritPackHeader.Tensor(
        name: tensor.name, shape: tensor.shape, encoding: tensor.encoding, section: section,
        scale: tensor.scale.map {
          TritPackHeader.Scale(
            storage: $0.storage, granularity: $0.granularity, convention: $0.convention, section: section + 1)
        })
    }
  }

  private func headerFiles() -> [TritPackHeader.File] {
    let first = plan.tensors.reduce(0) { $0 + ($1.scale == nil ? 1 : 2) }
    return plan.files.enumerated().map { TritPackHeader.File(name: $1.name, section: first + $0) }
  }
}
