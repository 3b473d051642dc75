// Tritsmith: the values of one tensor, as `inspect --raw` gives them to other programs.

import Testing
import TritCore
import TritTestSupport

@Suite("Values of one tensor")
struct RawValuesTests {
  private static let b158 = Fixtures.checkpoint("bitnet-b158-tiny/packed")

  /// Writes a tensor's values; gives the bytes and the facts of the report.
  private func values(
    _ model: String, _ tensor: String, _ more: [String] = []
  ) throws -> (bytes: [UInt8], facts: JSONObject) {
    let scratch = ScratchFolder()
    let report = try Tool.report(
      ["inspect", model, "--tensor", tensor, "--raw", scratch["values"]] + more, schema: "tritsmith.tensor")
    let facts = try #require(report["tensor"]?.object)
    #expect(facts["model"]?.string == model && facts["output"]?.string == scratch["values"])
    #expect(Disk.names(scratch.path) == ["values"])
    let bytes = Disk.bytes(scratch["values"])
    #expect(facts["bytes"]?.number?.integer == bytes.count)
    return (bytes, facts)
  }

  private func floats(_ bytes: [UInt8]) -> [Float] { LittleEndian.u32s(bytes).map { Float(bitPattern: $0) } }

  private func shape(_ facts: JSONObject) -> [Int]? { facts["shape"]?.array?.compactMap { $0.number?.integer } }

  /// Codes of the published packing: byte row p holds rows p, p + P, p + 2P and p + 3P, lowest bits first.
  private func trits(_ packed: RawTensor) -> [Float] {
    (0..<4).flatMap { place in packed.bytes.map { Float(Int($0 >> UInt8(2 * place) & 3) - 1) } }
  }

  @Test("packed trits are divided or multiplied by their scale", arguments: [Model.bitnet, b158])
  func packed(_ model: String) throws {
    let file = RawModelFile(reading: model + "/model.safetensors")
    let divides = model == Model.bitnet
    for name in [Model.query, "model.layers.1.mlp.down_proj.weight"] {
      let (bytes, facts) = try values(model, name)
      let scale = FloatBytes.bf16Values(file[name + "_scale"].bytes)[0]
      let expected = trits(file[name]).map { divides ? $0 / scale : $0 * scale }
      #expect(floats(bytes) == expected)
      #expect(shape(facts) == [4 * file[name].shape[0], file[name].shape[1]])
      #expect(facts["name"]?.string == name && facts["dtype"]?.string == "F32")
      #expect(facts["encoding"]?.string == "hf-packed")
      #expect(facts["scale_convention"]?.string == (divides ? "divide" : "multiply"))
    }
  }

  /// onebitllms wrote both checkpoints of the same latents; -0 of small negative ones is 0 among packed trits.
  @Test("what onebitllms wrote as bfloat16 is what it wrote packed, rounded")
  func unpacked() throws {
    let dense = RawModelFile(reading: Fixtures.checkpoint("falcon-e-tiny/bfloat16/model.safetensors"))
    let (bytes, _) = try values(Model.bitnet, Model.query)
    let rounded = floats(bytes).map { value -> Float in
      // To nearest, ties to even, by adding half of the last place that stays.
      let bits = value.bitPattern
      return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
    }
    #expect(rounded == FloatBytes.bf16Values(dense[Model.query].bytes))
  }

  @Test("dense tensors are the stored bytes")
  func dense() throws {
    let file = RawModelFile(reading: Model.falcon + "/model.safetensors")
    for name in ["model.embed_tokens.weight", "model.norm.weight", Model.query] {
      let (bytes, facts) = try values(Model.falcon, name)
      #expect(bytes == file[name].bytes)
      #expect(facts["dtype"]?.string == "BF16" && shape(facts) == file[name].shape)
      #expect(facts["scale_convention"]?.isNull == true)
    }
    // Shards are one model.
    let sharded = try values(Fixtures.checkpoint("falcon-e-tiny/prequantized-sharded"), Model.query)
    #expect(sharded.bytes == file[Model.query].bytes)
  }

