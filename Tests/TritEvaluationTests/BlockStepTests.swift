// Tritsmith tests: embeddings in blocks beside the same, and beside others, in validate.

import Testing
import TritCore
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation

@Suite("Validate: embeddings in blocks")
struct BlockStepTests {
  private static let embedding = "model.embed_tokens.weight"

  private static func validate(_ path: String, _ reference: String) throws -> ValidateResult {
    var request = ValidateRequest(path: path, against: reference)
    request.inputs = [.ids((0..<40).map { String($0 * 7 % 48) }.joined(separator: " "))]
    return try ValidateWorkflow(request).run()
  }

  private static func convert(_ source: String, _ output: String) throws -> String {
    try Workflow.convert(source, output, to: .gguf) {
      $0.gguf.weights = .q2
      $0.gguf.embeddings = .q8
      $0.gguf.hasTokenizer = false
    }
    return output
  }

  /// Embeddings as F32 or bfloat16 numbers.
  private static func write(_ source: String, _ path: String, isFloat: Bool, _ factor: Float) -> String {
    var model = ChangedModel(source)
    let values = LittleEndian.u16s(model.file[embedding].bytes).map { HalfFloat(bits: $0).float * factor }
    model.file[embedding].dtype = isFloat ? "F32" : "BF16"
    model.file[embedding].bytes =
      isFloat ? FloatBytes.f32(values) : FloatBytes.bf16(values.map { BFloat16.rounded($0) })
    return model.write(path)
  }

  @Test("blocks are the other side's numbers, encoded: numbers 0.3 % larger fail, within a step of 8 bits")
  func factor() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    let blocks = try Self.convert(source, scratch["q8.gguf"])
    let larger = Self.write(source, scratch["larger"], isFloat: true, 1.003)
    for (path, reference) in [(source, blocks), (blocks, source)] {
      let same = try Self.validate(path, reference)
      #expect(same.passed && same.rounded.open.isEmpty, "\(same.gates)")
      #expect(same.steps.allSatisfy { $0.otherBlocks == nil })
    }
    for (path, reference) in [(larger, blocks), (blocks, larger)] {
      let other = try Self.validate(path, reference)
      #expect(!other.passed && other.firstWrongStep?.name == "embed", "\(other.gates)")
      let text = other.firstWrongStep?.otherBlocks
      #expect(text?.contains("of 192 blocks of Q8_0") == true, "\(text ?? "none")")
    }
  }

  @Test("beside numbers that were rounded themselves the verdict says what was not proven")
  func open() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    let blocks = try Self.convert(source, scratch["q8.gguf"])
    let result = try Self.validate(Self.write(source, scratch["coarse"], isFloat: false, 1), blocks)
    #expect(result.passed && result.rounded.open == ["embed"], "\(result.gates), \(result.rounded)")
    let headline = result.report.verdict?.headline ?? ""
    #expect(headline.contains("numbers in blocks of embed were proven only within the blocks' steps"), "\(headline)")
  }
}
