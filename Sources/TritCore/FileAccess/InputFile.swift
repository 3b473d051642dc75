// Tritsmith: reading files by byte range.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How bytes come from a file.
public enum FileAccessMode: String, Sendable, CaseIterable {
  /// Every range is read into a buffer; a file that shrinks meanwhile is a typed error. For streaming this is also
  /// the fastest: newer kernels map a whole large folio for one touched page, so that given-back pages return.
  case buffered
  /// The file is mapped, for weights used in place. A file that shrinks under the mapping ends the process.
  case mapped
}

/// A regular file opened for reading, read by range from any number of threads.
public final class InputFile: Sendable {
  public let path: String
  public let byteCount: UInt64
  private let descriptor: Int32
  private let modified: timespec
  nonisolated(unsafe) private let mapping: UnsafeMutableRawPointer?

  public init(path: String, mode: FileAccessMode = .mapped) throws(TensorIOError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw TensorIOError(.cannotOpen(errno: errno), path: path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw TensorIOError(.cannotOpen(errno: code), path: path)
    }
    let kind = FileKind(mode: status.st_mode)
    guard kind == .file else {
      close(descriptor)
      throw TensorIOError(.notAFile(found: kind.name), path: path)
    }
    self.path = path
    self.descriptor = descriptor
    byteCount = UInt64(status.st_size)
    #if canImport(Glibc)
      modified = status.st_mtim
    #else
      modified = status.st_mtimespec
    #endif
    if mode == .mapped, status.st_size > 0 {
      let address = mmap(nil, Int(clamping: status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0)
      mapping = address == MAP_FAILED ? nil : address
    } else {
      mapping = nil
    }
  }

  /// Whether `withBytes` gives the mapped file itself rather than a copy.
  public var isMapped: Bool { mapping != nil }

  deinit {
    if let mapping { munmap(mapping, Int(clamping: byteCount)) }
    close(descriptor)
  }

  /// Gives `body` the bytes of a range of the file; they are valid during the call only.
  public func withBytes<Result>(_ range: Range<UInt64>, _ body: (RawSpan) throws -> Result) throws -> Result {
    guard range.upperBound <= byteCount else {
      throw TensorIOError(.outOfRange(requested: range, byteCount: byteCount), path: path)
    }
    if let mapping {
      let start = mapping.advanced(by: Int(clamping: range.lowerBound))
      return try body(UnsafeRawBufferPointer(start: start, count: range.count).bytes)
    }
    let buffer = ReadBuffers.take(range.count)
    defer { ReadBuffers.giveBack(buffer) }
    try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count]), at: range.lowerBound)
    return try body(UnsafeRawBufferPointer(rebasing: buffer[..<range.count]).bytes)
  }

  /// Reads a range into memory of the caller's, which has the size of the range.
  public func read(_ range: Range<UInt64>, into bytes: inout MutableRawSpan) throws {
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
  public func bytes(_ range: Range<UInt64>) throws(TensorIOError) -> [UInt8] {
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
  public func contents(limit: UInt64) throws(TensorIOError) -> [UInt8] {
    guard byteCount <= limit else { throw TensorIOError(.tooLarge(byteCount: byteCount, limit: limit), path: path) }
    return try bytes(0..<byteCount)
  }

  /// Gives the memory of a mapped range back; its bytes come from the file again when next touched.
  public func release(_ range: Range<UInt64>) {
    guard let mapping, !range.isEmpty, range.upperBound <= byteCount else { return }
    let page = UInt64(Platform.pageSize)
    let start = range.lowerBound / page * page
    madvise(mapping.advanced(by: Int(clamping: start)), Int(clamping: range.upperBound - start), MADV_DONTNEED)
  }

  /// Throws when the file's size or modification time is no longer what it was at opening.
  public func checkUnchanged() throws(TensorIOError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw TensorIOError(.readFailed(errno: errno), path: path) }
    #if canImport(Glibc)
      let now = status.st_mtim
    #else
      let now = status.st_mtimespec
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
    var done = 0
    while done < buffer.count {
      let address = buffer.baseAddress?.advanced(by: done)
      let count = pread(descriptor, address, buffer.count - done, off_t(offset) + off_t(done))
      if count < 0 {
        if errno == EINTR { continue }
        throw TensorIOError(.readFailed(errno: errno), path: path, byteOffset: offset + UInt64(done))
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
