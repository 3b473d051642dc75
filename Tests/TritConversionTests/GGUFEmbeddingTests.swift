// Tritsmith: embeddings and heads of GGUF files.

import Testing
import TritCore
import TritFormats
import TritLayouts
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritInspection
@testable import TritSurvey
@testable import TritVerification

@Suite("Embeddings of GGUF files")
struct GGUFEmbeddingTests {
  private static let golden = Fixtures.golden("models/llama256_packed")
  private static let tables = ["token_embd.weight", "output.weight"]

  /// The golden model with embeddings and head in a type.
  private func model(_ folder: String, _ dtype: String, _ encode: ([Float]) -> [UInt8]) -> String {
    var model = ModelFolderBuilder(
      RawModelFile.tensors(ofFolder: Self.golden), configuration: Disk.text(Self.golden + "/config.json"))
    for name in ["model.embed_tokens.weight", "lm_head.weight"] {
      let values = FloatBytes.bf16Values(model.file[name].bytes)
      model.file[name].dtype = dtype
      model.file[name].bytes = encode(values)
    }
    return model.write(folder)
  }

  private func verify(_ source: String, _ converted: String) throws -> VerifyResult {
    var request = VerifyRequest(depth: .audit)
    request.parts = [.weights]
    return try VerifyWorkflow(
      source: ModelOpener.open(source), converted: ModelOpener.open(converted), request: request
    ).run()
  }

  @Test("stay what they are: BF16, F16 and F32, byte for byte, in every layout", arguments: GGUFWeightType.allCases)
  func kept(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let forms: [(String, ([Float]) -> [UInt8])] = [
      ("BF16", FloatBytes.bf16), ("F16", { FloatBytes.f16($0.map { abs($0) < 0x1p-14 ? 0 : $0 }) }),
      ("F32", FloatBytes.f32),
    ]
    for (dtype, encode) in forms {
      let source = model(scratch[dtype], dtype, encode)
      let result = try Workflow.gguf(source, scratch["\(dtype).gguf"], GGUFStyle(weights: weights)) {
        $0.gguf.hasTokenizer = false
      }
      #expect(result.rounded.isEmpty)
      let stored = Dictionary(
        uniqueKeysWithValues: try ggufTensors(scratch["\(dtype).gguf"]).map { ($0.name, $0) })
      let original = RawModelFile.tensors(ofFolder: source)
      for (name, own) in zip(Self.tables, ["model.embed_tokens.weight", "lm_head.weight"]) {
        #expect(stored[name]?.type == dtype && stored[name]?.bytes == original[name: own].bytes, "\(dtype) \(name)")
      }
      // Norms become F32, which ggml multiplies by: no value moves.
      #expect(stored["output_norm.weight"]?.type == "F32")
      let verified = try verify(source, scratch["\(dtype).gguf"])
      #expect(verified.passed && verified.rounding.values.changed == 0)
    }
  }

  @Test("rounding is counted apart from differences, and a wrong value is not called rounding", arguments: [1, 2, 3])
  func counted(_ which: Int) throws {
    let scratch = ScratchFolder()
    let type = [GGUFEmbeddingType.f16, .q8, .q6][which - 1]
    let file = scratch["model.gguf"]
    let source = model(scratch["source"], "F32") { FloatBytes.f32($0.map { $0 * 1.001 }) }
    let result = try Workflow.gguf(source, file) {
      $0.gguf.embeddings = type
      $0.gguf.hasTokenizer = false
    }
    let told = try #require(result.rounded.first { $0.name == "output.weight" }?.report)
    let verified = try verify(source, file)
    let tensor = try #require(verified.tensors.first { $0.name == "lm_head.weight" })
    #expect(verified.passed && tensor.outcome == .rounded && tensor.rounding == told)
    #expect(verified.rounding.values.changed > told.changed && verified.rounding.values.otherEncoder == 0)
    let isTold = verified.report.blocks.contains {
      if case .note(.pass, let text) = $0 {
        text.contains("weights equal but for rounding by types: ") && text.contains("values of 2 tensors (at most ")
      } else {
        false
      }
    }
    #expect(isTold)
    // A quarter of all numbers is moved: byte after byte until one is told from rounding.
    let opened = try GGUFSource(path: file)
    let head = try #require(opened.manifest.tensors.first { $0.name == "output.weight" })
    let original = Disk.bytes(file)
    for step in 0..<8 {
      var bytes = original
      // The high byte of an f16; a code of Q8_0; high bits of four codes of Q6_K.
      let place = Int(head.location.offset) + (type == .f16 ? 2 * step + 1 : type == .q8 ? 2 + step : 128 + step)
      bytes[place] ^= 0x10
      Disk.write(bytes, file)
      let wrong = try verify(source, file)
      #expect(!wrong.passed && wrong.tensors.count { $0.outcome == .differs } == 1, "\(type) \(step)")
      #expect(try !Workflow.compare(source, file, request: CompareRequest(parts: [.weights])).isSame)
    }
  }

