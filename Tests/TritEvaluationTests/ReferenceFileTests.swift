// Tritsmith tests: files of logits and hidden states, and how closely Floats must agree with them.

import Testing
import TritCore
import TritFormats
import TritModel
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritSurvey

/// A random Qwen3.5 and what transformers computes of it, as files that `validate` reads.
private struct HybridReference {
  let scratch: ScratchFolder
  let model: String
  var logits: RawModelFile
  var states: RawModelFile

  init(_ scratch: ScratchFolder) {
    self.scratch = scratch
    var plain = ChangedModel(FamilyFixture.write("qwen35", to: scratch["fixture"]))
    for index in plain.file.tensors.indices where plain.file.tensors[index].dtype == "BF16" {
      plain.file.tensors[index].dtype = "F32"
      plain.file.tensors[index].bytes = FloatBytes.f32(FloatBytes.bf16Values(plain.file.tensors[index].bytes))
    }
    model = plain.write(scratch["model"])
    let own = RawModelFile(reading: FamilyFixture.folder + "/reference.safetensors").tensors.compactMap { tensor in
      tensor.name.hasPrefix("qwen35/")
        ? RawTensor(String(tensor.name.dropFirst(7)), tensor.dtype, tensor.shape, tensor.bytes) : nil
    }
    func isOfLogits(_ tensor: RawTensor) -> Bool { tensor.name == "ids" || tensor.name == "logits" }
    logits = RawModelFile(
      own.filter(isOfLogits).map { RawTensor("prompt0." + $0.name, $0.dtype, $0.shape, $0.bytes) })
    states = RawModelFile(own.filter { !isOfLogits($0) })
  }

  var ids: [Int] { LittleEndian.u32s(logits["prompt0.ids"].bytes).map { Int($0) } }

  /// The model with the numbers of one tensor changed.
  func changed(_ name: String, _ change: ([Float]) -> [Float]) -> String {
    var other = ChangedModel(model)
    let values = LittleEndian.u32s(other.file[name].bytes).map { Float(bitPattern: $0) }
    other.file[name].bytes = FloatBytes.f32(change(values))
    return other.write(scratch["changed"])
  }

  func validate(
    _ path: String, hasStates: Bool = true, _ change: (inout ValidateRequest) -> Void = { _ in }
  ) throws -> ValidateResult {
    Disk.write(logits.serialized, scratch["logits.safetensors"])
    Disk.write(states.serialized, scratch["hidden_prompt0.safetensors"])
    var request = ValidateRequest(path: path, against: scratch["logits.safetensors"])
    if hasStates { request.hiddenStates = [scratch["hidden_prompt0.safetensors"]] }
    change(&request)
    return try ValidateWorkflow(request).run()
  }
}

extension ValidateResult {
  fileprivate func gate(_ name: String) -> GateResult? { gates.first { $0.name == name } }

  fileprivate func says(_ severity: ReportSeverity, _ text: String) -> Bool {
    report.blocks.contains { if case .note(severity, let note) = $0 { note.contains(text) } else { false } }
  }
}

@Suite("Files of logits and hidden states")
struct ReferenceFileTests {
  @Test("Floats of transformers are met within 5e-4, and hidden states within 1e-4")
  func sound() throws {
    let reference = HybridReference(ScratchFolder())
    let result = try reference.validate(reference.model)
    #expect(result.passed, "\(result.gates)")
    let gate = try #require(result.gate(GateResult.largestDifference))
    #expect(gate.bound == 5e-4 && gate.basis == .standard && gate.found == result.agreement.maximumDifference)
    #expect(result.hiddenBound == 1e-4 && result.hiddenStates.count == reference.states.tensors.count)
    #expect(Set(result.hiddenStates.map(\.name)) == Set(reference.states.tensors.map(\.name)))
    // In order of the forward pass, whatever the order of the file.
    let blocks = result.hiddenStates.map(\.name).filter { !$0.contains(".") }
    #expect(blocks == ["block0", "block1", "block2", "block3"])
    #expect(result.firstDivergence == nil && result.unreadTensors.isEmpty && result.noise.isEmpty)
    #expect(result.says(.pass, "each of \(result.hiddenStates.count) hidden states is within"))
    // Without states they are not spoken of.
    let alone = try reference.validate(reference.model, hasStates: false)
    #expect(alone.passed && alone.hiddenStates.isEmpty && alone.gate(GateResult.divergedStates) == nil)
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    var tensor: String
    /// The first state of the reference that is another one.
    var state: String
    var change: @Sendable ([Float]) -> [Float]
    var testDescription: String { tensor }
  }

