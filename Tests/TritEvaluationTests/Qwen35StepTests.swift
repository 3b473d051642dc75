// Tritsmith tests: faults of delta nets are named by layer and step.

import Testing
import TritCore
import TritFormats
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritInspection
@testable import TritSurvey

@Suite("The first step of a Qwen3.5 that computes something else")
struct Qwen35StepTests {
  struct Fault: Sendable, CustomTestStringConvertible {
    /// The step the fault is in, as `ForwardObserver` names it.
    var step: String
    var plant: @Sendable (inout ChangedModel) -> Void
    var testDescription: String { step }
  }

  /// Every number of a tensor of F32, times a factor.
  private static func scaled(_ name: String, _ step: String) -> Fault {
    Fault(step: step) { model in
      let values = LittleEndian.u32s(model.file[name].bytes).map { Float(bitPattern: $0) * 1.01 }
      model.file[name].bytes = FloatBytes.f32(values)
    }
  }

  /// A projection's first row, the other sign.
  private static func turned(_ name: String, _ step: String) -> Fault {
    Fault(step: step) { model in
      for place in stride(from: 1, to: 256, by: 2) where model.file[name].bytes[place - 1] != 0 {
        model.file[name].bytes[place] ^= 0x80
      }
    }
  }

  private static let net = "model.layers.0.linear_attn."
  private static let attention = "model.layers.1.self_attn."

  static let faults: [Fault] = [
    scaled(net + "conv1d.weight", "block0.linear_attn.conv"),
    scaled(net + "A_log", "block0.linear_attn.log_decay"), scaled(net + "dt_bias", "block0.linear_attn.log_decay"),
    scaled(net + "in_proj_a.weight", "block0.linear_attn.in_proj_a"),
    scaled(net + "in_proj_b.weight", "block0.linear_attn.in_proj_b"),
    scaled(net + "norm.weight", "block0.linear_attn.gated"),
    turned(net + "in_proj_qkv.weight", "block0.linear_attn.in_proj_qkv"),
    turned(net + "in_proj_z.weight", "block0.linear_attn.in_proj_z"),
    turned(net + "out_proj.weight", "block0.linear_attn.out_proj"),
    // One key head of twice the size is of the same shapes, and the rule makes unit vectors of other lengths.
    Fault(step: "block0.linear_attn.delta_rule") { model in
      model.replace("\"linear_num_key_heads\": 2", "\"linear_num_key_heads\": 1")
      model.replace("\"linear_key_head_dim\": 64", "\"linear_key_head_dim\": 128")
    },
    turned(attention + "q_proj.weight", "block1.self_attn.q_proj"),
    scaled(attention + "q_norm.weight", "block1.self_attn.q_norm"),
    // Angles are part of the attention.
    Fault(step: "block1.self_attn.attended") { $0.replace("\"rope_theta\": 10000.0", "\"rope_theta\": 1000.0") },
    Fault(step: "block1.self_attn.attended") {
      $0.replace("\"partial_rotary_factor\": 0.25", "\"partial_rotary_factor\": 0.5")
      $0.replace("\"mrope_section\": [2, 1, 1]", "\"mrope_section\": [4, 2, 2]")
    },
  ]

  @Test("is named by its layer: convolution, decay, rule, gate or attention", arguments: faults)
  func fault(_ fault: Fault) throws {
    let scratch = ScratchFolder()
    let sound = TernaryHybrid.small.write(scratch["sound"])
    var changed = ChangedModel(sound)
    fault.plant(&changed)
    var request = ValidateRequest(path: changed.write(scratch["wrong"]), against: sound)
    request.inputs = [.ids((0..<40).map { String($0 * 7 % 48) }.joined(separator: " "))]
    let result = try ValidateWorkflow(request).run()
    #expect(!result.passed)
    #expect(result.firstWrongStep?.name == fault.step, "\(result.firstWrongStep as Any)")
    request.path = sound
    #expect(try ValidateWorkflow(request).run().passed)
  }

