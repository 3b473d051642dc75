// Tritsmith: which tensors become ternary.

import Testing
import TritConversion
import TritCore
import TritFormats
import TritInspection
import TritLayouts
import TritQuantizers
import TritSurvey
import TritTestSupport
import TritVerification
import WorkflowTestSupport

@Suite("Which tensors become ternary")
struct SelectionTests {
  private func modules(_ folder: String) throws -> [String]? {
    let object = try meaning(folder + "/config.json").object?["quantization_config"]?.object
    return object?["modules_to_not_convert"]?.array?.compactMap(\.string)
  }

  @Test(
    "projections of the shipped checkpoints, and nothing else",
    arguments: [Checkpoint.prequantized, Checkpoint.master])
  func roles(_ model: String) throws {
    let plan = try Workflow.plan(model, to: .hfPacked)
    for tensor in plan.tensors {
      #expect((tensor.step == .quantize) == tensor.source.name.contains("_proj.weight"), "\(tensor.source.name)")
    }
    // b1.58 has one-dimensional sub-norms beside its projections.
    let norms = plan.tensors.filter { $0.source.name.contains("norm") }
    #expect(norms.allSatisfy { $0.step == .copy && $0.role == .norm })
  }

  @Test("--keep leaves a projection as it is and the configuration names it")
  func keep() throws {
    let scratch = ScratchFolder()
    let input = TinyModel().builder().write(scratch["latent"])
    try Workflow.convert(input, scratch["out"], to: .hfPacked) { $0.keep = [Glob("*.down_proj.*")] }
    let written = RawModelFile.tensors(ofFolder: scratch["out"])
    #expect(written[name: TinyModel.down] == RawModelFile.tensors(ofFolder: input)[name: TinyModel.down])
    #expect(written[name: TinyModel.query].dtype == "U8")
    #expect(!written.contains { $0.name == TinyModel.down + "_scale" })
    #expect(try modules(scratch["out"]) == ["lm_head", "model.layers.1.mlp.down_proj"])
    // Latents that become ordinary numbers are a difference unless they are asked for.
    #expect(try !Workflow.verify(input, scratch["out"]).passed)
  }

  @Test("--keep on packed input writes the projection dense")
  func keepPacked() throws {
    let scratch = ScratchFolder()
    let input = GoldenCut.builder("llama_packed").write(scratch["packed"])
    try Workflow.convert(input, scratch["out"], to: .hfPacked) { $0.keep = [Glob(GoldenCut.down)] }
    let written = RawModelFile.tensors(ofFolder: scratch["out"])
    #expect(written[name: GoldenCut.down].dtype == "BF16")
    #expect(written[name: GoldenCut.down].shape == [64, 148])
    let dense = GoldenCut.builder("llama_bf16").file.tensors[name: GoldenCut.down]
    // As numbers: packed trits hold no sign of zero.
    #expect(FloatBytes.bf16Values(written[name: GoldenCut.down].bytes) == FloatBytes.bf16Values(dense.bytes))
    #expect(try modules(scratch["out"]) == ["lm_head", "model.layers.0.mlp.down_proj"])
    #expect(try Workflow.verify(input, scratch["out"]).passed)
  }

  @Test("--quantize makes a further matrix ternary, and the configuration no longer excludes it")
  func quantize() throws {
    let scratch = ScratchFolder()
    var builder = TinyModel().builder()
    let values = TinyModel.values(64, seed: 5)
    builder.file.tensors.append(RawTensor("lm_head.weight", "BF16", [8, 8], FloatBytes.bf16(values)))
    let input = builder.write(scratch["latent"])
    try Workflow.convert(input, scratch["out"], to: .hfPacked) { $0.quantize = [Glob("lm_head.weight")] }
    let head = RawModelFile.tensors(ofFolder: scratch["out"])[name: "lm_head.weight"]
    #expect(head.dtype == "U8")
    #expect(head.unpackedTrits == NaiveAbsMean.quantize(values, "absmean-bf16").trits)
    // A loader that left the head out would find packed bytes where it wants numbers.
    #expect(try modules(scratch["out"]) == [])
    // It is the user's word that makes this the same model, and the verdict repeats it.
    let unasked = try Workflow.verify(input, scratch["out"])
    #expect(!unasked.passed && unasked.firstProblem?.contains("--quantize") == true)
    let asked = try Workflow.verify(input, scratch["out"]) { $0.quantize = [Glob("lm_head*")] }
    #expect(asked.passed && asked.parts.verdict.contains("1 tensor beside the projections made ternary, as asked"))
  }

