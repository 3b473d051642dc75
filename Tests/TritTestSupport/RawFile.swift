// Tritsmith: files as the system sees them.

import TritCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Whole files read and written with plain system calls, so that a fault in the code under test cannot hide itself.
package enum RawFile {
  package static func read(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = systemRead(descriptor, &buffer, buffer.count)
      guard count > 0 else { return count == 0 ? result : nil }
      result.append(contentsOf: buffer[..<count])
    }
  }

  package static func write(_ bytes: [UInt8], to path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    precondition(descriptor >= 0, "open \(path): \(Platform.message(forErrno: errno))")
    defer { close(descriptor) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done) }
      precondition(count > 0, "write \(path): \(Platform.message(forErrno: errno))")
      done += count
    }
  }

  package static func setSize(_ size: Int, of path: String) {
    precondition(truncate(path, off_t(size)) == 0, "truncate \(path): \(Platform.message(forErrno: errno))")
  }

  package static func setMode(_ mode: UInt32, of path: String) {
    precondition(chmod(path, mode_t(mode)) == 0, "chmod \(path): \(Platform.message(forErrno: errno))")
  }

  /// Moves the modification time by whole seconds, without waiting for a clock to tick.
  package static func setModificationTime(secondsSinceEpoch seconds: Int, of path: String) {
    let times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
    precondition(utimensat(AT_FDCWD, path, times, 0) == 0, "utimensat: \(Platform.message(forErrno: errno))")
  }

  /// True for a user whom permissions do not bind.
  package static var permissionsAreIgnored: Bool { geteuid() == 0 }
}

// `read` and `write` are hidden by the members of the same name above.
private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
  read(descriptor, buffer, count)
}

private func systemWrite(_ descriptor: Int32, _ buffer: UnsafeRawPointer?, _ count: Int) -> Int {
  write(descriptor, buffer, count)
}
