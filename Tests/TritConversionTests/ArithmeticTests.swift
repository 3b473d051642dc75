// Tritsmith: conversions against a naive quantizer, for every arithmetic and every float type.

import Testing
import TritConversion
import TritCore
import TritQuantizers
import TritSurvey
import TritTestSupport
import WorkflowTestSupport

@Suite("Arithmetic of conversions")
struct ArithmeticTests {
  static let arithmetics = ["absmean-bf16", "absmean-float32", "absmean-kernel"]

  /// The formula's matrices, one with exact ties, one with values around the edge.
  static var model: TinyModel {
    var model = TinyModel()
    // Mean magnitude exactly 1/4, so ±1/8 lies half way between 0 and ±1: here roundings part.
    let ties: [Float] = [0.125, -0.125, 0.375, -0.375, 0.125, -0.125, 0.375, -0.375]
    model.weights.append(("model.layers.0.self_attn.v_proj.weight", 4, 8, ties + ties + ties + ties))
    // Half of them step through every bfloat16 from 1/8 to 1/4, where half the mean lies: rounding the scale to 8
    // bits moves the edge by more than a step.
    let edge = (0..<256).map { (index: Int) -> Float in
      let magnitude = index < 128 ? Float(128 + index) / 1024 : 141.0 / 256
      return index % 2 == 0 ? magnitude : -magnitude
    }
    model.weights.append(("model.layers.0.mlp.up_proj.weight", 16, 16, edge))
    return model
  }

  @Test("trits and scales are those of a naive quantizer", arguments: arithmetics)
  func againstNaive(_ arithmetic: String) throws {
    let scratch = ScratchFolder()
    let input = Self.model.builder().write(scratch["latent"])
    try Workflow.convert(input, scratch["packed"], to: .hfPacked) {
      $0.quantizer = QuantizerID(rawValue: arithmetic)
    }
    let written = RawModelFile.tensors(ofFolder: scratch["packed"])
    for weight in Self.model.weights {
      let expected = NaiveAbsMean.quantize(weight.values, arithmetic)
      #expect(written[name: weight.name].unpackedTrits == expected.trits, "\(weight.name)")
      #expect(FloatBytes.bf16Values(written[name: weight.name + "_scale"].bytes) == [expected.divisor])
    }
  }

  @Test("the three arithmetics really differ on these weights")
  func differ() {
    func trits(_ index: Int, _ arithmetic: String) -> [Int8] {
      NaiveAbsMean.quantize(Self.model.weights[index].values, arithmetic).trits
    }
    let ties = zip(trits(2, "absmean-float32"), trits(2, "absmean-kernel")).count { $0 != $1 }
    #expect(ties == 8, "every +1/8 rounds up in one and to even in the other")
    let moved = zip(trits(3, "absmean-float32"), trits(3, "absmean-bf16")).count { $0 != $1 }
    #expect(moved > 0)
  }

  @Test("F16, F32 and F64 copies of the same numbers give the trits and scales of BF16", arguments: arithmetics)
  func otherTypes(_ arithmetic: String) throws {
    let scratch = ScratchFolder()
    let encodings: [(name: String, encode: ([Float]) -> [UInt8])] = [
      ("BF16", FloatBytes.bf16), ("F16", FloatBytes.f16), ("F32", FloatBytes.f32), ("F64", FloatBytes.f64),
    ]
    var reference: [RawTensor]?
    for (name, encode) in encodings {
      let input = Self.model.builder(dtype: name, encode).write(scratch[name])
      try Workflow.convert(input, scratch[name + "-packed"], to: .hfPacked) {
        $0.quantizer = QuantizerID(rawValue: arithmetic)
      }
      let tensors = RawModelFile.tensors(ofFolder: scratch[name + "-packed"])
      // What stays dense stays in its own type.
      #expect(tensors[name: "model.norm.weight"].dtype == name)
      let projections = tensors.filter { $0.name.contains("proj") }
      #expect(projections.count == 8)
      #expect(differences(projections, reference ?? projections) == [], "\(name)")
      reference = projections
    }
  }

