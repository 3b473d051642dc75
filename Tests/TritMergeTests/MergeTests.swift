// Tritsmith tests: merging LoRA adapters.

import Testing
import TritCore
import TritFormats
import TritReport
import TritTestSupport
import WorkflowTestSupport

@testable import TritMerge
@testable import TritSurvey

/// An adapter for the tiny model, written by hand.
private struct Adapter {
  var settings = #""r": 2, "lora_alpha": 8"#
  var targets = #"["q_proj"]"#
  var tensors: [RawTensor] = []

  static let query = "base_model.model.model.layers.0.self_attn.q_proj"
  static let down = "base_model.model.model.layers.1.mlp.down_proj"

  /// Sixteenths below 1: exact products and sums.
  static func values(_ count: Int, seed: UInt32) -> [Float] {
    TinyModel.values(count, seed: seed).map { ($0 * 16).rounded() / 16 }
  }

  mutating func add(_ module: String, rows: Int, columns: Int, rank: Int = 2, seed: UInt32 = 5) {
    tensors.append(
      RawTensor(
        module + ".lora_A.weight", "F32", [rank, columns], FloatBytes.f32(Self.values(rank * columns, seed: seed))))
    tensors.append(
      RawTensor(
        module + ".lora_B.weight", "F32", [rows, rank], FloatBytes.f32(Self.values(rows * rank, seed: seed + 1))))
  }

  func write(_ folder: String) -> String {
    Disk.makeFolder(folder)
    Disk.write(
      #"{"peft_type": "LORA", "bias": "none", "target_modules": "# + targets + ", " + settings + "}",
      folder + "/adapter_config.json")
    Disk.write(RawModelFile(tensors).serialized, folder + "/adapter_model.safetensors")
    return folder
  }
}

@Suite struct MergeTests {
  private func merge(_ adapter: Adapter, dtype: String = "F32", _ scratch: ScratchFolder) throws -> MergeResult {
    let base = TinyModel().builder(dtype: dtype, dtype == "F32" ? FloatBytes.f32 : FloatBytes.bf16)
      .write(scratch["base"])
    let request = MergeRequest(base: base, adapter: adapter.write(scratch["adapter"]), output: scratch["out"])
    return try MergeWorkflow(request).run()
  }

  /// W + scaling · B·A, every number exact in Float.
  private func expected(_ base: [Float], rows: Int, columns: Int, rank: Int, scaling: Float, seed: UInt32) -> [Float] {
    let a = Adapter.values(rank * columns, seed: seed)
    let b = Adapter.values(rows * rank, seed: seed + 1)
    var result = base
    for row in 0..<rows {
      for column in 0..<columns {
        var product: Float = 0
        for k in 0..<rank { product += b[row * rank + k] * a[k * columns + column] }
        result[row * columns + column] += scaling * product
      }
    }
    return result
  }

  @Test("alpha / r is added, all else is copied", arguments: ["F32", "BF16"])
  func merges(_ dtype: String) throws {
    let scratch = ScratchFolder()
    var adapter = Adapter()
    adapter.add(Adapter.query, rows: 8, columns: 24)
    let result = try merge(adapter, dtype: dtype, scratch)
    #expect(result.tensors.map(\.name) == [TinyModel.query])
    let before = RawModelFile.tensors(ofFolder: scratch["base"])
    let after = RawModelFile.tensors(ofFolder: scratch["out"])
    let values = expected(TinyModel.values(192, seed: 1), rows: 8, columns: 24, rank: 2, scaling: 4, seed: 5)
    // One rounding, to the type of the base.
    let bytes = dtype == "F32" ? FloatBytes.f32(values) : values.flatMap { littleEndianBytes(BFloat16($0).bits) }
    #expect(after[name: TinyModel.query].bytes == bytes)
    #expect(before.filter { $0.name != TinyModel.query } == after.filter { $0.name != TinyModel.query })
    expectCompanions(of: scratch["base"], in: scratch["out"])
    #expect(Disk.bytes(scratch["base"] + "/config.json") == Disk.bytes(scratch["out"] + "/config.json"))
  }

