// Tritsmith tests: what types do to scales of groups is said, or refused.

import Testing
import TritCore
import TritFormats
import TritInference
import TritLayouts
import TritModel
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Rounded scales of groups")
struct RoundedScaleTests {
  /// Magnitudes of the checkpoint, as F16 numbers.
  private static func magnitudes() -> Set<Float> {
    let golden = GoldenVectors(Bonsai.unpacked)
    return Set([Bonsai.key, Bonsai.value].flatMap { golden[$0].u16 }.map { HalfFloat(bits: $0).float.magnitude })
      .subtracting([0])
  }

  /// The model with its projections as F32 numbers: times `factor`, and then with a scale for one group of one matrix.
  static func wide(
    _ path: String, factor: Float = 1, last: (tensor: String, scale: Float)? = nil
  ) -> String {
    let folder = Bonsai.folder(path)
    var file = RawModelFile(reading: folder + "/model.safetensors")
    for index in file.tensors.indices where file.tensors[index].name.contains("proj") {
      var values = LittleEndian.u16s(file.tensors[index].bytes).map { HalfFloat(bits: $0).float * factor }
      if let last, file.tensors[index].name.contains(last.tensor) {
        for place in values.count - 128..<values.count where values[place] != 0 {
          values[place] = values[place] < 0 ? -last.scale : last.scale
        }
      }
      file.tensors[index].bytes = FloatBytes.f32(values)
      file.tensors[index].dtype = "F32"
    }
    Disk.write(file.serialized, folder + "/model.safetensors")
    return folder
  }

  @Test("bfloat16 instead of F16 is said before, and by verify")
  func bfloat16() throws {
    let scratch = ScratchFolder()
    try Workflow.bonsai(Bonsai.folder(scratch["source"]), scratch["pq2.gguf"], .pq2)
    // bfloat16 keeps 8 of the 11 digits of F16.
    let worst = Self.magnitudes().map { abs(Double(BFloat16.rounded($0)) - Double($0)) / Double($0) }.max() ?? 0
    #expect(worst > 0 && worst <= 0x1p-8)
    var outputs: [(path: String, tensors: Int, result: ConversionResult)] = []
    outputs.append(
      (
        scratch["dense"], 9,
        try Workflow.convert(scratch["pq2.gguf"], scratch["dense"], to: .dense) { $0.denseType = .bf16 }
      ))
    outputs.append(
      (scratch["bf16.gguf"], 9, try Workflow.bonsai(scratch["pq2.gguf"], scratch["bf16.gguf"], .bf16)))
    outputs.append(
      (
        scratch["table.gguf"], 2,
        try Workflow.bonsai(scratch["pq2.gguf"], scratch["table.gguf"], .ptq1) { $0.gguf.embeddings = .bf16 }
      ))
    for (path, tensors, result) in outputs {
      let rounds = result.plan.warnings.filter { $0.contains("BF16 rounds") }
      let scales = tensors == 9 ? "4,608" : "1,024"
      #expect(rounds.count == 1 && rounds[0].contains("of \(scales) scales"), "\(path): \(rounds)")
      #expect(result.audit.passed && result.line().contains("scales of \(tensors) tensors ±"), "\(result.line())")
      let verified = try Workflow.verify(scratch["pq2.gguf"], path) { $0.parts = [.weights] }
      #expect(verified.passed && verified.rounding.scales == tensors && verified.rounding.tensors == 0, "\(path)")
      #expect(abs(verified.rounding.largestScaleChange - worst) < 1e-12, "\(path)")
      #expect(verified.parts.verdict.hasPrefix("weights equal but for rounding by types: scales of \(tensors) tensors"))
    }
    #expect(outputs[0].result.plan.warnings.contains { $0.hasSuffix("; without --dense-type they are stored exactly") })
    // Inverses of bfloat16 divisors are bfloat16 numbers no more: the type that is usual rounds them too.
    let divided = try Workflow.plan(Checkpoint.bitnet, to: .dense) { $0.denseType = .f16 }
    #expect(divided.warnings.contains { $0.hasSuffix("; with --dense-type f32 they are stored exactly") })
    // What holds them says nothing.
    let exact = try Workflow.bonsai(scratch["pq2.gguf"], scratch["f16.gguf"], .f16)
    #expect(!exact.plan.warnings.contains { $0.contains("scales, by at most") } && exact.audit.rounding.isEmpty)
  }

