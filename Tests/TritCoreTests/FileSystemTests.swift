// Tritsmith: paths and files.

import Testing
import TritCore
import TritTestSupport

@Suite struct FileSystemTests {
  @Test func namesAndParents() {
    let cases: [(path: String, name: String, parent: String)] = [
      ("a", "a", "."), ("a/b", "b", "a"), ("/a", "a", "/"), ("/a/b/c.txt", "c.txt", "/a/b"), ("a/", "a", "."),
      ("/a/b//", "b", "/a"), ("/", "/", "/"), ("//", "/", "/"), (".", ".", "."), ("./a", "a", "."), ("../a", "a", ".."),
      // A combining accent after a slash is one character with it to Swift, but not to the system.
      ("dir/\u{301}x", "\u{301}x", "dir"), ("dir\u{301}/x", "x", "dir\u{301}"),
    ]
    for (path, name, parent) in cases {
      #expect(Array(FileSystem.name(of: path).utf8) == Array(name.utf8), "name of \(path)")
      #expect(Array(FileSystem.parent(of: path).utf8) == Array(parent.utf8), "parent of \(path)")
    }
  }

  @Test func joining() {
    #expect(FileSystem.join("a", "b") == "a/b")
    #expect(FileSystem.join("a/", "b") == "a/b")
    #expect(FileSystem.join("/", "b") == "/b")
  }

  @Test func plainNames() {
    for name in ["a", "model.safetensors", "...", ".hidden", "a b", "é", "-", "a\\b", "\u{301}"] {
      #expect(FileSystem.isPlainName(name), "\(name)")
    }
    for name in ["", ".", "..", "/", "a/b", "/abs", "../x", "a/", "a\u{0}b", "dir/\u{301}x"] {
      #expect(!FileSystem.isPlainName(name), "\(name)")
    }
  }

  @Test func insideMeansBelowOrEqual() {
    func isInside(_ path: String, of folder: String) -> Bool {
      FileSystem.isInside(Array(path.utf8), of: Array(folder.utf8))
    }
    #expect(isInside("/a/b", of: "/a/b"))
    #expect(isInside("/a/b/c", of: "/a/b"))
    #expect(isInside("/a", of: "/"))
    #expect(!isInside("/a/bc", of: "/a/b"), "a common prefix of names is not containment")
    #expect(!isInside("/a", of: "/a/b"))
  }

  /// Repaired to text, a name that is no UTF-8 is the name of another file.
  @Test func namesThatAreNoTextAreNobodysNames() throws {
    try TemporaryFolder.with { folder in
      // 0xFF is in no UTF-8 text; repaired it becomes U+FFFD, the name of the file beside it.
      let commands = "cd \(folder.path) && mkdir $(printf 'b\\377') && ln -s $(printf 'b\\377') link"
      #expect(ProcessRunner().run("/bin/sh", ["-c", commands]).exitCode == 0)
      folder.write([1], to: "b\u{FFFD}")
      let (names, others) = (try FileSystem.names(in: folder.path), try FileSystem.unusableNames(in: folder.path))
      #expect(names == ["b\u{FFFD}", "link"])
      #expect(others == ["b\u{FFFD}"])
      let link = folder.path("link")
      #expect(FileSystem.kind(of: link) == .folder && FileSystem.resolved(link) == nil)
      #expect(FileSystem.realPath(link) == FileSystem.realPath(folder.path).map { $0 + Array("/b".utf8) + [0xFF] })
      #expect(FileSystem.realTarget(link + "/new")?.suffix(5) == [0xFF] + Array("/new".utf8))
    }
  }

