// Tritsmith: packed checkpoints and what their scales mean.

import Testing
import TritCore
import TritFormats
import TritTestSupport

@Suite struct PackedInterpretationTests {
  static let falcon = Fixtures.checkpoint("falcon-e-tiny/bitnet")
  static let bitnet = Fixtures.checkpoint("bitnet-b158-tiny/packed")

  // MARK: The two published conventions

  /// `linear_class` and shapes as the two families publish them.
  @Test(arguments: [(falcon, ScaleConvention.divide, 28), (bitnet, .multiply, 14)])
  func readsThePublishedConvention(_ path: String, _ convention: ScaleConvention, _ linears: Int) throws {
    let source = try FormatRegistry.open(path)
    let stored = GoldenVectors(path + "/model.safetensors")
    let packed = source.manifest.tensors.filter(\.encoding.isTernary)
    #expect(packed.count == linears, "seven linears a layer")
    #expect(source.manifest.scaleFinding.convention == convention)
    #expect(!source.manifest.scaleFinding.isConflicting)
    // Configuration and magnitude say the same.
    #expect(source.manifest.scaleFinding.evidence.map(\.convention) == [convention, convention])
    for tensor in packed {
      #expect(tensor.encoding.name == "hf-packed")
      let bytes = stored[tensor.name]
      #expect(tensor.shape.dimensions == [4 * bytes.shape[0], bytes.shape[1]], "\(tensor.name): logical rows")
      let scale = try source.scale(of: tensor)
      #expect(scale.convention == convention)
      #expect(scale.stored == stored[tensor.name + "_scale"].bf16)
      #expect(scale.storage == .bf16)
      #expect(tensor.scale?.name == tensor.name + "_scale")
    }
    // Scales are part of their weights, all else is a tensor of its own.
    #expect(!source.manifest.tensors.contains { $0.name.hasSuffix("_scale") })
    #expect(source.manifest.tensors.count == stored.names.count - linears)
  }

