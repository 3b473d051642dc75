// Tritsmith: writing the files of a patch's target.

import Synchronization
import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritSurvey
import TritVerification

/// Writes a target's files under a staged output and reads them back.
struct TargetWriter {
  let patch: TritDiffPatch
  let base: any TensorSource
  let staging: StagedOutput
  let work: WorkOptions

  private var header: TritDiffHeader { patch.header }

  func write() throws {
    let files = try header.files.enumerated().map { index, file in
      let output = try staging.createFile(file.name)
      try output.resize(to: file.byteCount)
      var rest = try patch.stream(file.section)
      let gaps = TargetFiles.gaps(
        header.extents.filter { $0.place.file == index }, byteCount: file.byteCount)
      for window in gaps.flatMap(TargetFiles.windows) {
        try output.write(try rest.read(window.count), at: window.lowerBound)
      }
      return output
    }
    work.progress.began(
      ProgressPhase(name: "applying", totalBytes: header.tensors.reduce(0) { $0 + UInt64($1.storedByteCount) }))
    let tensors = header.tensors
    let order = tensors.indices.sorted { tensors[$0].storedByteCount > tensors[$1].storedByteCount }
    try work.parallelism.forEachBand(order.count) { place in
      let made = try PatchedTensor(tensors[order[place]], of: patch, base: base, work.single)
      try write(made, to: files[made.tensor.place.file])
      if let place = made.tensor.scalePlace {
        try files[place.file].write(try made.scale().storedBytes, at: place.offset)
      }
    }
    work.progress.ended()
    for companion in header.companions {
      let bytes = try companion.section.map { try patch.content($0) } ?? base.companion(named: companion.name)
      let output = try staging.createFile(companion.name)
      try output.write(bytes, at: 0)
      try output.sync()
    }
    for file in files { try file.sync() }
  }

  private func write(_ made: PatchedTensor, to file: OutputFile) throws {
    let tensor = made.tensor
    let offset = tensor.place.offset
    guard tensor.identity.isTernary else {
      try made.forEachPiece { range, bytes in
        try file.write(bytes, at: offset + UInt64(range.lowerBound))
        work.progress.advanced(by: range.count)
      }
      return
    }
    guard let id = tensor.layout, let layout = LayoutRegistry.layout(id) else {
      preconditionFailure("the header's reader checks layouts")
    }
    let shape = tensor.identity.shape
    // A layout may join rows from all over the matrix in a byte, and trits come row after row.
    var trits = try TritStore(shape, limit: work.heldBytes, beside: staging.stagingPath)
    try made.forEachBand { _, part in try trits.append(part) }
    let columns = shape.columns
    for band in layout.bands(shape, rowsPerBand: max(1, bandBytes / 2 / max(1, columns))) {
      try work.parallelism.cancellation.check()
      var stacked: [Int8] = []
      stacked.reserveCapacity(band.count(shape))
      for part in band.parts(of: shape) { stacked += try trits[part.elements] }
      var bytes = [UInt8](repeating: 0, count: band.bytes.count)
      var output = bytes.mutableSpan
      layout.pack(stacked.span, band, shape, with: work.kernels, into: &output)
      try file.write(bytes, at: offset + UInt64(band.bytes.lowerBound))
      work.progress.advanced(by: bytes.count)
    }
  }

  // MARK: - Reading back

  /// How the written files are opened: as the patch says what their scales mean.
  var openOptions: OpenOptions {
    let conventions = Set(
      header.tensors.compactMap { tensor -> ScaleConvention? in
        if case .trits(_, let scale) = tensor.identity.content { scale.convention } else { nil }
      })
    var options = OpenOptions(scaleConvention: conventions.count == 1 ? conventions.first : nil)
    options.isTrial = true
    return options
  }

  /// The same for a conversion, which records options: none where the files say themselves what their scales mean.
  func conversionOptions(_ path: String) throws -> OpenOptions {
    let finding = try FormatRegistry.open(path).manifest.scaleFinding
    return finding.convention == openOptions.scaleConvention ? OpenOptions() : openOptions
  }