  @Test("every plain type of GGUF, as gguf-py wrote it", arguments: [32, 64])
  func plainGGUF(_ alignment: Int) throws {
    let stem = Fixtures.golden("gguf/all_types_align\(alignment)")
    let known = try #require(try JSONValue.parse(Disk.bytes(stem + ".json")).object?["tensors"]?.array)
    #expect(known.count == 5)
    for tensor in known.compactMap(\.object) {
      let (bytes, facts) = try values(stem + ".gguf", try #require(tensor["name"]?.string))
      #expect(SHA256.digest(of: bytes).description == tensor["sha256"]?.string)
      #expect(facts["dtype"]?.string == tensor["type"]?.string)
      // The file has the contiguous dimension first.
      #expect(shape(facts) == tensor["dims_as_stored"]?.array?.reversed().compactMap { $0.number?.integer })
    }
  }

  @Test("scales of groups", arguments: ["q2_0", "q2_0_legacy", "pq2_0", "ptq1_0"])
  func groups(_ file: String) throws {
    let unpacked = GoldenVectors(Fixtures.golden("bonsai_unpacked.safetensors"))
    for (stored, name) in [("attn_k", "k_proj"), ("attn_v", "v_proj")] {
      let (bytes, facts) = try values(Fixtures.golden("gguf/bonsai_\(file).gguf"), "blk.0.\(stored).weight")
      let expected = unpacked["model.layers.0.self_attn.\(name).weight"].u16.map(half)
      #expect(floats(bytes) == expected, "\(stored)")
      #expect(facts["dtype"]?.string == "F32" && shape(facts) == [256, 256])
    }
  }

  /// Five bits of exponent and ten of fraction, by the formula.
  private func half(_ bits: UInt16) -> Float {
    let (exponent, fraction) = (Int(bits >> 10 & 31), Float(bits & 1023))
    let magnitude =
      exponent == 0 ? fraction * 0x1p-24 : Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
    return bits >> 15 == 0 ? magnitude : -magnitude
  }

  @Test("blocks of numbers are what gguf-py decodes them to")
  func blocks() throws {
    let golden = GoldenVectors(Fixtures.golden("dense_blocks.safetensors"))
    let types: [(name: String, id: UInt32)] = [
      ("Q4_0", 2), ("Q4_1", 3), ("Q5_0", 6), ("Q5_1", 7), ("Q8_0", 8), ("Q4_K", 12), ("Q5_K", 13), ("Q6_K", 14),
    ]
    let scratch = ScratchFolder()
    Disk.write(gguf(types.map { ($0.name, [512, 3], $0.id, golden[$0.name + ".bytes"].bytes) }), scratch["b.gguf"])
    for type in types {
      let (bytes, facts) = try values(scratch["b.gguf"], type.name)
      #expect(floats(bytes) == golden[type.name + ".values"].f32, "\(type.name)")
      #expect(facts["encoding"]?.string == type.name && facts["dtype"]?.string == "F32")
      #expect(shape(facts) == [3, 512])
    }
  }

  /// A file of tensors and one key, as the format describes it.
  private func gguf(_ tensors: [(name: String, dimensions: [UInt64], type: UInt32, bytes: [UInt8])]) -> [UInt8] {
    func text(_ text: String) -> [UInt8] { LittleEndian.bytes(UInt64(text.utf8.count)) + Array(text.utf8) }
    func padded(_ bytes: [UInt8]) -> [UInt8] { bytes + [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32) }
    var header = Array("GGUF".utf8) + LittleEndian.bytes(UInt32(3))
    header += LittleEndian.bytes(UInt64(tensors.count)) + LittleEndian.bytes(UInt64(1))
    header += text("general.architecture") + LittleEndian.bytes(UInt32(8)) + text("none")
    var data: [UInt8] = []
    for tensor in tensors {
      header += text(tensor.name) + LittleEndian.bytes(UInt32(tensor.dimensions.count))
      header += tensor.dimensions.flatMap { LittleEndian.bytes($0) }
      header += LittleEndian.bytes(tensor.type) + LittleEndian.bytes(UInt64(data.count))
      data += padded(tensor.bytes)
    }
    return padded(header) + data
  }

  @Test("every form a model is converted to gives the same values", arguments: ["tritpack", "gguf", "mlx"])
  func converted(_ target: String) throws {
    let scratch = ScratchFolder()
    let output = scratch[target == "mlx" ? "mlx" : "model." + target]
    // I2_S keeps a scale as F32, so nothing is rounded; rows of the value projection keep their order.
    let layout = target == "gguf" ? ["--layout", "I2_S"] : target == "tritpack" ? ["--zstd", "3"] : []
    let name = "model.layers.0.self_attn.v_proj.weight"
    // mlx-lm does not compute this family: the ternary numbers of another one, as they stand in its file.
    let source = target == "mlx" ? Fixtures.checkpoint("falcon-e-tiny/bfloat16") : Self.b158
    Tool.expect(0, ["convert", source, output, "--to", target, "-q"] + layout)
    let file = RawModelFile(reading: source + "/model.safetensors").tensors
    let tensor = try #require(file.first { $0.name == name })
    let scale = file.first { $0.name == name + "_scale" }.map { FloatBytes.bf16Values($0.bytes)[0] }
    let expected = scale.map { scale in trits(tensor).map { $0 * scale } } ?? FloatBytes.bf16Values(tensor.bytes)
    let (bytes, _) = try values(output, target == "gguf" ? "blk.0.attn_v.weight" : name)
    #expect(floats(bytes) == expected)
  }

  @Test("standard output has the bytes of the file, and the number of threads changes nothing")
  func stream() throws {
    let scratch = ScratchFolder()
    let (bytes, _) = try values(Model.bitnet, Model.query)
    let words = ["inspect", Model.bitnet, "--tensor", Model.query, "--raw", "-"]
    for options in [[], ["--threads", "1", "--mmap"], ["--kernels", "scalar"]] {
      let result = Tool.run(words + options) { $0.outputPath = scratch["stream"] }
      #expect(result.exitCode == 0 && result.errors.isEmpty, "\(result.summary)")
      #expect(Disk.bytes(scratch["stream"]) == bytes)
    }
    let full = Tool.run(words) { $0.outputPath = "/dev/full" }
    #expect(full.exitCode == 74 && full.errors.contains("standard output"), "\(full.summary)")
    #expect(full.errors.split(separator: "\n").count == 1, "\(full.errors)")
  }

  @Test("a pattern may stand for one tensor, and for no more")
  func patterns() throws {
    let name = try values(Model.bitnet, "*.layers.0.*q_proj.weight").facts["name"]?.string
    #expect(name == Model.query)
    let scratch = ScratchFolder()
    let several = Tool.expect(64, ["inspect", Model.bitnet, "--tensor", "*q_proj.weight", "--raw", scratch["values"]])
    #expect(several.errors.contains("4 tensors") && several.errors.contains(Model.query), "\(several.errors)")
    let none = Tool.expect(64, ["inspect", Model.bitnet, "--tensor", "nope", "--raw", scratch["values"]])
    #expect(none.errors.contains("nope"))
    // A star in a name is no pattern where a tensor has that name.
    let starred = Model.tiny { $0.file.tensors[1].name = "model.*" }.write(scratch["starred"])
    #expect(try values(starred, "model.*").facts["name"]?.string == "model.*")
    #expect(Disk.names(scratch.path) == ["starred"])
  }

  @Test("the screen begins with a sentence, as others do")
  func screen() throws {
    let scratch = ScratchFolder()
    let words = ["inspect", Model.bitnet, "--tensor", "model.norm.weight", "--raw", scratch["values"]]
    let lines = try Screen.show(80, words).lines
    #expect(lines.first?.hasPrefix("The values of 'model.norm.weight' in '") == true, "\(lines)")
    #expect(!lines.contains { $0.hasPrefix("===") })
  }

  @Test("options that go without values, and values without a tensor, are misuse")
  func misuse() {
    let scratch = ScratchFolder()
    let raw = ["inspect", Model.bitnet, "--raw", scratch["values"]]
    let one = ["--tensor", Model.query]
    let cases: [(more: [String], word: String)] = [
      ([], "--tensor"), (one + ["--tensor", "model.norm.weight"], "--tensor"), (one + ["--stats"], "--stats"),
      (one + ["--html", scratch["page"]], "--html"), (one + ["--metadata", "*"], "--metadata"),
      (one + ["--sibling", Model.falcon], "--sibling"), (one + ["--prove-scale"], "--prove-scale"),
    ]
    for (more, word) in cases {
      let result = Tool.expect(64, raw + more)
      #expect(result.errors.contains(word), "\(result.errors)")
    }
    Tool.expect(64, ["inspect", Model.bitnet, "--raw", "-", "--format", "json"] + one)
    #expect(Disk.names(scratch.path) == [])
  }

  @Test("a file that stands there stays, unless it is to be replaced")
  func replacing() {
    let scratch = ScratchFolder()
    let words = ["inspect", Model.bitnet, "--tensor", "model.norm.weight", "--raw", scratch["values"]]
    Disk.write("precious", scratch["values"])
    Tool.expect(73, words)
    #expect(Disk.text(scratch["values"]) == "precious")
    Tool.expect(0, words + ["--force"])
    #expect(Disk.bytes(scratch["values"]).count == 2 * 256)
    Tool.expect(73, words.dropLast() + [scratch["nowhere/values"]])
  }

  @Test("nothing is given of a tensor that is damaged, or whose scale has no meaning")
  func refused() {
    let scratch = ScratchFolder()
    Tool.expect(0, ["convert", Model.bitnet, scratch["m.tritpack"], "--to", "tritpack", "-q"])
    var bytes = Disk.bytes(scratch["m.tritpack"])
    bytes[bytes.count / 2] ^= 1
    Disk.write(bytes, scratch["damaged.tritpack"])
    // One tensor's section has the damage, all others are sound.
    let names = RawModelFile(reading: Model.bitnet + "/model.safetensors").tensors.map(\.name)
    let codes = names.filter { !$0.hasSuffix("_scale") }.map { name in
      Tool.run(["inspect", scratch["damaged.tritpack"], "--tensor", name, "--raw", scratch["v"], "--force"]).exitCode
    }
    #expect(codes.count { $0 == 65 } == 1 && codes.count { $0 == 0 } == codes.count - 1, "\(codes)")
    // Code 3 is no trit.
    var file = RawModelFile(reading: Model.bitnet + "/model.safetensors")
    file[Model.query].bytes[0] |= 3
    Disk.copyFolder(Model.bitnet, to: scratch["invalid"])
    Disk.write(file.serialized, scratch["invalid/model.safetensors"])
    let invalid = Tool.expect(65, ["inspect", scratch["invalid"], "--tensor", Model.query, "--raw", scratch["w"]])
    #expect(invalid.errors.contains(Model.query) && invalid.errors.contains("invalid"), "\(invalid.errors)")
    #expect(!Disk.names(scratch.path).contains("w"))
  }

  @Test("a tensor of 2 GB is given in little memory")
  func memory() {
    let scratch = ScratchFolder()
    let model = Model.sparse(scratch["big"], projections: [(32768, 32768)])
    var runner = ProcessRunner()
    runner.watchesMemory = true
    runner.outputPath = "/dev/null"
    let name = "model.layers.0.mlp.up_proj.weight"
    let result = runner.run(BuiltProducts.tritsmith, ["inspect", model, "--tensor", name, "--raw", "-"])
    #expect(result.exitCode == 0, "\(result.summary)")
    // A band of 2 MiB, and the program itself.
    #expect(result.peakResidentBytes < 64 << 20, "\(result.peakResidentBytes)")
  }
}
