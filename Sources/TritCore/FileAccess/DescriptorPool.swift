// Tritsmith: more files than a process may have open.

import LibC
import Synchronization

/// An open file of the pool; its descriptor may be closed while nobody reads, and comes back when somebody does.
final class PooledDescriptor: Sendable {
  private let pool: DescriptorPool
  private let key: UInt64
  let path: String
  /// What was opened first: what comes back must be the same file.
  let first: stat
  fileprivate let access: Access

  fileprivate enum Access {
    case reading, writing
  }

  fileprivate init(_ pool: DescriptorPool, key: UInt64, path: String, first: stat, _ access: Access) {
    self.pool = pool
    self.key = key
    self.path = path
    self.first = first
    self.access = access
  }

  deinit { pool.forget(key) }

  /// Gives `body` the descriptor, which stays open during the call.
  ///
  /// - Throws: `TensorIOError.changedWhileRead` when another file has the name by now, or none.
  func use<Result>(_ body: (Int32) -> Result) throws(TensorIOError) -> Result {
    let descriptor = try pool.take(key, self)
    defer { pool.giveBack(key) }
    return body(descriptor)
  }
}

/// Keeps at most so many files open, and closes the one unused for longest.
///
/// A model of thousands of shards is read and written under any limit. Half of what the process may open stays free: for
/// other outputs, for the C library, and for libdispatch, which ends the process when it gets no descriptor.
final class DescriptorPool: Sendable {
  static let shared = DescriptorPool()

  private struct Entry {
    var descriptor: Int32
    var users = 0
    var lastUse: UInt64
  }

  private struct State {
    var entries: [UInt64: Entry] = [:]
    var clock: UInt64 = 0
    var limit: Int?
  }

  private let state = Mutex(State())

  /// - Parameter limit: files open at once, those beside that are being read not counted; nil for half of what the
  ///   process may have.
  init(limit: Int? = nil) { state.withLock { $0.limit = limit } }

  var openCount: Int { state.withLock { $0.entries.count } }

  /// Opens a regular file.
  func open(_ path: String) throws(TensorIOError) -> PooledDescriptor {
    let descriptor = try openDescriptor(path, openForReading)
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
    return keep(descriptor, path, status, .reading)
  }

  /// Makes a file that did not exist, to be written and read; a link at the path is not followed.
  ///
  /// - Throws: `TensorIOError.cannotCreate`.
  func create(_ path: String) throws(TensorIOError) -> PooledDescriptor {
    let descriptor: Int32
    do throws(TensorIOError) {
      descriptor = try openDescriptor(path) { LibC.open($0, writingFlags | O_CREAT | O_EXCL, 0o666) }
    } catch {
      guard case .cannotOpen(let code) = error.kind else { throw error }
      throw TensorIOError(.cannotCreate(errno: code), path: path)
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw TensorIOError(.cannotCreate(errno: code), path: path)
    }
    return keep(descriptor, path, status, .writing)
  }

  private func keep(
    _ descriptor: Int32, _ path: String, _ status: stat, _ access: PooledDescriptor.Access
  ) -> PooledDescriptor {
    let key = state.withLock { state in
      state.clock += 1
      state.entries[state.clock] = Entry(descriptor: descriptor, lastUse: state.clock)
      return state.clock
    }
    return PooledDescriptor(self, key: key, path: path, first: status, access)
  }

  fileprivate func take(_ key: UInt64, _ file: PooledDescriptor) throws(TensorIOError) -> Int32 {
    let (path, first) = (file.path, file.first)
    let known = state.withLock { state -> Int32? in
      guard var entry = state.entries[key] else { return nil }
      state.clock += 1
      entry.users += 1
      entry.lastUse = state.clock
      state.entries[key] = entry
      return entry.descriptor
    }
    if let known { return known }
    let descriptor = try reopen(path, file.access)
    var status = stat()
    // What is written grows.
    guard fstat(descriptor, &status) == 0, FileIdentity(status) == FileIdentity(first),
      file.access == .writing || status.st_size == first.st_size
    else {
      close(descriptor)
      throw TensorIOError(.changedWhileRead(detail: "its name leads to another file now"), path: path)
    }
    return state.withLock { state in
      state.clock += 1
      // Another thread may have been first.
      if var entry = state.entries[key] {
        close(descriptor)
        entry.users += 1
        entry.lastUse = state.clock
        state.entries[key] = entry
        return entry.descriptor
      }
      state.entries[key] = Entry(descriptor: descriptor, users: 1, lastUse: state.clock)
      return descriptor
    }
  }

  fileprivate func giveBack(_ key: UInt64) {
    state.withLock { $0.entries[key]?.users -= 1 }
  }

  fileprivate func forget(_ key: UInt64) {
    if let entry = state.withLock({ $0.entries.removeValue(forKey: key) }) { close(entry.descriptor) }
  }

  private func openDescriptor(_ path: String, _ open: (String) -> Int32) throws(TensorIOError) -> Int32 {
    makeRoom()
    while true {
      let descriptor = open(path)
      if descriptor >= 0 { return descriptor }
      let code = errno
      guard code == EMFILE || code == ENFILE, closeOldest() else {
        throw TensorIOError(.cannotOpen(errno: code), path: path)
      }
    }
  }

  /// What was open once and has no name any more went while it was read.
  private func reopen(_ path: String, _ access: PooledDescriptor.Access) throws(TensorIOError) -> Int32 {
    do throws(TensorIOError) {
      return try openDescriptor(path, access == .reading ? openForReading : { LibC.open($0, writingFlags) })
    } catch  where error.kind == .cannotOpen(errno: ENOENT) {
      throw TensorIOError(.changedWhileRead(detail: "nothing has its name now"), path: path)
    }
  }

  private func makeRoom() {
    let isFull = state.withLock { state in
      let limit = state.limit ?? DescriptorPool.share(of: Platform.freeDescriptors)
      state.limit = limit
      return state.entries.count >= limit
    }
    if isFull { _ = closeOldest() }
  }

  /// How many files of the pool may be open where a process can open so many descriptors.
  static func share(of limit: Int) -> Int { min(4096, max(2, limit / 2)) }

  /// Closes the file nobody uses that was used longest ago; false when all are in use.
  private func closeOldest() -> Bool {
    let oldest = state.withLock { state -> Int32? in
      let idle = state.entries.lazy.filter { $0.value.users == 0 }
      guard let found = idle.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return nil }
      state.entries[found.key] = nil
      return found.value.descriptor
    }
    guard let oldest else { return false }
    close(oldest)
    return true
  }
}

private func openForReading(_ path: String) -> Int32 { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }

private let writingFlags = O_RDWR | O_NOFOLLOW | O_CLOEXEC
