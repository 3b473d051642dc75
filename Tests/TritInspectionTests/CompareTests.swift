// Tritsmith: two models held against each other.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Comparing two models")
struct CompareTests {
  /// The packed checkpoint with something changed.
  private func changed(_ folder: String, _ change: (inout RawModelFile) -> Void) -> String {
    var model = ModelFolderBuilder(
      RawModelFile.tensors(ofFolder: Checkpoint.packed), configuration: Disk.text(Checkpoint.packed + "/config.json"))
    change(&model.file)
    return model.write(folder)
  }

  private static let down = "model.layers.1.mlp.down_proj.weight"

  @Test("a model is the same as itself, and its report says so")
  func same() throws {
    let result = try Workflow.compare(Checkpoint.packed, Checkpoint.packed)
    #expect(result.isSame && result.hints.isEmpty && result.tensors.allSatisfy { $0.outcome == .equal })
    #expect(result.tensors.count { $0.isTernary } == 14)
    let json = try JSONValue.parse(Array(JSONRenderer().text(of: result.report).utf8)).object
    #expect(json?["comparison"]?.object?["same"]?.bool == true)
  }

  @Test("one other trit: tensor, row and column", arguments: [(0, 0), (63, 767), (200, 5), (255, 767)])
  func trit(_ row: Int, _ column: Int) throws {
    let scratch = ScratchFolder()
    // Row r of 256 is place r div 64 of packed row r mod 64; 768 columns.
    let (byte, shift) = (row % 64 * 768 + column, UInt8(2 * (row / 64)))
    let before = RawModelFile.tensors(ofFolder: Checkpoint.packed)[name: Self.down].bytes[byte] >> shift & 3
    let after = (before + 1) % 3
    let other = changed(scratch["other"]) {
      $0[Self.down].bytes[byte] = $0[Self.down].bytes[byte] & ~(3 << shift) | after << shift
    }
    try Workflow.gguf(other, scratch["other.gguf"])
    for path in [other, scratch["other.gguf"]] {
      let result = try Workflow.compare(Checkpoint.packed, path)
      #expect(!result.isSame && result.firstHash != result.secondHash)
      let tensor = try #require(result.tensors.first { $0.outcome == .different })
      #expect(result.tensors.count { $0.outcome == .different } == 1)
      #expect(tensor.name == Self.down && tensor.count == 1 && tensor.detail == "1 code differs")
      let expected = ComparedTensor.Difference(
        row: row, column: column, first: "\(Int(before) - 1)", second: "\(Int(after) - 1)")
      #expect(tensor.differences == [expected])
    }
  }

  @Test("another scale, with the same codes")
  func scale() throws {
    let scratch = ScratchFolder()
    let other = changed(scratch["other"]) { $0[Self.down + "_scale"].bytes = FloatBytes.bf16([0.0625]) }
    let result = try Workflow.compare(Checkpoint.packed, other)
    let tensor = try #require(result.tensors.first { $0.outcome == .different })
    #expect(tensor.name == Self.down && tensor.count == 0 && tensor.detail.contains("0.0625"))
    #expect(tensor.secondScale?.multiplier() == 0.0625 && !result.isSame)
  }

  @Test("dense values: how many differ, and the first of them")
  func dense() throws {
    let scratch = ScratchFolder()
    let name = "model.embed_tokens.weight"
    let places = [(3, 7), (3, 8), (900, 255), (1535, 0)]
    let other = changed(scratch["other"]) { file in
      for (row, column) in places {
        file[name].bytes.replaceSubrange(
          2 * (row * 256 + column)..<2 * (row * 256 + column) + 2, with: FloatBytes.bf16([96]))
      }
    }
    let result = try Workflow.compare(Checkpoint.packed, other, request: CompareRequest(limit: 3))
    let tensor = try #require(result.tensors.first { $0.name == name })
    #expect(tensor.outcome == .different && tensor.count == 4)
    #expect(tensor.differences.map(\.row) == [3, 3, 900] && tensor.differences.map(\.column) == [7, 8, 255])
    #expect(tensor.differences.allSatisfy { $0.second == "96.0" })
  }

