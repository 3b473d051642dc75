// Tritsmith tests: recipes, quantizers and merging on the command line.

import Testing
import TritCore
import TritTestSupport

@Suite("Recipes and quantizers, as typed") struct RecipeTests {
  static let bfloat16 = Fixtures.checkpoint("falcon-e-tiny/bfloat16")

  private func tensors(_ folder: String) -> [RawTensor] { RawModelFile.tensors(ofFolder: folder) }

  @Test("the functions of onebitllms give its files byte for byte")
  func onebitllms() {
    let scratch = ScratchFolder()
    Tool.expect(0, ["convert", Model.falcon, scratch["a"], "--recipe", "quantize_to_1bit", "--quiet"])
    #expect(tensors(scratch["a"]) == tensors(Model.bitnet))
    Tool.expect(0, ["convert", Model.falcon, scratch["b"], "--recipe", "convert_to_bf16", "--quiet"])
    #expect(tensors(scratch["b"]) == tensors(Self.bfloat16))
  }

  @Test("a recipe decides what it decides")
  func misuse() {
    let scratch = ScratchFolder()
    for options in [
      [], ["--recipe", "quantize_to_1bit", "--to", "dense"],
      ["--recipe", "quantize_to_1bit", "--arithmetic", "float32"],
      ["--recipe", "quantize_to_1bit", "--keep", "*"], ["--recipe", "convert_to_bf16", "--quantize", "*embed*"],
      ["--recipe", "quantize_to_2bit"], ["--to", "tritpack", "--quantizer", "optimal"],
      ["--to", "tritpack", "--quantizer", "optimal-row", "--arithmetic", "bf16"],
      ["--to", "tritpack", "--quantizer", "gptq-row", "--calibration-tokens", "1000"],
      ["--to", "tritpack", "--quantizer", "gptq-row"], ["--to", "hf-packed", "--quantizer", "optimal-row"],
    ] {
      Tool.expect(64, ["convert", Model.plain, scratch["out"]] + options)
    }
    Tool.expect(64, ["convert", Model.falcon, scratch["out"], "--to", "tritpack", "--quantizer", "optimal-row"])
    for options in [["--quantizer", "optimal-row"], ["--arithmetic", "bf16"]] {
      Tool.expect(64, ["convert", Model.bitnet, scratch["out"], "--to", "trainable"] + options)
    }
    for model in [Model.plain, Model.falcon] {
      let result = Tool.expect(64, ["convert", model, scratch["out"], "--to", "trainable"])
      #expect(result.errors.contains("no trits to make latents of"))
    }
    #expect(Disk.names(scratch.path) == [])
  }

  @Test(
    "fits, recipes and restored latents are certified and repeated",
    arguments: [
      (Model.plainLayer, "out.tritpack", ["--to", "tritpack", "--quantizer", "two-plane-group128"]),
      (Model.plainLayer, "out", ["--to", "dense", "--quantizer", "optimal-row"]),
      (Model.falcon, "out", ["--recipe", "quantize_to_1bit"]), (Model.falcon, "out", ["--recipe", "convert_to_bf16"]),
      (Model.bitnet, "out", ["--to", "trainable"]),
    ])
  func certified(_ source: String, _ name: String, _ options: [String]) {
    let scratch = ScratchFolder()
    let (output, certificate) = (scratch[name], scratch["out.json"])
    Tool.expect(0, ["convert", source, output, "--certificate", certificate, "--quiet"] + options)
    Tool.expect(0, ["certify", source, output, "--check", certificate, "--quiet"])
    Tool.expect(0, ["certify", source, output, "-o", scratch["later.json"], "--quiet"])
    #expect(Disk.bytes(certificate) == Disk.bytes(scratch["later.json"]))
  }

