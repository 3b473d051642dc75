// Tritsmith tests: an embedding whose scales alone were rounded.

import Testing
import TritCore
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation

@Suite("Scales of an embedding beside exact ones")
struct EmbeddingScaleTests {
  /// The model with numbers of bfloat16, in F16.
  ///
  /// - Parameters:
  ///   - table: whether those of embedding and head are too.
  ///   - factor: what the embedding's are multiplied by then.
  private static func model(_ path: String, table: Bool, factor: Float = 1) -> String {
    let folder = Bonsai.folder(path)
    var file = RawModelFile(reading: folder + "/model.safetensors")
    for index in file.tensors.indices {
      let name = file.tensors[index].name
      guard name.contains("proj") || table && (name.contains("embed") || name.contains("lm_head")) else { continue }
      let share = name.contains("embed") ? factor : 1
      let values = LittleEndian.u16s(file.tensors[index].bytes).map {
        HalfFloat(BFloat16.rounded(HalfFloat(bits: $0).float) * share).float
      }
      file.tensors[index].bytes = FloatBytes.f16(values)
    }
    Disk.write(file.serialized, folder + "/model.safetensors")
    return folder
  }

  private static func validate(_ path: String, _ reference: String) throws -> ValidateResult {
    var request = ValidateRequest(path: path, against: reference)
    request.inputs = [.ids("1 200 17 90 45 120 7 88 64")]
    return try ValidateWorkflow(request).run()
  }

  /// 512 scales of F16 in embedding and head, and 7 matrices whose scales bfloat16 holds.
  @Test("a bfloat16 folder agrees with every form of groups it is the rounding of")
  func sound() throws {
    let scratch = ScratchFolder()
    let source = Self.model(scratch["source"], table: false)
    try Workflow.bonsai(source, scratch["pq2.gguf"], .pq2)
    try Workflow.bonsai(source, scratch["q2.gguf"], .q2)
    try Workflow.convert(scratch["pq2.gguf"], scratch["mlx"], to: .mlx)
    try Workflow.convert(scratch["pq2.gguf"], scratch["bf16"], to: .dense) { $0.denseType = .bf16 }
    for packed in [scratch["pq2.gguf"], scratch["q2.gguf"], scratch["mlx"]] {
      for (path, reference) in [(packed, scratch["bf16"]), (scratch["bf16"], packed)] {
        let result = try Self.validate(path, reference)
        #expect(result.passed, "\(result.steps.filter { !$0.passed }) \(result.gates.filter { !$0.passed })")
        #expect(result.rounded.scales == 2 && result.rounded.largestScaleChange > 0x1p-10, "\(result.rounded)")
      }
    }
  }

  @Test("an embedding 0.1 to 0.5 % off beside a bfloat16 folder fails", arguments: [Float(1.001), 0.999, 1.005])
  func altered(_ factor: Float) throws {
    let scratch = ScratchFolder()
    try Workflow.bonsai(Self.model(scratch["a"], table: true), scratch["a.gguf"], .pq2)
    try Workflow.convert(scratch["a.gguf"], scratch["bf16"], to: .dense) { $0.denseType = .bf16 }
    #expect(try Self.validate(scratch["a.gguf"], scratch["bf16"]).passed)
    try Workflow.bonsai(Self.model(scratch["b"], table: true, factor: factor), scratch["b.gguf"], .pq2)
    for (path, reference) in [(scratch["b.gguf"], scratch["bf16"]), (scratch["bf16"], scratch["b.gguf"])] {
      let result = try Self.validate(path, reference)
      #expect(!result.passed && result.firstWrongStep?.name == "embed" && result.wrongSteps == 1, "\(factor)")
    }
  }
}
