// Tritsmith tests: models whose projections take inputs as they are, and have one scale for each matrix.

import Testing
import TritCore
import TritFormats
import TritInference
import TritModel
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Models that take inputs as they are stay such")
struct PlainInputTests {
  private static let ids = [1, 5, 17, 3]

  /// A Qwen3 of another program: TQ2_0 with one scale for each matrix, and no key of ours.
  private func foreign(_ scratch: ScratchFolder) throws -> String {
    let path = scratch["own.gguf"]
    try Workflow.convert(MeaningModel(.qwen3).write(scratch["source"]), path, to: .gguf) {
      $0.quantizer = QuantizerID(rawValue: "absmean-float32")
      $0.gguf = GGUFOptions(weights: .tq2, embeddings: .f32, hasTokenizer: false)
    }
    return try ChangedGGUF.write(path, scratch["foreign.gguf"]) { entries in
      entries.removeAll { $0.key.hasPrefix("tritsmith.") }
    }
  }

  private func logits(_ path: String, _ projections: ProjectionOverride = .automatic) throws -> [Float] {
    let model = try RunnableModel(path, RunOptions(projections: projections, threads: 2))
    #expect(model.description.projections == ["Linear"], "\(path)")
    return try model.session(for: Self.ids.count).logits(Self.ids)
  }

  private func packed(_ input: String, _ output: String, _ weights: GGUFWeightType) throws {
    try Workflow.convert(input, output, to: .gguf) {
      $0.gguf = GGUFOptions(weights: weights, hasTokenizer: false)
    }
  }

  @Test("every form made of a file without our keys, and every form made of that")
  func oneScale() throws {
    let scratch = ScratchFolder()
    let source = try foreign(scratch)
    try Workflow.convert(source, scratch["dense"], to: .dense)
    // trit × 1/16 is exact in every type, and dense products are held against transformers elsewhere.
    let expected = try logits(scratch["dense"], .plain)
    let largest = expected.reduce(0) { max($0, $1.magnitude) }
    try Workflow.convert(source, scratch["a.tritpack"], to: .tritpack)
    try packed(source, scratch["tq1.gguf"], .tq1)
    try packed(scratch["a.tritpack"], scratch["tq2.gguf"], .tq2)
    try packed(scratch["dense"], scratch["dense.gguf"], .tq2)
    try Workflow.convert(scratch["tq1.gguf"], scratch["b.tritpack"], to: .tritpack)
    try Workflow.convert(scratch["dense"], scratch["dense.tritpack"], to: .tritpack)
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    try packed(scratch["mlx"], scratch["mlx.gguf"], .tq2)
    try Workflow.convert(scratch["mlx"], scratch["mlx.tritpack"], to: .tritpack)
    let made = [
      "a.tritpack", "tq1.gguf", "tq2.gguf", "dense.gguf", "b.tritpack", "dense.tritpack", "mlx", "mlx.gguf",
      "mlx.tritpack",
    ]
    for name in made {
      let found = try logits(scratch[name])
      // Sums of Floats in another order: 2⁻²⁴ for each of some hundred steps. Inputs of 8 bits are off by 2⁻⁸.
      let change = zip(found, expected).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
      #expect(change < 1e-4 * largest, "\(name): \(change) of \(largest)")
      let compared = try Workflow.compare(source, scratch[name])
      #expect(compared.isSame && !compared.parts.verdict.contains("int8"), "\(name): \(compared.parts.verdict)")
      let verified = try Workflow.verify(source, scratch[name])
      #expect(verified.passed && !verified.parts.verdict.contains("int8"), "\(name): \(verified.parts.verdict)")
    }
  }

  /// transformers' packed layers round their inputs, whatever the configuration says.
  @Test("a form whose layers round inputs is refused, and nothing appears")
  func refused() throws {
    let scratch = ScratchFolder()
    let source = try foreign(scratch)
    try Workflow.convert(source, scratch["a.tritpack"], to: .tritpack)
    for input in [source, scratch["a.tritpack"]] {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(input, scratch["packed"], to: .hfPacked)
      }
      #expect(error?.kind == .roundsInputs(target: "hf-packed") && error?.remedy?.contains("--to tritpack") == true)
      #expect(!Disk.exists(scratch["packed"]))
    }
  }

  /// mlx-lm multiplies whatever is packed by inputs as they are, a family of BitNet as well.
  @Test("MLX of another family says so in GGUF, and a form that cannot is mentioned")
  func otherFamily() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch["mlx"], to: .mlx)
    try packed(scratch["mlx"], scratch["a.gguf"], .tq2)
    let words = "round inputs to int8"
    #expect(try RunnableModel(scratch["a.gguf"], RunOptions(threads: 2)).model.projectionClasses == [.linear])
    let compared = try Workflow.compare(scratch["mlx"], scratch["a.gguf"])
    #expect(!compared.parts.verdict.contains("int8"), "\(compared.parts.verdict)")
    let back = try Workflow.convert(scratch["mlx"], scratch["back"], to: .hfPacked)
    #expect(back.plan.warnings.contains { $0.contains(words) })
    let pack = try Workflow.convert(scratch["a.gguf"], scratch["a.tritpack"], to: .tritpack)
    #expect(pack.plan.warnings.contains { $0.contains(words) })
    // Packed files of BitNets round inputs as they did.
    try packed(Checkpoint.bitnet, scratch["b.gguf"], .tq2)
    #expect(
      try RunnableModel(scratch["b.gguf"], RunOptions(threads: 2)).model.projectionClasses.contains(
        .autoBitLinearOffline))
  }

  /// gguf-py `SpecialVocab` writes `bos_token_id` of config.json where the tokenizer names no token.
  @Test("a begin token that config.json alone numbers goes through GGUF and back, and the tokenizer names none")
  func beginToken() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.prequantized)
    var settings = try #require(
      JSONValue.parse(Disk.bytes(Checkpoint.prequantized + "/tokenizer_config.json")).object)
    settings.entries.removeAll { $0.key == "bos_token" }
    model.files["tokenizer_config.json"] = JSONValue.object(settings).serialized()
    model.without = ["special_tokens_map.json"]
    let source = model.write(scratch["model"])
    try Workflow.gguf(source, scratch["a.gguf"])
    let manifest = try GGUFSource(path: scratch["a.gguf"]).manifest
    #expect(manifest.entry("tokenizer.ggml.bos_token_id")?.integer == 1)
    #expect(manifest.entry("tokenizer.ggml.add_bos_token")?.bool == false)
    try Workflow.convert(scratch["a.gguf"], scratch["back"], to: .hfPacked)
    let configuration = try #require(JSONValue.parse(Disk.bytes(scratch["back"] + "/config.json")).object)
    #expect(configuration["bos_token_id"]?.number?.integer == 1)
    let written = try #require(JSONValue.parse(Disk.bytes(scratch["back"] + "/tokenizer_config.json")).object)
    #expect(written["bos_token"] == nil && written["add_bos_token"] == false)
    for (first, second) in [(source, "a.gguf"), (scratch["a.gguf"], "back"), (source, "back")] {
      let parts = try Workflow.verify(first, scratch[second]).parts
      #expect(parts[.description]?.outcome == .equal, "\(parts)")
      #expect(parts[.tokenizer]?.outcome == .equal, "\(parts)")
    }
  }
}
