// Tritsmith: what inspection says, against numbers made by numpy and torch.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritInspection
import TritReport
import TritSurvey
import TritTestSupport
import WorkflowTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Kinds of models")
struct SurveyTests {
  struct Expectation: Sendable, CustomTestStringConvertible {
    var path: String
    var kind: ModelKind
    var family: String?
    var convention: ScaleConvention?
    var testDescription: String { path.split(separator: "/").suffix(2).joined(separator: "/") }
  }

  private static let llama = "Llama (Falcon-E, Falcon3-1.58bit, HF1BitLLM)"
  private static let bitnet = "BitNet b1.58 (2B-4T)"

  static let fixtures = [
    Expectation(path: Checkpoint.prequantized, kind: .latent, family: llama),
    Expectation(path: Checkpoint.sharded, kind: .latent, family: llama),
    Expectation(path: Checkpoint.bitnet, kind: .packed, family: llama, convention: .divide),
    Expectation(path: Checkpoint.bfloat16, kind: .ternaryDense, family: llama),
    Expectation(path: Checkpoint.plain, kind: .ordinary, family: llama),
    Expectation(path: Checkpoint.master, kind: .latent, family: bitnet),
    Expectation(path: Checkpoint.packed, kind: .packed, family: bitnet, convention: .multiply),
    Expectation(path: Fixtures.golden("models/llama_packed"), kind: .packed, family: llama, convention: .divide),
    Expectation(path: Fixtures.golden("models/llama256_packed"), kind: .packed, family: llama, convention: .divide),
    Expectation(path: Fixtures.golden("models/bitnet_packed"), kind: .packed, family: bitnet, convention: .multiply),
    Expectation(path: Fixtures.golden("models/llama_bf16"), kind: .ternaryDense, family: llama),
    // Gaussian numbers from a seed, as an untrained model has them.
    Expectation(path: Fixtures.golden("models/llama_prequantized"), kind: .ordinary, family: llama),
  ]

  @Test("kind, family and scale convention with reasons", arguments: fixtures)
  func kinds(_ expected: Expectation) throws {
    let result = try Workflow.inspect(expected.path)
    #expect(result.survey.kind == expected.kind)
    #expect(!result.survey.evidence.isEmpty)
    #expect(result.survey.architecture?.family == expected.family)
    #expect(result.manifest.scaleFinding.convention == expected.convention)
    #expect(result.manifest.scaleFinding.evidence.isEmpty == (expected.convention == nil))
  }

  @Test("the configuration that says online outweighs weights that say nothing")
  func online() throws {
    let scratch = ScratchFolder()
    var model = TinyModel()
    model.configuration = """
      {"architectures": ["BitNetForCausalLM"], "quantization_config": {"quant_method": "bitnet",
      "linear_class": "autobitlinear", "quantization_mode": "online"}}
      """
    let result = try Workflow.inspect(model.builder().write(scratch["model"]))
    #expect(result.survey.kind == .latent)
  }

  @Test("no projections, no configuration: undetermined, not guessed")
  func undetermined() throws {
    let scratch = ScratchFolder()
    let file = RawModelFile([RawTensor("a", "F32", [2, 2], FloatBytes.f32([1, 2, 3, 4]))])
    Disk.write(file.serialized, scratch["a.safetensors"])
    let result = try Workflow.inspect(scratch["a.safetensors"])
    #expect(result.survey.kind == .undetermined)
    #expect(result.survey.architecture == nil)
    #expect(result.survey.evidence == ["no projection was found by name among 1 matrix"])
    #expect(Self.shape(result) == "1 matrix")
    let vector = RawModelFile([RawTensor("a", "F32", [4], FloatBytes.f32([1, 2, 3, 4]))])
    Disk.write(vector.serialized, scratch["b.safetensors"])
    #expect(try Workflow.inspect(scratch["b.safetensors"]).survey.evidence == ["there is no matrix"])
    #expect(throws: WorkflowError.self) { try Workflow.convert(scratch["a.safetensors"], scratch["o"], to: .tritpack) }
  }

