// Tritsmith: models packed for MLX, made of and made into every other form.

import Testing
import TritCore
import TritFormats
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers
import TritTestSupport

@testable import TritWorkflows

/// The model of `Bonsai` as MLX packs it, worked out here from its F16 numbers.
private enum Packed {
  /// Words, scales and biases of values −s, 0, +s with one s for each 128.
  static func parts(_ tensor: RawTensor) -> (words: [UInt8], scales: [UInt8], biases: [UInt8]) {
    let bits = LittleEndian.u16s(tensor.bytes)
    var (words, scales, biases): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
    for start in stride(from: 0, to: bits.count, by: 16) {
      var word: UInt32 = 0
      for place in 0..<16 {
        let value = bits[start + place]
        let code: UInt32 = value & 0x7FFF == 0 ? 1 : value & 0x8000 == 0 ? 2 : 0
        word += code << UInt32(2 * place)
      }
      words += (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
    }
    for start in stride(from: 0, to: bits.count, by: 128) {
      let magnitude = bits[start..<start + 128].map { $0 & 0x7FFF }.max() ?? 0
      scales += [UInt8(magnitude & 0xFF), UInt8(magnitude >> 8)]
      biases += [UInt8(magnitude & 0xFF), UInt8(magnitude >> 8 | 0x80)]
    }
    return (words, scales, biases)
  }

  /// Tensors of the folder that differ from what the unpacked one gives, by name.
  static func wrong(_ folder: String, _ unpacked: String) -> [String] {
    let written = Dictionary(
      uniqueKeysWithValues: RawModelFile.tensors(ofFolder: folder).map { ($0.name, $0) })
    var expected: [RawTensor] = []
    for tensor in RawModelFile.tensors(ofFolder: unpacked) {
      guard tensor.shape.count == 2 else {
        expected.append(tensor)
        continue
      }
      let stem = String(tensor.name.dropLast(".weight".count))
      let (rows, columns) = (tensor.shape[0], tensor.shape[1])
      let parts = parts(tensor)
      expected.append(RawTensor(stem + ".weight", "U32", [rows, columns / 16], parts.words))
      expected.append(RawTensor(stem + ".scales", "F16", [rows, columns / 128], parts.scales))
      expected.append(RawTensor(stem + ".biases", "F16", [rows, columns / 128], parts.biases))
    }
    let names = Set(expected.map(\.name))
    return expected.filter { written[$0.name] != $0 }.map(\.name)
      + written.keys.filter { !names.contains($0) }.sorted()
  }
}

@Suite("Conversions to and from MLX")
struct MLXConversionTests {
  private func gguf(_ input: String, _ output: String, _ weights: GGUFWeightType) throws {
    try Workflow.convert(input, output, to: .gguf) {
      $0.gguf.weights = weights
      $0.gguf.hasTokenizer = false
    }
  }

  /// Whether an entry says two bits, affine, in groups of a size, and nothing else.
  private static func isAffine(_ entry: JSONValue?, _ size: Int) -> Bool {
    guard let object = entry?.object, object.entries.count == 3 else { return false }
    return object["group_size"]?.number?.integer == size && object["bits"]?.number?.integer == 2
      && object["mode"]?.string == "affine"
  }

  @Test("unpacked F16 becomes words, scales and biases, embedding and head too, and configuration says so")
  func unpacked() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let result = try Workflow.convert(source, scratch["mlx"], to: .mlx)
    #expect(result.recognised.count == 9)
    #expect(Packed.wrong(scratch["mlx"], source) == [])
    let file = RawModelFile(reading: scratch["mlx"] + "/model.safetensors")
    #expect(file.metadata.first { $0.key == "format" }?.value == "mlx")
    let configuration = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    for key in ["quantization", "quantization_config"] {
      #expect(Self.isAffine(configuration[key], 128), "\(key)")
    }
    #expect(try Workflow.compare(source, scratch["mlx"]).isSame)
    #expect(try Workflow.verify(source, scratch["mlx"]).passed)
    let again = try Workflow.convert(scratch["mlx"], scratch["again"], to: .mlx)
    #expect(again.recognised.isEmpty && Packed.wrong(scratch["again"], source) == [])
  }

