// Tritsmith tests: latents compute as trits unless somebody asks for something else.

import Testing
import TritCore
import TritFormats
import TritInference
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritEvaluation
@testable import TritSurvey

@Suite("Latents")
struct LatentRunTests {
  private static let ids = [1, 47, 287, 420, 226, 22, 531, 925, 265, 621, 275, 374]

  private func logits(_ path: String, _ mode: ArithmeticMode, _ projections: ProjectionOverride = .automatic) throws
    -> [UInt32]
  {
    let model = try RunnableModel(path, RunOptions(mode: mode, projections: projections))
    return try model.session(for: Self.ids.count).logits(Self.ids).map(\.bitPattern)
  }

  @Test("by default they give the logits of the packed sibling, bit for bit", arguments: ArithmeticMode.allCases)
  func sibling(_ mode: ArithmeticMode) throws {
    let packed = try logits(Checkpoint.bitnet, mode)
    #expect(try logits(Checkpoint.prequantized, mode) == packed)
    #expect(try logits(Checkpoint.sharded, mode) == packed)
    #expect(try logits(Checkpoint.prequantized, mode, .online) == packed)
    #expect(try logits(Checkpoint.prequantized, mode, .plain) != packed)
    #expect(try logits(Checkpoint.prequantized, mode, .onlineFloat32) != packed)
  }

  @Test("what each checkpoint computes as, and what is said about it")
  func classes() throws {
    func run(_ path: String, _ projections: ProjectionOverride = .automatic) throws -> RunDescription {
      try RunnableModel(path, RunOptions(projections: projections)).description
    }
    let latent = try run(Checkpoint.prequantized)
    #expect(latent.projections == ["BitLinear online"] && latent.warnings.isEmpty)
    #expect(latent.notes.contains { $0.contains("onebitllms") } && latent.notes.contains { $0.contains("latents") })
    // The configuration says so, and transformers computes it: absmean in float32.
    #expect(try run(Checkpoint.master).projections == ["AutoBitLinear online"])
    #expect(try run(Checkpoint.plain).projections == ["Linear"])
    #expect(try run(Checkpoint.plain).warnings.isEmpty)
    let dense = try run(Checkpoint.bfloat16)
    #expect(dense.projections == ["Linear"] && dense.notes.contains { $0.contains("not rounded to int8") })
    for path in [Checkpoint.prequantized, Checkpoint.master] {
      let plain = try run(path, .plain)
      #expect(plain.projections == ["Linear"] && plain.warnings.contains { $0.contains("another model") })
    }
  }

  @Test("perplexity, run and gap use the default too")
  func workflows() throws {
    var perplexity = PerplexityRequest(
      path: Checkpoint.prequantized, text: Fixtures.checkpoint("falcon-e-tiny/reference/perplexity_text.txt"))
    perplexity.tokenLimit = 255
    let found = try PerplexityWorkflow(perplexity).run().perplexity
    perplexity.path = Checkpoint.bitnet
    #expect(try PerplexityWorkflow(perplexity).run().perplexity.mean == found.mean)
    var generate = GenerateRequest(path: Checkpoint.prequantized, prompt: "And the LORD said unto")
    generate.maximumTokens = 6
    let text = try GenerateWorkflow(generate).run { _ in true }.text
    generate.path = Checkpoint.bitnet
    #expect(try GenerateWorkflow(generate).run { _ in true }.text == text)
  }

  @Test("latents of every type are made ternary as a conversion makes them", arguments: ["F16", "F32"])
  func types(_ dtype: String) throws {
    let scratch = ScratchFolder()
    // Multiples of 2⁻¹⁰ below a half: exact in F16, and rounded where a bfloat16 has no room.
    var changed = ChangedModel(Checkpoint.prequantized)
    for index in changed.file.tensors.indices where changed.file.tensors[index].name.hasSuffix("_proj.weight") {
      let values = FloatBytes.bf16Values(changed.file.tensors[index].bytes).map { value -> Float in
        let clipped = max(-0.49, min(0.49, value))
        return (clipped * 1024).rounded() / 1024 + (clipped < 0 ? -1 : 1) * 0x1p-12
      }
      changed.file.tensors[index].dtype = dtype
      changed.file.tensors[index].bytes = dtype == "F16" ? FloatBytes.f16(values) : FloatBytes.f32(values)
    }
    let latent = changed.write(scratch["latent"])
    try Workflow.convert(latent, scratch["packed"], to: .hfPacked)
    #expect(try logits(latent, .fast, .online) == logits(scratch["packed"], .fast))
  }

