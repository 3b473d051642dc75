// Tritsmith tests: a model checked beside another form of it.

import Testing
import TritCore
import TritFormats
import TritModel
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey

@Suite("Check beside a sibling")
struct SiblingTests {
  private static let down = "model.layers.0.mlp.down_proj.weight"

  private static func check(_ path: String, _ sibling: String?) throws -> CheckResult {
    try CheckWorkflow(CheckRequest(path: path, sibling: sibling)).run()
  }

  /// What the comparison alone found.
  private static func told(_ result: CheckResult) -> [CheckFinding] {
    result.findings.filter { [.sibling, .rotation].contains($0.rule) }
  }

  @Test("the verdict says how many tensors hold the sibling's weights, and how many of them are rounded")
  func same() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    let result = try Self.check(plain, scratch["ordinary"])
    let count = result.tensors
    #expect(result.passed && Self.told(result) == [], "\(result.findings)")
    #expect(result.sibling == SiblingComparison(path: scratch["ordinary"], tensors: count, equal: count))
    #expect(result.report.verdict?.headline.contains("all \(count) tensors hold the weights of") == true)
    #expect(result.report.verdict?.headline.contains("settings and tokenizers were not compared") == true)
    // 1/√32 is no number of F16: rounded, and said to be.
    var model = RotatedModel()
    (model.block, model.storage) = (32, .f16)
    let rounded = try Self.check(model.write(plain, scratch["rounded.gguf"]), scratch["ordinary"])
    #expect(rounded.passed && Self.told(rounded) == [])
    #expect(rounded.sibling?.rounded == 3 && rounded.sibling?.different == 0)
    #expect(rounded.report.verdict?.headline.contains("3 of them rounded by their types") == true)
    let json = try JSONValue.parse(Array(JSONRenderer().text(of: rounded.report).utf8)).object?["check"]?.object
    #expect(json?["sibling_rounded"]?.number?.integer == 3 && json?["sibling_tensors"]?.number?.integer == count)
    #expect(try Self.check(plain, nil).report.verdict?.headline.contains("hold") == false)
  }

  @Test("other weights do not pass: a matrix from the last number to the first, one number of a norm")
  func others() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var turned = ChangedModel(scratch["ordinary"])
    turned.file[Self.down].bytes = FloatBytes.bf16(FloatBytes.bf16Values(turned.file[Self.down].bytes).reversed())
    var normed = ChangedModel(scratch["ordinary"])
    let norm = "model.norm.weight"
    let number = normed.file[norm].dtype == "F32" ? FloatBytes.f32([96]) : FloatBytes.bf16([96])
    normed.file[norm].bytes.replaceSubrange(0..<number.count, with: number)
    for (model, name) in [(turned, Self.down), (normed, norm)] {
      let other = model.write(scratch[name])
      for (path, sibling) in [(other, plain), (plain, other)] {
        let result = try Self.check(path, sibling)
        #expect(!result.passed && Self.told(result).map(\.rule) == [.sibling], "\(result.findings)")
        let finding = try #require(Self.told(result).first)
        #expect(finding.severity == .error && finding.subject == name && finding.detail.hasPrefix("1 of "))
        // Of a vector nobody asked for a rotation.
        #expect(finding.detail.contains("no rotation in blocks of 16 to 8192 explains it") == (name == Self.down))
        #expect(result.sibling?.different == 1)
      }
    }
  }

  @Test("one matrix that is rotated is found and named, also beside others that are merely different")
  func partly() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var model = RotatedModel()
    (model.names, model.storage, model.hasKeys) = (["blk.0.ffn_down.weight"], .f16, false)
    let rotated = try model.write(plain, scratch["rotated.gguf"])
    let result = try Self.check(rotated, plain)
    #expect(!result.passed && Self.told(result).map(\.rule) == [.rotation], "\(result.findings)")
    let finding = try #require(Self.told(result).first)
    #expect(finding.subject == Self.down && finding.detail.contains("of 1 of 1 tensor that differs"))
    #expect(finding.detail.contains("rotated.gguf holds the weights of"))
    #expect(finding.detail.contains("in blocks of 64 with signs"))
    var other = ChangedModel(scratch["ordinary"])
    let query = "model.layers.0.self_attn.q_proj.weight"
    other.file[query].bytes = FloatBytes.bf16(FloatBytes.bf16Values(other.file[query].bytes).reversed())
    let both = Self.told(try Self.check(rotated, other.write(scratch["other"])))
    #expect(both.map(\.rule) == [.sibling, .rotation] || both.map(\.rule) == [.rotation, .sibling], "\(both)")
    #expect(both.first { $0.rule == .sibling }?.subject == query)
    #expect(both.first { $0.rule == .rotation }?.subject == Self.down)
  }

  @Test("without signs and keys each may be the other's: that does not pass either")
  func either() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var model = RotatedModel()
    (model.hasSigns, model.hasKeys) = (false, false)
    let result = try Self.check(model.write(plain, scratch["rotated.gguf"]), plain)
    #expect(!result.passed && Self.told(result).map(\.rule) == [.rotation])
    #expect(Self.told(result).first?.detail.contains("one of the two holds the other's weights rotated") == true)
  }

  @Test("keys without signs are sound alone, and held against a sibling where there is one")
  func identity() throws {
    let scratch = ScratchFolder()
    let plain = try RotatedModel.plain(.qwen3, scratch)
    var silent = RotatedModel()
    silent.hasSigns = false
    // Ones for every column are the same as no signs.
    let ones = RotatedModel.width
    let written = try silent.write(plain, scratch["ones.gguf"]) { entries in
      entries.removeAll { $0.key.hasPrefix("prism.hadamard.sign_") }
      entries += [
        MetadataEntry("prism.hadamard.sign_mode", .string("explicit")),
        MetadataEntry("prism.hadamard.sign_widths", .array(.int32([Int32(ones)]))),
        MetadataEntry("prism.hadamard.sign_values", .array(.int32([Int32](repeating: 1, count: ones)))),
      ]
    }
    for path in [try silent.write(plain, scratch["identity.gguf"]), written] {
      #expect(try Self.told(Self.check(path, nil)) == [])
      let beside = try Self.check(path, plain)
      #expect(beside.passed && Self.told(beside) == [] && beside.sibling?.different == 0, "\(beside.findings)")
    }
    // Weights with signs whose keys say that there are none, and weights that are not rotated at all.
    let lying = try RotatedModel().write(plain, scratch["lying.gguf"]) { entries in
      entries.removeAll { $0.key.hasPrefix("prism.hadamard.sign_") }
      entries.append(MetadataEntry("prism.hadamard.sign_mode", .string("identity")))
    }
    let idle = try ChangedGGUF.write(plain, scratch["idle.gguf"]) { $0 += silent.keys }
    for (path, what) in [
      (lying, "stored is that model's matrix rotated in blocks of 64 with signs"),
      (idle, "stored is that model's matrix: it is not rotated"),
    ] {
      #expect(try Self.told(Self.check(path, nil)) == [])
      let result = try Self.check(path, plain)
      #expect(!result.passed && Self.told(result).map(\.rule) == [.rotation], "\(result.findings)")
      #expect(Self.told(result).first?.detail.contains(what) == true, "\(Self.told(result))")
      #expect(Self.told(result).first?.detail.contains("in 3 of 3 tensors that differ") == true)
    }
  }

  @Test("a few rows of latents that are others than the trits were made of are no rounding")
  func rows() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.master)
    let name = "model.layers.0.self_attn.q_proj.weight"
    let width = try #require(model.file.tensors.first { $0.name == name }).shape[1] * 2
    let bytes = model.file[name].bytes
    // Rows 4 and 5 in each other's place: one tenth of a percent of the model.
    model.file[name].bytes = Array(
      bytes[..<(4 * width)] + bytes[(5 * width)..<(6 * width)] + bytes[(4 * width)..<(5 * width)]
        + bytes[(6 * width)...])
    for (path, sibling) in [
      (Checkpoint.packed, model.write(scratch["swapped"])), (scratch["swapped"], Checkpoint.packed),
    ] {
      let errors = Self.told(try Self.check(path, sibling)).filter { $0.severity == .error }
      #expect(errors.map(\.subject) == [name], "\(errors)")
    }
  }

  @Test("latents beside the trits made of them, and trits with fewer scales, are a warning")
  func otherForms() throws {
    let latents = try Self.check(Checkpoint.packed, Checkpoint.master)
    #expect(latents.passed && Self.told(latents).map(\.severity) == [.warning], "\(latents.findings)")
    // Before the names, of which a screen shows some.
    let advice = "other numbers in the other; 'tritsmith verify' redoes the quantization: 'model."
    #expect(Self.told(latents).first?.detail.contains(advice) == true, "\(latents.findings)")
    #expect(latents.sibling?.different == 14 && latents.sibling?.equal == 10)
    let headline = latents.report.verdict?.headline ?? ""
    #expect(headline.hasSuffix("; 14 of 24 tensors differ from \(Checkpoint.master)"), "\(headline)")
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    _ = try Workflow.bonsai(source, scratch["lossy.gguf"], .tq2) { $0.scaleLoss = .allow }
    for (path, sibling) in [(scratch["lossy.gguf"], source), (source, scratch["lossy.gguf"])] {
      let lossy = Self.told(try Self.check(path, sibling))
      #expect(lossy.map(\.severity) == [.warning] && lossy.map(\.rule) == [.sibling], "\(lossy)")
      #expect(lossy.first?.detail.contains("with fewer scales in one of the two") == true)
    }
  }

  @Test("another model does not pass, and a model without a tensor in common was not compared")
  func unrelated() throws {
    let other = try Self.check(Checkpoint.plain, Checkpoint.packed)
    #expect(!other.passed && Self.told(other).contains { $0.severity == .error && $0.rule == .sibling })
    #expect(Self.told(other).contains { $0.detail.contains("nothing of layers 2 to 3 is in the second") })
    let scratch = ScratchFolder()
    var strange = ChangedModel(Checkpoint.plain)
    for index in strange.file.tensors.indices { strange.file.tensors[index].name += ".other" }
    let none = try Self.check(Checkpoint.plain, strange.write(scratch["strange"]))
    #expect(!none.passed && Self.told(none).first?.detail.contains("nothing was compared") == true)
    #expect(none.report.verdict?.headline.contains("hold the weights") == false)
  }

  @Test("check says what headers cannot tell of a file without its keys, and what a sibling does")
  func stripped() throws {
    let scratch = ScratchFolder()
    let model = TernaryHybrid.small
    let keyed = try model.writeKeyed(scratch, .q2, stripped: "stripped.gguf", keyed: "keyed.gguf")
    let ordinary = model.writeUnfolded(scratch["ordinary"], block: 64, takesTurns: true)
    func isHeaderNote(_ note: String) -> Bool { note.contains("headers cannot tell") }
    let alone = try Self.check(scratch["stripped.gguf"], nil)
    #expect(alone.count(.error) == 0 && alone.cautions.contains(where: isHeaderNote), "\(alone.cautions)")
    // Dense weights may have lost keys as well, in a folder as in a file.
    try Workflow.convert(scratch["source"], scratch["f16.gguf"], to: .gguf) {
      $0.gguf.weights = .f16
      $0.gguf.hasTokenizer = false
    }
    #expect(try Self.check(scratch["f16.gguf"], nil).cautions.contains(where: isHeaderNote))
    try Workflow.convert(scratch["source"], scratch["mlx"], to: .mlx)
    #expect(try Self.check(scratch["mlx"], nil).cautions.contains(where: isHeaderNote))
    #expect(try Self.check(ordinary, nil).cautions.contains(where: isHeaderNote))
    #expect(try !Self.check(keyed, nil).cautions.contains(where: isHeaderNote))
    for sibling in [ordinary, keyed] {
      let found = try Self.check(scratch["stripped.gguf"], sibling)
      let errors = found.findings.filter { $0.severity == .error }
      #expect(errors.map(\.rule) == [.rotation], "\(found.findings)")
      #expect(errors.first?.detail.contains("stripped.gguf holds the weights of") == true)
      #expect(errors.first?.detail.contains("blocks of 64 with signs") == true)
      #expect(!found.cautions.contains(where: isHeaderNote))
    }
    // The other way about it is the sibling that has lost them, and a model beside itself has lost nothing.
    let reversed = try Self.check(ordinary, scratch["stripped.gguf"])
    #expect(reversed.passed && reversed.findings.allSatisfy { $0.rule != .rotation })
    let told = reversed.findings.filter { $0.rule == .sibling }
    #expect(told.map(\.severity) == [.warning], "\(told)")
    #expect(told.first?.detail.contains("stripped.gguf holds the weights") == true)
    for (path, sibling, isOpen) in [
      (keyed, ordinary, false), (scratch["stripped.gguf"], scratch["source"], true),
      (scratch["stripped.gguf"], scratch["mlx"], true),
    ] {
      let found = try Self.check(path, sibling)
      let same = found.sibling.map { $0.isSame && $0.equal + $0.rounded == $0.tensors }
      #expect(same == true && Self.told(found) == [], "\(found.findings)")
      // Two that hold the same and both say nothing may both have lost their keys.
      #expect(found.cautions.contains { isHeaderNote($0) && $0.contains("\(sibling) does not settle it") } == isOpen)
    }
    #expect(throws: (any Error).self) { try Self.check(scratch["stripped.gguf"], scratch["nowhere"]) }
  }

  @Test("a rotated output of delta nets without the key of its order is a warning")
  func order() throws {
    let scratch = ScratchFolder()
    let model = TernaryHybrid.small
    try Workflow.convert(model.write(scratch["source"]), scratch["plain.gguf"], to: .gguf) {
      $0.gguf.weights = .q2
      $0.gguf.hasTokenizer = false
    }
    let keys = model.keys(block: 64, isGrouped: false)
    let key = "prism.hadamard.gdn_v_grouped"
    for isStated in [true, false] {
      let path = try ChangedGGUF.write(scratch["plain.gguf"], scratch["\(isStated).gguf"]) {
        $0 += keys.filter { isStated || $0.key != key }
      }
      let found = Self.told(try Self.check(path, nil))
      #expect(found.map(\.severity) == (isStated ? [] : [.warning]) && found.allSatisfy { $0.subject == key })
      #expect(try Workflow.inspect(path).manifest.notes.contains { $0.hasPrefix(key) } == !isStated)
    }
  }
}
