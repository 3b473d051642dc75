// Tritsmith: thresholds against the arithmetic they replace.

import Testing
import TritCore
import TritKernels
import TritQuantizers
import TritTestSupport

/// The trit of a weight written out from the published formulas, without the code under test.
enum DirectDefinition {
  static func trit(_ weight: Float, inverse: Float, _ id: QuantizerID) -> Int8 {
    let product = weight * inverse
    let rounded: Float
    switch id.rawValue {
    case "absmean-bf16": rounded = bf16(product).rounded(.toNearestOrEven)
    case "absmean-float32": rounded = product.rounded(.toNearestOrEven)
    default: rounded = (product + 0.5).rounded(.down)
    }
    return Int8(max(-1, min(1, rounded)))
  }

  /// Nearest even in 8 bits, by adding and taking away a number that leaves no room for the others.
  private static func bf16(_ value: Float) -> Float {
    guard value.isFinite else { return value }
    let wide = Double(value)
    let exponent = max(wide == 0 ? -126 : Int(wide.exponent), -126)
    // 2^(exponent − 7) is the spacing; 1.5 · 2^52 spacings have no fraction bits left.
    let anchor = 1.5 * Double(sign: .plus, exponent: 52 + exponent - 7, significand: 1)
    return Float(wide + anchor - anchor)
  }
}

/// A threshold quantizer of the registry under its name.
struct RegisteredQuantizer: Sendable, CustomTestStringConvertible {
  var quantizer: any ThresholdQuantizer
  var testDescription: String { quantizer.id.rawValue }

  static let all = QuantizerRegistry.all.compactMap { ($0 as? any ThresholdQuantizer).map(RegisteredQuantizer.init) }
}

@Suite struct ThresholdTests {
  /// Means from the clamp to where no weight reaches a half, with powers of two (exact ties), their neighbours, ordinary
  /// values and extremes.
  static let means: [Double] = [
    0, 1e-30, 1e-5, 1.00135803e-5, 0.00012207031, 0.0212, 0.5, 0.50390625, 0.4980469, 0.7, 1, 1.0000001, 3, 1000.5,
    1e30, 3e38, 1e39,
  ]

  static let allFinite: [UInt16] = (UInt16.min...UInt16.max).filter { $0 & 0x7FFF < 0x7F80 }

  @Test(arguments: RegisteredQuantizer.all, means)
  func everyFinitePatternGetsTheTritOfTheFormula(_ registered: RegisteredQuantizer, _ mean: Double) {
    let quantizer = registered.quantizer
    let decision = quantizer.decide(WeightSummary(count: 1000, magnitudeSum: mean * 1000))
    let (positive, negative) = (decision.thresholds.positive, decision.thresholds.negative)
    var wrong = 0
    for bits in Self.allFinite {
      let expected = DirectDefinition.trit(
        Float(bitPattern: UInt32(bits) << 16), inverse: decision.inverse, quantizer.id)
      let magnitude = bits & 0x7FFF
      let found: Int8 = bits >> 15 == 0 ? (magnitude >= positive ? 1 : 0) : (magnitude >= negative ? -1 : 0)
      if found != expected { wrong += 1 }
    }
    #expect(wrong == 0, "inverse \(decision.inverse)")
  }

