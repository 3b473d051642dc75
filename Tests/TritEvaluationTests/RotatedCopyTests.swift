// Tritsmith tests: a rotated ternary copy of the trained Qwen3.5 in the commands that run it.

import Testing
import TritCore
import TritFormats
import TritModel
import TritTestSupport

@testable import TritEvaluation
@testable import TritInspection
@testable import TritSurvey

/// MLX's form of rotated weights has no blocks below 512 columns, and rows of this model have 256: it is GGUF alone here.
@Suite("A rotated ternary copy of the trained Qwen3.5", .enabled(if: Fixtures.trainedQwen35 != nil))
struct RotatedCopyTests {
  private static let folder = Fixtures.trainedQwen35 ?? ""

  /// Three times what float32 programs differ by on this model: mlx-lm from transformers by 3.4e-5. Measured: 8e-6.
  static let bound: Float = 1e-4

  private static func copy(_ scratch: ScratchFolder, isGrouped: Bool = false) throws -> RotatedCopy {
    try RotatedCopy(of: folder + "/mlx-2bit", in: scratch, isGrouped: isGrouped)
  }

  /// Logits of a text longer than a chunk of the forward pass, in pieces.
  private static func logits(_ path: String, pieces: Int = 160) throws -> [Float] {
    let options = RunOptions(threads: 2)
    let model = try RunnableModel(ModelOpener.toRun(path, OpenOptions()), options, engine: options.engine())
    let ids = (0..<160).map { ($0 * 37 + 11) % 2000 }
    let session = try model.session(for: ids.count)
    var result: [Float] = []
    for start in stride(from: 0, to: ids.count, by: pieces) {
      result += try session.logits(Array(ids[start..<min(ids.count, start + pieces)]))
    }
    return result
  }

  private static func distance(_ left: [Float], _ right: [Float]) -> Float {
    left.count == right.count ? zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
  }

  @Test("the copy is what its description says")
  func construction() {
    var generator = SeededGenerator(seed: 5)
    let values = (0..<RotatedCopy.block).map { _ in Double.random(in: -1...1, using: &generator) }
    var turned = values
    RotatedCopy.transform(&turned, at: 0)
    for column in [0, 1, 77, 128, 255] {
      let sum = values.indices.reduce(0.0) {
        $0 + values[$1] * Hadamard.entry(row: $1, column: column, size: RotatedCopy.block)
      }
      #expect(abs(turned[column] - sum) < 1e-12)
    }
    // 3, 3 and 1: two count, for 6² ÷ 2 is more than 3² and 7² ÷ 3.
    let (trits, scale) = RotatedCopy.rounded([3, -1, 0, -3][...])
    #expect(trits == [1, 0, 0, -1] && scale.float == 3)
  }

  @Test("packed, it computes what the unfolded matrices do, value heads in either order", arguments: [false, true])
  func logits(_ isGrouped: Bool) throws {
    let scratch = ScratchFolder()
    let copy = try Self.copy(scratch, isGrouped: isGrouped)
    let kept = try ModelOpener.toRun(copy.keyed, OpenOptions())
    // The embedding, six matrices in each of three delta nets, seven around the attention.
    #expect(kept.manifest.tensors.count { $0.encoding.isTernary } == 1 + 3 * 6 + 7)
    let expected = try Self.logits(copy.unfolded)
    let found = try Self.logits(copy.keyed)
    #expect(Self.distance(found, expected) <= Self.bound, "\(Self.distance(found, expected))")
    // State and convolution go on from piece to piece.
    for pieces in [1, 7, 128] {
      #expect(Self.distance(try Self.logits(copy.keyed, pieces: pieces), found) <= Self.bound, "\(pieces)")
    }
    #expect(Self.distance(try Self.logits(copy.stripped), expected) > 1)
  }

