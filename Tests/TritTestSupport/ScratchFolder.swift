// Tritsmith: folders for tests that write whole models.

import TritCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A folder of its own under the system's temporary folder, removed with everything in it when the value is dropped.
///
/// A folder that is kept in a `static let` is removed when the test process ends.
package final class ScratchFolder: Sendable {
  /// Absolute, links resolved, no slash at the end.
  package let path: String

  package init(removedAtExit: Bool = false) {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((base + "/tritsmith-scratch-XXXXXX").utf8CString)
    guard let made = mkdtemp(&template), let resolved = realpath(made, nil) else {
      preconditionFailure("cannot make a folder in \(base), errno \(errno)")
    }
    path = String(cString: resolved)
    free(resolved)
    if removedAtExit { ExitCleanup.add(path) }
  }

  deinit {
    Disk.remove(path)
  }

  /// A path inside the folder.
  package subscript(name: String) -> String { path + "/" + name }
}

/// Removes folders when the process ends, which never drops its static values.
private enum ExitCleanup {
  nonisolated(unsafe) private static var paths: [String] = []
  nonisolated(unsafe) private static var mutex = pthread_mutex_t()
  private static let isInstalled: Bool = {
    pthread_mutex_init(&mutex, nil)
    return atexit { ExitCleanup.removeAll() } == 0
  }()

  static func add(_ path: String) {
    precondition(isInstalled, "atexit has no room")
    pthread_mutex_lock(&mutex)
    defer { pthread_mutex_unlock(&mutex) }
    paths.append(path)
  }

  static func removeAll() {
    for path in paths { Disk.remove(path) }
  }
}

/// Files by plain system calls: nothing under test takes part.
package enum Disk {
  /// The content of a file; a missing one ends the test run with its name.
  package static func bytes(_ path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    precondition(descriptor >= 0, "cannot open \(path), errno \(errno)")
    defer { close(descriptor) }
    var status = stat()
    fstat(descriptor, &status)
    let size = Int(status.st_size)
    return [UInt8](unsafeUninitializedCapacity: max(1, size)) { buffer, count in
      count = 0
      while count < size {
        let part = read(descriptor, buffer.baseAddress?.advanced(by: count), size - count)
        precondition(part > 0, "cannot read \(path), errno \(errno)")
        count += part
      }
    }
  }

  package static func text(_ path: String) -> String { String(decoding: bytes(path), as: UTF8.self) }

  package static func write(_ bytes: [UInt8], _ path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    precondition(descriptor >= 0, "cannot create \(path), errno \(errno)")
    defer { close(descriptor) }
    put(bytes, descriptor, at: 0)
  }

  package static func write(_ text: String, _ path: String) { write(Array(text.utf8), path) }

  /// Overwrites bytes of an existing file in place.
  package static func patch(_ path: String, at offset: Int, _ bytes: [UInt8]) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    precondition(descriptor >= 0, "cannot open \(path), errno \(errno)")
    defer { close(descriptor) }
    put(bytes, descriptor, at: offset)
  }

  /// Overwrites the first place where a text stands in a file by one of the same length.
  package static func overwrite(_ old: String, with new: String, in path: String) {
    let (content, old) = (bytes(path), Array(old.utf8))
    precondition(new.utf8.count == old.count, "a text of another length moves what follows it")
    guard let place = content.firstRange(of: old) else { preconditionFailure("\(path) does not hold the text") }
    patch(path, at: place.lowerBound, Array(new.utf8))
  }

  /// Makes a file of a size; what was never written takes no space on disk.
  package static func resize(_ path: String, to size: Int) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    precondition(descriptor >= 0, "cannot open \(path), errno \(errno)")
    defer { close(descriptor) }
    precondition(ftruncate(descriptor, off_t(size)) == 0, "cannot resize \(path), errno \(errno)")
  }

  package static func makeFolder(_ path: String) {
    precondition(mkdir(path, 0o777) == 0, "cannot make \(path), errno \(errno)")
  }

  package static func link(_ path: String, to target: String) {
    precondition(symlink(target, path) == 0, "cannot make \(path), errno \(errno)")
  }

  package static func setMode(_ mode: UInt32, _ path: String) {
    precondition(chmod(path, mode_t(mode)) == 0, "chmod \(path), errno \(errno)")
  }

  package static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Paths of all Swift files in a folder and those below it.
  package static func swiftFiles(_ folder: String) -> [String] {
    names(folder).flatMap { name -> [String] in
      let path = folder + "/" + name
      return name.hasSuffix(".swift") ? [path] : swiftFiles(path)
    }
  }

  /// Names in a folder, hidden ones too, sorted; nothing for a folder that is not there.
  package static func names(_ folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Copies the files of a folder, those of its folders not.
  package static func copyFolder(_ source: String, to target: String) {
    makeFolder(target)
    for name in names(source) where FileSystem.kind(of: source + "/" + name) != .folder {
      write(bytes(source + "/" + name), target + "/" + name)
    }
  }

  package static func remove(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    if status.st_mode & S_IFMT == S_IFDIR {
      chmod(path, 0o700)
      for name in names(path) { remove(path + "/" + name) }
      rmdir(path)
    } else {
      unlink(path)
    }
  }

  private static func put(_ bytes: [UInt8], _ descriptor: Int32, at offset: Int) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, off_t(offset + done))
      }
      precondition(count > 0, "cannot write, errno \(errno)")
      done += count
    }
  }
}

/// What stands in a folder: names, sizes, modification times and SHA-256 of every file, folders inside it too.
///
/// Two equal snapshots mean that nothing was written in between.
package struct FolderSnapshot: Equatable, Sendable {
  package let lines: [String]

  package init(_ folder: String) {
    var lines: [String] = []
    FolderSnapshot.collect(folder, "", &lines)
    self.lines = lines
  }

  private static func collect(_ folder: String, _ prefix: String, _ lines: inout [String]) {
    for name in Disk.names(folder) {
      let path = folder + "/" + name
      var status = stat()
      guard lstat(path, &status) == 0 else { continue }
      switch status.st_mode & S_IFMT {
      case S_IFDIR:
        lines.append(prefix + name + "/")
        collect(path, prefix + name + "/", &lines)
      case S_IFREG:
        let digest = SHA256.digest(of: Disk.bytes(path))
        let time = "\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        lines.append("\(prefix)\(name) \(status.st_size) \(time) \(digest)")
      default: lines.append(prefix + name + " mode \(status.st_mode)")
      }
    }
  }
}