  @Test("a file of an adapter stands for its folder", arguments: ["adapter_model.safetensors", "adapter_config.json"])
  func filesOfAnAdapter(_ name: String) throws {
    let scratch = ScratchFolder()
    var adapter = Adapter()
    adapter.add(Adapter.query, rows: 8, columns: 24)
    let base = TinyModel().builder(dtype: "F32", FloatBytes.f32).write(scratch["base"])
    let folder = adapter.write(scratch["adapter"])
    for (path, output) in [(folder, scratch["one"]), (folder + "/" + name, scratch["two"])] {
      _ = try MergeWorkflow(MergeRequest(base: base, adapter: path, output: output)).run()
    }
    let merged = RawModelFile.tensors(ofFolder: scratch["two"])
    #expect(merged == RawModelFile.tensors(ofFolder: scratch["one"]))
    #expect(merged != RawModelFile.tensors(ofFolder: base))
    // Nothing is written into that folder.
    let inside = MergeRequest(base: base, adapter: folder + "/" + name, output: folder + "/merged")
    #expect(throws: (any Error).self) { try MergeWorkflow(inside).run() }
    #expect(Disk.names(folder) == ["adapter_config.json", "adapter_model.safetensors"])
  }

  @Test("patterns of rank and alpha, and rank-stabilized scaling")
  func patterns() throws {
    let scratch = ScratchFolder()
    var adapter = Adapter(targets: #"["q_proj", "down_proj"]"#)
    adapter.settings =
      #""r": 2, "lora_alpha": 8, "use_rslora": true, "rank_pattern": {"down_proj": 4}, "alpha_pattern": {"layers.1.mlp.down_proj": 6}"#
    adapter.add(Adapter.query, rows: 8, columns: 24)
    adapter.add(Adapter.down, rows: 12, columns: 20, rank: 4, seed: 9)
    let result = try merge(adapter, scratch)
    #expect(result.tensors.map(\.scaling) == [8 / 2.0.squareRoot(), 6 / 2])
    #expect(result.tensors.map(\.rank) == [2, 4])
    let after = RawModelFile.tensors(ofFolder: scratch["out"])
    let values = expected(TinyModel.values(240, seed: 2), rows: 12, columns: 20, rank: 4, scaling: 3, seed: 9)
    #expect(after[name: TinyModel.down].bytes == FloatBytes.f32(values))
  }

  @Test("what is not finite in the adapter is said of the adapter", arguments: [Float.nan, .infinity])
  func adapterNotFinite(_ value: Float) throws {
    let scratch = ScratchFolder()
    var adapter = Adapter()
    adapter.add(Adapter.query, rows: 8, columns: 24)
    adapter.tensors[0].bytes.replaceSubrange(12..<16, with: FloatBytes.f32([value]))
    let error = #expect(throws: MergeError.self) { try merge(adapter, scratch) }
    #expect(error?.kind == .adapterNotFinite(index: 3, value: "\(value)"))
    #expect(error?.location.file == scratch["adapter"] + "/adapter_model.safetensors")
    #expect(error?.location.tensor == Adapter.query + ".lora_A.weight")
    #expect(error?.remedy?.contains("earlier checkpoint of the adapter") == true)
    #expect(Disk.names(scratch.path) == ["adapter", "base"])
  }

  /// Finite matrices whose product, or whose sum with the base, is too large for the type of the base.
  @Test("an overflow is said of the adapter", arguments: ["F32", "BF16"])
  func overflow(_ dtype: String) throws {
    let scratch = ScratchFolder()
    var adapter = Adapter()
    adapter.add(Adapter.query, rows: 8, columns: 24)
    for index in adapter.tensors.indices {
      let count = adapter.tensors[index].bytes.count / 4
      adapter.tensors[index].bytes = FloatBytes.f32([Float](repeating: 1e21, count: count))
    }
    let error = #expect(throws: MergeError.self) { try merge(adapter, dtype: dtype, scratch) }
    #expect(error?.kind == .notFinite(index: 0))
    #expect(error?.location.file == scratch["adapter"] + "/adapter_model.safetensors")
    #expect(error?.location.tensor == TinyModel.query)
    #expect(error?.remedy?.contains("adapter") == true)
    #expect(Disk.names(scratch.path) == ["adapter", "base"])
  }

  @Test("what is not finite in the base is said of the base", arguments: [TinyModel.query, "model.norm.weight"])
  func baseNotFinite(_ tensor: String) throws {
    let scratch = ScratchFolder()
    var base = TinyModel().builder()
    base.file[tensor].bytes.replaceSubrange(4..<6, with: [0xC0, 0x7F])
    var adapter = Adapter()
    adapter.add(Adapter.query, rows: 8, columns: 24)
    let request = MergeRequest(
      base: base.write(scratch["base"]), adapter: adapter.write(scratch["adapter"]), output: scratch["out"])
    let error = #expect(throws: MergeError.self) { try MergeWorkflow(request).run() }
    #expect(error?.kind == .baseNotFinite(index: 2, value: "nan"))
    #expect(error?.location.file == scratch["base"] + "/model.safetensors" && error?.location.tensor == tensor)
  }

  @Test("layers are folded: a merge into 32 of them fits a screen")
  func screen() throws {
    let shape = try #require(TensorShape(rows: 8, columns: 8))
    let tensors = (0..<32).flatMap { layer in
      ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.down_proj"].map { name in
        MergedTensor(
          name: "model.layers.\(layer).\(name).weight", shape: shape, rank: 8, scaling: 2,
          relativeChange: 0.25 + Double(layer) / 64, flips: layer, scales: (0.5, 0.25))
      }
    }
    let result = MergeResult(
      request: MergeRequest(base: "base", adapter: "adapter", output: "out"), quantizer: "absmean-bf16",
      tensors: tensors, copied: 67, warnings: [], writtenBytes: 1000, seconds: 1)
    let lines = TextRenderer(width: 80, showsDetails: false).text(of: result.report).split(
      separator: "\n", omittingEmptySubsequences: false
    ).dropLast()
    #expect(lines.count <= 24 && lines.first?.hasPrefix("PASS ") == true, "\(lines)")
    #expect(lines.contains("Tensor: model.layers.0–31.….weight"), "\(lines)")
    let row = try #require(lines.first { $0.hasPrefix("self_attn.q_proj ") })
    // 31 of 64 trits are 48.4375 %.
    for text in ["0–31", "0.000–48.438 %", "0.25–0.73"] { #expect(row.contains(text), "\(row)") }
    #expect(lines.allSatisfy { $0.count <= 80 } && lines.last == "--all also shows: more facts", "\(lines)")
  }

  @Test("flips are counted against the base")
  func flips() throws {
    let scratch = ScratchFolder()
    var adapter = Adapter()
    adapter.add(Adapter.query, rows: 8, columns: 24)
    let result = try merge(adapter, scratch)
    try Workflow.convert(scratch["base"], scratch["before"], to: .hfPacked)
    try Workflow.convert(scratch["out"], scratch["after"], to: .hfPacked)
    let trits = ["before", "after"].map {
      RawModelFile.tensors(ofFolder: scratch[$0])[name: TinyModel.query].unpackedTrits
    }
    let flips = zip(trits[0], trits[1]).count { $0 != $1 }
    #expect(flips > 0)
    #expect(result.tensors[0].flips == flips)
  }

  @Test(
    "what is no plain LoRA is refused, and nothing is written",
    arguments: [
      (#""r": 2, "lora_alpha": 8, "use_dora": true"#, "DoRA"),
      (#""r": 2, "lora_alpha": 8, "modules_to_save": ["lm_head"]"#, "a whole module"),
      (#""r": 2, "lora_alpha": 8, "bias": "all""#, "a trained bias"),
      (#""r": 2, "lora_alpha": 8, "lora_bias": true"#, "a bias of the adapter"),
      (#""r": 2, "lora_alpha": 8, "init_lora_weights": "pissa""#, "an initialization"),
      (#""r": 2, "lora_alpha": 8, "rank_pattern": {"q.*proj": 2}"#, "a regular expression"),
      (#""r": 3, "lora_alpha": 8"#, "has rank 2, the configuration says 3"), (#""r": 2"#, "expected a number"),
      (#""r": 0, "lora_alpha": 8"#, "expected r above 0"), (#""r": 2.5, "lora_alpha": 8"#, "expected r above 0"),
      (#""r": 2, "lora_alpha": 8, "fan_in_fan_out": true"#, "stored transposed"),
      (#""r": 2, "lora_alpha": 8, "peft_type": "IA3""#, "an adapter of type IA3"),
      (#""r": 2, "lora_alpha": 8, "target_modules": ["v_proj"]"#, "is not among"),
      (#""r": 2, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"]"#, "no matrices for"),
      (
        #""r": 2, "lora_alpha": 8, "layers_to_transform": 1, "target_modules": ["q_proj", "down_proj"]"#,
        "no matrices for"
      ),
    ])
  func refusals(_ settings: String, _ reason: String) {
    let scratch = ScratchFolder()
    var adapter = Adapter()
    adapter.settings = settings
    adapter.add(Adapter.query, rows: 8, columns: 24)
    let error = #expect(throws: MergeError.self) { try merge(adapter, scratch) }
    #expect(error?.summary.contains(reason) == true, "\(error?.summary ?? "")")
    #expect(Disk.names(scratch.path).sorted() == ["adapter", "base"])
  }

  @Test(
    "modules the configuration leaves out are not missed",
    arguments: [
      #""layers_to_transform": [0]"#, #""layers_to_transform": 0, "layers_pattern": "layers""#,
      #""exclude_modules": ["mlp.down_proj"]"#, #""exclude_modules": ".*down_proj""#,
    ])
  func parts(_ settings: String) throws {
    var adapter = Adapter(targets: #"["q_proj", "down_proj"]"#)
    adapter.settings += ", " + settings
    adapter.add(Adapter.query, rows: 8, columns: 24)
    #expect(try merge(adapter, ScratchFolder()).tensors.map(\.name) == [TinyModel.query])
  }

  @Test("tensors that do not fit the base are refused")
  func misfits() {
    for (module, rows, columns) in [
      (Adapter.query, 8, 23), (Adapter.query, 7, 24), ("base_model.model.model.layers.7.self_attn.q_proj", 8, 24),
    ] {
      var adapter = Adapter()
      adapter.add(module, rows: rows, columns: columns)
      #expect(throws: MergeError.self) { try merge(adapter, ScratchFolder()) }
    }
    var half = Adapter()
    half.add(Adapter.query, rows: 8, columns: 24)
    half.tensors.removeLast()
    #expect(throws: MergeError.self) { try merge(half, ScratchFolder()) }
    var other = Adapter()
    other.add(Adapter.query, rows: 8, columns: 24)
    other.tensors.append(RawTensor("base_model.model.lm_head.weight", "F32", [1, 1], [0, 0, 0, 0]))
    #expect(throws: MergeError.self) { try merge(other, ScratchFolder()) }
  }

  @Test("a packed base is refused")
  func packedBase() {
    let scratch = ScratchFolder()
    var adapter = Adapter()
    adapter.add(Adapter.query, rows: 256, columns: 256)
    let request = MergeRequest(
      base: Checkpoint.bitnet, adapter: adapter.write(scratch["adapter"]), output: scratch["out"])
    #expect(throws: MergeError.self) { try MergeWorkflow(request).run() }
  }
}
