// Tritsmith: outputs that appear whole or not at all.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file or folder that is built under a temporary name beside its target and renamed when it is complete.
///
/// The temporary name is `.NAME.tritsmith-XXXXXXXX.partial`. While it is being built it is locked (`flock`), so that
/// the next run can tell what a killed run left behind from what another run is still writing, and removes the former.
/// Dropping the value without `commit` removes everything.
public final class StagedOutput: Sendable {
  /// What is staged.
  public enum Kind: Sendable { case file, folder }

  public let kind: Kind
  public let target: String
  /// The temporary path; for a folder, the files are made inside it.
  public let stagingPath: String
  private let isReplacing: Bool
  private let lock: Int32
  nonisolated(unsafe) private var isCommitted = false
  private static let marker = ".tritsmith-"
  private static let suffix = ".partial"

  /// Prepares an output, without touching what stands at the target.
  ///
  /// - Throws: when the target exists and `replacing` is false, when its folder is missing, or when it cannot be made.
  public init(_ kind: Kind, at target: String, replacing: Bool) throws(TensorIOError) {
    let parent = FileSystem.parent(of: target)
    guard FileSystem.kind(of: parent) == .folder else {
      throw TensorIOError(.parentMissing(parent), path: target)
    }
    try StagedOutput.checkReplaceable(target, kind: kind, replacing: replacing)
    StagedOutput.removeLeftovers(of: target)
    self.kind = kind
    self.target = target
    isReplacing = replacing
    let name = "." + FileSystem.name(of: target) + StagedOutput.marker
    let random = String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16)
    stagingPath = FileSystem.join(parent, name + random + StagedOutput.suffix)
    switch kind {
    case .file:
      lock = open(stagingPath, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
    case .folder:
      guard mkdir(stagingPath, 0o777) == 0 else { throw TensorIOError(.cannotCreate(errno: errno), path: target) }
      lock = open(stagingPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    guard lock >= 0 else { throw TensorIOError(.cannotCreate(errno: errno), path: target) }
    flock(lock, LOCK_EX | LOCK_NB)
  }

  deinit {
    if !isCommitted { StagedOutput.remove(stagingPath) }
    close(lock)
  }

  /// The path a file of the output is built at: `name` inside the folder, or the one file itself.
  public func path(of name: String) -> String {
    kind == .folder ? FileSystem.join(stagingPath, name) : stagingPath
  }

  /// A new, empty file of the output; a single-file output has one, whatever its name.
  public func createFile(_ name: String = "") throws(TensorIOError) -> OutputFile {
    switch kind {
    case .file: try OutputFile(path: stagingPath, duplicating: lock)
    case .folder: try OutputFile(creating: path(of: name))
    }
  }

  /// Puts the finished output in place: syncs, renames, syncs the folder. What stood there before goes only then.
  ///
  /// - Throws: also when something that may not be replaced has appeared at the target since the beginning.
  public func commit() throws(TensorIOError) {
    try StagedOutput.checkReplaceable(target, kind: kind, replacing: isReplacing)
    if kind == .folder, fsync(lock) != 0 { throw TensorIOError(.syncFailed(errno: errno), path: stagingPath) }
    let existing = FileSystem.kindWithoutFollowing(target)
    if kind == .folder, existing != nil {
      try replaceExisting()
    } else if rename(stagingPath, target) != 0 {
      throw TensorIOError(.cannotReplace(errno: errno), path: target)
    }
    isCommitted = true
    let parent = open(FileSystem.parent(of: target), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if parent >= 0 {
      fsync(parent)
      close(parent)
    }
  }

  /// A folder cannot be renamed over a folder that is not empty: exchange the two, or move the old one aside.
  private func replaceExisting() throws(TensorIOError) {
    if Platform.exchange(stagingPath, target) {
      StagedOutput.remove(stagingPath)
      return
    }
    let aside = stagingPath + ".old"
    guard rename(target, aside) == 0 else { throw TensorIOError(.cannotReplace(errno: errno), path: target) }
    guard rename(stagingPath, target) == 0 else {
      let code = errno
      rename(aside, target)
      throw TensorIOError(.cannotReplace(errno: code), path: target)
    }
    StagedOutput.remove(aside)
  }

  private static func checkReplaceable(_ target: String, kind: Kind, replacing: Bool) throws(TensorIOError) {
    guard let existing = FileSystem.kindWithoutFollowing(target) else { return }
    guard replacing else { throw TensorIOError(.alreadyExists, path: target) }
    switch (kind, existing) {
    case (.file, .folder), (.file, .other):
      throw TensorIOError(.isOfAnotherKind(found: existing.name, wanted: "a file"), path: target)
    case (.folder, .file), (.folder, .other):
      throw TensorIOError(.isOfAnotherKind(found: existing.name, wanted: "a folder"), path: target)
    case (.folder, .folder):
      // A model folder is flat; a folder with folders in it is somebody's work, not an earlier output.
      let inner = try FileSystem.names(in: target).first {
        FileSystem.kindWithoutFollowing(FileSystem.join(target, $0)) == .folder
      }
      if let inner { throw TensorIOError(.holdsOtherThings("the folder '\(printable(inner))'"), path: target) }
    default: break
    }
  }

  /// Removes what killed runs for the same target left behind; a leftover that is locked belongs to a live run.
  private static func removeLeftovers(of target: String) {
    let parent = FileSystem.parent(of: target)
    let prefix = "." + FileSystem.name(of: target) + marker
    guard let names = try? FileSystem.names(in: parent) else { return }
    for name in names where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      let path = FileSystem.join(parent, name)
      let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
      guard descriptor >= 0 else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { remove(path) }
      close(descriptor)
    }
  }

  /// Removes an output this program made and nobody needs any more.
  public static func discard(_ path: String) {
    remove(path)
  }

  /// Removes a file, or a folder and the files in it; links are removed, never followed.
  private static func remove(_ path: String) {
    guard FileSystem.kindWithoutFollowing(path) == .folder else {
      unlink(path)
      return
    }
    for name in (try? FileSystem.names(in: path)) ?? [] { unlink(FileSystem.join(path, name)) }
    rmdir(path)
  }
}
