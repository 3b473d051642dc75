// Tritsmith: conversions that go on after an interruption.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Interrupted conversions that go on")
struct ResumeTests {
  /// A conversion with its output in a folder of its own.
  private struct Conversion {
    let scratch = ScratchFolder()
    let source: String
    let output: String
    let options: [String]

    init(_ source: String, _ name: String, _ options: [String]) {
      self.source = source
      self.options = options
      Disk.makeFolder(scratch["made"])
      output = scratch["made/" + name]
    }

    var folder: String { output + ".resume" }
    var command: [String] { ["convert", source, output, "--resume"] + options }

    /// Parts that are complete: the receipt is written last.
    var receipts: [String] {
      guard Disk.exists(folder) else { return [] }
      return Disk.names(folder).filter { $0.contains(".part-") && $0.hasSuffix(".json") }
    }

    /// Begins, and sends a signal once two parts are complete.
    func interrupt(_ signal: Int32) -> ProcessResult? {
      // Parts of these models take tens of milliseconds: on a busy machine the moment may be missed.
      for _ in 0..<20 {
        Disk.remove(folder)
        Disk.remove(output)
        let result = ProcessRunner().run(BuiltProducts.tritsmith, command + ["--quiet", "--threads", "1"]) { child in
          guard receipts.count >= 2 else { return false }
          child.send(signal)
          return true
        }
        if !Disk.exists(output), receipts.count >= 2 { return result }
      }
      return nil
    }

