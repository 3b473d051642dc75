// Tritsmith: the workers of a conversion in parts, and its end.

import TritConversion
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritSurvey
import TritVerification

/// What a worker delivered.
package struct ShardWorkerResult: Sendable {
  package var plan: String
  package var worker: Int
  package var count: Int
  /// Nil for a worker there was nothing to do for.
  package var part: String?
  package var tensors: Int
  package var partBytes: UInt64
  package var seconds: Double
}

/// What the parts gave.
package struct ShardFinishResult: Sendable {
  package var plan: ConversionPlan
  package var workers: Int
  /// Of these, parts that earlier runs had delivered; nil where parts have workers of their own.
  package var earlier: Int?
  package var recognised: [String]
  package var writtenBytes: UInt64
  package var seconds: Double
}

/// Carries out a plan in parts.
///
/// A worker converts its tensors into a part of its own and audits it against the source. `finish` writes the output
/// as a single run would, with the parts' bytes in the place of the source's, reopens it, and proves tensor by tensor
/// that it holds what the workers audited. No worker needs another, and each can be run again.
package struct ShardWorkflow: Sendable {
  let shards: ShardPlan
  let work: WorkOptions

  package init(_ shards: ShardPlan, work: WorkOptions = WorkOptions()) {
    self.shards = shards
    self.work = work
  }

  /// Delivers part `worker` of `count`, counted from 1. What an earlier run of the same worker left is replaced.
  package func run(worker: Int, of count: Int) throws -> ShardWorkerResult {
    precondition(worker >= 1 && worker <= count, "workers are counted from 1")
    let (source, plan) = try shards.open()
    return try deliver(ShardPlan.share(worker, of: count, plan), source, plan, worker: worker, of: count)
  }

  /// Delivers a part of certain tensors, by their places in the plan.
  func deliver(
    _ share: [Int], _ source: any TensorSource, _ plan: ConversionPlan, worker: Int, of count: Int
  ) throws -> ShardWorkerResult {
    let start = Platform.monotonicSeconds
    var result = ShardWorkerResult(
      plan: shards.path, worker: worker, count: count, part: nil, tensors: share.count, partBytes: 0, seconds: 0)
    var receipt = ShardReceipt(plan: shards.digest, worker: worker, count: count, tensors: [], recognised: [])
    try discardReceipt(worker, of: count, reading: source.manifest.files.map(\.path))
    if !share.isEmpty {
      try shards.checkWeights(share, plan, source, work)
      let path = shards.partPath(worker, of: count)
      let part = partPlan(plan, share, at: path)
      let conversion = ConvertWorkflow(part.request, work: work)
      let writer = try OutputWriter(part, source: source, work: work, digests: noDigests(source))
      let streamed = try conversion.stream(part, source, nil, to: writer)
      receipt.recognised = streamed.recognised
      try writer.finish()
      try source.checkUnchanged()
      let audit = try conversion.audit(part, source, nil, writer, streamed.witnesses, isPart: true)
      guard audit.passed else {
        throw WorkflowError(.auditFailed(audit.firstProblem ?? "it differs from its source"), file: path)
      }
      let written = try stored(at: writer.auditPath, convention: writer.auditConvention)
      let descriptors = try part.tensors.map { try descriptor(of: $0, in: written, path) }
      let digests = try TensorDigest.all(descriptors, in: written, work, phase: "hashing part")
      receipt.tensors = zip(part.tensors, digests).map { ($0.name, $1) }
      try work.parallelism.cancellation.check()
      try writer.staging.commit()
      result.part = path
      result.partBytes = FileSystem.size(of: path) ?? 0
    }
    try SealedRecord.write(receipt.bytes, to: shards.receiptPath(worker, of: count), replacing: true)
    result.seconds = Platform.monotonicSeconds - start
    return result
  }

  /// Until a new part is complete, an old receipt must not speak for it.
  ///
  /// - Throws: `TensorIOError` when what has its name is an input, or no record, be it a damaged one.
  private func discardReceipt(_ worker: Int, of count: Int, reading weights: [String]) throws {
    let path = shards.receiptPath(worker, of: count)
    guard let kind = FileSystem.kindWithoutFollowing(path) else { return }
    try ReadFiles.check(path, before: [shards.path, shards.request.input] + weights)
    guard kind == .file, SealedRecord.mayBeOne(path) else {
      throw StagedOutput.taken(path, by: kind)
    }
    StagedOutput.discard(path)
  }

  /// Joins the parts, proves the output, puts it in place and removes the parts.
  ///
  /// - Throws: `ShardError` when a part is missing, damaged, or of another plan.
  package func finish(announce: (ConversionPlan) -> Void = { _ in }) throws -> ShardFinishResult {
    let start = Platform.monotonicSeconds
    try OutputPlace.check(shards.request)
    let (source, plan) = try shards.open()
    announce(plan)
    let receipts = try receipts()
    let places = try places(of: plan, in: receipts)
    try OutputPlace.checkSpace(for: plan)
    let writer = try OutputWriter(plan, source: source, work: work, digests: shards.fileDigests)
    var parts: [String: any TensorSource] = [:]
    for path in Set(places.map(\.path)).sorted() {
      parts[path] = try stored(at: path, convention: convention(of: plan))
    }
    try join(plan, places, parts, to: writer)
    try writer.finish()
    try prove(plan, places, parts, writer)
    try work.parallelism.cancellation.check()
    try writer.staging.commit()
    for receipt in receipts {
      StagedOutput.discard(shards.partPath(receipt.worker, of: receipt.count))
      StagedOutput.discard(shards.receiptPath(receipt.worker, of: receipt.count))
    }
    return ShardFinishResult(
      plan: plan, workers: receipts.count, recognised: receipts.flatMap(\.recognised),
      writtenBytes: writer.writtenBytes, seconds: Platform.monotonicSeconds - start)
  }

  /// True when an earlier run has delivered this part, and it is still as its audit left it.
  func isDelivered(_ share: [Int], _ plan: ConversionPlan, worker: Int, of count: Int) throws -> Bool {
    do {
      let receipt = try ShardReceipt(reading: shards.receiptPath(worker, of: count))
      let names = share.map { ExactString(plan.tensors[$0].name) }
      guard receipt.plan == shards.digest, receipt.worker == worker, receipt.count == count,
        receipt.tensors.map({ ExactString($0.name) }) == names
      else { return false }
      let path = shards.partPath(worker, of: count)
      let part = try stored(at: path, convention: convention(of: plan))
      let tensors = try share.map { try descriptor(of: plan.tensors[$0], in: part, path) }
      return try TensorDigest.all(tensors, in: part, work, phase: "checking part") == receipt.tensors.map(\.digest)
    } catch {
      // What cannot be read is made again.
      try work.parallelism.cancellation.check()
      return false
    }
  }

  // MARK: - Parts

  /// The plan of a part: its tensors in one file, without companions, not compressed.
  private func partPlan(_ plan: ConversionPlan, _ share: [Int], at path: String) -> ConversionPlan {
    var part = plan
    part.tensors = share.map { plan.tensors[$0] }
    part.companions = []
    part.request.output = path
    part.request.replaces = true
    part.request.compression = .none
    part.request.maximumShardBytes = nil
    return part
  }

  /// A part records no sources; hashing all of them in every worker would be work for nothing.
  private func noDigests(_ source: any TensorSource) -> [Digest] {
    source.manifest.files.map { _ in SHA256.digest(of: []) }
  }

  /// Parts are single files, which do not say what their scales mean.
  private func convention(of plan: ConversionPlan) -> ScaleConvention? {
    plan.request.target == .hfPacked ? plan.convention : nil
  }

  /// A part or an output under the names and bytes it is stored in.
  private func stored(at path: String, convention: ScaleConvention?) throws -> any TensorSource {
    try FormatRegistry.open(path, shards.request.reopening(convention))
  }

  private func descriptor(
    of planned: PlannedTensor, in source: any TensorSource, _ file: String
  ) throws -> TensorDescriptor {
    guard let found = source.manifest.tensor(named: planned.name), found.encoding == planned.encoding,
      found.contentBytes == planned.byteCount
    else {
      throw ShardError(.damagedPart(expected: "a tensor of the plan", found: "none"), file: file, tensor: planned.name)
    }
    return found
  }

  private struct WorkerPlace: Hashable, CustomStringConvertible {
    var worker: Int
    var count: Int
    var description: String { "\(worker)/\(count)" }
  }

  /// Where a tensor was delivered.
  private struct Place {
    var path: String
    var receipt: String
    var digest: Digest
  }

  /// Every receipt beside the plan, by worker.
  private func receipts() throws -> [ShardReceipt] {
    let folder = FileSystem.parent(of: shards.path)
    let prefix = FileSystem.name(of: shards.path) + ".part-"
    var result: [ShardReceipt] = []
    for name in try FileSystem.names(in: folder) where name.hasPrefix(prefix) && name.hasSuffix(".json") {
      let path = FileSystem.join(folder, name)
      let receipt = try ShardReceipt(reading: path)
      guard receipt.plan == shards.digest else { throw ShardError(.otherPlan, file: path) }
      result.append(receipt)
    }
    guard !result.isEmpty else { throw ShardError(.noParts, file: shards.path) }
    return result.sorted { ($0.count, $0.worker) < ($1.count, $1.worker) }
  }

  private func places(of plan: ConversionPlan, in receipts: [ShardReceipt]) throws -> [Place] {
    var byName: [ExactString: Place] = [:]
    for receipt in receipts {
      let place = shards.partPath(receipt.worker, of: receipt.count)
      for tensor in receipt.tensors where byName[ExactString(tensor.name)] == nil {
        byName[ExactString(tensor.name)] = Place(
          path: place, receipt: shards.receiptPath(receipt.worker, of: receipt.count), digest: tensor.digest)
      }
    }
    let places = plan.tensors.compactMap { byName[ExactString($0.name)] }
    guard places.count == plan.tensors.count else {
      let delivered = Set(receipts.map { WorkerPlace(worker: $0.worker, count: $0.count) })
      let expected = Set(receipts.map(\.count)).sorted().lazy.flatMap { count in
        (1...count).lazy.map { WorkerPlace(worker: $0, count: count) }
      }
      let absent = expected.filter { !delivered.contains($0) }
      throw ShardError(
        .missing(
          workers: absent.prefix(ShardErrorKind.listed).map(\.description), tensors: plan.tensors.count - places.count),
        file: shards.path)
    }
    return places
  }

  // MARK: - The end

  /// Copies every tensor from its part, and proves on the way that the part is what its worker audited.
  private func join(
    _ plan: ConversionPlan, _ places: [Place], _ parts: [String: any TensorSource], to writer: OutputWriter
  ) throws {
    let total = plan.tensors.reduce(UInt64(0)) { $0 + UInt64($1.byteCount) }
    work.progress.began(ProgressPhase(name: "joining", totalBytes: total))
    defer { work.progress.ended() }
    try work.parallelism.forEachBand(plan.tensors.count) { index in
      let (planned, place) = (plan.tensors[index], places[index])
      guard let part = parts[place.path] else { preconditionFailure("every part was opened") }
      let tensor = try descriptor(of: planned, in: part, place.path)
      let hash = SHA256()
      let count = tensor.location.byteCount
      for start in stride(from: 0, to: count, by: bandBytes) {
        try work.parallelism.cancellation.check()
        let range = start..<min(count, start + bandBytes)
        try part.withBytes(range, of: tensor) { bytes in
          hash.update(bytes)
          try writer.write(bytes, to: planned.name, at: start)
        }
        part.release(range, of: tensor)
        work.progress.advanced(by: range.count)
      }
      if tensor.hasScaleBeside {
        let scale = try part.scale(of: tensor).storedBytes
        hash.update(scale)
        try writer.writeScale(scale, of: planned.name)
      }
      let found = hash.finalize()
      guard found == place.digest else {
        throw ShardError(
          .damagedPart(expected: place.digest.description, found: found.description), file: place.path,
          tensor: planned.name)
      }
    }
  }

  /// Reopens the output: every tensor must be, byte for byte and with the same meaning, what a worker audited.
  private func prove(
    _ plan: ConversionPlan, _ places: [Place], _ parts: [String: any TensorSource], _ writer: OutputWriter
  ) throws {
    let output = try stored(at: writer.auditPath, convention: writer.auditConvention)
    guard output.manifest.tensors.count == plan.tensors.count + plan.ggufTensors.count else {
      throw WorkflowError(
        .auditFailed("it holds \(output.manifest.tensors.count) tensors"), file: shards.request.output)
    }
    let descriptors = try plan.tensors.map { try descriptor(of: $0, in: output, shards.request.output) }
    for (index, tensor) in descriptors.enumerated() where tensor.hasScaleBeside {
      guard let part = parts[places[index].path] else { preconditionFailure("every part was opened") }
      let audited = try part.scale(of: descriptor(of: plan.tensors[index], in: part, places[index].path))
      guard try output.scale(of: tensor) == audited else {
        throw WorkflowError(
          .auditFailed("the scale of '\(tensor.name)' means another thing"), file: shards.request.output)
      }
    }
    try TensorDigest.each(descriptors, in: output, work, phase: "proving") { index, digest in
      guard digest == places[index].digest else {
        throw WorkflowError(
          .auditFailed("'\(descriptors[index].name)' is not what was delivered"), file: shards.request.output)
      }
    }
  }
}
