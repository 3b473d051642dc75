// Tritsmith tests: faults of delta nets are named by layer and step.

import Testing
import TritCore
import TritTestSupport
import TritWorkflows

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
}
