// Tritsmith: a repository of the Hub at one commit.

#if !TRITSMITH_NO_NETWORK
  import Synchronization
  import TritCore

  /// The files of a model on the Hub, as a folder that readers open.
  final class HubRepository: RemoteFolder {
    /// A file as the Hub lists it.
    struct Entry: Sendable {
      var name: String
      var byteCount: UInt64
      /// Of a large file.
      var digest: Digest?
      /// Of a small one, as git names it.
      var blob: String?

      /// Its name among the blobs of a cache: what its ETag is.
      var blobName: String? { digest?.description ?? blob.flatMap { HubName.isCommit($0) ? $0 : nil } }
    }

    let commit: String
    private let name: HubName
    private let client: HubClient
    private let entries: [String: Entry]
    /// Names directly inside of each folder; the repository's own is empty.
    private let folders: [String: [String]]
    private let opened = Mutex<[String: HubFile]>([:])
    private let copies = Mutex<HubCopies?>(nil)
    /// As it was asked for.
    private let revision: String

    /// What a list may have: 100,000 files with long names.
    private static let listLimit = 32 << 20
    private static let fileLimit = 100_000

    /// Asks the Hub which commit a revision is, and which files it has.
    convenience init(listing name: HubName, given: String, _ client: HubClient) throws {
      let revision = HubFile.escaped(name.wantedRevision).split(separator: "/").joined(separator: "%2F")
      let path = "/api/models/" + name.repository + "/revision/" + revision + "?blobs=true"
      let json = try client.body(of: path, limit: HubRepository.listLimit, given: given, about: name)
      try self.init(list: json, name, given: given, client)
    }

    /// - Parameter json: what the Hub says of the model.
    init(list json: [UInt8], _ name: HubName, given: String, _ client: HubClient) throws {
      let list = try HubList(json, given: given)
      commit = list.commit
      revision = name.wantedRevision
      self.name = name.at(commit: list.commit)
      self.client = client
      guard list.entries.count <= HubRepository.fileLimit else {
        throw HubError(.badAnswer("it lists \(list.entries.count) files"), file: given)
      }
      entries = Dictionary(uniqueKeysWithValues: list.entries.map { ($0.name, $0) })
      folders = HubRepository.folders(of: list.entries)
    }

    /// Names directly inside of each folder that files are in.
    static func folders(of entries: [Entry]) -> [String: [String]] {
      var folders: [String: Set<String>] = ["": []]
      for entry in entries {
        var inner = entry.name
        while true {
          let parent = inner.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(inner[..<$0]) } ?? ""
          let isNew = folders[parent] == nil
          folders[parent, default: []].insert(FileSystem.name(of: inner))
          guard isNew, !parent.isEmpty else { break }
          inner = parent
        }
      }
      return folders.mapValues { $0.sorted { ExactString($0) < ExactString($1) } }
    }

    var shownName: String { name.name }

    /// Files that are a model by themselves, for messages.
    var modelNames: [String] {
      entries.keys.filter { name in [".safetensors", ".gguf", ".tritpack"].contains(where: name.hasSuffix) }.sorted()
    }

    func kind(of inner: String) -> FileKind? {
      if entries[inner] != nil { return .file }
      return folders[inner] == nil ? nil : .folder
    }

    func size(of inner: String) -> UInt64? { entries[inner]?.byteCount }

    func names(in inner: String) -> [String] { folders[inner] ?? [] }

    func open(_ inner: String) throws(TensorIOError) -> any RemoteFile { try file(inner) }

    func expect(_ inner: [String]) throws(TensorIOError) {
      var files: [HubFile] = []
      for name in inner where entries[name] != nil { files.append(try file(name)) }
      try HubFile.fetchBeginnings(of: files, client)
    }

    private func file(_ inner: String) throws(TensorIOError) -> HubFile {
      guard let entry = entries[inner] else {
        let path = name.description + (inner.isEmpty ? "" : "/" + inner)
        guard folders[inner] == nil else { throw TensorIOError(.notAFile(found: FileKind.folder.name), path: path) }
        throw TensorIOError(
          .transfer(
            TransferFault("the repository has no such file", remedy: "check the name", category: .cannotOpen)),
          path: path)
      }
      if let known = opened.withLock({ $0[inner] }) { return known }
      let copy = try copies.withLock { $0 }?.copy(of: entry)
      return opened.withLock { opened in
        if let known = opened[inner] { return known }
        let file = HubFile(entry, in: name, client, copy)
        opened[inner] = file
        return file
      }
    }

    // MARK: - Keeping what is read

    /// From now on the bytes of files that are opened also go to a cache folder.
    func save(to folder: String) throws(TensorIOError) {
      var asked = name
      asked.revision = revision
      let new = try HubCopies(in: folder, asked, commit: commit)
      opened.withLock { $0 = [:] }
      copies.withLock { $0 = new }
    }

    /// Fetches what is missing of the files that were opened, and puts them in place.
    func finishSaving() throws {
      guard let copies = copies.withLock({ $0 }) else { return }
      for (inner, file) in opened.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
        guard let entry = entries[inner] else { continue }
        try file.completeCopy()
        try copies.link(entry)
      }
      try copies.finish()
    }

    /// Drops what is not in place.
    func endSaving() {
      copies.withLock { $0 = nil }
      opened.withLock { $0 = [:] }
    }
  }

  /// Which revisions the Hub has of a model: `GET /api/models/OWNER/NAME/refs`.
  struct HubReferences {
    static let limit = 4 << 20

    /// Of branches and tags; what could be no revision is left out, as nobody can have asked for it.
    var names: [String]

    init(_ json: [UInt8], given: String) throws(HubError) {
      guard let object = try? JSONValue.parse(json).object, let branches = object["branches"]?.array else {
        throw HubError(.badAnswer("it lists no branches"), file: given)
      }
      names = (branches + (object["tags"]?.array ?? [])).compactMap { $0.object?["name"]?.string }
        .filter(HubName.isRevision)
    }
  }

  /// What the Hub says of a model: `GET /api/models/OWNER/NAME/revision/REVISION?blobs=true`.
  struct HubList {
    var commit: String
    var entries: [HubRepository.Entry]

    init(_ json: [UInt8], given: String) throws(HubError) {
      func bad(_ detail: String) -> HubError { HubError(.badAnswer(detail), file: given) }
      guard let object = try? JSONValue.parse(json).object else { throw bad("it is no JSON object") }
      guard let commit = object["sha"]?.string, HubName.isCommit(commit) else { throw bad("it names no commit") }
      guard let files = object["siblings"]?.array else { throw bad("it lists no files") }
      self.commit = commit
      entries = []
      // Names that differ in how an accent is spelled are one name on some systems.
      var known: Set<String> = []
      for value in files {
        guard let file = value.object, let name = file["rfilename"]?.string else { throw bad("a file has no name") }
        guard HubName.isInnerPath(name) else { throw bad("'\(printable(name))' is no name of a file") }
        guard known.insert(name).inserted else { throw bad("'\(printable(name))' is listed twice") }
        guard let size = file["size"]?.number?.unsigned, size < 1 << 62 else {
          throw bad("'\(printable(name))' has no size")
        }
        let large = file["lfs"]?.object
        if let large, large["size"]?.number?.unsigned != size { throw bad("'\(printable(name))' has two sizes") }
        let digest = (large?["sha256"] ?? large?["oid"])?.string
        if let digest, Digest(hex: digest) == nil { throw bad("'\(printable(name))' has no SHA-256") }
        entries.append(
          HubRepository.Entry(
            name: name, byteCount: size, digest: digest.flatMap { Digest(hex: $0) }, blob: file["blobId"]?.string))
      }
    }
  }
#endif
