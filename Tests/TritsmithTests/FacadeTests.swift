// Tritsmith: the library as a program outside sees it.

import Testing
import TritCertificates
import TritModel
import TritTestSupport
import Tritsmith

@Suite("The library")
struct FacadeTests {
  static let prequantized = Fixtures.checkpoint("falcon-e-tiny/prequantized")
  static let bitnet = Fixtures.checkpoint("falcon-e-tiny/bitnet")
  static let query = "model.layers.0.self_attn.q_proj.weight"

  @Test("opens, tells kinds, lists")
  func reading() throws {
    let model = try Model.open(Self.prequantized)
    #expect(try model.kind() == .latent)
    #expect(try Model.open(Self.bitnet).kind() == .packed)
    #expect(model.format == "safetensors" && model.metadata.contains { $0 == ("format", "pt") })
    #expect(model.tensors.count == 39 && model.tensors.contains { $0.name == Self.query })
    let inspected = try model.inspect(statistics: true)
    #expect(inspected.tensors.allSatisfy { $0.statistics != nil })
    #expect(throws: TensorIOError.self) { try Model.open("/nowhere/at/all") }
    #expect(throws: WorkflowError.self) { try model.values(of: "no.such.tensor") }
  }

  @Test("values are those of the file, and trits × scale those of the published dense revision")
  func values() throws {
    let raw = RawModelFile(reading: Fixtures.checkpoint("falcon-e-tiny/bfloat16/model.safetensors"))
    let expected = RawTensor.bf16(raw[Self.query])
    #expect(try Model.open(Fixtures.checkpoint("falcon-e-tiny/bfloat16")).values(of: Self.query) == expected)
    let packed = try Model.open(Self.bitnet).trits(of: Self.query)
    // The dense revision holds bf16(1/s) where the packed one divides by s.
    #expect(packed.trits.map(Float.init) == expected.map { $0 == 0 ? 0 : $0 > 0 ? 1 : -1 })
    #expect(BFloat16.rounded(packed.scale.multiplier()) == expected.map(\.magnitude).max())
    let latent = try Model.open(Self.prequantized).trits(of: Self.query)
    #expect(latent == packed, "the family's quantizer gives what was published")
  }

