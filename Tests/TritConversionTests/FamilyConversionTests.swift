// Tritsmith: conversions against the files the families' own programs wrote.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritInspection
import TritLayouts
import TritSurvey
import TritTestSupport
import TritVerification
import WorkflowTestSupport

@Suite("Conversion equals the original tools")
struct FamilyConversionTests {
  @Test("Falcon-E latents become what quantize_to_1bit wrote")
  func falconPacked() throws {
    let scratch = ScratchFolder()
    let output = scratch["bitnet"]
    let result = try Workflow.convert(Checkpoint.prequantized, output, to: .hfPacked)
    #expect(differences(ofFolders: output, Checkpoint.bitnet) == [])
    #expect(try meaning(output + "/config.json") == meaning(Checkpoint.bitnet + "/config.json"))
    expectCompanions(of: Checkpoint.prequantized, in: output)
    #expect(Disk.names(scratch.path) == ["bitnet"])
    #expect(result.plan.quantizer.id.rawValue == "absmean-bf16")
    #expect(result.plan.convention == .divide)
    #expect(result.plan.warnings == [])
    #expect(result.recognised == [])
    #expect(result.audit.passed)
    let metadata = RawModelFile(reading: output + "/model.safetensors").metadata
    let recipe = try #require(metadata.first { $0.key == "tritsmith_recipe" }?.value)
    let object = try #require(try JSONValue.parse(Array(recipe.utf8)).object)
    #expect(object["quantizer"]?.string == "absmean-bf16")
    #expect(object["scale_convention"]?.string == "divide")
    #expect(metadata.contains { $0.key == "format" && $0.value == "pt" })
    let written = Disk.names(output).reduce(UInt64(0)) { $0 + UInt64(Disk.bytes(output + "/" + $1).count) }
    #expect(result.writtenBytes == written)
  }

