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
/// Dropping the value without `commit` removes everything. Files that only help to build the output have no name; for
/// the moment they have one, it is the temporary name and `.spill-XXXXXXXX`.
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
  /// Of files that help to build the output.
  static let spillSuffix = ".spill-"
  /// Of what stood at the target, where a file system cannot exchange two folders in one step.
  private static let asideSuffix = ".old"

  /// Prepares an output, without touching what stands at the target.
  ///
  /// - Throws: when the target exists and `replacing` is false, when its folder is missing, or when it cannot be made.
  public init(_ kind: Kind, at target: String, replacing: Bool) throws(TensorIOError) {
    let parent = FileSystem.parent(of: target)
    guard FileSystem.kind(of: parent) == .folder else {
      throw TensorIOError(.parentMissing(parent), path: target)
    }
    StagedOutput.tidyUp(after: target)
    try StagedOutput.checkReplaceable(target, kind: kind, replacing: replacing)
    self.kind = kind
    self.target = target
    isReplacing = replacing
    let name = "." + FileSystem.name(of: target) + StagedOutput.marker
    stagingPath = FileSystem.join(parent, name + StagedOutput.randomName() + StagedOutput.suffix)
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
  public func commit() throws(TensorIOError) { try commit(exchange: Platform.exchange) }

  /// - Parameter exchange: exchanges two folders in one step; false where that cannot be done.
  func commit(exchange: (String, String) -> Bool) throws(TensorIOError) {
    try StagedOutput.checkReplaceable(target, kind: kind, replacing: isReplacing)
    if kind == .folder, fsync(lock) != 0 { throw TensorIOError(.syncFailed(errno: errno), path: stagingPath) }
    let existing = FileSystem.kindWithoutFollowing(target)
    if kind == .folder, existing != nil {
      try replaceExisting(exchange)
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
  ///
  /// A run killed between the two renames leaves no target; the next one puts the old one back.
  private func replaceExisting(_ exchange: (String, String) -> Bool) throws(TensorIOError) {
    if exchange(stagingPath, target) {
      StagedOutput.remove(stagingPath)
      return
    }
    let aside = stagingPath + StagedOutput.asideSuffix
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

  /// Eight digits, of 16.
  static func randomName() -> String { String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16) }

  /// Removes what killed runs for the same target left behind; what a live run holds locked is left alone.
  private static func tidyUp(after target: String) {
    let parent = FileSystem.parent(of: target)
    let prefix = Array(("." + FileSystem.name(of: target) + marker).utf8)
    guard let names = try? FileSystem.names(in: parent) else { return }
    for name in names where name.utf8.starts(with: prefix) {
      let rest = name.utf8.dropFirst(prefix.count)
      let ending = rest.dropFirst(8)
      guard ending.starts(with: suffix.utf8) else { continue }
      let path = FileSystem.join(parent, name)
      let role = String(decoding: ending.dropFirst(suffix.utf8.count), as: UTF8.self)
      guard role.isEmpty || role == asideSuffix || role.hasPrefix(spillSuffix) else { continue }
      let staged = String(decoding: path.utf8.dropLast(role.utf8.count), as: UTF8.self)
      whenAbandoned(staged) {
        // Its run was killed before the new one had the target's name.
        if role == asideSuffix, FileSystem.kindWithoutFollowing(target) == nil, rename(path, target) == 0 { return }
        remove(path)
      }
    }
  }

  /// Does something unless a live run holds the lock of a staged output; the output itself may be gone.
  private static func whenAbandoned(_ staged: String, _ body: () -> Void) {
    let descriptor = open(staged, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { body() }
      return
    }
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { body() }
    close(descriptor)
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
