// Tritsmith tests: layers and small models against transformers, number for number.

import Testing
import TritCore
import TritKernels
import TritModel
import TritQuantizers
import TritTestSupport

@testable import TritInference

@Suite("Layers agree with transformers")
struct GoldenLayerTests {
  @Test("activation quantization in float32, exactly", arguments: KernelChoice.allCases)
  func activations(_ kernels: KernelChoice) throws {
    let file = try ReferenceFile(Fixtures.golden("activation_quant.safetensors"))
    let engine = try InferenceEngine(threads: 2, kernels: kernels)
    for name in ["random", "single", "ties", "nonfinite"] {
      let x = try file.floats("\(name).f32.x")
      let columns = try #require(try file.shape("\(name).f32.x").last)
      let rows = x.count / columns
      var quantized = QuantizedRows()
      engine.quantize(x, rows: rows, columns: columns, into: &quantized)
      let widened = engine.referenceInput(quantized, raw: false)
      let expected = try file.floats("\(name).f32.hf_actquant")
      for (found, wanted) in zip(widened, expected) {
        #expect(found == wanted || found.isNaN && wanted.isNaN, "\(name): \(found), not \(wanted)")
      }
      guard name != "nonfinite" else { continue }
      #expect(
        (0..<rows).flatMap { quantized.values(row: $0) }.map(Int.init) == (try file.integers("\(name).f32.bitlinear_q"))
      )
      #expect((0..<rows).map { quantized.scale(row: $0) } == (try file.floats("\(name).f32.bitlinear_scale")))
    }
  }

  @Test("quantized layers", arguments: ["small", "medium"], KernelChoice.allCases)
  func layers(_ name: String, _ kernels: KernelChoice) throws {
    let file = try ReferenceFile(Fixtures.golden("linear.safetensors"))
    let engine = try InferenceEngine(threads: 2, kernels: kernels)
    let x = try file.floats("\(name).f32.x")
    let packed = try file.bytes("\(name).f32.packed")
    let shape = try file.shape("\(name).f32.latent")
    let (rows, columns) = (shape[0], shape[1])
    let tokens = x.count / columns
    var input = QuantizedRows()
    engine.quantize(x, rows: tokens, columns: columns, into: &input)

    func compare(_ layer: String, _ bytes: [UInt8], _ order: PackedTritOrder, _ epilogue: ProductEpilogue) throws {
      let operand = TernaryOperand(rows: rows, columns: columns, order: order, epilogue: epilogue)
      let expected = try file.floats("\(name).f32.\(layer)")
      var y = [Float](repeating: 0, count: tokens * rows)
      engine.integerProduct(bytes.span.bytes, operand, input, into: &y)
      expectClose(y, expected, "\(layer), integers")
      engine.referenceProduct(bytes.span.bytes, operand, input, into: &y)
      expectClose(y, expected, "\(layer), floats")
    }
    let inverse = try file.floats("\(name).f32.weight_scale_inverse")
    let absmean = try file.floats("\(name).f32.weight_scale_absmean")
    try compare("y_bitlinear", packed, .joinedRows, .divide(by: inverse))
    try compare("y_autobitlinear_offline", packed, .joinedRows, .multiply(by: absmean))
    let latent = try file.bytes("\(name).f32.latent")
    let weights = FloatWeights(bytes: .memory(latent), element: .f32, rows: rows, columns: columns)
    let made = try #require(try weights.madeTernary(by: AbsMean.float32, engine))
    try compare("y_autobitlinear_online", made.bytes, .splitRows, .weights(of: 1 / made.inverse))
  }

  /// Within 1e-6 of the largest output: sums of Floats may be added in any order.
  private func expectClose(_ found: [Float], _ expected: [Float], _ what: String) {
    let size = expected.map(\.magnitude).max() ?? 0
    #expect(Difference(found, expected).largest <= 1e-6 * size, "\(what)")
  }
}

@Suite("Small models agree with transformers")
struct GoldenModelTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var model: String
    var ids: String
    var logits: String
    var projections = ProjectionOverride.automatic
    var projectionClass: ProjectionClass
    var testDescription: String { logits }
  }

  static let cases = [
    Case(model: "llama_bf16", ids: "llama.ids", logits: "llama_bf16.plain_f32", projectionClass: .linear),
    Case(model: "llama_packed", ids: "llama.ids", logits: "llama_packed.bitlinear_f32", projectionClass: .bitLinear),
    Case(
      model: "llama_prequantized", ids: "llama.ids", logits: "llama_prequantized.autobitlinear_online_f32",
      projections: .onlineFloat32, projectionClass: .autoBitLinearOnline),
    // Made ternary as the family's own tool does it, latents give what transformers computes of the packed sibling.
    Case(
      model: "llama_prequantized", ids: "llama.ids", logits: "llama_packed.bitlinear_f32", projections: .online,
      projectionClass: .bitLinearOnline),
    Case(
      model: "bitnet_packed", ids: "bitnet.ids", logits: "bitnet_packed.autobitlinear_offline_f32",
      projectionClass: .autoBitLinearOffline),
    Case(
      model: "llama256_packed", ids: "llama256.ids", logits: "llama256_packed.bitlinear_f32",
      projectionClass: .bitLinear),
  ]

  @Test("logits", arguments: cases, ArithmeticMode.allCases)
  func logits(_ test: Case, _ mode: ArithmeticMode) throws {
    let file = try ReferenceFile(Fixtures.golden("logits.safetensors"))
    let expected = try file.floats(test.logits)
    let spread = (expected.max() ?? 0) - (expected.min() ?? 0)
    for kernels in KernelChoice.allCases {
      let loaded = try LoadedModel(
        Fixtures.golden("models/" + test.model), LoadOptions(projections: test.projections), kernels: kernels)
      #expect(loaded.model.projectionClasses == [test.projectionClass])
      let found = try loaded.session(mode).logits(file.integers(test.ids))
      let difference = Difference(found, expected)
      // About 1e-4 of the spread allows for an int8 that flips at a tie.
      #expect(difference.largest < 1e-4 * spread, "\(kernels)")
      #expect(topOneAgreement(found, expected, width: loaded.model.configuration.vocabularySize) == 1)
    }
  }
}
