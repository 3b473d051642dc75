// Tritsmith: plans for dense models with scales of groups: tables, copies, small groups, single wrong weights, binary types.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Plans for models with scales of groups")
struct GroupedPlanTests {
  private static let down = "model.layers.0.mlp.down_proj.weight"
  private static let table = "model.embed_tokens.weight"

  /// The model with the F16 numbers of some matrices changed.
  private static func folder(
    _ path: String, _ names: [String]? = nil, _ change: (inout [UInt16]) -> Void
  ) -> String {
    let place = Bonsai.folder(path)
    var tensors = RawModelFile(reading: place + "/model.safetensors").tensors
    for index in tensors.indices where names?.contains(tensors[index].name) ?? (tensors[index].shape.count == 2) {
      var numbers = LittleEndian.u16s(tensors[index].bytes)
      change(&numbers)
      tensors[index].bytes = numbers.flatMap { LittleEndian.bytes($0) }
    }
    Disk.write(RawModelFile(tensors).serialized, place + "/model.safetensors")
    return place
  }

  /// Every second 32 weights with twice the scale: 1 more in the exponent.
  private static func smallGroups(_ path: String) -> String {
    folder(path) { numbers in
      for index in numbers.indices where index / 32 % 2 == 1 && numbers[index] & 0x7FFF != 0 {
        numbers[index] += 0x0400
      }
    }
  }

  private func next(_ path: String) throws -> String {
    guard case .text(let text)? = try Workflow.inspect(path).overview.facts.first(where: { $0.key == "next" })?.value
    else { return "" }
    return text
  }

