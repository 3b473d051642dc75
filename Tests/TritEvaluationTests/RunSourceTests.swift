// Tritsmith tests: one model, one set of logits, whatever form it is stored in.

import Testing
import TritCore
import TritFormats
import TritInference
import TritKernels
import TritLayouts
import TritModel
import TritTestSupport

@testable import TritConversion
@testable import TritEvaluation
@testable import TritSurvey

/// A change of a conversion to GGUF.
private func gguf(
  _ weights: GGUFWeightType, _ order: I2SOrder = .group128
) -> @Sendable (inout ConversionRequest) -> Void {
  { $0.gguf = GGUFOptions(weights: weights, i2sOrder: order, embeddings: .bf16) }
}

@Suite("Every source feeds the same forward pass")
struct RunSourceTests {
  struct Form: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Whether scales are stored as the packed checkpoint stores them; GGUF keeps their inverse, rounded.
    var keepsScales = true
    var change: @Sendable (inout ConversionRequest) -> Void
    var target: ConversionTarget

    init(
      _ name: String, _ target: ConversionTarget, keepsScales: Bool = true,
      _ change: @escaping @Sendable (inout ConversionRequest) -> Void = { _ in }
    ) {
      testDescription = name
      self.target = target
      self.keepsScales = keepsScales
      self.change = change
    }
  }

  static let forms: [Form] = [
    Form("packed safetensors", .hfPacked),
    Form("TritPack base 3", .tritpack) { $0.tritpackLayout = SplitRow.base3ID },
    Form("TritPack two bits", .tritpack) { $0.tritpackLayout = SplitRow.twoBitID },
    Form("TritPack base 3, zstd", .tritpack) { $0.compression = .zstd(level: 1) },
    Form("TritPack two bits, zstd", .tritpack) {
      $0.tritpackLayout = SplitRow.twoBitID
      $0.compression = .zstd(level: 3)
    },
    Form("GGUF TQ2_0", .gguf, keepsScales: false, gguf(.tq2)),
    Form("GGUF TQ1_0", .gguf, keepsScales: false, gguf(.tq1)),
    Form("GGUF I2_S", .gguf, keepsScales: false, gguf(.i2s)),
    Form("GGUF I2_S, groups of 64", .gguf, keepsScales: false, gguf(.i2s, .group64)),
  ]

  static let models = ["falcon-e-tiny/bitnet", "bitnet-b158-tiny/packed"]
  static let ids = [1, 47, 287, 420, 226, 22, 531, 925, 265, 621, 275, 1, 374]

  func logits(_ path: String, _ mode: ArithmeticMode, access: FileAccessMode = .mapped) throws -> [Float] {
    let options = RunOptions(mode: mode, threads: 2, open: OpenOptions(access: access))
    let runnable = try RunnableModel(path, options, engine: options.engine())
    return try runnable.session(for: Self.ids.count).logits(Self.ids)
  }

  @Test("logits", arguments: RunSourceTests.forms, RunSourceTests.models)
  func stored(_ form: Form, _ model: String) throws {
    let folder = try RunFolder()
    let source = Fixtures.checkpoint(model)
    var request = ConversionRequest(input: source, output: folder.file("converted"), target: form.target)
    form.change(&request)
    _ = try ConvertWorkflow(request).run()
    for mode in ArithmeticMode.allCases {
      let expected = try logits(source, mode)
      let found = try logits(request.output, mode)
      if form.keepsScales {
        #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(mode)")
      } else {
        // A scale moves by half a unit of float16 at most: 2⁻¹¹ of each product.
        let spread = (expected.max() ?? 0) - (expected.min() ?? 0)
        let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
        #expect(largest < 0.05 * spread, "\(mode): \(largest) of \(spread)")
      }
      // Files that are not mapped give the same.
      #expect(try logits(request.output, mode, access: .buffered).map(\.bitPattern) == found.map(\.bitPattern))
    }
    var validation = ValidateRequest(path: request.output, against: source)
    validation.inputs = [.ids(Self.ids.map(String.init).joined(separator: " "))]
    validation.options.mode = .fast
    let result = try ValidateWorkflow(validation).run()
    #expect(result.hasSameWeights == true)
    #expect(result.agreement.topOne >= 0.9)
  }

  @Test("sharded and single files, keys of transformers 4 and 5")
  func shards() throws {
    let whole = try logits(Fixtures.checkpoint("falcon-e-tiny/prequantized"), .reference)
    let sharded = try logits(Fixtures.checkpoint("falcon-e-tiny/prequantized-sharded"), .reference)
    #expect(whole.map(\.bitPattern) == sharded.map(\.bitPattern))
  }

  @Test("dense GGUF files of every type", arguments: [GGUFWeightType.bf16, .f16, .f32])
  func denseGGUF(_ type: GGUFWeightType) throws {
    let folder = try RunFolder()
    let source = Fixtures.checkpoint("falcon-e-tiny/bfloat16")
    var request = ConversionRequest(input: source, output: folder.file("m.gguf"), target: .gguf)
    request.gguf = GGUFOptions(weights: type, embeddings: .f32)
    _ = try ConvertWorkflow(request).run()
    let expected = try logits(source, .reference)
    let found = try logits(request.output, .reference)
    // trit × scale is exact in all three but float16, where small values lose bits.
    let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(largest < (type == .f16 ? 0.05 : 1e-3), "\(largest)")
  }

  @Test("a GGUF file runs with the tokenizer it holds")
  func ggufText() throws {
    let folder = try RunFolder()
    var request = ConversionRequest(
      input: Fixtures.checkpoint("falcon-e-tiny/prequantized"), output: folder.file("m.gguf"), target: .gguf)
    request.gguf = GGUFOptions(embeddings: .bf16)
    _ = try ConvertWorkflow(request).run()
    var generate = GenerateRequest(path: request.output, prompt: "And the LORD said unto")
    generate.maximumTokens = 6
    let found = try GenerateWorkflow(generate).run { _ in true }
    generate.path = Fixtures.checkpoint("falcon-e-tiny/bitnet")
    #expect(try GenerateWorkflow(generate).run { _ in true }.ids == found.ids)
    let text = "In the beginning"
    #expect(
      try TokenizeWorkflow(.init(path: request.output, input: .text(text))).run().tokens.map(\.id)
        == [46, 83, 265, 1966, 1134])
  }

  // MARK: - Tensors that do not fit

  @Test("tensors that contradict the configuration are typed errors that name the tensor")
  func tensors() throws {
    let path = Fixtures.golden("models/llama_packed")
    let original = RawModelFile(reading: path + "/model.safetensors")
    let configuration = Disk.text(path + "/config.json")
    let projection = try #require(original.tensors.first { $0.name.hasSuffix("q_proj.weight") }?.name)
    func fault(_ change: (inout RawModelFile) -> Void) throws -> (kind: ModelError.Kind?, tensor: String?) {
      var file = original
      change(&file)
      let folder = try RunFolder()
      let model = ModelFolderBuilder(file.tensors, configuration: configuration).write(folder.path + "/model")
      do {
        let options = RunOptions(mode: .fast)
        _ = try RunnableModel(model, options, engine: options.engine())
        return (nil, nil)
      } catch {
        return ((error as? ModelError)?.kind, (error as? any DiagnosticError)?.location.tensor)
      }
    }
    #expect(try fault { _ in }.kind == nil)
    let missing = try fault { $0.tensors.removeAll { $0.name == "model.norm.weight" } }
    if case .missingTensor = missing.kind {} else { Issue.record("\(missing)") }
    #expect(missing.tensor == "model.norm.weight")
    let norm = try fault {
      let tensor = $0["model.norm.weight"]
      $0["model.norm.weight"].shape = [tensor.shape[0] / 2]
      $0["model.norm.weight"].bytes = Array(tensor.bytes[..<(tensor.bytes.count / 2)])
    }
    if case .tensorShape = norm.kind {} else { Issue.record("\(norm)") }
    let extra = try fault {
      $0.tensors.append(RawTensor("model.layers.0.self_attn.q_norm.weight", "F32", [1], [0, 0, 0, 0]))
    }
    #expect(extra.kind == .unusedTensor && extra.tensor == "model.layers.0.self_attn.q_norm.weight")
    let codes = try fault { $0[projection].bytes[3] = 0xFF }
    // Byte 3 holds column 3 of four rows, of which row 0 is the first.
    #expect(codes.kind == .invalidCodes(count: 4, row: 0, column: 3) && codes.tensor == projection)
    let scale = try fault { $0[projection + "_scale"].bytes = [0xC0, 0x7F] }
    #expect(scale.tensor?.hasPrefix(projection) == true)
    let type = try fault {
      $0["model.norm.weight"].dtype = "I16"
    }
    if case .tensorEncoding = type.kind {} else { Issue.record("\(type)") }
  }

  @Test("weights that are no numbers give logits that are none, and a validation that says so")
  func notNumbers() throws {
    let folder = try RunFolder()
    let original = Fixtures.checkpoint("falcon-e-tiny/bitnet")
    var model = try EditableModel(original)
    let tensor = try #require(model.manifest.tensor(named: "model.norm.weight"))
    model.edit(tensor.location) { bytes in
      bytes[0] = 0xC0
      bytes[1] = 0x7F
    }
    try model.write(to: folder)
    var request = ValidateRequest(path: folder.path, against: original)
    request.inputs = [.ids("1 2 3")]
    let result = try ValidateWorkflow(request).run()
    #expect(!result.passed && result.agreement.nonFinitePositions == 3)
    var generate = GenerateRequest(path: folder.path, prompt: "a")
    generate.maximumTokens = 2
    let error = #expect(throws: ModelError.self) { try GenerateWorkflow(generate).run { _ in true } }
    guard case .notFiniteState? = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.summary.contains("final_norm of token 0") == true && error?.location.file == folder.path)
    // Latents made ternary when loaded are looked at one by one.
    var latent = try EditableModel(Fixtures.checkpoint("falcon-e-tiny/prequantized"))
    let name = "model.layers.2.mlp.up_proj.weight"
    let projection = try #require(latent.manifest.tensor(named: name))
    latent.edit(projection.location) { $0.replaceSubrange(4..<6, with: [0x80, 0x7F]) }
    try latent.write(to: folder)
    let options = RunOptions(mode: .fast, projections: .online)
    do {
      _ = try RunnableModel(folder.path, options, engine: options.engine())
      Issue.record("loaded")
    } catch let error as ModelError {
      #expect(error.kind == .notFinite && error.location.tensor == name)
    }
  }
}
