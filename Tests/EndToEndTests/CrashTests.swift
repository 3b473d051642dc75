// Tritsmith: kill -9 at random moments, sources that shrink or change, links.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Crash safety")
struct CrashTests {
  private static let options = ["--force", "--quiet", "--threads", "2"]

  /// The files of an output that matter, as one digest.
  private func digest(_ path: String) -> Digest {
    let files = FileSystem.kind(of: path) == .folder ? Disk.names(path).map { path + "/" + $0 } : [path]
    return SHA256.digest(of: files.flatMap { Array($0.utf8.suffix(12)) + Disk.bytes($0) })
  }

  @Test(
    "kill -9 at 25 random moments of either kind of output: the source untouched, the target old or new, no rest",
    arguments: ["hf-packed", "tritpack"])
  func killed(_ target: String) {
    let scratch = ScratchFolder()
    Disk.copyFolder(Model.falcon, to: scratch["model"])
    let output = scratch["out"]
    let convert = ["convert", scratch["model"], output, "--to", target] + Self.options
    let start = Platform.monotonicSeconds
    Tool.expect(0, convert)
    let duration = Platform.monotonicSeconds - start
    let new = digest(output)
    let other = target == "tritpack" ? ["--layout", "two-bit"] : ["--keep", "*.0.*"]
    Tool.expect(0, convert + other)
    let old = digest(output)
    #expect(old != new)
    let source = FolderSnapshot(scratch["model"])
    var random = SeededGenerator(seed: target == "tritpack" ? 2 : 1)
    var (stillOld, isNew, rests) = (0, 0, 0)
    for round in 0..<25 {
      // Up to a little past the end, so that the moments of renaming and tidying up are among them.
      let moment = Double.random(in: 0..<1.1 * duration, using: &random)
      let result = Tool.kill(convert, after: moment)
      #expect(result.signal == SIGKILL || result.exitCode == 0, "round \(round): \(result.summary)")
      let found = digest(output)
      #expect(found == old || found == new, "round \(round): the target is neither the old nor the new one")
      if found == old { stillOld += 1 } else { isNew += 1 }
      if !scratch.staged.isEmpty { rests += 1 }
      #expect(FolderSnapshot(scratch["model"]) == source, "round \(round)")
      // The next run tidies up and brings the old one back.
      Tool.expect(0, convert + other)
      #expect(Disk.names(scratch.path) == ["model", "out"], "round \(round)")
      #expect(digest(output) == old)
    }
    print("kill -9, \(target): 25 times; old \(stillOld), new \(isNew); \(rests) left a rest")
    #expect(stillOld > 0, "no kill came before the end")
  }

  /// 300 MB of zeros that take no space.
  private func longModel(_ scratch: ScratchFolder) -> String {
    Model.sparse(scratch["model"], projections: Array(repeating: (8192, 2304), count: 8))
  }

  @Test(
    "a source cut short while it is read: a message and exit 74, never a bare signal",
    arguments: ["--no-mmap", "--mmap"])
  func truncated(_ access: String) {
    let scratch = ScratchFolder()
    let model = longModel(scratch)
    let file = model + "/model.safetensors"
    var wasCut = false
    let result = ProcessRunner().run(
      BuiltProducts.tritsmith, ["convert", model, scratch["out"], "--to", "hf-packed", access] + Self.options
    ) { child in
      guard !scratch.staged.isEmpty else { return false }
      Disk.resize(file, to: 4096)
      wasCut = true
      return true
    }
    #expect(wasCut && result.exitCode == 74, "\(result.summary)")
    #expect(result.errors.contains("error: ") && result.errors.contains("to do: "), "\(result.errors)")
    if access == "--no-mmap" {
      #expect(result.errors.contains(file), "\(result.errors)")
      #expect(Disk.names(scratch.path) == ["model"])
    } else {
      #expect(result.errors.contains("--mmap"), "\(result.errors)")
      // The dead run's rest goes with the next one.
      let small = Model.tiny().write(scratch["small"])
      Tool.expect(0, ["convert", small, scratch["out"], "--to", "hf-packed", "--quiet"])
      #expect(Disk.names(scratch.path) == ["model", "out", "small"])
    }
  }

  @Test("a source whose bytes change while it is converted, at the same size: exit 74 and no output")
  func changed() {
    let scratch = ScratchFolder()
    let model = longModel(scratch)
    var wasChanged = false
    let result = ProcessRunner().run(
      BuiltProducts.tritsmith, ["convert", model, scratch["out"], "--to", "hf-packed"] + Self.options
    ) { child in
      guard !scratch.staged.isEmpty else { return false }
      Disk.patch(model + "/model.safetensors", at: 100_000, [1])
      wasChanged = true
      return true
    }
    #expect(wasChanged && result.exitCode == 74, "\(result.summary)")
    #expect(result.errors.contains("changed"), "\(result.errors)")
    #expect(Disk.names(scratch.path) == ["model"])
  }