  /// `models--OWNER--NAME/{blobs/DIGEST, snapshots/REVISION/FOLDER/FILE → ../../../blobs/DIGEST}`.
  @Test func aDownloadCacheKeepsItsFilesBeside() {
    TemporaryFolder.with { folder in
      for inner in ["repo", "repo/blobs", "repo/snapshots", "repo/snapshots/1f", "repo/snapshots/1f/gguf", "other"] {
        folder.makeFolder(inner)
      }
      folder.write([1], to: "repo/blobs/d1")
      folder.write([1], to: "other/x")
      folder.write([1], to: "repo/x")
      folder.makeLink("repo/snapshots/1f/a", to: "../../blobs/d1")
      folder.makeLink("repo/snapshots/1f/gguf/b", to: "../../../blobs/d1")
      folder.makeLink("repo/snapshots/1f/gguf/c", to: "../../../../other/x")
      folder.makeLink("repo/snapshots/1f/gguf/d", to: "../../../x")
      folder.makeLink("other/e", to: "../repo/blobs/d1")
      let (revision, inner) = (folder.path("repo/snapshots/1f"), folder.path("repo/snapshots/1f/gguf"))
      #expect(FileSystem.escape(of: "a", in: revision) == nil)
      #expect(FileSystem.escape(of: "b", in: inner) == nil)
      #expect(FileSystem.escape(of: "gguf/b", in: revision) == nil)
      #expect(FileSystem.escape(of: "c", in: inner) == folder.path("other/x"))
      #expect(FileSystem.escape(of: "d", in: inner) == folder.path("repo/x"))
      #expect(FileSystem.escape(of: "e", in: folder.path("other")) == folder.path("repo/blobs/d1"))
      // `snapshots` itself is no revision.
      folder.makeLink("repo/snapshots/f", to: "../blobs/d1")
      #expect(FileSystem.escape(of: "f", in: folder.path("repo/snapshots")) == folder.path("repo/blobs/d1"))
    }
  }

  @Test func kindsSizesAndNames() throws {
    try TemporaryFolder.with { folder in
      folder.write([1, 2, 3], to: "file")
      folder.write([], to: ".hidden")
      folder.makeFolder("Folder")
      folder.makeLink("link", to: "file")
      folder.makeLink("dangling", to: "nowhere")
      folder.makePipe("pipe")
      #expect(FileSystem.kind(of: folder.path("file")) == .file)
      #expect(FileSystem.kind(of: folder.path("Folder")) == .folder)
      #expect(FileSystem.kind(of: folder.path("link")) == .file)
      #expect(FileSystem.kind(of: folder.path("dangling")) == nil)
      #expect(FileSystem.kind(of: folder.path("pipe")) == .other)
      #expect(FileSystem.kind(of: folder.path("absent")) == nil)
      #expect(FileSystem.kindWithoutFollowing(folder.path("link")) == .link)
      #expect(FileSystem.kindWithoutFollowing(folder.path("dangling")) == .link)
      #expect(FileSystem.size(of: folder.path("link")) == 3)
      #expect(FileSystem.size(of: folder.path("absent")) == nil)
      // Byte order puts capitals first.
      let names = try FileSystem.names(in: folder.path)
      #expect(names == [".hidden", "Folder", "dangling", "file", "link", "pipe"])
      #expect(throws: TensorIOError(.cannotOpen(errno: 2), path: folder.path("absent"))) {
        try FileSystem.names(in: folder.path("absent"))
      }
      // A name of the Hub that is cut short is no path.
      #expect(TensorIOError(.cannotOpen(errno: 2), path: "hf://x").remedy?.contains("hf://OWNER/NAME") == true)
      #expect(throws: TensorIOError(.cannotOpen(errno: 20), path: folder.path("file"))) {
        try FileSystem.names(in: folder.path("file"))
      }
      #expect(FileSystem.freeBytes(at: folder.path).map { $0 > 0 } == true)
      #expect(FileSystem.freeBytes(at: folder.path("absent")) == nil)
    }
  }

  @Test func resolvingFollowsLinks() {
    TemporaryFolder.with { folder in
      folder.makeFolder("real")
      folder.makeLink("alias", to: "real")
      let real = folder.path("real")
      #expect(FileSystem.resolved(folder.path("alias")) == real)
      #expect(FileSystem.resolved(folder.path("alias/../alias")) == real)
      #expect(FileSystem.resolved(folder.path("absent")) == nil)
      #expect(FileSystem.resolvedTarget(folder.path("alias/new")) == real + "/new")
      #expect(FileSystem.resolvedTarget(folder.path("absent/new")) == nil)
    }
  }
}

