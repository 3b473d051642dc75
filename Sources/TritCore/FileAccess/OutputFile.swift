// Tritsmith: writing files by position.

import LibC
import Synchronization

/// A new file written by position from any number of threads.
package final class OutputFile: Sendable {
  package let path: String
  private let descriptor: Int32
  /// Bytes written since the system was last asked to bring them to the disk.
  private let waiting = Atomic<Int>(0)
  private static let writebackBytes = 16 << 20

  /// Makes a file that did not exist; a link at the path is not followed.
  package init(creating path: String) throws(TensorIOError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw TensorIOError(.cannotCreate(errno: errno), path: path) }
    // Some stay free for the inputs and the threads: without them the process could not even clean up.
    guard Platform.canOpen(descriptors: 4) else {
      close(descriptor)
      unlink(path)
      throw TensorIOError(.tooFewDescriptors, path: path)
    }
    self.path = path
    self.descriptor = descriptor
  }

  /// Makes a file without a name; it lives until this value is dropped.
  ///
  /// Killed before the name is taken away, a run leaves it behind, and the next `StagedOutput` for the target removes it.
  ///
  /// - Parameter staging: the path of a staged output, on whose file system it shall be.
  package convenience init(unnamedBeside staging: String) throws(TensorIOError) {
    try self.init(creating: staging + StagedOutput.spillSuffix + StagedOutput.randomName())
    unlink(path)
  }

  /// Writes to a file that is open already, such as a staged one that is held under a lock.
  init(path: String, duplicating original: Int32) throws(TensorIOError) {
    let descriptor = dup(original)
    guard descriptor >= 0 else { throw TensorIOError(.cannotCreate(errno: errno), path: path) }
    self.path = path
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// Sets the size; bytes not yet written read as zero.
  package func resize(to byteCount: UInt64) throws(TensorIOError) {
    guard ftruncate(descriptor, off_t(byteCount)) == 0 else {
      throw TensorIOError(.writeFailed(errno: errno), path: path, byteOffset: byteCount)
    }
  }

  /// Writes all bytes at an offset; any thread may, for another range.
  package func write(_ bytes: RawSpan, at offset: UInt64) throws(TensorIOError) {
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
    if let failure { throw failure }
    // Begun early, the disk works beside the processors, and the sync at the end finds little left to wait for.
    if waiting.wrappingAdd(bytes.byteCount, ordering: .relaxed).newValue > OutputFile.writebackBytes {
      waiting.store(0, ordering: .relaxed)
      Platform.startWriteback(descriptor)
    }
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
      let count = result.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, off_t(range.lowerBound) + off_t(done))
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw TensorIOError(.readFailed(errno: errno), path: path, byteOffset: range.lowerBound + UInt64(done))
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
    let code = Platform.sync(descriptor)
    guard code == 0 else { throw TensorIOError(.syncFailed(errno: code), path: path) }
  }
}