  @Test("another encoder's blocks are rounding within their bound, and said to be another's")
  func otherEncoder() throws {
    let scratch = ScratchFolder()
    let (source, file) = (model(scratch["source"], "BF16", FloatBytes.bf16), scratch["model.gguf"])
    try Workflow.gguf(source, file) {
      $0.gguf.embeddings = .q8
      $0.gguf.hasTokenizer = false
    }
    let opened = try GGUFSource(path: file)
    let head = try #require(opened.manifest.tensors.first { $0.name == "output.weight" })
    // The first block with a scale one step of f16 larger, its codes rounded anew: a sound Q8_0 block.
    var bytes = Disk.bytes(file)
    let start = Int(head.location.offset)
    let values = Array(
      FloatBytes.bf16Values(RawModelFile.tensors(ofFolder: source)[name: "lm_head.weight"].bytes)[..<32])
    let scale = HalfFloat(bits: LittleEndian.u16(bytes, at: start) + 1)
    bytes.replaceSubrange(start..<start + 2, with: LittleEndian.bytes(scale.bits))
    for (index, value) in values.enumerated() {
      bytes[start + 2 + index] = UInt8(bitPattern: Int8((value / scale.float).rounded()))
    }
    Disk.write(bytes, file)
    let verified = try verify(source, file)
    #expect(verified.passed && verified.rounding.values.otherEncoder > 0, "\(verified.firstProblem ?? "")")
    #expect(verified.tensors.first { $0.name == "lm_head.weight" }?.detail.contains("another encoder") == true)
  }

  @Test("blocks become F32 in a folder, whose configuration says that and draws no warning")
  func stated() throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Self.golden, scratch["a.gguf"]) {
      $0.gguf.embeddings = .q8
      $0.gguf.hasTokenizer = false
    }
    for target in [ConversionTarget.dense, .hfPacked] {
      let folder = scratch[target.rawValue]
      try Workflow.convert(scratch["a.gguf"], folder, to: target)
      #expect(RawModelFile.tensors(ofFolder: folder)[name: "model.embed_tokens.weight"].dtype == "F32")
      let object = try JSONValue.parse(Disk.bytes(folder + "/config.json")).object
      #expect(object?["torch_dtype"]?.string == "float32")
      #expect(try !Workflow.check(folder).findings.contains { $0.rule == .dtype })
    }
  }

  @Test("blocks of a GGUF file go on as they are", arguments: [GGUFEmbeddingType.q8, .q6])
  func repeated(_ type: GGUFEmbeddingType) throws {
    let scratch = ScratchFolder()
    try Workflow.gguf(Self.golden, scratch["a.gguf"]) {
      $0.gguf.embeddings = type
      $0.gguf.hasTokenizer = false
    }
    for wanted in [nil, type] {
      try Workflow.gguf(scratch["a.gguf"], scratch["b.gguf"], GGUFStyle(weights: .tq1)) {
        $0.gguf.embeddings = wanted
        $0.replaces = true
      }
      let (a, b) = (try ggufTensors(scratch["a.gguf"]), try ggufTensors(scratch["b.gguf"]))
      for name in Self.tables {
        let (before, after) = (a.first { $0.name == name }, b.first { $0.name == name })
        #expect(before?.type == type.rawValue.uppercased() && before?.type == after?.type)
        #expect(before?.bytes == after?.bytes, "\(name)")
      }
      let weights = CompareRequest(parts: [.weights])
      #expect(try Workflow.compare(scratch["a.gguf"], scratch["b.gguf"], request: weights).isSame)
    }
    // Out of it again: the numbers the blocks stand for.
    try Workflow.convert(scratch["a.gguf"], scratch["back"], to: .hfPacked)
    #expect(try verify(scratch["a.gguf"], scratch["back"]).passed)
  }

  @Test("rows that are no whole blocks, and numbers a type has not, are refused by name")
  func refused() throws {
    let scratch = ScratchFolder()
    let narrow = Fixtures.golden("models/llama_packed")
    let error = #expect(throws: WorkflowError.self) {
      try Workflow.gguf(narrow, scratch["a.gguf"], GGUFStyle(weights: .i2s)) {
        $0.gguf.embeddings = .q6
        $0.gguf.hasTokenizer = false
        $0.gguf.misfits = .dense
      }
    }
    #expect(error?.kind == .blocksDoNotFit(type: "Q6_K", columns: 64, block: 256), "\(error?.description ?? "")")
    let huge = model(scratch["huge"], "F32") {
      FloatBytes.f32($0.enumerated().map { $0.offset == 5 ? 1e30 : $0.element })
    }
    for type in [GGUFEmbeddingType.f16, .q8, .q6] {
      let error = #expect(throws: WorkflowError.self) {
        try Workflow.gguf(huge, scratch["a.gguf"]) {
          $0.gguf.embeddings = type
          $0.gguf.hasTokenizer = false
        }
      }
      #expect(error?.kind == .valuesOverflow(type: type.rawValue.uppercased()), "\(error?.description ?? "")")
    }
    #expect(!Disk.exists(scratch["a.gguf"]))
  }
}
