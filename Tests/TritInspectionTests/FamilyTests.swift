// Tritsmith tests: families, and what scales mean.

import Testing
import TritCore
import TritFormats
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritEvaluation
@testable import TritInspection
@testable import TritSurvey

@Suite("Family")
struct FamilyTests {
  @Test("three revisions, and the folder they lie in")
  func revisions() throws {
    let result = try Workflow.family(Checkpoint.prequantized, Checkpoint.bitnet, Checkpoint.bfloat16)
    #expect(result.passed && result.families == 1)
    #expect(
      result.proofs.map(\.equation) == [
        "trits(quantize(prequantized)) = trits(bitnet)", "trits(quantize(prequantized)) = sign(bfloat16)",
        "trits(bitnet) = sign(bfloat16)",
      ])
    #expect(result.proofs.allSatisfy { $0.trits == 3_145_728 && $0.mismatches == 0 && $0.scalesAgree == true })
    // Hashed by numpy (Docs/Numerics.md).
    let stream = "4967c5e4083cceb77785709353c3dacab7076dcf68a1c2809ad4aacd06453f95"
    #expect(result.members.map { $0.codeStream?.description } == [nil, stream, stream])
    let folder = try Workflow.family(Fixtures.checkpoint("falcon-e-tiny"))
    #expect(folder.passed && folder.members.count == 4 && folder.notes.count == 1)
    #expect(try Workflow.family(Checkpoint.master, Checkpoint.packed).passed)
  }

  @Test("one changed trit, scale or norm is found and named")
  func changes() throws {
    let scratch = ScratchFolder()
    let name = "model.layers.3.self_attn.v_proj.weight"
    var trit = ChangedModel(Checkpoint.bitnet)
    // Row 5 is in the lowest bits of its byte: code 0, 1, 2 becomes 1, 2, 0.
    let byte = trit.file[name].bytes[5 * 256 + 7]
    trit.file[name].bytes[5 * 256 + 7] = byte & 0xFC | (byte & 3) &+ 1 &- ((byte & 3) == 2 ? 3 : 0)
    let first = try Workflow.family(
      Checkpoint.prequantized, trit.write(scratch["trit"]), Checkpoint.bfloat16)
    #expect(!first.passed && first.members.map(\.family) == [1, 2, 1])
    #expect(first.proofs.map(\.holds) == [false, true, false])
    for proof in first.proofs where !proof.holds {
      #expect(proof.firstTensor == name && proof.mismatches == 1 && proof.scalesAgree == true)
      #expect(proof.detail.contains("row 5, column 7"), "\(proof.detail)")
    }
    var scale = ChangedModel(Checkpoint.bitnet)
    scale.file[name + "_scale"].bytes[0] ^= 1
    let second = try Workflow.family(Checkpoint.prequantized, scale.write(scratch["scale"]))
    #expect(second.proofs.map(\.firstTensor) == [name] && second.proofs.map(\.scalesAgree) == [false])
    #expect(second.proofs.map(\.mismatches) == [0])
    var norm = ChangedModel(Checkpoint.bitnet)
    norm.file["model.norm.weight"].bytes[0] ^= 1
    let third = try Workflow.family(norm.write(scratch["norm"]), Checkpoint.bfloat16)
    #expect(!third.passed && third.proofs.map(\.firstTensor) == ["model.norm.weight"])
  }

  @Test("where tokenizers alone differ the verdict says that weights are equal")
  func tokenizers() throws {
    let scratch = ScratchFolder()
    let text = Disk.text(Checkpoint.bitnet + "/tokenizer.json")
    let merge = "\"merges\": [\n      [\n        \"t\",\n        \"h\"\n      ],"
    try #require(text.contains(merge))
    var model = ChangedModel(Checkpoint.bitnet)
    model.files["tokenizer.json"] = Array(text.replacing(merge, with: "\"merges\": [").utf8)
    let result = try Workflow.family(Checkpoint.bitnet, model.write(scratch["other"]))
    #expect(!result.passed && result.proofs.map(\.differingParts) == [[.tokenizer]])
    let verdict = TextRenderer().text(of: result.report)
    #expect(verdict.hasPrefix("FAIL weights are equal in both models, and their tokenizers differ\n"), "\(verdict)")
    #expect(verdict.contains("trits(bitnet) = trits(other) holds") && !verdict.contains("does not hold"))
  }

  @Test("pairs that do not hold lead the verdict, and what could not be compared is told first")
  func uncompared() {
    let proofs = [(0, 1), (0, 2), (1, 2)].map { first, second in
      var proof = FamilyProof(
        first: first, second: second, equation: "m\(first) = m\(second)", holds: false, tensors: 0, trits: 0,
        mismatches: 0, detail: second == 2 && first == 1 ? "not compared: m2 ends early" : "codes differ")
      proof.isCompared = first == 0
      return proof
    }
    let members = (0..<3).map { FamilyMember(path: "m\($0)", format: "gguf", kind: .packed, family: $0 + 1) }
    let lines = TextRenderer().text(of: FamilyResult(members: members, proofs: proofs, notes: []).report)
      .split(separator: "\n")
    #expect(lines.first == "FAIL 2 of 3 pairs do not hold, and 1 could not be compared", "\(lines)")
    #expect(lines.first { $0.hasPrefix("error: ") } == "error: m1 = m2: not compared: m2 ends early", "\(lines)")
  }

  @Test("a member that cannot be read has a row and its reason, and the others are compared")
  func unreadable() throws {
    let scratch = ScratchFolder()
    let broken = ChangedModel(Checkpoint.bitnet).write(scratch["broken"])
    Disk.write("{\"a\": [", broken + "/config.json")
    let result = try Workflow.family(broken, Checkpoint.bitnet, Checkpoint.bfloat16)
    #expect(!result.passed && result.members.map(\.family) == [0, 1, 1] && result.families == 1)
    #expect(result.members.map { $0.fault == nil } == [false, true, true] && result.proofs.map(\.holds) == [true])
    let lines = TextRenderer().text(of: result.report).split(separator: "\n")
    let verdict = "FAIL 1 of 3 models cannot be read; the other 2 are forms of one model"
    #expect(lines.first.map(String.init) == verdict, "\(lines)")
    #expect(lines.contains { $0.contains(broken) && $0.contains("unreadable") }, "\(lines)")
    let error = lines.first { $0.hasPrefix("error: ") }
    #expect(error?.contains("\(broken) cannot be read: config.json: the file is not valid JSON") == true, "\(lines)")
    #expect(error?.contains("fetch the file again") == true, "\(lines)")
    // One model left to read is nothing to compare, and a path that is not there a mistake of the call.
    #expect(throws: (any Error).self) { try Workflow.family(broken, Checkpoint.bitnet) }
    #expect(throws: (any Error).self) {
      try Workflow.family(scratch["none"], Checkpoint.bitnet, Checkpoint.bfloat16)
    }
  }

  @Test("a folder around one file is a member, as it is a model to inspect")
  func folders() throws {
    let scratch = ScratchFolder()
    for name in ["all", "all/first", "all/second"] { Disk.makeFolder(scratch[name]) }
    for name in ["first", "second"] {
      try Workflow.convert(Checkpoint.bitnet, scratch["all/\(name)/m.gguf"], to: .gguf)
    }
    let result = try Workflow.family(scratch["all"])
    #expect(result.passed && result.members.count == 2 && result.notes.isEmpty)
  }

  @Test("other models do not belong, other formats do")
  func formats() throws {
    let scratch = ScratchFolder()
    let other = try Workflow.family(Checkpoint.plain, Checkpoint.bitnet)
    #expect(!other.passed && other.families == 2)
    let tritpack = scratch["model.tritpack"]
    let gguf = scratch["model.gguf"]
    try Workflow.convert(Checkpoint.prequantized, tritpack, to: .tritpack)
    try Workflow.convert(Checkpoint.prequantized, gguf, to: .gguf)
    let result = try Workflow.family(Checkpoint.prequantized, tritpack, gguf, Checkpoint.bitnet)
    #expect(result.passed, "\(result.proofs)")
    #expect(try Workflow.family(scratch.path).members.count == 2)
    #expect(throws: FamilyError(.tooFew(found: 1), file: tritpack)) {
      try Workflow.family(tritpack)
    }
  }
}

