// Tritsmith: outputs that appear whole or not at all.

import Synchronization
import Testing
import TritTestSupport

@testable import TritCore

@Suite struct StagedOutputTests {
  // MARK: Files

  @Test func aFileAppearsOnlyAtCommit() throws {
    try TemporaryFolder.with { folder in
      let target = folder.path("model.tritpack")
      let staged = try StagedOutput(.file, at: target, replacing: false)
      try staged.createFile().write([1, 2, 3], at: 0)
      #expect(FileSystem.kind(of: target) == nil)
      #expect(folder.names == [FileSystem.name(of: staged.stagingPath)], "it is built beside its target")
      #expect(folder.names[0].hasPrefix(".tritsmith-") && folder.names[0].hasSuffix(".partial"))
      try staged.commit()
      #expect(folder.names == ["model.tritpack"])
      #expect(RawFile.read(target) == [1, 2, 3])
    }
  }

  @Test func aDroppedFileLeavesNothing() throws {
    try TemporaryFolder.with { folder in
      do {
        let staged = try StagedOutput(.file, at: folder.path("out"), replacing: false)
        try staged.createFile().write([1], at: 0)
        #expect(folder.names.count == 1)
      }
      #expect(folder.names == [])
    }
  }

  @Test func aDroppedReplacementKeepsTheOldFile() throws {
    try TemporaryFolder.with { folder in
      let target = folder.write([9], to: "out")
      do {
        let staged = try StagedOutput(.file, at: target, replacing: true)
        try staged.createFile().write([1], at: 0)
      }
      #expect(folder.names == ["out"])
      #expect(RawFile.read(target) == [9])
    }
  }

