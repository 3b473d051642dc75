// Tritsmith: full disks, signals and memory, with the built tool in a process of its own.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Failures on the way")
struct FailureTests {
  // MARK: - Full disk

  @Test(
    "a write that fails exits with 74 and leaves nothing",
    .disabled(if: Sanitizer.isThread, "ThreadSanitizer does not start below a limit of file sizes"),
    arguments: ["hf-packed", "tritpack", "dense"])
  func fileSizeLimit(_ target: String) {
    let scratch = ScratchFolder()
    // 1 MiB of output at least, and a limit of 64 blocks of 512 or 1024 bytes on any one file. With the signal
    // ignored, the write itself fails, as it does on a full disk.
    let input = Fixtures.golden("models/llama256_packed")
    let before = FolderSnapshot(scratch.path)
    let script = "ulimit -f 64; trap '' XFSZ; exec \"$0\" \"$@\""
    let result = ProcessRunner().run(
      "/bin/sh",
      ["-c", script, BuiltProducts.tritsmith, "convert", input, scratch["out"], "--to", target, "--quiet"])
    #expect(result.exitCode == 74, "\(result.summary)")
    #expect(result.errors.contains("File too large") && result.errors.contains(scratch.path), "\(result.errors)")
    #expect(FolderSnapshot(scratch.path) == before)
  }

  /// A file system of 100 kB in a mount namespace of the child's own; nothing is left when the child ends.
  private static let smallDisk = "mount -t tmpfs -o size=100k none \"$1\" || exit 99; shift; "
  private static let unshare = "/usr/bin/unshare"

  /// Mounting needs root, and many containers forbid it even then.
  private static let canMount: Bool = {
    guard Disk.exists(unshare) else { return false }
    let scratch = ScratchFolder()
    let result = ProcessRunner().run(unshare, ["-m", "/bin/sh", "-c", smallDisk + "exit 0", "sh", scratch.path])
    return result.exitCode == 0
  }()

  @Test("a disk that is too small is told before anything is written", .enabled(if: canMount, "needs a mount"))
  func smallDisk() {
    let scratch = ScratchFolder()
    let script = Self.smallDisk + "\"$@\"; code=$?; ls -A \"$TARGET\" >&2; exit $code"
    var runner = ProcessRunner()
    runner.environment["TARGET"] = scratch.path
    let result = runner.run(
      Self.unshare,
      [
        "-m", "/bin/sh", "-c", script, "sh", scratch.path, BuiltProducts.tritsmith, "convert",
        Fixtures.golden("models/llama256_packed"), scratch["out"], "--to", "hf-packed", "--quiet",
      ])
    #expect(result.exitCode == 74, "\(result.summary)")
    #expect(result.errors.contains("free"))
    #expect(!result.errors.contains("partial"), "ls would show it")
  }

  /// Another program takes the space when the output has been begun: what was free at the start is not there at the end.
  @Test(
    "a disk that fills up while it is written: exit 74, nothing left, and the next run succeeds",
    .enabled(if: canMount, "needs a mount"), arguments: ["hf-packed", "tritpack"])
  func fullDisk(_ target: String) {
    let scratch = ScratchFolder()
    let model = longModel(scratch)
    let before = FolderSnapshot(model)
    Disk.makeFolder(scratch["disk"])
    // The output takes 38 MB of 64. Afterwards the filler goes, and the same command runs again.
    let script = """
      mount -t tmpfs -o size=64m none "$DISK" || exit 99
      : > "$DISK/filler"
      (until ls -A "$DISK" | grep -q partial; do :; done; exec head -c 64m /dev/zero > "$DISK/filler" 2> /dev/null) &
      "$@"; code=$?; kill $!; wait
      echo "left: $(ls -A "$DISK" | tr '\\n' ' ')" >&2
      rm "$DISK/filler"
      if [ $code = 74 ]; then "$@" || exit 98; echo "then: $(ls -A "$DISK" | tr '\\n' ' ')" >&2; fi
      exit $code
      """
    var runner = ProcessRunner()
    runner.environment["DISK"] = scratch["disk"]
    // The filler may come too late on a busy machine; then the output is complete, and it is tried again.
    for _ in 0..<10 {
      let result = runner.run(
        Self.unshare,
        [
          "-m", "/bin/sh", "-c", script, "sh", BuiltProducts.tritsmith, "convert", model, scratch["disk"] + "/out",
          "--to", target, "--quiet",
        ])
      #expect(FolderSnapshot(model) == before)
      guard result.exitCode == 74 else {
        #expect(result.exitCode == 0 && result.errors.contains("left: filler out"), "\(result.summary)")
        continue
      }
      #expect(result.errors.contains("No space left on device"), "\(result.summary)")
      #expect(result.errors.contains("left: filler \n"), "\(result.summary)")
      #expect(result.errors.contains("then: out \n"), "\(result.summary)")
      return
    }
    Issue.record("the disk was never full in time")
  }

  // MARK: - Signals

  /// 300 MB of zeros that take no space: long enough at work to be interrupted in any build.
  private func longModel(_ scratch: ScratchFolder) -> String {
    Model.sparse(scratch["model"], projections: Array(repeating: (8192, 2304), count: 8))
  }