@Suite struct InputFileTests {
  @Test(arguments: FileAccessMode.allCases)
  func readsRanges(_ mode: FileAccessMode) throws {
    try TemporaryFolder.with { folder in
      var generator = SeededGenerator(seed: 3)
      // More than two pages, and no multiple of one.
      let content = generator.bytes(10_001)
      let file = try InputFile(path: folder.write(content, to: "data"), mode: mode)
      #expect(file.byteCount == 10_001)
      for range in [0..<0, 0..<1, 0..<10_001, 4095..<4097, 10_000..<10_001, 10_001..<10_001] {
        let bounds = UInt64(range.lowerBound)..<UInt64(range.upperBound)
        let expected = Array(content[range])
        #expect(try file.bytes(bounds) == expected, "\(range)")
        let seen = try file.withBytes(bounds) { span in span.withUnsafeBytes { Array($0) } }
        #expect(seen == expected, "\(range)")
      }
      #expect(try file.contents(limit: 10_001) == content)
      // Memory that was given back is read again.
      file.release(0..<10_001)
      file.release(5000..<5001)
      #expect(
        try file.withBytes(4000..<6000) { span in span.withUnsafeBytes { Array($0) } } == Array(content[4000..<6000]))
      try file.checkUnchanged()
    }
  }

  @Test(arguments: FileAccessMode.allCases)
  func refusesRangesPastTheEnd(_ mode: FileAccessMode) throws {
    try TemporaryFolder.with { folder in
      let path = folder.write([1, 2, 3], to: "data")
      let file = try InputFile(path: path, mode: mode)
      for range in [0..<4, 3..<4, 4..<4, 9..<12] as [Range<UInt64>] {
        let error = TensorIOError(.outOfRange(requested: range, byteCount: 3), path: path)
        #expect(throws: error) { try file.bytes(range) }
        #expect(throws: error) { try file.withBytes(range) { _ in } }
      }
      #expect(throws: TensorIOError(.tooLarge(byteCount: 3, limit: 2), path: path)) { try file.contents(limit: 2) }
    }
  }

  @Test(arguments: FileAccessMode.allCases)
  func readsAnEmptyFile(_ mode: FileAccessMode) throws {
    try TemporaryFolder.with { folder in
      let file = try InputFile(path: folder.write([], to: "empty"), mode: mode)
      #expect(file.byteCount == 0)
      #expect(try file.contents(limit: 0) == [])
      #expect(try file.withBytes(0..<0) { $0.byteCount } == 0)
      file.release(0..<0)
    }
  }

  @Test(arguments: FileAccessMode.allCases)
  func opensRegularFilesOnly(_ mode: FileAccessMode) {
    TemporaryFolder.with { folder in
      #expect(throws: TensorIOError(.cannotOpen(errno: 2), path: folder.path("absent"))) {
        try InputFile(path: folder.path("absent"), mode: mode)
      }
      #expect(throws: TensorIOError(.notAFile(found: "a folder"), path: folder.path)) {
        try InputFile(path: folder.path, mode: mode)
      }
      #expect(throws: TensorIOError(.notAFile(found: "a device, pipe or socket"), path: "/dev/null")) {
        try InputFile(path: "/dev/null", mode: mode)
      }
      // Opening a pipe nobody writes to must not wait for a writer.
      let pipe = folder.makePipe("pipe")
      #expect(throws: TensorIOError(.notAFile(found: "a device, pipe or socket"), path: pipe)) {
        try InputFile(path: pipe, mode: mode)
      }
      let broken = folder.write([1], to: "file") + "/below"
      #expect(throws: TensorIOError(.cannotOpen(errno: 20), path: broken)) { try InputFile(path: broken, mode: mode) }
    }
  }

  // Permissions do not bind the superuser, so there is nothing to see for one.
  @Test(.disabled(if: RawFile.permissionsAreIgnored, "permissions do not bind this user"))
  func unreadableFilesSaySo() {
    TemporaryFolder.with { folder in
      let path = folder.write([1], to: "secret")
      RawFile.setMode(0, of: path)
      #expect(throws: TensorIOError(.cannotOpen(errno: 13), path: path)) { try InputFile(path: path) }
    }
  }

  @Test func shrinkingUnderBufferedReadsIsATypedError() throws {
    try TemporaryFolder.with { folder in
      let path = folder.write([UInt8](repeating: 7, count: 5000), to: "data")
      let file = try InputFile(path: path, mode: .buffered)
      RawFile.setSize(1000, of: path)
      #expect(try file.bytes(0..<1000).count == 1000)
      let error = TensorIOError(.endsEarly(expected: 3000, found: 1000), path: path)
      #expect(throws: error) { try file.bytes(500..<3000) }
      #expect(throws: error) { try file.withBytes(500..<3000) { _ in } }
      // Past the new end altogether: what is found is where reading began.
      #expect(throws: TensorIOError(.endsEarly(expected: 3000, found: 2000), path: path)) {
        try file.bytes(2000..<3000)
      }
    }
  }

  @Test func changesAreNoticed() throws {
    try TemporaryFolder.with { folder in
      let path = folder.write([1, 2, 3], to: "data")
      RawFile.setModificationTime(secondsSinceEpoch: 1_000_000, of: path)
      let file = try InputFile(path: path)
      try file.checkUnchanged()
      RawFile.setModificationTime(secondsSinceEpoch: 1_000_001, of: path)
      #expect(throws: TensorIOError(.changedWhileRead(detail: "its modification time moved"), path: path)) {
        try file.checkUnchanged()
      }
      RawFile.write([1, 2, 3, 4], to: path)
      #expect(throws: TensorIOError(.changedWhileRead(detail: "3 bytes at the start, 4 now"), path: path)) {
        try file.checkUnchanged()
      }
    }
  }

  @Test func aFileOfTheSameNameIsAnotherFile() throws {
    try TemporaryFolder.with { folder in
      let path = folder.write([1, 2, 3], to: "data")
      let file = try InputFile(path: path, mode: .buffered)
      let staged = try StagedOutput(.file, at: path, replacing: true)
      try staged.createFile().write([9, 9], at: 0)
      try staged.commit()
      #expect(try file.contents(limit: 3) == [1, 2, 3], "an open file keeps its content")
      try file.checkUnchanged()
      #expect(RawFile.read(path) == [9, 9])
    }
  }
}