  @Test(arguments: RegisteredQuantizer.all)
  func floatThresholdsToo(_ registered: RegisteredQuantizer) {
    let quantizer = registered.quantizer
    // With bf16 steps Float weights are rounded before anything else; only bfloat16 values are asked about.
    let roundsFirst = quantizer.roundsWeightsToBFloat16
    var generator = SeededGenerator(seed: 31)
    for mean in Self.means {
      let decision = quantizer.decide(WeightSummary(count: 1, magnitudeSum: mean))
      let thresholds = decision.floatThresholds
      var patterns = (0..<300).map { _ in UInt32(truncatingIfNeeded: generator.next()) & 0x7FFF_FFFF }
      for near in [thresholds.positive, thresholds.negative] {
        patterns += (0...8).map { near &- 4 &+ $0 } + [near & 0xFFFF_0000, near &+ 0x1_0000]
      }
      for pattern in patterns where pattern < 0x7F80_0000 {
        for sign in [0, 0x8000_0000] as [UInt32] {
          var weight = Float(bitPattern: pattern | sign)
          if roundsFirst { weight = BFloat16.rounded(weight) }
          guard weight.isFinite else { continue }
          let expected = DirectDefinition.trit(weight, inverse: decision.inverse, quantizer.id)
          if thresholds.trit(weight) != expected { Issue.record("mean \(mean), weight \(weight)") }
        }
      }
    }
  }

  /// The one-weight definition the code derives its thresholds from says the same as the formula.
  @Test func theDefinitionIsTheFormula() {
    var generator = SeededGenerator(seed: 32)
    for quantizer in [AbsMean.bf16, .float32, .kernel] {
      for _ in 0..<3000 {
        let bits = Self.allFinite[Int(generator.next() % UInt64(Self.allFinite.count))]
        let weight = Float(bitPattern: UInt32(bits) << 16)
        let inverse = BFloat16.rounded(Float(generator.next() % 10_000) / 37)
        let expected = DirectDefinition.trit(weight, inverse: inverse, quantizer.id)
        if quantizer.trit(weight, inverse: inverse) != expected { Issue.record("\(weight) × \(inverse)") }
      }
    }
  }

  // MARK: Rounding

  /// torch rounds ±½ to 0; floor(x + ½) makes +½ one and −½ zero.
  @Test func halvesFollowTheNamedRule() {
    let cases: [(AbsMean, plus: Int8, minus: Int8)] = [(.bf16, 0, 0), (.float32, 0, 0), (.kernel, 1, 0)]
    for (quantizer, plus, minus) in cases {
      // Mean 1: products are the weights themselves.
      let decision = quantizer.decide(WeightSummary(count: 4, magnitudeSum: 4))
      #expect(decision.absmean == 1 && decision.inverse == 1)
      #expect(decision.floatThresholds.trit(0.5) == plus, "\(quantizer.id)")
      #expect(decision.floatThresholds.trit(-0.5) == minus, "\(quantizer.id)")
      #expect(quantizer.trit(0.5, inverse: 1) == plus)
      #expect(quantizer.trit(-0.5, inverse: 1) == minus)
      // The bfloat16 neighbours of ½ leave no doubt.
      for (weight, trit) in [(0.49804688, 0), (0.50390625, 1), (1.5, 1), (2.5, 1), (1e30, 1)] as [(Float, Int8)] {
        #expect(quantizer.trit(weight, inverse: 1) == trit, "\(quantizer.id) \(weight)")
        #expect(quantizer.trit(-weight, inverse: 1) == -trit, "\(quantizer.id) \(-weight)")
        #expect(decision.floatThresholds.trit(weight) == trit)
        #expect(decision.floatThresholds.trit(-weight) == -trit)
      }
      let half: UInt16 = 0x3F00
      #expect(decision.thresholds.positive == half + (plus == 1 ? 0 : 1))
      #expect(decision.thresholds.negative == half + 1)
    }
  }

  @Test func meansAreClamped() {
    // bfloat16(1e-5) is 0x3728; 1 / that rounds to 99840 in bfloat16.
    let bf16 = AbsMean.bf16.decide(WeightSummary(count: 100, magnitudeSum: 0))
    #expect(bf16.absmean == Float(bitPattern: 0x3728_0000))
    #expect(bf16.inverse == 99840)
    let float32 = AbsMean.float32.decide(WeightSummary(count: 100, magnitudeSum: 0))
    #expect(float32.absmean == 1e-5)
    // fl(1 / fl(1e-5)): 1e-5 in Float is a little below, its inverse rounds to 100000 exactly.
    #expect(float32.inverse == Float(1 / Double(Float(1e-5))))
    #expect(AbsMean.kernel.decide(WeightSummary(count: 100, magnitudeSum: 0)).inverse == 100_000)
    #expect(AbsMean.kernel.decide(WeightSummary(count: 0, magnitudeSum: 0)).absmean == 1e-5)
  }

