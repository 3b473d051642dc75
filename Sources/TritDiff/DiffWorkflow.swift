// Tritsmith: a fine-tune as the difference to its base.

import TritConversion
import TritCore
import TritFormats
import TritSurvey
import TritVerification

/// What a user asks of a patch.
package struct DiffRequest: Sendable {
  package var base: String
  package var target: String
  package var output: String
  package var openBase = OpenOptions()
  package var openTarget = OpenOptions()
  /// Of zstd.
  package var level = DiffRequest.defaultLevel
  /// Replace what stands at the output.
  package var replaces = false

  /// Level of zstd unless another is asked for.
  package static let defaultLevel = 9

  package init(base: String, target: String, output: String) {
    self.base = base
    self.target = target
    self.output = output
  }
}

/// Makes a patch: compare, choose a coding for every tensor, write, make the target from the patch again and compare.
///
/// Tensors are streamed; what is resident does not grow with their number. The patch appears whole or not at all, and
/// its bytes do not depend on the number of threads.
package struct DiffWorkflow: Sendable {
  let request: DiffRequest
  let work: WorkOptions

  package init(_ request: DiffRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// Writes the patch, makes every tensor from it again, and puts it in place.
  package func run() throws -> DiffResult {
    let start = Platform.monotonicSeconds
    for input in [request.base, request.target] {
      try OutputPlace.check(request.output, input: input, replaces: request.replaces)
    }
    let (staging, sink) = try write()
    Platform.trimMemory()
    let patch = try TritDiffPatch(path: staging.stagingPath)
    Platform.trimMemory()
    try audit(patch)
    Platform.trimMemory()
    try sink.sync()
    try work.parallelism.cancellation.check()
    try staging.commit()
    return DiffResult(
      base: request.base, target: request.target, patch: request.output,
      summary: PatchSummary(patch), seconds: Platform.monotonicSeconds - start)
  }

  /// Compares, chooses and writes. Both models, and what was found of every tensor, are gone when the patch is read.
  private func write() throws -> (StagedOutput, TritDiffSink) {
    let base = try FormatRegistry.open(request.base, request.openBase)
    let target = try FormatRegistry.open(request.target, request.openTarget)
    let files = try TargetFiles(target)
    for source in [base, target] { try source.checkIntegrity(work.parallelism, work.progress) }
    try TargetFiles.checkPadding(target, work)
    let staging = try StagedOutput(.file, at: request.output, replacing: request.replaces)
    let sink = try TritDiffSink(staging, level: request.level)
    let (bases, tensors) = try compareAndEncode(base, target, to: sink)
    // Compressing a header takes 13 MB at level 9.
    Platform.trimMemory()
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
    for source in [base, target] { try source.checkUnchanged() }
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
  ) throws -> (base: [TritDiffIdentity], target: [DiffAnalysis?]) {
    let (tensors, old) = (target.manifest.tensors, base.manifest.tensors)
    let removed = old.indices.filter { target.manifest.position(ofTensor: old[$0].name) == nil }
    let found = LockedArray<DiffAnalysis?>(count: tensors.count, filler: nil)
    let bases = LockedArray<TritDiffIdentity?>(count: old.count, filler: nil)
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
        bases.set(position, try DiffedTensor(old[position], in: base, single).identity())
        return
      }
      let new = try DiffedTensor(tensors[index], in: target, single)
      guard let position = base.manifest.position(ofTensor: new.tensor.name) else {
        found.set(index, try DiffAnalysis.alone(new))
        return
      }
      let before = try DiffedTensor(old[position], in: base, single)
      let (analysis, identity) =
        DiffAnalysis.fit(before, new)
        ? try DiffAnalysis.compare(before, new, level: request.level)
        : (try DiffAnalysis.alone(new), try before.identity())
      bases.set(position, identity)
      found.set(index, analysis)
    }
    // One list at a time, each of its own size: of many tensors, copies would be the largest thing there is.
    var listed: [TritDiffIdentity] = []
    listed.reserveCapacity(old.count)
    for case let identity? in bases.take() { listed.append(identity) }
    var analyses = found.take()
    DiffWorkflow.rename(&analyses, listed)
    return (listed, analyses)
  }

  /// A tensor without a base that has the very content of a tensor of the base is that tensor under another name.
  private static func rename(_ analyses: inout [DiffAnalysis?], _ base: [TritDiffIdentity]) {
    guard analyses.contains(where: { $0?.from == nil }) else { return }
    struct Key: Hashable {
      var content: TritDiffIdentity.Content
      var shape: TensorShape
      init(_ identity: TritDiffIdentity) { (content, shape) = (identity.content, identity.shape) }
    }
    // Of many alike the first.
    let known = Dictionary(
      base.indices.lazy.filter { base[$0].shape.elementCount > 0 }.map { (Key(base[$0]), $0) },
      uniquingKeysWith: { first, _ in first })
    for index in analyses.indices {
      guard let analysis = analyses[index], analysis.from == nil, let place = known[Key(analysis.target)] else {
        continue
      }
      let same = base[place]
      analyses[index]?.from = same.name
      analyses[index]?.coding = .same
      analyses[index]?.hasSameScale = same.isTernary
      analyses[index]?.change = same.isTernary ? .flips([0, 0, 0, 0, 0, 0]) : .elements(0, largest: nil)
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
    _ analyses: [DiffAnalysis?], _ base: any TensorSource, _ target: any TensorSource, to sink: TritDiffSink
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
      let part = analyses[start..<min(analyses.count, start + wave)].compactMap { $0 }
      let contents = try work.parallelism.mapBands(part.count) {
        try encoder.content(part[$0], target.manifest.tensors[start + $0])
      }
      for (index, content) in contents.enumerated() {
        var tensor = try encoder.tensor(part[index], target.manifest.tensors[start + index])
        tensor.section = try content.map { try sink.append($0) }
        if case .section = tensor.scale {
          let bytes = try target.scale(of: target.manifest.tensors[start + index]).storedBytes
          let content = try sink.spill.content(.held) { try $0.append(bytes) }
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
    return try files.paths.enumerated().map { index, path in
      let file = try InputFile(path: path, mode: .buffered)
      let extents = tensors.lazy.flatMap(\.extents).filter { $0.place.file == index && $0.byteCount > 0 }
      let gaps = TargetFiles.gaps(Array(extents), byteCount: file.byteCount)
      let content = try sink.spill.content(.streamed) { content in
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
      let content = try sink.spill.content(.held) { try $0.append(bytes) }
      result.section = try sink.append(content)
      return result
    }
  }

  /// Makes every tensor from the finished patch and the base, opened anew, and compares its hash with the target's.
  private func audit(_ patch: TritDiffPatch) throws {
    let base = try FormatRegistry.open(request.base, request.openBase)
    let tensors = patch.header.tensors
    let coded = tensors.indices.filter { tensors[$0].coding != .same }
    work.progress.began(
      ProgressPhase(name: "checking", totalBytes: coded.reduce(0) { $0 + UInt64(tensors[$1].storedByteCount) }))
    defer { work.progress.ended() }
    try work.parallelism.forEachBand(coded.count) { place in
      let tensor = tensors[coded[place]]
      let made = try PatchedTensor(tensor, of: patch, base: base, work.single)
      guard try made.digest(work.progress) == tensor.identity.digest else {
        throw WorkflowError(
          .auditFailed("the patch does not give '\(printable(tensor.identity.name))' again"), file: request.output)
      }
    }
    try base.checkUnchanged()
  }
}