  /// Permissions do not stop root, so a file system mounted read-only does.
  @Test("an output in a folder nobody may write to: exit 73 or 74, and nothing changes")
  func unwritable() {
    let scratch = ScratchFolder()
    let model = Model.tiny().write(scratch["model"])
    Disk.makeFolder(scratch["closed"])
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 99; shift; exec \"$@\""
    var result = ProcessRunner().run(
      "/usr/bin/env",
      [
        "unshare", "-m", "/bin/sh", "-c", script, "sh", scratch["closed"], BuiltProducts.tritsmith, "convert", model,
        scratch["closed"] + "/out", "--to", "hf-packed", "--quiet",
      ])
    if result.exitCode != 73 && getuid() != 0 {
      Disk.setMode(0o555, scratch["closed"])
      result = Tool.run("convert", model, scratch["closed"] + "/out", "--to", "hf-packed", "--quiet")
      Disk.setMode(0o755, scratch["closed"])
    }
    // Containers that may not mount have nothing to try here.
    guard result.exitCode != 99, result.exitCode != 1 else { return }
    #expect(result.exitCode == 73, "\(result.summary)")
    #expect(result.errors.contains(scratch["closed"]))
    #expect(Disk.names(scratch["closed"]).isEmpty)
  }
}

@Suite("Links")
struct LinkTests {
  @Test(
    "a file of a model folder that is a link out of it is refused, and accepted on request",
    arguments: [
      "config.json", "tokenizer.json", "model.safetensors",
    ])
  func outside(_ name: String) {
    let scratch = ScratchFolder()
    let model = Model.tiny().write(scratch["model"])
    Disk.makeFolder(scratch["elsewhere"])
    Disk.write(Disk.bytes(model + "/" + name), scratch["elsewhere"] + "/" + name)
    Disk.remove(model + "/" + name)
    Disk.link(model + "/" + name, to: "../elsewhere/" + name)
    for command in [["inspect", model], ["convert", model, scratch["out"], "--to", "hf-packed"]] {
      let refused = Tool.expect(65, command)
      #expect(refused.errors.contains(name) && refused.errors.contains("--follow-links"), "\(refused.errors)")
      #expect(!Disk.exists(scratch["out"]))
      Tool.expect(0, command + ["--follow-links"])
    }
  }

  @Test(
    "a link that leads nowhere is an error and no missing file",
    arguments: ["config.json", "tokenizer.json", "model.safetensors"])
  func nowhere(_ name: String) {
    let scratch = ScratchFolder()
    let model = Model.tiny().write(scratch["model"])
    Disk.remove(model + "/" + name)
    Disk.link(model + "/" + name, to: "nowhere")
    for command in [["inspect", model], ["check", model], ["convert", model, scratch["out"], "--to", "hf-packed"]] {
      let result = Tool.expect(66, command)
      #expect(result.errors.contains(model + "/" + name), "\(result.errors)")
    }
    #expect(!Disk.exists(scratch["out"]))
  }

  @Test("what is no file, and a link of another name that leads nowhere, are left out and told")
  func leftOut() {
    let scratch = ScratchFolder()
    let model = Model.tiny().write(scratch["model"])
    Disk.link(model + "/notes.txt", to: "nowhere")
    Disk.remove(model + "/tokenizer.json")
    #expect(mkfifo(model + "/tokenizer.json", 0o600) == 0)
    let told = Tool.expect(0, ["convert", model, scratch["out"], "--to", "hf-packed"]).errors
    #expect(told.contains("'notes.txt' is a link that leads nowhere and is left out"), "\(told)")
    #expect(told.contains("'tokenizer.json' is a device, pipe or socket and is left out"), "\(told)")
    #expect(!Disk.names(scratch["out"]).contains("tokenizer.json"))
  }