  /// Opens what was written, decodes trits with code of another origin, and compares every hash of the patch.
  func check() throws {
    let paths = header.files.map { staging.path(of: $0.name) }
    work.progress.began(
      ProgressPhase(name: "checking files", totalBytes: header.files.reduce(0) { $0 + $1.byteCount }))
    let digests = try FileHasher(work).digests(paths)
    work.progress.ended()
    let path: String
    if header.target.isFolder {
      // A folder of GGUF parts is opened by its first file.
      path = header.target.format == GGUFFormat.id.rawValue ? paths[0] : staging.stagingPath
    } else {
      path = paths[0]
    }
    let written = try FormatRegistry.open(path, openOptions)
    let streams = Mutex<[(name: String, stream: CodeStream)]>([])
    work.progress.began(
      ProgressPhase(name: "checking tensors", totalBytes: header.tensors.reduce(0) { $0 + UInt64($1.storedByteCount) }))
    defer { work.progress.ended() }
    let tensors = header.tensors
    try work.parallelism.forEachBand(tensors.count) { index in
      guard let stream = try check(tensors[index].identity, written) else { return }
      streams.withLock { $0.append((tensors[index].identity.name, stream)) }
    }
    let found = streams.withLock { $0 }
    let stream = found.isEmpty ? nil : CodeStream.model(found)
    guard stream == header.target.codeStream else {
      throw DiffError(
        .otherCodeStream(
          expected: header.target.codeStream.map { "\($0)" } ?? "none", found: stream.map { "\($0)" } ?? "none"),
        file: patch.path)
    }
    for (file, digest) in zip(header.files, digests) where file.digest != digest {
      throw DiffError(.otherTarget(expected: "\(file.digest)", found: "\(digest)"), file: file.name)
    }
    for companion in header.companions {
      let digest = SHA256.digest(
        of: try InputFile(path: staging.path(of: companion.name), mode: .buffered)
          .contents(limit: UInt64(companion.byteCount)))
      guard digest == companion.digest else {
        throw DiffError(.otherTarget(expected: "\(companion.digest)", found: "\(digest)"), file: companion.name)
      }
    }
  }

  /// Compares a written tensor with the patch; gives its code stream when it is ternary.
  private func check(_ identity: TritDiffIdentity, _ written: any TensorSource) throws -> CodeStream? {
    func differs(_ found: String) -> DiffError {
      DiffError(.otherTarget(expected: "\(identity.digest)", found: found), file: patch.path, tensor: identity.name)
    }
    guard let tensor = written.manifest.tensor(named: identity.name) else { throw differs("no such tensor") }
    let found = try DiffedTensor(tensor, in: written, work.single)
    guard found.isTernary == identity.isTernary, tensor.shape == identity.shape else {
      throw differs("\(tensor.encoding.name) \(tensor.shape)")
    }
    guard identity.isTernary else {
      let other = try found.identity()
      guard other.content == identity.content else { throw differs("\(other.digest)") }
      return nil
    }
    let hash = SHA256()
    for band in DiffedTensor.bands(tensor.shape) {
      try work.parallelism.cancellation.check()
      guard let trits = try IndependentDecoder.trits(band, of: tensor, in: written) else {
        throw differs("a layout nothing else reads")
      }
      hash.update(trits.span.bytes)
      work.progress.advanced(by: tensor.shape.byteShare(band, of: found.byteCount))
    }
    let scale = try found.scale()
    let content = TritDiffIdentity.Content.trits(hash.finalize(), TritDiffScale(scale))
    let made = TritDiffIdentity(name: identity.name, shape: tensor.shape, content: content)
    guard made == identity else { throw differs("\(made.digest)") }
    return made.codeStream(scale)
  }
}

/// Trits that come in order and are wanted in another: in memory, or in a file without a name for large matrices.
private struct TritStore {
  private var held: [Int8] = []
  private let file: OutputFile?
  private var written: UInt64 = 0

  /// - Parameter limit: trits that may be held.
  init(_ shape: TensorShape, limit: Int, beside path: String) throws {
    guard shape.elementCount > limit else {
      held.reserveCapacity(shape.elementCount)
      file = nil
      return
    }
    file = try OutputFile(unnamedBeside: path)
  }

  mutating func append(_ trits: [Int8]) throws {
    guard let file else {
      held.append(contentsOf: trits)
      return
    }
    try file.write(trits.span.bytes, at: written)
    written += UInt64(trits.count)
  }

  subscript(range: Range<Int>) -> [Int8] {
    get throws {
      guard let file else { return Array(held[range]) }
      return try file.bytes(UInt64(range.lowerBound)..<UInt64(range.upperBound)).map { Int8(bitPattern: $0) }
    }
  }
}
