// Tritsmith: scales that are, or are not, the same scale.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Scales")
struct ScaleAgreementTests {
  private static let shape = TensorShape(rows: 4, columns: 256)
  private static let granularities: [ScaleGranularity] = [.tensor, .row, .group(columns: 128), .group(columns: 64)]

  private func shape() throws -> TensorShape { try #require(Self.shape) }

  /// Scales of a granularity, `change` applied to one of them.
  private func scale(
    _ granularity: ScaleGranularity, storage: DType = .f32, convention: ScaleConvention = .multiply,
    _ change: (inout [Float]) -> Void = { _ in }
  ) -> TernaryScale {
    let count = granularity.count(rows: 4, columns: 256)
    var values = (0..<count).map { _ in Float(0.25) }
    change(&values)
    return TernaryScale(stored: values, storage: storage, convention: convention, granularity: granularity)
  }

  /// Units of which only those in `rows` hold anything but 0.
  private func live(_ a: TernaryScale, _ b: TernaryScale, rows: Range<Int> = 0..<4) throws -> LiveUnits {
    var units = LiveUnits(ScaleGrid(a.granularity, b.granularity, try shape()))
    units.add((0..<4 * 256).map { rows.contains($0 / 256) ? 1 : 0 }, try shape().band(0..<4))
    return units
  }

  private func agree(
    _ a: TernaryScale, _ b: TernaryScale, _ origin: ScaleAgreement.Origin, rows: Range<Int> = 0..<4
  ) throws -> Bool {
    ScaleAgreement(a, b, try live(a, b, rows: rows), origin: origin).agrees
  }

  @Test("a scale of 0 over trits that are not is a difference, both ways, for every granularity")
  func zero() throws {
    for first in Self.granularities {
      for second in Self.granularities {
        let good = scale(first)
        for value in [Float(0), -0.0] {
          let bad = scale(second) { $0[$0.count - 1] = value }
          for origin in [ScaleAgreement.Origin.first, .either] {
            #expect(try !agree(good, bad, origin), "\(first) \(second)")
            #expect(try !agree(bad, good, origin), "\(first) \(second)")
            // Both 0: the same model, however useless. (`check` says so.)
            #expect(try agree(bad, bad, origin))
          }
        }
      }
    }
  }

  @Test("over zeros any finite scale is as good as any other")
  func dead() throws {
    for granularity in Self.granularities where granularity != .tensor {
      let (good, bad) = (scale(granularity), scale(granularity) { $0[0] = 0 })
      #expect(try agree(good, bad, .first, rows: 1..<4))
      #expect(try agree(bad, good, .either, rows: 1..<4))
      #expect(try !agree(good, bad, .first, rows: 0..<1))
      // An infinity times 0 is no number.
      let infinite = scale(granularity) { $0[0] = .infinity }
      #expect(try !agree(good, infinite, .either, rows: 1..<4))
    }
  }

  @Test("numbers that are no scale agree with nothing but themselves", arguments: [Float.nan, .infinity, -0.25])
  func unusable(_ value: Float) throws {
    for granularity in Self.granularities {
      let (good, bad) = (scale(granularity), scale(granularity) { $0[0] = value })
      #expect(try !agree(good, bad, .either))
      #expect(try !agree(bad, good, .either))
      #expect(try !agree(good, bad, .first))
    }
  }

  @Test("groups of two sizes meet on the grid of both")
  func grids() throws {
    let grid = ScaleGrid(.group(columns: 96), .group(columns: 64), try shape())
    #expect(grid.size == 32 && grid.perRow == 8 && grid.count == 32)
    #expect(grid.index(3, .group(columns: 96)) == 1 && grid.index(3, .group(columns: 64)) == 1)
    #expect(grid.index(8, .group(columns: 96)) == 3 && grid.index(31, .group(columns: 64)) == 15)
    let whole = try shape()
    #expect(ScaleGrid(.tensor, .row, whole).count == 4 && ScaleGrid(.tensor, .tensor, whole).count == 1)
    // The second half of a group of 128 has another scale on the side that has groups of 64.
    let (coarse, fine) = (scale(.group(columns: 128)), scale(.group(columns: 64)) { $0[3] = 0.5 })
    #expect(try !agree(coarse, fine, .either))
    #expect(try !agree(fine, coarse, .either))
    #expect(try agree(coarse, scale(.group(columns: 64)), .either))
  }

  @Test("F32 is compared exactly with what it was made from; 0.18 % is another scale")
  func exactFloat() throws {
    // bf16(1/19.75) is 0.19 % away from 1/19.75, whose neighbours are further.
    let divisor: Float = 19.75
    #expect(BFloat16.rounded(divisor) == divisor)
    let expected = TernaryScale(stored: divisor, storage: .bf16, convention: .divide)
    func found(_ value: Float, _ storage: DType = .f32) -> TernaryScale {
      TernaryScale(stored: value, storage: storage, convention: .multiply)
    }
    let rounded = BFloat16.rounded(1 / divisor)
    #expect(abs(rounded * divisor - 1) > 0.001 && abs(rounded * divisor - 1) < 0.004)
    #expect(try agree(expected, found(1 / divisor), .first))
    for wrong in [rounded, (1 / divisor) * 1.0018, (1 / divisor).nextUp, (1 / divisor).nextDown] {
      #expect(try !agree(expected, found(wrong), .first), "\(wrong)")
    }
    // As bfloat16 it is what a dense checkpoint holds, and two models may differ by that.
    #expect(try agree(expected, found(rounded, .bf16), .first))
    #expect(try agree(expected, found(rounded), .either))
    let note = ScaleAgreement(expected, found(rounded, .bf16), try live(expected, expected), origin: .first).rounding?
      .phrase
    #expect(note?.hasPrefix("scale rounded to BF16, by ") == true)
    #expect(try !agree(expected, found(rounded.nextUp, .bf16), .first))
  }

  @Test("two numbers that neither type has rounded are two scales")
  func unexplained() throws {
    /// 0.05224609375 is bf16(0.0523), 0.1 % below it, and a number of every type.
    let (exact, near): (Float, Float) = (0.05224609375, 0.0523)
    #expect(BFloat16.rounded(near) == exact && HalfFloat(exact).float == exact)
    func scale(_ value: Float, _ storage: DType, _ convention: ScaleConvention = .multiply) -> TernaryScale {
      TernaryScale(stored: value, storage: storage, convention: convention)
    }
    func expect(_ agrees: Bool, _ a: TernaryScale, _ b: TernaryScale) throws {
      #expect(try agree(a, b, .either) == agrees, "\(a), \(b)")
      #expect(try agree(b, a, .either) == agrees, "\(b), \(a)")
    }
    let half = HalfFloat(near).float
    try expect(false, scale(exact, .f32), scale(near, .f32))
    try expect(false, scale(exact, .f16), scale(half, .f16))
    try expect(false, scale(exact, .f32), scale(half, .f16))
    try expect(false, scale(exact, .f16), scale(near, .f32))
    try expect(false, scale(exact, .f32), scale(1 / near, .f32, .divide))
    try expect(false, scale(1 / exact, .f32, .divide), scale(1 / near, .f32, .divide))
    // What a type of either side does.
    try expect(true, scale(exact, .bf16), scale(near, .f32))
    try expect(true, scale(half, .f16), scale(near, .f32))
    try expect(true, scale(0.25, .f32), scale(4, .f32, .divide))
    try expect(true, scale(exact, .bf16), scale(half, .f16))
    // Half a unit of bfloat16 at most.
    try expect(false, scale(exact, .bf16), scale(exact * 1.004, .f32))
  }

  @Test("an infinity, a 0 and lost digits are no rounding; F16 and BF16")
  func vanished() throws {
    func pair(_ value: Float, _ storage: DType) -> (TernaryScale, TernaryScale) {
      (
        TernaryScale(stored: value, storage: .f32, convention: .multiply),
        TernaryScale(
          stored: TernaryScale.rounded(value, to: storage), storage: storage, convention: .multiply)
      )
    }
    let cases: [(Float, DType, Bool)] = [
      (0.1, .f16, true), (65519, .f16, true), (65520, .f16, false), (1e-9, .f16, false),
      (0x1p-14 * 1.00001, .f16, true),
      (0x1p-15, .f16, true), (0x1p-15 * 1.01, .f16, false), (0x1p-24, .f16, true), (3.4e38, .bf16, false),
      (1e-40, .bf16, false), (0x1p-130, .bf16, true), (1e-30, .bf16, true),
    ]
    for (value, storage, isRounding) in cases {
      let (a, b) = pair(value, storage)
      #expect(try agree(a, b, .first) == isRounding, "\(value) as \(storage)")
    }
  }

  // MARK: - Models

  private static let down = "model.layers.1.mlp.down_proj.weight"

  /// A packed checkpoint, by default the b1.58 one, whose scales multiply, with something changed.
  private func changed(
    _ folder: String, of checkpoint: String = Checkpoint.packed, _ change: (inout RawModelFile) -> Void
  ) -> String {
    var model = ModelFolderBuilder(
      RawModelFile.tensors(ofFolder: checkpoint), configuration: Disk.text(checkpoint + "/config.json"))
    change(&model.file)
    return model.write(folder)
  }

  @Test("a stored scale of 0 is found by every command", arguments: [[UInt8(0), 0], [0, 0x80]])
  func zeroInModel(_ bytes: [UInt8]) throws {
    let scratch = ScratchFolder()
    let bad = changed(scratch["bad"]) { $0[Self.down + "_scale"].bytes = bytes }
    for (first, second) in [(Checkpoint.packed, bad), (bad, Checkpoint.packed)] {
      let result = try Workflow.compare(first, second)
      #expect(!result.isSame && result.tensors.count { $0.outcome == .different } == 1)
      #expect(result.tensors.first { $0.outcome == .different }?.name == Self.down)
    }
    #expect(try !Workflow.verify(Checkpoint.master, bad).passed)
    #expect(try !Workflow.verify(Checkpoint.packed, bad).passed)
    #expect(try !Workflow.verify(bad, Checkpoint.packed).passed)
    let family = try FamilyWorkflow(FamilyRequest(paths: [Checkpoint.packed, bad])).run()
    #expect(family.proofs.allSatisfy { !$0.holds })
    let findings = try Workflow.check(bad).findings.filter { $0.severity == .error }
    #expect(findings.map(\.rule) == [.scaleUnusable] && findings.first?.subject == Self.down)
    #expect(try Workflow.compare(bad, bad).isSame)
  }

  /// Multiplied by (BitNet b1.58), divided by (Falcon-E).
  private static let packedModels = [
    (Checkpoint.packed, "model.layers.1.mlp.down_proj.weight"),
    (Checkpoint.bitnet, "model.layers.3.mlp.down_proj.weight"),
  ]

  /// mlx-lm takes no BitNet b1.58 in its own packing.
  private static func targets(of model: String) -> [ConversionTarget] {
    ConversionTarget.allCases.filter { model != Checkpoint.packed || $0 != .mlx }
  }

  @Test("a scale of 0 over other trits is refused by the rule of check, in both conventions, and never by an audit")
  func zeroOverTrits() throws {
    let scratch = ScratchFolder()
    for (model, name) in Self.packedModels {
      for (number, bytes) in [[UInt8(0), 0], [0, 0x80]].enumerated() {
        let bad = changed(scratch["bad-\(name)-\(number)"], of: model) { $0[name + "_scale"].bytes = bytes }
        let findings = try Workflow.check(bad).findings.filter { $0.severity == .error }
        #expect(findings.map(\.rule) == [.scaleUnusable] && findings.first?.subject == name, "\(findings)")
        _ = try InspectWorkflow(InspectRequest(path: bad)).run()
        for target in Self.targets(of: model) {
          let request = ConversionRequest(input: bad, output: scratch["out-\(target)"], target: target)
          let error = #expect(throws: WorkflowError.self) { try ConvertWorkflow(request).run() }
          #expect(error?.description.contains("ternary.scale-unusable") == true, "\(target): \(error as Any)")
          #expect(!Disk.exists(request.output))
        }
        // Divided by 0, even zeros would not be numbers.
        if model == Checkpoint.bitnet { #expect(throws: ModelError.self) { try RunnableModel(bad, RunOptions()) } }
      }
    }
  }

  /// 10³⁸ times a sum of 256 inputs of about 1 is no Float.
  @Test("a scale that makes logits infinite is refused by the rule of check, and no output is put in place")
  func infiniteProducts() throws {
    let scratch = ScratchFolder()
    let bad = changed(scratch["bad"], of: Checkpoint.bitnet) {
      $0["model.layers.1.mlp.up_proj.weight_scale"].bytes = FloatBytes.bf16([BFloat16.rounded(1e-38)])
    }
    #expect(try Workflow.check(bad).findings.contains { $0.rule == .computation && $0.severity == .error })
    func convert(_ name: String, _ target: ConversionTarget, _ nonFinite: NonFinitePolicy = .refuse) throws {
      try Workflow.convert(bad, scratch[name], to: target) {
        $0.gguf.weights = .i2s
        $0.gguf.hasTokenizer = false
        $0.nonFinite = nonFinite
      }
    }
    for (name, target) in [
      ("dense", ConversionTarget.dense), ("packed", .hfPacked), ("a.tritpack", .tritpack), ("a.gguf", .gguf),
    ] {
      let error = #expect(throws: WorkflowError.self) { try convert(name, target) }
      #expect(error?.description.contains("model.computes") == true, "\(name): \(error as Any)")
      #expect(!Disk.exists(scratch[name]), "\(name)")
    }
    // Asked for, it passes.
    try convert("carried", .hfPacked, .carry)
  }

  @Test("a scale of 0 over zeros, and any other, converts to every form, in both conventions")
  func zeroOverZeros() throws {
    let scratch = ScratchFolder()
    for (model, name) in Self.packedModels {
      for value in [Float(0), BFloat16.rounded(1e-5), 99840] {
        let zeros = changed(scratch["zeros-\(name)-\(value)"], of: model) {
          $0[name].bytes = $0[name].bytes.map { _ in 0x55 }
          $0[name + "_scale"].bytes = FloatBytes.bf16([value])
        }
        // transformers divides 0 by 0; a conversion writes a divisor that computes, which is another model.
        let isNaN = model == Checkpoint.bitnet && value == 0
        for target in Self.targets(of: model) {
          var request = ConversionRequest(input: zeros, output: scratch["out-\(target)"], target: target)
          request.replaces = true
          request.gguf.hasTokenizer = false
          _ = try ConvertWorkflow(request).run()
          // Latents are no form of the same weights.
          guard target != .trainable else { continue }
          #expect(try Workflow.verify(zeros, request.output).passed == !isNaN, "\(target), \(value)")
        }
        if isNaN {
          #expect(throws: ModelError.self) { try RunnableModel(zeros, RunOptions()) }
          continue
        }
        let session = try RunnableModel(zeros, RunOptions()).session(for: 3)
        #expect(try session.logits([1, 2, 3]).allSatisfy(\.isFinite))
      }
    }
  }

  /// A source with other scales than the file behind it.
  private struct Rescaled: TensorSource {
    var base: any TensorSource
    var name: String
    var change: @Sendable (TernaryScale) -> TernaryScale
    var manifest: ModelManifest { base.manifest }
    func scale(of tensor: TensorDescriptor) throws -> TernaryScale {
      let scale = try base.scale(of: tensor)
      return tensor.name == name ? change(scale) : scale
    }
    func withBytes<Result>(
      _ range: Range<Int>, of tensor: TensorDescriptor, _ body: (RawSpan) throws -> Result
    ) throws -> Result { try base.withBytes(range, of: tensor, body) }
    func readsInPlace(_ tensor: TensorDescriptor) -> Bool { base.readsInPlace(tensor) }
    func release(_ range: Range<Int>, of tensor: TensorDescriptor) { base.release(range, of: tensor) }
    func companion(named name: String) throws -> [UInt8] { try base.companion(named: name) }
    func checkUnchanged() throws { try base.checkUnchanged() }
  }

  @Test(
    "scales of rows and groups, some 0 over trits that are not",
    arguments: ["optimal-row", "optimal-group128", "optimal-tensor"])
  func fitted(_ quantizer: String) throws {
    let scratch = ScratchFolder()
    let id = quantizer
    let plain = ModelFolderBuilder([
      RawTensor(GoldenCut.query, "BF16", [8, 256], FloatBytes.bf16(TinyModel.values(8 * 256, seed: 5))),
      RawTensor(GoldenCut.norm, "BF16", [256], FloatBytes.bf16(TinyModel.values(256, seed: 6))),
    ]).write(scratch["plain"])
    try Workflow.convert(plain, scratch["a.tritpack"], to: .tritpack) {
      $0.quantizer = .init(rawValue: id)
      $0.forcesQuantizer = true
    }
    let good = try ModelOpener.open(scratch["a.tritpack"])
    let tensor = try #require(good.manifest.tensors.first { $0.encoding.isTernary })
    let bad = Rescaled(base: good, name: tensor.name) { scale in
      TernaryScale(
        stored: scale.stored.indices.map { $0 == min(3, scale.stored.count - 1) ? 0 : scale.stored[$0] },
        storage: scale.storage, convention: .multiply, granularity: scale.granularity)
    }
    let source = try ModelOpener.open(plain)
    for (first, second) in [(good as any TensorSource, bad as any TensorSource), (bad, good)] {
      let result = try CompareWorkflow(first: first, second: second).run()
      #expect(!result.isSame && result.tensors.count { $0.outcome == .different } == 1)
    }
    var request = VerifyRequest(quantizer: id, depth: .audit)
    request.parts = [.weights]
    #expect(try VerifyWorkflow(source: source, converted: good, request: request).run().passed)
    let result = try VerifyWorkflow(source: source, converted: bad, request: request).run()
    #expect(result.tensors.count { $0.outcome == .differs } == 1 && !result.passed)
    let survey = try ModelSurvey(of: good)
    #expect(try TernaryCheck(source: good, survey: survey).run().isEmpty)
    let findings = try TernaryCheck(source: bad, survey: survey).run()
    #expect(findings.map(\.rule) == [.scaleUnusable] && findings.first?.subject == tensor.name)
  }

  @Test("a projection that was to be made ternary and was not fails, unless somebody says that it stays")
  func leftDense() throws {
    let scratch = ScratchFolder()
    let name = GoldenCut.query
    let latent = GoldenCut.builder("llama_prequantized")
    var half = GoldenCut.builder("llama_packed")
    half.file.tensors.removeAll { $0.name == name || $0.name == name + "_scale" }
    half.file.tensors.append(latent.file.tensors[name: name])
    let (source, converted) = (latent.write(scratch["latent"]), half.write(scratch["half"]))
    let result = try Workflow.verify(source, converted)
    #expect(!result.passed && result.firstProblem?.contains(name) == true)
    func verify(_ change: (inout VerifyRequest) -> Void) throws -> VerifyResult {
      var request = VerifyRequest()
      change(&request)
      return try VerifyWorkflow(
        source: FormatRegistry.open(source), converted: FormatRegistry.open(converted), request: request
      ).run()
    }
    #expect(try verify { $0.keep = [Glob("*q_proj*")] }.passed)
    #expect(try verify { $0.keep = [Glob("*k_proj*")] }.passed == false)
    // What the converted model says of itself, in its configuration or as its recipe, permits nothing.
    half.configuration = half.configuration.replacing("\"lm_head\"", with: "\"lm_head\", \"self_attn.q_proj\"")
    #expect(try !Workflow.verify(source, half.write(scratch["named"])).passed)
    try Workflow.convert(source, scratch["kept"], to: .hfPacked) { $0.keep = [Glob(name)] }
    #expect(try !Workflow.verify(source, scratch["kept"]).passed)
    // Asked for, it passes, and the verdict says what was asked.
    var request = VerifyRequest()
    request.keep = [Glob(name)]
    let kept = try VerifyWorkflow(
      source: FormatRegistry.open(source), converted: FormatRegistry.open(scratch["kept"]), request: request
    ).run()
    #expect(kept.passed && kept.parts.verdict.contains("1 projection not made ternary, as asked"))
    // All of it left as it was is no conversion at all.
    #expect(try !Workflow.verify(source, source).passed)
  }

  @Test("a dense result in F32 whose magnitude is 0.18 % off does not pass")
  func denseFloat() throws {
    let scratch = ScratchFolder()
    let packed = GoldenCut.builder("llama_packed")
    func dense(_ factor: Float, _ folder: String) -> String {
      var model = GoldenCut.builder("llama_bf16")
      for name in [GoldenCut.query, GoldenCut.down] {
        let divisor = FloatBytes.bf16Values(packed.file.tensors[name: name + "_scale"].bytes)[0]
        let trits = packed.file.tensors[name: name].unpackedTrits
        model.file[name].dtype = "F32"
        model.file[name].bytes = FloatBytes.f32(trits.map { Float($0) * (1 / divisor) * factor })
      }
      return model.write(scratch[folder])
    }
    let source = packed.write(scratch["packed"])
    #expect(try Workflow.verify(source, dense(1, "exact")).passed)
    for factor in [Float(1.0018), 0.9982, 1.0000002] {
      let result = try Workflow.verify(source, dense(factor, "off\(factor)"))
      #expect(result.tensors.count { $0.outcome == .differs } == 2, "\(factor)")
    }
  }

  /// Expects that a GGUF file made of a model with zero projections is that model, by every command.
  private func expectSound(_ origin: String, _ file: String, zeros names: [String]) throws {
    let converted = try ModelOpener.open(file)
    for tensor in converted.manifest.tensors where names.contains(tensor.name) && tensor.encoding.isTernary {
      // 1/99840, or the 0 that blocks of zeros have.
      #expect(try converted.scale(of: tensor).multiplier() < 1.1e-5)
    }
    var request = VerifyRequest(depth: .audit)
    request.parts = [.weights]
    let result = try VerifyWorkflow(
      source: ModelOpener.open(origin), converted: converted, request: request
    ).run()
    #expect(result.passed, "\(file): \(result.firstProblem ?? "")")
    let comparison = try Workflow.compare(origin, file, request: CompareRequest(parts: [.weights]))
    #expect(comparison.isSame || origin.hasSuffix("latent"), "\(file)")
    let findings = try Workflow.check(file).findings
    #expect(findings.filter { $0.severity == .error }.isEmpty, "\(file): \(findings)")
    #expect(Set(findings.filter { $0.rule == .allZero }.map(\.subject)) == Set(names))
  }

  @Test("projections of zeros: every layout holds them, and no scale of theirs matters")
  func zeroProjections() throws {
    let scratch = ScratchFolder()
    let golden = Fixtures.golden("models/llama256_packed")
    var model = ModelFolderBuilder(
      RawModelFile.tensors(ofFolder: golden), configuration: Disk.text(golden + "/config.json"))
    let name = "model.layers.0.mlp.down_proj.weight"
    model.file[name].bytes = model.file[name].bytes.map { _ in 0x55 }
    model.file[name + "_scale"].bytes = FloatBytes.bf16([99840])
    let source = model.write(scratch["packed"])
    for weights in GGUFWeightType.allCases {
      try Workflow.gguf(source, scratch["\(weights).gguf"], GGUFStyle(weights: weights)) {
        $0.gguf.hasTokenizer = false
      }
      try expectSound(source, scratch["\(weights).gguf"], zeros: [name])
    }
  }

  @Test("latent projections of zeros get the floor of the scale, which F16 cannot hold and need not")
  func zeroLatents() throws {
    let scratch = ScratchFolder()
    var model = ModelFolderBuilder(
      RawModelFile.tensors(ofFolder: Checkpoint.prequantized),
      configuration: Disk.text(Checkpoint.prequantized + "/config.json"))
    let names = ["model.layers.3.self_attn.o_proj.weight", "model.layers.3.mlp.down_proj.weight"]
    for name in names { model.file[name].bytes = model.file[name].bytes.map { _ in 0 } }
    let source = model.write(scratch["latent"])
    try Workflow.gguf(source, scratch["a.gguf"]) { $0.gguf.hasTokenizer = false }
    try expectSound(source, scratch["a.gguf"], zeros: names)
  }
}