@Suite struct OutputFileTests {
  @Test func writesByPositionInAnyOrder() throws {
    try TemporaryFolder.with { folder in
      let path = folder.path("out")
      let file = try OutputFile(creating: path)
      try file.write([7, 8], at: 6)
      try file.write([1, 2], at: 0)
      try file.write([], at: 100)
      try file.resize(to: 10)
      #expect(RawFile.read(path) == [1, 2, 0, 0, 0, 0, 7, 8, 0, 0])
      #expect(try file.bytes(1..<7) == [2, 0, 0, 0, 0, 7])
      #expect(throws: TensorIOError(.endsEarly(expected: 12, found: 10), path: path)) { try file.bytes(9..<12) }
      try file.resize(to: 1)
      try file.sync()
      #expect(RawFile.read(path) == [1])
    }
  }

  @Test func neverOpensWhatExists() {
    TemporaryFolder.with { folder in
      let path = folder.write([1], to: "taken")
      folder.makeLink("dangling", to: "elsewhere")
      #expect(throws: TensorIOError(.cannotCreate(errno: 17), path: path)) { try OutputFile(creating: path) }
      #expect(throws: TensorIOError(.cannotCreate(errno: 17), path: folder.path("dangling"))) {
        try OutputFile(creating: folder.path("dangling"))
      }
      #expect(RawFile.read(path) == [1])
      #expect(folder.names == ["dangling", "taken"])
    }
  }

  @Test func aFileWithoutANameStillWorks() throws {
    try TemporaryFolder.with { folder in
      let file = try OutputFile(unnamedBeside: folder.path("out"))
      #expect(folder.names == [])
      try file.write([1, 2, 3], at: 0)
      #expect(try file.bytes(0..<3) == [1, 2, 3])
    }
  }
}