  @Test("a quantizer with nothing to do is told of, and layers that stay dense are named together")
  func told() throws {
    let idle = try Workflow.plan(Checkpoint.bitnet, to: .gguf) { $0.quantizer = QuantizerID(rawValue: "optimal-row") }
    #expect(idle.warnings == ["optimal-row was asked for and made nothing: trits are taken as they are"])
    #expect(try Workflow.plan(Checkpoint.bitnet, to: .gguf).warnings == [])
    let kept = try Workflow.plan(Checkpoint.prequantized, to: .gguf) { $0.keep = [Glob("*down_proj*")] }.warnings
    #expect(kept.contains { $0.hasSuffix(": 'model.layers.0–3.mlp.down_proj.weight'") }, "\(kept)")
  }

  @Test("an embedding is made ternary where something loads it, with a warning")
  func embedding() throws {
    let scratch = ScratchFolder()
    let change: (inout ConversionRequest) -> Void = { $0.quantize = [Glob("*embed*")] }
    let refused = #expect(throws: WorkflowError.self) {
      try Workflow.convert(Checkpoint.prequantized, scratch["out"], to: .hfPacked, change)
    }
    #expect(refused?.location.tensor == "model.embed_tokens.weight" && Disk.names(scratch.path) == [])
    let pack = scratch["m.tritpack"]
    let result = try Workflow.convert(Checkpoint.prequantized, pack, to: .tritpack, change)
    let warning = result.plan.warnings.first { $0.contains("1 tensor beside the projections") }
    #expect(warning?.contains("embed_tokens") == true)
    #expect(try !Workflow.verify(Checkpoint.prequantized, pack).passed)
    #expect(try !FamilyWorkflow(FamilyRequest(paths: [Checkpoint.prequantized, pack])).run().proofs[0].holds)
    #expect(try Workflow.verify(Checkpoint.prequantized, pack) { $0.quantize = [Glob("*embed*")] }.passed)
  }

  @Test("a tensor named by both is a contradiction")
  func contradiction() throws {
    let scratch = ScratchFolder()
    let input = TinyModel().builder().write(scratch["latent"])
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(input, scratch["out"], to: .hfPacked) {
        $0.keep = [Glob("*proj*")]
        $0.quantize = [Glob("*down*")]
      }
    }
    #expect(error?.kind == .contradictoryGlobs)
    #expect(error?.location.tensor == TinyModel.down)
    #expect(error?.category == .misuse)
    #expect(Disk.names(scratch.path) == ["latent"])
  }

  @Test("what packed safetensors cannot name is refused before anything is written, and TritPack takes it")
  func names() throws {
    let values = (0..<256).map { Float($0 % 7 - 3) / 16 }
    func check(_ tensors: [RawTensor], _ kind: WorkflowError.Kind, _ tensor: String) throws {
      let scratch = ScratchFolder()
      var builder = ModelFolderBuilder(tensors)
      builder.companions = [:]
      let input = builder.write(scratch["model"])
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(input, scratch["out"], to: .hfPacked) { $0.quantize = [Glob(tensor)] }
      }
      #expect(error?.kind == kind && error?.location.tensor == tensor && error?.category == .misuse)
      #expect(Disk.names(scratch.path) == ["model"])
      try Workflow.convert(input, scratch["out"], to: .tritpack) { $0.quantize = [Glob(tensor)] }
    }
    let matrix = FloatBytes.bf16(values)
    try check([RawTensor("experts.0", "BF16", [16, 16], matrix)], .nameCannotBePacked, "experts.0")
    let taken = RawTensor("a.weight_scale", "U8", [4, 4], [UInt8](repeating: 0, count: 16))
    try check(
      [RawTensor("a.weight", "BF16", [16, 16], matrix), taken], .scaleNameTaken("a.weight_scale"), "a.weight")
  }

  @Test("a pattern that matches nothing is an error, for keeping, quantizing and inspecting")
  func noMatch() throws {
    let scratch = ScratchFolder()
    let input = TinyModel().builder().write(scratch["latent"])
    let changes: [(inout ConversionRequest) -> Void] = [
      { $0.keep = [Glob("*.dwon_proj.*")] }, { $0.quantize = [Glob("*.dwon_proj.*")] },
    ]
    for change in changes {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(input, scratch["out"], to: .hfPacked, change)
      }
      #expect(error?.kind == .globWithoutMatch("*.dwon_proj.*"))
    }
    #expect(throws: WorkflowError.self) { try Workflow.inspect(input, tensors: ["*.dwon_proj.*"]) }
  }

  @Test("keeping every projection leaves nothing to do, which is an error")
  func nothingLeft() throws {
    let scratch = ScratchFolder()
    let input = TinyModel().builder().write(scratch["latent"])
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.convert(input, scratch["out"], to: .hfPacked) { $0.keep = [Glob("*proj*")] }
    }
    #expect(error?.kind == .nothingToQuantize)
  }

  @Test("a vector or an integer matrix cannot be made ternary on request")
  func unsuitable() throws {
    let scratch = ScratchFolder()
    var builder = TinyModel().builder()
    builder.file.tensors.append(RawTensor("counts.weight", "I32", [2, 2], [UInt8](repeating: 1, count: 16)))
    let input = builder.write(scratch["latent"])
    for name in ["model.norm.weight", "counts.weight"] {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.convert(input, scratch["out"], to: .hfPacked) { $0.quantize = [Glob(name)] }
      }
      #expect(error?.location.tensor == name)
    }
  }

  @Test("rows that are no multiple of four: a clear error, TritPack takes them, --keep leaves them dense")
  func oddRows() throws {
    let scratch = ScratchFolder()
    var model = TinyModel()
    model.weights[1] = (TinyModel.down, 6, 7, TinyModel.values(42, seed: 6))
    let input = model.builder().write(scratch["latent"])
    let error = #expect(throws: LayoutError.self) {
      try Workflow.convert(input, scratch["out"], to: .hfPacked)
    }
    #expect(error?.location.tensor == TinyModel.down)
    #expect(error?.description.contains("multiple of 4") == true)
    try Workflow.convert(input, scratch["kept"], to: .hfPacked) { $0.keep = [Glob(TinyModel.down)] }
    try Workflow.convert(input, scratch["model.tritpack"], to: .tritpack)
    #expect(try Workflow.verify(input, scratch["model.tritpack"]).passed)
    try Workflow.convert(scratch["model.tritpack"], scratch["dense"], to: .dense)
    let dense = RawModelFile.tensors(ofFolder: scratch["dense"])[name: TinyModel.down]
    let (trits, divisor) = NaiveAbsMean.quantize(model.weights[1].values, "absmean-bf16")
    let magnitude = Float(NaiveAbsMean.bf16(Double(1 / divisor)))
    #expect(FloatBytes.bf16Values(dense.bytes) == trits.map { Float($0) * magnitude })
  }

  @Test("names that look like paths are only names")
  func hostileNames() throws {
    let scratch = ScratchFolder()
    var builder = TinyModel().builder()
    let names = ["../../outside.weight", "/etc/passwd", "a\u{1B}[31mb\n", ".."]
    for (index, name) in names.enumerated() {
      builder.file.tensors.append(RawTensor(name, "U8", [3], [1, 2, UInt8(index)]))
    }
    let input = builder.write(scratch["latent"])
    for target in ConversionTarget.ofAnyShape {
      try Workflow.convert(input, scratch["\(target)"], to: target)
      #expect(try Workflow.verify(input, scratch["\(target)"]).passed)
    }
    let written = RawModelFile.tensors(ofFolder: scratch["hfPacked"])
    for (index, name) in names.enumerated() { #expect(written[name: name].bytes == [1, 2, UInt8(index)]) }
    #expect(Disk.names(scratch.path) == ["dense", "hfPacked", "latent", "tritpack"])
  }
}