  @Test(
    "a class asked for is written and proved, whatever the configuration names",
    arguments: [nil, "FooForCausalLM"] as [String?])
  func classAskedFor(_ name: String?) throws {
    let scratch = ScratchFolder()
    let input = try Checkpoint.changed(
      Checkpoint.bitnet, [("architectures", name.map { "[\"\($0)\"]" }), ("model_type", name.map { _ in "\"foo\"" })],
      scratch["input"])
    let outputs: [(String, ConversionTarget)] = [
      ("a.gguf", .gguf), ("packed", .hfPacked), ("a.tritpack", .tritpack), ("mlx", .mlx),
    ]
    for (file, target) in outputs {
      try Workflow.convert(input, scratch[file], to: target) { $0.architecture = "LlamaForCausalLM" }
      // MLX rounds no inputs, so that its description is another.
      if target != .mlx { #expect(try Workflow.verify(Checkpoint.bitnet, scratch[file]).passed, "\(file)") }
    }
    for folder in ["packed", "mlx"] {
      let written = try #require(JSONValue.parse(Disk.bytes(scratch[folder] + "/config.json")).object)
      #expect(written["architectures"] == .array([.string("LlamaForCausalLM")]), "\(folder)")
      #expect(written["model_type"]?.string == "llama", "\(folder)")
    }
    #expect(try meaning(scratch["packed"] + "/config.json") == meaning(Checkpoint.bitnet + "/config.json"))
  }

  @Test("the sharded copy with keys of transformers 5 gives the same tensors")
  func falconSharded() throws {
    let scratch = ScratchFolder()
    let output = scratch["bitnet"]
    try Workflow.convert(Checkpoint.sharded, output, to: .hfPacked)
    #expect(differences(ofFolders: output, Checkpoint.bitnet) == [])
    expectCompanions(of: Checkpoint.sharded, in: output)
    // The original tool adds the same entries to whatever configuration it finds.
    var expected = try #require(try meaning(Checkpoint.sharded + "/config.json").object)
    let before = try #require(try meaning(Checkpoint.prequantized + "/config.json").object)
    let after = try #require(try meaning(Checkpoint.bitnet + "/config.json").object)
    for entry in after.entries where before[entry.key] == nil { expected[entry.key] = entry.value }
    #expect(try meaning(output + "/config.json") == .object(expected))
  }

  @Test("BitNet b1.58 master weights become the packed checkpoint, scales multiplied")
  func bitnetPacked() throws {
    let scratch = ScratchFolder()
    let output = scratch["packed"]
    let result = try Workflow.convert(Checkpoint.master, output, to: .hfPacked)
    #expect(differences(ofFolders: output, Checkpoint.packed) == [])
    #expect(try meaning(output + "/config.json") == meaning(Checkpoint.packed + "/config.json"))
    expectCompanions(of: Checkpoint.master, in: output)
    #expect(result.plan.quantizer.id.rawValue == "absmean-float32")
    #expect(result.plan.convention == .multiply)
    #expect(result.plan.warnings == [])
  }

  @Test("dense output equals what convert_to_bf16 wrote, signs of zeros included")
  func falconDense() throws {
    let scratch = ScratchFolder()
    let output = scratch["bfloat16"]
    try Workflow.convert(Checkpoint.prequantized, output, to: .dense)
    #expect(differences(ofFolders: output, Checkpoint.bfloat16) == [])
    #expect(try meaning(output + "/config.json") == meaning(Checkpoint.bfloat16 + "/config.json"))
    expectCompanions(of: Checkpoint.prequantized, in: output)
  }

  @Test("dense output of packed input differs in the sign of zero and in nothing else")
  func denseOfPacked() throws {
    let scratch = ScratchFolder()
    let output = scratch["dense"]
    try Workflow.convert(Checkpoint.bitnet, output, to: .dense)
    let ours = RawModelFile.tensors(ofFolder: output)
    let reference = RawModelFile.tensors(ofFolder: Checkpoint.bfloat16)
    #expect(ours.map(\.name) == reference.map(\.name))
    var negativeZeros = 0
    for (left, right) in zip(ours, reference) {
      #expect(left.dtype == right.dtype && left.shape == right.shape)
      guard left.bytes != right.bytes else { continue }
      #expect(left.name.contains("proj"))
      // A trit has no signed zero: torch kept −0 of small negative latents, packed codes did not.
      let (signs, others) = compareBFloat16(left.bytes, right.bytes)
      #expect(others == 0, "\(left.name)")
      negativeZeros += signs
    }
    #expect(negativeZeros > 0, "the reference is known to hold −0")
    #expect(try meaning(output + "/config.json").object?["quantization_config"] == nil)
  }

  @Test(
    "packed input is written again as it was",
    arguments: [Checkpoint.bitnet, Checkpoint.packed, Fixtures.golden("models/llama256_packed")])
  func repacked(_ model: String) throws {
    let scratch = ScratchFolder()
    let output = scratch["again"]
    let result = try Workflow.convert(model, output, to: .hfPacked)
    #expect(differences(ofFolders: output, model) == [])
    #expect(try meaning(output + "/config.json") == meaning(model + "/config.json"))
    #expect(result.plan.tensors.allSatisfy { $0.step == .copy || $0.step == .repack })
  }

  @Test("dense ternary weights are taken as they are, absmean is not applied again")
  func alreadyTernary() throws {
    let scratch = ScratchFolder()
    let output = scratch["bitnet"]
    let result = try Workflow.convert(Checkpoint.bfloat16, output, to: .hfPacked)
    #expect(differences(ofFolders: output, Checkpoint.bitnet) == [])
    #expect(result.plan.survey.kind == .ternaryDense)
    #expect(result.recognised.count == 28)
    #expect(result.plan.warnings == [])
    // What a second absmean would have stored: the share of zeros makes the mean smaller, the inverse larger.
    let dense = RawModelFile.tensors(ofFolder: Checkpoint.bfloat16)
    let written = RawModelFile.tensors(ofFolder: output)
    let name = "model.layers.0.self_attn.k_proj.weight"
    let values = FloatBytes.bf16Values(dense[name: name].bytes)
    let absmean = values.reduce(0.0) { $0 + Double(abs($1)) } / Double(values.count)
    let stored = try #require(FloatBytes.bf16Values(written[name: name + "_scale"].bytes).first)
    #expect(Double(stored) < 0.8 / absmean, "about a third of the weights are zero")
  }

  @Test("b1.58: packed to dense and back is the packed checkpoint")
  func bitnetRoundTrip() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.packed, scratch["dense"], to: .dense)
    try Workflow.convert(scratch["dense"], scratch["packed"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["packed"], Checkpoint.packed) == [])
    #expect(try meaning(scratch["packed"] + "/config.json") == meaning(Checkpoint.packed + "/config.json"))
  }

  @Test("a single safetensors file in and out")
  func singleFile() throws {
    let scratch = ScratchFolder()
    Disk.write(GoldenCut.builder("llama_prequantized").file.serialized, scratch["latent.safetensors"])
    try Workflow.convert(scratch["latent.safetensors"], scratch["out.safetensors"], to: .hfPacked)
    let written = RawModelFile(reading: scratch["out.safetensors"]).tensors
    #expect(differences(written, GoldenCut.builder("llama_packed").file.tensors) == [])
    #expect(Disk.names(scratch.path) == ["latent.safetensors", "out.safetensors"])
  }

  /// Elements that differ in the sign of zero only, and in anything else.
  private func compareBFloat16(_ left: [UInt8], _ right: [UInt8]) -> (signs: Int, others: Int) {
    var (signs, others) = (0, 0)
    left.withUnsafeBytes { left in
      right.withUnsafeBytes { right in
        for offset in stride(from: 0, to: left.count, by: 2) {
          let a = left.loadUnaligned(fromByteOffset: offset, as: UInt16.self).littleEndian
          let b = right.loadUnaligned(fromByteOffset: offset, as: UInt16.self).littleEndian
          guard a != b else { continue }
          if a == 0, b == 0x8000 { signs += 1 } else { others += 1 }
        }
      }
    }
    return (signs, others)
  }
}