  private static func shape(_ result: InspectResult) -> String? {
    let facts = result.report.blocks.flatMap { block -> [ReportFact] in
      if case .facts(let facts) = block { facts.facts } else { [] }
    }
    guard case .text(let shape) = facts.first(where: { $0.key == "shape" })?.value else { return nil }
    return shape
  }

  @Test("of a family that is not known, inspect tells matrices and the sizes its configuration states")
  func foreignShape() throws {
    let scratch = ScratchFolder()
    let file = RawModelFile([
      RawTensor("embeddings.word_embeddings.weight", "F32", [2, 2], FloatBytes.f32([1, 2, 3, 4])),
      RawTensor("encoder.layer.0.output.dense.weight", "F32", [2, 2], FloatBytes.f32([1, 2, 3, 4])),
      RawTensor("encoder.layer.0.output.dense.bias", "F32", [2], FloatBytes.f32([1, 2])),
      RawTensor("embeddings.position_ids", "I64", [1, 1], [UInt8](repeating: 0, count: 8)),
    ])
    Disk.makeFolder(scratch["model"])
    Disk.write(file.serialized, scratch["model/model.safetensors"])
    let configuration = """
      {"architectures": ["BertModel"], "hidden_size": 384, "num_hidden_layers": 6, "vocab_size": 30522}
      """
    Disk.write(configuration, scratch["model/config.json"])
    let result = try Workflow.inspect(scratch["model"])
    #expect(result.survey.kind == .undetermined)
    #expect(Self.shape(result) == "6 layers, 384 wide, 2 matrices, vocabulary 30,522")
  }

  @Test("edge density is the ratio of densities at half the mean and near zero")
  func edgeDensity() throws {
    for (model, isNative) in [(Checkpoint.prequantized, true), (Checkpoint.master, true), (Checkpoint.plain, false)] {
      let name = "model.layers.0.self_attn.k_proj.weight"
      let result = try Workflow.inspect(model, statistics: true, tensors: [name])
      let reported = try #require(result.tensors.first?.statistics?.edgeDensity)
      let stored = RawModelFile.tensors(ofFolder: model)[name: name]
      let values = FloatBytes.bf16Values(stored.bytes).map { Double(abs($0)) }
      let mean = values.reduce(0, +) / Double(values.count)
      func share(_ range: Range<Double>) -> Double {
        Double(values.count { range.contains($0 / mean) }) / (range.upperBound - range.lowerBound)
      }
      let naive = share(0.475..<0.525) / share(0..<0.25)
      // The window at the edge holds 13 to 26 bfloat16 cells, and a cell at either border counts whole or not at all.
      #expect(abs(reported / naive - 1) < 0.1, "\(model): \(reported), counted \(naive)")
      #expect((reported > 1.5) == isNative)
    }
  }
}

@Suite("Figures of models")
struct SizeTests {
  @Test("totals count packed tensors unpacked", arguments: [Checkpoint.bitnet, Checkpoint.packed])
  func totals(_ model: String) throws {
    let result = try Workflow.inspect(model)
    let stored = RawModelFile.tensors(ofFolder: model)
    let bytes = stored.reduce(0) { $0 + $1.bytes.count }
    let parameters = stored.reduce(0) { sum, tensor in
      guard !tensor.name.hasSuffix("_scale") else { return sum }
      return sum + tensor.shape.reduce(1, *) * (tensor.dtype == "U8" ? 4 : 1)
    }
    #expect(result.tensorBytes == bytes)
    #expect(result.fileBytes == UInt64(Disk.bytes(model + "/model.safetensors").count))
    #expect(result.logicalParameters == parameters)
    #expect(result.bitsPerWeight == Double(8 * bytes) / Double(parameters))
    #expect(result.tensors.count == stored.count { !$0.name.hasSuffix("_scale") })
  }