  /// The usual type of one scale for a matrix is bfloat16, which rounds 1/divisor more than F16 does.
  @Test("the dense type that a warning of rounding names holds every scale")
  func namedType() throws {
    let scratch = ScratchFolder()
    let asked = try Workflow.convert(Checkpoint.bitnet, scratch["f16"], to: .dense) { $0.denseType = .f16 }
    let warning = try #require(asked.plan.warnings.first { $0.hasPrefix("F16 rounds") })
    #expect(warning.hasSuffix("; with --dense-type f32 they are stored exactly"), "\(warning)")
    let named = try Workflow.convert(Checkpoint.bitnet, scratch["f32"], to: .dense) { $0.denseType = .f32 }
    #expect(named.audit.passed && named.audit.rounding.isEmpty)
    #expect(!named.plan.warnings.contains { $0.contains("scales, by at most") })
  }

  @Test("dense weights get the type that holds their scales, F16 where that does", arguments: [Float(1), 1.0001])
  func denseType(_ factor: Float) throws {
    let scratch = ScratchFolder()
    let source = Self.wide(scratch["source"], factor: factor)
    try Workflow.convert(source, scratch["a.tritpack"], to: .tritpack)
    let result = try Workflow.convert(scratch["a.tritpack"], scratch["dense"], to: .dense)
    #expect(result.audit.passed && result.audit.rounding.isEmpty)
    let wanted = RawModelFile.tensors(ofFolder: source)
    for tensor in RawModelFile.tensors(ofFolder: scratch["dense"]) where tensor.name.contains("proj") {
      #expect(tensor.dtype == (factor == 1 ? "F16" : "F32"))
      let values =
        factor == 1
        ? LittleEndian.u16s(tensor.bytes).map { HalfFloat(bits: $0).float }
        : LittleEndian.u32s(tensor.bytes).map { Float(bitPattern: $0) }
      let expected = LittleEndian.u32s(wanted[name: tensor.name].bytes).map { Float(bitPattern: $0) }
      #expect(values == expected, "\(tensor.name)")
    }
    let configuration = try JSONValue.parse(Disk.bytes(scratch["dense"] + "/config.json")).object
    #expect(configuration?["torch_dtype"]?.string == (factor == 1 ? "float16" : "float32"))
  }

  @Test("scales that are no F16 numbers are refused by name, or rounded when that is allowed")
  func refused() throws {
    let scratch = ScratchFolder()
    let source = Self.wide(scratch["source"], factor: 1.0001)
    let refusal = #expect(throws: WorkflowError.self) { try Workflow.bonsai(source, scratch["a.gguf"], .pq2) }
    guard case .scaleDoesNotFit(let scale)? = refusal?.kind else {
      Issue.record("\(String(describing: refusal))")
      return
    }
    #expect(scale.row == 0 && scale.columns == 0..<128 && scale.storage == .f16)
    #expect(refusal?.location.file?.hasSuffix("model.safetensors") == true && refusal?.location.tensor != nil)
    #expect(refusal?.remedy?.contains("--to tritpack") == true && refusal?.remedy?.contains("I2_S") == false)
    let result = try Workflow.bonsai(source, scratch["a.gguf"], .pq2) { $0.scaleLoss = .allow }
    // Of 11 digits the last is half a unit off at most.
    let rounding = result.audit.rounding
    #expect(result.audit.passed && rounding.scales == 7 && rounding.spread == 7)
    #expect(rounding.largestScaleChange > 0 && rounding.largestScaleChange <= 0x1p-11)
    #expect(result.line().contains("scales of 7 tensors ±"))
  }

