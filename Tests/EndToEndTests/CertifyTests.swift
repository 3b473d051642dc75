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
    #expect(Set(checks.compactMap { $0.object?["of"]?.string }) == ["input", "output", "reproduced", "code stream"])
    #expect(FolderSnapshot(certified.scratch.path) == before, "a check leaves nothing behind")
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
    let other = Certified("hf-packed", options: ["--keep", Model.query, "--quantize", "model.embed_tokens.weight"])
    #expect(Disk.text(other.certificate) != real)
    Tool.expect(1, ["certify", certified.source, certified.output, "--check", other.certificate])
  }

  @Test("hashes alone can be compared when a model is not here; a conversion needs its source")
  func missing() {
    let certified = Certified("hf-packed")
    Disk.remove(certified.source)
    _ = certified.check(66)
    #expect(certified.check(0, "--hashes-only").output.contains("not done again"))
    Disk.remove(certified.output)
    _ = certified.check(66, "--hashes-only")
  }

  @Test("an output this program did not write, or did otherwise, gets no certificate")
  func afterwards() {
    let scratch = ScratchFolder()
    Tool.expect(65, ["certify", Model.falcon, Model.bitnet, "-o", scratch["c.json"]])
    let certified = Certified("tritpack", output: "output.tritpack")
    Model.tiny { $0.companions["tokenizer.json"] = "{}" }.write(scratch["other"])
    Tool.expect(1, ["certify", scratch["other"], certified.output, "-o", scratch["c.json"]])
    #expect(!Disk.exists(scratch["c.json"]))
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