  @Test("embedding and head go into TritPack as trits, and come out as the other programs' blocks")
  func tables() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["a.tritpack"], to: .tritpack)
    let packed = try FormatRegistry.open(scratch["a.tritpack"]).manifest.tensors.compactMap(\.scale)
    #expect(packed.count == 9)
    #expect(packed.allSatisfy { $0.granularity == .group(columns: 128) && $0.storage == .f16 })
    for weights in Bonsai.layouts {
      try Workflow.bonsai(scratch["a.tritpack"], scratch["\(weights).gguf"], weights)
      #expect(try Bonsai.wrong(scratch["\(weights).gguf"], weights) == [])
    }
    // One scale for a tensor would be rounded to bfloat16: such a table stays as it is.
    let single = Self.folder(scratch["single"], [Self.table]) { numbers in
      for index in numbers.indices where numbers[index] & 0x7FFF != 0 {
        numbers[index] = numbers[index] & 0x8000 | 0x2F81
      }
    }
    try Workflow.convert(single, scratch["b.tritpack"], to: .tritpack)
    let kept = try FormatRegistry.open(scratch["b.tritpack"]).manifest.tensor(named: Self.table)
    #expect(kept?.encoding == .dense(.f16))
  }

  @Test("what is dense and ternary already is copied to dense, byte for byte, and that is said")
  func copies() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let result = try Workflow.convert(source, scratch["dense"], to: .dense)
    #expect(differences(ofFolders: scratch["dense"], source) == [])
    #expect(result.audit.passed && result.plan.ternaryCount == 7)
    #expect(result.plan.warnings.contains { $0.contains("7 matrices") && $0.contains("copied") })
  }

  @Test("groups of 32 are found, kept exactly, and refused by blocks of 64")
  func groupsOf32() throws {
    let scratch = ScratchFolder()
    let source = Self.smallGroups(scratch["source"])
    #expect(try Workflow.inspect(source).survey.finest == .group(columns: 32))
    for (name, target) in [("a.tritpack", ConversionTarget.tritpack), ("mlx", .mlx)] {
      try Workflow.convert(source, scratch[name], to: target)
      let scales = try FormatRegistry.open(scratch[name]).manifest.tensors.compactMap(\.scale)
      #expect(scales.count == 9 && scales.allSatisfy { $0.granularity == .group(columns: 32) }, "\(name)")
      try Workflow.convert(scratch[name], scratch["dense-\(target.rawValue)"], to: .dense)
      #expect(differences(ofFolders: scratch["dense-\(target.rawValue)"], source) == [], "\(name)")
    }
    let error = #expect(throws: WorkflowError.self) { try Workflow.bonsai(source, scratch["a.gguf"], .q2) }
    guard case .scalesDiffer(let misfit, "Q2_0", "group of 64 weights")? = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(misfit.columns.count == 64 && misfit.second == 2 * misfit.first)
  }

  @Test("a single wrong weight is named by row, column and both magnitudes", arguments: [37, 32])
  func wrongWeight(_ row: Int) throws {
    let scratch = ScratchFolder()
    let place = row * 256 + 5
    var expected: UInt16 = 0
    func spoil(_ numbers: inout [UInt16]) {
      expected = numbers[row * 256..<row * 256 + 128].map { $0 & 0x7FFF }.max() ?? 0
      numbers[place] = 0x3557
    }
    let projection = Self.folder(scratch["projection"], [Self.down], spoil)
    let wanted = TernaryBreak(
      row: row, column: 5, found: HalfFloat(bits: 0x3557).float, expected: HalfFloat(bits: expected).float,
      brokenRows: 1, rows: 256)
    for target in [ConversionTarget.tritpack, .gguf, .mlx] {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(projection, scratch["out"], to: target) {
          $0.gguf.weights = .pq2
          $0.gguf.hasTokenizer = false
        }
      }
      #expect(error?.kind == .partlyTernary(wanted) && error?.location.tensor == Self.down, "\(target)")
      #expect(error?.summary.contains("row \(row), column 5") == true)
    }
    let table = Self.folder(scratch["table"], [Self.table], spoil)
    let result = try Workflow.bonsai(table, scratch["a.gguf"], .pq2)
    #expect(
      result.plan.warnings.contains {
        $0.contains(Self.table) && $0.contains("row \(row), column 5 has magnitude 0.33")
      })
    for (path, name) in [(projection, Self.down), (table, Self.table)] {
      let found = try CheckWorkflow(CheckRequest(path: path)).run().findings.filter { $0.rule == .mixedForms }
      #expect(found.map(\.subject) == [name] && found.first?.detail.contains("row \(row), column 5") == true)
      #expect(found.first?.severity == .warning)
    }
    let sound = try CheckWorkflow(CheckRequest(path: Bonsai.folder(scratch["sound"]))).run()
    #expect(!sound.findings.contains { $0.rule == .mixedForms })
  }

  @Test("the next command is one that the scales allow")
  func nextCommand() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    for path in [source, scratch["mlx"]] { #expect(try next(path).hasSuffix(" model.gguf --layout Q2_0"), "\(path)") }
    #expect(try next(Self.smallGroups(scratch["small"])).hasSuffix(" OUTPUT.tritpack"))
    // One scale for each tensor.
    #expect(try next(Checkpoint.bfloat16).hasSuffix(" OUTPUT --to hf-packed"))
    #expect(try next(Checkpoint.bitnet).hasSuffix(" model.gguf"))
  }

  /// The model with every matrix in Q1_0: the scales of its blocks, and bits in the place of codes.
  private static func binary(_ scratch: ScratchFolder) throws -> String {
    try Workflow.bonsai(Bonsai.folder(scratch["unpacked"]), scratch["pq2.gguf"], .pq2)
    let source = try GGUFSource(path: scratch["pq2.gguf"])
    var generator = SeededGenerator(seed: 3)
    var described: [GGUFTensor] = []
    var data: [UInt8] = []
    for (tensor, stored) in zip(source.manifest.tensors, try ggufTensors(scratch["pq2.gguf"])) {
      var bytes = stored.bytes
      if stored.type == "PQ2_0" {
        bytes = stride(from: 0, to: stored.bytes.count, by: 34).flatMap { start in
          stored.bytes[start..<start + 2] + (0..<16).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        }
      }
      described.append(
        GGUFTensor(
          name: tensor.name, shape: tensor.shape, type: stored.type == "PQ2_0" ? 41 : 0, byteCount: bytes.count))
      data += bytes + [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32)
    }
    let entries = source.manifest.entries.filter { $0.key != Recipe.ggufKey }
    Disk.write(GGUFPlan(entries: entries, tensors: described).header + data, scratch["q1.gguf"])
    return scratch["q1.gguf"]
  }

  /// llama.cpp, `dequantize_row_q1_0`: bit j of a block set is d, clear −d.
  @Test("binary weights are never called ternary: refused as trits, and exact as F16")
  func binaryWeights() throws {
    let scratch = ScratchFolder()
    let path = try Self.binary(scratch)
    let inspected = try Workflow.inspect(path)
    #expect(inspected.survey.kind == .ordinary && inspected.survey.binaryType == "Q1_0")
    #expect(inspected.verdict(withEvidence: false).headline.contains("binary weights (Q1_0)"))
    for target in [ConversionTarget.tritpack, .mlx, .hfPacked, .gguf] {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(path, scratch["out"], to: target) { $0.gguf.weights = .q2 }
      }
      #expect(error?.kind == .binaryWeights("Q1_0"), "\(target)")
    }
    let stored = try #require(try ggufTensors(path).first { $0.name == "blk.0.ffn_down.weight" })
    let wanted = stride(from: 0, to: stored.bytes.count, by: 18).flatMap { start in
      let scale = UInt16(stored.bytes[start]) | UInt16(stored.bytes[start + 1]) << 8
      return (0..<128).map { bit in
        stored.bytes[start + 2 + bit / 8] >> (bit % 8) & 1 == 1 ? scale : scale ^ 0x8000
      }
    }
    let result = try Workflow.convert(path, scratch["dense"], to: .dense)
    #expect(result.plan.ternaryCount == 0)
    let dense = RawModelFile.tensors(ofFolder: scratch["dense"])[name: Self.down]
    #expect(dense.dtype == "F16" && LittleEndian.u16s(dense.bytes) == wanted)
    try Workflow.bonsai(path, scratch["f16.gguf"], .f16)
    let written = try #require(try ggufTensors(scratch["f16.gguf"]).first { $0.name == "blk.0.ffn_down.weight" })
    #expect(written.type == "F16" && LittleEndian.u16s(written.bytes) == wanted)
    let verified = try Workflow.verify(path, scratch["dense"]) { $0.parts = [.weights, .description] }
    #expect(verified.passed && !verified.tensors.contains(where: \.isTernary))
  }
}