  /// The `bfloat16` revision holds bf16(trit ÷ scale): trits and convention together, seen from outside.
  @Test func dividingGivesThePublishedWeights() throws {
    let name = "model.layers.1.self_attn.k_proj.weight"
    let source = try FormatRegistry.open(Self.falcon)
    let tensor = try #require(source.manifest.tensor(named: name))
    let multiplier = try source.scale(of: tensor).multiplier()
    let bytes = try source.allBytes(name)
    let dense = GoldenVectors(Fixtures.checkpoint("falcon-e-tiny/bfloat16/model.safetensors"))[name].bf16
    let columns = tensor.shape.columns
    let quarter = tensor.shape.rows / 4
    var wrong = 0
    for row in 0..<tensor.shape.rows {
      for column in 0..<columns {
        let code = bytes[row % quarter * columns + column] >> (2 * UInt8(row / quarter)) & 3
        let value = Float(Int(code) - 1) * BFloat16.rounded(multiplier)
        if value != dense[row * columns + column] { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }

  // MARK: Evidence

  /// The falcon folder with its weights copied and a `config.json` of the test's making.
  static func folder(_ folder: TemporaryFolder, configuration: String?) {
    folder.write(RawFile.read(falcon + "/model.safetensors") ?? [], to: "model.safetensors")
    if let configuration { folder.write(configuration, to: "config.json") }
  }

  static func configuration(_ quantization: String) -> String {
    #"{"model_type": "llama", "quantization_config": "# + quantization + "}"
  }

  static func firstPacked(_ source: any TensorSource) throws -> TensorDescriptor {
    try #require(source.manifest.tensors.first { $0.encoding.isTernary })
  }

  @Test func aContradictionIsNotResolvedByGuessing() throws {
    try TemporaryFolder.with { folder in
      Self.folder(
        folder, configuration: Self.configuration(#"{"quant_method": "bitnet", "linear_class": "autobitlinear"}"#))
      let source = try FormatRegistry.open(folder.path)
      #expect(source.manifest.scaleFinding.isConflicting)
      #expect(source.manifest.scaleFinding.convention == nil)
      let tensor = try Self.firstPacked(source)
      #expect(tensor.scale?.convention == nil)
      let error = #expect(throws: FormatError.self) { try source.scale(of: tensor) }
      guard case .conflictingScaleConvention? = error?.kind else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(error?.location.tensor == tensor.name + "_scale")
      #expect(error?.remedy?.contains("--scale-convention") == true)
      // Listing and reading bytes need no convention.
      let bytes = try source.allBytes(tensor.name)
      #expect(bytes.count == tensor.location.byteCount)
    }
  }

  @Test(arguments: [nil, #"{"model_type": "llama"}"#, #"{"quantization_config": {"quant_method": "gptq"}}"#])
  func withoutAConfigurationNothingIsKnown(_ configuration: String?) throws {
    try TemporaryFolder.with { folder in
      Self.folder(folder, configuration: configuration)
      let source = try FormatRegistry.open(folder.path)
      #expect(source.manifest.scaleFinding.convention == nil)
      #expect(!source.manifest.scaleFinding.isConflicting)
      let tensor = try Self.firstPacked(source)
      let error = #expect(throws: FormatError.self) { try source.scale(of: tensor) }
      guard case .unknownScaleConvention? = error?.kind else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  /// Expected: the shipped scales are above 1, and a class that is not named divides.
  @Test func whatFilesStateAndNumbersConfirmIsNotContradicted() throws {
    try TemporaryFolder.with { folder in
      Self.folder(folder, configuration: Self.configuration(#"{"quant_method": "bitnet"}"#))
      var options = OpenOptions(scaleConvention: .multiply)
      let error = try #require(throws: FormatError.self) { try FormatRegistry.open(folder.path, options) }
      #expect(error.category == .misuse)
      #expect(error.location.file == folder.path + "/config.json")
      #expect(error.location.field == "quantization_config.linear_class")
      let text = error.message(.commandLine)
      for part in [
        "linear_class bitlinear", "means divide", "all above 1", "multiply was asked for",
        "leave --scale-convention out",
      ] {
        #expect(text.contains(part), "\(text)")
      }
      options.isTrial = true
      #expect(try FormatRegistry.open(folder.path, options).manifest.scaleFinding.convention == .multiply)
    }
  }

  @Test(
    arguments: [
      (#"{"quant_method": "bitnet"}"#, ScaleConvention.divide),
      (#"{"quant_method": "bitnet", "linear_class": "autobitlinear"}"#, .divide),
      (#"{"quant_method": "bitnet", "linear_class": "autobitlinear"}"#, .multiply),
    ])
  func theUserHasTheLastWord(_ quantization: String, _ convention: ScaleConvention) throws {
    try TemporaryFolder.with { folder in
      Self.folder(folder, configuration: Self.configuration(quantization))
      let source = try FormatRegistry.open(folder.path, OpenOptions(scaleConvention: convention))
      let scale = try source.scale(of: try Self.firstPacked(source))
      #expect(scale.convention == convention)
      #expect(source.manifest.scaleFinding.convention == convention)
      #expect(source.manifest.scaleFinding.evidence.map(\.origin) == [.configuration, .magnitude, .option])
    }
  }

  /// Published HF1BitLLM configurations hold the key twice; Python takes the last.
  @Test func theLastOfTwoQuantizationConfigsCounts() throws {
    try TemporaryFolder.with { folder in
      let auto = #""quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear"}"#
      let plain = #""quantization_config": {"quant_method": "bitnet"}"#
      Self.folder(folder, configuration: "{\(auto), \(plain)}")
      let source = try FormatRegistry.open(folder.path)
      #expect(source.manifest.scaleFinding.convention == .divide)
      #expect(source.manifest.notes == ["config.json holds 'quantization_config' twice; the last one counts"])
      folder.write("{\(plain), \(auto)}", to: "config.json")
      let other = try FormatRegistry.open(folder.path)
      #expect(other.manifest.scaleFinding.isConflicting)
    }
  }

  @Test func unknownClassesAndModesAreRefused() {
    TemporaryFolder.with { folder in
      Self.folder(
        folder, configuration: Self.configuration(#"{"quant_method": "bitnet", "linear_class": "superlinear"}"#))
      let error = FormatRegistryTests.error(folder.path)
      #expect(error?.kind == .wrongType(expected: "'bitlinear' or 'autobitlinear'", found: "'superlinear'"))
      #expect(error?.location.field == "quantization_config.linear_class")
      folder.write(
        Self.configuration(#"{"quant_method": "bitnet", "quantization_mode": "sometimes"}"#), to: "config.json")
      #expect(FormatRegistryTests.error(folder.path)?.location.field == "quantization_config.quantization_mode")
    }
  }

  // MARK: Small models

  static func open(_ tensors: [SampleTensor], _ configuration: String = configuration(#"{"quant_method": "bitnet"}"#))
    throws
    -> any TensorSource
  {
    let folder = TemporaryFolder()
    folder.write(SampleSafetensors.file(tensors), to: "model.safetensors")
    folder.write(configuration, to: "config.json")
    // The source keeps its files open; their names may go.
    return try withExtendedLifetime(folder) { try FormatRegistry.open(folder.path) }
  }

  static func packed(_ scale: SampleTensor) -> [SampleTensor] {
    [SampleTensor("l.weight", "U8", [1, 2], [0x55, 0x55]), scale]
  }

  /// One number in any of the three types, as `[1]` or `[]`: 8 in all of them.
  @Test func acceptsEveryScaleTypePublished() throws {
    let scales: [(String, [UInt8])] = [("BF16", [0, 0x41]), ("F16", [0, 0x48]), ("F32", [0, 0, 0, 0x41])]
    for (dtype, bytes) in scales {
      for shape in [[1], [], [1, 1]] {
        let source = try Self.open(Self.packed(SampleTensor("l.weight_scale", dtype, shape, bytes)))
        let scale = try source.scale(of: try Self.firstPacked(source))
        #expect(scale.stored == [8], "\(dtype) \(shape)")
        #expect(scale.storage.rawValue == dtype)
        #expect(scale.multiplier() == 0.125)
      }
    }
  }

  @Test func refusesScalesThatAreNoScales() {
    let bad: [SampleTensor] = [
      SampleTensor("l.weight_scale", "U8", [1], [1]),
      SampleTensor("l.weight_scale", "F64", [1], [0, 0, 0, 0, 0, 0, 0, 0x40]),
      // −8, infinity, NaN.
      SampleTensor("l.weight_scale", "BF16", [1], [0, 0xC1]),
      SampleTensor("l.weight_scale", "BF16", [1], [0x80, 0x7F]),
      SampleTensor("l.weight_scale", "BF16", [1], [0xC0, 0x7F]),
    ]
    for scale in bad {
      let error = #expect(throws: FormatError.self) { try Self.open(Self.packed(scale)) }
      guard case .badScale? = error?.kind else {
        Issue.record("\(scale): \(String(describing: error))")
        continue
      }
      #expect(error?.location.tensor == "l.weight_scale")
    }
  }

  /// Over zeros both are right; over other trits `check` refuses both.
  @Test func zeroMakesZerosWhateverTheConvention() throws {
    let tensors = Self.packed(SampleTensor("l.weight_scale", "BF16", [1], [0, 0]))
    let divide = try Self.open(tensors)
    let divisor = try divide.scale(of: try Self.firstPacked(divide))
    #expect(divisor.convention == .divide && divisor.stored == [0] && divisor.multiplier() == 0)
    let multiply = try Self.open(
      tensors, Self.configuration(#"{"quant_method": "bitnet", "linear_class": "autobitlinear"}"#))
    let scale = try multiply.scale(of: try Self.firstPacked(multiply))
    #expect(scale.multiplier() == 0)
  }

  @Test func onlyMatricesWithAScaleArePacked() throws {
    let source = try Self.open([
      SampleTensor("alone.weight", "U8", [1, 2], [1, 2]),
      SampleTensor("other.bias", "U8", [1, 2], [1, 2]),
      SampleTensor("float.weight", "F32", [1], [0, 0, 0, 0]),
      SampleTensor("float.weight_scale", "BF16", [1], [0, 0x41]),
      SampleTensor("orphan.weight_scale", "BF16", [1], [0, 0x41]),
    ])
    #expect(!source.manifest.tensors.contains { $0.encoding.isTernary })
    #expect(source.manifest.tensors.count == 5)
    #expect(source.manifest.scaleFinding.evidence.isEmpty)
    let scale = SampleTensor("l.weight_scale", "BF16", [1], [0, 0x41])
    for shape in [[2], [1, 1, 2]] {
      let error = #expect(throws: FormatError.self) {
        try Self.open([SampleTensor("l.weight", "U8", shape, [1, 2]), scale])
      }
      #expect(error?.kind == .packedShape(found: "\(shape)"))
    }
    // Four times as many rows must still be a size.
    let huge = SampleTensor("l.weight", "U8", [1 << 62, 0], [])
    let error = #expect(throws: FormatError.self) { try Self.open([huge, scale]) }
    #expect(error?.kind == .packedShape(found: "[4611686018427387904, 0]"))
  }

  /// Magnitudes on both sides of 1 prove nothing and contradict nothing.
  @Test func magnitudesThatDoNotTell() throws {
    let source = try Self.open([
      SampleTensor("a.weight", "U8", [1, 1], [0x55]), SampleTensor("b.weight", "U8", [1, 1], [0x55]),
      SampleTensor("a.weight_scale", "BF16", [1], [0, 0x41]), SampleTensor("b.weight_scale", "BF16", [1], [0, 0x3E]),
    ])
    #expect(source.manifest.scaleFinding.evidence.map(\.convention) == [.divide, nil])
    #expect(source.manifest.scaleFinding.convention == .divide)
  }
}

@Suite struct HFQuantizationTests {
  static func parse(_ json: String) throws -> HFQuantization? {
    let object = try #require(try JSONValue.parse(Array(json.utf8)).object)
    return try HFQuantization(configuration: object, file: "config.json")
  }

  /// Entries seen in published files, with the defaults of transformers' BitNetQuantConfig.
  @Test func publishedConfigurations() throws {
    let falcon3 = try #require(
      try Self.parse(#"{"quantization_config": {"modules_to_not_convert": ["lm_head"], "quant_method": "bitnet"}}"#))
    #expect(falcon3.linearClass == .bitlinear)
    #expect(falcon3.linearClass.convention == .divide)
    #expect(falcon3.mode == .offline)
    #expect(falcon3.modulesToNotConvert == ["lm_head"])
    let microsoft = try #require(
      try Self.parse(
        #"{"quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}}"#
      ))
    #expect(microsoft.linearClass.convention == .multiply)
    #expect(microsoft.modulesToNotConvert == nil)
    let online = try #require(
      try Self.parse(
        #"{"quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}}"#
      ))
    #expect(online.mode == .online)
    // `bitlinear` never looks at the mode.
    let ignored = try #require(
      try Self.parse(#"{"quantization_config": {"quant_method": "bitnet", "quantization_mode": "online"}}"#))
    #expect(ignored.mode == .offline)
    let null = try #require(
      try Self.parse(#"{"quantization_config": {"quant_method": "bitnet", "modules_to_not_convert": null}}"#))
    #expect(null.modulesToNotConvert == nil)
    for other in ["{}", #"{"quantization_config": null}"#, #"{"quantization_config": {"quant_method": "awq"}}"#] {
      let none = try Self.parse(other)
      #expect(none == nil, "\(other)")
    }
  }

  /// By `should_convert_module` of transformers 5.23.
  @Test(
    "a list names modules by their beginning and their end",
    arguments: [
      ("lm_head", "lm_head", true), ("lm_head.weight", "lm_head", false), ("lm", "lm_head", false),
      ("LM_HEAD", "lm_head", false), ("lm.head", "lm_head", true), ("head", "lm_head", true),
      ("model.layers.1.", "model.layers.1.mlp.up_proj", true), ("model.layers.1", "model.layers.1.mlp.up_proj", true),
      ("model.layers.1", "model.layers.11.mlp.up_proj", false),
      ("model.layers.1.", "model.layers.11.mlp.up_proj", true), ("model.layers.1.", "model.layers.12", true),
      ("mlp", "model.layers.1.mlp.up_proj", false), ("up_proj", "model.layers.1.mlp.up_proj", true),
      ("mlp.up", "model.layers.1.mlp.up_proj", false),
      ("model.layers.1.mlp.up_proj.weight", "model.layers.1.mlp.up_proj", false), (".", "lm_head", false),
      ("model.", "model.layers.1.mlp.up_proj", true),
    ])
  func namedModules(_ pattern: String, _ module: String, _ isNamed: Bool) {
    #expect(HFQuantization.names([pattern], module) == isNamed)
  }
}