    /// The bytes of every file of an output.
    func contents(_ path: String) throws -> [String: Digest] {
      let names = FileSystem.kind(of: path) == .folder ? Disk.names(path) : [""]
      return try Dictionary(
        uniqueKeysWithValues: names.map { name in
          let file = name.isEmpty ? path : path + "/" + name
          return (name, SHA256.digest(of: try #require(RawFile.read(file), "\(file) cannot be read")))
        })
    }

    /// Goes on to the end, which must have the bytes of a conversion without a break and leave nothing else.
    func complete(earlier: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let report = try Tool.report(command, schema: "tritsmith.shard_finish", sourceLocation: sourceLocation)
      let result = try #require(report["result"]?.object, sourceLocation: sourceLocation)
      #expect(result["earlier_parts"]?.number?.integer == earlier, sourceLocation: sourceLocation)
      #expect(try #require(result["parts"]?.number?.integer) > 2, sourceLocation: sourceLocation)
      Disk.makeFolder(scratch["single"])
      let single = scratch["single/" + FileSystem.name(of: output)]
      Tool.expect(0, ["convert", source, single, "--quiet"] + options, sourceLocation: sourceLocation)
      #expect(try contents(single) == contents(output), sourceLocation: sourceLocation)
      #expect(Disk.names(scratch["made"]) == [FileSystem.name(of: output)], sourceLocation: sourceLocation)
    }
  }

  @Test(
    "after kill -9 the parts that were complete are taken, and the bytes are those of a single run",
    arguments: [
      ("falcon-e-tiny/prequantized", "out", ["--to", "hf-packed"]),
      ("falcon-e-tiny/prequantized", "out.gguf", ["--to", "gguf"]),
      ("falcon-e-tiny/prequantized", "out.tritpack", ["--to", "tritpack", "--zstd", "1"]),
      ("falcon-e-tiny/bfloat16", "out", ["--to", "dense", "--max-shard-size", "1MB"]),
    ])
  func killed(_ model: String, _ name: String, _ options: [String]) throws {
    let conversion = Conversion(Fixtures.checkpoint(model), name, options)
    let result = try #require(conversion.interrupt(SIGKILL))
    #expect(result.signal == SIGKILL)
    try conversion.complete(earlier: conversion.receipts.count)
  }

  @Test("Ctrl-C says what stays; without --resume nothing does")
  func interrupted() throws {
    let conversion = Conversion(Model.falcon, "out", ["--to", "hf-packed"])
    let result = try #require(conversion.interrupt(SIGINT))
    #expect(result.exitCode == 130 && result.errors.contains("complete and stay"), "\(result.summary)")
    #expect(result.errors.contains("out.resume") && result.errors.contains("run the same again"))
    #expect(conversion.receipts.count >= 2 && !Disk.names(conversion.folder).contains { $0.hasSuffix(".partial") })
    try conversion.complete(earlier: conversion.receipts.count)
  }

  @Test("parts that were moved with their folder go on, and the line has the name that was typed")
  func moved() throws {
    let conversion = Conversion(Model.falcon, "out", ["--to", "hf-packed"])
    _ = try #require(conversion.interrupt(SIGKILL))
    let earlier = conversion.receipts.count
    let other = conversion.scratch["moved"]
    #expect(rename(conversion.scratch["made"], other) == 0)
    // --force is of the place, not of what is in it: it may come later.
    let script = "cd \"$1\" && exec \"$0\" convert \"$2\" out --to hf-packed --resume --force"
    let result = ProcessRunner().run("/bin/sh", ["-c", script, BuiltProducts.tritsmith, other, conversion.source])
    #expect(result.exitCode == 0 && result.output.hasPrefix("✓ out  "), "\(result.summary)")
    #expect(result.output.contains(" \(earlier) of "), "\(result.summary)")
    #expect(Disk.names(other) == ["out"])
    let single = conversion.scratch["single"]
    Tool.expect(0, ["convert", conversion.source, single, "--quiet"] + conversion.options)
    #expect(try conversion.contents(single) == conversion.contents(other + "/out"))
  }

  @Test("a part that was damaged meanwhile is made again")
  func damaged() throws {
    let conversion = Conversion(Model.falcon, "out", ["--to", "hf-packed"])
    _ = try #require(conversion.interrupt(SIGKILL))
    let receipts = conversion.receipts
    let part = conversion.folder + "/" + receipts[0].split(separator: ".").dropLast().joined(separator: ".")
    let path = part + ".safetensors"
    let bytes = Disk.bytes(path)
    Disk.write(ByteMutator.flipping(bit: 0, of: bytes.count - 1, in: bytes), path)
    // A receipt that is no record any more counts as none.
    Disk.write("{}", conversion.folder + "/" + receipts[1])
    try conversion.complete(earlier: receipts.count - 2)
  }

  @Test("what was begun for another conversion, or changed meanwhile, is refused, and so is a second run at once")
  func refused() throws {
    let folder = ScratchFolder()
    let source = folder["m"]
    Disk.makeFolder(source)
    for name in Disk.names(Model.falcon) where FileSystem.kind(of: Model.falcon + "/" + name) == .file {
      Disk.write(Disk.bytes(Model.falcon + "/" + name), source + "/" + name)
    }
    let conversion = Conversion(source, "out", ["--to", "hf-packed"])
    _ = try #require(conversion.interrupt(SIGKILL))
    let options = Tool.expect(73, ["convert", source, conversion.output, "--to", "dense", "--resume"])
    #expect(options.errors.contains("other options") && options.errors.contains("remove the folder"))
    let input = Tool.expect(73, ["convert", Model.falcon, conversion.output, "--to", "hf-packed", "--resume"])
    #expect(input.errors.contains("it reads") && input.errors.contains("falcon-e-tiny/prequantized"), "\(input.errors)")
    // Programs that other tests start meanwhile must not hold it too.
    let descriptor = open(conversion.folder, O_RDONLY | O_CLOEXEC)
    #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    #expect(Tool.expect(73, conversion.command).errors.contains("another run"))
    close(descriptor)
    // The last tensor is of a part that was not complete.
    let weights = source + "/model.safetensors"
    let bytes = Disk.bytes(weights)
    Disk.write(ByteMutator.flipping(bit: 0, of: bytes.count - 1, in: bytes), weights)
    #expect(Tool.expect(1, conversion.command).errors.contains("not the one that was planned"))
    Disk.write(bytes, weights)
    Tool.expect(0, conversion.command + ["--quiet"])
    #expect(Disk.names(conversion.scratch["made"]) == ["out"])
  }

  @Test("what it does not go with is said, and a failure before the first part leaves no folder")
  func misuse() {
    let scratch = ScratchFolder()
    for words in [
      ["--certificate", scratch["c"]], ["--dry-run"], ["--plan", scratch["p"]], ["--save", scratch["s"]],
    ] {
      let result = Tool.expect(
        64, ["convert", Model.falcon, scratch["out"], "--to", "hf-packed", "--resume"] + words)
      #expect(result.errors.contains("--resume"))
    }
    Tool.expect(64, ["convert", scratch["a.gguf"], scratch["b.gguf"], "--retag", "--resume"])
    Tool.expect(66, ["convert", scratch["none"], scratch["out"], "--to", "hf-packed", "--resume"])
    #expect(Disk.names(scratch.path).isEmpty)
  }
}
