// Tritsmith: certificates, and every way they can be wrong.

import Testing
import TritCore
import TritTestSupport

@Suite("Certificates")
struct CertifyTests {
  /// A small model, its conversion, and the certificate of that, side by side.
  private struct Certified {
    let scratch = ScratchFolder()
    var source: String { scratch["source"] }
    var output: String
    var certificate: String { scratch["certificate.json"] }

    init(_ target: String, output name: String = "output", options: [String] = []) {
      output = scratch[name]
      Model.tiny().write(source)
      Tool.expect(
        0, ["convert", source, output, "--to", target, "--certificate", certificate, "--quiet"] + options)
    }

    func check(_ code: Int32, _ options: String..., sourceLocation: SourceLocation = #_sourceLocation) -> ProcessResult
    {
      Tool.expect(code, ["certify", "--check", certificate] + options, sourceLocation: sourceLocation)
    }
  }

  @Test(
    "an honest conversion is reproduced byte for byte",
    arguments: [
      ("hf-packed", "output", []), ("hf-packed", "output.safetensors", []), ("dense", "output", []),
      ("tritpack", "output.tritpack", ["--zstd", "3"]), ("tritpack", "output.tritpack", ["--layout", "two-bit"]),
      ("hf-packed", "output", ["--max-shard-size", "300", "--arithmetic", "float32", "--output-scale", "multiply"]),
    ] as [(String, String, [String])])
  func honest(_ target: String, _ name: String, _ options: [String]) throws {
    let certified = Certified(target, output: name, options: options)
    let before = FolderSnapshot(certified.scratch.path)
    let report = try Tool.report(["certify", "--check", certified.certificate], schema: "tritsmith.certify")
    #expect(report["certificate"]?.object?["passed"]?.bool == true)
    #expect(report["certificate"]?.object?["reproduced"]?.bool == true)
    let checks = try #require(report["checks"]?.array)
    #expect(
      Set(checks.compactMap { $0.object?["of"]?.string }) == ["input", "output", "reproduced", "code stream", "field"])
    #expect(FolderSnapshot(certified.scratch.path) == before, "a check leaves nothing behind")
  }

  /// Changes what a certificate says and seals it again, in the spelling of the program.
  private func lie(_ certified: Certified, _ change: (inout JSONObject) -> Void) throws {
    var object = try #require(try JSONValue.parse(Disk.bytes(certified.certificate)).object)
    object.entries.removeLast()
    change(&object)
    let seal = SHA256.digest(of: JSONValue.object(object).serialized())
    object.add("sealed_sha256", .string(seal.description))
    Disk.write(JSONValue.object(object).serialized(.pretty), certified.certificate)
  }

  private static func gates(_ change: @escaping (inout JSONObject) -> Void) -> (inout JSONObject) -> Void {
    return { object in
      let gates = (object["gates"]?.array ?? []).map { value -> JSONValue in
        var gate = value.object ?? JSONObject()
        change(&gate)
        return .object(gate)
      }
      object["gates"] = .array(gates)
    }
  }

