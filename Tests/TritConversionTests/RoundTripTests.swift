// Tritsmith tests: numbers that GGUF files hold others for, there and back.

import LibC
import Testing
import TritCore
import TritFormats
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("The GGUF round trip")
struct RoundTripTests {
  private static let decay = "model.layers.0.linear_attn.A_log"
  private static let norm = "model.norm.weight"

  private static func compare(_ first: String, _ second: String, exact: Bool = false) throws -> CompareResult {
    try CompareWorkflow(
      first: ModelOpener.open(first), second: ModelOpener.open(second), request: CompareRequest(isExact: exact)
    ).run()
  }

  /// The model with other numbers in a list of Floats.
  private static func write(_ source: String, _ name: String, _ values: [Float], _ path: String) -> String {
    var model = ChangedModel(source)
    model.file[name].bytes.replaceSubrange(0..<4 * values.count, with: FloatBytes.f32(values))
    return model.write(path)
  }

  @Test("A_log that came back as the logarithm of its exponential is rounded, and said to be; more is a difference")
  func logarithm() throws {
    let scratch = ScratchFolder()
    let given: [Float] = [0.3, -0.18288165, 0.001, -0.7]
    let source = Self.write(TernaryHybrid.small.write(scratch["given"]), Self.decay, given, scratch["source"])
    // Of small numbers the exponential keeps the first four digits.
    let back = given.map { Float(log(Double(Float(exp(Double($0)))))) }
    let changed = zip(given, back).count { $0 != $1 }
    #expect(changed > 0)
    let trip = Self.write(source, Self.decay, back, scratch["trip"])
    let result = try Self.compare(source, trip)
    let tensor = try #require(result.tensors.first { $0.name == Self.decay })
    #expect(result.weightsAreSame && tensor.outcome == .rounded && tensor.rounding?.changed == changed)
    #expect(tensor.detail.contains("equal after the GGUF round trip of A_log"), "\(tensor.detail)")
    #expect(result.tensors.count { $0.outcome != .equal } == 1)
    #expect(try !Self.compare(source, trip, exact: true).weightsAreSame)
    let verified = try Workflow.verify(source, trip)
    #expect(verified.tensors.first { $0.name == Self.decay }?.outcome == .rounded)
    #expect(verified.tensors.allSatisfy { $0.outcome != .differs })
    let checked = try CheckWorkflow(CheckRequest(path: source, sibling: trip)).run()
    #expect(checked.sibling?.isSame == true && checked.sibling?.rounded == 1, "\(checked.findings)")
    #expect(checked.notes.contains { $0.contains("equal after the GGUF round trip of A_log") })

    // Ten steps of the exponential, which is about one there.
    let far = Self.write(source, Self.decay, [0.3, -0.18288165, 0.001 + 10 * Float(1).ulp, -0.7], scratch["far"])
    #expect(try Self.compare(source, far).tensors.filter { $0.outcome == .different }.map(\.name) == [Self.decay])
    #expect(try Workflow.verify(source, far).tensors.contains { $0.outcome == .differs })
  }

  @Test("a conversion to GGUF and back is the same model")
  func conversion() throws {
    let scratch = ScratchFolder()
    let given: [Float] = [0.3, -0.18288165, 0.001, -0.7]
    let source = Self.write(TernaryHybrid.small.write(scratch["given"]), Self.decay, given, scratch["source"])
    try Workflow.convert(source, scratch["a.gguf"], to: .gguf) {
      $0.gguf.weights = .f16
      $0.gguf.hasTokenizer = false
    }
    try Workflow.convert(scratch["a.gguf"], scratch["back"], to: .dense) { $0.denseType = .f32 }
    let result = try Self.compare(source, scratch["back"])
    #expect(result.weightsAreSame, "\(result.tensors.filter { $0.outcome == .different }.map(\.detail))")
    #expect(result.tensors.first { $0.name == Self.decay }?.outcome == .rounded)
  }

  @Test("Floats of a GGUF file stay Floats where --dense-type f32 asks for them, and need not where nothing does")
  func floats() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(TernaryHybrid.small.write(scratch["given"]))
    let name = "model.layers.0.linear_attn.conv1d.weight"
    // Numbers that two bytes hold.
    let values = LittleEndian.u32s(model.file[name].bytes).map { BFloat16.rounded(Float(bitPattern: $0)) }
    model.file[name].bytes = FloatBytes.f32(values)
    try Workflow.convert(model.write(scratch["source"]), scratch["a.gguf"], to: .gguf) {
      $0.gguf.weights = .f16
      $0.gguf.hasTokenizer = false
    }
    for type in [DenseWeightType.f32, nil] {
      let output = scratch[type?.rawValue ?? "none"]
      try Workflow.convert(scratch["a.gguf"], output, to: .dense) { $0.denseType = type }
      let tensor = RawModelFile(reading: output + "/model.safetensors")[name]
      #expect((tensor.dtype == "F32") == (type == .f32), "\(tensor.dtype)")
    }
  }

  @Test("norms are compared as 1 + w too, in Float and no coarser type")
  func norms() throws {
    let scratch = ScratchFolder()
    let source = Self.write(TernaryHybrid.small.write(scratch["given"]), Self.norm, [1e-9, 0.25], scratch["source"])
    let trip = Self.write(source, Self.norm, [0, 0.25], scratch["trip"])
    let tensor = try Self.compare(source, trip).tensors.first { $0.name == Self.norm }
    #expect(tensor?.outcome == .rounded && tensor?.detail.contains("round trip of 1 + w") == true)
    // As F16, 1.2500001 is 1.25.
    let far = Self.write(source, Self.norm, [1e-9, 0.2500001], scratch["far"])
    #expect(try Self.compare(source, far).tensors.first { $0.name == Self.norm }?.outcome == .different)
  }
}
