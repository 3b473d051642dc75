// Tritsmith: outputs that appear whole or not at all.

import LibC

/// A file or folder that is built under a temporary name beside its target and renamed when it is complete.
///
/// The temporary name is `.tritsmith-NAMEHASH-XXXXXXXX.partial`, as long for every target: a file system that takes the
/// target's name takes it. While it is being built it is locked (`flock`), so that the next run can tell what a killed
/// run left behind from what another run is still writing, and removes the former. Dropping the value without `commit`
/// removes everything. Files that only help to build the output have no name; for the moment they have one, it is the
/// temporary name and `.spill-XXXXXXXX`.
package final class StagedOutput: Sendable {
  /// What is staged.
  package enum Kind: Sendable { case file, folder }

  package let kind: Kind
  package let target: String
  /// The temporary path; for a folder, the files are made inside it.
  package let stagingPath: String
  private let isReplacing: Bool
  private let isRehearsal: Bool
  private let lock: Int32
  nonisolated(unsafe) private var isCommitted = false
  private static let marker = ".tritsmith-"
  /// Digits of the name's SHA-256; enough that two targets of one folder never share them.
  private static let nameDigits = 32
  /// New names tried when other runs take each one for a leftover; one is a rare race.
  private static let attempts = 64
  private static let suffix = ".partial"
  /// Of files that help to build the output.
  static let spillSuffix = ".spill-"
  /// Of what stood at the target, where a file system cannot exchange two folders in one step.
  private static let asideSuffix = ".old"

  /// Prepares an output, without touching what stands at the target.
  ///
  /// - Parameter rehearsal: true for one that is built to be looked at and never put in place: what stands at its target
  ///   may be anything, and may have been read.
  /// - Throws: when the target exists and `replacing` is false, when its folder is missing, or when it cannot be made.
  package init(
    _ kind: Kind, at target: String, replacing: Bool, rehearsal: Bool = false
  ) throws(TensorIOError) {
    let parent = FileSystem.parent(of: target)
    guard FileSystem.kind(of: parent) == .folder else {
      throw TensorIOError(.parentMissing(parent), path: target)
    }
    StagedOutput.tidyUp(after: target)
    // The temporary name fits where the target's own may not.
    var status = stat()
    if lstat(target, &status) != 0, errno == ENAMETOOLONG {
      throw TensorIOError(.cannotCreate(errno: ENAMETOOLONG), path: target)
    }
    if !rehearsal {
      try StagedOutput.checkReplaceable(target, kind: kind, replacing: replacing)
      try ReadFiles.checkNotRead(target)
    }
    isRehearsal = rehearsal
    self.kind = kind
    self.target = target
    isReplacing = replacing
    (stagingPath, lock) = try StagedOutput.makeLocked(kind, beside: target)
  }

  /// Makes a file or folder under a temporary name and locks it.
  ///
  /// Between the two another run may take it for a leftover. It then holds the lock, or the name no longer leads to what
  /// was made: a new name is tried. Once locked under its name it is safe.
  private static func makeLocked(_ kind: Kind, beside target: String) throws(TensorIOError) -> (String, Int32) {
    var code = EEXIST
    for _ in 0..<attempts {
      let name = prefix(of: target) + randomName() + suffix
      let path = FileSystem.join(FileSystem.parent(of: target), name)
      if kind == .folder, mkdir(path, 0o777) != 0 {
        code = errno
        guard code == EEXIST else { break }
        continue
      }
      let descriptor =
        kind == .file
        ? open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      guard descriptor >= 0 else {
        code = errno
        guard code == EEXIST || kind == .folder && code == ENOENT else { break }
        continue
      }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
        if isNamed(path, descriptor) { return (path, descriptor) }
        close(descriptor)
        continue
      }
      code = errno
      close(descriptor)
      // Held by a run that is about to remove it.
      guard code == EWOULDBLOCK else {
        remove(path)
        throw TensorIOError(.cannotLock(errno: code), path: target)
      }
    }
    throw TensorIOError(.cannotCreate(errno: code), path: target)
  }

  /// True when a path leads to what is open.
  static func isNamed(_ path: String, _ descriptor: Int32) -> Bool {
    var (named, opened) = (stat(), stat())
    return lstat(path, &named) == 0 && fstat(descriptor, &opened) == 0 && FileIdentity(named) == FileIdentity(opened)
  }

  /// What the temporary names for a target begin with.
  private static func prefix(of target: String) -> String {
    let digest = SHA256.digest(of: Array(FileSystem.name(of: target).utf8)).description
    return marker + digest.prefix(nameDigits) + "-"
  }

  deinit {
    if !isCommitted { StagedOutput.remove(stagingPath) }
    close(lock)
  }

  /// The path a file of the output is built at: `name` inside the folder, or the one file itself.
  package func path(of name: String) -> String {
    kind == .folder ? FileSystem.join(stagingPath, name) : stagingPath
  }

  /// A new, empty file of the output; a single-file output has one, whatever its name.
  package func createFile(_ name: String = "") throws(TensorIOError) -> OutputFile {
    switch kind {
    case .file: return try OutputFile(path: stagingPath, duplicating: lock)
    case .folder:
      // Of the one folder a model's may hold, see `CompanionPath`.
      if CompanionPath.isTemplate(name) { mkdir(path(of: CompanionPath.templates), 0o777) }
      return try OutputFile(creating: path(of: name))
    }
  }

  /// Puts the finished output in place: syncs, renames, syncs the folder. What stood there before goes only then.
  ///
  /// - Throws: also when something that may not be replaced has appeared at the target since the beginning.
  package func commit() throws(TensorIOError) { try commit(exchange: Platform.exchange) }

  /// - Parameter exchange: exchanges two folders in one step; false where that cannot be done.
  func commit(exchange: (String, String) -> Bool) throws(TensorIOError) {
    precondition(!isRehearsal, "a rehearsal is dropped")
    try StagedOutput.checkReplaceable(target, kind: kind, replacing: isReplacing)
    try ReadFiles.checkNotRead(target)
    if kind == .folder {
      StagedOutput.syncFolder(path(of: CompanionPath.templates))
      let code = Platform.sync(lock)
      guard code == 0 else { throw TensorIOError(.syncFailed(errno: code), path: stagingPath) }
    }
    let existing = FileSystem.kindWithoutFollowing(target)
    if kind == .folder, existing != nil {
      try replaceExisting(exchange)
    } else if isReplacing {
      guard rename(stagingPath, target) == 0 else { throw TensorIOError(.cannotReplace(errno: errno), path: target) }
    } else {
      let code = Platform.renameWithoutReplacing(stagingPath, to: target)
      guard code == 0 else {
        throw TensorIOError(code == EEXIST ? .alreadyExists : .cannotReplace(errno: code), path: target)
      }
    }
    isCommitted = true
    StagedOutput.syncFolder(FileSystem.parent(of: target))
  }

  /// Brings the names in a folder to the disk, as far as the system can; nothing where there is none.
  private static func syncFolder(_ path: String) {
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    _ = Platform.sync(folder)
    close(folder)
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

  /// Why nothing is put in a place that holds something; what --force would not replace is named as what it is.
  package static func taken(_ target: String, by existing: FileKind) -> TensorIOError {
    TensorIOError(
      existing == .other ? .isOfAnotherKind(found: existing.name, wanted: "an output") : .alreadyExists, path: target)
  }

  private static func checkReplaceable(_ target: String, kind: Kind, replacing: Bool) throws(TensorIOError) {
    guard let existing = FileSystem.kindWithoutFollowing(target) else { return }
    guard replacing else { throw StagedOutput.taken(target, by: existing) }
    switch (kind, existing) {
    case (.file, .folder), (.file, .other):
      throw TensorIOError(.isOfAnotherKind(found: existing.name, wanted: "a file"), path: target)
    case (.folder, .file), (.folder, .other):
      throw TensorIOError(.isOfAnotherKind(found: existing.name, wanted: "a folder"), path: target)
    case (.folder, .folder):
      // A model folder is flat; a folder with folders in it is somebody's work, not an earlier output.
      let inner = try FileSystem.names(in: target).first {
        let path = FileSystem.join(target, $0)
        return FileSystem.kindWithoutFollowing(path) == .folder && !CompanionPath.holdsTemplatesOnly(path)
      }
      if let inner { throw TensorIOError(.holdsOtherThings("the folder '\(printable(inner))'"), path: target) }
      if let other = try FileSystem.unusableNames(in: target).first {
        throw TensorIOError(.holdsOtherThings("'\(printable(other))', a name that is no UTF-8"), path: target)
      }
    default: break
    }
  }

  /// Eight digits, of 16.
  static func randomName() -> String { String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16) }

  /// Removes what killed runs for the same target left behind; what a live run holds locked is left alone.
  private static func tidyUp(after target: String) {
    let parent = FileSystem.parent(of: target)
    // Earlier versions put the target's whole name in front.
    let prefixes = [prefix(of: target), "." + FileSystem.name(of: target) + marker].map { Array($0.utf8) }
    guard let names = try? FileSystem.names(in: parent) else { return }
    for name in names {
      guard let prefix = prefixes.first(where: { name.utf8.starts(with: $0) }) else { continue }
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
    // A pipe somebody put there is not waited for.
    let descriptor = open(staged, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { body() }
      return
    }
    // Under the lock the name may lead to something else by now.
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0, isNamed(staged, descriptor) { body() }
    close(descriptor)
  }

  /// Removes an output this program made and nobody needs any more.
  package static func discard(_ path: String) {
    remove(path)
  }

  /// Removes a file, or a folder and the files in it; links are removed, never followed.
  private static func remove(_ path: String) {
    guard FileSystem.kindWithoutFollowing(path) == .folder else {
      unlink(path)
      return
    }
    // What is no template among templates is nothing this program made.
    for name in (try? CompanionPath.names(in: path)) ?? [] where CompanionPath.isValid(name) {
      unlink(FileSystem.join(path, name))
    }
    rmdir(FileSystem.join(path, CompanionPath.templates))
    rmdir(path)
  }
}
