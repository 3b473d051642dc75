// Tritsmith: keeping what the network gives, as the Hub's own tools keep it.

#if !TRITSMITH_NO_NETWORK
  import LibC
  import Synchronization
  import TritCore

  /// Ranges that do not touch, in order.
  struct RangeSet: Equatable {
    private(set) var ranges: [Range<UInt64>] = []

    mutating func insert(_ range: Range<UInt64>) {
      guard !range.isEmpty else { return }
      // All that end at or behind its start and begin at or before its end become one with it.
      let first = ranges.firstIndex { $0.upperBound >= range.lowerBound } ?? ranges.endIndex
      let last = ranges[first...].firstIndex { $0.lowerBound > range.upperBound } ?? ranges.endIndex
      var joined = range
      if first < last {
        joined = min(range.lowerBound, ranges[first].lowerBound)..<max(range.upperBound, ranges[last - 1].upperBound)
      }
      ranges.replaceSubrange(first..<last, with: [joined])
    }

    /// What of the first bytes is not in it.
    func missing(upTo end: UInt64) -> [Range<UInt64>] {
      var result: [Range<UInt64>] = []
      var position: UInt64 = 0
      for range in ranges {
        if range.lowerBound > position { result.append(position..<min(end, range.lowerBound)) }
        position = range.upperBound
      }
      if position < end { result.append(position..<end) }
      return result
    }
  }

  /// A blob that is being filled.
  final class HubCopy: Sendable {
    private let staging: StagedOutput
    private let output: OutputFile
    private let written = Mutex(RangeSet())
    private let digest: Digest?

    init(at path: String, digest: Digest?) throws(TensorIOError) {
      staging = try StagedOutput(.file, at: path, replacing: false)
      output = try staging.createFile()
      self.digest = digest
    }

    func add(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(TensorIOError) {
      try output.write(bytes.bytes, at: offset)
      written.withLock { $0.insert(offset..<offset + UInt64(bytes.count)) }
    }

    func missing(upTo end: UInt64) -> [Range<UInt64>] { written.withLock { $0.missing(upTo: end) } }

    /// Puts the blob in place, once it is proved to be what its name says.
    func finish(_ cancellation: CancellationFlag) throws {
      try output.sync()
      if let digest {
        let file = try InputFile(path: staging.stagingPath, mode: .buffered)
        let hash = SHA256()
        let step: UInt64 = 8 << 20
        for start in stride(from: 0, to: file.byteCount, by: Int(clamping: step)) {
          try cancellation.check()
          hash.update(try file.bytes(start..<min(file.byteCount, start + step)))
        }
        let found = hash.finalize()
        guard found == digest else {
          throw HubFault.changed("the Hub lists SHA-256 \(digest), what came has \(found)", path: staging.target)
        }
      }
      try staging.commit()
    }
  }

  /// A repository in a cache folder that is being filled: `HubCache` says how it is laid out.
  final class HubCopies: Sendable {
    private let repository: String
    private let commit: String
    /// A branch or a tag; nil where the commit itself was asked for.
    private let revision: String?

    /// - Parameter folder: the cache, which is made where there is none.
    init(in folder: String, _ name: HubName, commit: String) throws(TensorIOError) {
      repository = FileSystem.join(folder, name.cacheFolder)
      self.commit = commit
      revision = name.wantedRevision == commit ? nil : name.wantedRevision
      for path in [folder, repository, repository + "/blobs", repository + "/snapshots"] {
        try HubCopies.makeFolder(path)
      }
    }

    private static func makeFolder(_ path: String) throws(TensorIOError) {
      if mkdir(path, 0o777) == 0 { return }
      let code = errno
      guard code == EEXIST, FileSystem.kind(of: path) == .folder else {
        throw TensorIOError(.cannotCreate(errno: code), path: path)
      }
    }

    private static func makeFolders(_ inner: String, in folder: String) throws(TensorIOError) {
      var path = folder
      for part in inner.utf8.split(separator: UInt8(ascii: "/")) {
        path = FileSystem.join(path, String(Substring(part)))
        try makeFolder(path)
      }
    }

    /// A place for a file's bytes; nil when they are there, or when the Hub's list gives them no name.
    func copy(of entry: HubRepository.Entry) throws(TensorIOError) -> HubCopy? {
      guard let name = entry.blobName else { return nil }
      let path = repository + "/blobs/" + name
      guard FileSystem.kindWithoutFollowing(path) == nil else { return nil }
      return try HubCopy(at: path, digest: entry.digest)
    }

    /// Gives a blob its name in the snapshot.
    func link(_ entry: HubRepository.Entry) throws(TensorIOError) {
      guard let name = entry.blobName else { return }
      let snapshot = repository + "/snapshots/" + commit
      let folders = entry.name.utf8.split(separator: UInt8(ascii: "/")).dropLast().map { String(Substring($0)) }
      try HubCopies.makeFolder(snapshot)
      try HubCopies.makeFolders(folders.joined(separator: "/"), in: snapshot)
      let path = FileSystem.join(snapshot, entry.name)
      let target = String(repeating: "../", count: folders.count + 2) + "blobs/" + name
      guard symlink(target, path) == 0 || errno == EEXIST else {
        throw TensorIOError(.cannotCreate(errno: errno), path: path)
      }
    }

    /// Writes down which commit the revision is; last, so that what it leads to is there.
    func finish() throws {
      guard let revision else { return }
      let path = repository + "/refs/" + revision
      try HubCopies.makeFolders(
        "refs/" + revision.split(separator: "/").dropLast().joined(separator: "/"), in: repository)
      let staging = try StagedOutput(.file, at: path, replacing: true)
      let file = try staging.createFile()
      try file.write(Array(commit.utf8), at: 0)
      try file.sync()
      try staging.commit()
    }
  }
#endif