  @Test("onebitllms' arithmetic rounds Float weights to bfloat16 first, transformers' does not")
  func roundingOfFloatWeights() throws {
    // 0.50390625 is bfloat16; 1/1024 more is not and rounds back to it, but as Float it moves the mean.
    var model = TinyModel()
    model.weights = [(TinyModel.query, 4, 4, TinyModel.values(16, seed: 9).map { $0 + ($0 == 0 ? 0 : $0 / 1024) })]
    let scratch = ScratchFolder()
    let input = model.builder(dtype: "F32") { FloatBytes.f32($0) }.write(scratch["latent"])
    for arithmetic in ["absmean-bf16", "absmean-float32"] {
      try Workflow.convert(input, scratch[arithmetic], to: .hfPacked) {
        $0.quantizer = QuantizerID(rawValue: arithmetic)
      }
      let written = RawModelFile.tensors(ofFolder: scratch[arithmetic])
      let values = model.weights[0].values
      let seen = arithmetic == "absmean-bf16" ? values.map { Float(NaiveAbsMean.bf16(Double($0))) } : values
      let expected = NaiveAbsMean.quantize(seen, arithmetic)
      #expect(written[name: TinyModel.query].unpackedTrits == expected.trits)
      #expect(FloatBytes.bf16Values(written[name: TinyModel.query + "_scale"].bytes) == [expected.divisor])
    }
  }

  @Test(
    "a weight that is no number is an error naming tensor and index",
    arguments: [(Float.nan, 41), (Float.infinity, 0), (-Float.infinity, 191)])
  func notFinite(_ value: Float, _ index: Int) throws {
    let scratch = ScratchFolder()
    var model = TinyModel()
    model.weights[0].values[index] = value
    let input = model.builder().write(scratch["latent"])
    for target in ConversionTarget.ofAnyShape {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(input, scratch["out"], to: target)
      }
      #expect(error?.location.tensor == TinyModel.query)
      #expect(error?.summary.contains("element \(index) ") == true)
      #expect(error?.category == .malformedInput)
    }
    // A tensor that stays dense may hold anything, when that is asked for.
    let refused = #expect(throws: WorkflowError.self) {
      try Workflow.convert(input, scratch["kept"], to: .hfPacked) { $0.keep = [Glob(TinyModel.query)] }
    }
    #expect(refused?.location.tensor == TinyModel.query && refused?.summary.contains("element \(index) ") == true)
    try Workflow.convert(input, scratch["kept"], to: .hfPacked) {
      $0.keep = [Glob(TinyModel.query)]
      $0.nonFinite = .carry
    }
    let kept = RawModelFile.tensors(ofFolder: scratch["kept"])
    #expect(kept[name: TinyModel.query].bytes == FloatBytes.bf16(model.weights[0].values))
    #expect(Disk.names(scratch.path) == ["kept", "latent"])
  }

  @Test("--output-scale chooses what the stored number means, and the configuration says so")
  func outputConvention() throws {
    let scratch = ScratchFolder()
    let input = Self.model.builder().write(scratch["latent"])
    try Workflow.convert(input, scratch["multiply"], to: .hfPacked) { $0.outputConvention = .multiply }
    let written = RawModelFile.tensors(ofFolder: scratch["multiply"])
    for weight in Self.model.weights {
      let sum = weight.values.reduce(0.0) { $0 + Double(abs($1)) }
      let mean = NaiveAbsMean.bf16(sum / Double(weight.values.count))
      #expect(FloatBytes.bf16Values(written[name: weight.name + "_scale"].bytes) == [Float(mean)])
    }
    let quantization = try meaning(scratch["multiply"] + "/config.json").object?["quantization_config"]?.object
    #expect(quantization?["linear_class"]?.string == "autobitlinear")
    #expect(quantization?["quantization_mode"]?.string == "offline")
  }
}
