// Tritsmith: conversions in parts, with workers in processes of their own.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Conversions in parts")
struct ShardTests {
  /// A source, a plan, and a place for the output.
  private struct Parts {
    let scratch = ScratchFolder()
    let source: String
    let output: String
    var plan: String { scratch["plan.json"] }

    init(_ source: String, output name: String, _ options: [String], sourceLocation: SourceLocation = #_sourceLocation)
    {
      self.source = source
      output = scratch[name]
      Tool.expect(0, ["convert", source, output, "--plan", plan] + options, sourceLocation: sourceLocation)
    }

    func worker(_ place: String, _ code: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation) -> ProcessResult
    {
      Tool.expect(code, ["convert", "--plan", plan, "--worker", place, "--quiet"], sourceLocation: sourceLocation)
    }

    func finish(_ code: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation) -> ProcessResult {
      Tool.expect(code, ["convert", "--plan", plan, "--finish"], sourceLocation: sourceLocation)
    }

    /// All workers at the same time.
    func allAtOnce(_ count: Int) {
      let script = (1...count).map {
        "\"$0\" convert --plan \"$1\" --worker \($0)/\(count) --quiet >/dev/null & p\($0)=$!; "
      }
      let wait = (1...count).map { "wait $p\($0) || exit 1; " }
      let result = ProcessRunner().run(
        "/bin/sh", ["-c", (script + wait).joined() + "exit 0", BuiltProducts.tritsmith, plan])
      #expect(result.exitCode == 0, "\(result.summary)")
    }
  }

