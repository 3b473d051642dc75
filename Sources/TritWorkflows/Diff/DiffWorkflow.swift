// Tritsmith: a fine-tune as the difference to its base.

import Synchronization
import TritCore
import TritFormats

/// What a user asks of a patch.
public struct DiffRequest: Sendable {
  public var base: String
  public var target: String
  public var output: String
  public var openBase = OpenOptions()
  public var openTarget = OpenOptions()
  /// Of zstd.
  public var level = DiffRequest.defaultLevel
  /// Replace what stands at the output.
  public var replaces = false

  /// Level of zstd unless another is asked for.
  public static let defaultLevel = 9

  public init(base: String, target: String, output: String) {
    self.base = base
    self.target = target
    self.output = output
  }
}

/// Makes a patch: compare, choose a coding for every tensor, write, make the target from the patch again and compare.
///
/// Tensors are streamed; what is resident does not grow with their number. The patch appears whole or not at all, and
/// its bytes do not depend on the number of threads.
public struct DiffWorkflow: Sendable {
  let request: DiffRequest
  let work: WorkOptions

  public init(_ request: DiffRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// Writes the patch, makes every tensor from it again, and puts it in place.
  public func run() throws -> DiffResult {
    let start = Platform.monotonicSeconds
    for input in [request.base, request.target] {
      try OutputPlace.check(request.output, input: input, replaces: request.replaces)
    }
    let base = try FormatRegistry.open(request.base, request.openBase)
    let target = try FormatRegistry.open(request.target, request.openTarget)
    let files = try TargetFiles(target)
    for source in [base, target] { try source.checkIntegrity(work.parallelism, work.progress) }
    try TargetFiles.checkPadding(target, work)
    let (staging, sink) = try write(files, base, target)
    let patch = try TritDiffPatch(path: staging.stagingPath)
    try audit(patch, base)
    for source in [base, target] { try source.checkUnchanged() }
    try sink.sync()
    try work.parallelism.cancellation.check()
    try staging.commit()
    return DiffResult(
      base: request.base, target: request.target, patch: request.output,
      summary: PatchSummary(patch), seconds: Platform.monotonicSeconds - start)
  }

  /// Compares, chooses and writes. What was found of every tensor is gone when the patch is read again.
  private func write(
    _ files: TargetFiles, _ base: any TensorSource, _ target: any TensorSource
  ) throws -> (StagedOutput, TritDiffSink) {
    let staging = try StagedOutput(.file, at: request.output, replacing: request.replaces)
    let sink = try TritDiffSink(staging, level: request.level)
    let (bases, tensors) = try compareAndEncode(base, target, to: sink)
    let recorded = try record(files, tensors, target, to: sink)
    let companions = try record(files.companions, base, target, to: sink)
    try sink.complete(
      generator: Product.generator,
      base: TritDiffBase(codeStream: try codeStream(bases, base), tensors: bases),
      target: TritDiffTarget(
        name: FileSystem.name(of: FileSystem.resolved(request.target) ?? request.target),
        format: target.manifest.format.rawValue, isFolder: files.isFolder,
        codeStream: try codeStream(tensors.lazy.map(\.identity), target)),
      tensors: tensors, files: recorded, companions: companions)
    return (staging, sink)
  }

  private func compareAndEncode(
    _ base: any TensorSource, _ target: any TensorSource, to sink: TritDiffSink
  ) throws -> ([TritDiffIdentity], [TritDiffTensor]) {
    let analyses = try analyze(base, target)
    return (analyses.base, try encode(analyses.target, base, target, to: sink))
  }

  // MARK: - Comparing

  private func analyze(
    _ base: any TensorSource, _ target: any TensorSource
  ) throws -> (base: [TritDiffIdentity], target: [DiffAnalysis]) {
    let (tensors, old) = (target.manifest.tensors, base.manifest.tensors)
    let removed = old.indices.filter { target.manifest.position(ofTensor: old[$0].name) == nil }
    let found = Mutex<[DiffAnalysis?]>(Array(repeating: nil, count: tensors.count))
    let bases = Mutex<[TritDiffIdentity?]>(Array(repeating: nil, count: old.count))
    let single = work.single
    func byteCount(_ index: Int) -> Int {
      (index < tensors.count ? tensors[index] : old[removed[index - tensors.count]]).location.byteCount
    }
    // The largest first, so that no thread is left with a big one at the end.
    let order = (0..<tensors.count + removed.count).sorted { byteCount($0) > byteCount($1) }
    work.progress.began(
      ProgressPhase(name: "comparing", totalBytes: order.reduce(0) { $0 + UInt64(byteCount($1)) }))
    defer { work.progress.ended() }
    try work.parallelism.forEachBand(order.count) { place in
      let index = order[place]
      guard index < tensors.count else {
        let position = removed[index - tensors.count]
        let identity = try DiffedTensor(old[position], in: base, single).identity()
        bases.withLock { $0[position] = identity }
        return
      }
      let new = try DiffedTensor(tensors[index], in: target, single)
      guard let position = base.manifest.position(ofTensor: new.tensor.name) else {
        let analysis = try DiffAnalysis(new)
        found.withLock { $0[index] = analysis }
        return
      }
      let before = try DiffedTensor(old[position], in: base, single)
      let fits = DiffAnalysis.fit(before, new)
      let analysis = fits ? try DiffAnalysis(before, new, level: request.level) : try DiffAnalysis(new)
      let identity = try analysis.base ?? before.identity()
      bases.withLock { $0[position] = identity }
      found.withLock { $0[index] = analysis }
    }
    let listed = bases.withLock { $0.compactMap { $0 } }
    return (listed, DiffWorkflow.renamed(found.withLock { $0.compactMap { $0 } }, listed))
  }

  /// A tensor without a base that has the very content of a tensor of the base is that tensor under another name.
  private static func renamed(_ analyses: [DiffAnalysis], _ base: [TritDiffIdentity]) -> [DiffAnalysis] {
    guard analyses.contains(where: { $0.base == nil }) else { return analyses }
    struct Key: Hashable {
      var digest: Digest
      var shape: TensorShape
      init(_ identity: TritDiffIdentity) { (digest, shape) = (identity.digest, identity.shape) }
    }
    let known = Dictionary(grouping: base.filter { $0.shape.elementCount > 0 }, by: Key.init)
    return analyses.map { analysis in
      guard analysis.base == nil,
        let same = known[Key(analysis.target)]?.first(where: { $0.content == analysis.target.content })
      else { return analysis }
      var result = analysis
      result.base = same
      result.coding = .same
      result.hasSameScale = same.isTernary
      result.change = same.isTernary ? .flips([0, 0, 0, 0, 0, 0]) : .elements(0, largest: nil)
      return result
    }
  }

  private func codeStream(_ identities: some Sequence<TritDiffIdentity>, _ source: any TensorSource) throws -> Digest? {
    let streams = try identities.compactMap { identity -> (name: String, stream: CodeStream)? in
      guard identity.isTernary, let tensor = source.manifest.tensor(named: identity.name),
        let stream = identity.codeStream(try source.scale(of: tensor))
      else { return nil }
      return (identity.name, stream)
    }
    return streams.isEmpty ? nil : CodeStream.model(streams)
  }

  // MARK: - Writing

  /// Tensors are encoded several at a time and put into the patch in order.
  private func encode(
    _ analyses: [DiffAnalysis], _ base: any TensorSource, _ target: any TensorSource, to sink: TritDiffSink
  ) throws -> [TritDiffTensor] {
    work.progress.began(
      ProgressPhase(
        name: "encoding", totalBytes: target.manifest.tensors.reduce(0) { $0 + UInt64($1.location.byteCount) }))
    defer { work.progress.ended() }
    var result: [TritDiffTensor] = []
    result.reserveCapacity(analyses.count)
    let wave = 2 * work.parallelism.threads
    let encoder = TensorEncoder(base: base, target: target, spill: sink.spill, work: work.single)
    for start in stride(from: 0, to: analyses.count, by: wave) {
      let part = Array(analyses[start..<min(analyses.count, start + wave)])
      let contents = Mutex<[FinishedContent?]>(Array(repeating: nil, count: part.count))
      try work.parallelism.forEachBand(part.count) { index in
        let content = try encoder.content(part[index], target.manifest.tensors[start + index], number: index)
        contents.withLock { $0[index] = content }
      }
      for (index, content) in contents.withLock({ $0 }).enumerated() {
        var tensor = try encoder.tensor(part[index], target.manifest.tensors[start + index])
        tensor.section = try content.map { try sink.append($0) }
        if case .section = tensor.scale {
          let bytes = try target.scale(of: target.manifest.tensors[start + index]).storedBytes
          let content = try sink.spill.content(number: index, .held) { try $0.append(bytes) }
          tensor.scale = .section(try sink.append(content))
        }
        result.append(tensor)
      }
    }
    return result
  }

  private func record(
    _ files: TargetFiles, _ tensors: [TritDiffTensor], _ target: any TensorSource, to sink: TritDiffSink
  ) throws -> [TritDiffFile] {
    work.progress.began(
      ProgressPhase(name: "hashing files", totalBytes: target.manifest.files.reduce(0) { $0 + $1.byteCount }))
    defer { work.progress.ended() }
    let digests = try FileHasher(work).digests(files.paths)
    let extents = tensors.flatMap(\.extents)
    return try files.paths.enumerated().map { index, path in
      let file = try InputFile(path: path, mode: .buffered)
      let gaps = TargetFiles.gaps(extents.filter { $0.place.file == index }, byteCount: file.byteCount)
      let content = try sink.spill.content(number: 0, .streamed) { content in
        for window in gaps.flatMap(TargetFiles.windows) { try content.append(try file.bytes(window)) }
      }
      return TritDiffFile(
        name: FileSystem.name(of: path), byteCount: file.byteCount, digest: digests[index],
        section: try sink.append(content))
    }
  }

  private static let carriedBytes = 16 << 10

  private func record(
    _ companions: [CompanionFile], _ base: any TensorSource, _ target: any TensorSource, to sink: TritDiffSink
  ) throws -> [TritDiffCompanion] {
    try companions.map { companion in
      let bytes = try target.companion(named: companion.name)
      let isThere = base.manifest.companions.contains { ExactString($0.name) == ExactString(companion.name) }
      var result = TritDiffCompanion(
        name: companion.name, byteCount: bytes.count, digest: SHA256.digest(of: bytes), section: nil)
      // Small ones travel along: a base in another container may spell its configuration in another way.
      if isThere, bytes.count > DiffWorkflow.carriedBytes, try base.companion(named: companion.name) == bytes {
        return result
      }
      let content = try sink.spill.content(number: 0, .held) { try $0.append(bytes) }
      result.section = try sink.append(content)
      return result
    }
  }

  /// Makes every tensor from the base and the finished patch, and compares its hash with the target's.
  private func audit(_ patch: TritDiffPatch, _ base: any TensorSource) throws {
    let tensors = patch.header.tensors.filter { $0.coding != .same }
    work.progress.began(
      ProgressPhase(name: "checking", totalBytes: tensors.reduce(0) { $0 + UInt64($1.storedByteCount) }))
    defer { work.progress.ended() }
    try work.parallelism.forEachBand(tensors.count) { index in
      let made = try PatchedTensor(tensors[index], of: patch, base: base, work.single)
      let digest = try made.digest(work.progress)
      guard digest == tensors[index].identity.digest else {
        throw WorkflowError(
          .auditFailed("the patch does not give '\(printable(tensors[index].identity.name))' again"),
          file: request.output)
      }
    }
  }
}
