// Tritsmith tests: validation passes what is right and finds what is wrong.

import Testing
import TritCore
import TritInference
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritSurvey

@Suite("Validate")
struct ValidateTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    var model: String
    var reference: String
    var projections = ProjectionOverride.automatic
    var testDescription: String { reference }
  }

  static let variants = [
    // Latents compute as their packed sibling does, unless told otherwise.
    Variant(model: "falcon-e-tiny/prequantized", reference: "falcon-e-tiny/reference/bitnet"),
    Variant(model: "falcon-e-tiny/prequantized-sharded", reference: "falcon-e-tiny/reference/bitnet"),
    Variant(
      model: "falcon-e-tiny/prequantized", reference: "falcon-e-tiny/reference/prequantized-plain", projections: .plain),
    Variant(
      model: "falcon-e-tiny/prequantized", reference: "falcon-e-tiny/reference/prequantized-online",
      projections: .onlineFloat32),
    Variant(model: "falcon-e-tiny/bitnet", reference: "falcon-e-tiny/reference/bitnet"),
    Variant(model: "falcon-e-tiny/bfloat16", reference: "falcon-e-tiny/reference/bfloat16"),
    Variant(model: "plain-tiny", reference: "plain-tiny/reference/plain"),
    Variant(model: "bitnet-b158-tiny/bf16-master", reference: "bitnet-b158-tiny/reference/bf16-master"),
    Variant(model: "bitnet-b158-tiny/packed", reference: "bitnet-b158-tiny/reference/packed"),
  ]

  @Test("references of transformers pass with the default gates", arguments: variants)
  func references(_ variant: Variant) throws {
    var request = ValidateRequest(
      path: Fixtures.checkpoint(variant.model),
      against: Fixtures.checkpoint(variant.reference + "/logits.safetensors"))
    request.options.mode = .fast
    request.options.projections = variant.projections
    let result = try ValidateWorkflow(request).run()
    #expect(result.passed, "\(result.agreement)")
    #expect(result.agreement.nonFinitePositions == 0)
    #expect(result.report.schema.id == "tritsmith.validate")
  }

  @Test("the reference a conversion of an ordinary model must meet passes")
  func convertedReference() throws {
    let folder = try RunFolder()
    var conversion = ConversionRequest(
      input: Fixtures.checkpoint("plain-tiny"), output: folder.path, target: .hfPacked)
    conversion.replaces = true
    _ = try ConvertWorkflow(conversion).run()
    var request = ValidateRequest(
      path: folder.path, against: Fixtures.checkpoint("plain-tiny/reference/absmean-bitnet/logits.safetensors"))
    request.options.mode = .fast
    let result = try ValidateWorkflow(request).run()
    #expect(result.passed, "\(result.agreement)")
  }

  @Test("both arithmetic modes agree, and the weights are the same")
  func modes() throws {
    let path = Fixtures.checkpoint("falcon-e-tiny/bitnet")
    var request = ValidateRequest(path: path, against: path)
    request.inputs = [.ids("1 47 287 420 226 22 531")]
    request.options.mode = .fast
    request.referenceOptions = RunOptions(mode: .reference)
    let result = try ValidateWorkflow(request).run()
    #expect(result.passed && result.noise.isEmpty && result.unmatchedSteps.isEmpty)
    #expect(result.firstDivergence == nil)
    // 14 states in each block, embeddings, the last norm and the logits.
    #expect(result.steps.count == 4 * 14 + 3 && result.steps.allSatisfy(\.passed))
    #expect(result.hiddenStates.map(\.name) == ["embed", "block0", "block1", "block2", "block3", "final_norm"])
    #expect(result.hasSameWeights == true)
  }

  @Test("a limit of tokens takes the first of all prompts, and is said")
  func limited() throws {
    let path = Fixtures.checkpoint("falcon-e-tiny/bitnet")
    var request = ValidateRequest(path: path, against: path)
    request.inputs = [.ids("1 47 287"), .ids("1 420 226"), .ids("1 22")]
    request.tokenLimit = 5
    let result = try ValidateWorkflow(request).run()
    #expect(result.passed && result.agreement.positions == 5 && result.prompts.map(\.positions) == [3, 2])
    #expect(result.text == "the beginning of 2 prompts")
    request.tokenLimit = 8
    #expect(try ValidateWorkflow(request).run().text == "3 prompts")
    request.reference = Fixtures.checkpoint("falcon-e-tiny/reference/bitnet/logits.safetensors")
    request.inputs = []
    #expect(throws: RunError(.promptsBesideReference, file: request.reference)) { try ValidateWorkflow(request).run() }
  }

  @Test("dense and packed forms of one model have one code stream, whatever their arithmetic gives")
  func identity() throws {
    var request = ValidateRequest(
      path: Fixtures.checkpoint("falcon-e-tiny/bitnet"), against: Fixtures.checkpoint("falcon-e-tiny/bfloat16"))
    request.inputs = [.ids("1 47 287")]
    request.options.mode = .fast
    let result = try ValidateWorkflow(request).run()
    #expect(result.hasSameWeights == true)
  }

  enum Damage: String, CaseIterable, Sendable { case scale, swappedRows, reversedTrits }

  @Test("one wrong scale, one exchanged pair of rows, or reversed trits fail", arguments: Damage.allCases)
  func damage(_ damage: Damage) throws {
    let original = Fixtures.checkpoint("falcon-e-tiny/bitnet")
    var model = try EditableModel(original)
    // The projection in whose rows an exchange shows least.
    let tensor = try #require(model.manifest.tensor(named: "model.layers.1.self_attn.q_proj.weight"))
    switch damage {
    case .scale:
      let scale = try #require(tensor.scale)
      model.edit(scale.location) { bytes in
        let value = BFloat16(bits: UInt16(bytes[0]) | UInt16(bytes[1]) << 8).float
        let wrong = BFloat16(value * 1.1).bits
        bytes = [UInt8(wrong & 0xFF), UInt8(wrong >> 8)]
      }
    case .swappedRows:
      // Rows 3 and 10 are both in the lowest bits of their bytes.
      let columns = tensor.shape.columns
      model.edit(tensor.location) { bytes in
        for column in 0..<columns {
          let (left, right) = (bytes[3 * columns + column], bytes[10 * columns + column])
          bytes[3 * columns + column] = left & 0xFC | right & 3
          bytes[10 * columns + column] = right & 0xFC | left & 3
        }
      }
    case .reversedTrits:
      for tensor in model.manifest.tensors where tensor.encoding.isTernary {
        model.edit(tensor.location) { bytes in
          bytes = bytes.map { $0 << 6 | $0 << 2 & 0x30 | $0 >> 2 & 0x0C | $0 >> 6 }
        }
      }
    }
    let folder = try RunFolder()
    try model.write(to: folder)

    let reference = Fixtures.checkpoint("falcon-e-tiny/reference/bitnet/logits.safetensors")
    var request = ValidateRequest(path: folder.path, against: reference)
    request.options.mode = .fast
    let alone = try ValidateWorkflow(request).run()
    #expect(!alone.passed, "\(alone.agreement)")

    request.reference = original
    request.inputs = [.ids("1 47 287 420 226 22 531 22 925 265 621 275 265 374 544 345 372 287 420")]
    let beside = try ValidateWorkflow(request).run()
    #expect(!beside.passed, "\(beside.agreement)")
    #expect(beside.hasSameWeights == false)
    let first = damage == .reversedTrits ? "block0.self_attn.q_proj" : "block1.self_attn.q_proj"
    #expect(beside.firstWrongStep?.name == first)
    #expect(beside.firstDivergence?.name == (damage == .reversedTrits ? "block0" : "block1"))
  }

  @Test("logits of some tokens only: those are compared, and no others")
  func positions() throws {
    let scratch = ScratchFolder()
    let path = MeaningModel(.qwen3).write(scratch["model"])
    let ids = [1, 5, 17, 3, 20, 9]
    let model = try RunnableModel(path, RunOptions(threads: 1))
    let logits = try model.session(for: ids.count).logits(ids)
    func file(_ name: String, _ positions: [Int], _ change: Float = 0) -> String {
      var rows = positions.flatMap { row -> [Float] in
        let start = row * MeaningModel.vocabulary
        return start >= 0 && start < logits.count ? Array(logits[start..<start + MeaningModel.vocabulary]) : []
      }
      if let last = rows.indices.last { rows[last] += change }
      func integers(_ values: [Int]) -> [UInt8] { values.flatMap { littleEndianBytes(Int32($0)) } }
      Disk.write(
        RawModelFile([
          RawTensor("prompt0.ids", "I32", [ids.count], integers(ids)),
          RawTensor("prompt0.positions", "I32", [positions.count], integers(positions)),
          RawTensor(
            "prompt0.logits", "F32", [rows.count / MeaningModel.vocabulary, MeaningModel.vocabulary],
            rows.flatMap { littleEndianBytes($0.bitPattern) }),
        ]).serialized, scratch[name])
      return scratch[name]
    }
    func validate(_ file: String) throws -> ValidateResult {
      try ValidateWorkflow(ValidateRequest(path: path, against: file)).run()
    }
    let same = try validate(file("same.safetensors", [1, 4]))
    #expect(same.passed && same.agreement.positions == 2 && same.agreement.maximumDifference == 0)
    let other = try validate(file("other.safetensors", [0, 5], 4))
    #expect(!other.passed && abs(other.agreement.maximumDifference - 4) < 1e-3)
    // A position without numbers is one of those that were looked at, and counted once.
    let lost = try validate(file("lost.safetensors", [0, 5], .nan))
    #expect(!lost.passed && lost.agreement.positions == 2 && lost.agreement.nonFinitePositions == 1)
    #expect(
      lost.report.blocks.contains {
        if case .note(.fail, let text) = $0 { text.contains("on 2 positions of") } else { false }
      })
    for (name, positions) in [("order", [4, 1]), ("beyond", [5, 6]), ("negative", [-1, 2])] {
      let error = #expect(throws: RunError.self) { try validate(file(name + ".safetensors", positions)) }
      #expect(error?.location.tensor == "prompt0.positions")
    }
  }

  @Test("models that cannot be compared are refused")
  func refusals() throws {
    let falcon = Fixtures.checkpoint("falcon-e-tiny/bitnet")
    let bitnet = Fixtures.checkpoint("bitnet-b158-tiny/packed")
    #expect(throws: RunError(.vocabularyMismatch(expected: 1536, found: 2048), file: falcon)) {
      try ValidateWorkflow(ValidateRequest(path: falcon, against: bitnet)).run()
    }
    let file = Fixtures.checkpoint("bitnet-b158-tiny/reference/packed/logits.safetensors")
    #expect(throws: RunError(.vocabularyMismatch(expected: 2048, found: 1536), file: file)) {
      try ValidateWorkflow(ValidateRequest(path: falcon, against: file)).run()
    }
    var request = ValidateRequest(path: bitnet, against: file)
    request.inputs = [.ids("1 2")]
    #expect(throws: RunError(.promptsBesideReference, file: file)) { try ValidateWorkflow(request).run() }
    // Sides that are the wrong way round, a file of something else, and options for what is not run.
    #expect(throws: RunError(.logitsAsModel, file: file)) {
      try ValidateWorkflow(ValidateRequest(path: file, against: falcon)).run()
    }
    let states = Fixtures.checkpoint("falcon-e-tiny/reference/bitnet/hidden_prompt0.safetensors")
    #expect(throws: RunError(.statesAsReference, file: states)) {
      try ValidateWorkflow(ValidateRequest(path: falcon, against: states)).run()
    }
    let numbers = Fixtures.golden("rounding.safetensors")
    #expect(throws: RunError(.neitherModelNorLogits, file: numbers)) {
      try ValidateWorkflow(ValidateRequest(path: falcon, against: numbers)).run()
    }
    var other = ValidateRequest(path: falcon, against: file)
    other.referenceOptions = RunOptions(projections: .plain)
    #expect(throws: RunError(.referenceIsNotRun, file: file)) { try ValidateWorkflow(other).run() }
  }

  @Test("numbers of one row, by hand")
  func numbers() {
    var comparison = LogitComparison()
    comparison.add([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0])
    #expect(comparison.result.nmse == 0 && comparison.result.meanKL == 0 && comparison.result.topOne == 1)
    comparison = LogitComparison()
    comparison.add([1, 2, 3, 4, 5, 6], [6, 2, 3, 4, 5, 1])
    let result = comparison.result
    #expect(result.maximumDifference == 5 && abs(result.meanDifference - 10.0 / 6) < 1e-12)
    #expect(abs(result.nmse - 50 / 17.5) < 1e-12)
    #expect(result.topOne == 0 && abs(result.topFive - 0.8) < 1e-12)
    comparison.add([1, 2, 3, 4, 5, .nan], [1, 2, 3, 4, 5, 6])
    #expect(comparison.result.nonFinitePositions == 1 && comparison.result.positions == 2)
    #expect(abs(LogitComparison.percentile(0.99, [0, 1]) - 0.99) < 1e-12)
    #expect(!GateResult(name: "", found: .nan, bound: 1, isUpperBound: true).passed)
  }
}
