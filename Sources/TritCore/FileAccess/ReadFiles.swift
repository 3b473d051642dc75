// Tritsmith: what a program has read.

import LibC
import Synchronization

/// A file or folder itself, whatever its names: device and inode.
package struct FileIdentity: Sendable, Hashable {
  private let device: UInt64
  private let inode: UInt64

  init(_ status: stat) {
    device = UInt64(truncatingIfNeeded: status.st_dev)
    inode = UInt64(truncatingIfNeeded: status.st_ino)
  }

  /// What stands at a path, links followed; nil when nothing does.
  package init?(of path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// The file a descriptor leads to; nil when it leads to a terminal, a pipe or nothing.
  init?(ofFile descriptor: Int32) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, FileKind(mode: status.st_mode) == .file else { return nil }
    self.init(status)
  }
}

/// Every file this process has opened for reading, so that no output replaces one.
///
/// `InputFile` opens all of them and `StagedOutput` puts all outputs in place, so no option and no kind of input can be
/// forgotten: weights, companions, blobs of a download cache, texts, ids, adapters, patches, certificates. Only a program
/// that carries out one command remembers; in a library, what one call read another may replace.
package enum ReadFiles {
  private static let known = Mutex<[FileIdentity: String]?>(nil)

  /// Begins to remember; for the start of a program.
  package static func remember() { known.withLock { if $0 == nil { $0 = [:] } } }

  static func note(_ identity: FileIdentity, path: String) {
    known.withLock { $0?[identity] = path }
  }

  /// Remembers a file that was named and not read: whose name was taken for a text may not lose it either.
  package static func note(_ path: String) {
    if let identity = FileIdentity(of: path) { note(identity, path: path) }
  }

  /// The name a file was read by; nil when it was not.
  private static func name(of identity: FileIdentity) -> String? { known.withLock { $0?[identity] } }

  /// Refuses a target that was read.
  private static func checkNotRead(_ identity: FileIdentity, _ target: String) throws(TensorIOError) {
    if let input = name(of: identity) {
      throw TensorIOError(.overlapsInput(input: input, detail: "is the same as"), path: target)
    }
  }

  /// Refuses a target that was read, or a folder in which something was.
  static func checkNotRead(_ target: String) throws(TensorIOError) {
    if let identity = FileIdentity(of: target) { try checkNotRead(identity, target) }
    guard FileSystem.kind(of: target) == .folder, let names = try? CompanionPath.names(in: target) else { return }
    for inner in names {
      guard let input = FileIdentity(of: FileSystem.join(target, inner)).flatMap(name(of:)) else { continue }
      throw TensorIOError(.overlapsInput(input: input, detail: "would replace the folder of"), path: target)
    }
  }

  /// Refuses a target that is one of the inputs a command is about to read, or a file in one of their folders.
  ///
  /// Early: `StagedOutput` refuses the same at the end, with everything that was really read.
  package static func check(_ target: String, before inputs: [String]) throws(TensorIOError) {
    if let identity = FileIdentity(of: target) { try check(identity, target, before: inputs) }
  }

  /// The same for standard output, to which data is about to go that its reader does not expect in an input.
  package static func checkStandardOutput(before inputs: [String]) throws(TensorIOError) {
    guard let identity = FileIdentity(ofFile: 1) else { return }
    let target = "standard output"
    try checkNotRead(identity, target)
    try check(identity, target, before: inputs)
  }

  private static func check(
    _ identity: FileIdentity, _ target: String, before inputs: [String]
  ) throws(TensorIOError) {
    for input in inputs {
      let names =
        FileSystem.kind(of: input) == .folder ? (try? CompanionPath.names(in: input, followingLinks: true)) ?? [] : []
      for path in [input] + names.map({ FileSystem.join(input, $0) }) where FileIdentity(of: path) == identity {
        throw TensorIOError(.overlapsInput(input: path, detail: "is the same as"), path: target)
      }
    }
  }
}