  @Test("every command that opens a model's folder follows links on request, also when it opens it once more")
  func everyCommand() {
    let scratch = ScratchFolder()
    let (falcon, plain) = (
      Model.linked(Model.falcon, at: scratch["falcon"]), Model.linked(Model.plain, at: scratch["plain"])
    )
    let calibration = [
      "--calibration", Fixtures.checkpoint("plain-tiny/reference/calibration_text.txt"), "--calibration-tokens", "256",
    ]
    let (packed, fitted, plan) = (scratch["packed"], scratch["fitted.tritpack"], scratch["plan.json"])
    let commands = [
      ["convert", falcon, packed, "--to", "hf-packed"], ["verify", falcon, packed], ["compare", falcon, Model.falcon],
      ["family", falcon, Model.bitnet], ["check", falcon], ["certify", falcon, packed, "-o", scratch["c.json"]],
      ["certify", falcon, packed, "--check", scratch["c.json"]],
      ["merge", falcon, Model.adapter(scratch["adapter"]), scratch["merged"]],
      ["convert", falcon, scratch["parts"], "--to", "dense", "--plan", plan],
      ["convert", "--plan", plan, "--worker", "1/1"], ["convert", "--plan", plan, "--finish"],
      ["convert", plain, fitted, "--to", "tritpack", "--quantizer", "gptq-row"] + calibration,
      ["verify", plain, fitted] + calibration, ["perplexity", plain, "--text-file", Model.plain + "/config.json"],
    ]
    for command in commands {
      let refused = Tool.run(command + ["--quiet"]) { _ in }
      // A check finds what others refuse.
      #expect(refused.exitCode == (command[0] == "check" ? 1 : 65), "\(command): \(refused.summary)")
      #expect((refused.errors + refused.output).contains("--follow-links"), "\(command): \(refused.summary)")
      Tool.expect(0, command + ["--quiet", "--follow-links"])
    }
  }

  @Test("links inside the folder, a link to the folder, and the hub's download cache are followed")
  func inside() {
    let scratch = ScratchFolder()
    let model = Model.tiny().write(scratch["model"])
    Disk.makeFolder(model + "/real")
    Disk.write(Disk.bytes(model + "/config.json"), model + "/real/c")
    Disk.remove(model + "/config.json")
    Disk.link(model + "/config.json", to: "real/c")
    Tool.expect(0, ["inspect", model])
    Disk.link(scratch["alias"], to: "model")
    Tool.expect(0, ["inspect", scratch["alias"]])
    // models--org--name/{blobs/DIGEST, snapshots/REVISION/NAME → ../../blobs/DIGEST}
    let cache = scratch["models--org--name"]
    for folder in [cache, cache + "/blobs", cache + "/snapshots", cache + "/snapshots/1234"] { Disk.makeFolder(folder) }
    let plain = Model.tiny().write(scratch["plain"])
    for name in Disk.names(plain) {
      Disk.write(Disk.bytes(plain + "/" + name), cache + "/blobs/digest-of-" + name)
      Disk.link(cache + "/snapshots/1234/" + name, to: "../../blobs/digest-of-" + name)
    }
    Tool.expect(0, ["convert", cache + "/snapshots/1234", scratch["out"], "--to", "hf-packed", "--quiet"])
    Tool.expect(0, ["verify", plain, scratch["out"]])
  }

  @Test("a link at the output is replaced itself, never what it leads to")
  func atOutput() {
    let scratch = ScratchFolder()
    let model = Model.tiny().write(scratch["model"])
    Disk.write("precious", scratch["mine"])
    Disk.link(scratch["out.tritpack"], to: "mine")
    let convert = ["convert", model, scratch["out.tritpack"], "--to", "tritpack", "--quiet"]
    Tool.expect(73, convert)
    _ = Tool.run(convert + ["--force"])
    #expect(Disk.text(scratch["mine"]) == "precious")
  }

  @Test("outputs have ordinary modes, whatever the input's were")
  func modes() {
    let scratch = ScratchFolder()
    let model = Model.tiny().write(scratch["model"])
    for name in Disk.names(model) { Disk.setMode(0o4777, model + "/" + name) }
    let script = "umask 027; exec \"$0\" \"$@\""
    func convert(_ target: String, _ output: String) {
      let result = ProcessRunner().run(
        "/bin/sh", ["-c", script, BuiltProducts.tritsmith, "convert", model, output, "--to", target, "--quiet"])
      #expect(result.exitCode == 0, "\(result.summary)")
    }
    convert("hf-packed", scratch["out"])
    convert("tritpack", scratch["out.tritpack"])
    for path in Disk.names(scratch["out"]).map({ scratch["out"] + "/" + $0 }) + [scratch["out.tritpack"]] {
      #expect(mode(path) == 0o640, "\(path)")
    }
    #expect(mode(scratch["out"]) == 0o750)
  }

  private func mode(_ path: String) -> mode_t {
    var status = stat()
    guard stat(path, &status) == 0 else { return 0 }
    return status.st_mode & 0o7777
  }
}
