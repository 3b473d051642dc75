// Tritsmith: what the commands print.

import Testing
import TritCore
import TritTestSupport

@Suite("Commands and their output")
struct CommandTests {
  static let commands = ["inspect", "convert", "verify", "completions"]

  @Test("help of the tool and of every command, on standard output")
  func help() {
    for arguments in [["--help"], ["-h"], ["help"]] {
      let result = Tool.expect(0, arguments)
      for command in Self.commands { #expect(result.output.contains(command)) }
      #expect(result.errors.isEmpty)
    }
    for command in Self.commands {
      let result = Tool.expect(0, [command, "--help"])
      #expect(result.output.contains("usage: tritsmith \(command)"))
      #expect(Tool.expect(0, ["help", command]).output == result.output)
    }
    let convert = Tool.run("help", "convert").output
    for option in ["--to", "--keep", "--dry-run", "--max-shard-size", "--require-native", "hf-packed", "tritpack"] {
      #expect(convert.contains(option))
    }
  }

  @Test("the version is one line")
  func version() {
    let result = Tool.expect(0, ["--version"])
    let parts = result.output.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(parts.count == 2 && parts[1].isEmpty)
    #expect(parts[0].split(separator: ".").compactMap { Int($0) }.count == 3)
  }

  @Test(
    "misuse exits with 64, says why on standard error and suggests what was meant",
    arguments: [
      (["convrt", "a", "b"], "convert"), (["inspect", "x", "--fromat", "json"], "--format"),
      (["convert", "a", "b", "--to", "hf-packd"], "hf-packed"), (["inspect"], "path"),
      (["convert", "a", "b"], "--to"), (["inspect", "a", "--threads", "many"], "many"),
      (["inspect", "a", "--threads", "-1"], "--threads"), (["inspect", "a", "--format", "yaml"], "json"),
      (["convert", "a", "b", "--to", "hf-packed", "--zstd", "3"], "--zstd"),
      (["convert", "a", "b", "--to", "tritpack", "--max-shard-size", "1MB"], "--max-shard-size"),
      (["convert", "a", "b", "--to", "tritpack", "--zstd", "20"], "19"), (["completions", "tcsh"], "zsh"),
    ])
  func misuse(_ arguments: [String], _ word: String) {
    let result = Tool.expect(64, arguments)
    #expect(result.output.isEmpty)
    #expect(result.errors.hasPrefix("error: ") && result.errors.contains(word), "\(result.errors)")
  }

  @Test("the bare name and help alone show a screen of help, --help the same with examples")
  func nothing() {
    let (short, long) = (Tool.expect(0, ["-h"]).output, Tool.expect(0, ["--help"]).output)
    #expect(Tool.expect(0, []).output == short && Tool.expect(0, ["help"]).output == short)
    #expect(!short.contains("Examples:") && short.contains("--help (examples)"))
    #expect(long.contains("Examples:\n  tritsmith inspect ") && long.contains("-h, --help"))
  }

  @Test("completions for three shells name commands and options")
  func completions() {
    for (shell, word) in [("bash", "complete "), ("zsh", "#compdef tritsmith"), ("fish", "complete ")] {
      let result = Tool.expect(0, ["completions", shell])
      #expect(result.output.contains(word), "\(shell)")
      for name in ["inspect", "convert", "verify", "require-native"] { #expect(result.output.contains(name)) }
    }
  }

  @Test("inspect as a table, JSON and CSV tells the same")
  func inspect() throws {
    let object = try Tool.report(["inspect", Model.goldenPacked, "--stats"], schema: "tritsmith.inspect")
    #expect(object["model"]?.object?["kind"]?.string == "packed-ternary")
    #expect(object["scale"]?.object?["convention"]?.string == "divide")
    let size = try #require(object["size"]?.object)
    let stored = RawModelFile(reading: Model.goldenPacked + "/model.safetensors").tensors
    #expect(size["tensor_bytes"]?.number?.integer == stored.reduce(0) { $0 + $1.bytes.count })
    let rows = try #require(object["tensors"]?.array)
    #expect(rows.count == stored.count { !$0.name.hasSuffix("_scale") })
    let csv = Tool.expect(0, ["inspect", Model.goldenPacked, "--stats", "--format", "csv"])
    let lines = csv.output.split(separator: "\r\n")
    #expect(lines.count == rows.count + 1)
    let keys = try #require(rows.first?.object?.entries.map(\.key))
    #expect(lines[0] == keys.joined(separator: ","))
    for (row, line) in zip(rows, lines.dropFirst()) {
      #expect(line.hasPrefix((row.object?["name"]?.string ?? "?") + ","))
    }
    let table = Tool.expect(0, ["inspect", Model.goldenPacked, "--all"])
    #expect(table.output.contains("hf-packed") && table.output.contains("weight = trit ÷ stored scale"))
    #expect(!table.output.contains("\u{1B}"), "no colour outside a terminal")
    let chosen = try Tool.report(
      ["inspect", Model.goldenPacked, "--tensor", "*.q_proj.*"], schema: "tritsmith.inspect")
    #expect(chosen["tensors"]?.array?.count == 2)
    #expect(Tool.expect(64, ["inspect", Model.goldenPacked, "--tensor", "nope"]).errors.contains("nope"))
  }

  @Test("convert and verify as text and JSON, from a dry run to the end")
  func convertAndVerify() throws {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["latent"])
    let before = FolderSnapshot(scratch.path)
    let plan = try Tool.report(
      ["convert", input, scratch["out"], "--to", "hf-packed", "--dry-run"], schema: "tritsmith.plan")
    #expect(FolderSnapshot(scratch.path) == before, "a dry run writes nothing")
    let done = try Tool.report(["convert", input, scratch["out"], "--to", "hf-packed"], schema: "tritsmith.convert")
    #expect(done["result"]?.object?["audit_passed"]?.bool == true)
    let sizes = Disk.names(scratch["out"]).reduce(0) { $0 + Disk.bytes(scratch["out"] + "/" + $1).count }
    #expect(done["result"]?.object?["written"]?.number?.integer == sizes)
    let verified = try Tool.report(["verify", input, scratch["out"]], schema: "tritsmith.verify")
    let facts = try #require(verified["verification"]?.object)
    #expect(facts["passed"]?.bool == true && facts["trits_that_differ"]?.number?.integer == 0)
    #expect(facts["code_stream"]?.string?.utf8.count == 64)
    #expect(verified["tensors"]?.array?.count == 3)
    let text = Tool.expect(0, ["verify", input, scratch["out"]])
    #expect(text.output.hasPrefix("PASS weights, description (key for key, not all understood), tokenizer equal\n"))
    #expect(Tool.expect(0, ["verify", input, scratch["out"], "--all"]).output.contains("equal a fresh quantization"))
    #expect(Tool.expect(0, ["verify", input, scratch["out"], "--quiet"]).output.isEmpty)
    let csv = Tool.expect(0, ["verify", input, scratch["out"], "--format", "csv"])
    #expect(csv.output.hasPrefix("name,outcome,") && csv.output.split(separator: "\r\n").count == 4)
    #expect(plan["plan"]?.object?["quantizer"]?.string == "absmean-bf16")
    let dense = Tool.run("convert", input, scratch["o"], "--to", "dense", "--dry-run").output
    #expect(dense.contains("default of Llama"))
    // A file has a header besides, and a folder other files.
    #expect(dense.hasPrefix("Nothing is written: ") && dense.contains(" of tensors are planned, "), "\(dense)")
  }

  @Test("the sizes of a dry run are those of the finished output", arguments: ["hf-packed", "dense", "tritpack"])
  func plannedSizes(_ target: String) throws {
    let scratch = ScratchFolder()
    let input = Fixtures.golden("models/llama256_packed")
    let arguments = ["convert", input, scratch["out"], "--to", target]
    let plan = try Tool.report(arguments + ["--dry-run"], schema: "tritsmith.plan")
    #expect(Disk.names(scratch.path) == [])
    Tool.expect(0, arguments)
    let result = try Tool.report(["inspect", scratch["out"]], schema: "tritsmith.inspect")
    func sizes(_ rows: [JSONValue]?, _ key: String) -> [String: Int] {
      Dictionary(
        uniqueKeysWithValues: (rows ?? []).compactMap { row in
          row.object.map { ($0["name"]?.string ?? "?", $0[key]?.number?.integer ?? -1) }
        })
    }
    let planned = sizes(plan["tensors"]?.array, "output_bytes")
    #expect(planned == sizes(result["tensors"]?.array, "bytes"))
    #expect(plan["plan"]?.object?["output_bytes"] == result["size"]?.object?["tensor_bytes"])
    guard target != "tritpack" else { return }
    for (name, bytes) in sizes(plan["files"]?.array, "bytes") {
      #expect(Disk.bytes(scratch["out"] + "/" + name).count == bytes, "\(name)")
    }
  }

  @Test("an ordinary model: a warning on standard error, with --require-native exit 1 and no output")
  func ordinary() throws {
    let scratch = ScratchFolder()
    let refused = Tool.expect(1, ["convert", Model.plain, scratch["out"], "--to", "hf-packed", "--require-native"])
    #expect(refused.errors.contains("not those of a BitNet model"))
    #expect(Disk.names(scratch.path) == [])
    // Latents of the tiny model are spread evenly, as no trained model's are.
    let input = Model.tiny().write(scratch["latent"])
    let warned = Tool.expect(0, ["convert", input, scratch["out"], "--to", "hf-packed"])
    #expect(warned.errors.hasPrefix("warning: "))
    let quiet = Tool.expect(0, ["convert", input, scratch["out"], "--to", "hf-packed", "--force", "--quiet"])
    // What may ruin a model is said all the same.
    #expect(quiet.errors == warned.errors && quiet.output.isEmpty)
  }

  @Test("verify exits with 1 and names tensor, row and column")
  func failedVerification() throws {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["latent"])
    Tool.expect(0, ["convert", input, scratch["out"], "--to", "hf-packed", "--quiet"])
    var file = RawModelFile(reading: scratch["out"] + "/model.safetensors")
    // Packed row 1, column 3, place 1: row 1 + 8 / 4 = 3.
    let byte = file[Model.query].bytes[19]
    file[Model.query].bytes[19] = byte & ~0x0C | (((byte >> 2 & 3) + 1) % 3) << 2
    Disk.write(file.serialized, scratch["out"] + "/model.safetensors")
    let result = Tool.expect(1, ["verify", input, scratch["out"]])
    #expect(result.output.contains(Model.query) && result.output.contains("row 3, column 3"), "\(result.output)")
    let report = try Tool.report(["verify", input, scratch["out"]], schema: "tritsmith.verify", exitCode: 1)
    #expect(report["verification"]?.object?["passed"]?.bool == false)
    #expect(report["notes"]?.array?.contains { $0.object?["severity"]?.string == "fail" } == true)
  }

