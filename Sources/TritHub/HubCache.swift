// Tritsmith: the download cache of the Hub's own tools.

import TritCore

/// A folder of repositories as `hf download`, transformers and others leave it:
///
///     models--OWNER--NAME/refs/BRANCH              the commit, as text
///     models--OWNER--NAME/snapshots/COMMIT/FILE    a link to ../../blobs/DIGEST
///     models--OWNER--NAME/blobs/DIGEST
///
/// Source: huggingface_hub 2.4, `file_download.py`, and its guide "Understand caching".
struct HubCache {
  let folder: String

  /// What a cache has of a model.
  enum Finding: Equatable {
    /// A path that can be read.
    case complete(String)
    /// Something, and what it lacks; with the path of it.
    case incomplete(String, path: String)
    case missing
  }

  func find(_ name: HubName) -> Finding {
    let repository = FileSystem.join(folder, name.cacheFolder)
    guard FileSystem.kind(of: repository) == .folder else { return .missing }
    guard let snapshot = HubCache.snapshot(of: name.wantedRevision, in: repository) else {
      return .incomplete("has no snapshot of revision '\(name.wantedRevision)'", path: repository)
    }
    if let file = name.file {
      let path = FileSystem.join(snapshot, file)
      guard FileSystem.kind(of: path) != nil else { return .incomplete("lacks '\(printable(file))'", path: snapshot) }
      return .complete(path)
    }
    if let lack = HubCache.lack(of: snapshot) { return .incomplete(lack, path: snapshot) }
    return .complete(snapshot)
  }

  /// The snapshot a branch, a tag or a commit leads to, when it is there.
  static func snapshot(of revision: String, in repository: String) -> String? {
    let reference = FileSystem.join(repository, "refs/" + revision)
    var commit = revision
    if FileSystem.kind(of: reference) == .file {
      guard let bytes = try? InputFile(path: reference, mode: .buffered).contents(limit: 4096) else { return nil }
      commit = String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self)
    }
    // A branch with a slash in its name is no folder of snapshots.
    guard FileSystem.isPlainName(commit) else { return nil }
    let path = FileSystem.join(repository, "snapshots/" + commit)
    return FileSystem.kind(of: path) == .folder ? path : nil
  }

  /// Branches and tags without a slash that a cache knows of a model.
  func revisions(of name: HubName) -> [String] {
    let references = FileSystem.join(FileSystem.join(folder, name.cacheFolder), "refs")
    return (try? FileSystem.names(in: references)) ?? []
  }

  private static let index = "model.safetensors.index.json"

  /// What keeps a snapshot from being a whole model: other programs fetch a configuration alone; nil when nothing does.
  static func lack(of snapshot: String) -> String? {
    guard let names = try? FileSystem.names(in: snapshot) else { return "cannot be listed" }
    // A link to a blob that is gone, or was never complete, is a name without a file.
    func exists(_ name: String) -> Bool { FileSystem.kind(of: FileSystem.join(snapshot, name)) != nil }
    if exists("model.safetensors") { return nil }
    if exists(index) {
      let shards = shards(in: FileSystem.join(snapshot, index))
      guard let first = shards.first(where: { !exists($0) }) else { return nil }
      let missing = shards.count { !exists($0) }
      return "lacks \(missing) of \(shards.count) shards, first '\(printable(first))'"
    }
    let weights = names.filter { name in [".safetensors", ".gguf", ".tritpack"].contains(where: name.hasSuffix) }
    if weights.isEmpty { return "holds no weights" }
    guard let broken = weights.first(where: { !exists($0) }) else { return nil }
    return "has '\(printable(broken))' as a link that leads nowhere"
  }

  /// Names of shards in an index; none for one that is not understood, which its reader will say.
  private static func shards(in index: String) -> [String] {
    guard let bytes = try? InputFile(path: index, mode: .buffered).contents(limit: 100_000_000),
      let map = try? JSONValue.parse(bytes).object?["weight_map"]?.object
    else { return [] }
    return Set(map.entries.compactMap(\.value.string)).filter { FileSystem.isPlainName($0) }.sorted()
  }

  /// What a `models--OWNER--NAME` folder that was given stands for: its main revision, or the only one it has.
  ///
  /// Nil for a folder that is none.
  static func model(inRepository path: String) throws(HubError) -> String? {
    guard FileSystem.name(of: path).hasPrefix("models--"), FileSystem.kind(of: path) == .folder,
      FileSystem.kind(of: FileSystem.join(path, "snapshots")) == .folder
    else { return nil }
    if let found = snapshot(of: HubName.mainRevision, in: path) { return found }
    let snapshots = FileSystem.join(path, "snapshots")
    let names = ((try? FileSystem.names(in: snapshots)) ?? []).filter {
      FileSystem.kind(of: FileSystem.join(snapshots, $0)) == .folder
    }
    guard names.count == 1 else { throw HubError(.severalSnapshots(names), file: path) }
    return FileSystem.join(snapshots, names[0])
  }
}