  /// Position 0 is turned by no angle, whatever the base. Of 8 rotated columns the second pair turns by
  /// 10000^(−2/8) = 0.1 a token, and by 1000^(−2/8) = 0.178.
  @Test("angles that a text of one token does not show are compared", arguments: ["5", "5 9 7"])
  func angles(_ ids: String) throws {
    let scratch = ScratchFolder()
    let sound = TernaryHybrid.small.write(scratch["sound"])
    var changed = ChangedModel(sound)
    changed.replace("\"rope_theta\": 10000.0", "\"rope_theta\": 1000.0")
    func validate(_ path: String) throws -> ValidateResult {
      var request = ValidateRequest(path: path, against: sound)
      request.inputs = [.ids(ids)]
      return try ValidateWorkflow(request).run()
    }
    let wrong = try validate(changed.write(scratch["wrong"]))
    let step = try #require(wrong.firstWrongStep)
    #expect(!wrong.passed && wrong.wrongSteps == 1 && step.name == "block1.self_attn.attended")
    #expect(step.isWrongElsewhere == (ids == "5"), "\(step)")
    #expect(step.otherSetting?.hasPrefix("pair 1 of a head turns by 0.177") == true, "\(step)")
    try Workflow.convert(sound, scratch["a.gguf"], to: .gguf) {
      $0.gguf.weights = .f32
      $0.gguf.hasTokenizer = false
    }
    let same = try validate(scratch["a.gguf"])
    #expect(same.passed && !same.steps.contains { $0.otherSetting != nil }, "\(same.gates)")
  }

  /// llama.cpp's converter adds 1 in the type of a checkpoint of F16 and stores F32.
  @Test("norms that were added up in F16 are rounded and no fault; a step further off they are one")
  func sums() throws {
    let scratch = ScratchFolder()
    let plain = TernaryHybrid.small.write(scratch["plain"])
    func write(_ name: String, offBy change: Float) throws -> String {
      var model = ChangedModel(plain)
      for index in model.file.tensors.indices {
        let tensor = model.file.tensors[index]
        guard tensor.name.hasSuffix("norm.weight"), !tensor.name.contains("linear_attn") else { continue }
        var values = LittleEndian.u32s(tensor.bytes).map { HalfFloat(1 + Float(bitPattern: $0)).float - 1 }
        if tensor.name.hasSuffix("layers.1.input_layernorm.weight") { values[3] += change }
        model.file.tensors[index].bytes = FloatBytes.f32(values)
      }
      try Workflow.convert(model.write(scratch[name]), scratch[name + ".gguf"], to: .gguf) {
        $0.gguf.weights = .f32
        $0.gguf.hasTokenizer = false
      }
      return scratch[name + ".gguf"]
    }
    func compare(_ path: String) throws -> CompareResult {
      var hints: [String] = []
      let pair = try ModelOpener.openPair((path, OpenOptions()), (plain, OpenOptions()), hints: &hints)
      return try CompareWorkflow(first: pair.0, second: pair.1, request: CompareRequest()).run()
    }
    func validate(_ path: String) throws -> ValidateResult {
      var request = ValidateRequest(path: path, against: plain)
      request.inputs = [.ids((0..<40).map { String($0 * 7 % 48) }.joined(separator: " "))]
      return try ValidateWorkflow(request).run()
    }
    let summed = try write("summed", offBy: 0)
    let same = try compare(summed)
    let norms = same.tensors.filter { $0.name.hasSuffix("norm.weight") && $0.outcome == .rounded }
    #expect(same.weightsAreSame && norms.count == 7, "\(same.tensors.filter { $0.outcome != .equal }.map(\.detail))")
    let validated = try validate(summed)
    #expect(validated.firstWrongStep == nil, "\(validated.firstWrongStep as Any)")
    let other = try write("other", offBy: 0x1p-9)
    #expect(try compare(other).tensors.filter { $0.outcome == .different }.count == 1)
    #expect(try validate(other).firstWrongStep?.name == "block1.input_layernorm")
  }
}