@Suite("Warnings of many layers")
struct LayerWarningTests {
  @Test("projections that are kept in every layer are named once, and so they are as an input")
  func kept() throws {
    let scratch = ScratchFolder()
    let globs = [Glob("*.down_proj.*"), Glob("*.up_proj.*")]
    let result = try Workflow.convert(Checkpoint.prequantized, scratch["kept"], to: .hfPacked) { $0.keep = globs }
    let again = try Workflow.plan(scratch["kept"], to: .tritpack)
    for (warnings, word) in [(result.plan.warnings, "are latents"), (again.warnings, "stay as they are")] {
      let warning = try #require(warnings.first { $0.contains(word) })
      for part in ["down", "up"] {
        #expect(warning.contains("'model.layers.0–3.mlp.\(part)_proj.weight'"), "\(warning)")
      }
      #expect(!warning.hasSuffix(" more"), "\(warning)")
    }
  }
}

@Suite("Ordinary models")
struct NativenessTests {
  @Test("an ordinary model is converted with a warning that names the loss and the gap report")
  func warning() throws {
    let plan = try Workflow.plan(Checkpoint.plain, to: .hfPacked)
    let warning = try #require(plan.warnings.first)
    #expect(warning.contains("ordinary") && warning.contains("perplexity") && warning.contains("gap"))
    #expect(plan.tensors.count { $0.step == .quantize } == 28)
  }

