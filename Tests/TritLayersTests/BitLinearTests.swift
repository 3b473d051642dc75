// Tritsmith tests: BitLinear against PyTorch and transformers.

import Testing
import TritCore
import TritKernels
import TritLayers
import TritLayouts
import TritTestSupport

/// Within `tolerance` of the largest number expected: sums of Floats may be added in any order.
func expectClose(
  _ found: [Float]?, _ expected: [Float], within tolerance: Float = 1e-6, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard let found, found.count == expected.count else {
    Issue.record("\(what): \(found?.count ?? 0) numbers, expected \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  let size = max(expected.map(\.magnitude).max() ?? 0, .leastNormalMagnitude)
  let worst = zip(found, expected).map { ($0 - $1).magnitude }.max() ?? 0
  #expect(worst <= tolerance * size, "\(what): off by \(worst) of \(size)", sourceLocation: sourceLocation)
}

@Suite struct BitLinearGradientTests {
  /// What `make_ste_gradients.py` calls the two roundings in float32.
  static let roundings: [(String, BitNetArithmetic)] = [
    ("kernel", .kernel), ("torch", .reference), ("torch", .transformers),
  ]

  @Test(arguments: ["small", "odd", "medium", "one"], roundings)
  func forwardAndBackwardAreThoseOfAutograd(_ name: String, _ rounding: (key: String, arithmetic: BitNetArithmetic))
    throws
  {
    let golden = GoldenVectors(Fixtures.golden("ste_gradients.safetensors"))
    let shape = golden["\(name).weight"].shape
    let bias = golden.contains("\(name).bias") ? golden["\(name).bias"].f32 : nil
    let layer = try BitLinear(
      latent: golden["\(name).weight"].f32, outputs: shape[0], inputs: shape[1], bias: bias,
      arithmetic: rounding.arithmetic)
    let engine = try InferenceEngine(threads: 2)
    let x = golden["\(name).x"].f32
    let key = "\(name).\(rounding.key)"
    #expect(layer.quantizedWeight.values() == golden["\(key).weight_quantized"].f32)
    #expect(
      QuantizedActivation(x, columns: shape[1], rounding.arithmetic).values() == golden["\(key).x_quantized"].f32)
    expectClose(layer.forward(x, engine), golden["\(key).y"].f32, "y")
    let gradients = layer.backward(x, gradient: golden["\(name).grad_output"].f32, engine)
    expectClose(gradients.input, golden["\(key).grad_x"].f32, "input")
    expectClose(gradients.weight, golden["\(key).grad_weight"].f32, "weight")
    if bias != nil { expectClose(gradients.bias, golden["\(key).grad_bias"].f32, "bias") }
    #expect((gradients.bias == nil) == (bias == nil))
  }

  @Test func packedWeightsPassTheGradientOfTheirInputOnly() throws {
    let golden = GoldenVectors(Fixtures.golden("linear.safetensors"))
    let shape = golden["medium.f32.latent"].shape
    let scale = TernaryScale(
      stored: golden["medium.f32.weight_scale_inverse"].f32[0], storage: .f32, convention: .divide)
    let layer = try BitLinear(
      packed: golden["medium.f32.packed"].bytes, HFPacked.id, scale, outputs: shape[0], inputs: shape[1])
    let x = golden["medium.f32.x"].f32
    let tokens = x.count / shape[1]
    let gradient = (0..<tokens * shape[0]).map { Float($0 % 7) - 3 }
    let gradients = try layer.backward(x, gradient: gradient, InferenceEngine(threads: 1))
    #expect(gradients.weight == nil)
    // dx = g · W with W written out.
    let weight = layer.quantizedWeight
    let (outputs, inputs) = (shape[0], shape[1])
    var expected = [Float](repeating: 0, count: tokens * inputs)
    for token in 0..<tokens {
      for column in 0..<inputs {
        var sum = 0.0
        for row in 0..<outputs {
          sum += Double(gradient[token * outputs + row]) * Double(weight.trits[row * inputs + column])
        }
        expected[token * inputs + column] = Float(sum / Double(weight.scale))
      }
    }
    expectClose(gradients.input, expected, "input")
  }
}

@Suite struct BitLinearForwardTests {
  @Test(arguments: ["small", "medium"])
  func packedAndLatentLayersAgreeWithTransformers(_ name: String) throws {
    let golden = GoldenVectors(Fixtures.golden("linear.safetensors"))
    let engine = try InferenceEngine(threads: 2)
    let shape = golden["\(name).f32.latent"].shape
    let x = golden["\(name).f32.x"].f32
    let packed = golden["\(name).f32.packed"].bytes
    for (key, field, convention) in [
      ("weight_scale_inverse", "y_bitlinear", ScaleConvention.divide),
      ("weight_scale_absmean", "y_autobitlinear_offline", .multiply),
    ] {
      let scale = TernaryScale(stored: golden["\(name).f32.\(key)"].f32[0], storage: .f32, convention: convention)
      let layer = try BitLinear(packed: packed, HFPacked.id, scale, outputs: shape[0], inputs: shape[1])
      expectClose(layer.forward(x, engine), golden["\(name).f32.\(field)"].f32, field)
    }
    let latent = try BitLinear(
      latent: golden["\(name).f32.latent"].f32, outputs: shape[0], inputs: shape[1], arithmetic: .transformers)
    expectClose(latent.forward(x, engine), golden["\(name).f32.y_autobitlinear_online"].f32, "online")
  }

  @Test func everyArithmeticRunsPackedWeightsInEveryLayout() throws {
    let trits: [Int8] = [1, 0, -1, 1, 0, 0, 1, -1, -1, 1, 1, 0, 0, -1, 1, 1]
    let shape = try #require(TensorShape(rows: 4, columns: 4))
    let x: [Float] = [0.5, -1, 0.25, 2]
    let engine = try InferenceEngine(threads: 1)
    for layout in [HFPacked() as any TernaryLayout, SplitRow(.base3), SplitRow(.twoBit)] {
      var bytes = [UInt8](repeating: 0, count: layout.byteCount(shape))
      for band in layout.bands(shape, rowsPerBand: 4) {
        let rows = band.rows.flatMap { $0.flatMap { trits[$0 * 4..<$0 * 4 + 4] } }
        var output = bytes.mutableSpan
        layout.pack(rows.span, band, shape, with: KernelChoice.best, into: &output)
      }
      let pairs = BitNetArithmetic.allCases.flatMap { arithmetic in ScaleConvention.allCases.map { (arithmetic, $0) } }
      for (arithmetic, convention) in pairs {
        let scale = TernaryScale(stored: 2, storage: .bf16, convention: convention)
        let layer = try BitLinear(
          packed: bytes, layout.id, scale, outputs: 4, inputs: 4, bias: [1, 2, 3, 4], arithmetic: arithmetic)
        let codes = activationQuant(x, columns: 4, arithmetic)
        let unit = scale.multiplier()
        var expected: [Float] = []
        for row in 0..<4 {
          var sum: Float = 0
          for column in 0..<4 { sum += Float(trits[row * 4 + column]) * Float(codes.codes[column]) }
          let bias = Float(row + 1) * (convention == .multiply ? unit : 1)
          expected.append(sum / codes.scales[0] * unit + bias)
        }
        expectClose(layer.forward(x, engine), expected, "\(layout.id) \(arithmetic) \(convention)")
      }
    }
  }

  @Test func contradictionsAreRefused() throws {
    #expect(throws: BitLinearError.self) {
      try BitLinear(latent: [1, 2, 3], outputs: 2, inputs: 2, arithmetic: .kernel)
    }
    #expect(throws: BitLinearError.self) {
      try BitLinear(latent: [1, .nan], outputs: 1, inputs: 2, arithmetic: .kernel)
    }
    #expect(throws: BitLinearError.self) {
      try BitLinear(latent: [1, 2], outputs: 1, inputs: 2, bias: [1, 2], arithmetic: .kernel)
    }
    let scale = TernaryScale(stored: 2, storage: .bf16, convention: .divide)
    #expect(throws: BitLinearError.self) {
      try BitLinear(packed: [0xFF], SplitRow.twoBitID, scale, outputs: 1, inputs: 4)
    }
  }
}