  @Test("tensors that one side lacks or has in another shape")
  func structure() throws {
    let scratch = ScratchFolder()
    let other = changed(scratch["other"]) { file in
      file.tensors.removeAll { $0.name == "model.norm.weight" }
      file["model.layers.0.input_layernorm.weight"].shape = [2, 128]
      file.tensors.append(RawTensor("extra", "F32", [1], [0, 0, 0, 0]))
    }
    let result = try Workflow.compare(Checkpoint.packed, other)
    #expect(result.structure.count == 3 && !result.isSame)
    for name in ["model.norm.weight", "input_layernorm", "extra"] {
      #expect(result.structure.contains { $0.contains(name) })
    }
  }

  @Test("a layer that one side lacks is one line, and matrices stand before norms")
  func absentLayer() throws {
    let scratch = ScratchFolder()
    let lone = "model.layers.0.self_attn.q_proj.weight"
    let other = changed(scratch["other"]) { file in
      file.tensors.removeAll { $0.name.hasPrefix("model.layers.1.") || $0.name.hasPrefix(lone) }
      file.tensors.removeAll { $0.name == "model.layers.0.input_layernorm.weight" }
    }
    let missing = RawModelFile.tensors(ofFolder: Checkpoint.packed).count { tensor in
      tensor.name.hasPrefix("model.layers.1.") && !tensor.name.hasSuffix("_scale")
    }
    let lines = ["nothing of layer 1 is in the second", "'\(lone)' is only in the first"]
    let last = "'model.layers.0.input_layernorm.weight' is only in the first"
    let result = try Workflow.compare(Checkpoint.packed, other)
    #expect(result.structure == lines + [last] && result.unpairedCount == missing + 2, "\(result.structure)")
    let back = try Workflow.compare(other, Checkpoint.packed)
    #expect(back.structure.first == "nothing of layer 1 is in the first" && back.structure.count == 3)
    let verified = try Workflow.verify(Checkpoint.packed, other)
    #expect(verified.structure.first == "nothing of layer 1 is there" && verified.structure.count == 3)
    #expect(verified.firstProblem == "nothing of layer 1 is there")
  }

