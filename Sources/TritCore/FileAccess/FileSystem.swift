// Tritsmith: questions about paths.

import LibC
import VisibleText

/// What stands at a path.
package enum FileKind: String, Sendable {
  case file, folder, link, other

  init(mode: mode_t) {
    switch mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    case S_IFLNK: self = .link
    default: self = .other
    }
  }

  /// For messages, with an article.
  package var name: String {
    switch self {
    case .file: "a file"
    case .folder: "a folder"
    case .link: "a symbolic link"
    case .other: "a device, pipe or socket"
    }
  }
}

/// Questions about paths; nothing here writes.
package enum FileSystem {
  /// What stands at a path, links followed; nil when nothing does.
  package static func kind(of path: String) -> FileKind? {
    if let (folder, inner) = RemoteFolders.find(path) { return folder.kind(of: inner) }
    var status = stat()
    return stat(path, &status) == 0 ? FileKind(mode: status.st_mode) : nil
  }

  /// What stands at a path itself, a link being a link.
  package static func kindWithoutFollowing(_ path: String) -> FileKind? {
    if let (folder, inner) = RemoteFolders.find(path) { return folder.kind(of: inner) }
    var status = stat()
    return lstat(path, &status) == 0 ? FileKind(mode: status.st_mode) : nil
  }

  /// Bytes of a file, links followed; nil when it cannot be asked.
  package static func size(of path: String) -> UInt64? {
    if let (folder, inner) = RemoteFolders.find(path) { return folder.size(of: inner) }
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_size) : nil
  }

  /// Names in a folder without `.` and `..`, in byte order.
  ///
  /// Names that are not UTF-8 are left out: repaired to text they would be names of other files, or of none.
  package static func names(in folder: String) throws(TensorIOError) -> [String] {
    try entries(in: folder).compactMap { String(validating: $0, as: UTF8.self) }
      .sorted { ExactString($0) < ExactString($1) }
  }

  /// What `names` leaves out, repaired to be shown; no such name opens its file.
  package static func unusableNames(in folder: String) throws(TensorIOError) -> [String] {
    try entries(in: folder).filter { String(validating: $0, as: UTF8.self) == nil }
      .map { String(decoding: $0, as: UTF8.self) }
  }

  private static func entries(in folder: String) throws(TensorIOError) -> [[UInt8]] {
    if let (remote, inner) = RemoteFolders.find(folder) { return remote.names(in: inner).map { Array($0.utf8) } }
    guard let stream = opendir(folder) else { throw TensorIOError(.cannotOpen(errno: errno), path: folder) }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
    }
    return names
  }

  /// The absolute path with links resolved; nil when it does not exist, or is no text.
  package static func resolved(_ path: String) -> String? {
    realPath(path).flatMap { String(validating: $0, as: UTF8.self) }
  }

  /// The resolved path of something that may not exist yet: its folder resolved, its own name kept.
  package static func resolvedTarget(_ path: String) -> String? {
    realTarget(path).flatMap { String(validating: $0, as: UTF8.self) }
  }

  /// `resolved` in the bytes of the system, for comparing: a folder above may have a name that is not UTF-8.
  ///
  /// A path read over a network is its own, and inside of no other.
  package static func realPath(_ path: String) -> [UInt8]? {
    if RemoteFolders.contains(path) { return Array(trimmed(path)) }
    guard let buffer = realpath(path, nil) else { return nil }
    defer { free(buffer) }
    return UnsafeRawBufferPointer(start: buffer, count: strlen(buffer)).map { $0 }
  }

  /// `resolvedTarget` in the bytes of the system.
  package static func realTarget(_ path: String) -> [UInt8]? {
    realPath(parent(of: path)).map { $0 + ($0.last == slash ? [] : [slash]) + Array(name(of: path).utf8) }
  }

  // Paths are cut at slash bytes: to Swift a slash and a combining accent after it are one character, which is no "/".
  private static let slash = UInt8(ascii: "/")

  /// A name inside a folder, one slash between them.
  package static func join(_ folder: String, _ name: String) -> String {
    folder.utf8.last == slash ? folder + name : folder + "/" + name
  }

  /// The last component, trailing slashes ignored.
  package static func name(of path: String) -> String {
    let path = trimmed(path)
    guard let last = path.last, last != slash else { return "/" }
    return String(Substring(path[(path.lastIndex(of: slash).map { path.index(after: $0) } ?? path.startIndex)...]))
  }

  /// The folder a path stands in; `.` for a bare name.
  package static func parent(of path: String) -> String {
    let path = trimmed(path)
    guard let last = path.lastIndex(of: slash) else { return "." }
    return last == path.startIndex ? "/" : String(Substring(path[..<last]))
  }

  /// A name beside a path; a bare name stays bare.
  package static func sibling(_ name: String, of path: String) -> String {
    path.utf8.contains(slash) ? join(parent(of: path), name) : name
  }

  /// True when `path` is `folder` or stands inside it; both must be resolved.
  package static func isInside(_ path: [UInt8], of folder: [UInt8]) -> Bool {
    path == folder || path.starts(with: folder.last == slash ? folder : folder + [slash])
  }

  /// True when a path leads into a folder by whatever names, such as those of a bind mount; the path itself may be free.
  package static func isInside(_ path: String, ofFolder folder: String) -> Bool {
    guard let wanted = FileIdentity(of: folder) else { return false }
    var current = parent(of: path)
    while let identity = FileIdentity(of: current) {
      if identity == wanted { return true }
      let above = join(current, "..")
      // The root is its own parent.
      guard FileIdentity(of: above) != identity else { return false }
      current = above
    }
    return false
  }

  /// Where a file of a folder really stands, when a link takes it out of the folder; nil when it stays inside.
  ///
  /// A download cache of the Hugging Face hub keeps the files of `snapshots/REVISION` as links to `../../blobs/DIGEST`;
  /// these count as inside.
  package static func escape(of name: String, in folder: String) -> String? {
    guard let root = realPath(folder), let real = realPath(join(folder, name)) else { return nil }
    if isInside(real, of: root) { return nil }
    return hubBlobs(of: root).map { isInside(real, of: $0) } == true ? nil : String(decoding: real, as: UTF8.self)
  }

  /// The folder of files behind a snapshot of a download cache, or behind a folder in one; nil elsewhere.
  private static func hubBlobs(of folder: [UInt8]) -> [UInt8]? {
    hubFolder(of: folder).map { $0.flatMap { [slash] + $0 } + Array("/blobs".utf8) }
  }

  /// The parts of the path of REPOSITORY in REPOSITORY/snapshots/REVISION, and in whatever is inside that.
  private static func hubFolder(of path: [UInt8]) -> [[UInt8]]? {
    let parts = path.split(separator: slash).map(Array.init)
    guard let index = parts.lastIndex(of: Array("snapshots".utf8)), index > 0, index + 1 < parts.count else {
      return nil
    }
    return Array(parts[..<index])
  }

  /// The name of the repository a model is read from, or whose snapshot in a download cache it is, or is in:
  /// `Falcon-E-1B` of `models--tiiuae--Falcon-E-1B/snapshots/REVISION`; nil elsewhere.
  package static func hubRepository(of path: String) -> String? {
    if let (folder, _) = RemoteFolders.find(path) { return folder.shownName }
    // A file of a snapshot is a link to its blob: the folder it is named in tells, not where it leads.
    let found = [realPath(path), realTarget(path)].lazy.compactMap { $0.flatMap(hubFolder) }.first
    guard let name = found?.last, let text = String(validating: name, as: UTF8.self), text.hasPrefix("models--") else {
      return nil
    }
    return text.parts(between: "--").last { !$0.isEmpty }.map(String.init)
  }

  /// True for a plain file name: not empty, no slash or NUL, not `.` or `..`.
  package static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(slash) && !name.utf8.contains(0)
  }

  private static func trimmed(_ path: String) -> Substring.UTF8View {
    var path = path[...].utf8
    while path.count > 1, path.last == slash { path.removeLast() }
    return path
  }

  /// Bytes that may still be written to the file system of an existing folder; nil when it does not say.
  package static func freeBytes(at folder: String) -> UInt64? {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    return UInt64(status.f_bavail) * UInt64(status.f_frsize)
  }
}