  @Test("threads, kernels and buffered reading change no byte")
  func machineOptions() {
    let scratch = ScratchFolder()
    let input = Model.tiny().write(scratch["latent"])
    var digests: Set<Digest> = []
    for options in [[], ["--threads", "1"], ["--threads", "8", "--mmap"], ["--kernels", "scalar"]] {
      let output = scratch["out\(digests.count)-\(options.count)-\(options.first ?? "")"]
      Tool.expect(0, ["convert", input, output, "--to", "tritpack", "--zstd", "1", "--quiet"] + options)
      digests.insert(SHA256.digest(of: Disk.bytes(output)))
    }
    #expect(digests.count == 1)
  }

  @Test("output that cannot be written exits with 74, a closed reader does not")
  func standardOutput() {
    let full = Tool.run(["inspect", Model.goldenPacked]) { $0.outputPath = "/dev/full" }
    #expect(full.exitCode == 74, "\(full.summary)")
    #expect(full.errors.contains("standard output"))
    let help = Tool.run(["--help"]) { $0.outputPath = "/dev/full" }
    #expect(help.exitCode == 74)
    let piped = ProcessRunner().run(
      "/bin/sh",
      ["-c", "\"$0\" inspect \"$1\" --format json | true; exit 0", BuiltProducts.tritsmith, Model.goldenPacked]
    )
    #expect(piped.exitCode == 0 && piped.errors.isEmpty)
  }

  @Test("a model of 100 GB is described from its header and a sample")
  func largeModel() throws {
    let scratch = ScratchFolder()
    // 48 projections of 32768 × 32768: a sparse file, so nothing of it is on disk.
    let model = Model.sparse(scratch["big"], projections: Array(repeating: (32768, 32768), count: 48))
    var runner = ProcessRunner()
    runner.watchesMemory = true
    let result = runner.run(BuiltProducts.tritsmith, ["inspect", model, "--format", "json"])
    #expect(result.exitCode == 0, "\(result.summary)")
    let size = try JSONValue.parse(Array(result.output.utf8)).object?["size"]?.object
    #expect(size?["tensor_bytes"]?.number?.integer == 48 * 2 << 30)
    // A sample of 16 × 16 blocks of 8 KiB, and the program itself.
    #expect(result.peakResidentBytes < 64 << 20)
  }
}
