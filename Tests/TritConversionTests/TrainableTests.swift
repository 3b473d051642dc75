// Tritsmith tests: packed models made trainable again.

import Testing
import TritCore
import TritFormats
import TritQuantizers
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite struct TrainableTests {
  @Test("packed → latents → packed is the packed model again", arguments: [Checkpoint.bitnet, Checkpoint.packed])
  func roundTrip(_ packed: String) throws {
    let scratch = ScratchFolder()
    let (latents, again) = (scratch.path + "/latents", scratch.path + "/again")
    let result = try Workflow.convert(packed, latents, to: .trainable)
    let other = result.audit.tensors.filter { $0.detail.contains("scale:") }
    #expect(other.isEmpty, "\(other.map(\.detail))")
    #expect(try Workflow.verify(packed, latents).passed)
    try Workflow.convert(latents, again, to: .hfPacked)
    #expect(differences(ofFolders: packed, again) == [])
    #expect(try meaning(packed + "/config.json") == meaning(again + "/config.json"))
  }

  @Test("beside latents with the same trits it is told as other latents, and how to compare the trits")
  func family() throws {
    let scratch = ScratchFolder()
    let latents = scratch["latents"]
    try Workflow.convert(Checkpoint.bitnet, latents, to: .trainable)
    let result = try Workflow.family(Checkpoint.prequantized, Checkpoint.bitnet, latents)
    #expect(result.proofs.map(\.holds) == [true, false, true] && result.families == 1)
    #expect(result.proofs.map { $0.detail.contains("convert both") } == [false, true, false])
    let text = TextRenderer().text(of: result.report)
    #expect(text.contains("1 of 3 pairs does not hold: other pairs alone join the 3 models"))
    let two = try Workflow.family(Checkpoint.bitnet, latents)
    #expect(TextRenderer().text(of: two.report).contains("both are forms of one model"))
  }

  @Test("and by the other arithmetics", arguments: [AbsMean.bf16, .float32, .kernel].map(\.id))
  func everyArithmetic(_ quantizer: QuantizerID) throws {
    let scratch = ScratchFolder()
    let (latents, again) = (scratch.path + "/latents", scratch.path + "/again")
    try Workflow.convert(Checkpoint.bitnet, latents, to: .trainable)
    try Workflow.convert(latents, again, to: .hfPacked) { $0.quantizer = quantizer }
    #expect(differences(ofFolders: Checkpoint.bitnet, again) == [])
  }

  @Test("configurations say what frameworks expect")
  func configurations() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch.path + "/a", to: .trainable)
    let falcon = try meaning(scratch.path + "/a/config.json").object
    #expect(falcon?["quantization_config"] == nil)
    try Workflow.convert(Checkpoint.packed, scratch.path + "/b", to: .trainable)
    #expect(try meaning(scratch.path + "/b/config.json") == meaning(Checkpoint.master + "/config.json"))
  }

  /// transformers would make ordinary layers of latents without it, which multiply them and inputs as they are.
  @Test("a source that does not say how it computes becomes the same trainable model")
  func silentSources() throws {
    let scratch = ScratchFolder()
    let expected = try meaning(Checkpoint.master + "/config.json").object?["quantization_config"]
    try Workflow.convert(Checkpoint.packed, scratch["from-packed"], to: .trainable)
    for (name, target) in [("dense", ConversionTarget.dense), ("a.gguf", .gguf)] {
      try Workflow.convert(Checkpoint.packed, scratch[name], to: target)
      try Workflow.convert(scratch[name], scratch["from-\(name)"], to: .trainable)
      #expect(try meaning(scratch["from-\(name)"] + "/config.json").object?["quantization_config"] == expected)
      #expect(try Workflow.verify(scratch[name], scratch["from-\(name)"]).passed)
      #expect(
        try Workflow.compare(scratch["from-packed"], scratch["from-\(name)"]).parts[.description]?.outcome == .equal)
      #expect(try Workflow.check(scratch["from-\(name)"]).passed)
    }
    // Of the other family nothing is said, from any source.
    try Workflow.convert(Checkpoint.bitnet, scratch["llama.gguf"], to: .gguf)
    for (number, source) in [Checkpoint.bfloat16, scratch["llama.gguf"]].enumerated() {
      try Workflow.convert(source, scratch["llama-\(number)"], to: .trainable)
      #expect(try meaning(scratch["llama-\(number)"] + "/config.json").object?["quantization_config"] == nil)
    }
    // What stays dense is named.
    try Workflow.convert(Checkpoint.packed, scratch["kept"], to: .trainable) {
      $0.keep = [Glob("model.layers.0.mlp.up_proj.weight")]
    }
    let kept = try meaning(scratch["kept"] + "/config.json").object?["quantization_config"]?.object
    #expect(
      kept?["modules_to_not_convert"]?.array?.compactMap(\.string) == ["lm_head", "model.layers.0.mlp.up_proj"])
  }

  @Test("dense ternary weights become latents too")
  func ternaryDense() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bfloat16, scratch.path + "/latents", to: .trainable)
    try Workflow.convert(scratch.path + "/latents", scratch.path + "/dense", to: .dense)
    // The same numbers, but for the sign of zeros.
    let original = RawModelFile.tensors(ofFolder: Checkpoint.bfloat16)
    let again = RawModelFile.tensors(ofFolder: scratch.path + "/dense")
    for tensor in original where tensor.name.contains("proj") {
      let (left, right) = (LittleEndian.u16s(tensor.bytes), LittleEndian.u16s(again[name: tensor.name].bytes))
      let differ = zip(left, right).count { $0 != $1 && !($0 & 0x7FFF == 0 && $1 & 0x7FFF == 0) }
      #expect(differ == 0, "\(tensor.name)")
    }
  }

  @Test("a scale below the floor of absmean is refused by tensor, before an audit finds the trits gone")
  func vanishing() throws {
    let scratch = ScratchFolder()
    let name = "model.layers.0.self_attn.q_proj.weight"
    // Divisors of 2^17 and 2^20: means of 7.6e-6, whose weights still reach half of 1e-5, and of 9.5e-7.
    for (bits, isRefused) in [(0x4800, false), (0x4980, true)] as [(UInt16, Bool)] {
      let (model, output) = (scratch["model-\(bits)"], scratch["latents-\(bits)"])
      var changed = ChangedModel(Checkpoint.bitnet)
      changed.file[name + "_scale"].bytes = littleEndianBytes(bits)
      changed.write(model)
      guard isRefused else {
        try Workflow.convert(model, output, to: .trainable)
        continue
      }
      let error = #expect(throws: WorkflowError.self) { try Workflow.convert(model, output, to: .trainable) }
      guard case .latentsVanish? = error?.kind else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(error?.location.tensor == name && error?.category == .malformedInput && !Disk.exists(output))
    }
  }

  @Test("latents are not restored a second time")
  func latentsStay() throws {
    let scratch = ScratchFolder()
    #expect(throws: WorkflowError.self) {
      try Workflow.convert(Checkpoint.prequantized, scratch.path + "/out", to: .trainable)
    }
    #expect(Disk.names(scratch.path).isEmpty)
  }

  @Test(
    "magnitudes give the mean that was asked for", arguments: [0.0123, 0.5, 1, 3.1e-4] as [Float], [7, 640, 65536])
  func magnitudes(_ mean: Float, _ count: Int) throws {
    let nonzero = count * 2 / 3
    let magnitudes = try #require(LatentRestoration.Magnitudes(mean: mean, count: count, nonzero: nonzero))
    let values = (0..<nonzero).map { magnitudes.value($0) }
    #expect(Set(values).count == 2)
    let sum = values.reduce(0.0) { $0 + Double($1.float) }
    // One weight more or less at the upper magnitude is a step of the mean.
    let step = Double(magnitudes.upper.float - magnitudes.lower.float) / Double(count)
    #expect(abs(sum / Double(count) - Double(mean)) <= 1.001 * step)
    #expect(values.count { $0 == magnitudes.upper } == magnitudes.uppers)
  }

  @Test(
    "magnitudes that no bfloat16 holds are none",
    arguments: [.infinity, .nan, -1, .greatestFiniteMagnitude] as [Float])
  func overflowingMagnitudes(_ mean: Float) {
    #expect(LatentRestoration.Magnitudes(mean: mean, count: 64, nonzero: 32) == nil)
  }
}