@Suite("Scale proof")
struct ScaleProofTests {
  static func finding(_ path: String, _ proof: ScaleProof) throws -> ScaleFinding {
    var request = InspectRequest(path: path)
    request.proof = proof
    return try InspectWorkflow(request).run().manifest.scaleFinding
  }

  @Test("siblings and activations prove both conventions, whatever the sibling's form")
  func proofs() throws {
    for (path, siblings, convention) in [
      (Checkpoint.bitnet, [Checkpoint.prequantized, Checkpoint.bfloat16], ScaleConvention.divide),
      (Checkpoint.packed, [Checkpoint.master], .multiply),
    ] {
      for sibling in siblings {
        let finding = try ScaleProofTests.finding(path, ScaleProof(sibling: sibling, usesActivations: true))
        #expect(finding.convention == convention)
        let proofs = finding.evidence.filter { $0.origin == .sibling || $0.origin == .activations }
        #expect(proofs.map(\.convention) == [convention, convention], "\(finding)")
      }
    }
  }

  @Test("a configuration that says the opposite is contradicted, and nothing is computed with it")
  func contradiction() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.replace("\"quant_method\": \"bitnet\"", "\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\"")
    let path = model.write(scratch["model"])
    for proof in [ScaleProof(sibling: Checkpoint.prequantized), ScaleProof(usesActivations: true)] {
      let finding = try ScaleProofTests.finding(path, proof)
      #expect(finding.convention == nil && finding.isConflicting)
      #expect(finding.evidence.last?.convention == .divide)
    }
    var request = ValidateRequest(path: path, against: Checkpoint.prequantized)
    request.inputs = [.ids("1 2 3")]
    #expect(throws: FormatError.self) { try ValidateWorkflow(request).run() }
  }

  @Test("without a configuration a sibling decides; one of another model does not")
  func undecided() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.without = ["config.json"]
    let path = model.write(scratch["model"])
    #expect(try ScaleProofTests.finding(path, ScaleProof()).convention == nil)
    let proved = try ScaleProofTests.finding(path, ScaleProof(sibling: Checkpoint.prequantized))
    #expect(proved.convention == .divide && !proved.isConflicting)
    let other = try ScaleProofTests.finding(path, ScaleProof(sibling: Checkpoint.plain))
    #expect(other.convention == nil && other.evidence.last?.convention == nil)
  }

  @Test("validation says what scales mean, with a dense reference as a witness")
  func validation() throws {
    var request = ValidateRequest(path: Checkpoint.bitnet, against: Checkpoint.bfloat16)
    request.inputs = [.ids("1 47 287")]
    request.options.mode = .fast
    let scale = try ValidateWorkflow(request).run().model.scale
    #expect(scale.convention == .divide)
    #expect(scale.evidence.map(\.origin) == [.configuration, .magnitude, .sibling])
  }
}