  @Test func replacingAFile() throws {
    try TemporaryFolder.with { folder in
      let target = folder.write([9, 9, 9], to: "out")
      #expect(throws: TensorIOError(.alreadyExists, path: target)) {
        try StagedOutput(.file, at: target, replacing: false)
      }
      let staged = try StagedOutput(.file, at: target, replacing: true)
      try staged.createFile().write([1], at: 0)
      #expect(RawFile.read(target) == [9, 9, 9])
      try staged.commit()
      #expect(RawFile.read(target) == [1])
      #expect(folder.names == ["out"])
    }
  }

  @Test func aLinkAtTheTargetIsReplacedAndNotFollowed() throws {
    try TemporaryFolder.with { folder in
      let precious = folder.write([9], to: "precious")
      let target = folder.makeLink("out", to: "precious")
      #expect(throws: TensorIOError(.alreadyExists, path: target)) {
        try StagedOutput(.file, at: target, replacing: false)
      }
      let staged = try StagedOutput(.file, at: target, replacing: true)
      try staged.createFile().write([1], at: 0)
      try staged.commit()
      #expect(FileSystem.kindWithoutFollowing(target) == .file)
      #expect(RawFile.read(target) == [1])
      #expect(RawFile.read(precious) == [9])
    }
  }

  @Test func aPipeUnderTheNameOfALeftoverIsNotWaitedFor() throws {
    try TemporaryFolder.with { folder in
      let target = folder.path("out")
      let name = try FileSystem.name(of: StagedOutput(.file, at: target, replacing: false).stagingPath)
      folder.makePipe(name)
      let staged = try StagedOutput(.file, at: target, replacing: false)
      try staged.createFile().write([1], at: 0)
      try staged.commit()
      #expect(folder.names == ["out"])
    }
  }

  @Test func aDanglingLinkCountsAsExisting() {
    TemporaryFolder.with { folder in
      let target = folder.makeLink("out", to: "nowhere")
      #expect(throws: TensorIOError(.alreadyExists, path: target)) {
        try StagedOutput(.folder, at: target, replacing: false)
      }
    }
  }

  // MARK: Folders

  @Test func aFolderAppearsOnlyAtCommit() throws {
    try TemporaryFolder.with { folder in
      let target = folder.path("model")
      let staged = try StagedOutput(.folder, at: target, replacing: false)
      try staged.createFile("config.json").write([0x7B, 0x7D], at: 0)
      try staged.createFile("model.safetensors").write([1], at: 0)
      #expect(throws: TensorIOError(.cannotCreate(errno: 17), path: staged.path(of: "config.json"))) {
        try staged.createFile("config.json")
      }
      #expect(FileSystem.kind(of: target) == nil)
      try staged.commit()
      #expect(folder.names == ["model"])
      #expect(try FileSystem.names(in: target) == ["config.json", "model.safetensors"])
    }
  }

  @Test func aDroppedFolderLeavesNothing() throws {
    try TemporaryFolder.with { folder in
      do {
        let staged = try StagedOutput(.folder, at: folder.path("model"), replacing: false)
        try staged.createFile("a").write([1], at: 0)
        try staged.createFile("b").write([1], at: 0)
      }
      #expect(folder.names == [])
    }
  }

  @Test func replacingAFolderTakesAllOfIt() throws {
    try TemporaryFolder.with { folder in
      let target = folder.makeFolder("model")
      folder.write([9], to: "model/old.bin")
      folder.write([9], to: "model/config.json")
      #expect(throws: TensorIOError(.alreadyExists, path: target)) {
        try StagedOutput(.folder, at: target, replacing: false)
      }
      let staged = try StagedOutput(.folder, at: target, replacing: true)
      try staged.createFile("config.json").write([1], at: 0)
      #expect(RawFile.read(folder.path("model/config.json")) == [9])
      try staged.commit()
      #expect(try FileSystem.names(in: target) == ["config.json"])
      #expect(RawFile.read(folder.path("model/config.json")) == [1])
      #expect(folder.names == ["model"])
    }
  }

  @Test func aLinkToAFolderIsReplacedAndNotFollowed() throws {
    try TemporaryFolder.with { folder in
      folder.makeFolder("precious")
      folder.write([9], to: "precious/thesis.txt")
      let target = folder.makeLink("model", to: "precious")
      let staged = try StagedOutput(.folder, at: target, replacing: true)
      try staged.createFile("config.json").write([1], at: 0)
      try staged.commit()
      #expect(FileSystem.kindWithoutFollowing(target) == .folder)
      #expect(try FileSystem.names(in: target) == ["config.json"])
      #expect(RawFile.read(folder.path("precious/thesis.txt")) == [9])
      #expect(folder.names == ["model", "precious"])
    }
  }

  @Test func aFolderWithFoldersIsNobodysOutput() {
    TemporaryFolder.with { folder in
      let target = folder.makeFolder("work")
      folder.makeFolder("work/src")
      #expect(throws: TensorIOError(.holdsOtherThings("the folder 'src'"), path: target)) {
        try StagedOutput(.folder, at: target, replacing: true)
      }
      #expect(folder.names == ["work"])
    }
  }

  // MARK: Refusals

  @Test func aFileIsNotReplacedByAFolderNorTheOtherWayRound() {
    TemporaryFolder.with { folder in
      let file = folder.write([1], to: "file")
      let inner = folder.makeFolder("folder")
      #expect(throws: TensorIOError(.isOfAnotherKind(found: "a file", wanted: "a folder"), path: file)) {
        try StagedOutput(.folder, at: file, replacing: true)
      }
      #expect(throws: TensorIOError(.isOfAnotherKind(found: "a folder", wanted: "a file"), path: inner)) {
        try StagedOutput(.file, at: inner, replacing: true)
      }
      #expect(folder.names == ["file", "folder"])
    }
  }

  /// `--force` with /dev/null as output must not put a file in its place.
  @Test(arguments: [StagedOutput.Kind.file, .folder])
  func devicesAndPipesAreNotReplaced(_ kind: StagedOutput.Kind) {
    TemporaryFolder.with { folder in
      let pipe = folder.makePipe("pipe")
      let found = "a device, pipe or socket"
      let wanted = kind == .file ? "a file" : "a folder"
      let error = TensorIOError(.isOfAnotherKind(found: found, wanted: wanted), path: pipe)
      #expect(throws: error) { try StagedOutput(kind, at: pipe, replacing: true) }
      #expect(folder.names == ["pipe"])
    }
  }

  @Test(arguments: [StagedOutput.Kind.file, .folder])
  func theFolderOfTheTargetMustExist(_ kind: StagedOutput.Kind) {
    TemporaryFolder.with { folder in
      let target = folder.path("absent/out")
      #expect(throws: TensorIOError(.parentMissing(folder.path("absent")), path: target)) {
        try StagedOutput(kind, at: target, replacing: false)
      }
      folder.write([1], to: "file")
      let below = folder.path("file/out")
      #expect(throws: TensorIOError(.parentMissing(folder.path("file")), path: below)) {
        try StagedOutput(kind, at: below, replacing: false)
      }
      #expect(folder.names == ["file"])
    }
  }

  @Test func aNameTooLongForTheFileSystemIsRefusedCleanly() {
    TemporaryFolder.with { folder in
      let target = folder.path(String(repeating: "n", count: 256))
      for kind in [StagedOutput.Kind.file, .folder] {
        // ENAMETOOLONG, before anything is built: the temporary name would fit.
        #expect(throws: TensorIOError(.cannotCreate(errno: 36), path: target)) {
          try StagedOutput(kind, at: target, replacing: false)
        }
      }
      #expect(folder.names == [])
    }
  }

  /// What appears at the target while the output is being built belongs to somebody else.
  @Test(arguments: [StagedOutput.Kind.file, .folder])
  func whatAppearsMeanwhileIsNotOverwritten(_ kind: StagedOutput.Kind) throws {
    try TemporaryFolder.with { folder in
      let target = folder.path("out")
      do {
        let staged = try StagedOutput(kind, at: target, replacing: false)
        try staged.createFile("file").write([1], at: 0)
        if kind == .file {
          folder.write([9], to: "out")
        } else {
          folder.makeFolder("out")
          folder.write([9], to: "out/thesis.txt")
        }
        #expect(throws: TensorIOError(.alreadyExists, path: target)) { try staged.commit() }
      }
      #expect(folder.names == ["out"])
      #expect(RawFile.read(kind == .file ? target : target + "/thesis.txt") == [9])
    }
  }

  // MARK: Leftovers

  @Test func leftoversOfAKilledRunAreRemoved() throws {
    try TemporaryFolder.with { folder in
      // As a killed run leaves them: with the SHA-256 of the target's name, locked by nobody. By `printf out | sha256sum`.
      let name = ".tritsmith-762069bc07a6e1b5df123a5ae7bd91c1-"
      folder.write([1], to: name + "0badcafe.partial")
      folder.makeFolder(name + "12345678.partial")
      folder.write([1], to: name + "12345678.partial/model.safetensors")
      folder.write([1], to: name + "12345678.partial.spill-0badcafe")
      // As earlier versions left them.
      folder.write([1], to: ".out.tritsmith-0badcafe.partial")
      folder.makeFolder(".out.tritsmith-12345678.partial")
      folder.write([1], to: ".out.tritsmith-12345678.partial/model.safetensors")
      folder.write([1], to: ".out.tritsmith-12345678.partial.spill-0badcafe")
      // Not of this target, or not of this program.
      folder.write([1], to: ".other.tritsmith-0badcafe.partial")
      folder.write([1], to: ".out.tritsmith-0badcafe.partial.txt")
      folder.write([1], to: "out.tritsmith-0badcafe.partial")
      let staged = try StagedOutput(.file, at: folder.path("out"), replacing: false)
      try staged.createFile().write([1], at: 0)
      try staged.commit()
      #expect(
        folder.names == [
          ".other.tritsmith-0badcafe.partial", ".out.tritsmith-0badcafe.partial.txt", "out",
          "out.tritsmith-0badcafe.partial",
        ])
    }
  }

  @Test(arguments: [StagedOutput.Kind.file, .folder])
  func aLiveRunKeepsItsStaging(_ kind: StagedOutput.Kind) throws {
    try TemporaryFolder.with { folder in
      let target = folder.path("out")
      let first = try StagedOutput(kind, at: target, replacing: true)
      try first.createFile("file").write([1], at: 0)
      let second = try StagedOutput(kind, at: target, replacing: true)
      try second.createFile("file").write([2], at: 0)
      #expect(folder.names.count == 2, "the second run found the first one locked")
      try first.commit()
      try second.commit()
      #expect(folder.names == ["out"])
      #expect(RawFile.read(kind == .file ? target : target + "/file") == [2], "the last to finish stands")
    }
  }

  @Test func aLiveRunKeepsItsSpill() throws {
    try TemporaryFolder.with { folder in
      let first = try StagedOutput(.file, at: folder.path("out"), replacing: false)
      let name = FileSystem.name(of: first.stagingPath)
      folder.write([1], to: name + ".spill-0badcafe")
      _ = try StagedOutput(.file, at: folder.path("out"), replacing: false)
      #expect(folder.names == [name, name + ".spill-0badcafe"])
    }
  }

  @Test func aFolderIsReplacedWhereTwoCannotBeExchanged() throws {
    try TemporaryFolder.with { folder in
      let target = folder.makeFolder("model")
      folder.write([9], to: "model/old.bin")
      do {
        let staged = try StagedOutput(.folder, at: target, replacing: true)
        try staged.createFile("config.json").write([1], at: 0)
        // The new one goes in the moment the old one has been moved aside: it is brought back.
        #expect(throws: TensorIOError(.cannotReplace(errno: 2), path: target)) {
          try staged.commit { path, _ in
            StagedOutput.discard(path)
            return false
          }
        }
        #expect(folder.names == ["model"])
        #expect(try FileSystem.names(in: target) == ["old.bin"])
      }
      let staged = try StagedOutput(.folder, at: target, replacing: true)
      try staged.createFile("config.json").write([1], at: 0)
      try staged.commit { _, _ in false }
      #expect(folder.names == ["model"])
      #expect(try FileSystem.names(in: target) == ["config.json"])
    }
  }

  /// As a run leaves it that is killed between moving the old folder aside and putting the new one in its place.
  @Test func whatWasMovedAsideIsBroughtBack() throws {
    try TemporaryFolder.with { folder in
      folder.makeFolder(".out.tritsmith-12345678.partial")
      folder.makeFolder(".out.tritsmith-12345678.partial.old")
      folder.write([9], to: ".out.tritsmith-12345678.partial.old/precious.bin")
      #expect(throws: TensorIOError(.alreadyExists, path: folder.path("out"))) {
        try StagedOutput(.folder, at: folder.path("out"), replacing: false)
      }
      #expect(folder.names == ["out"])
      #expect(RawFile.read(folder.path("out/precious.bin")) == [9])
      // Killed after both: the new one stands, the old one goes.
      folder.makeFolder(".out.tritsmith-12345678.partial.old")
      folder.write([8], to: ".out.tritsmith-12345678.partial.old/precious.bin")
      _ = try StagedOutput(.folder, at: folder.path("out"), replacing: true)
      #expect(folder.names == ["out"])
      #expect(RawFile.read(folder.path("out/precious.bin")) == [9])
    }
  }

  @Test func aLinkNamedLikeALeftoverIsNotFollowed() throws {
    try TemporaryFolder.with { folder in
      folder.makeFolder("precious")
      folder.write([9], to: "precious/thesis.txt")
      folder.makeLink(".out.tritsmith-0badcafe.partial", to: "precious")
      _ = try StagedOutput(.file, at: folder.path("out"), replacing: false)
      #expect(RawFile.read(folder.path("precious/thesis.txt")) == [9])
    }
  }

  /// 255 bytes are what Linux file systems take: 85 characters of 3 bytes are as many.
  @Test(arguments: [String(repeating: "n", count: 255), String(repeating: "模", count: 85)])
  func theLongestNamesAreStaged(_ name: String) throws {
    try TemporaryFolder.with { folder in
      for kind in [StagedOutput.Kind.file, .folder] {
        let target = folder.path(name)
        do {
          let staged = try StagedOutput(kind, at: target, replacing: false)
          try staged.createFile("file").write([1], at: 0)
          let spill = try OutputFile(unnamedBeside: staged.stagingPath)
          try spill.write([2], at: 0)
          try staged.commit()
        }
        #expect(folder.names == [name])
        if kind == .folder {
          let staged = try StagedOutput(kind, at: target, replacing: true)
          // Where two folders cannot be exchanged, the old one has a longer name for a moment.
          try staged.commit { _, _ in false }
        }
        StagedOutput.discard(target)
      }
      let error = #expect(throws: TensorIOError.self) {
        let staged = try StagedOutput(.file, at: folder.path(name + "n"), replacing: false)
        try staged.createFile().write([1], at: 0)
        try staged.commit()
      }
      #expect(error?.remedy?.contains("shorter name") == true)
      #expect(folder.names == [])
    }
  }

  /// Two runs that both found nothing at the target: the second to finish must not replace the first one's output.
  @Test(arguments: [StagedOutput.Kind.file, .folder])
  func whatAppearedMeanwhileIsNotReplaced(_ kind: StagedOutput.Kind) {
    TemporaryFolder.with { folder in
      let target = folder.path("out")
      let (first, second) = (folder.path("a"), folder.path("b"))
      for path in [first, second] {
        if kind == .folder { folder.makeFolder(FileSystem.name(of: path)) }
        folder.write([path == first ? 1 : 2], to: FileSystem.name(of: path) + (kind == .folder ? "/file" : ""))
      }
      #expect(Platform.renameWithoutReplacing(first, to: target) == 0)
      #expect(Platform.renameWithoutReplacing(second, to: target) == 17, "EEXIST")
      #expect(RawFile.read(kind == .file ? target : target + "/file") == [1])
    }
  }

  /// Makers and removers of leftovers at once: nobody's live output may vanish.
  @Test func runsThatRaceForOneTargetKeepTheirStaging() throws {
    try TemporaryFolder.with { folder in
      let target = folder.path("out")
      let lost = try Parallelism(threads: 4).countFailures(of: 400) { index in
        let kind = index % 2 == 0 ? StagedOutput.Kind.file : .folder
        let staged = try StagedOutput(kind, at: target, replacing: true)
        try staged.createFile("file").write([1], at: 0)
        return FileSystem.kindWithoutFollowing(staged.stagingPath) != nil
      }
      #expect(lost == 0)
      #expect(folder.names == [])
    }
  }

  @Test func oddTargetNamesAreStagedBesideThem() throws {
    try TemporaryFolder.with { folder in
      folder.makeFolder("dir")
      for name in ["-rf", "a b", "é", "\u{301}x", ".hidden"] {
        let staged = try StagedOutput(.file, at: folder.path("dir/" + name), replacing: false)
        try staged.createFile().write([1], at: 0)
        try staged.commit()
        #expect(RawFile.read(folder.path("dir/" + name)) == [1], "\(name)")
      }
      #expect(folder.names == ["dir"])
      // A slash at the end of a folder's name is no part of it.
      let staged = try StagedOutput(.folder, at: folder.path("new/"), replacing: false)
      try staged.createFile("a").write([1], at: 0)
      try staged.commit()
      #expect(folder.names == ["dir", "new"])
    }
  }
}