  /// By float32 numpy on the file, the largest |Δlogit| of each is 0.71, 0.87 and 0.023.
  static let faults = [
    // As value heads of a GGUF file that were not put back in order.
    Fault(tensor: "model.layers.0.linear_attn.A_log", state: "block0.linear_attn.out_proj") {
      [$0[0], $0[2], $0[1], $0[3]]
    },
    Fault(tensor: "model.layers.0.linear_attn.norm.weight", state: "block0.linear_attn.out_proj") {
      $0.map { $0 * 1.02 }
    },
    Fault(tensor: "model.layers.3.self_attn.q_norm.weight", state: "block3.self_attn.q_norm") {
      $0.map { (1 + $0) * 1.02 - 1 }
    },
  ]

  @Test("a delta net's heads out of order and norms 2 % off fail, and states name the step", arguments: faults)
  func fault(_ fault: Fault) throws {
    let reference = HybridReference(ScratchFolder())
    let path = reference.changed(fault.tensor, fault.change)
    let result = try reference.validate(path)
    #expect(!result.passed && result.gate(GateResult.largestDifference)?.passed == false, "\(result.gates)")
    #expect(result.firstDivergence?.name == fault.state, "\(result.firstDivergence as Any)")
    // `block0.linear_attn.out_proj` reads "layer 0 linear_attn.out_proj".
    let place = fault.state.dropFirst("block".count).replacing(".", with: " ", maxReplacements: 1)
    #expect(result.says(.error, "hidden states diverge at layer \(place)"))
    // So do logits alone, and another model in the reference's place.
    #expect(try !reference.validate(path, hasStates: false).passed)
    var beside = ValidateRequest(path: path, against: reference.model)
    beside.inputs = [.ids(reference.ids.map(String.init).joined(separator: " "))]
    #expect(try ValidateWorkflow(beside).run().gate(GateResult.largestDifference)?.passed == false)
    beside.path = reference.model
    #expect(try ValidateWorkflow(beside).run().gate(GateResult.largestDifference)?.passed == true)
  }

  @Test("states that are wrong fail beside logits that are right, in a file of their own or among the logits")
  func states() throws {
    var reference = HybridReference(ScratchFolder())
    let name = "block2"
    let values = LittleEndian.u32s(reference.states[name].bytes).map { Float(bitPattern: $0) }
    reference.states[name].bytes = FloatBytes.f32(values.map { $0 * 1.5 })
    func check(_ result: ValidateResult) {
      #expect(!result.passed && result.firstDivergence?.name == name, "\(result.gates)")
      // Of 1.5 p, p is off by a third.
      #expect(abs((result.firstDivergence?.relativeError ?? 0) - 1.0 / 3) < 1e-4)
      #expect(result.says(.fail, "1 of \(result.hiddenStates.count) hidden states"))
    }
    check(try reference.validate(reference.model))
    reference.logits.tensors += reference.states.tensors.map {
      RawTensor("prompt0." + $0.name, $0.dtype, $0.shape, $0.bytes)
    }
    check(try reference.validate(reference.model, hasStates: false))
    #expect(throws: RunError.self) { try reference.validate(reference.model) }
  }