  @Test("rounding by a type is told, and is a difference with --exact")
  func exact() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.bitnet, scratch["tq.gguf"])
    try Workflow.gguf(Checkpoint.bitnet, scratch["i2s.gguf"], GGUFStyle(weights: .i2s))
    let loose = try Workflow.compare(Checkpoint.bitnet, scratch["tq.gguf"])
    #expect(loose.isSame && loose.tensors.contains { $0.outcome == .rounded && $0.detail.contains("ppm") })
    // f16 has 11 significant bits: half a unit in the last place is at most 2^-11 of the value, 488 ppm.
    for tensor in loose.tensors {
      guard let a = tensor.firstScale?.multiplier(), let b = tensor.secondScale?.multiplier() else { continue }
      #expect(abs(a - b) <= a * 0x1p-11)
    }
    #expect(try !Workflow.compare(Checkpoint.bitnet, scratch["tq.gguf"], request: CompareRequest(isExact: true)).isSame)
    // f32 holds 1/s to the last bit.
    #expect(try Workflow.compare(Checkpoint.bitnet, scratch["i2s.gguf"], request: CompareRequest(isExact: true)).isSame)
  }

  @Test("latents and trits are not compared as if they were alike")
  func latents() throws {
    let result = try Workflow.compare(Checkpoint.master, Checkpoint.packed)
    #expect(!result.isSame)
    #expect(result.tensors.filter(\.isTernary).allSatisfy { $0.detail.contains("verify") })
    // Nothing was counted, and nothing is said of rotated weights.
    let table = result.report.blocks.compactMap {
      if case .table(let table) = $0, table.key == "tensors" { table } else { nil }
    }
    let place = try #require(table.first?.columns.firstIndex { $0.key == "differing" })
    let rows = try #require(table.first?.rows)
    #expect(zip(rows, result.tensors).allSatisfy { ($0[place] == .missing) == ($1.outcome == .different) })
    #expect(!result.hints.contains { $0.contains("unfolding") }, "\(result.hints)")
  }

  @Test("a wrong byte order of I2_S is found out by a sibling", arguments: I2SOrder.allCases, I2SOrder.allCases)
  func byteOrder(_ written: I2SOrder, _ read: I2SOrder) throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.packed, scratch["model.gguf"], GGUFStyle(weights: .i2s, order: written))
    Disk.overwrite(GGUFSource.i2sOrderKey, with: "tritsmith.other_key", in: scratch["model.gguf"])
    for isSwapped in [false, true] {
      let file = try ModelOpener.open(scratch["model.gguf"], OpenOptions(i2sOrder: read))
      let sibling = try ModelOpener.open(Checkpoint.packed)
      let (first, second) = isSwapped ? (file, sibling) : (sibling, file)
      let result = try CompareWorkflow(first: first, second: second).run()
      let verified = try VerifyWorkflow(source: first, converted: second, request: VerifyRequest()).run()
      #expect(result.isSame == (written == read) && verified.passed == (written == read))
      for hints in [result.hints, verified.hints] {
        guard written != read else {
          #expect(hints.isEmpty)
          continue
        }
        #expect(hints.count == 1)
        #expect(hints.first?.contains("is probably \(written.rawValue)") == true)
        #expect(hints.first?.contains("--i2s-order \(written.rawValue)") == true)
      }
    }
  }

  @Test("latents find out a wrong byte order too, though no code is compared by `compare`")
  func byteOrderOfLatents() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Checkpoint.master, scratch["model.gguf"], GGUFStyle(weights: .i2s, order: .group64))
    Disk.overwrite(GGUFSource.i2sOrderKey, with: "tritsmith.other_key", in: scratch["model.gguf"])
    let file = try ModelOpener.open(scratch["model.gguf"], OpenOptions(i2sOrder: .group128))
    let result = try VerifyWorkflow(
      source: ModelOpener.open(Checkpoint.master), converted: file, request: VerifyRequest()
    ).run()
    #expect(!result.passed && result.hints.first?.contains("is probably group64") == true)
  }

  @Test("a packed matrix without its scale is named as that, not by the shape of its bytes")
  func withoutScale() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.remove { $0 == Self.down + "_scale" }
    let bare = model.write(scratch["bare"])
    for (first, second, side) in [(bare, Checkpoint.bitnet, "first"), (Checkpoint.bitnet, bare, "second")] {
      let text = "'\(Self.down)' is packed in the \(side), and its scale is not there"
      let result = try Workflow.compare(first, second)
      #expect(!result.isSame && result.structure.contains(text), "\(result.structure)")
    }
  }

  @Test("of weights that are zero on one side no rotation is spoken of")
  func zeros() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.plain)
    for index in model.file.tensors.indices where model.file.tensors[index].name.hasSuffix("o_proj.weight") {
      model.file.tensors[index].bytes = model.file.tensors[index].bytes.map { _ in 0 }
    }
    let zeros = model.write(scratch["zeros"])
    for (first, second) in [(zeros, Checkpoint.plain), (Checkpoint.plain, zeros)] {
      let result = try Workflow.compare(first, second)
      #expect(!result.isSame && result.hints.isEmpty, "\(result.hints)")
    }
  }

  @Test("no order explains weights that are simply others")
  func noOrder() throws {
    let scratch = ScratchFolder()
    let other = changed(scratch["other"]) { file in
      var random = SeededGenerator(seed: 3)
      for index in file.tensors.indices where file.tensors[index].dtype == "U8" {
        // Codes 0 to 2 only.
        file.tensors[index].bytes = random.trits(file.tensors[index].bytes.count).map { UInt8($0 + 1) * 0b0101_0101 }
      }
    }
    try Workflow.gguf(other, scratch["model.gguf"], GGUFStyle(weights: .i2s))
    let result = try Workflow.compare(Checkpoint.packed, scratch["model.gguf"])
    #expect(!result.isSame && result.hints.count == 1)
    // Neither does a rotation.
    #expect(result.hints.first?.contains("nothing in common") == true)
  }
}