  @Test("a projection that is ternary already is taken as it is, and one of zeros gives zeros")
  func ternaryAmongLatents() throws {
    let scratch = ScratchFolder()
    var changed = ChangedModel(Checkpoint.prequantized)
    let query = "model.layers.1.self_attn.q_proj.weight"
    let down = "model.layers.2.mlp.down_proj.weight"
    let signs = FloatBytes.bf16Values(changed.file[query].bytes).map { BFloat16.rounded($0 > 0.02 ? 0.03 : -0.03) }
    changed.file[query].bytes = FloatBytes.bf16(signs)
    changed.file[down].bytes = [UInt8](repeating: 0, count: changed.file[down].bytes.count)
    let latent = changed.write(scratch["latent"])
    try Workflow.convert(latent, scratch["packed"], to: .hfPacked)
    for mode in ArithmeticMode.allCases { #expect(try logits(latent, mode) == logits(scratch["packed"], mode)) }
  }

  @Test("a weight that is no number is named")
  func nonFinite() throws {
    let scratch = ScratchFolder()
    var changed = ChangedModel(Checkpoint.prequantized)
    let name = "model.layers.1.mlp.up_proj.weight"
    changed.file[name].bytes.replaceSubrange(100..<102, with: [0xC0, 0x7F])
    let path = changed.write(scratch["latent"])
    let error = ModelError(.notFinite, location: ErrorLocation(file: path, tensor: name))
    #expect(throws: error) { try logits(path, .fast, .online) }
  }

  @Test("latents that trits were turned into compute as these trits again")
  func restored() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.bitnet, scratch["trainable"], to: .trainable)
    #expect(try ModelSurvey(of: FormatRegistry.open(scratch["trainable"])).kind == .latent)
    for mode in ArithmeticMode.allCases {
      #expect(try logits(scratch["trainable"], mode) == logits(Checkpoint.bitnet, mode))
    }
  }
}

@Suite("Numbers that are not finite")
struct NonFiniteLogitsTests {
  struct Damage: Sendable, CustomTestStringConvertible {
    var tensor: String
    /// What the first number becomes.
    var bytes: [UInt8]
    var state: String
    var testDescription: String { tensor }
  }

  static let damages = [
    Damage(tensor: "model.layers.1.input_layernorm.weight", bytes: [0xC0, 0x7F], state: "block1.input_layernorm"),
    Damage(
      tensor: "model.layers.3.post_attention_layernorm.weight", bytes: [0x80, 0xFF],
      state: "block3.post_attention_layernorm"),
    // Divided by the smallest subnormal: every product is infinite, and so is what is made of it.
    Damage(tensor: "model.layers.2.mlp.up_proj.weight_scale", bytes: [1, 0], state: "block2.mlp.up_proj"),
    Damage(tensor: "model.norm.weight", bytes: [0xC0, 0x7F], state: "final_norm"),
    Damage(tensor: "lm_head.weight", bytes: [0x80, 0x7F], state: "logits"),
  ]

  @Test("every command that computes stops and names the first state", arguments: damages)
  func commands(_ damage: Damage) throws {
    let scratch = ScratchFolder()
    var changed = ChangedModel(Checkpoint.bitnet)
    changed.file[damage.tensor].bytes.replaceSubrange(0..<2, with: damage.bytes)
    let path = changed.write(scratch["model"])
    func expectFailure(_ body: () throws -> Void) {
      do {
        try body()
        Issue.record("no error")
      } catch let error as ModelError {
        guard case .notFiniteState(let state) = error.kind else {
          Issue.record("\(error)")
          return
        }
        #expect(state.name == damage.state && error.location.file == path && error.category == .checkFailed)
      } catch {
        Issue.record("\(error)")
      }
    }
    let text = scratch["text.txt"]
    Disk.write("And it came to pass in the days when the judges ruled", text)
    for mode in ArithmeticMode.allCases {
      expectFailure {
        var request = LogitsRequest(path: path, inputs: [.ids("1 47 287 420")], output: scratch["l.safetensors"])
        request.options.mode = mode
        _ = try LogitsWorkflow(request).run()
      }
      expectFailure {
        var request = PerplexityRequest(path: path, text: text)
        request.options.mode = mode
        _ = try PerplexityWorkflow(request).run()
      }
      expectFailure {
        var request = GenerateRequest(path: path, prompt: "And")
        request.options.mode = mode
        _ = try GenerateWorkflow(request).run { _ in true }
      }
    }
    #expect(!Disk.exists(scratch["l.safetensors"]))
    var validation = ValidateRequest(path: path, against: Checkpoint.bitnet)
    validation.inputs = [.ids("1 47 287 420")]
    let result = try ValidateWorkflow(validation).run()
    #expect(!result.passed && result.nonFinite[path]?.name == damage.state)
    #expect(result.nonFinite[Checkpoint.bitnet] == nil)
    var gap = GapRequest(reference: Checkpoint.bitnet, candidate: path)
    gap.tokenLimit = 20
    gap.comparesTensors = false
    gap.checksFidelity = false
    let report = try GapWorkflow(gap).run()
    #expect(!report.passed && report.quality == nil)
    #expect(report.nonFinite[path]?.name == damage.state && report.nonFinite[Checkpoint.bitnet] == nil)
  }
}
