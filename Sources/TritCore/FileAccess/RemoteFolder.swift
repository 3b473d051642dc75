// Tritsmith: folders and files that are on no disk of this machine.

import Synchronization

/// A file that is read over a network.
package protocol RemoteFile: AnyObject, Sendable {
  var byteCount: UInt64 { get }
  /// SHA-256 that is named for the file, when reading all of it from front to back proves it; nil otherwise.
  var namedDigest: Digest? { get }

  /// Fills a buffer from a place in the file; the range lies inside it. Any number of threads may read.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(TensorIOError)

  /// Fetches ranges that lie inside the file and will be read one by one, side by side with those of other files.
  static func expect(_ ranges: [(file: any RemoteFile, range: Range<UInt64>)]) throws(TensorIOError)

  /// Fetches a range and reads from memory what is asked of it until it is let go; held twice, it is let go twice.
  ///
  /// - Parameter isUnwanted: ends the fetching with an error once it is set.
  func hold(_ range: Range<UInt64>, unless isUnwanted: CancellationFlag?) throws(TensorIOError)
  func letGo(_ range: Range<UInt64>)
  /// Gives `body` bytes that are held, where they are; nil where they are not.
  func withHeld<Result>(_ range: Range<UInt64>, _ body: (RawSpan) throws -> Result) throws -> Result?

  /// Throws when the file is known to be another one by now.
  func checkUnchanged() throws(TensorIOError)
}

extension RemoteFile {
  package func withHeld<Result>(_ range: Range<UInt64>, _ body: (RawSpan) throws -> Result) throws -> Result? { nil }
}

/// A folder of such files. Names of what is inside have slashes between their parts; the folder's own is empty.
package protocol RemoteFolder: AnyObject, Sendable {
  /// The folder's last name as people know it.
  var shownName: String { get }

  func kind(of inner: String) -> FileKind?
  func size(of inner: String) -> UInt64?
  /// Names directly inside, in byte order.
  func names(in inner: String) -> [String]
  func open(_ inner: String) throws(TensorIOError) -> any RemoteFile
  /// Says which files will be opened and read from their start, so that they can be asked for side by side.
  func expect(_ inner: [String]) throws(TensorIOError)
}

/// Remote folders under the paths they are read by; every question about a path comes here first.
///
/// Readers take paths: with such a folder under one, each of them reads over the network and none knows it.
package enum RemoteFolders {
  /// What every such path begins with; no system call takes it for anything but a relative path.
  package static let scheme = "hf://"

  private static let mounted = Mutex<[String: any RemoteFolder]>([:])

  /// Puts a folder under a path that begins with `scheme`, in place of what was there.
  package static func mount(_ folder: any RemoteFolder, at path: String) {
    precondition(path.utf8.starts(with: scheme.utf8), "a path of the scheme")
    mounted.withLock { $0[path] = folder }
  }

  /// The folder a path is in, and its name inside; nil for a path of this machine.
  static func find(_ path: String) -> (folder: any RemoteFolder, inner: String)? {
    guard path.utf8.starts(with: scheme.utf8) else { return nil }
    return mounted.withLock { mounted in
      for (root, folder) in mounted where path.utf8.starts(with: root.utf8) {
        let rest = path.utf8.dropFirst(root.utf8.count)
        guard rest.isEmpty || rest.first == UInt8(ascii: "/") else { continue }
        let trimmed = rest.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        return (folder, trimmed.joined(separator: "/"))
      }
      return nil
    }
  }

  /// True for a path that is read over a network.
  package static func contains(_ path: String) -> Bool { find(path) != nil }

  /// Says which files of one folder will be opened next and read from their start; nothing for files of this machine.
  package static func expect(_ names: [String], in folder: String) throws(TensorIOError) {
    guard let (remote, inner) = find(folder) else { return }
    try remote.expect(names.map { inner.isEmpty ? $0 : inner + "/" + $0 })
  }
}

/// What went wrong between this machine and another.
package struct TransferFault: Sendable, Equatable {
  package var summary: String
  package var remedy: String?
  package var category: ErrorCategory

  package init(_ summary: String, remedy: String?, category: ErrorCategory) {
    self.summary = summary
    self.remedy = remedy
    self.category = category
  }
}