  @Test("what is compared with nothing is named")
  func unread() throws {
    var reference = HybridReference(ScratchFolder())
    let extra = FloatBytes.f32([1, 2])
    reference.logits.tensors += [
      RawTensor("junk", "F32", [2], extra), RawTensor("prompt0.block9.mlp", "F32", [1, 2], extra),
      RawTensor("prompt7.positions", "I32", [2], extra), RawTensor("prompt00.logits", "F32", [1, 2], extra),
    ]
    reference.states.tensors.append(RawTensor("block1.mixer", "F32", [1, 2], extra))
    let result = try reference.validate(reference.model)
    #expect(result.passed)
    let names = ["junk", "prompt00.logits", "prompt7.positions", "prompt0.block1.mixer", "prompt0.block9.mlp"]
    #expect(Set(result.unreadTensors) == Set(names) && result.unreadTensors.count == names.count)
    #expect(names.allSatisfy { result.says(.warning, $0) })
  }

  @Test("files of states that cannot be compared are refused, with what to do")
  func refusals() throws {
    let scratch = ScratchFolder()
    var reference = HybridReference(scratch)
    let file = scratch["hidden_prompt0.safetensors"]
    func error(_ change: @escaping (inout ValidateRequest) -> Void) -> RunError? {
      #expect(throws: RunError.self) { try reference.validate(reference.model, change) }
    }
    #expect(error { $0.reference = file }?.kind == .statesAsReference)
    #expect(error { $0.reference = reference.model }?.kind == .statesBesideModel)
    Disk.write(reference.states.serialized, scratch["hidden_prompt3.safetensors"])
    let other = error { $0.hiddenStates = [scratch["hidden_prompt3.safetensors"]] }
    #expect(other?.kind == .statesOfNoPrompt(prompts: [0]) && other?.remedy != nil)
    // A file of other names holds nothing to compare with.
    Disk.write(
      RawModelFile([RawTensor("foo", "F32", [1], FloatBytes.f32([1]))]).serialized, scratch["other.safetensors"])
    #expect(error { $0.hiddenStates = [scratch["other.safetensors"]] }?.kind == .noStateOfModel)
    // Of one prompt only, any other name will do.
    Disk.write(reference.states.serialized, scratch["states.safetensors"])
    #expect(try reference.validate(reference.model) { $0.hiddenStates = [scratch["states.safetensors"]] }.passed)
    for index in reference.states.tensors.indices where reference.states.tensors[index].name == "block1" {
      reference.states.tensors[index].shape = [reference.states.tensors[index].shape.reduce(1, *), 1]
    }
    #expect(error { _ in }?.location.tensor == "block1")
  }

  // MARK: - Which bound holds

  @Test("rounded inputs have no default bound of the largest difference, and keep one that is asked for")
  func integers() throws {
    let path = Fixtures.checkpoint("falcon-e-tiny/bitnet")
    let folder = Fixtures.checkpoint("falcon-e-tiny/reference/bitnet")
    var request = ValidateRequest(path: path, against: folder + "/logits.safetensors")
    request.hiddenStates = [folder + "/hidden_prompt0.safetensors"]
    let result = try ValidateWorkflow(request).run()
    #expect(result.passed && result.gate(GateResult.largestDifference) == nil && result.hiddenStates.count == 17)
    #expect(result.hiddenBound == 0.01 && result.gate(GateResult.divergedStates) == nil)
    // 0.205 was measured.
    request.gates.maximumLogitDifference = 0.1
    let strict = try ValidateWorkflow(request).run()
    #expect(!strict.passed && strict.gate(GateResult.largestDifference)?.basis == .asked)
  }

