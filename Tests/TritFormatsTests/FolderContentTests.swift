// Tritsmith: folders whose files are not what their names say.

import Testing
import TritCore
import TritTestSupport

@testable import TritFormats

@Suite struct FolderContentTests {
  static let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 8397400\n"
  static let weights = SampleSafetensors.file([SampleTensor("a.weight", "F32", [1], [0, 0, 0, 0])])

  static func error(_ path: String) -> FormatError? {
    do {
      _ = try FormatRegistry.open(path)
      return nil
    } catch {
      return error as? FormatError
    }
  }

  // MARK: What was never fetched

  @Test(arguments: [
    "model.safetensors", "config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
  ])
  func pointersAreNamed(_ name: String) {
    TemporaryFolder.with { folder in
      folder.write(Self.weights, to: "model.safetensors")
      folder.write("{}", to: "config.json")
      if name.contains("index") || name.contains("0000") {
        folder.write(
          #"{"weight_map": {"a.weight": "model-00001-of-00002.safetensors"}}"#, to: "model.safetensors.index.json")
        Disk.remove(folder.path("model.safetensors"))
      }
      folder.write(Self.pointer, to: name)
      let error = Self.error(folder.path)
      #expect(error?.kind == .standIn(.gitLFSPointer))
      #expect(error?.location.file == folder.path(name))
      #expect(error?.remedy?.contains("git lfs pull") == true)
    }
  }

  @Test(arguments: ["a.gguf", "a.safetensors", "a.tritpack", "a.index.json", "a.bin"])
  func singleFilesAreNamed(_ name: String) {
    TemporaryFolder.with { folder in
      folder.write(Self.pointer, to: name)
      #expect(Self.error(folder.path(name))?.kind == .standIn(.gitLFSPointer))
      folder.write("<!doctype html><title>404</title>", to: name)
      #expect(Self.error(folder.path(name))?.kind == .standIn(.webPage))
      folder.write("Entry not found", to: name)
      #expect(Self.error(folder.path(name))?.kind == .standIn(.serverMessage("Entry not found")))
    }
  }

  @Test func aFileInAPatchsPlaceIsNamed() {
    TemporaryFolder.with { folder in
      func kind(_ bytes: [UInt8], _ name: String = "p.tritdiff") -> FormatError.Kind? {
        let path = folder.write(bytes, to: name)
        let error = #expect(throws: FormatError.self) { try TritDiffPatch(path: path) }
        #expect(error?.location.file == path)
        return error?.kind
      }
      let patch = "a patch that 'tritsmith diff' wrote"
      #expect(kind(Array(Self.pointer.utf8)) == .standIn(.gitLFSPointer))
      #expect(kind(Array("<!doctype html>".utf8)) == .standIn(.webPage))
      #expect(kind([]) == .emptyFile)
      #expect(kind(Array("GGUF".utf8) + [3, 0, 0, 0]) == .otherFile(expected: patch, found: "a model (gguf)"))
      #expect(kind(Self.weights) == .otherFile(expected: patch, found: "a model (safetensors)"))
      #expect(kind(Array("TRITPACK".utf8)) == .otherFile(expected: patch, found: "a model (tritpack)"))
      #expect(kind(Array("{\"a\": 1}".utf8)) == .otherFile(expected: patch, found: "JSON"))
      let archive: [UInt8] = [0x50, 0x4B, 3, 4, 0]
      #expect(kind(archive, "p.bin") == .otherFile(expected: patch, found: "weights saved by PyTorch"))
      // One that is cut or damaged is still one.
      #expect(kind(Array("TRITDIFF".utf8)) == .badPreamble("64 bytes are needed, the file has 8"))
      let model = folder.write(Array("GGUF".utf8) + [3, 0, 0, 0], to: "m.tritpack")
      #expect(Self.error(model)?.kind == .otherFile(expected: "a TritPack file", found: "a model (gguf)"))
    }
  }

  /// Weights can be looked at without a tokenizer; whoever asks for it gets the reason.
  @Test func aTokenizerThatIsAPointerIsNoted() throws {
    try TemporaryFolder.with { folder in
      folder.write(Self.weights, to: "model.safetensors")
      folder.write(Self.pointer, to: "tokenizer.json")
      folder.write(Self.pointer, to: "figure.png")
      folder.write("<html>", to: "index.html")
      let source = try FormatRegistry.open(folder.path)
      #expect(source.manifest.notes.count == 2)
      #expect(source.manifest.notes.contains { $0.contains("'tokenizer.json'") && $0.contains("git lfs pull") })
      #expect(source.manifest.notes.contains { $0.contains("'figure.png' is left out") })
      #expect(source.manifest.companions.map(\.name) == ["index.html", "tokenizer.json"])
      let error = #expect(throws: FormatError.self) { try source.companion(named: "tokenizer.json") }
      #expect(error?.kind == .standIn(.gitLFSPointer))
    }
  }

  // MARK: What a path means

  @Test func aConfigurationMeansItsFolder() throws {
    try TemporaryFolder.with { folder in
      let configuration = folder.write("{}", to: "config.json")
      folder.write([0], to: "m.gguf")
      let file = try ModelPlace.resolved(configuration)
      #expect(file == folder.path("m.gguf"))
      folder.write([0], to: "n.gguf")
      #expect(Self.error(configuration)?.kind == .severalModels("m.gguf, n.gguf"))
      // It belongs to the safetensors file, whatever lies beside.
      folder.write(Self.weights, to: "model.safetensors")
      let place = try ModelPlace.resolved(configuration)
      #expect(place == folder.path)
    }
  }

  /// `from_pretrained` of transformers 4 finds `pytorch_model.bin` and its index, beside a `config.json`.
  @Test func pickledWeightsAreSavedByALineThatWorks() {
    TemporaryFolder.with { folder in
      let configuration = folder.write("{}", to: "config.json")
      let archive: [UInt8] = [0x50, 0x4B, 3, 4, 0]
      let known = folder.write(archive, to: "pytorch_model.bin")
      for path in [folder.path, configuration, known] {
        let error = Self.error(path)
        #expect(error?.kind == .pytorchWeights("pytorch_model.bin", alone: nil))
        #expect(error?.remedy?.contains("from_pretrained('\(folder.path)'") == true, "\(path)")
      }
      // Another name, and a checkpoint without its configuration.
      let other = folder.write(archive, to: "old.bin")
      #expect(Self.error(other)?.kind == .pytorchWeights("old.bin", alone: other))
      Disk.remove(other)
      Disk.remove(configuration)
      for path in [folder.path, known] {
        let error = Self.error(path)
        #expect(error?.kind == .pytorchWeights("pytorch_model.bin", alone: known))
        let remedy = error?.remedy ?? ""
        #expect(remedy.contains("\npython -c \"") && remedy.contains("torch.load('\(known)'"))
        #expect(remedy.hasSuffix("'\(folder.path("pytorch_model.safetensors"))')\""))
      }
    }
  }

  // MARK: JSON as Python writes it

  @Test func infinityInAConfigurationIsReadAndNoted() throws {
    try TemporaryFolder.with { folder in
      folder.write(Self.weights, to: "model.safetensors")
      folder.write(#"{"model_type": "llama", "time_step_limit": [0.0, Infinity]}"#, to: "config.json")
      let source = try FormatRegistry.open(folder.path)
      #expect(source.manifest.configuration?["model_type"]?.string == "llama")
      #expect(source.manifest.notes.count == 1)
      #expect(source.manifest.notes.first?.contains("Infinity in 'time_step_limit[1]'") == true)
      // An index is no file of Python's alone.
      folder.write(#"{"weight_map": {}, "metadata": NaN}"#, to: "other.index.json")
      guard case .jsonFile? = Self.error(folder.path("other.index.json"))?.kind else {
        Issue.record("an index with NaN was read")
        return
      }
    }
  }

  @Test func aByteOrderMarkIsReadAndNoted() throws {
    try TemporaryFolder.with { folder in
      folder.write(Self.weights, to: "model.safetensors")
      folder.write([0xEF, 0xBB, 0xBF] + Array(#"{"model_type": "llama"}"#.utf8), to: "config.json")
      let source = try FormatRegistry.open(folder.path)
      #expect(source.manifest.configuration?["model_type"]?.string == "llama")
      #expect(source.manifest.notes.first?.contains("byte order mark") == true)
      #expect(source.manifest.notes.first?.contains("save it as UTF-8 without one") == true)
    }
  }

  @Test func aConfigurationIsNeverCalledAHeader() {
    TemporaryFolder.with { folder in
      folder.write(Self.weights, to: "model.safetensors")
      folder.write("{", to: "config.json")
      let error = Self.error(folder.path)
      #expect(error?.location.file == folder.path("config.json"))
      #expect(error?.description.contains("header") == false, "\(String(describing: error))")
      folder.write([0xFF, 0xFE, 0x7B, 0, 0x7D, 0], to: "config.json")
      #expect(Self.error(folder.path)?.remedy?.contains("UTF-8") == true)
    }
  }

  // MARK: Adapters

  static func lora(_ stem: String = "base_model.model.model.layers.0.q_proj") -> [SampleTensor] {
    [
      SampleTensor(stem + ".lora_A.weight", "F32", [1, 1], [0, 0, 0, 0]),
      SampleTensor(stem + ".lora_B.weight", "F32", [1, 1], [0, 0, 0, 0]),
    ]
  }

  @Test func anAdapterIsNamed() {
    TemporaryFolder.with { folder in
      folder.write(SampleSafetensors.file(Self.lora()), to: "adapter_model.safetensors")
      for path in [folder.path("adapter_model.safetensors"), folder.path] {
        #expect(Self.error(path)?.kind == .partialModel(.loraAdapter), "by its tensors")
      }
      folder.write(#"{"peft_type": "LORA"}"#, to: "adapter_config.json")
      folder.write("{}", to: "config.json")
      let error = Self.error(folder.path)
      #expect(error?.kind == .partialModel(.loraAdapter))
      #expect(error?.remedy?.contains("tritsmith merge BASE ADAPTER OUTPUT") == true)
      folder.write(#"{"peft_type": "IA3"}"#, to: "adapter_config.json")
      #expect(Self.error(folder.path)?.kind == .partialModel(.otherAdapter("IA3")))
      // Saved as PyTorch saves: there is no safetensors file at all.
      Disk.remove(folder.path("adapter_model.safetensors"))
      folder.write([0], to: "adapter_model.bin")
      #expect(Self.error(folder.path)?.kind == .partialModel(.otherAdapter("IA3")))
    }
  }

  /// A model beside adapter settings, and one with its adapter still attached, are models.
  @Test func aModelIsNoAdapter() throws {
    try TemporaryFolder.with { folder in
      folder.write(Self.weights, to: "model.safetensors")
      folder.write(#"{"peft_type": "LORA"}"#, to: "adapter_config.json")
      folder.write(SampleSafetensors.file(Self.lora()), to: "adapter_model.safetensors")
      _ = try FormatRegistry.open(folder.path)
      for name in ["l.q_proj.weight", "l.q_proj.base_layer.weight"] {
        let base = SampleTensor(name, "F32", [1], [0, 0, 0, 0])
        folder.write(SampleSafetensors.file([base] + Self.lora("l.q_proj")), to: "model.safetensors")
        _ = try FormatRegistry.open(folder.path)
      }
    }
  }

  // MARK: Bytes with scales

  static func open(_ tensors: [SampleTensor], _ configuration: String) throws -> any TensorSource {
    let folder = TemporaryFolder()
    folder.write(SampleSafetensors.file(tensors), to: "model.safetensors")
    folder.write(configuration, to: "config.json")
    return try withExtendedLifetime(folder) { try FormatRegistry.open(folder.path) }
  }

  static func foreign(_ method: String) -> String { #"{"quantization_config": {"quant_method": ""# + method + #""}}"# }

  struct Foreign: Sendable {
    var kind, name, dtype: String
    var shape: [Int]
    var scales: [String]
    var scaleType: String
    var scaleShape: [Int]
    init(
      _ kind: String, _ name: String, _ dtype: String, _ shape: [Int], _ scales: [String], _ scaleType: String,
      _ scaleShape: [Int]
    ) {
      (self.kind, self.name, self.dtype, self.shape) = (kind, name, dtype, shape)
      (self.scales, self.scaleType, self.scaleShape) = (scales, scaleType, scaleShape)
    }
  }

  /// The shapes that ModelOpt, Quark, compressed-tensors, DeepSeek, GPTQ and bitsandbytes write.
  @Test(arguments: [
    Foreign("NVFP4", "l.weight", "U8", [2, 8], ["l.weight_scale", "l.weight_scale_2"], "F8_E4M3", [2, 1]),
    Foreign("MXFP4", "l.weight", "U8", [2, 16], ["l.weight_scale"], "U8", [2, 1]),
    Foreign("MXFP4", "l.weight", "U8", [2, 16], ["l.weight_scale"], "F8_E8M0", [2, 1]),
    Foreign("MXFP4", "l.gate_up_proj_blocks", "U8", [2, 3, 2, 16], ["l.gate_up_proj_scales"], "U8", [2, 3, 2]),
    Foreign("MXFP8 (E4M3)", "l.weight", "F8_E4M3", [2, 64], ["l.weight_scale"], "U8", [2, 2]),
    Foreign("U8 by rows", "l.weight", "U8", [2, 8], ["l.weight_scale"], "BF16", [2, 1]),
    Foreign("U8 by rows", "l.weight", "U8", [2, 8], ["l.weight_scale"], "BF16", [8]),
    Foreign("FP8 (E4M3) by rows", "l.weight", "F8_E4M3", [2, 8], ["l.weight_scale"], "BF16", [2, 1]),
    Foreign("FP8 (E5M2)", "l.weight", "F8_E5M2", [2, 8], ["l.weight_scale"], "F32", [1]),
    Foreign("FP8 (E4M3) by blocks", "l.weight", "F8_E4M3", [4, 8], ["l.weight_scale_inv"], "F32", [2, 3]),
    Foreign("I32 by blocks", "l.qweight", "I32", [2, 8], ["l.scales"], "F16", [2, 4]),
    Foreign("I8 by rows", "l.weight", "I8", [2, 8], ["l.SCB"], "F32", [2]),
    Foreign("I8", "l.weight", "I8", [2, 8], ["l.weight_scale"], "F32", []),
    Foreign("I32 by rows", "l.weight_packed", "I32", [2, 8], ["l.weight_scale"], "BF16", [2, 1]),
  ])
  func bytesWithScalesAreListed(_ packing: Foreign) throws {
    let (name, dtype, shape) = (packing.name, packing.dtype, packing.shape)
    let bits = [
      "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "BF16": 16, "F16": 16, "F32": 32, "I32": 32,
    ]
    func tensor(_ name: String, _ dtype: String, _ shape: [Int]) throws -> SampleTensor {
      let width = try #require(bits[dtype]) / 8
      return SampleTensor(name, dtype, shape, [UInt8](repeating: 1, count: shape.reduce(1, *) * width))
    }
    let tensors =
      try [tensor(name, dtype, shape)] + packing.scales.map { try tensor($0, packing.scaleType, packing.scaleShape) }
    for configuration in [Self.foreign("modelopt"), Self.foreign("bitnet"), "{}"] {
      let source = try Self.open(tensors, configuration)
      #expect(Set(source.manifest.tensors.map(\.name)) == Set(tensors.map(\.name)))
      let found = try #require(source.manifest.tensor(named: name))
      #expect(found.encoding == .opaque("\(packing.kind) with separate scales"))
      #expect(found.shape.dimensions == shape)
      let note = try #require(source.manifest.notes.first { $0.contains("scales of their own") })
      #expect(note.contains(configuration.contains("modelopt") ? "of modelopt" : "listed and not read"), "\(note)")
    }
  }

  /// A packed tensor without its scale is packed all the same where other tensors or the configuration say so.
  @Test func packedWithoutScale() throws {
    let lonely = SampleTensor("a.weight", "U8", [1, 2], [0x55, 0x55])
    let pair = [
      SampleTensor("l.weight", "U8", [1, 2], [0x55, 0x55]), SampleTensor("l.weight_scale", "BF16", [1], [0, 0x41]),
    ]
    for (tensors, configuration) in [
      ([lonely], PackedInterpretationTests.configuration(#"{"quant_method": "bitnet"}"#)), ([lonely] + pair, "{}"),
    ] {
      let source = try Self.open(tensors, configuration)
      #expect(source.manifest.tensor(named: "a.weight")?.encoding == ForeignPacking.withoutScale)
      #expect(source.manifest.notes.contains { $0.contains("has no scale") && $0.contains("'a.weight'") })
    }
    // Nothing says that these bytes are packed, or another method says what they are.
    for configuration in ["{}", Self.foreign("bitsandbytes")] {
      #expect(try Self.open([lonely], configuration).manifest.tensor(named: "a.weight")?.encoding == .dense(.u8))
    }
  }
}