  @Test("quantizing in memory gives golden trits; packing gives the golden bytes")
  func matrices() throws {
    let golden = RawModelFile(reading: Fixtures.golden("models/llama_packed/model.safetensors"))
    let latent = RawModelFile(reading: Fixtures.golden("models/llama_prequantized/model.safetensors"))[Self.query]
    let (rows, columns) = (latent.shape[0], latent.shape[1])
    let matrix = try TritMatrix(quantizing: RawTensor.bf16(latent), rows: rows, columns: columns)
    let layout = LayoutID(rawValue: "hf-packed")
    #expect(try matrix.packed(as: layout) == golden[Self.query].bytes)
    #expect(matrix.scale.storedBytes == golden[Self.query + "_scale"].bytes)
    let again = try TritMatrix(
      unpacking: golden[Self.query].bytes, as: layout, rows: rows, columns: columns, scale: matrix.scale)
    #expect(again == matrix)
    #expect(again.values == matrix.trits.map { Float($0) * matrix.scale.multiplier() })
    #expect(throws: WorkflowError.self) {
      try TritMatrix(unpacking: [1, 2, 3], as: layout, rows: rows, columns: columns, scale: matrix.scale)
    }
    #expect(throws: WorkflowError.self) { try TritMatrix(quantizing: [1, .nan], rows: 1, columns: 2) }
    #expect(throws: WorkflowError.self) { try TritMatrix(quantizing: [1], rows: 1, columns: 2) }
    #expect(throws: WorkflowError.self) { try matrix.packed(as: LayoutID(rawValue: "zip")) }
  }

  @Test("scales of rows and groups go with their trits")
  func granularity() {
    func matrix(_ granularity: ScaleGranularity, _ stored: [Float]) -> TritMatrix {
      TritMatrix(
        trits: [1, -1, 1, 0, 1, 1], rows: 2, columns: 3,
        scale: TernaryScale(stored: stored, storage: .f32, convention: .multiply, granularity: granularity))
    }
    #expect(matrix(.row, [2, 4]).values == [2, -2, 2, 0, 4, 4])
    #expect(matrix(.group(columns: 2), [2, 4, 8, 16]).values == [2, -2, 4, 0, 8, 16])
  }

  @Test(
    "converts to every target, and the result is open, verified, and computes",
    arguments: [
      (ConversionTarget.hfPacked, "out"), (.hfPacked, "out.safetensors"), (.dense, "out"), (.tritpack, "m.tritpack"),
      (.gguf, "m.gguf"),
    ])
  func convert(_ target: ConversionTarget, _ name: String) throws {
    let scratch = ScratchFolder()
    let model = try Model.open(Self.prequantized)
    #expect(try model.plan(to: target).ternaryCount == 28)
    let converted = try model.convert(to: target, at: scratch[name], certificate: scratch["c.json"])
    let isBare = name == "out.safetensors"
    #expect(try converted.verify(against: model, parts: isBare ? [.weights] : ModelPart.needed).passed)
    // A file without configuration and tokenizer is not the model.
    #expect(try converted.verify(against: model).passed == !isBare)
    var certify = CertifyRequest()
    certify.source = Self.prequantized
    #expect(try CertifyWorkflow(certify).check(scratch["c.json"]).passed)
    guard name != "out.safetensors" else { return }  // no configuration, no forward pass
    let reference = GoldenVectors(
      Fixtures.checkpoint("falcon-e-tiny/reference/bitnet/logits.safetensors"))
    let ids = reference["prompt0.ids"].u32.map(Int.init)
    let logits = try converted.logits(for: ids)
    let expected = reference["prompt0.logits"].f32.suffix(logits.count)
    // Dense forms run without activation quantization, so only the ranking is compared: the likeliest by transformers.
    let likeliest = zip(logits.indices, logits).max { $0.1 < $1.1 }?.0
    let wanted = zip(0..., expected).max { $0.1 < $1.1 }?.0
    #expect(likeliest == wanted)
  }

  @Test("checks, compares and validates; what is not the same does not pass")
  func verdicts() throws {
    let scratch = ScratchFolder()
    let model = try Model.open(Self.bitnet)
    let packed = try model.convert(to: .tritpack, at: scratch["m.tritpack"])
    #expect(try packed.compare(with: model).isSame && packed.check(sibling: model).passed)
    #expect(try packed.validate(against: model.path, inputs: [.text("In the beginning")]).passed)
    let latent = try Model.open(Self.prequantized)
    let difference = try packed.compare(with: latent, work: WorkOptions(threads: 1))
    #expect(!difference.isSame && difference.report.text(as: .json).contains("\"tritsmith.compare"))
    #expect(try !packed.validate(against: latent.path, referenceOptions: RunOptions(projections: .plain)).passed)
  }

  @Test("work tells how far it is, and ends when it is told to")
  func cancellation() throws {
    let scratch = ScratchFolder()
    let model = try Model.open(Self.prequantized)
    let (flag, progress) = (CancellationFlag(), CountingProgress())
    _ = try model.convert(to: .tritpack, at: scratch["a.tritpack"], work: WorkOptions(threads: 2, progress: progress))
    #expect(progress.hasEnded && progress.advanced > 0)
    flag.cancel()
    #expect(throws: CancellationFailure.self) {
      try model.convert(to: .tritpack, at: scratch["b.tritpack"], work: WorkOptions(threads: 2, cancellation: flag))
    }
    #expect(Disk.names(scratch.path) == ["a.tritpack"])
  }

  @Test("text goes through the model's own tokenizer; greedy generation begins with the likeliest token")
  func running() throws {
    let model = try Model.open(Self.bitnet)
    let prompt = "In the beginning"
    let tokenizer = try model.tokenizer()
    let byText = try model.logits(for: prompt)
    #expect(try byText == model.logits(for: tokenizer.prompt(prompt)))
    let generated = try model.generate(prompt, maximumTokens: 3, options: RunOptions(mode: .reference))
    #expect(generated.ids.first == byText.indices.max { byText[$0] < byText[$1] })
    let runnable = try model.runnable()
    #expect(throws: ModelError.self) { try runnable.check([]) }
    #expect(throws: ModelError.self) { try runnable.check([1 << 40]) }
    let text = Fixtures.checkpoint("falcon-e-tiny/reference/perplexity_text.txt")
    let perplexity = try model.perplexity(of: .file(text), tokenLimit: 300).perplexity
    #expect(perplexity > 1 && perplexity < 200)
  }
}

extension RawTensor {
  /// bfloat16 values widened by hand.
  static func bf16(_ tensor: RawTensor) -> [Float] {
    LittleEndian.u16s(tensor.bytes).map { Float(bitPattern: UInt32($0) << 16) }
  }
}