  @Test("a wider bound of another number, and logits of 16 bits, take the default away")
  func wider() throws {
    var reference = HybridReference(ScratchFolder())
    let path = reference.changed("model.layers.3.self_attn.q_norm.weight") { $0.map { (1 + $0) * 1.02 - 1 } }
    let wide = try reference.validate(path, hasStates: false) { $0.gates.maximumMeanKL = 1 }
    #expect(wide.gate(GateResult.largestDifference) == nil)
    let narrow = try reference.validate(path, hasStates: false) { $0.gates.maximumMeanKL = 1e-4 }
    #expect(narrow.gate(GateResult.largestDifference)?.passed == false)
    let values = LittleEndian.u32s(reference.logits["prompt0.logits"].bytes).map { Float(bitPattern: $0) }
    reference.logits["prompt0.logits"].bytes = FloatBytes.f32(values.map { BFloat16.rounded($0) })
    let coarse = try reference.validate(reference.model, hasStates: false)
    #expect(coarse.passed && coarse.logitType == "BF16" && coarse.gate(GateResult.largestDifference) == nil)
    #expect(coarse.says(.info, "no default bound"))
  }

  private static let ids = "1 47 203 187 226 22 31 22 225 165 121 175 165 74 244 145 172 87 220"

  /// What a model computes, as a file of logits.
  private static func logits(of path: String, _ output: String) throws -> String {
    _ = try LogitsWorkflow(LogitsRequest(path: path, inputs: [.ids(ids)], output: output)).run()
    return output
  }

  /// Scales times 1.0002 go back to the next numbers of F16, which moves logits by 5.7e-4; embeddings off by 2⁻¹¹ move
  /// them by 1.0e-3.
  @Test("scales of groups that were rounded to F16 on demand fail, and it is said what explains that")
  func roundedScales() throws {
    let scratch = ScratchFolder()
    let source = RoundedScaleTests.wide(scratch["source"], factor: 1.0002)
    try Workflow.bonsai(source, scratch["a.gguf"], .pq2) { $0.scaleLoss = .allow }
    let logits = try Self.logits(of: source, scratch["logits.safetensors"])
    let result = try ValidateWorkflow(ValidateRequest(path: scratch["a.gguf"], against: logits)).run()
    #expect(!result.passed && result.agreement.maximumDifference > 5e-4, "\(result.gates)")
    #expect(result.explanation?.type == "F16" && result.explanation?.isShown == false)
    // The same numbers in a folder of F32 are the reference's own.
    #expect(try ValidateWorkflow(ValidateRequest(path: source, against: logits)).run().agreement.maximumDifference == 0)
  }

  /// 0.0057 was measured of both; the GGUF file passed.
  @Test("numbers that were rounded to bfloat16 fail in every file that holds them")
  func carriers() throws {
    let scratch = ScratchFolder()
    let source = RoundedScaleTests.wide(scratch["source"], factor: 1.0002)
    let logits = try Self.logits(of: source, scratch["logits.safetensors"])
    try Workflow.bonsai(source, scratch["a.gguf"], .bf16) { $0.scaleLoss = .allow }
    try Workflow.convert(source, scratch["folder"], to: .dense) { $0.denseType = .bf16 }
    let results = try [scratch["a.gguf"], scratch["folder"]].map {
      try ValidateWorkflow(ValidateRequest(path: $0, against: logits)).run()
    }
    for result in results {
      #expect(!result.passed && result.gate(GateResult.largestDifference)?.basis == .standard, "\(result.gates)")
      #expect(result.explanation?.type == "BF16" && result.explanation?.isShown == false)
      #expect(abs(result.agreement.maximumDifference - results[0].agreement.maximumDifference) < 1e-5)
    }
  }

  @Test("norms that hold sums 1 + w of F16 do so in a folder as in a GGUF file")
  func sums() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(TernaryHybrid.small.write(scratch["plain"]))
    let names = model.file.tensors.map(\.name).filter { $0.hasSuffix("norm.weight") && !$0.contains("linear_attn") }
    func check(_ folder: String, _ areSums: Bool) throws {
      try Workflow.convert(folder, folder + ".gguf", to: .gguf) {
        $0.gguf.weights = .f32
        $0.gguf.hasTokenizer = false
      }
      for path in [folder, folder + ".gguf"] {
        guard let found = try RunnableModel(path).agreementWithFile else {
          Issue.record("\(path) rounds inputs")
          continue
        }
        if case .sums = found { #expect(areSums, "\(path)") } else { #expect(!areSums, "\(path)") }
      }
    }
    func write(_ name: String, _ change: (Float) -> Float) -> String {
      for tensor in names {
        let values = LittleEndian.u32s(model.file[tensor].bytes).map { change(Float(bitPattern: $0)) }
        model.file[tensor].bytes = FloatBytes.f32(values)
      }
      return model.write(scratch[name])
    }
    try check(scratch["plain"], false)
    try check(write("sums") { HalfFloat(1 + $0).float - 1 }, true)
    // 1 + 0 is rounded by nothing.
    try check(write("zeros") { _ in 0 }, false)
  }