  @Test("whatever a sealed certificate says beside hashes is held against the conversion")
  func lies() throws {
    let lies: [(field: String, code: Int32, change: (inout JSONObject) -> Void)] = [
      ("gates", 65, { $0["gates"] = .array([]) }),
      ("gates", 1, Self.gates { $0["passed"] = false }), ("gates", 1, Self.gates { $0["differences"] = 12345 }),
      ("gates", 1, Self.gates { $0["tensors"] = 1_000_000 }), ("gates", 1, Self.gates { $0["gate"] = "all" }),
      ("gates[0].by", 65, Self.gates { $0["by"] = "NIST" }),
      ("recipe", 1, { $0["recipe"] = .object(JSONObject()) }),
      (
        "recipe", 1,
        { object in
          var recipe = object["recipe"]?.object ?? JSONObject()
          recipe["quantizer"] = "optimal-row"
          object["recipe"] = .object(recipe)
        }
      ),
      (
        "request", 1,
        { object in
          var request = object["request"]?.object ?? JSONObject()
          request["architecture"] = "LlamaForCausalLM"
          object["request"] = .object(request)
        }
      ),
      ("input", 1, { $0["input"] = "some-famous-model" }), ("output", 1, { $0["output"] = "other" }),
      ("extra", 65, { $0["extra"] = "certified by NIST" }),
      ("code_stream", 65, { $0["code_stream"] = "none" }),
      ("code stream", 1, { $0["code_stream"] = .string(String(repeating: "0", count: 64)) }),
      ("code stream", 1, { $0["code_stream"] = .null }),
    ]
    let certified = Certified("hf-packed")
    let honest = Disk.bytes(certified.certificate)
    let paths = ["certify", certified.source, certified.output, "--check", certified.certificate]
    try lie(certified) { _ in }
    #expect(Disk.bytes(certified.certificate) == honest, "the seal of this test is the program's")
    Tool.expect(0, paths)
    for lie in lies {
      Disk.write(honest, certified.certificate)
      try self.lie(certified, lie.change)
      let result = Tool.expect(lie.code, paths)
      #expect((result.output + result.errors).contains(lie.field), "\(lie.field): \(result.output)")
      // Hashes alone prove no audit, but a failed one is no certificate.
      if lie.code == 65 { Tool.expect(65, paths + ["--hashes-only"]) }
    }
    Disk.write(honest, certified.certificate)
    try lie(certified, Self.gates { $0["passed"] = false })
    Tool.expect(1, paths + ["--hashes-only"])
    // Counts that do not fit each other, and those that fit no output.
    for change in [{ count, index in index == 0 ? 1 : count }, { count, _ in count + count }] as [(Int, Int) -> Int] {
      Disk.write(honest, certified.certificate)
      try lie(certified) { object in
        let gates = (object["gates"]?.array ?? []).enumerated().map { index, value -> JSONValue in
          var gate = value.object ?? JSONObject()
          gate["tensors"] = .number(JSONNumber(change(gate["tensors"]?.number?.integer ?? 0, index)))
          return .object(gate)
        }
        object["gates"] = .array(gates)
      }
      let result = Tool.expect(1, paths + ["--hashes-only"])
      #expect(result.output.contains("gates"), "\(result.output)")
    }
  }

