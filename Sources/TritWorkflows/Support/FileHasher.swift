// Tritsmith: SHA-256 of whole files.

import Synchronization
import TritCore

/// Hashes files in bounded memory, several at a time.
struct FileHasher: Sendable {
  let work: WorkOptions

  init(_ work: WorkOptions) {
    self.work = work
  }

  func digests(_ paths: [String]) throws -> [Digest] {
    let results = Mutex<[Digest?]>(Array(repeating: nil, count: paths.count))
    try work.parallelism.forEachBand(paths.count) { index in
      let digest = try digest(of: paths[index])
      results.withLock { $0[index] = digest }
    }
    return results.withLock { $0.compactMap { $0 } }
  }

  private func digest(of path: String) throws -> Digest {
    let file = try InputFile(path: path)
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