  /// Perplexities of `Docs/Quantizers.md`.
  @Test(
    "the loss is that of the quantizer that was chosen, and without one another is named",
    arguments: [
      ("absmean-bf16", "28 becomes 105 "), ("optimal-tensor", "28 becomes 56 "), ("absmean-lsq", "28 becomes 65 "),
    ])
  func loss(_ quantizer: String, _ words: String) throws {
    let plan = try Workflow.plan(Checkpoint.plain, to: .hfPacked) { $0.quantizer = QuantizerID(rawValue: quantizer) }
    let warning = try #require(plan.warnings.first { $0.contains("of an ordinary model") })
    #expect(warning.contains(words), "\(warning)")
    #expect(warning.contains("--quantizer optimal-tensor") == (quantizer == "absmean-bf16"), "\(warning)")
  }

  @Test("with requiresNative it is an error of the kind that exits with 1")
  func refused() throws {
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.plan(Checkpoint.plain, to: .hfPacked) { $0.requiresNative = true }
    }
    guard case .notNative = error?.kind else {
      Issue.record("found \(String(describing: error))")
      return
    }
    #expect(error?.category == .checkFailed)
  }

  @Test(
    "native ones pass requiresNative without a warning",
    arguments: [Checkpoint.prequantized, Checkpoint.bfloat16, Checkpoint.bitnet, Checkpoint.master, Checkpoint.packed])
  func native(_ model: String) throws {
    #expect(try Workflow.plan(model, to: .hfPacked) { $0.requiresNative = true }.warnings == [])
  }
}

@Suite("Shards")
struct ShardTests {
  @Test("sizes are respected, the index is complete, a scale stays beside its weight, nothing changes")
  func sharded() throws {
    let scratch = ScratchFolder()
    let output = scratch["sharded"]
    let limit = 600_000
    try Workflow.convert(Checkpoint.bitnet, output, to: .hfPacked) { $0.maximumShardBytes = UInt64(limit) }
    let files = Disk.names(output).filter { $0.hasSuffix(".safetensors") }
    #expect(files.count > 2)
    for (index, name) in files.enumerated() {
      // Fewer than ten shards here, so the published five digits are four zeros and one.
      #expect(name == "model-0000\(index + 1)-of-0000\(files.count).safetensors")
    }
    let map = try #require(try meaning(output + "/model.safetensors.index.json").object?["weight_map"]?.object)
    var total = 0
    var shardOfTensor: [String: String] = [:]
    for name in files {
      let tensors = RawModelFile(reading: output + "/" + name).tensors
      let bytes = tensors.reduce(0) { $0 + $1.bytes.count }
      // A tensor larger than the limit has a shard of its own.
      #expect(bytes <= limit || tensors.count == 1, "\(name) has \(bytes) bytes")
      total += bytes
      for tensor in tensors { shardOfTensor[tensor.name] = name }
    }
    #expect(map.entries.count == shardOfTensor.count)
    for entry in map.entries { #expect(entry.value.string == shardOfTensor[entry.key], "\(entry.key)") }
    for (name, shard) in shardOfTensor where name.hasSuffix("_scale") {
      #expect(shardOfTensor[String(name.dropLast("_scale".count))] == shard)
    }
    let metadata = try meaning(output + "/model.safetensors.index.json").object?["metadata"]?.object
    #expect(metadata?["total_size"]?.number?.integer == total)
    #expect(differences(ofFolders: output, Checkpoint.bitnet) == [])
    // Read back through the index, it is the same model.
    try Workflow.convert(output, scratch["whole"], to: .hfPacked)
    #expect(differences(ofFolders: scratch["whole"], Checkpoint.bitnet) == [])
  }

  @Test("a limit nothing exceeds writes one file and no index")
  func single() throws {
    let scratch = ScratchFolder()
    let input = TinyModel().builder().write(scratch["latent"])
    try Workflow.convert(input, scratch["out"], to: .hfPacked) { $0.maximumShardBytes = 5_000_000_000 }
    #expect(Disk.names(scratch["out"]) == ["config.json", "model.safetensors"])
  }
}
