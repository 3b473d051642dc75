// Tritsmith: reading files by byte range.

import LibC

/// How bytes come from a file.
package enum FileAccessMode: String, Sendable, CaseIterable {
  /// Every range is read into a buffer; a file that shrinks meanwhile is a typed error. For streaming this is also
  /// the fastest: newer kernels map a whole large folio for one touched page, so that given-back pages return.
  case buffered
  /// The file is mapped, for weights used in place. A file that shrinks under the mapping ends the process.
  case mapped
}

/// A regular file opened for reading, read by range from any number of threads; of this machine, or over a network.
package final class InputFile: Sendable {
  private enum Place {
    case disk(PooledDescriptor)
    case network(any RemoteFile)
  }

  package let path: String
  package let byteCount: UInt64
  private let place: Place
  nonisolated(unsafe) private let mapping: UnsafeMutableRawPointer?

  package convenience init(path: String, mode: FileAccessMode = .mapped) throws(TensorIOError) {
    try self.init(path: path, mode: mode, pool: .shared)
  }

  /// - Parameter pool: what its descriptor is taken from.
  init(path: String, mode: FileAccessMode, pool: DescriptorPool) throws(TensorIOError) {
    self.path = path
    if let (folder, inner) = RemoteFolders.find(path) {
      let file = try folder.open(inner)
      place = .network(file)
      byteCount = file.byteCount
      mapping = nil
      return
    }
    let file = try pool.open(path)
    ReadFiles.note(FileIdentity(file.first), path: path)
    place = .disk(file)
    byteCount = UInt64(file.first.st_size)
    if mode == .mapped, file.first.st_size > 0 {
      let address = try file.use { mmap(nil, Int(clamping: file.first.st_size), PROT_READ, MAP_PRIVATE, $0, 0) }
      mapping = address == MAP_FAILED ? nil : address
    } else {
      mapping = nil
    }
  }

  /// Whether `withBytes` gives the mapped file itself rather than a copy.
  package var isMapped: Bool { mapping != nil }

  /// Whether its bytes come over a network.
  package var isRemote: Bool {
    if case .network = place { true } else { false }
  }

  /// SHA-256 of a file that comes over a network, which is proved once all of it was read; nil where it is not known.
  package var namedDigest: Digest? {
    if case .network(let file) = place { file.namedDigest } else { nil }
  }

  deinit {
    if let mapping { munmap(mapping, Int(clamping: byteCount)) }
  }

  /// Gives `body` the bytes of a range of the file; they are valid during the call only.
  package func withBytes<Result>(_ range: Range<UInt64>, _ body: (RawSpan) throws -> Result) throws -> Result {
    guard range.upperBound <= byteCount else {
      throw TensorIOError(.outOfRange(requested: range, byteCount: byteCount), path: path)
    }
    if let mapping {
      let start = mapping.advanced(by: Int(clamping: range.lowerBound))
      return try body(UnsafeRawBufferPointer(start: start, count: range.count).bytes)
    }
    if case .network(let file) = place, let result = try file.withHeld(range, body) { return result }
    let buffer = ReadBuffers.take(range.count)
    defer { ReadBuffers.giveBack(buffer) }
    try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count]), at: range.lowerBound)
    return try body(UnsafeRawBufferPointer(rebasing: buffer[..<range.count]).bytes)
  }

  /// Reads a range into memory of the caller's, which has the size of the range.
  package func read(_ range: Range<UInt64>, into bytes: inout MutableRawSpan) throws {
    precondition(range.count == bytes.byteCount, "memory of the size of the range")
    guard range.upperBound <= byteCount else {
      throw TensorIOError(.outOfRange(requested: range, byteCount: byteCount), path: path)
    }
    try bytes.withUnsafeMutableBytes { buffer in
      if let mapping {
        buffer.copyMemory(
          from: UnsafeRawBufferPointer(start: mapping.advanced(by: Int(clamping: range.lowerBound)), count: range.count)
        )
      } else {
        try read(into: buffer, at: range.lowerBound)
      }
    }
  }

  /// The bytes of a range as an array, for headers and companions.
  package func bytes(_ range: Range<UInt64>) throws(TensorIOError) -> [UInt8] {
    guard range.upperBound <= byteCount else {
      throw TensorIOError(.outOfRange(requested: range, byteCount: byteCount), path: path)
    }
    var result = [UInt8](repeating: 0, count: range.count)
    let failure = result.withUnsafeMutableBytes { buffer -> TensorIOError? in
      do throws(TensorIOError) {
        try read(into: buffer, at: range.lowerBound)
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw failure }
    return result
  }

  /// The whole file, when it is no larger than `limit` bytes.
  package func contents(limit: UInt64) throws(TensorIOError) -> [UInt8] {
    guard byteCount <= limit else { throw TensorIOError(.tooLarge(byteCount: byteCount, limit: limit), path: path) }
    return try bytes(0..<byteCount)
  }

  /// Says which ranges will be read next; nothing for files of this machine.
  package static func expect(_ ranges: [(file: InputFile, range: Range<UInt64>)]) throws(TensorIOError) {
    var remote: [(file: any RemoteFile, range: Range<UInt64>)] = []
    for (file, range) in ranges {
      guard case .network(let other) = file.place, range.upperBound <= file.byteCount else { continue }
      remote.append((other, range))
    }
    guard let first = remote.first else { return }
    try type(of: first.file).expect(remote)
  }

  /// Brings a range over a network into memory until it is let go; nothing for a file of this machine.
  ///
  /// - Parameter isUnwanted: ends the fetching with an error once it is set.
  package func hold(_ range: Range<UInt64>, unless isUnwanted: CancellationFlag? = nil) throws(TensorIOError) {
    guard case .network(let file) = place, range.upperBound <= byteCount else { return }
    try file.hold(range, unless: isUnwanted)
  }

  package func letGo(_ range: Range<UInt64>) {
    if case .network(let file) = place { file.letGo(range) }
  }

  /// Gives the memory of a mapped range back; its bytes come from the file again when next touched.
  package func release(_ range: Range<UInt64>) {
    guard let mapping, !range.isEmpty, range.upperBound <= byteCount else { return }
    let page = UInt64(Platform.pageSize)
    let start = range.lowerBound / page * page
    madvise(mapping.advanced(by: Int(clamping: start)), Int(clamping: range.upperBound - start), MADV_DONTNEED)
  }

  /// Throws when the file's size or modification time is no longer what it was at opening.
  package func checkUnchanged() throws(TensorIOError) {
    let file: PooledDescriptor
    switch place {
    case .network(let remote): return try remote.checkUnchanged()
    case .disk(let found): file = found
    }
    var status = stat()
    let code = try file.use { fstat($0, &status) == 0 ? 0 : errno }
    guard code == 0 else { throw TensorIOError(.readFailed(errno: code), path: path) }
    #if canImport(Darwin)
      let (modified, now) = (file.first.st_mtimespec, status.st_mtimespec)
    #else
      let (modified, now) = (file.first.st_mtim, status.st_mtim)
    #endif
    guard UInt64(status.st_size) == byteCount else {
      throw TensorIOError(
        .changedWhileRead(detail: "\(byteCount) bytes at the start, \(status.st_size) now"), path: path)
    }
    guard now.tv_sec == modified.tv_sec, now.tv_nsec == modified.tv_nsec else {
      throw TensorIOError(.changedWhileRead(detail: "its modification time moved"), path: path)
    }
  }

  private func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(TensorIOError) {
    let file: PooledDescriptor
    switch place {
    case .network(let remote): return try remote.read(into: buffer, at: offset)
    case .disk(let found): file = found
    }
    var done = 0
    while done < buffer.count {
      let (count, code) = try file.use { descriptor in
        let address = buffer.baseAddress?.advanced(by: done)
        let count = pread(descriptor, address, buffer.count - done, off_t(offset) + off_t(done))
        return (count, count < 0 ? errno : 0)
      }
      if count < 0 {
        if code == EINTR { continue }
        throw TensorIOError(.readFailed(errno: code), path: path, byteOffset: offset + UInt64(done))
      }
      guard count > 0 else {
        // Ranges past the size at opening never come here: the file has become shorter.
        throw TensorIOError(
          .endsEarly(expected: offset + UInt64(buffer.count), found: offset + UInt64(done)), path: path)
      }
      done += count
    }
  }
}