  @Test("two planes pass a check, and a second plane without its first does not")
  func checked() {
    let scratch = ScratchFolder()
    let model = scratch["m.tritpack"]
    Tool.expect(
      0, ["convert", Model.plainLayer, model, "--to", "tritpack", "--quantizer", "two-plane-group128", "--quiet"])
    Tool.expect(0, ["check", model])
    let stray = Model.tiny {
      $0.file.tensors.append(RawTensor(Model.query + ".plane2", "BF16", [8, 16], [UInt8](repeating: 0, count: 256)))
    }.write(scratch["stray"])
    #expect(Tool.expect(1, ["check", stray]).output.contains(".plane2"))
  }

  @Test("a merge is no conversion that could be certified")
  func mergedCertificate() {
    let scratch = ScratchFolder()
    Tool.expect(0, ["merge", Model.falcon, Model.adapter(scratch["adapter"]), scratch["merged"], "--quiet"])
    Tool.expect(65, ["certify", Model.falcon, scratch["merged"], "-o", scratch["c.json"]])
  }

  @Test("a forced quantizer is part of the record")
  func forced() {
    let scratch = ScratchFolder()
    let options = ["--to", "tritpack", "--quantizer", "optimal-row", "--force-quantizer", "--quiet"]
    let output = scratch["out.tritpack"]
    Tool.expect(0, ["convert", Model.falcon, output, "--certificate", scratch["out.json"]] + options)
    Tool.expect(0, ["certify", Model.falcon, output, "--check", scratch["out.json"], "--quiet"])
  }

  @Test("what depends on a calibration text is neither certified nor planned in parts")
  func calibrated() {
    let scratch = ScratchFolder()
    let text = Fixtures.checkpoint("plain-tiny/reference/calibration_text.txt")
    let output = scratch["out.tritpack"]
    let options = [
      "--to", "tritpack", "--quantizer", "gptq-row", "--calibration", text, "--calibration-tokens", "1024", "--quiet",
    ]
    for record in ["--certificate", "--plan"] {
      let result = Tool.expect(64, ["convert", Model.plainLayer, output, record, scratch["out.json"]] + options)
      #expect(result.errors.contains("calibration text"))
    }
    #expect(Disk.names(scratch.path) == [])
    Tool.expect(0, ["convert", Model.plainLayer, output] + options)
    let result = Tool.expect(64, ["certify", Model.plainLayer, output, "-o", scratch["out.json"]])
    #expect(result.errors.contains("calibration text"))
    #expect(Disk.names(scratch.path) == ["out.tritpack"])
  }

  @Test("a plan says which programs load the result")
  func runtimes() throws {
    let options = ["--to", "tritpack", "--quantizer", "optimal-group128", "--dry-run", "--quiet"]
    let report = try Tool.report(["convert", Model.plain, "/tmp/none.tritpack"] + options, schema: "tritsmith.plan")
    #expect(report["plan"]?.object?["quantizer"]?.string == "optimal-group128")
    #expect(report["plan"]?.object?["loaded_by"]?.string == "tritsmith")
  }

  @Test("merge reports as JSON, and refuses what is no adapter")
  func merge() throws {
    let scratch = ScratchFolder()
    Tool.expect(66, ["merge", Model.falcon, Model.falcon, scratch["out"]])
    let adapter = Model.adapter(scratch["adapter"])
    let report = try Tool.report(
      ["merge", Model.falcon, adapter, scratch["out"], "--quiet"], schema: "tritsmith.merge")
    #expect(report["merge"]?.object?["merged_tensors"]?.number?.integer == 1)
    // Neither input is written to, whatever is forced.
    for place in [adapter, adapter + "/inside", scratch.path] {
      Tool.expect(64, ["merge", Model.falcon, adapter, place, "--force"])
    }
    #expect(Disk.names(adapter) == ["adapter_config.json", "adapter_model.safetensors"])
    let row = report["tensors"]?.array?.first?.object
    #expect(row?["name"]?.string == Model.query)
    #expect(row?["scaling"]?.number?.double == 2)
    // 2 is added to every weight, many times what they are: all become +1.
    #expect(row?["flips"]?.number?.integer ?? 0 > 256 * 256 / 2)
  }
}