  @Test("it names hashes of the files as sha256sum gives them, and no time, machine or folder")
  func content() throws {
    let certified = Certified("hf-packed")
    let text = Disk.text(certified.certificate)
    #expect(!text.contains(certified.scratch.path) && !text.contains("/"))
    let object = try #require(try JSONValue.parse(Array(text.utf8)).object)
    for (key, folder) in [("inputs", certified.source), ("outputs", certified.output)] {
      let files = try #require(object[key]?.array)
      #expect(Set(files.compactMap { $0.object?["name"]?.string }) == Set(Disk.names(folder)))
      for file in files.compactMap(\.object) {
        let name = try #require(file["name"]?.string)
        let sum = ProcessRunner().run("/usr/bin/sha256sum", [folder + "/" + name])
        #expect(sum.output.hasPrefix(try #require(file["sha256"]?.string)), "\(name)")
      }
    }
    for gate in try #require(object["gates"]?.array) {
      #expect(gate.object?["passed"]?.bool == true && gate.object?["differences"]?.number?.integer == 0)
    }
  }

  @Test("a file of the output that is a link out of it is none of its files")
  func linkedOut() throws {
    let certified = Certified("hf-packed")
    let (file, outside) = (certified.output + "/config.json", certified.output + "-config.json")
    Disk.write(Disk.bytes(file), outside)
    Disk.remove(file)
    Disk.link(file, to: outside)
    let result = Tool.expect(1, ["certify", certified.source, certified.output, "--check", certified.certificate])
    #expect(result.output.contains("config.json"))
  }

  @Test("the same conversion elsewhere gives the same certificate, and so does certifying it afterwards")
  func deterministic() {
    let (first, second) = (
      Certified("tritpack", output: "output.tritpack"),
      Certified("tritpack", output: "output.tritpack", options: ["--threads", "1"])
    )
    #expect(Disk.bytes(first.certificate) == Disk.bytes(second.certificate))
    #expect(first.certificate != second.certificate, "two folders")
    let later = first.scratch["later.json"]
    Tool.expect(0, ["certify", first.source, first.output, "-o", later, "--quiet"])
    #expect(Disk.bytes(later) == Disk.bytes(first.certificate))
    Tool.expect(73, ["certify", first.source, first.output, "-o", later, "--quiet"])
  }

  @Test("one changed byte of an input is told", arguments: ["model.safetensors", "config.json", "tokenizer.json"])
  func changedInput(_ name: String) {
    let certified = Certified("hf-packed")
    let path = certified.source + "/" + name
    let bytes = Disk.bytes(path)
    // In the last third of the file: in weights, or inside the text of a value.
    Disk.write(ByteMutator.flipping(bit: 0, of: bytes.count - 4, in: bytes), path)
    let result = Tool.run("certify", "--check", certified.certificate)
    // A configuration that is no JSON any more is told when it is opened.
    #expect(result.exitCode == 1 || name == "config.json" && result.exitCode == 65, "\(result.summary)")
    guard result.exitCode == 1 else { return }
    // Another input is not converted: what that would give was not tried.
    #expect(result.output.contains("(not tried: the source is not the one that was converted)"), "\(result.output)")
    #expect(!result.output.contains("converted again"))
  }

  @Test("every changed byte of an output is told", arguments: ["model.safetensors", "config.json", "tokenizer.json"])
  func changedOutput(_ name: String) {
    let certified = Certified("hf-packed")
    let path = certified.output + "/" + name
    let bytes = Disk.bytes(path)
    for index in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 7)) {
      Disk.write(ByteMutator.flipping(bit: 2, of: index, in: bytes), path)
      let result = certified.check(1)
      #expect(result.output.contains("differs"))
    }
    Disk.write(bytes, path)
    #expect(certified.check(0).output.contains("PASS"))
    Disk.write("{}", certified.output + "/more.json")
    #expect(certified.check(1).output.contains("unexpected"))
  }

  @Test(
    "whatever else is in an output is told, and fails the check",
    arguments: [
      ("mkdir sub", "sub"), ("mkdir sub; cp model.safetensors sub", "sub"),
      ("ln -s /nonexistent adapter.bin", "adapter.bin"),
      ("mkfifo pipe", "pipe"), ("ln -s /etc/passwd x.txt", "x.txt"), ("echo x > .hidden.py", ".hidden.py"),
      ("echo x > $(printf 'bad\\377.json')", "bad"), ("ln -s .. up", "up"),
      // Repaired to text it would have the name of a file that is certified.
      ("mv config.json $(printf 'config\\377')", "config"),
    ])
  func otherEntries(_ command: String, _ name: String) throws {
    let certified = Certified("hf-packed")
    let made = ProcessRunner().run("/bin/sh", ["-c", "cd \(certified.output) && \(command)"])
    #expect(made.exitCode == 0, "\(made.summary)")
    let report = try Tool.report(
      ["certify", "--check", certified.certificate, "--hashes-only"], schema: "tritsmith.certify", exitCode: 1)
    #expect(report["certificate"]?.object?["reproduced"] == .null)
    let wrong = (report["checks"]?.array ?? []).compactMap(\.object).filter { $0["verdict"]?.string != "equal" }
    #expect(wrong.contains { $0["verdict"]?.string == "unexpected" && $0["file"]?.string?.hasPrefix(name) == true })
    #expect(certified.check(1).output.contains("FAIL"))
  }

  @Test("an output that is of another kind altogether fails the check")
  func otherKind() {
    let certified = Certified("hf-packed")
    for command in ["mkfifo", "touch"] {
      let made = ProcessRunner().run("/bin/sh", ["-c", "rm -r \(certified.output); \(command) \(certified.output)"])
      #expect(made.exitCode == 0, "\(made.summary)")
      _ = certified.check(1)
    }
  }

  @Test("every changed byte of a certificate is told")
  func changedCertificate() {
    let certified = Certified("hf-packed")
    let bytes = Disk.bytes(certified.certificate)
    for index in stride(from: 0, to: bytes.count, by: 13) {
      Disk.write(ByteMutator.flipping(bit: 1, of: index, in: bytes), certified.certificate)
      let result = Tool.run("certify", "--check", certified.certificate, "--hashes-only")
      #expect(result.exitCode == 1 || result.exitCode == 65, "byte \(index): \(result.summary)")
      #expect(result.errors.hasPrefix("error: "), "byte \(index)")
    }
    // A blank at the end is a change as well.
    Disk.write(bytes + [UInt8(ascii: "\n")], certified.certificate)
    _ = certified.check(1)
  }

  @Test("a forged certificate with a right seal is not reproduced")
  func forged() throws {
    let certified = Certified("hf-packed")
    let real = Disk.text(certified.certificate)
    // Another conversion's outputs under this one's name: sealed by the tool itself, and yet not what the recipe gives.
    let other = Certified("hf-packed", options: ["--output-scale", "multiply"])
    #expect(Disk.text(other.certificate) != real)
    Tool.expect(1, ["certify", certified.source, certified.output, "--check", other.certificate])
  }

  @Test("hashes alone can be compared when a model is not here; a conversion needs its source")
  func missing() {
    let certified = Certified("hf-packed")
    Disk.remove(certified.source)
    let refused = certified.check(66).errors
    let remedy = "'tritsmith certify SOURCE OUTPUT --check \(certified.certificate)'"
    #expect(refused.contains(certified.source + ": ") && refused.contains(remedy), "\(refused)")
    #expect(certified.check(0, "--hashes-only").output.hasPrefix("PASS hashes and names of what is here "))
    Disk.remove(certified.output)
    _ = certified.check(66, "--hashes-only")
  }

  @Test("an output this program did not write, or did otherwise, gets no certificate")
  func afterwards() {
    let scratch = ScratchFolder()
    Tool.expect(65, ["certify", Model.falcon, Model.bitnet, "-o", scratch["c.json"]])
    let certified = Certified("tritpack", output: "output.tritpack")
    Model.tiny { $0.companions["tokenizer.json"] = "{\"model\": {\"type\": \"WordPiece\"}}" }.write(scratch["other"])
    Tool.expect(1, ["certify", scratch["other"], certified.output, "-o", scratch["c.json"]])
    #expect(!Disk.exists(scratch["c.json"]))
  }

  @Test("an output of another name is told by its own, and a certificate that was written by its path")
  func names() {
    let certified = Certified("tritpack", output: "output.tritpack")
    let (scratch, other) = (certified.scratch, certified.scratch["other.tritpack"])
    Tool.expect(0, ["convert", certified.source, other, "--to", "tritpack", "--layout", "two-bit", "-q"])
    let wrong = Tool.expect(1, ["certify", certified.source, other, "--check", certified.certificate]).output
    #expect(wrong.contains("output 'other.tritpack' differs (certified as 'output.tritpack')"), "\(wrong)")
    #expect(wrong.contains("converted again: its bytes are the certified ones"), "\(wrong)")
    #expect(!wrong.contains("output 'output.tritpack' differs"), "\(wrong)")
    let made = Tool.expect(0, ["certify", certified.source, other, "-o", scratch["new.json"]]).output
    #expect(made.hasPrefix("PASS '\(scratch["new.json"])' is written"), "\(made)")
    #expect(made.contains("converted again: its bytes are the output's"), "\(made)")
  }

  @Test("places a certificate may not stand, and options that do not go together")
  func misuse() {
    let certified = Certified("hf-packed")
    let convert = ["convert", certified.source, certified.scratch["new"], "--to", "dense", "--certificate"]
    Tool.expect(64, convert + [certified.source + "/c.json"])
    Tool.expect(73, convert + [certified.scratch["new"] + "/c.json"])
    Tool.expect(73, convert + [certified.certificate])
    Tool.expect(73, convert + [certified.scratch["nowhere/c.json"]])
    #expect(!Disk.exists(certified.scratch["new"]))
    Tool.expect(64, ["certify", certified.source, certified.output])
    Tool.expect(64, ["certify", "--check", "a", "-o", "b"])
    Tool.expect(65, ["certify", "--check", certified.output + "/config.json"])
  }
}