  @Test("validate, gap, perplexity, logits and run")
  func commands() throws {
    let scratch = ScratchFolder()
    let copy = try Self.copy(scratch)
    var validation = ValidateRequest(path: copy.keyed, against: copy.unfolded)
    let validated = try ValidateWorkflow(validation).run()
    #expect(validated.passed && validated.firstDivergence == nil, "\(validated.gates)")
    #expect(validated.agreement.maximumDifference <= Double(Self.bound))
    validation.path = copy.stripped
    let unlike = try ValidateWorkflow(validation).run()
    #expect(!unlike.passed && unlike.firstWrongStep?.name == "embed")

    let written = LogitsRequest(path: copy.keyed, inputs: [], output: scratch["logits.safetensors"])
    _ = try LogitsWorkflow(written).run()
    let along = try ValidateWorkflow(
      ValidateRequest(path: copy.unfolded, against: scratch["logits.safetensors"])
    ).run()
    #expect(along.passed && along.agreement.maximumDifference <= Double(Self.bound))

    var gap = GapRequest(reference: copy.unfolded, candidate: copy.keyed)
    gap.tokenLimit = 512
    (gap.referenceOptions.mode, gap.candidateOptions.mode) = (.reference, .reference)
    let measured = try GapWorkflow(gap).run()
    #expect(try #require(measured.model.distribution("kld")).mean.value < 1e-9)

    func perplexity(_ path: String) throws -> Double {
      var request = PerplexityRequest(path: path, text: Self.folder + "/reference/perplexity_text.txt")
      request.options.mode = .reference
      return try PerplexityWorkflow(request).run().perplexity.perplexity
    }
    // Measured: 26.28 of the trained model, 75.81 of the copy, 6393 without its keys; a tenth of the vocabulary is 204.8.
    let (keyed, ordinary, stripped) = try (
      perplexity(copy.keyed), perplexity(copy.unfolded), perplexity(copy.stripped)
    )
    #expect(abs(keyed - ordinary) < 5e-5 * ordinary && keyed > 26.28 && keyed < 204.8 && stripped > 204.8)

    var texts: [String] = []
    for path in [copy.keyed, copy.unfolded] {
      var request = GenerateRequest(path: path, prompt: "And Ruth said unto")
      request.maximumTokens = 12
      request.options.mode = .reference
      texts.append(try GenerateWorkflow(request).run { _ in true }.text)
    }
    #expect(texts[0] == texts[1] && !texts[0].isEmpty)
  }

  @Test("check tells lost keys from a sibling, and computed noise from a text, without a cause")
  func check() throws {
    let scratch = ScratchFolder()
    let copy = try Self.copy(scratch)
    func check(_ path: String, run: Bool = false, sibling: String? = nil) throws -> CheckResult {
      try CheckWorkflow(CheckRequest(path: path, scoresText: run, sibling: sibling)).run()
    }
    let sound = try check(copy.keyed, run: true)
    #expect(sound.passed && sound.notes.contains { $0.hasPrefix("perplexity") }, "\(sound.findings)")
    #expect(!sound.cautions.contains { $0.contains("headers cannot tell") })
    let alone = try check(copy.stripped)
    #expect(alone.passed && alone.cautions.contains { $0.contains("headers cannot tell") && $0.contains("--run") })
    let run = try check(copy.stripped, run: true)
    let errors = run.findings.filter { $0.severity == .error }
    #expect(errors.map(\.rule) == [.noise], "\(run.findings)")
    #expect(errors.first?.detail.contains("the numbers do not say why") == true)
    #expect(errors.first?.detail.contains("rotat") == false)
    let trained = try check(Self.folder + "/gguf/q2_0-g64.gguf", run: true)
    #expect(trained.passed && trained.cautions.isEmpty, "\(trained.cautions)")
    for sibling in [copy.unfolded, copy.keyed, Self.folder + "/mlx-2bit"] {
      let found = try check(copy.stripped, sibling: sibling)
      let errors = found.findings.filter { $0.severity == .error }
      #expect(errors.map(\.rule) == [.rotation], "\(found.findings), \(found.notes)")
      #expect(errors.first?.detail.contains("blocks of 256 with signs") == true)
      #expect(found.sibling?.different == 26)
      // Of the trained model it holds what rounding left.
      #expect(errors.first?.detail.contains("rounded then") == sibling.hasSuffix("mlx-2bit"))
    }
    // Value heads group by group: columns stand as in no file of the ordinary model.
    let other = ScratchFolder()
    let grouped = try Self.copy(other, isGrouped: true)
    let found = try check(grouped.stripped, sibling: grouped.unfolded)
    #expect(found.findings.filter { $0.severity == .error }.map(\.rule) == [.rotation], "\(found.findings)")
    let beside = try check(grouped.keyed, sibling: grouped.unfolded)
    #expect(beside.passed && beside.sibling?.isSame == true)
  }
}