@Suite("Factors beside GGUF weights")
struct GGUFFactorTests {
  /// A GGUF of one IQ2_BN matrix of 64 × 64 with `.scale` beside it, as ik_llama.cpp's converter makes bitnet models.
  private func file(_ path: String, factor: [UInt8], weightType: UInt32 = 135) throws {
    let shape = try #require(TensorShape([64, 64]))
    let one = try #require(TensorShape([1]))
    let byteCount = weightType == 135 ? IQ2BN().byteCount(shape) : 64 * 64 * 4
    let staging = try StagedOutput(.file, at: path, replacing: true)
    let sink = try GGUFSink(
      plan: GGUFPlan(
        entries: [MetadataEntry("general.architecture", .string("other"))],
        tensors: [
          GGUFTensor(name: "blk.0.attn_q.weight", shape: shape, type: weightType, byteCount: byteCount),
          GGUFTensor(name: "blk.0.attn_q.scale", shape: one, type: 0, byteCount: 4),
        ]), staging: staging)
    // Every row: peak 1.0, then codes 2, +1 throughout.
    let row = FloatBytes.f32([1]) + [UInt8](repeating: 0xAA, count: 16)
    let weights = weightType == 135 ? (0..<64).flatMap { _ in row } : FloatBytes.f32([Float](repeating: 1, count: 4096))
    try sink.write(weights.span.bytes, to: "blk.0.attn_q.weight", at: 0)
    try sink.write(factor.span.bytes, to: "blk.0.attn_q.scale", at: 0)
    try sink.finish()
    try staging.commit()
  }

  @Test("the factor belongs to the scale")
  func folded() throws {
    let scratch = ScratchFolder()
    try file(scratch["model.gguf"], factor: FloatBytes.f32([0.375]))
    let source = try ModelOpener.open(scratch["model.gguf"])
    #expect(source.manifest.tensors.count == 1)
    let tensor = try #require(source.manifest.tensors.first)
    #expect(try source.scale(of: tensor).multipliers == [0.375])
  }

  @Test("a factor of 1 is as none: the scale keeps what its type made of it, and dense weights are read")
  func one() throws {
    let scratch = ScratchFolder()
    let ones = FloatBytes.f32([1])
    try file(scratch["dense.gguf"], factor: ones, weightType: 0)
    let dense = try ModelOpener.open(scratch["dense.gguf"])
    let weights = try #require(dense.manifest.tensors.first)
    #expect(dense.manifest.tensors.count == 1)
    #expect(try dense.withBytes(0..<4, of: weights) { $0.copied } == ones)
    try Workflow.gguf(Checkpoint.bitnet, scratch["plain.gguf"])
    let shape = try #require(TensorShape([1]))
    let factor = GGUFTensor(name: "blk.0.attn_q.scale", shape: shape, type: 0, byteCount: 4)
    try ChangedGGUF.write(scratch["plain.gguf"], scratch["one.gguf"], adding: [(factor, ones)])
    for first in [Checkpoint.bitnet, scratch["plain.gguf"]] {
      #expect(try Workflow.compare(first, scratch["one.gguf"]).isSame, "\(first)")
    }
    try ChangedGGUF.write(scratch["plain.gguf"], scratch["two.gguf"], adding: [(factor, FloatBytes.f32([2]))])
    #expect(try !Workflow.compare(scratch["plain.gguf"], scratch["two.gguf"]).isSame)
  }

  @Test("a factor that is none, and one of dense weights, are errors")
  func refused() throws {
    let scratch = ScratchFolder()
    for value in [Float.nan, 0, -1, .infinity] {
      try file(scratch["model.gguf"], factor: FloatBytes.f32([value]))
      #expect(throws: GGUFModelError.self) { try ModelOpener.open(scratch["model.gguf"]) }
    }
    try file(scratch["dense.gguf"], factor: FloatBytes.f32([0.5]), weightType: 0)
    let source = try ModelOpener.open(scratch["dense.gguf"])
    let tensor = try #require(source.manifest.tensors.first)
    #expect(throws: GGUFModelError.self) { try source.withBytes(0..<4, of: tensor) { _ in } }
  }
}