  @Test(
    "a scale past F16's range is named with its group, and what holds it", arguments: [Float(70000), 1e-9, 6.05e-5])
  func outOfRange(_ value: Float) throws {
    let scratch = ScratchFolder()
    let source = Self.wide(scratch["source"], last: ("down_proj", value))
    let refusal = #expect(throws: WorkflowError.self) {
      try Workflow.bonsai(source, scratch["a.gguf"], .pq2) { $0.scaleLoss = .allow }
    }
    guard case .scaleDoesNotFit(let scale)? = refusal?.kind else {
      Issue.record("\(String(describing: refusal))")
      return
    }
    #expect(scale.value == value && scale.row == 255 && scale.columns == 128..<256)
    #expect(refusal?.location.tensor == "model.layers.0.mlp.down_proj.weight")
    #expect(refusal?.summary.contains("row 255, columns 128 to 255") == true)
    #expect(refusal?.summary.contains("too large for F16") == (value > 65504))
    #expect(refusal?.remedy?.contains("I2_S") == false && refusal?.remedy?.contains("--allow-scale-loss") == false)
    // Both of the forms it names hold it.
    try Workflow.convert(source, scratch["a.tritpack"], to: .tritpack)
    let dense = try Workflow.convert(scratch["a.tritpack"], scratch["dense"], to: .dense)
    #expect(dense.audit.passed && dense.audit.rounding.isEmpty)
  }

  @Test("a table that is kept dense is not counted among the packed ones")
  func count() throws {
    let scratch = ScratchFolder()
    try Workflow.bonsai(Bonsai.folder(scratch["source"]), scratch["pq2.gguf"], .pq2)
    let result = try Workflow.bonsai(scratch["pq2.gguf"], scratch["a.gguf"], .ptq1) { $0.keep = [Glob("*embed*")] }
    let packed = try ggufTensors(scratch["a.gguf"]).count { $0.type == "PTQ1_0" }
    #expect(packed == 8 && result.plan.ternaryCount == packed && result.line().contains("8 ternary + 4 dense"))
    let dense = try Workflow.convert(scratch["pq2.gguf"], scratch["dense"], to: .dense)
    #expect(dense.plan.ternaryCount == 9)
  }

  /// quantize_row_q8_0_ref of ggml: d = max |x| / 127 as F16, codes x / d rounded half away from 0.
  private static func q8(_ values: [Float]) -> [UInt8] {
    stride(from: 0, to: values.count, by: 32).flatMap { start -> [UInt8] in
      let block = values[start..<start + 32]
      let scale = (block.map(\.magnitude).max() ?? 0) / 127
      let inverse = scale == 0 ? 0 : 1 / scale
      return LittleEndian.bytes(HalfFloat(scale).bits)
        + block.map { UInt8(bitPattern: Int8(($0 * inverse).rounded(.toNearestOrAwayFromZero))) }
    }
  }

  @Test("a projection another program stored as Q8_0 is rounded, to verify as to compare")
  func blocks() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["f16.gguf"], .f16)
    let file = try GGUFSource(path: scratch["f16.gguf"])
    func write(_ path: String, _ change: ([Float]) -> [Float]) throws -> String {
      let tensors = try file.manifest.tensors.map { tensor -> (GGUFTensor, [UInt8]) in
        var bytes = try file.withBytes(0..<tensor.location.byteCount, of: tensor) { $0.copied }
        var type: UInt32 = tensor.encoding == .dense(.f32) ? 0 : 1
        if tensor.name == "blk.0.ffn_down.weight" {
          bytes = Self.q8(change(LittleEndian.u16s(bytes).map { HalfFloat(bits: $0).float }))
          type = 8
        }
        return (GGUFTensor(name: tensor.name, shape: tensor.shape, type: type, byteCount: bytes.count), bytes)
      }
      let staging = try StagedOutput(.file, at: path, replacing: false)
      let plan = GGUFPlan(entries: file.manifest.entries, tensors: tensors.map(\.0))
      let sink = try GGUFSink(plan: plan, staging: staging)
      for (tensor, bytes) in tensors { try sink.write(bytes.span.bytes, to: tensor.name, at: 0) }
      try sink.finish()
      try staging.commit()
      return path
    }
    let path = try write(scratch["q8.gguf"]) { $0 }
    #expect(try Workflow.compare(source, path).weightsAreSame)
    let verified = try Workflow.verify(source, path) { $0.parts = [.weights] }
    #expect(verified.passed && verified.rounding.tensors == 1, "\(verified.firstProblem ?? "")")
    let wrong = try write(scratch["wrong.gguf"]) { values in
      var values = values
      let place = values.firstIndex { $0 != 0 } ?? 0
      values[place] = -values[place]
      return values
    }
    #expect(try !Workflow.verify(source, wrong) { $0.parts = [.weights] }.passed)
  }

  @Test("latents without a rule of their own, made ternary by groups, are no other model")
  func groups() throws {
    let scratch = ScratchFolder()
    func follows(
      _ family: MeaningModel.Family, _ quantizer: QuantizerID, entry: String? = nil
    ) throws -> Bool {
      var model = MeaningModel(family)
      model.settings = [("quantization_config", entry)]
      let path = model.write(scratch["\(family)-\(quantizer.rawValue)-\(entry != nil)"])
      var request = ConversionRequest(input: path, output: scratch["out"], target: .mlx)
      request.quantizer = quantizer
      return try Planner(ModelOpener.open(path, hasCompanions: true), request).followsGroups
    }
    let online = #"{"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}"#
    #expect(try follows(.qwen3, AbsMeanGroup.of128.id))
    #expect(try !follows(.qwen3, AbsMean.float32.id))
    // What the files say counts, and so does the habit of a family.
    #expect(try !follows(.qwen3, AbsMeanGroup.of128.id, entry: online))
    #expect(try !follows(.llama, AbsMeanGroup.of64.id))
  }
}