  /// SHA-256 of a file, or of every file in a folder.
  private static func contents(_ path: String) throws -> [String: Digest] {
    let isFolder = FileSystem.kind(of: path) == .folder
    return try Dictionary(
      uniqueKeysWithValues: (isFolder ? Disk.names(path) : [""]).map { name in
        let file = isFolder ? path + "/" + name : path
        return (name, SHA256.digest(of: try #require(RawFile.read(file), "\(file) cannot be read")))
      })
  }

  private static let oneLayer = "plain-tiny, its first layer"

  static let cases: [(String, String, [String])] = [
    ("falcon-e-tiny/prequantized", "out", ["--to", "hf-packed"]),
    ("falcon-e-tiny/prequantized", "out", ["--to", "hf-packed", "--max-shard-size", "500kB"]),
    ("falcon-e-tiny/prequantized", "out.safetensors", ["--to", "hf-packed"]),
    ("falcon-e-tiny/prequantized-sharded", "out", ["--to", "dense", "--max-shard-size", "1MB"]),
    ("falcon-e-tiny/prequantized", "out.tritpack", ["--to", "tritpack"]),
    ("falcon-e-tiny/bitnet", "out.tritpack", ["--to", "tritpack", "--layout", "two-bit", "--zstd", "1"]),
    ("falcon-e-tiny/prequantized", "out.gguf", ["--to", "gguf"]),
    ("falcon-e-tiny/bfloat16", "out.gguf", ["--to", "gguf", "--layout", "I2_S", "--embeddings", "q8_0"]),
    ("bitnet-b158-tiny/bf16-master", "out", ["--to", "hf-packed"]),
    ("bitnet-b158-tiny/packed", "out.gguf", ["--to", "gguf", "--layout", "TQ1_0"]),
    ("falcon-e-tiny/bitnet", "out", ["--to", "trainable"]),
    ("falcon-e-tiny/prequantized", "out", ["--recipe", "quantize_to_1bit"]),
    (oneLayer, "out.tritpack", ["--to", "tritpack", "--quantizer", "optimal-row"]),
    (oneLayer, "out.tritpack", ["--to", "tritpack", "--quantizer", "two-plane-group128"]),
    (
      "falcon-e-tiny/prequantized", "out.tritpack",
      ["--to", "tritpack", "--quantizer", "optimal-row", "--force-quantizer"]
    ),
  ]

  @Test("three workers at once give the bytes of a single run", arguments: cases)
  func sameBytes(_ model: String, _ name: String, _ options: [String]) throws {
    let source = model == Self.oneLayer ? Model.plainLayer : Fixtures.checkpoint(model)
    let parts = Parts(source, output: name, options)
    parts.allAtOnce(3)
    let report = parts.finish()
    // One line, as of a conversion at once.
    #expect(report.output.hasPrefix("✓ ") && report.output.split(separator: "\n").count == 1, "\(report.summary)")
    let single = parts.scratch["single"]
    Disk.makeFolder(single)
    Tool.expect(0, ["convert", source, single + "/" + name, "--quiet"] + options)
    let (alone, joined) = (try Self.contents(single + "/" + name), try Self.contents(parts.output))
    #expect(alone == joined)
    // Parts are gone; the plan stays.
    #expect(Disk.names(parts.scratch.path).sorted() == [name, "plan.json", "single"])
  }

  @Test("more workers than tensors; another number of workers; a part that was delivered twice")
  func anyNumber() {
    let source = ScratchFolder()
    Model.tiny().write(source["m"])
    let parts = Parts(source["m"], output: "out", ["--to", "hf-packed"])
    for place in ["1/5", "2/5", "3/5", "4/5", "5/5", "2/5"] { _ = parts.worker(place) }
    // One line, as of a conversion.
    let line = Tool.expect(0, ["convert", "--plan", parts.plan, "--worker", "1/1"]).output
    #expect(line.hasPrefix("✓ part 1/1 of plan.json  ") && line.split(separator: "\n").count == 1, "\(line)")
    let none = Tool.expect(0, ["convert", "--plan", parts.plan, "--worker", "99/99"]).output
    #expect(none == "✓ part 99/99 of plan.json  no tensors are left for it\n")
    #expect(parts.finish().output.hasPrefix("✓ "))
    Tool.expect(0, ["verify", source["m"], parts.output])
  }

  @Test("a worker that was killed is run again, and until then the output does not appear")
  func killed() {
    let parts = Parts(Model.falcon, output: "out", ["--to", "hf-packed"])
    #expect(parts.finish(1).errors.contains("no worker"))
    _ = parts.worker("1/3")
    // A part of this model is written in tens of milliseconds: on a busy machine the moment may be missed.
    let wasKilled = (0..<20).contains { _ in
      for name in Disk.names(parts.scratch.path) where name.contains("part-2-") { Disk.remove(parts.scratch[name]) }
      let killed = ProcessRunner().run(
        BuiltProducts.tritsmith, ["convert", "--plan", parts.plan, "--worker", "2/3", "--quiet", "--threads", "1"]
      ) { child in
        guard Disk.names(parts.scratch.path).contains(where: { $0.hasSuffix(".partial") }) else { return false }
        child.send(9)
        return true
      }
      return killed.signal == 9 && !Disk.exists(parts.plan + ".part-2-of-3.json")
    }
    #expect(wasKilled)
    _ = parts.worker("3/3")
    let before = parts.finish(1)
    #expect(before.errors.contains("2/3") && !Disk.exists(parts.output), "\(before.errors)")
    _ = parts.worker("2/3")
    _ = parts.finish()
    Tool.expect(0, ["verify", Model.falcon, parts.output])
    #expect(Disk.names(parts.scratch.path).sorted() == ["out", "plan.json"], "nothing of the killed worker is left")
  }

  @Test("a source that changed is refused, by one bit of a weight or of a companion, and by a header")
  func changedSource() {
    let folder = ScratchFolder()
    let source = folder["m"]
    Model.tiny().write(source)
    let parts = Parts(source, output: "out", ["--to", "tritpack"])
    for (name, position) in [("model.safetensors", -3), ("tokenizer.json", 3), ("config.json", -6)] {
      let path = source + "/" + name
      let bytes = Disk.bytes(path)
      let index = position < 0 ? bytes.count + position : position
      Disk.write(ByteMutator.flipping(bit: 0, of: index, in: bytes), path)
      let result = Tool.run("convert", "--plan", parts.plan, "--worker", "1/1")
      #expect(result.exitCode == 1 || result.exitCode == 65, "\(name): \(result.summary)")
      Disk.write(bytes, path)
    }
    Disk.remove(source)
    Model.tiny { $0.file.metadata.append((key: "more", value: "text")) }.write(source)
    #expect(parts.worker("1/1", 1).errors.contains("not the one that was planned"))
    Disk.remove(source)
    #expect(parts.worker("1/1", 66).errors.contains("nothing is there"))
    Model.tiny().write(source)
    _ = parts.worker("1/1")
    _ = parts.finish()
  }

  @Test("a part or a plan that was damaged is told")
  func damaged() {
    let parts = Parts(Model.goldenPacked, output: "out", ["--to", "dense"])
    _ = parts.worker("1/2")
    _ = parts.worker("2/2")
    let part = parts.plan + ".part-2-of-2.safetensors"
    let bytes = Disk.bytes(part)
    Disk.write(ByteMutator.flipping(bit: 5, of: bytes.count - 10, in: bytes), part)
    #expect(parts.finish(1).errors.contains("damaged"))
    #expect(!Disk.exists(parts.output))
    _ = parts.worker("2/2")
    let plan = Disk.bytes(parts.plan)
    Disk.write(ByteMutator.flipping(bit: 0, of: plan.count / 2, in: plan), parts.plan)
    let result = Tool.run("convert", "--plan", parts.plan, "--finish")
    #expect(result.exitCode == 1 || result.exitCode == 65)
    Disk.write(plan, parts.plan)
    Disk.makeFolder(parts.output)
    #expect(parts.finish(73).errors.contains("--force"))
    Tool.expect(0, ["convert", "--plan", parts.plan, "--finish", "--force"])
    _ = parts.finish(73)
  }

  @Test("a plan is named so that workers find it from any folder")
  func place() {
    let scratch = ScratchFolder()
    Disk.makeFolder(scratch["a plan"])
    let script = "cd \"$1\" && exec \"$0\" convert \"$2\" out --to dense --plan p.json"
    let result = ProcessRunner().run(
      "/bin/sh", ["-c", script, BuiltProducts.tritsmith, scratch["a plan"], Model.goldenPacked])
    #expect(result.exitCode == 0 && result.output.contains("/a plan/p.json' --worker 1/4"), "\(result.summary)")
  }

  @Test("a part of another plan is told")
  func otherPlan() {
    let parts = Parts(Model.goldenPacked, output: "out", ["--to", "dense"])
    _ = parts.worker("1/1")
    Disk.remove(parts.plan)
    Tool.expect(0, ["convert", parts.source, parts.output, "--to", "tritpack", "--plan", parts.plan])
    #expect(parts.finish(1).errors.contains("another plan"))
  }

  @Test(
    "options that do not go together",
    arguments: [
      ["--worker", "1/2"], ["--finish"], ["--plan", "p", "--worker", "0/2"], ["--plan", "p", "--worker", "3/2"],
      ["--plan", "p", "--worker", "x"], ["--plan", "p", "--worker", "1/2", "--finish"],
      ["a", "b", "--to", "dense", "--plan", "p", "--worker", "1/2"], ["--plan", "p"],
      ["--plan", "p", "--worker", "1/2", "--keep", "*"], ["--plan", "p", "--finish", "--layout", "tq1_0"],
      ["a", "b", "--to", "dense", "--plan", "p", "--dry-run"],
      ["a", "b", "--to", "dense", "--plan", "p", "--certificate", "c"],
    ])
  func misuse(_ options: [String]) {
    Tool.expect(64, ["convert"] + options)
  }

  /// Opt-in: it needs root and installs Debian's Slurm where it is missing.
  @Test(
    "job arrays under a real Slurm, workers killed and run again",
    .enabled(if: getenv("TRITSMITH_TEST_SLURM") != nil, "TRITSMITH_TEST_SLURM is not set"))
  func slurm() {
    var runner = ProcessRunner()
    runner.secondsLimit = 600
    let script = FileSystem.parent(of: Fixtures.root) + "/.ci/slurm"
    let result = runner.run("/bin/bash", [script, BuiltProducts.tritsmith])
    #expect(result.exitCode == 0, "\(result.summary)")
    for target in ["hf-packed", "tritpack", "gguf"] {
      #expect(result.output.contains("\(target): a job array of 4 and a lost part give the bytes of a single run"))
    }
    #expect(result.output.contains("killed workers, run again, give the bytes of a single run"))
  }
}