  @Test("MLX becomes every other form, and comes back from each", arguments: Bonsai.layouts)
  func roundTrips(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    try gguf(scratch["mlx"], scratch["a.gguf"], weights)
    #expect(try Bonsai.wrong(scratch["a.gguf"], weights) == [])
    try Workflow.convert(scratch["a.gguf"], scratch["back"], to: .mlx)
    #expect(Packed.wrong(scratch["back"], source) == [])
    #expect(try Workflow.compare(scratch["mlx"], scratch["a.gguf"]).isSame)
  }

  @Test("dense, TritPack and shards in between")
  func otherForms() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx) { $0.maximumShardBytes = 60_000 }
    #expect(Disk.names(scratch["mlx"]).contains(ShardIndex.name))
    #expect(Packed.wrong(scratch["mlx"], source) == [])
    try Workflow.convert(scratch["mlx"], scratch["dense"], to: .dense)
    #expect(differences(ofFolders: scratch["dense"], source) == [])
    let dense = try #require(try JSONValue.parse(Disk.bytes(scratch["dense"] + "/config.json")).object)
    #expect(dense["quantization"] == nil && dense["quantization_config"] == nil)
    try Workflow.convert(scratch["mlx"], scratch["a.tritpack"], to: .tritpack)
    #expect(try Workflow.verify(scratch["mlx"], scratch["a.tritpack"]).passed)
    try Workflow.convert(scratch["a.tritpack"], scratch["back"], to: .mlx)
    #expect(Packed.wrong(scratch["back"], source) == [])
    for target in [ConversionTarget.hfPacked, .trainable] {
      #expect(throws: (any Error).self) { try Workflow.convert(scratch["mlx"], scratch["no"], to: target) }
    }
  }

  @Test("logits are those of the unpacked model")
  func logits() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    let ids = [1, 7, 42, 200, 3, 3, 99]
    let logits = try [source, scratch["mlx"]].map { path in
      let engine = try InferenceEngine(threads: 1)
      let model = try LanguageModel(ModelOpener.open(path), engine: engine)
      #expect(model.projectionClasses == [.linear])
      return try Session(model, mode: .reference, contextCapacity: 16, engine: engine).logits(ids)
    }
    #expect(zip(logits[0], logits[1]).map { abs($0 - $1) }.max() ?? 1 <= 2e-4)
  }

  @Test("groups of 64 where halves differ, and an entry for the module that has them")
  func overrides() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let name = "model.layers.0.mlp.up_proj.weight"
    var file = RawModelFile(reading: source + "/model.safetensors")
    // Columns 0 to 63 of every row count twice: no exponent of a weight is near its end.
    for row in 0..<256 {
      for column in 0..<64 {
        let place = 2 * (row * 256 + column) + 1
        if file[name].bytes[place] & 0x7C != 0 { file[name].bytes[place] += 4 }
      }
    }
    Disk.write(file.serialized, source + "/model.safetensors")
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    let configuration = try #require(try JSONValue.parse(Disk.bytes(scratch["mlx"] + "/config.json")).object)
    let entry = try #require(configuration["quantization"]?.object)
    #expect(entry["group_size"] == 128)
    #expect(Self.isAffine(entry["model.layers.0.mlp.up_proj"], 64))
    let written = RawModelFile(reading: scratch["mlx"] + "/model.safetensors")
    #expect(written["model.layers.0.mlp.up_proj.scales"].shape == [256, 4])
    #expect(try Workflow.compare(source, scratch["mlx"]).isSame)
    try Workflow.convert(scratch["mlx"], scratch["dense"], to: .dense)
    #expect(differences(ofFolders: scratch["dense"], source) == [])
  }

  @Test("one scale for a tensor stands in every group, and activations that were rounded are mentioned")
  func falcon() throws {
    let scratch = ScratchFolder()
    for (name, source) in [("latents", Checkpoint.prequantized), ("packed", Checkpoint.bitnet)] {
      let result = try Workflow.convert(source, scratch[name], to: .mlx)
      #expect(result.plan.warnings.contains { $0.contains("int8") }, "\(name)")
      #expect(try Workflow.verify(source, scratch[name]).passed, "\(name)")
    }
    #expect(try Workflow.compare(scratch["packed"], Checkpoint.bitnet).isSame)
    try Workflow.convert(
      Checkpoint.prequantized, scratch["grouped"], to: .mlx
    ) { $0.quantizer = QuantizerID(rawValue: "absmean-group64") }
    let groups = RawModelFile(reading: scratch["grouped"] + "/model.safetensors")
    let stem = "model.layers.0.mlp.up_proj"
    #expect(groups[stem + ".scales"].shape[1] * 4 == groups[stem + ".weight"].shape[1])
  }

  @Test("a single file and parts are refused")
  func refused() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    let bare = #expect(throws: WorkflowError.self) {
      try Workflow.convert(source, scratch["a.safetensors"], to: .mlx)
    }
    #expect(bare?.kind == .needsFolder)
    let parts = #expect(throws: WorkflowError.self) {
      _ = try ShardPlan.make(
        ConversionRequest(input: source, output: scratch["out"], target: .mlx), at: scratch["plan.json"],
        work: WorkOptions())
    }
    #expect(parts?.kind == .notInParts("mlx"))
  }

  /// `mx.quantize(bits=2)` of −s, 0, +s: scale −s/2, bias s, codes 0, 2 and, for −s, 3.
  @Test("the damage of mx.quantize is named by inspect and check, and no conversion takes it")
  func damaged() throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.convert(source, scratch["mlx"], to: .mlx)
    try Packed.damage(scratch["mlx"])
    let inspected = try Workflow.inspect(scratch["mlx"])
    #expect(inspected.manifest.notes.contains { $0.contains("mx.quantize") })
    let checked = try CheckTests.check(scratch["mlx"])
    #expect(checked.findings.contains { $0.rule == .damaged && $0.detail.contains("--to mlx") })
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(scratch["mlx"], scratch["out"], to: .tritpack)
    }
    guard case .roundedByMLX(_, isDamaged: true) = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
  }
}