@Suite("Arithmetic of validations")
struct ValidatedArithmeticTests {
  private static let ids = "1 5 17 3 200 9 64 31 77"

  private static func validate(
    _ path: String, _ reference: String, _ mode: ArithmeticMode, isFile: Bool = false
  ) throws -> ValidateResult {
    var request = ValidateRequest(path: path, against: reference)
    request.options = RunOptions(mode: mode, threads: 2)
    if !isFile { request.inputs = [.ids(ids)] }
    return try ValidateWorkflow(request).run()
  }

  @Test("fast arithmetic that rounds inputs is what is measured when it is asked for")
  func fast() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["a.gguf"], .pq2)
    var written = LogitsRequest(path: scratch["a.gguf"], inputs: [.ids(Self.ids)], output: scratch["fast.safetensors"])
    written.options = RunOptions(mode: .fast, threads: 2)
    _ = try LogitsWorkflow(written).run()
    let same = try Self.validate(scratch["a.gguf"], written.output, .fast, isFile: true)
    #expect(same.agreement.maximumDifference == 0 && same.model.run?.mode == .fast && same.passed)
    let other = try Self.validate(scratch["a.gguf"], written.output, .reference, isFile: true)
    #expect(other.agreement.maximumDifference > 0 && other.model.run?.mode == .reference)
    // The dense form rounds nothing: logits differ, and no step is blamed for it.
    let dense = try Self.validate(scratch["a.gguf"], source, .fast)
    #expect(dense.agreement.maximumDifference > 0 && dense.stepsInReference && dense.firstWrongStep == nil)
    #expect(!dense.steps.isEmpty && dense.unmatchedSteps.isEmpty && dense.passed, "\(dense.gates)")
    // Two packed forms round alike.
    try Workflow.bonsai(source, scratch["b.gguf"], .ptq1)
    let packed = try Self.validate(scratch["b.gguf"], scratch["a.gguf"], .fast)
    #expect(packed.passed && !packed.stepsInReference && packed.agreement.maximumDifference == 0)
  }

  /// Two value heads of 64 share a scale in MLX's groups of 128. In a GGUF file they stand in two groups.
  @Test("fast arithmetic that groups inputs otherwise on one side blames no step")
  func otherGroups() throws {
    let scratch = ScratchFolder()
    let source = TernaryHybrid.small.write(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    try Workflow.bonsai(source, scratch["a.gguf"], .q2)
    let options = RunOptions(mode: .fast, threads: 2)
    let engine = try options.engine()
    let sides = try ["mlx", "a.gguf"].map { try RunnableModel(scratch[$0], options, engine: engine) }
    #expect(sides[0].groupsRoundedByMode == sides[1].groupsRoundedByMode && !sides[0].roundsByMode(as: sides[1]))
    #expect(sides[0].roundsByMode(as: sides[0]))
    for (path, reference) in [("mlx", "a.gguf"), ("a.gguf", "mlx"), ("source", "a.gguf")] {
      var request = ValidateRequest(path: scratch[path], against: scratch[reference])
      request.options = options
      request.inputs = [.ids((0..<40).map { String($0 * 7 % 48) }.joined(separator: " "))]
      let result = try ValidateWorkflow(request).run()
      #expect(result.stepsInReference && result.firstWrongStep == nil, "\(result.firstWrongStep as Any)")
      // Logits are as far apart as fast arithmetic takes one side from the model.
      #expect(result.passed && result.agreement.maximumDifference > 0, "\(result.gates)")
      #expect(result.noise.isEmpty || result.noise.contains { $0.source == "fast arithmetic" }, "\(result.noise)")
    }
  }

  @Test("where fast arithmetic does not meet a file, it is said what that alone does, and what to do")
  func fastBesideFile() throws {
    let scratch = ScratchFolder()
    try Workflow.bonsai(Bonsai.folder(scratch["source"]), scratch["a.gguf"], .pq2)
    var written = LogitsRequest(path: scratch["a.gguf"], inputs: [.ids(Self.ids)], output: scratch["own.safetensors"])
    written.options = RunOptions(mode: .reference, threads: 2)
    _ = try LogitsWorkflow(written).run()
    func validate(_ mode: ArithmeticMode, _ gates: ValidationGates) throws -> ValidateResult {
      var request = ValidateRequest(path: scratch["a.gguf"], against: written.output)
      request.options = RunOptions(mode: mode, threads: 2)
      request.gates = gates
      return try ValidateWorkflow(request).run()
    }
    func says(_ result: ValidateResult) -> Bool {
      result.report.blocks.contains {
        if case .note(.warning, let text) = $0 { text.contains("--mode reference") } else { false }
      }
    }
    // No rounding to int8 meets this.
    let strict = ValidationGates(maximumNMSE: 1e-12)
    let failed = try validate(.fast, strict)
    #expect(!failed.passed && says(failed))
    // The file is the model's own, so that all that is off is the arithmetic.
    let alone = try #require(failed.fastNoise)
    #expect(alone.maximumDifference > 1e-3)
    #expect(abs(alone.maximumDifference - failed.agreement.maximumDifference) < 1e-4)
    let exact = try validate(.reference, strict)
    #expect(exact.passed && !says(exact) && exact.fastNoise == nil)
    #expect(try validate(.fast, ValidationGates(maximumMeanKL: 9, minimumTopOne: 0, maximumNMSE: 9)).fastNoise == nil)
  }

  @Test("what unfolding rounded is rounding, and wrong signs are none")
  func unfolded() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var model = RotatedModel()
    (model.block, model.storage) = (32, .f16)
    let rotated = try model.write(plain, scratch["rotated.gguf"])
    try Workflow.convert(rotated, scratch["dense"], to: .dense) { $0.unfolds = true }
    #expect(try Workflow.verify(rotated, scratch["dense"]) { $0.parts = [.weights] }.passed)
    func steps(_ path: String) throws -> ValidateResult {
      var request = ValidateRequest(path: path, against: scratch["dense"])
      request.inputs = [.ids("1 5 17 3 20 9")]
      return try ValidateWorkflow(request).run()
    }
    let result = try steps(rotated)
    #expect(result.firstWrongStep == nil && result.unmatchedSteps.isEmpty && !result.steps.isEmpty)
    let wrong = try model.write(plain, scratch["wrong.gguf"]) { entries in
      var values = model.signs.map { Int32($0) }
      values[17] = -values[17]
      entries = entries.map {
        $0.key.hasSuffix("sign_values") ? MetadataEntry($0.key, .array(.int32(values))) : $0
      }
    }
    #expect(try steps(wrong).firstWrongStep != nil)
  }
}
