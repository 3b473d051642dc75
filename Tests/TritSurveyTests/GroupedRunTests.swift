// Tritsmith tests: models with scales of groups run packed, whatever holds them.

import Testing
import TritCore
import TritFormats
import TritInference
import TritKernels
import TritLayouts
import TritModel
import TritQuantizers
import TritTestSupport
import WorkflowTestSupport

@testable import TritConversion
@testable import TritSurvey

@Suite("Models with scales of groups run packed")
struct GroupedRunTests {
  static let ids = [1, 5, 17, 3, 200, 9, 64, 31, 77]

  /// Logits, and the model.
  private func run(_ path: String, _ options: RunOptions) throws -> ([Float], RunnableModel) {
    let model = try RunnableModel(path, options)
    return (try model.session(for: Self.ids.count).logits(Self.ids), model)
  }

  /// The dense products of the same numbers, which other tests hold against transformers.
  private func dense(_ path: String) throws -> [Float] {
    let (logits, model) = try run(path, RunOptions(projections: .plain, threads: 2))
    #expect(model.model.roundedGroups == nil)
    return logits
  }

  /// Eight matrices of 256 × 256: 2 bits a weight, and a scale of 2 bytes for each 128 of them.
  private static let packedBytes = 8 * 256 * (64 + 2 * 2)

  /// transformers computes the weights of such a file as the numbers they are: 31.008 is the perplexity of
  /// bonsai-tiny's TQ2_0, and inputs rounded to int8 in some matrices gave 30.998.
  @Test("TQ2_0 of a family that takes inputs as they are computes so in every matrix")
  func inputsAsTheyAre() throws {
    let scratch = ScratchFolder()
    let path = scratch["a.gguf"]
    // One scale for each matrix: such blocks are the packed matrices that BitNet's products of int8 are made for.
    try Workflow.convert(MeaningModel(.qwen3).write(scratch["source"]), path, to: .gguf) {
      $0.quantizer = QuantizerID(rawValue: "absmean-float32")
      $0.gguf = GGUFOptions(weights: .tq2, embeddings: .f32, hasTokenizer: false)
    }
    let foreign = try ChangedGGUF.write(path, scratch["b.gguf"]) { entries in
      entries.removeAll { $0.key.hasPrefix("tritsmith.") }
    }
    #expect(try RunnableModel(foreign, RunOptions(threads: 2)).description.projections == ["Linear"])
  }

  private func check(_ path: String, _ expected: [Float], _ form: String) throws {
    for kernels in [KernelChoice.auto, .scalar] {
      let (logits, model) = try run(path, RunOptions(kernels: kernels, threads: 2))
      #expect(logits.map(\.bitPattern) == expected.map(\.bitPattern), "\(form), \(kernels)")
      #expect(model.model.weightBytesPerToken == Self.packedBytes, "\(form)")
      #expect(model.description.projections == ["Linear"], "\(form)")
      #expect(!model.description.notes.contains { $0.contains("int8") }, "\(form)")
      #expect(model.description.notes.contains { $0.contains("packed in memory") }, "\(form)")
    }
    var fast: [[UInt32]] = []
    for kernels in [KernelChoice.auto, .scalar] {
      let (logits, model) = try run(path, RunOptions(mode: .fast, kernels: kernels, threads: 2))
      #expect(model.description.notes.contains { $0.contains("int8, one scale for each 128 inputs") }, "\(form)")
      fast.append(logits.map(\.bitPattern))
    }
    #expect(fast[0] == fast[1], "\(form)")
    // int8 inputs: 1/254 of the largest of a group at most, in each of a few products.
    let largest = expected.reduce(0) { max($0, $1.magnitude) }
    let change = zip(fast[0], expected).reduce(Float(0)) { max($0, (Float(bitPattern: $1.0) - $1.1).magnitude) }
    #expect(change > 0 && change < 0.05 * largest, "\(form): \(change) of \(largest)")
    // One token at a time: the same numbers, whatever the kernels share between tokens.
    for mode in ArithmeticMode.allCases {
      let model = try RunnableModel(path, RunOptions(mode: mode, threads: 2))
      let whole = try model.session(for: Self.ids.count).logits(Self.ids)
      let session = try model.session(for: Self.ids.count)
      var parts: [Float] = []
      for id in Self.ids { parts += try session.step(id) }
      #expect(parts == whole, "\(form), \(mode)")
    }
  }

  @Test("every GGUF form gives the logits of the unpacked model, bit for bit", arguments: Bonsai.layouts)
  func gguf(_ weights: GGUFWeightType) throws {
    let scratch = ScratchFolder()
    let source = Bonsai.folder(scratch["source"])
    try Workflow.bonsai(source, scratch["a.gguf"], weights)
    try check(scratch["a.gguf"], dense(source), weights.rawValue)
  }

  @Test("one scale in all blocks of a matrix is one scale: int8 inputs, and no more bytes than hf-packed")
  func uniform() throws {
    let scratch = ScratchFolder()
    try Workflow.convert(Checkpoint.plain, scratch["packed"], to: .hfPacked)
    let (expected, packed) = try run(scratch["packed"], RunOptions(mode: .fast, threads: 2))
    let largest = expected.reduce(0) { max($0, $1.magnitude) }
    for weights in [GGUFWeightType.tq1, .tq2] {
      let path = scratch["a\(weights.rawValue).gguf"]
      try Workflow.convert(Checkpoint.plain, path, to: .gguf) {
        $0.gguf = GGUFOptions(weights: weights, hasTokenizer: false)
      }
      let (logits, model) = try run(path, RunOptions(mode: .fast, threads: 2))
      #expect(model.model.roundedGroups == nil)
      #expect(model.model.weightBytesPerToken == packed.model.weightBytesPerToken)
      // The scale is F16 here and bfloat16 there, 2⁻⁹ of it off at most, in each of 28 products.
      let change = zip(logits, expected).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
      #expect(change < 28 * 0x1p-9 * largest, "\(weights): \(change) of \(largest)")
    }
  }
}