@Suite("TritPack keeps every trit, scale and file")
struct TritPackConversionTests {
  @Test("packed → TritPack → packed is byte for byte the same", arguments: PackStyle.all)
  func roundTrip(_ style: PackStyle) throws {
    for model in [Checkpoint.bitnet, Checkpoint.packed] {
      let scratch = ScratchFolder()
      try Workflow.convert(model, scratch["model.tritpack"], to: .tritpack) {
        $0.tritpackLayout = style.layout
        $0.compression = style.compression
      }
      #expect(Disk.names(scratch.path) == ["model.tritpack"])
      // The format's first promise: one file that names itself.
      #expect(Disk.bytes(scratch["model.tritpack"]).prefix(8) == Array("TRITPACK".utf8)[...])
      try Workflow.convert(scratch["model.tritpack"], scratch["again"], to: .hfPacked)
      #expect(differences(ofFolders: scratch["again"], model) == [])
      #expect(try meaning(scratch["again"] + "/config.json") == meaning(model + "/config.json"))
      expectCompanions(of: model, in: scratch["again"])
    }
  }

  @Test("latents → TritPack → packed is what quantize_to_1bit wrote, and the header says how it was made")
  func fromLatents() throws {
    let scratch = ScratchFolder()
    let latent = GoldenCut.builder("llama_prequantized").write(scratch["latent"])
    try Workflow.convert(latent, scratch["model.tritpack"], to: .tritpack)
    try Workflow.convert(scratch["model.tritpack"], scratch["packed"], to: .hfPacked)
    let written = RawModelFile.tensors(ofFolder: scratch["packed"])
    #expect(differences(written, GoldenCut.builder("llama_packed").file.tensors) == [])
    let recipe = try #require(try Workflow.inspect(scratch["model.tritpack"]).recipe)
    #expect(recipe["quantizer"]?.string == "absmean-bf16")
    let source = try #require(recipe["sources"]?.array?.first?.object)
    #expect(source["name"]?.string == "model.safetensors")
    let digest = SHA256.digest(of: Disk.bytes(latent + "/model.safetensors"))
    #expect(source["sha256"]?.string == digest.description)
  }

  @Test("a flipped bit in the codes stops a conversion, naming the tensor")
  func damaged() throws {
    let scratch = ScratchFolder()
    let packed = GoldenCut.builder("llama_packed").write(scratch["packed"])
    try Workflow.convert(packed, scratch["model.tritpack"], to: .tritpack)
    let bytes = Disk.bytes(scratch["model.tritpack"])
    let source = try FormatRegistry.open(scratch["model.tritpack"])
    let tensor = try #require(source.manifest.tensor(named: GoldenCut.query))
    let offset = Int(tensor.location.offset) + 5
    Disk.patch(scratch["model.tritpack"], at: offset, [bytes[offset] ^ 1])
    let error = #expect(throws: FormatError.self) {
      try Workflow.convert(scratch["model.tritpack"], scratch["out"], to: .hfPacked)
    }
    #expect(error?.description.contains(GoldenCut.query) == true)
    #expect(Disk.names(scratch.path) == ["model.tritpack", "packed"])
  }
}
