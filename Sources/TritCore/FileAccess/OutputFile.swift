// Tritsmith: writing files by position.

import LibC
import Synchronization

/// A new file written by position from any number of threads.
package final class OutputFile: Sendable {
  package let path: String
  private let place: Place

  private enum Place {
    /// May be closed while nobody writes: a model may have thousands of shards.
    case pooled(PooledDescriptor)
    /// Of a file that cannot be opened again, or is locked.
    case own(Int32)
  }

  private func withDescriptor<Result>(_ body: (Int32) -> Result) throws(TensorIOError) -> Result {
    switch place {
    case .pooled(let file): try file.use(body)
    case .own(let descriptor): body(descriptor)
    }
  }

  /// Bytes written since the system was last asked to bring them to the disk.
  private let waiting = Atomic<Int>(0)
  private static let writebackBytes = 16 << 20

  /// Makes a file that did not exist; a link at the path is not followed.
  package convenience init(creating path: String) throws(TensorIOError) {
    try self.init(creating: path, pool: .shared)
  }

  init(creating path: String, pool: DescriptorPool) throws(TensorIOError) {
    let file = try pool.create(path)
    // Some stay free for the inputs and the threads: without them the process could not even clean up.
    guard Platform.canOpen(descriptors: 4) else {
      unlink(path)
      throw TensorIOError(.tooFewDescriptors, path: path)
    }
    self.path = path
    place = .pooled(file)
  }

  /// Makes a file without a name; it lives until this value is dropped.
  ///
  /// Killed before the name is taken away, a run leaves it behind, and the next `StagedOutput` for the target removes it.
  ///
  /// - Parameter staging: the path of a staged output, on whose file system it shall be.
  package init(unnamedBeside staging: String) throws(TensorIOError) {
    path = staging + StagedOutput.spillSuffix + StagedOutput.randomName()
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw TensorIOError(.cannotCreate(errno: errno), path: path) }
    unlink(path)
    place = .own(descriptor)
  }

  /// Writes to a file that is open already, such as a staged one that is held under a lock.
  init(path: String, duplicating original: Int32) throws(TensorIOError) {
    let descriptor = dup(original)
    guard descriptor >= 0 else { throw TensorIOError(.cannotCreate(errno: errno), path: path) }
    self.path = path
    place = .own(descriptor)
  }

  deinit {
    if case .own(let descriptor) = place { close(descriptor) }
  }

  /// Sets the size; bytes not yet written read as zero.
  package func resize(to byteCount: UInt64) throws(TensorIOError) {
    let code = try withDescriptor { ftruncate($0, off_t(byteCount)) == 0 ? 0 : errno }
    guard code == 0 else { throw TensorIOError(.writeFailed(errno: code), path: path, byteOffset: byteCount) }
  }

  /// Writes all bytes at an offset; any thread may, for another range.
  package func write(_ bytes: RawSpan, at offset: UInt64) throws(TensorIOError) {
    let failure = try withDescriptor { descriptor -> TensorIOError? in
      let failure = bytes.withUnsafeBytes { buffer -> TensorIOError? in
        var done = 0
        while done < buffer.count {
          let address = buffer.baseAddress?.advanced(by: done)
          let count = pwrite(descriptor, address, buffer.count - done, off_t(offset) + off_t(done))
          if count < 0 {
            if errno == EINTR { continue }
            return TensorIOError(.writeFailed(errno: errno), path: path, byteOffset: offset + UInt64(done))
          }
          done += count
        }
        return nil
      }
      guard failure == nil else { return failure }
      // Begun early, the disk works beside the processors, and the sync at the end finds little left to wait for.
      if waiting.wrappingAdd(bytes.byteCount, ordering: .relaxed).newValue > OutputFile.writebackBytes {
        waiting.store(0, ordering: .relaxed)
        Platform.startWriteback(descriptor)
      }
      return nil
    }
    if let failure { throw failure }
  }

  /// Writes all bytes at an offset; any thread may, for another range.
  package func write(_ bytes: [UInt8], at offset: UInt64) throws(TensorIOError) {
    try write(bytes.span.bytes, at: offset)
  }

  /// Bytes written before.
  package func bytes(_ range: Range<UInt64>) throws(TensorIOError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: range.count)
    var done = 0
    while done < range.count {
      let (count, code) = try withDescriptor { descriptor in
        let count = result.withUnsafeMutableBytes {
          pread(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, off_t(range.lowerBound) + off_t(done))
        }
        return (count, errno)
      }
      if count < 0 {
        if code == EINTR { continue }
        throw TensorIOError(.readFailed(errno: code), path: path, byteOffset: range.lowerBound + UInt64(done))
      }
      guard count > 0 else {
        throw TensorIOError(.endsEarly(expected: range.upperBound, found: range.lowerBound + UInt64(done)), path: path)
      }
      done += count
    }
    return result
  }

  /// Brings everything written to the disk.
  package func sync() throws(TensorIOError) {
    let code = try withDescriptor { Platform.sync($0) }
    guard code == 0 else { throw TensorIOError(.syncFailed(errno: code), path: path) }
  }
}
