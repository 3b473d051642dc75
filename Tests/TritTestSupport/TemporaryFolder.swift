// Tritsmith: folders that tests write to.

import TritCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A new folder of its own that is removed with everything in it when the value is dropped.
///
/// Keep the value alive with `withExtendedLifetime` or by using it last; `with` does so by itself.
package final class TemporaryFolder: Sendable {
  /// Absolute, with links resolved, without a slash at the end.
  package let path: String

  package init() {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array(FileSystem.join(base, "tritsmith-test-XXXXXX").utf8CString)
    guard let made = mkdtemp(&template), let resolved = realpath(made, nil) else {
      preconditionFailure("no folder for tests in \(base): \(Platform.message(forErrno: errno))")
    }
    path = String(cString: resolved)
    free(resolved)
  }

  deinit {
    TemporaryFolder.remove(path)
  }

  /// Runs `body` with a new folder and removes it afterwards, also when `body` throws.
  package static func with<Result>(_ body: (TemporaryFolder) throws -> Result) rethrows -> Result {
    let folder = TemporaryFolder()
    return try withExtendedLifetime(folder) { try body(folder) }
  }

  /// The path of something in the folder.
  package func path(_ name: String) -> String { path + "/" + name }

  /// Names in the folder, hidden ones too, in byte order.
  package var names: [String] { (try? FileSystem.names(in: path)) ?? ["<unreadable>"] }

  /// Writes a file, replacing one of the same name; returns its path.
  @discardableResult
  package func write(_ bytes: [UInt8], to name: String) -> String {
    let path = path(name)
    RawFile.write(bytes, to: path)
    return path
  }

  @discardableResult
  package func write(_ text: String, to name: String) -> String { write(Array(text.utf8), to: name) }

  @discardableResult
  package func makeFolder(_ name: String) -> String {
    let path = path(name)
    precondition(mkdir(path, 0o777) == 0, "mkdir \(path): \(Platform.message(forErrno: errno))")
    return path
  }

  @discardableResult
  package func makeLink(_ name: String, to destination: String) -> String {
    let path = path(name)
    precondition(symlink(destination, path) == 0, "symlink \(path): \(Platform.message(forErrno: errno))")
    return path
  }

  @discardableResult
  package func makePipe(_ name: String) -> String {
    let path = path(name)
    precondition(mkfifo(path, 0o600) == 0, "mkfifo \(path): \(Platform.message(forErrno: errno))")
    return path
  }

  private static func remove(_ path: String) {
    if FileSystem.kindWithoutFollowing(path) == .folder {
      chmod(path, 0o700)
      for name in (try? FileSystem.names(in: path)) ?? [] { remove(path + "/" + name) }
      rmdir(path)
    } else {
      unlink(path)
    }
  }
}
