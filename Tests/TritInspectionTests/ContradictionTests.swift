// Tritsmith tests: models that contradict themselves, and settings that only one container has.

import Testing
import TritCore
import TritFormats
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

/// Expected values: transformers 5.23 makes a ternary layer of every module that no list names, and takes a folder with
/// `adapter_config.json` for an adapter.
@Suite("Models that contradict themselves are refused, not converted and then failed")
struct ContradictionTests {
  private static let up = "model.layers.1.mlp.up_proj.weight"

  /// A packed model with one dense projection that its list does not name.
  private func unlisted(_ folder: String) -> String {
    var model = ChangedModel(Checkpoint.bitnet)
    model.remove { $0 == Self.up + "_scale" }
    model.file[Self.up] = RawModelFile(reading: Checkpoint.prequantized + "/model.safetensors")[Self.up]
    return model.write(folder)
  }

  @Test("a dense projection that no list names stops conversions, and every verdict says so")
  func dense() throws {
    let scratch = ScratchFolder()
    let model = unlisted(scratch["model"])
    for (target, name) in [(ConversionTarget.hfPacked, "packed"), (.gguf, "a.gguf"), (.tritpack, "a.tritpack")] {
      #expect("\(name)") {
        try Workflow.convert(model, scratch[name], to: target)
      } throws: { error in
        "\(error)".contains("modules_to_not_convert") && (error as? any DiagnosticError)?.category == .malformedInput
      }
      #expect(!Disk.exists(scratch[name]))
    }
    #expect(try !Workflow.verify(Checkpoint.prequantized, model).passed)
    // Asked for, it passes, and the verdict says that nobody loads it.
    let verified = try Workflow.verify(Checkpoint.prequantized, model) { $0.keep = [Glob(Self.up)] }
    #expect(verified.passed && verified.parts.verdict.contains("no loader takes"), "\(verified.parts.verdict)")
    // What is to become ternary is no obstacle.
    try Workflow.convert(model, scratch["whole"], to: .hfPacked) { $0.quantize = [Glob(Self.up)] }
    #expect(try Workflow.check(scratch["whole"]).passed)
  }

  /// Expected: the shipped model, whose configuration says what is taken out here.
  @Test("whoever says what scales mean needs no quantization_config, and gets one")
  func unsaid() throws {
    let scratch = ScratchFolder()
    let model = try Checkpoint.changed(Checkpoint.bitnet, [("quantization_config", nil)], scratch["model"])
    let finding = try #require(try Workflow.check(model).findings.first { $0.rule == .quantization })
    #expect(finding.severity == .error && finding.detail.contains("--scale-convention"), "\(finding)")
    #expect(throws: FormatError.self) { try Workflow.convert(model, scratch["none"], to: .tritpack) }
    for (target, name) in [
      (ConversionTarget.hfPacked, "packed"), (.gguf, "a.gguf"), (.tritpack, "a.tritpack"), (.dense, "dense"),
    ] {
      let result = try Workflow.convert(model, scratch[name], to: target) { $0.open.scaleConvention = .divide }
      #expect(result.audit.passed, "\(name)")
      #expect(try Workflow.verify(Checkpoint.prequantized, scratch[name]).passed, "\(name)")
    }
    #expect(differences(ofFolders: Checkpoint.bitnet, scratch["packed"]) == [])
    let written = try meaning(scratch["packed"] + "/config.json")
    #expect(written == (try meaning(Checkpoint.bitnet + "/config.json")))
  }

  @Test("a setting that is not understood comes along from MLX too")
  func settings() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Bonsai.folder(scratch["source"]), scratch["mlx"], to: .mlx)
    let model = try Checkpoint.changed(scratch["mlx"], [("logit_scale_of_mine", "3")], scratch["model"])
    for (target, name) in [(ConversionTarget.dense, "dense"), (.tritpack, "a.tritpack")] {
      try Workflow.convert(model, scratch[name], to: target)
      let configuration = try FormatRegistry.open(scratch[name]).manifest.configuration
      #expect(configuration?["logit_scale_of_mine"]?.number?.integer == 3)
      let compared = try Workflow.compare(model, scratch[name])
      #expect(compared.isSame && compared.parts[.description]?.isPartlyUnderstood == true, "\(compared.parts.findings)")
    }
  }

  @Test("an adapter alone is an error and no more, and errors stand first of a model that is not read as well")
  func adapterAlone() throws {
    let scratch = ScratchFolder()
    func findings(_ name: String, _ files: [String: String]) throws -> [CheckRule] {
      Disk.makeFolder(scratch[name])
      for (file, text) in files { Disk.write(text, "\(scratch[name])/\(file)") }
      return try Workflow.check(scratch[name]).findings.map(\.rule)
    }
    let settings = "{\"peft_type\": \"LORA\"}"
    let adapter = ["adapter_config.json": settings, "adapter_model.safetensors": "x"]
    #expect(try findings("adapter", adapter) == [.unreadable])
    let model = ["adapter_config.json": settings, "model.safetensors": "x", "config.json": "{}"]
    #expect(try findings("model", model) == [.unreadable, .badConfiguration])
  }

  @Test("an adapter's settings beside a model are said, by check and by every proof")
  func adapter() throws {
    let scratch = ScratchFolder()
    Disk.copyFolder(Checkpoint.bitnet, to: scratch["model"])
    Disk.write("{\"peft_type\": \"LORA\"}", scratch["model"] + "/adapter_config.json")
    let findings = try Workflow.check(scratch["model"]).findings
    #expect(findings.map(\.subject) == ["adapter_config.json"] && findings.map(\.severity) == [.warning], "\(findings)")
    let compared = try Workflow.compare(Checkpoint.bitnet, scratch["model"])
    #expect(compared.isSame && compared.parts.verdict.contains("adapter_config.json in the second not looked at"))
    #expect(try !Workflow.compare(Checkpoint.bitnet, Checkpoint.bitnet).parts.verdict.contains("adapter"))
  }
}
