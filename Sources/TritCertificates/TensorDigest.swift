// Tritsmith: SHA-256 of one tensor as a source gives it.

import TritCore
import TritSurvey

/// Hashes of tensors: the bytes of the tensor, then those of its scales where they stand beside it.
enum TensorDigest {
  static func of(_ tensor: TensorDescriptor, in source: any TensorSource, _ work: WorkOptions) throws -> Digest {
    let hash = SHA256()
    let count = tensor.location.byteCount
    for start in stride(from: 0, to: count, by: bandBytes) {
      try work.parallelism.cancellation.check()
      let range = start..<min(count, start + bandBytes)
      try source.withBytes(range, of: tensor) { hash.update($0) }
      source.release(range, of: tensor)
      work.progress.advanced(by: range.count)
    }
    if tensor.hasScaleBeside {
      hash.update(
        try tensor.encoding.isTernary ? source.scale(of: tensor).storedBytes : source.scaleBytes(of: tensor))
    }
    return hash.finalize()
  }

  /// Several tensors at a time; `body` gets the place and the digest of each, in no particular order.
  static func each(
    _ tensors: [TensorDescriptor], in source: any TensorSource, _ work: WorkOptions, phase: String,
    _ body: @Sendable (Int, Digest) throws -> Void
  ) throws {
    work.progress.began(
      ProgressPhase(name: phase, totalBytes: tensors.reduce(0) { $0 + UInt64($1.location.byteCount) }))
    defer { work.progress.ended() }
    // The largest first, so that no thread is left with a big one at the end.
    let order = tensors.indices.sorted { tensors[$0].location.byteCount > tensors[$1].location.byteCount }
    try work.parallelism.forEachBand(order.count) { index in
      try body(order[index], of(tensors[order[index]], in: source, work))
    }
  }

  static func all(
    _ tensors: [TensorDescriptor], in source: any TensorSource, _ work: WorkOptions, phase: String
  ) throws -> [Digest] {
    let results = LockedArray<Digest?>(count: tensors.count, filler: nil)
    try each(tensors, in: source, work, phase: phase) { results.set($0, $1) }
    return results.all.compactMap { $0 }
  }
}