extension Parallelism {
  /// How often a body that several threads run says false.
  fileprivate func countFailures(of count: Int, _ body: @Sendable (Int) throws -> Bool) throws -> Int {
    let failures = Mutex(0)
    try forEachBand(count) { index in
      if try !body(index) { failures.withLock { $0 += 1 } }
    }
    return failures.withLock { $0 }
  }
}

@Suite struct FolderLockTests {
  @Test func oneHolderAtATime() throws {
    try TemporaryFolder.with { folder in
      let path = folder.path("out.resume")
      var first: FolderLock? = try FolderLock(path)
      #expect(first != nil && FileSystem.kind(of: path) == .folder)
      #expect { try FolderLock(path) } throws: { ($0 as? TensorIOError)?.kind == .inUse }
      first = nil
      // What is in the folder stays.
      RawFile.write([1], to: path + "/part")
      try FolderLock(path).removeIfEmpty()
      #expect(RawFile.read(path + "/part") == [1])
      Disk.remove(path + "/part")
      try FolderLock(path).removeIfEmpty()
      #expect(folder.names.isEmpty)
    }
  }

  @Test func aLinkOrAFileIsNoFolderToWorkIn() throws {
    try TemporaryFolder.with { folder in
      Disk.makeFolder(folder.path("elsewhere"))
      Disk.link(folder.path("link"), to: folder.path("elsewhere"))
      _ = folder.write([1], to: "file")
      for name in ["link", "file", "missing/inner"] {
        #expect(throws: TensorIOError.self, "\(name)") { try FolderLock(folder.path(name)) }
      }
    }
  }
}
