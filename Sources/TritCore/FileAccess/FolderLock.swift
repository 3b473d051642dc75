// Tritsmith: folders that one run works in at a time.

import LibC

/// Holds a folder against other runs, until the value is dropped or the process ends, however it ends.
package final class FolderLock: Sendable {
  private let path: String
  private let descriptor: Int32
  /// Folders removed by others between making and locking them; one is a rare race.
  private static let attempts = 64

  /// Makes the folder where there is none. A link in its place is refused.
  ///
  /// - Throws: `TensorIOError.inUse` when another run holds it.
  package init(_ path: String) throws(TensorIOError) {
    self.path = path
    for _ in 0..<FolderLock.attempts {
      if mkdir(path, 0o777) != 0, errno != EEXIST { throw TensorIOError(.cannotCreate(errno: errno), path: path) }
      let opened = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if opened < 0, errno == ENOENT { continue }
      guard opened >= 0 else { throw TensorIOError(.cannotCreate(errno: errno), path: path) }
      guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
        let code = errno
        close(opened)
        throw TensorIOError(code == EWOULDBLOCK ? .inUse : .cannotLock(errno: code), path: path)
      }
      if StagedOutput.isNamed(path, opened) {
        descriptor = opened
        return
      }
      close(opened)
    }
    throw TensorIOError(.inUse, path: path)
  }

  deinit { close(descriptor) }

  /// Removes the folder, unless something is in it.
  package func removeIfEmpty() { rmdir(path) }
}