  @Test("a compressed file reports what it stores")
  func compressed() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.packed, scratch["z.tritpack"], to: .tritpack) { $0.compression = .zstd(level: 3) }
    let result = try Workflow.inspect(scratch["z.tritpack"])
    let plain = try Workflow.inspect(Checkpoint.packed)
    #expect(result.logicalParameters == plain.logicalParameters)
    #expect(UInt64(result.tensorBytes) < result.fileBytes)
    #expect(result.tensorBytes < plain.tensorBytes)
  }

  @Test("the choice of tensors follows the patterns, and no weight is read without statistics")
  func chosen() throws {
    let result = try Workflow.inspect(Checkpoint.bitnet, tensors: ["*.k_proj.weight", "lm_head.*"])
    #expect(result.tensors.count == 5)
    #expect(result.tensors.allSatisfy { $0.statistics == nil })
    #expect(result.tensors.filter { $0.role.isProjection }.allSatisfy { $0.scale?.convention == .divide })
  }
}

@Suite("Statistics equal those of numpy")
struct StatisticsTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    var model: String
    var name: String
    var folder: String
    var testDescription: String { model + "/" + name }
  }

  static let variants = [
    Variant(model: "falcon-e-tiny", name: "prequantized", folder: "falcon-e-tiny/prequantized"),
    Variant(model: "falcon-e-tiny", name: "bitnet", folder: "falcon-e-tiny/bitnet"),
    Variant(model: "falcon-e-tiny", name: "bfloat16", folder: "falcon-e-tiny/bfloat16"),
    Variant(model: "bitnet-b158-tiny", name: "bf16-master", folder: "bitnet-b158-tiny/bf16-master"),
    Variant(model: "bitnet-b158-tiny", name: "packed", folder: "bitnet-b158-tiny/packed"),
    Variant(model: "plain-tiny", name: "model", folder: "plain-tiny"),
  ]

  /// Both sides add hundreds of thousands of exact products in Double, in different orders: each addition rounds by
  /// 1e-16 of the running sum, and pairwise or by histogram only a few dozen such errors pile up.
  private static let tolerance = 1e-12

  private func isClose(_ found: Double, _ expected: Double, magnitude: Double) -> Bool {
    abs(found - expected) <= Self.tolerance * magnitude
  }

  @Test("every tensor of every variant", arguments: variants)
  func equal(_ variant: Variant) throws {
    let reference = try meaning(Fixtures.checkpoint(variant.model + "/reference/tensor_stats.json"))
    let expected = try #require(reference.object?[variant.name]?.object)
    let result = try Workflow.inspect(Fixtures.checkpoint(variant.folder), statistics: true)
    let stored = RawModelFile.tensors(ofFolder: Fixtures.checkpoint(variant.folder))
    #expect(expected.entries.count == stored.count)
    var compared = 0
    for tensor in result.tensors {
      let name = tensor.descriptor.name
      let entry = try #require(expected[name]?.object, "\(name)")
      let found = try #require(tensor.statistics)
      let shape = entry[tensor.descriptor.encoding.isTernary ? "logical_shape" : "shape"]?.array
      #expect(tensor.descriptor.shape.dimensions == shape?.compactMap { $0.number?.integer })
      func integer(_ key: String) -> Int? { entry[key]?.number?.integer }
      if tensor.descriptor.encoding.isTernary {
        let ternary = try #require(found.ternary)
        #expect(ternary.negative == integer("minus") && ternary.positive == integer("plus"), "\(name)")
        #expect(ternary.zero == integer("zero") && ternary.invalid == integer("invalid_code_3"), "\(name)")
        #expect(found.zeros == integer("zero"))
        try checkEntropy(ternary)
        let scale = FloatBytes.bf16Values(stored[name: name + "_scale"].bytes)
        #expect(tensor.scale?.stored == scale)
        // The extremes are the multiplier itself: one Float, correctly rounded.
        let multiplier = variant.name == "bitnet" ? 1 / scale[0] : scale[0]
        #expect(found.maximum == Double(multiplier) && found.minimum == -Double(multiplier))
      } else {
        func number(_ key: String) throws -> Double { try #require(entry[key]?.number?.double, "\(name) \(key)") }
        let magnitude = try number("rms")
        #expect(try found.minimum == number("min") && found.maximum == number("max"), "\(name)")
        #expect(found.zeros == integer("exact_zeros") && found.nonfinite == integer("nonfinite"), "\(name)")
        // Terms of a mean cancel, so its rounding errors are those of its terms, not of the small result.
        #expect(try isClose(found.mean, number("mean"), magnitude: magnitude), "\(name)")
        #expect(try isClose(found.absmean, number("absmean"), magnitude: number("absmean")), "\(name)")
        #expect(try isClose(found.rms, number("rms"), magnitude: magnitude), "\(name)")
        let deviation = try number("std_population")
        // numpy's sum of squares loses up to 1.2e-12 on the tensors of three values, by exact rational arithmetic.
        #expect(isClose(found.standardDeviation, deviation, magnitude: 2 * deviation), "\(name)")
        if variant.name == "bfloat16", tensor.role.isProjection {
          let packed = try #require(reference.object?["bitnet"]?.object?[name]?.object)
          let counts = [found.ternary?.negative, found.ternary?.zero, found.ternary?.positive]
          #expect(counts == ["minus", "zero", "plus"].map { packed[$0]?.number?.integer }, "\(name)")
          try checkMoments(found)
        }
      }
      compared += 1
    }
    // Scales are no tensors of their own.
    #expect(compared == stored.count { !$0.name.hasSuffix("_scale") })
  }

  /// Three values have moments in closed form; a handful of roundings on either side stay below 1e-15.
  private func checkMoments(_ found: TensorStatistics) throws {
    let ternary = try #require(found.ternary)
    let value = try #require(ternary.multiplier)
    let count = Double(found.count)
    let mean = Double(ternary.positive - ternary.negative) / count * value
    let square = Double(ternary.positive + ternary.negative) / count * value * value
    #expect(abs(found.standardDeviation / (square - mean * mean).squareRoot() - 1) < 1e-15)
    #expect(abs(found.rms / square.squareRoot() - 1) < 1e-15)
  }

  private func checkEntropy(_ ternary: TernaryStatistics) throws {
    let counts = [ternary.negative, ternary.zero, ternary.positive].map(Double.init)
    let total = counts.reduce(0, +)
    let entropy = counts.reduce(0) { $0 - $1 / total * log2($1 / total) }
    // Three terms of a few roundings each.
    #expect(abs(ternary.entropy - entropy) < 1e-14)
  }

  @Test("integer and wide types, infinities and NaN, by hand")
  func otherTypes() throws {
    let scratch = ScratchFolder()
    func integers(_ values: [Int], _ width: Int) -> [UInt8] {
      values.flatMap { value in (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    }
    let tensors = [
      RawTensor("i8", "I8", [4], integers([-3, 0, 3, 4], 1)), RawTensor("i16", "I16", [4], integers([-3, 0, 3, 4], 2)),
      RawTensor("i32", "I32", [4], integers([-3, 0, 3, 4], 4)),
      RawTensor("i64", "I64", [4], integers([-3, 0, 3, 4], 8)),
      RawTensor("u8", "U8", [4], integers([3, 0, 3, 4], 1)), RawTensor("u16", "U16", [4], integers([3, 0, 3, 4], 2)),
      RawTensor("u32", "U32", [4], integers([3, 0, 3, 4], 4)), RawTensor("u64", "U64", [4], integers([3, 0, 3, 4], 8)),
      RawTensor("bool", "BOOL", [4], [1, 0, 1, 1]), RawTensor("f32", "F32", [4], FloatBytes.f32([-3, 0, 3, 4])),
      RawTensor("f64", "F64", [4], FloatBytes.f64([-3, 0, 3, 4])),
      RawTensor("f16", "F16", [4], FloatBytes.f16([-3, 0, 3, 4])),
      RawTensor("bad", "BF16", [4], FloatBytes.bf16([.nan, -.infinity, 2, 0])),
      RawTensor("f8", "F8_E4M3", [4], [0, 1, 2, 3]),
    ]
    Disk.write(RawModelFile(tensors).serialized, scratch["a.safetensors"])
    let result = try Workflow.inspect(scratch["a.safetensors"], statistics: true)
    for tensor in result.tensors {
      let name = tensor.descriptor.name
      guard name != "f8" else {
        #expect(tensor.statistics == nil, "listed, not decoded")
        continue
      }
      let found = try #require(tensor.statistics)
      if name == "bad" {
        #expect(found.nonfinite == 2 && found.zeros == 1 && found.maximum == 2 && found.minimum == 0)
        #expect(found.mean == 1 && found.absmean == 1)
        continue
      }
      #expect(found.zeros == 1 && found.nonfinite == 0, "\(name)")
      if name == "bool" {
        #expect(found.mean == 0.75 && found.maximum == 1)
      } else {
        let sum = name.hasPrefix("u") ? 10.0 : 4.0
        #expect(found.mean == sum / 4 && found.absmean == 2.5 && found.maximum == 4, "\(name)")
        #expect(found.rms == (34.0 / 4).squareRoot(), "\(name)")
        // Sums of small integers are exact, and a square root is correctly rounded.
        #expect(found.standardDeviation == (34.0 / 4 - sum * sum / 16).squareRoot(), "\(name)")
      }
    }
  }

  /// Families differ in when they round: the page says which trits it counts.
  @Test("a page of weights that hold no trits names the quantizer it counts with")
  func pageOfLatents() throws {
    for path in [Checkpoint.prequantized, Checkpoint.plain] {
      let result = try Workflow.inspect(path, statistics: true)
      let paragraphs = result.page.blocks.compactMap { block -> String? in
        if case .paragraph(let text) = block { return text }
        return nil
      }
      #expect(paragraphs.contains { $0.contains("computed as 'absmean-float32' computes them") }, "\(path)")
    }
    let packed = try Workflow.inspect(Checkpoint.packed, statistics: true)
    #expect(!HTMLRenderer().text(of: packed.page).contains("absmean-float32"))
  }

  @Test("the outcome of a proof that was asked for is shown, also where it proves nothing")
  func proofs() throws {
    for (proof, origin) in [
      (ScaleProof(sibling: Checkpoint.plain), ScaleEvidence.Origin.sibling),
      (ScaleProof(usesActivations: true), .activations),
    ] {
      var request = InspectRequest(path: Checkpoint.bitnet)
      request.proof = proof
      let result = try InspectWorkflow(request).run()
      let evidence = try #require(result.manifest.scaleFinding.evidence.last)
      #expect(evidence.origin == origin && (evidence.convention == nil) == (origin == .sibling))
      let key = "evidence_\(result.manifest.scaleFinding.evidence.count)"
      #expect(result.report.brief?.keys.contains(key) == true, "\(key)")
    }
    let keys = try Workflow.inspect(Checkpoint.bitnet).report.brief?.keys ?? []
    #expect(keys.contains("convention") && !keys.contains { $0.hasPrefix("evidence_") })
  }

  @Test("statistics of trits without their scales are said to be such")
  func trits() throws {
    let scratch = ScratchFolder()
    for (path, isTold) in [(Bonsai.folder(scratch["bonsai"]), false), (Checkpoint.bitnet, false)] {
      #expect(try Self.tellsOfTrits(path) == isTold, "\(path)")
    }
    try Workflow.convert(scratch["bonsai"], scratch["mlx"], to: .mlx)
    #expect(try Self.tellsOfTrits(scratch["mlx"]))
  }

  private static func tellsOfTrits(_ path: String) throws -> Bool {
    let result = try Workflow.inspect(path, statistics: true)
    let points = [result.report.verdict, result.page.verdict].map { $0?.points ?? [] }
    let told = points.map { $0.contains { $0.contains("Min to Std are those of the trits alone") } }
    #expect(told[0] == told[1])
    return told[0]
  }
}
