// Tritsmith tests: models with rotated weights, in every command.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Rotated weights")
struct RotatedWeightTests {
  static let families: [MeaningModel.Family] = [.llama, .qwen3]

  private static func compare(_ first: String, _ second: String, exact: Bool = false) throws -> CompareResult {
    var hints: [String] = []
    let models = try ModelOpener.openPair((first, OpenOptions()), (second, OpenOptions()), hints: &hints)
    return try CompareWorkflow(first: models.0, second: models.1, request: CompareRequest(isExact: exact)).run()
  }

  @Test("a rotated model computes the ordinary one's logits", arguments: families)
  func logits(_ family: MeaningModel.Family) throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(family, scratch)
    let dense = scratch["ordinary"]
    // Blocks of 64 divide by 8: sums of sixteenths lose nothing, and the weights come back to the last bit.
    let rotated = try RotatedModel().write(plain, scratch["rotated.gguf"])
    let ordinary = try ModelOpener.open(dense)
    let view = try ModelOpener.open(rotated)
    for tensor in view.manifest.tensors where tensor.encoding == .dense(.f32) && tensor.shape.isMatrix {
      let other = try #require(ordinary.manifest.tensor(named: tensor.name))
      guard other.encoding == .dense(.bf16) else { continue }
      let found = try view.withBytes(0..<tensor.location.byteCount, of: tensor) { DenseValues.floats($0, .f32) }
      let wanted = try ordinary.withBytes(0..<other.location.byteCount, of: other) { DenseValues.floats($0, .bf16) }
      #expect(found == wanted, "\(tensor.name)")
      // Any range of bytes, not whole rows only.
      let part = try view.withBytes(1001..<3077, of: tensor) { span in span.withUnsafeBytes { Array($0) } }
      #expect(part == Array(FloatBytes.f32(found)[1001..<3077]))
    }
    // Without the keys the same bytes are another model.
    var silent = RotatedModel()
    silent.hasKeys = false
    let unmarked = try silent.write(plain, scratch["unmarked.gguf"])
    let (expected, found, wrong) = try (Self.logits(dense), Self.logits(rotated), Self.logits(unmarked))
    func distance(_ other: [Float]) -> Float { zip(expected, other).reduce(0) { max($0, abs($1.0 - $1.1)) } }
    let largest = expected.reduce(0) { max($0, abs($1)) }
    // The matrices that stay packed round their inputs to int8: 1/254 of the largest, in each of four products.
    #expect(distance(found) <= largest * 1e-2)
    #expect(distance(wrong) > largest * 1e-2)
  }

  private static func logits(_ path: String) throws -> [Float] {
    let model = try RunnableModel(path, RunOptions(threads: 1))
    #expect(!path.hasSuffix("rotated.gguf") || model.description.notes.contains { $0.contains("rotated") })
    let ids = [1, 5, 17, 3, 20, 9]
    return try model.session(for: ids.count).logits(ids)
  }

  @Test("compare and verify unfold first and say so", arguments: families)
  func compare(_ family: MeaningModel.Family) throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(family, scratch)
    // 1/√32 is no number of any type, and F16 rounds what is rotated.
    for (name, block, storage) in [("exact", 64, RotatedModel.Storage.f32), ("rounded", 32, .f16)] {
      var model = RotatedModel()
      (model.block, model.storage) = (block, storage)
      let rotated = try model.write(plain, scratch[name + ".gguf"])
      let result = try Self.compare(rotated, plain)
      let others = result.tensors.filter { $0.outcome != .equal }
      #expect(result.weightsAreSame && result.structure.isEmpty, "\(others.map(\.detail))")
      #expect(result.hints.contains { $0.contains("unfolded first") })
      #expect(others.count == (name == "exact" ? 0 : 3))
      #expect(try Self.compare(rotated, plain, exact: true).weightsAreSame == (name == "exact"))
      let models = try ModelOpener.alike([(plain, OpenOptions()), (rotated, OpenOptions())])
      let verified = try VerifyWorkflow(source: models[0], converted: models[1], request: VerifyRequest()).run()
      #expect(verified.tensors.allSatisfy { $0.outcome != .differs } && verified.structure.isEmpty)
      #expect(verified.hints.contains { $0.contains("unfolded first") })
      // One of the two rotated another way is the same model still; both alike, what they store is compared.
      let twin = try model.write(plain, scratch[name + "-twin.gguf"])
      let stored = try Self.compare(rotated, twin)
      #expect(stored.isSame && stored.hints.contains { $0.contains("as they are stored") })
      var other = model
      other.hasSigns = false
      #expect(try Self.compare(rotated, other.write(plain, scratch[name + "-other.gguf"])).weightsAreSame)
    }
    let proved = try FamilyWorkflow(FamilyRequest(paths: [plain, scratch["exact.gguf"]])).run()
    #expect(proved.notes.contains { $0.contains("unfolded first") })
    #expect(proved.proofs.allSatisfy { $0.mismatches == 0 && $0.firstTensor == nil })
  }

  @Test("a wrong weight is no rounding, and wrong signs are another model")
  func differing() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var model = RotatedModel()
    model.storage = .f16
    let rotated = try model.write(plain, scratch["a.gguf"]) { entries in
      var values = model.signs.map { Int32($0) }
      values[17] = -values[17]
      entries = entries.map {
        $0.key.hasSuffix("sign_values") ? MetadataEntry($0.key, .array(.int32(values))) : $0
      }
    }
    let result = try Self.compare(rotated, plain)
    #expect(!result.isSame && result.tensors.count { $0.outcome == .different } == 3)
    #expect(result.tensors.contains { $0.detail.contains("differs once unfolded") })
  }

  @Test("a file that does not say that it is rotated is told beside the ordinary one", arguments: [16, 64, 256])
  func unmarked(_ block: Int) throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var model = RotatedModel()
    (model.block, model.storage, model.hasKeys) = (block, .f16, false)
    let rotated = try model.write(plain, scratch["rotated.gguf"])
    for (first, second) in [(rotated, plain), (plain, rotated)] {
      let result = try Self.compare(first, second)
      #expect(!result.isSame)
      let hint = result.hints.first { $0.contains("unfolding explains") }
      #expect(hint?.contains("of 3 of 3 tensors") == true && hint?.contains("blocks of \(block) with signs") == true)
      #expect(hint?.contains("rotated.gguf holds") == true)
    }
    // Weights of another model are not explained: here the same numbers from the last to the first.
    var other = ChangedModel(scratch["ordinary"])
    for index in other.file.tensors.indices where other.file.tensors[index].name.hasSuffix("_proj.weight") {
      let values = FloatBytes.bf16Values(other.file.tensors[index].bytes)
      other.file.tensors[index].bytes = FloatBytes.bf16(values.reversed())
    }
    let unlike = try Self.compare(rotated, other.write(scratch["other"]))
    #expect(!unlike.hints.contains { $0.contains("unfolding explains") })
  }

  @Test("--unfold writes the ordinary weights", arguments: families)
  func unfold(_ family: MeaningModel.Family) throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(family, scratch)
    let rotated = try RotatedModel().write(plain, scratch["rotated.gguf"])
    try Workflow.convert(plain, scratch["wanted"], to: .dense) { $0.denseType = .f16 }
    let result = try Workflow.convert(rotated, scratch["dense"], to: .dense) { $0.unfolds = true }
    #expect(result.audit.passed && result.rounded.isEmpty)
    let found = RawModelFile.tensors(ofFolder: scratch["dense"]).filter {
      $0.dtype == "F16" && $0.name.contains("proj")
    }
    let wanted = RawModelFile.tensors(ofFolder: scratch["wanted"]).filter { $0.name.contains("proj") }
    #expect(found.count == 7 && differences(found, wanted) == [])
    // GGUF loses the keys with the rotation.
    try Workflow.convert(rotated, scratch["dense.gguf"], to: .gguf) {
      $0.unfolds = true
      $0.gguf.weights = .f32
    }
    let file = try FormatRegistry.open(scratch["dense.gguf"])
    #expect(!file.manifest.entries.contains { $0.key.hasPrefix("prism.hadamard.") })
    #expect(try Self.compare(scratch["dense.gguf"], plain).weightsAreSame)
    // What was unfolded is not rotated: there is nothing more to unfold.
    #expect(throws: WorkflowError.self) {
      try Workflow.convert(scratch["dense.gguf"], scratch["again"], to: .dense) { $0.unfolds = true }
    }
    let record = RequestRecord.json(result.plan.request)
    #expect(try RequestRecord.request(record, input: "", output: "", file: "").unfolds)
  }

  @Test("no conversion drops the keys")
  func kept() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var model = RotatedModel()
    model.storage = .f16
    let rotated = try model.write(plain, scratch["rotated.gguf"])
    for target in ConversionTarget.allCases where target != .gguf {
      do {
        try Workflow.convert(rotated, scratch["out"], to: target)
        Issue.record("\(target) was written")
      } catch let error as WorkflowError {
        #expect(error.summary.contains("rotated") && error.remedy?.contains("--unfold") == true, "\(error)")
      }
      guard target != .dense else { continue }
      #expect(throws: WorkflowError.self) {
        try Workflow.convert(rotated, scratch["out"], to: target) { $0.unfolds = true }
      }
    }
    let result = try Workflow.convert(rotated, scratch["again.gguf"], to: .gguf)
    #expect(result.plan.keepsRotation && result.plan.warnings.contains { $0.contains("rotated") })
    #expect(result.plan.runtimes.isEmpty && result.plan.loadingNote?.contains("prism.hadamard") == true)
    let (before, after) = try (FormatRegistry.open(rotated), FormatRegistry.open(scratch["again.gguf"]))
    for key in model.keys { #expect(after.manifest.entry(key.key) == key.value) }
    for name in RotatedModel.rotated {
      let (a, b) = try (
        #require(before.manifest.tensor(named: name)), #require(after.manifest.tensor(named: name))
      )
      let bytes = try [(before, a), (after, b)].map { source, tensor in
        try source.withBytes(0..<tensor.location.byteCount, of: tensor) { span in span.withUnsafeBytes { Array($0) } }
      }
      #expect(a.encoding == b.encoding && bytes[0] == bytes[1])
    }
  }

  @Test("check and inspect say what the keys say, and what is wrong with them")
  func lookedAt() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    let rotated = try RotatedModel().write(plain, scratch["rotated.gguf"])
    let sound = try Workflow.check(rotated)
    #expect(sound.count(.error) == 0 && sound.notes.contains { $0.contains("rotated") }, "\(sound.findings)")
    let seen = try Workflow.inspect(rotated)
    #expect(seen.rotation?.blockSize == 64 && seen.report.verdict?.headline.contains("weights are rotated") == true)
    #expect(try Workflow.inspect(plain).rotation == nil)
    let broken = try RotatedModel().write(plain, scratch["broken.gguf"]) { entries in
      entries.removeAll { $0.key.hasSuffix("sign_values") }
    }
    let found = try Workflow.check(broken)
    #expect(found.findings.map(\.rule) == [.rotation] && found.findings[0].subject.contains("sign_values"))
    #expect(try Workflow.inspect(broken).manifest.notes.contains { $0.contains("sign_values") })
    #expect(throws: GGUFModelError.self) { try RunnableModel(broken) }
    #expect(throws: GGUFModelError.self) { try Workflow.convert(broken, scratch["b.gguf"], to: .gguf) }
  }
}