@Suite struct QuantizationFunctionTests {
  /// Cases with finite weights; the others are refused by callers.
  private static func finite(_ golden: GoldenVectors, _ values: (GoldenVectors.Tensor) -> [Float]) -> [String] {
    golden.cases.filter { values(golden["\($0).w"]).allSatisfy(\.isFinite) && !$0.contains("overflow") }
  }

  @Test func referenceInBFloat16IsOnebitllms() {
    let golden = GoldenVectors(Fixtures.golden("absmean_bf16.safetensors"))
    let cases = Self.finite(golden, \.bf16)
    #expect(cases.count > 10)
    for name in cases {
      let found = QuantizedWeight(golden["\(name).w"].bf16, .reference, element: .bf16)
      #expect(found.trits.map(Float.init) == golden["\(name).u"].bf16, "\(name)")
      #expect([found.scale] == golden["\(name).weight_scale"].bf16, "\(name)")
      #expect(found.values(.bf16) == golden["\(name).dequant"].bf16, "\(name)")
    }
  }

  @Test func activationsAreThoseOfTransformers() {
    let golden = GoldenVectors(Fixtures.golden("activation_quant.safetensors"))
    let cases = Set(golden.cases.map { $0.split(separator: ".")[0] }).sorted()
    for name in cases where name != "nonfinite" {
      for (key, element) in [("f32", LayerElement.float32), ("bf16", .bf16)] {
        func numbers(_ field: String) -> [Float] {
          element == .bf16 ? golden["\(name).\(key).\(field)"].bf16 : golden["\(name).\(key).\(field)"].f32
        }
        let x = numbers("x")
        let columns = golden["\(name).\(key).x"].shape.last ?? 1
        let actQuant = QuantizedActivation(x, columns: columns, .transformers, element: element)
        #expect(actQuant.values(element) == numbers("hf_actquant"), "\(name) \(key)")
        // `BitLinear.activation_quant` computes in the type of its input, as the reference does.
        let layer = activationQuant(x, columns: columns, .reference, element: element)
        #expect(layer.codes == golden["\(name).\(key).bitlinear_q"].i8, "\(name) \(key)")
        #expect(layer.scales == numbers("bitlinear_scale"), "\(name) \(key)")
      }
    }
  }

  @Test func rowsWithoutAFiniteMaximumBecomeNaN() {
    for arithmetic in BitNetArithmetic.allCases {
      let found = QuantizedActivation([1, .nan, 2, 1, .infinity, 2, 1, 0, -1], columns: 3, arithmetic)
      let lost = found.values().prefix(6).count { $0.isNaN }
      #expect(lost == 6)
      #expect(found.codes.suffix(3) == [127, 0, -127])
    }
  }

  @Test func kernelsRoundHalvesUp() {
    // Mean 1: halves are exact.
    let weights: [Float] = [0.5, -0.5, 1.5, -1.5]
    #expect(weightQuant(weights, .kernel).trits == [1, 0, 1, -1])
    #expect(weightQuant(weights, .transformers).trits == [0, 0, 1, -1])
  }
}
