// Tritsmith: SHA-256 of whole files.

import TritCore

/// Hashes files in bounded memory, several at a time.
package struct FileHasher: Sendable {
  let work: WorkOptions

  package init(_ work: WorkOptions) {
    self.work = work
  }

  /// - Parameter areReadLater: a conversion reads every byte of them anyway, which proves digests that the Hub names.
  package func digests(_ paths: [String], areReadLater: Bool = false) throws -> [Digest] {
    try work.parallelism.mapBands(paths.count) { try digest(of: paths[$0], isReadLater: areReadLater) }
  }

  private func digest(of path: String, isReadLater: Bool) throws -> Digest {
    let file = try InputFile(path: path, mode: .buffered)
    if isReadLater, let named = file.namedDigest {
      work.progress.advanced(by: Int(clamping: file.byteCount))
      return named
    }
    let hash = SHA256()
    let window = UInt64(4 << 20)
    for start in stride(from: UInt64(0), to: file.byteCount, by: Int(window)) {
      try work.parallelism.cancellation.check()
      let range = start..<min(start + window, file.byteCount)
      try file.withBytes(range) { hash.update($0) }
      file.release(range)
      work.progress.advanced(by: range.count)
    }
    return hash.finalize()
  }
}