  @Test func theThreeMethodsDifferWhereTheyShould() {
    // 1/3 has no short binary form: the bfloat16 inverse of the mean is 3, the Float ones are not exactly.
    let mean = WeightSummary(count: 3, magnitudeSum: 1)
    #expect(AbsMean.bf16.decide(mean).inverse == 3)
    #expect(AbsMean.bf16.decide(mean).absmean == Float(bitPattern: 0x3EAB_0000))
    #expect(AbsMean.float32.decide(mean).absmean == Float(1) / 3)
    #expect(AbsMean.kernel.decide(mean).inverse == 3)
  }

  // MARK: Registry

  @Test func identifiersAreUnique() {
    let ids = QuantizerRegistry.all.map(\.id)
    #expect(Set(ids).count == ids.count)
    for quantizer in QuantizerRegistry.all {
      #expect(QuantizerRegistry.quantizer(quantizer.id)?.id == quantizer.id)
      #expect(!quantizer.summary.isEmpty)
    }
    #expect(QuantizerRegistry.quantizer(QuantizerID(rawValue: "absmean")) == nil)
  }
}

// MARK: - Weights that are ternary already

@Suite struct TernaryRecognitionTests {
  /// The linear weights of a trained checkpoint in its three states.
  static func weights(_ folder: String) -> [(name: String, bytes: [UInt8])] {
    let model = GoldenVectors(Fixtures.checkpoint(folder + "/model.safetensors"))
    return ["model.layers.0.self_attn.q_proj.weight", "model.layers.3.mlp.down_proj.weight"].map {
      ($0, model[$0].bytes)
    }
  }

  static func summary(_ bytes: [UInt8], with kernels: any Kernels) -> MagnitudeSummary {
    Quantized(bytes, AbsMean.bf16, with: kernels).summary
  }

  /// The magnitude is 1 / weight_scale of the packed revision, a bfloat16 division.
  @Test func theTernaryRevisionIsRecognisedWithItsScale() {
    let packed = GoldenVectors(Fixtures.checkpoint("falcon-e-tiny/bitnet/model.safetensors"))
    for (name, bytes) in Self.weights("falcon-e-tiny/bfloat16") {
      let stored = packed[name + "_scale"].bf16[0]
      for kernels in [NativeKernels() ?? ScalarKernels()] as [any Kernels] {
        let summary = Self.summary(bytes, with: kernels)
        #expect(summary.isTernary && summary.isFinite, "\(name)")
        #expect(summary.largest == BFloat16(1 / stored).bits, "\(name)")
      }
    }
  }

  @Test func latentWeightsAreNot() {
    for (name, bytes) in Self.weights("falcon-e-tiny/prequantized") {
      #expect(!Self.summary(bytes, with: NativeKernels() ?? ScalarKernels()).isTernary, "\(name)")
    }
  }

  /// The trap the recognition exists for: absmean of ternary weights is the scale times the share of non-zeros.
  @Test func absmeanWouldShrinkTheScale() {
    // 60 % of ±0.5: trits survive, the scale would be 0.3.
    let bytes = (0..<100).flatMap { index -> [UInt8] in
      LittleEndian.bytes(index % 10 < 6 ? (index % 2 == 0 ? 0x3F00 : 0xBF00) : UInt16(0))
    }
    let result = Quantized(bytes, AbsMean.float32, with: ScalarKernels())
    #expect(result.summary.isTernary)
    #expect(BFloat16(bits: result.summary.largest).float == 0.5)
    #expect(result.decision.absmean == 0.3)
    #expect(result.trits.count { $0 != 0 } == 60)
  }
}