extension MLXConversionTests {
  @Test("numbers of 2 bits that are no trits are named by check, and no conversion takes them")
  func plain() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Bonsai.folder(scratch["source"]), scratch["mlx"], to: .mlx)
    var file = RawModelFile(reading: scratch["mlx"] + "/model.safetensors")
    let name = "model.layers.0.mlp.up_proj"
    file[name + ".biases"].bytes[0] ^= 1
    Disk.write(file.serialized, scratch["mlx"] + "/model.safetensors")
    let findings = try CheckTests.check(scratch["mlx"]).findings
    #expect(findings.contains { $0.rule == .rounded && $0.subject == name + ".weight" })
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(scratch["mlx"], scratch["out"], to: .tritpack)
    }
    #expect(error?.kind == .roundedByMLX("MLX 2-bit by 128", isDamaged: false))
  }
}

extension Packed {
  /// Rewrites exact weights as `mx.quantize` would have made them.
  static func damage(_ folder: String) throws {
    var file = RawModelFile(reading: folder + "/model.safetensors")
    for index in file.tensors.indices {
      var tensor = file.tensors[index]
      if tensor.name.hasSuffix(".scales") {
        // −s/2: one less in the exponent.
        tensor.bytes = stride(from: 0, to: tensor.bytes.count, by: 2).flatMap {
          [tensor.bytes[$0], tensor.bytes[$0 + 1] - 4 | 0x80]
        }
      } else if tensor.name.hasSuffix(".biases") {
        tensor.bytes = stride(from: 0, to: tensor.bytes.count, by: 2).flatMap {
          [tensor.bytes[$0], tensor.bytes[$0 + 1] & 0x7F]
        }
      } else if tensor.dtype == "U32" {
        let codes: [UInt8] = [3, 2, 0]
        tensor.bytes = tensor.bytes.map { byte in
          (0..<4).reduce(UInt8(0)) { $0 | codes[Int(byte >> UInt8(2 * $1) & 3)] << UInt8(2 * $1) }
        }
      }
      file.tensors[index] = tensor
    }
    Disk.write(file.serialized, folder + "/model.safetensors")
  }
}