  @Test(
    "an interrupt exits with 130, leaves nothing, and what stood there stays",
    arguments: [(SIGINT, "hf-packed"), (SIGTERM, "tritpack")])
  func interrupted(_ signal: Int32, _ target: String) {
    let scratch = ScratchFolder()
    let model = longModel(scratch)
    let output = scratch["out"]
    if target == "tritpack" {
      Disk.write("precious", output)
    } else {
      Disk.makeFolder(output)
      Disk.write("precious", output + "/notes.txt")
    }
    let before = outline(scratch)
    var wasStaged = false
    let result = ProcessRunner().run(
      BuiltProducts.tritsmith, ["convert", model, output, "--to", target, "--force", "--threads", "2"]
    ) { child in
      guard !scratch.staged.isEmpty else { return false }
      wasStaged = true
      child.send(signal)
      return true
    }
    #expect(wasStaged, "\(result.summary)")
    #expect(result.exitCode == 130, "\(result.summary)")
    #expect(result.errors.contains("interrupted"))
    #expect(outline(scratch) == before)
    let kept = target == "tritpack" ? Disk.text(output) : Disk.text(output + "/notes.txt")
    #expect(kept == "precious")
  }

  @Test("what a killed run leaves behind does no harm and is removed by the next run")
  func killed() {
    let scratch = ScratchFolder()
    let model = longModel(scratch)
    let small = Model.tiny().write(scratch["small"])
    Tool.expect(0, ["convert", small, scratch["out"], "--to", "hf-packed", "--quiet"])
    let before = FolderSnapshot(scratch["out"])
    let result = ProcessRunner().run(
      BuiltProducts.tritsmith, ["convert", model, scratch["out"], "--to", "hf-packed", "--force", "--quiet"]
    ) { child in
      guard !scratch.staged.isEmpty else { return false }
      child.send(SIGKILL)
      return true
    }
    #expect(result.signal == SIGKILL)
    #expect(scratch.staged.count == 1, "a killed process cannot tidy up")
    #expect(FolderSnapshot(scratch["out"]) == before)
    // A run for another output leaves it alone, one for the same output removes it.
    Tool.expect(0, ["convert", small, scratch["other"], "--to", "hf-packed", "--quiet"])
    #expect(scratch.staged.count == 1)
    Tool.expect(0, ["convert", small, scratch["out"], "--to", "hf-packed", "--force", "--quiet"])
    #expect(Disk.names(scratch.path) == ["model", "other", "out", "small"])
    Tool.expect(0, ["verify", small, scratch["out"]])
  }

  /// Names and sizes; hashing the large model would take longer than the test.
  private func outline(_ scratch: ScratchFolder) -> [String] {
    Disk.names(scratch.path).flatMap { name in
      [name] + Disk.names(scratch[name]).map { "\(name)/\($0) \(FileSystem.size(of: scratch[name] + "/" + $0) ?? 0)" }
    }
  }

  // MARK: - Memory

  /// Most of the model is copied in a debug build, where quantizing all of it would take minutes; a release build
  /// quantizes all of it.
  private static var shapes: (embedding: Int, projections: Int) {
    #if DEBUG
      (embedding: 70_000, projections: 1)
    #else
      (embedding: 0, projections: 8)
    #endif
  }

  /// Only for reading, the default: Linux 6.18 maps a whole large folio for one touched page, so that pages of a
  /// mapped file that were given back return (1.1 GB for a 3.2 GB model). `--mmap` promises no bound.
  @Test(
    "peak memory of a conversion does not grow with the model",
    .disabled(if: Sanitizer.isThread, "ThreadSanitizer keeps memory of its own for each byte"))
  func memory() throws {
    let scratch = ScratchFolder()
    let model = try largeModel(scratch)
    var runner = ProcessRunner()
    runner.watchesMemory = true
    let limit: UInt64 = 200_000_000
    for access in ["--no-mmap"] {
      let arguments = ["convert", model, scratch["out"], "--to", "hf-packed", "--force", "--quiet", "--threads", "2"]
      let result = runner.run(BuiltProducts.tritsmith, arguments + [access])
      #expect(result.exitCode == 0, "\(result.summary)")
      #expect(result.peakResidentBytes > 0 && result.peakResidentBytes < limit, "\(access)")
      // A spawned child inherits its parent's mark, which says nothing about the child when the tests were larger.
      let own = ProcessRunner.peakResidentBytes(of: getpid()) ?? 0
      #expect(result.reportedResidentBytes < limit || result.reportedResidentBytes <= own, "\(access)")
    }
  }

  /// About 600 MB: bfloat16 numbers from a formula, each part of the file another piece of the sequence.
  private func largeModel(_ scratch: ScratchFolder) throws -> String {
    let columns = 4096
    var tensors: [(name: String, dtype: String, shape: [Int], byteCount: Int)] = []
    func add(_ name: String, _ rows: Int) {
      tensors.append((name: name, dtype: "BF16", shape: [rows, columns], byteCount: 2 * rows * columns))
    }
    if Self.shapes.embedding > 0 { add("model.embed_tokens.weight", Self.shapes.embedding) }
    // 64 MiB each and larger than what stays in memory between the passes; in a debug build one of 16 MiB.
    for index in 0..<Self.shapes.projections {
      add("model.layers.\(index).mlp.up_proj.weight", Self.shapes.embedding > 0 ? 2048 : 9216)
    }
    let folder = scratch["model"]
    Disk.makeFolder(folder)
    Disk.write(ModelFolderBuilder.llama, folder + "/config.json")
    let header = RawModelFile.header(tensors)
    Disk.write(header, folder + "/model.safetensors")
    // An odd length, so that no two bands hold the same bytes in the same places.
    let values = (0..<1_000_003).map { index -> UInt16 in
      let mixed = UInt32(truncatingIfNeeded: index) &* 2_654_435_761
      return UInt16(truncatingIfNeeded: mixed >> 16) & 0x80FF | 0x3C80
    }
    let piece = values.withUnsafeBytes { Array($0) }
    var position = header.count
    let end = header.count + tensors.reduce(0) { $0 + $1.byteCount }
    while position < end {
      let count = min(piece.count, end - position)
      Disk.patch(
        folder + "/model.safetensors", at: position, count == piece.count ? piece : Array(piece[..<count]))
      position += count
    }
    return folder
  }
}
