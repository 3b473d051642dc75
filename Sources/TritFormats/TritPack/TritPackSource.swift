// Tritsmith: reading TritPack.

import TritCore
import TritLayouts

/// A model in a TritPack file. Uncompressed sections are used where they are; compressed ones chunk by chunk.
package final class TritPackSource: TensorSource {
  package let manifest: ModelManifest
  /// What made the file.
  package let recipe: JSONObject
  package let generator: String
  private let file: InputFile
  private let header: TritPackHeader
  private let sectionOfTensor: [ExactString: (codes: Int, scale: TritPackHeader.Scale?)]

  package init(path: String, options: OpenOptions = OpenOptions()) throws {
    let file = try InputFile(path: path, mode: options.access)
    let (preamble, headerBytes) = try TritPackPreamble.header(of: file, .tritpack)
    let header = try TritPackHeaderReader(path: path, headerOffset: preamble.headerOffset).read(headerBytes)
    self.file = file
    self.header = header
    recipe = header.recipe
    generator = header.generator
    sectionOfTensor = Dictionary(
      header.tensors.map { (ExactString($0.name), ($0.section, $0.scale)) }, uniquingKeysWith: { first, _ in first })
    func location(_ section: Int) -> TensorLocation {
      TensorLocation(
        file: 0, offset: header.sections[section].offset, byteCount: header.sections[section].bytes,
        storedByteCount: Int(clamping: header.sections[section].storedBytes))
    }
    let tensors = header.tensors.map { tensor in
      TensorDescriptor(
        name: tensor.name, shape: tensor.shape, encoding: tensor.encoding, location: location(tensor.section),
        scale: tensor.scale.map {
          ScaleDescriptor(
            name: nil, storage: $0.storage, granularity: $0.granularity, convention: $0.convention,
            location: location($0.section))
        })
    }
    let conventions = Set(header.tensors.compactMap { $0.scale?.convention })
    let evidence = conventions.sorted { $0.rawValue < $1.rawValue }.map {
      ScaleEvidence(origin: .container, convention: $0, detail: "the header states \($0.rawValue)")
    }
    var configuration: JSONObject?
    var notes: [String] = []
    if let entry = header.files.first(where: { $0.name == ModelFolder.configurationName }) {
      let bytes = try TritPackSource.text(header.sections[entry.section], of: file)
      let object = try ConfigurationText.object(bytes, path: path)
      notes = ConfigurationText.notes(on: object, bytes, name: ModelFolder.configurationName)
      configuration = options.modelClass?.named(object) ?? object
    }
    manifest = ModelManifest(
      format: TritPackFormat.id, path: path,
      files: [ManifestFile(path: path, byteCount: file.byteCount, headerByteCount: 64 + preamble.headerLength)],
      tensors: tensors, metadata: header.metadata, configuration: configuration,
      companions: header.files.map { CompanionFile(name: $0.name, byteCount: header.sections[$0.section].bytes) }
        .sorted { ExactString($0.name) < ExactString($1.name) },
      scaleFinding: ScaleFinding(convention: conventions.count == 1 ? conventions.first : nil, evidence: evidence),
      notes: notes)
  }

  package func withBytes<Result>(
    _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    let section = header.sections[try sections(of: tensor).codes]
    precondition(range.lowerBound >= 0 && range.upperBound <= section.bytes, "bytes \(range) of \(section.bytes)")
    switch section.compression {
    case .none:
      return try file.withBytes(
        section.offset + UInt64(range.lowerBound)..<section.offset + UInt64(range.upperBound), body)
    case .zstd:
      let bytes = try TritPackSource.content(section, range, of: file)
      return try body(bytes.span.bytes)
    }
  }

  package func readsInPlace(_ tensor: TensorDescriptor) -> Bool {
    guard let section = try? header.sections[sections(of: tensor).codes] else { return false }
    return file.isMapped && section.compression == .none
  }

  package func remotePlaces(of tensor: TensorDescriptor) throws -> [FileRange] {
    let sections = try sections(of: tensor)
    return ([sections.codes] + (sections.scale.map { [$0.section] } ?? [])).flatMap { index in
      // With the zeros after it, which belong to what is checked.
      let range = header.sections[index].range
      let end = max(range.upperBound, min(file.byteCount, (range.upperBound + 63) / 64 * 64))
      return FileRange(file, range.lowerBound..<end).ifRemote
    }
  }

  package func release(_ range: Range<Int>, of tensor: TensorDescriptor) {
    guard let section = try? header.sections[sections(of: tensor).codes] else { return }
    let part = section.offset + UInt64(range.lowerBound)..<section.offset + UInt64(range.upperBound)
    file.release(section.compression == .none ? part : section.range)
  }

  package func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
    guard let scale = try sections(of: tensor).scale else {
      throw FormatError(.badScale("the tensor has none"), file: file.path, tensor: tensor.name)
    }
    let bytes = try TritPackSource.content(header.sections[scale.section], of: file)
    let values = DenseValues.floats(bytes.span.bytes, scale.storage)
    if let bad = values.first(where: { !$0.isFinite || $0 < 0 }) {
      throw FormatError(
        .badScale("\(bad) is no \(scale.convention == .divide ? "divisor" : "factor")"), file: file.path,
        tensor: tensor.name)
    }
    return TernaryScale(
      stored: values, storage: scale.storage, convention: scale.convention, granularity: scale.granularity)
  }

  package func scaleBytes(of tensor: TensorDescriptor) throws -> [UInt8] {
    guard let scale = try sections(of: tensor).scale else { return [] }
    return try TritPackSource.content(header.sections[scale.section], of: file)
  }

  package func companion(named name: String) throws -> [UInt8] {
    guard let entry = header.files.first(where: { ExactString($0.name) == ExactString(name) }) else {
      throw FormatError(.noModel("there is no embedded file '\(printable(name))'"), file: file.path)
    }
    return try TritPackSource.text(header.sections[entry.section], of: file)
  }

  package func checkUnchanged() throws { try file.checkUnchanged() }

  /// Compares every section with its SHA-256, and checks that the bytes between sections are zero.
  package func checkIntegrity(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {
    let uses = sectionUses
    let total = header.sections.reduce(UInt64(0)) { $0 + $1.storedBytes }
    progress.began(ProgressPhase(name: "checking checksums", totalBytes: total))
    defer { progress.ended() }
    try parallelism.forEachBand(header.sections.count) { index in
      try header.sections[index].check(in: file, named: uses[index].name, parallelism.cancellation, progress)
    }
  }

  /// Compares the sections of one tensor with their SHA-256.
  package func checkIntegrity(
    of tensor: TensorDescriptor, _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws {
    let (codes, scale) = try sections(of: tensor)
    try check([codes] + (scale.map { [$0.section] } ?? []), parallelism, progress)
  }

  /// Compares the sections of embedded files with their SHA-256.
  package func checkIntegrityBesideTensors(_ parallelism: Parallelism, _ progress: any ProgressObserver) throws {
    try check(header.files.map(\.section), parallelism, progress)
  }

  private func check(
    _ indices: [Int], _ parallelism: Parallelism, _ progress: any ProgressObserver
  ) throws {
    let uses = sectionUses
    progress.began(
      ProgressPhase(name: "checking checksums", totalBytes: indices.reduce(0) { $0 + header.sections[$1].storedBytes }))
    defer { progress.ended() }
    for index in indices {
      try header.sections[index].check(in: file, named: uses[index].name, parallelism.cancellation, progress)
    }
  }

  private var sectionUses: [TritPackUse] {
    var uses = [TritPackUse](repeating: .file(""), count: header.sections.count)
    for tensor in header.tensors {
      uses[tensor.section] = tensor.encoding.isTernary ? .codes(tensor.name) : .dense(tensor.name)
      if let scale = tensor.scale { uses[scale.section] = .scales(tensor.name) }
    }
    for file in header.files { uses[file.section] = .file(file.name) }
    return uses
  }

  private func sections(of tensor: TensorDescriptor) throws -> (codes: Int, scale: TritPackHeader.Scale?) {
    guard let sections = sectionOfTensor[ExactString(tensor.name)] else {
      throw FormatError(.noModel("there is no tensor of this name"), file: file.path, tensor: tensor.name)
    }
    return sections
  }
}

// MARK: - Section content

extension TritPackSource {
  /// A whole small section: scales or an embedded file.
  private static func content(_ section: TritPackSection, of file: InputFile) throws -> [UInt8] {
    switch section.compression {
    case .none: try file.bytes(section.range)
    case .zstd: try content(section, 0..<section.bytes, of: file)
    }
  }

  /// An embedded file; a compressed one may hold no more JSON values than its stored bytes are good for.
  private static func text(_ section: TritPackSection, of file: InputFile) throws -> [UInt8] {
    let bytes = try content(section, of: file)
    let limit = TritPackSection.valueLimit(stored: section.storedBytes)
    guard section.compression == .none || UInt64(TritPackSection.valueCount(bytes)) <= limit else {
      throw FormatError(
        .decompression("\(section.storedBytes) stored bytes hold more than the \(limit) values allowed"),
        file: file.path, byteOffset: section.offset)
    }
    return bytes
  }

  private static func content(_ section: TritPackSection, _ range: Range<Int>, of file: InputFile) throws -> [UInt8] {
    try ChunkReader(section, of: file).bytes(range)
  }
}
