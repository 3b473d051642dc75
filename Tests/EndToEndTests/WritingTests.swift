// Tritsmith: every command that writes, killed, interrupted and stopped by a full disk.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Commands that write")
struct WritingTests {
  /// A command, and whether what it writes is a folder.
  struct Writer: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var isFolder = false
    /// Words, with `BASE`, `OTHER`, `PATCH`, `ADAPTER` and `PACKED` for what is there, `IDS` for tokens, and `OUT` for
    /// what is not.
    var words: [String]

    init(_ words: String, isFolder: Bool = false) {
      testDescription = words
      self.words = words.split(separator: " ").map(String.init)
      self.isFolder = isFolder
    }
  }

  private static let writers = [
    Writer("convert BASE OUT --to gguf"), Writer("convert BASE OUT --to dense", isFolder: true),
    Writer("convert BASE OUT --to tritpack --zstd 3"), Writer("convert PACKED OUT --to trainable", isFolder: true),
    Writer("diff BASE OTHER -o OUT"), Writer("apply BASE PATCH -o OUT", isFolder: true),
    Writer("apply BASE PATCH -o OUT --to tritpack"), Writer("merge BASE ADAPTER OUT", isFolder: true),
    Writer("inspect BASE --html OUT"), Writer("inspect BASE --tensor model.embed_tokens.weight --raw OUT"),
    Writer("certify BASE PACKED -o OUT"), Writer("logits BASE -o OUT --ids IDS"),
  ]

  /// Models in a folder of their own, so that what a command leaves beside its output is seen.
  private struct Place {
    let inputs = ScratchFolder()
    let outputs = ScratchFolder()
    let writer: Writer
    var output: String { outputs["out"] }

    init(_ writer: Writer) {
      self.writer = writer
      for name in Disk.names(Place.prepared.path) {
        let (from, to) = (Place.prepared[name], inputs[name])
        if FileSystem.kind(of: from) == .folder {
          Disk.copyFolder(from, to: to)
        } else {
          Disk.write(Disk.bytes(from), to)
        }
      }
    }

    /// Inputs of every command, made once.
    private static let prepared: ScratchFolder = {
      let inputs = ScratchFolder(removedAtExit: true)
      Disk.copyFolder(Model.falcon, to: inputs["BASE"])
      Disk.copyFolder(Fixtures.checkpoint("falcon-e-tiny/bfloat16"), to: inputs["OTHER"])
      _ = Model.adapter(inputs["ADAPTER"])
      Tool.expect(0, ["convert", inputs["BASE"], inputs["PACKED"], "--to", "hf-packed", "--quiet"])
      Tool.expect(0, ["diff", inputs["BASE"], inputs["OTHER"], "-o", inputs["PATCH"], "--quiet"])
      return inputs
    }()

    var command: [String] {
      writer.words.map { word in
        switch word {
        case "OUT": output
        // Enough of them to be at work for a while.
        case "IDS": (1...400).map(String.init).joined(separator: ",")
        default: word.allSatisfy(\.isUppercase) ? inputs[word] : word
        }
      } + ["--force", "--quiet"]
    }

    /// What stands at the output before the command runs.
    func reset() {
      Disk.remove(output)
      if writer.isFolder { Disk.makeFolder(output) }
      Disk.write("precious", writer.isFolder ? output + "/notes.txt" : output)
    }

    /// Names and bytes of the output.
    var found: [String: Digest] {
      let files = writer.isFolder ? Disk.names(output).map { output + "/" + $0 } : [output]
      return Dictionary(uniqueKeysWithValues: files.map { ($0, SHA256.digest(of: Disk.bytes($0))) })
    }

    /// Names beside the inputs and beside the output: a certificate's conversion stands beside the model.
    var names: (inputs: [String], outputs: [String]) { (Disk.names(inputs.path), Disk.names(outputs.path)) }

    /// Names in each folder, and bytes of each file.
    var sources: [FolderSnapshot] {
      ["BASE", "OTHER", "ADAPTER", "PACKED"].map { FolderSnapshot(inputs[$0]) } + [FolderSnapshot(inputs.path)]
    }
  }

  @Test(
    "kill -9 at 6 random moments: inputs untouched, the target old or new, no rest after the next run",
    arguments: writers)
  func killed(_ writer: Writer) {
    let place = Place(writer)
    place.reset()
    let old = place.found
    let start = Platform.monotonicSeconds
    Tool.expect(0, place.command)
    let duration = Platform.monotonicSeconds - start
    let (new, sources, names) = (place.found, place.sources, place.names)
    #expect(old != new && names.outputs == ["out"])
    var random = SeededGenerator(seed: UInt64(writer.testDescription.utf8.count))
    var (stillOld, rests) = (0, 0)
    for round in 0..<6 {
      place.reset()
      let moment = Double.random(in: 0..<1.1 * duration, using: &random)
      let result = Tool.kill(place.command, after: moment)
      #expect(result.signal == SIGKILL || result.exitCode == 0, "round \(round): \(result.summary)")
      #expect(place.found == old || place.found == new, "round \(round)")
      if place.found == old { stillOld += 1 }
      if Disk.names(place.outputs.path) != ["out"] { rests += 1 }
      // Where nothing has changed the next run is the first one again.
      if place.found == old && place.names == names { continue }
      Tool.expect(0, place.command)
      #expect(place.found == new, "round \(round)")
      #expect(Disk.names(place.outputs.path) == ["out"], "round \(round)")
    }
    print("kill -9, \(writer.testDescription): 6 times; old \(stillOld); \(rests) left a rest")
    #expect(place.sources == sources)
  }

  @Test("an interrupt while it writes: exit 130, nothing left, what stood there stays", arguments: writers)
  func interrupted(_ writer: Writer) {
    let place = Place(writer)
    place.reset()
    let (old, sources) = (place.found, place.sources)
    // The command may be done before the signal comes; then it is tried again.
    for _ in 0..<50 {
      var wasStaged = false
      let result = ProcessRunner().run(BuiltProducts.tritsmith, place.command) { child in
        guard !place.outputs.staged.isEmpty else { return false }
        wasStaged = true
        child.send(SIGINT)
        return true
      }
      #expect(Disk.names(place.outputs.path) == ["out"])
      guard wasStaged, result.exitCode != 0 else {
        #expect(result.exitCode == 0, "\(result.summary)")
        place.reset()
        continue
      }
      #expect(result.exitCode == 130 && result.errors.contains("interrupted"), "\(result.summary)")
      #expect(place.found == old)
      #expect(place.sources == sources)
      return
    }
    Issue.record("the signal never came in time")
  }

  @Test(
    "a write that fails: exit 74, nothing left, what stood there stays",
    .disabled(if: Sanitizer.isThread, "ThreadSanitizer does not start below a limit of file sizes"),
    arguments: writers)
  func fileSizeLimit(_ writer: Writer) {
    let place = Place(writer)
    place.reset()
    let (old, sources) = (place.found, place.sources)
    // One block of 512 or 1024 bytes; with the signal ignored, the write itself fails, as it does on a full disk.
    let script = "ulimit -f 1; trap '' XFSZ; exec \"$0\" \"$@\""
    var runner = ProcessRunner()
    // What it says would be cut short as well.
    runner.outputPath = "/dev/null"
    let result = runner.run("/bin/sh", ["-c", script, BuiltProducts.tritsmith] + place.command)
    #expect(result.exitCode == 74, "\(result.summary)")
    // A certificate is written when the conversion has been done again, beside the model.
    let written = writer.words[0] == "certify" ? place.inputs.path : place.outputs.path
    #expect(result.errors.contains("File too large") && result.errors.contains(written), "\(result.errors)")
    #expect(place.found == old)
    #expect(Disk.names(place.outputs.path) == ["out"])
    #expect(place.sources == sources)
  }
}
