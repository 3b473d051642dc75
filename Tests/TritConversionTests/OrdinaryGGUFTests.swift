// Tritsmith tests: GGUF files of ordinary models.

import Testing
import TritCore
import TritFormats
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritSurvey

@Suite("GGUF files of ordinary models")
struct OrdinaryGGUFTests {
  private static func convert(
    _ input: String, _ output: String, _ weights: GGUFWeightType
  ) throws -> ConversionResult {
    try Workflow.convert(input, output, to: .gguf) {
      $0.gguf.weights = weights
      $0.gguf.hasTokenizer = false
      $0.keep = [Glob("*proj*")]
    }
  }

  @Test("a model whose projections are all kept is written as it is", arguments: [GGUFWeightType.bf16, .f16, .f32])
  func kept(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let result = try Self.convert(Checkpoint.plain, scratch["a.gguf"], weights)
    #expect(result.audit.passed && !result.plan.tensors.contains { $0.becomesTernary })
    let source = try WeightReader(ModelOpener.open(Checkpoint.plain, OpenOptions()))
    let written = try ModelOpener.open(scratch["a.gguf"], OpenOptions())
    let projections = written.manifest.tensors.filter { $0.name.contains("proj") }
    #expect(projections.count == 28)
    for tensor in projections {
      #expect(tensor.encoding.dtype == weights.dtype, "\(tensor.name)")
      let values = try source.values(of: tensor.name)
      // F16 has more digits than bfloat16, and fewer for numbers below 2⁻¹⁴.
      let expected = weights == .f16 ? values.map { HalfFloat($0).float } : values
      #expect(try WeightReader(written).values(of: tensor.name) == expected, "\(tensor.name)")
    }
  }

  @Test("latents are not kept so, and a layout of trits needs some")
  func refused() throws {
    let scratch = ScratchFolder()
    let cases: [(String, GGUFWeightType)] = [(Checkpoint.prequantized, .f16), (Checkpoint.plain, .tq2)]
    for (input, weights) in cases {
      let error = #expect(throws: WorkflowError.self) { try Self.convert(input, scratch["a.gguf"], weights) }
      #expect(error?.kind == .nothingToQuantize && error?.remedy?.contains("--layout F16") == true)
    }
  }
}