  /// By the program before, 0.0029 apart.
  @Test("weights of a folder that are F16 numbers fail beside logits of others, with advice")
  func roundedFolder() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.plain)
    for index in model.file.tensors.indices {
      let values = FloatBytes.bf16Values(model.file.tensors[index].bytes).map { $0 * 1.0001 }
      (model.file.tensors[index].dtype, model.file.tensors[index].bytes) = ("F32", FloatBytes.f32(values))
    }
    let logits = try Self.logits(of: model.write(scratch["wide"]), scratch["logits.safetensors"])
    for index in model.file.tensors.indices {
      let values = LittleEndian.u32s(model.file.tensors[index].bytes).map { HalfFloat(Float(bitPattern: $0)) }
      model.file.tensors[index].dtype = "F16"
      model.file.tensors[index].bytes = values.flatMap { LittleEndian.bytes($0.bits) }
    }
    let result = try ValidateWorkflow(ValidateRequest(path: model.write(scratch["half"]), against: logits)).run()
    #expect(!result.passed && result.gate(GateResult.largestDifference)?.passed == false, "\(result.gates)")
    #expect(result.gates.filter { !$0.passed }.count == 1)
    #expect(result.explanation?.type == "F16" && result.explanation?.isShown == false, "\(result.noise)")
    #expect(result.says(.info, "--max-logit-delta"))
    var allowing = ValidateRequest(path: scratch["half"], against: logits)
    allowing.gates.maximumLogitDifference = 0.01
    #expect(try ValidateWorkflow(allowing).run().passed)
  }

  @Test("types that all logits of a file are numbers of")
  func types() {
    var types = LogitTypes()
    #expect(types.rounded == nil)
    types.add([1, -0.5, 3])
    #expect(types.rounded == .bf16)
    // 1 + 2⁻¹⁰ has 11 digits, 1 + 2⁻¹¹ has 12.
    types.add([1 + 0x1p-10])
    #expect(types.rounded == .f16)
    types.add([1 + 0x1p-11])
    #expect(types.rounded == nil)
  }

  // MARK: - What is written

  @Test("hidden states of the first block of each kind are written, and validate again")
  func written() throws {
    let scratch = ScratchFolder()
    let reference = HybridReference(scratch)
    var request = LogitsRequest(
      path: reference.model, inputs: [.ids("3 1 4 1 5"), .ids("9 2 6")], output: scratch["own.safetensors"])
    request.writesHiddenStates = true
    let written = try LogitsWorkflow(request).run()
    let files = written.prompts.compactMap(\.hiddenStates)
    #expect(files.count == 2)
    let names = Set(RawModelFile(reading: files[0]).tensors.map(\.name))
    let attention = ["q_proj", "k_proj", "v_proj", "q_norm", "k_norm", "attended", "gated", "o_proj"]
    #expect(names.isSuperset(of: attention.map { "block3.self_attn." + $0 } + ["block0.linear_attn.delta_rule"]))
    #expect(!names.contains { $0.hasPrefix("block1.") || $0.hasPrefix("block2.") })
    #expect(names.isSuperset(of: ["embed", "block0", "block1", "block2", "block3", "final_norm"]))
    var validation = ValidateRequest(path: reference.model, against: request.output)
    validation.hiddenStates = files
    let result = try ValidateWorkflow(validation).run()
    #expect(result.passed && result.agreement.positions == 8 && result.hiddenStates.count == names.count)
    #expect(result.hiddenStates.allSatisfy { $0.relativeError == 0 })
  }

  // MARK: - The trained model

  @Test(
    "every given form of the trained hybrid meets its reference, the converter's with F16 sums",
    .enabled(if: Fixtures.trainedQwen35 != nil), arguments: ["mlx-2bit", "gguf/q2_0-g64.gguf"])
  func trained(_ form: String) throws {
    let folder = try #require(Fixtures.trainedQwen35)
    var request = ValidateRequest(
      path: folder + "/" + form, against: folder + "/reference/unpacked/logits.safetensors")
    request.hiddenStates = [folder + "/reference/unpacked/hidden_prompt0.safetensors"]
    let result = try ValidateWorkflow(request).run()
    #expect(result.passed && result.hiddenStates.count == 37 && result.unreadTensors.isEmpty, "\(result.gates)")
    // 1.66e-3 was measured of the file whose norms were added up in F16.
    let isExact = form == "mlx-2bit"
    #expect(result.gate(GateResult.largestDifference)?.basis == (isExact ? .standard : .noise))
    #expect(result.explanation?.isShown == (isExact ? nil : true))
  }

  @Test("scales of groups are no reason for a GGUF file to be off")
  func groups() throws {
    let scratch = ScratchFolder()
    let sound = Bonsai.folder(scratch["sound"])
    let ids = TokenInput.ids((1..<24).map { String($0 * 37 % 256) }.joined(separator: " "))
    let logits = scratch["logits.safetensors"]
    _ = try LogitsWorkflow(LogitsRequest(path: sound, inputs: [ids], output: logits)).run()
    var changed = ChangedModel(sound)
    changed.replace("\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 1e-05")
    for (path, passes) in [(sound, true), (changed.write(scratch["changed"]), false)] {
      for weights in Bonsai.layouts {
        let file = scratch["\(passes)-\(weights.rawValue).gguf"]
        try Workflow.bonsai(path, file, weights)
        let result = try ValidateWorkflow(ValidateRequest(path: file, against: logits)).run()
        #expect(result.passed == passes && result.explanation?.isShown != true, "\(weights): \(result.gates)")
      }
    }
  }

  @Test(
    "a trained delta net with heads out of order or a norm 2 % off fails", .enabled(if: Fixtures.trainedQwen35 != nil))
  func trainedFaults() throws {
    let scratch = ScratchFolder()
    let folder = try #require(Fixtures.trainedQwen35)
    try Workflow.convert(folder + "/mlx-2bit", scratch["dense"], to: .dense)
    let faults: [(name: String, change: ([Float]) -> [Float])] = [
      ("A_log", { [$0[0], $0[2], $0[1], $0[3]] }), ("norm.weight", { $0.map { $0 * 1.02 } }),
    ]
    for (name, change) in faults {
      var model = ChangedModel(scratch["dense"])
      for index in model.file.tensors.indices {
        let tensor = model.file.tensors[index]
        guard tensor.name.hasSuffix("linear_attn." + name), let dtype = DType(rawValue: tensor.dtype) else { continue }
        let values = change(DenseValues.floats(tensor.bytes.span.bytes, dtype))
        (model.file.tensors[index].dtype, model.file.tensors[index].bytes) = ("F32", FloatBytes.f32(values))
      }
      let path = model.write(scratch["wrong-" + name])
      for (form, target) in [(path, nil), (scratch["wrong.gguf"], GGUFWeightType.f32), (scratch["q2.gguf"], .q2)] {
        if let target {
          try Workflow.convert(path, form, to: .gguf) {
            $0.gguf.weights = target
            $0.gguf.hasTokenizer = false
            $0.replaces = true
          }
        }
        let request = ValidateRequest(path: form, against: folder + "/reference/unpacked/logits.safetensors")
        let result = try ValidateWorkflow(request).run()
        #expect(!result.passed && result.gate(GateResult.largestDifference)?.passed == false, "\(name): \(form)")
      }
    }
  }
}
