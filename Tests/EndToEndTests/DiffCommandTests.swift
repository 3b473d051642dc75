// Tritsmith: `diff`, `apply` and `inspect` of a patch, as a user has them.

import Testing
import TritCore
import TritTestSupport

@Suite("Patches")
struct DiffCommandTests {
  private let scratch = ScratchFolder()
  private var patch: String { scratch["p.tritdiff"] }

  private func diff(_ base: String = Model.bitnet, _ target: String = Model.bitnet, _ code: Int32 = 0) -> ProcessResult
  {
    Tool.expect(code, ["diff", base, target, "-o", patch, "--quiet"])
  }

  @Test("a patch is made, shown and applied; what comes out has the target's bytes")
  func roundTrip() throws {
    let made = try Tool.report(["diff", Model.bitnet, Model.plain, "-o", patch], schema: "tritsmith.diff")
    #expect(made["size"]?.object?["patch_bytes"]?.number?.integer == Disk.bytes(patch).count)
    let shown = try Tool.report(["inspect", patch], schema: "tritsmith.patch")
    for key in ["models", "size", "trits", "tensors", "files"] {
      #expect(shown[key]?.serialized() == made[key]?.serialized() && shown[key] != nil, "\(key)")
    }
    let applied = try Tool.report(["apply", Model.bitnet, patch, "-o", scratch["out"]], schema: "tritsmith.apply")
    #expect(applied["apply"]?.object?["tensors"]?.number?.integer == made["tensors"]?.array?.count)
    for name in Disk.names(scratch["out"]) {
      #expect(Disk.bytes(scratch["out"] + "/" + name) == Disk.bytes(Model.plain + "/" + name))
    }
    let csv = Tool.expect(0, ["inspect", patch, "--format", "csv"]).output
    #expect(csv.hasPrefix("name,shape,encoding,coding,changed,"))
  }

  @Test("a result of another format is audited and runs")
  func conversion() throws {
    _ = diff()
    let tritpack = scratch["m.tritpack"]
    let report = try Tool.report(
      ["apply", Model.bitnet, patch, "-o", tritpack, "--to", "tritpack"], schema: "tritsmith.apply")
    #expect(report["apply"]?.object?["format"]?.string == "tritpack")
    Tool.expect(0, ["compare", Model.bitnet, tritpack, "--exact"])
    // The name alone says as much.
    for (name, format) in [("named.gguf", "gguf"), ("named.TritPack", "tritpack")] {
      let named = try Tool.report(["apply", Model.bitnet, patch, "-o", scratch[name]], schema: "tritsmith.apply")
      #expect(named["apply"]?.object?["format"]?.string == format)
      Tool.expect(0, ["compare", Model.bitnet, scratch[name]])
    }
  }

  @Test("a patch that gives a file of the output's own form is not converted")
  func ownForm() {
    let (gguf, again) = (scratch["m.gguf"], scratch["again.gguf"])
    Tool.expect(0, ["convert", Model.bitnet, gguf, "-q"])
    Tool.expect(0, ["diff", gguf, gguf, "-o", patch, "-q"])
    Tool.expect(0, ["apply", gguf, patch, "-o", again, "-q"])
    #expect(Disk.bytes(again) == Disk.bytes(gguf))
  }

  @Test("a patch has a page, as a model has one")
  func page() {
    _ = diff()
    Tool.expect(0, ["inspect", patch, "--html", scratch["page.html"], "-q"])
    let page = Disk.text(scratch["page.html"])
    #expect(page.contains("A patch of ") && page.contains("Trits compared"))
    #expect(Tool.expect(0, ["inspect", patch, "--html", "-"]).output.contains("A patch of "))
    // What stands there already is not replaced without being told to.
    Tool.expect(73, ["inspect", patch, "--html", scratch["page.html"]])
  }

  @Test("exit codes say what is wrong, and nothing is left behind")
  func exitCodes() {
    _ = diff()
    // 64: misuse
    Tool.expect(64, ["diff", Model.bitnet, Model.bitnet])
    Tool.expect(64, ["diff", Model.bitnet, Model.bitnet, "-o", patch, "--level", "20"])
    Tool.expect(64, ["apply", Model.bitnet, patch, "-o", Model.bitnet + "/inside"])
    let packed = scratch["z.tritpack"]
    Tool.expect(0, ["convert", Model.bitnet, packed, "--to", "tritpack", "--zstd", "3", "--quiet"])
    #expect(
      Tool.expect(64, ["diff", Model.bitnet, packed, "-o", scratch["z"]]).errors.contains("store it uncompressed"))
    // A name of another form: a folder would be called a safetensors file.
    let refused = Tool.expect(64, ["apply", Model.bitnet, patch, "-o", scratch["out.safetensors"]])
    #expect(refused.errors.contains("choose another name"))
    Tool.expect(64, ["apply", Model.bitnet, patch, "-o", scratch["out.gguf"], "--to", "tritpack"])
    // 65: another base, no patch, a patch where a model belongs
    let wrong = Tool.expect(65, ["apply", Model.plain, patch, "-o", scratch["out"]])
    #expect(wrong.errors.contains("tensor '"))
    #expect(wrong.output.isEmpty)
    Tool.expect(65, ["apply", Model.bitnet, packed, "-o", scratch["out"]])
    #expect(
      Tool.expect(65, ["compare", Model.bitnet, patch]).errors.contains("tritsmith apply BASE PATCH -o MODEL"))
    // 66: not there
    Tool.expect(66, ["diff", scratch["none"], Model.bitnet, "-o", scratch["x"]])
    Tool.expect(66, ["apply", Model.bitnet, scratch["none"], "-o", scratch["x"]])
    // 73: exists, no folder
    _ = diff(Model.bitnet, Model.bitnet, 73)
    Tool.expect(73, ["apply", Model.bitnet, patch, "-o", scratch["no/folder"]])
    Tool.expect(0, ["diff", Model.bitnet, Model.bitnet, "-o", patch, "--force"])
    #expect(Disk.names(scratch.path) == ["p.tritdiff", "z.tritpack"])
  }

  @Test("a patch that states other hashes than it gives fails its check (exit 1)")
  func lyingPatch() throws {
    _ = Tool.expect(0, ["diff", Model.bitnet, Model.plain, "-o", patch, "--quiet"])
    // The hash of a file is changed, and the header sealed again.
    let (before, text) = PatchBytes.parts(Disk.bytes(patch))
    var header = try #require(try JSONValue.parse(text).object)
    var file = try #require(header["files"]?.array?.first?.object)
    file["sha256"] = .string(String(repeating: "0", count: 64))
    header["files"] = .array([.object(file)])
    Disk.remove(patch)
    Disk.write(PatchBytes.assembled(before, JSONValue.object(header).serialized()), patch)
    let result = Tool.expect(1, ["apply", Model.bitnet, patch, "-o", scratch["out"]])
    #expect(result.errors.contains("model.safetensors"))
    #expect(!Disk.exists(scratch["out"]))
  }
}
