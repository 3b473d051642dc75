// Tritsmith: questions about paths.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What stands at a path.
public enum FileKind: String, Sendable {
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
  public var name: String {
    switch self {
    case .file: "a file"
    case .folder: "a folder"
    case .link: "a symbolic link"
    case .other: "a device, pipe or socket"
    }
  }
}

/// Questions about paths; nothing here writes.
public enum FileSystem {
  /// What stands at a path, links followed; nil when nothing does.
  public static func kind(of path: String) -> FileKind? {
    var status = stat()
    return stat(path, &status) == 0 ? FileKind(mode: status.st_mode) : nil
  }

  /// What stands at a path itself, a link being a link.
  public static func kindWithoutFollowing(_ path: String) -> FileKind? {
    var status = stat()
    return lstat(path, &status) == 0 ? FileKind(mode: status.st_mode) : nil
  }

  /// Bytes of a file, links followed; nil when it cannot be asked.
  public static func size(of path: String) -> UInt64? {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_size) : nil
  }

  /// Names in a folder without `.` and `..`, in byte order.
  public static func names(in folder: String) throws(TensorIOError) -> [String] {
    guard let stream = opendir(folder) else { throw TensorIOError(.cannotOpen(errno: errno), path: folder) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { ExactString($0) < ExactString($1) }
  }

  /// The absolute path with links resolved; nil when it does not exist.
  public static func resolved(_ path: String) -> String? {
    guard let buffer = realpath(path, nil) else { return nil }
    defer { free(buffer) }
    return String(cString: buffer)
  }

  /// The resolved path of something that may not exist yet: its folder resolved, its own name kept.
  public static func resolvedTarget(_ path: String) -> String? {
    guard let folder = resolved(parent(of: path)) else { return nil }
    return join(folder, name(of: path))
  }

  // Paths are cut at slash bytes: to Swift a slash and a combining accent after it are one character, which is no "/".
  private static let slash = UInt8(ascii: "/")

  /// A name inside a folder, one slash between them.
  public static func join(_ folder: String, _ name: String) -> String {
    folder.utf8.last == slash ? folder + name : folder + "/" + name
  }

  /// The last component, trailing slashes ignored.
  public static func name(of path: String) -> String {
    trimmed(path).split(separator: slash).last.map { String(Substring($0)) } ?? "/"
  }

  /// The folder a path stands in; `.` for a bare name.
  public static func parent(of path: String) -> String {
    let path = trimmed(path)
    guard let last = path.lastIndex(of: slash) else { return "." }
    return last == path.startIndex ? "/" : String(Substring(path[..<last]))
  }

  /// A name beside a path; a bare name stays bare.
  public static func sibling(_ name: String, of path: String) -> String {
    path.utf8.contains(slash) ? join(parent(of: path), name) : name
  }

  /// True when `path` is `folder` or stands inside it; both must be resolved.
  public static func isInside(_ path: String, of folder: String) -> Bool {
    path == folder || path.utf8.starts(with: join(folder, "").utf8)
  }

  /// Where a file of a folder really stands, when a link takes it out of the folder; nil when it stays inside.
  ///
  /// A download cache of the Hugging Face hub keeps the files of `snapshots/REVISION` as links to `../../blobs/DIGEST`;
  /// these count as inside.
  public static func escape(of name: String, in folder: String) -> String? {
    guard let root = resolved(folder), let real = resolved(join(folder, name)) else { return nil }
    if isInside(real, of: root) { return nil }
    let snapshots = parent(of: root)
    let blobs = join(parent(of: snapshots), "blobs")
    return FileSystem.name(of: snapshots) == "snapshots" && isInside(real, of: blobs) ? nil : real
  }

  /// True for a plain file name: not empty, no slash or NUL, not `.` or `..`.
  public static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(slash) && !name.utf8.contains(0)
  }

  private static func trimmed(_ path: String) -> Substring.UTF8View {
    var path = path[...].utf8
    while path.count > 1, path.last == slash { path.removeLast() }
    return path
  }

  /// Bytes that may still be written to the file system of an existing folder; nil when it does not say.
  public static func freeBytes(at folder: String) -> UInt64? {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    return UInt64(status.f_bavail) * UInt64(status.f_frsize)
  }
}
