// Tritsmith tests: trained checkpoints against what transformers computes from them.

import Testing
import TritCore
import TritModel
import TritTestSupport

@testable import TritInference

/// A checkpoint, how it is run, and how far two correct implementations of it may be apart.
struct Variant: Sendable, CustomTestStringConvertible {
  var folder: String
  var reference: String
  var projections = ProjectionOverride.automatic
  /// Largest mean |Δlogit|: what the checkpoints' README measured between two correct implementations, which it gives
  /// with two digits (0.0036 is 0.00365 at most).
  var meanBound: Double
  /// Largest |Δlogit| of dense variants; int8 rounding makes it meaningless for the others.
  var largestBound: Float?
  var topOne: Double

  var testDescription: String { "\(folder) as \(reference)" }
  var modelPath: String { Fixtures.checkpoint(folder.split(separator: "/").first.map(String.init) ?? folder) }
  var referencePath: String { modelPath + "/reference/" + reference }

  static let all: [Variant] = [
    Variant(
      folder: "falcon-e-tiny/prequantized", reference: "prequantized-plain", meanBound: 1e-5, largestBound: 1e-3,
      topOne: 1),
    Variant(
      folder: "falcon-e-tiny/prequantized", reference: "prequantized-online", projections: .onlineFloat32,
      meanBound: 0.0072, topOne: 0.98),
    Variant(
      folder: "falcon-e-tiny/prequantized", reference: "bitnet", projections: .online, meanBound: 0.0032, topOne: 0.98),
    Variant(folder: "falcon-e-tiny/bitnet", reference: "bitnet", meanBound: 0.0032, topOne: 0.98),
    Variant(folder: "falcon-e-tiny/bfloat16", reference: "bfloat16", meanBound: 1e-5, largestBound: 1e-3, topOne: 1),
    Variant(folder: "plain-tiny", reference: "plain", meanBound: 1e-5, largestBound: 1e-3, topOne: 1),
    Variant(folder: "bitnet-b158-tiny/bf16-master", reference: "bf16-master", meanBound: 0.00014, topOne: 0.98),
    Variant(folder: "bitnet-b158-tiny/packed", reference: "packed", meanBound: 0.00365, topOne: 0.98),
  ]
}

@Suite("Trained checkpoints agree with transformers")
struct CheckpointTests {
  @Test("logits", arguments: Variant.all, ArithmeticMode.allCases)
  func logits(_ variant: Variant, _ mode: ArithmeticMode) throws {
    let loaded = try LoadedModel(Fixtures.checkpoint(variant.folder), LoadOptions(projections: variant.projections))
    let reference = try ReferenceFile(variant.referencePath + "/logits.safetensors")
    let width = loaded.model.configuration.vocabularySize
    var found: [Float] = []
    var expected: [Float] = []
    for index in 0..<3 where reference.names.contains("prompt\(index).ids") {
      let session = try loaded.session(mode)
      found += try session.logits(reference.integers("prompt\(index).ids"))
      expected += try reference.floats("prompt\(index).logits")
    }
    let difference = Difference(found, expected)
    let agreement = topOneAgreement(found, expected, width: width)
    #expect(difference.mean <= variant.meanBound)
    #expect(agreement >= variant.topOne)
    if let bound = variant.largestBound { #expect(difference.largest < bound) }
  }

  @Test("hidden states", arguments: Variant.all, ArithmeticMode.allCases)
  func hiddenStates(_ variant: Variant, _ mode: ArithmeticMode) throws {
    let loaded = try LoadedModel(Fixtures.checkpoint(variant.folder), LoadOptions(projections: variant.projections))
    let reference = try ReferenceFile(variant.referencePath + "/hidden_prompt0.safetensors")
    let prompts = try ReferenceFile(variant.referencePath + "/logits.safetensors")
    let recorder = Recorder()
    let session = try loaded.session(mode)
    _ = try session.logits(prompts.integers("prompt0.ids"), observer: recorder)
    for name in reference.names {
      let found = try #require(recorder.states[name], "no state \(name)")
      let difference = Difference(found, try reference.floats(name))
      if name == "embed" {
        #expect(difference.largest == 0)
      } else if name.hasPrefix("block0") || variant.largestBound != nil {
        #expect(difference.largest < 1e-4, "\(name)")
      }
    }
  }

  @Test("greedy tokens, as far as the margin between the best two allows", arguments: Variant.all)
  func greedy(_ variant: Variant) throws {
    let loaded = try LoadedModel(Fixtures.checkpoint(variant.folder), LoadOptions(projections: variant.projections))
    let prompts = try #require(try json(variant.modelPath + "/reference/prompts.json").array)
    let expected = try #require(try json(variant.referencePath + "/greedy.json").array)
    // A difference of this much between two correct implementations is on record.
    let margin = variant.largestBound.map(Double.init) ?? 0.4
    for mode in ArithmeticMode.allCases {
      for (index, entry) in expected.enumerated() {
        let entry = try #require(entry.object)
        let ids = try #require(entry["new_ids"]?.integers)
        let margins = try #require(entry["top2_margin"]?.doubles)
        let prompt = try #require(prompts[index].object?["ids"]?.integers)
        let session = try loaded.session(mode)
        var sampler = try Sampler(.greedy)
        var logits = try session.prefill(prompt)
        #expect(ids.count == 32)
        for (step, id) in ids.enumerated() {
          let found = try sampler.next(logits)
          if found != id {
            #expect(margins[step] < margin, "\(mode), prompt \(index), step \(step): \(found), not \(id)")
          }
          // The reference's token goes on, so that every step is compared.
          logits = try session.step(id)
        }
      }
    }
  }

  @Test("perplexity, chunked: every token's likelihood", arguments: Variant.all, ArithmeticMode.allCases)
  func perplexity(_ variant: Variant, _ mode: ArithmeticMode) throws {
    let loaded = try LoadedModel(Fixtures.checkpoint(variant.folder), LoadOptions(projections: variant.projections))
    let summary = try #require(try json(variant.modelPath + "/reference/summary.json").object)
    let bos = try #require(summary["bos"]?.number?.integer)
    let expected = try ReferenceFile(variant.referencePath + "/perplexity_nll.safetensors").floats("nll")
    var ids = try ReferenceFile(variant.modelPath + "/reference/perplexity_ids.safetensors").integers("ids")
    // Unoptimized code is some fifty times slower; four chunks show the same.
    #if DEBUG
      ids = Array(ids.prefix(4 * 255))
    #endif
    let result = try loaded.model.perplexity(
      of: ids, bos: bos, .chunked(window: 256), mode: mode, engine: loaded.engine)
    #expect(result.negativeLogLikelihoods.count == ids.count)
    let reference = Perplexity(
      scoring: result.scoring, mode: mode, negativeLogLikelihoods: expected.prefix(ids.count).map(Double.init))
    #expect(abs(result.perplexity / reference.perplexity - 1) < 0.001)
    print(
      "perplexity", variant.testDescription, mode, result.perplexity, "±", result.perplexityStandardError,
      reference.perplexity)
  }

  #if !DEBUG
    @Test("perplexity, sliding", arguments: Variant.all)
    func slidingPerplexity(_ variant: Variant) throws {
      let loaded = try LoadedModel(Fixtures.checkpoint(variant.folder), LoadOptions(projections: variant.projections))
      let summary = try #require(try json(variant.modelPath + "/reference/summary.json").object)
      let numbers = try #require(summary["variants"]?.object?[variant.reference]?.object)
      let expected = try #require(numbers["perplexity_sliding_512_256"]?.number?.double)
      let ids = try ReferenceFile(variant.modelPath + "/reference/perplexity_ids.safetensors").integers("ids")
      let result = try loaded.model.perplexity(
        of: ids, bos: #require(summary["bos"]?.number?.integer), .sliding(window: 512, stride: 256), mode: .fast,
        engine: loaded.engine)
      #expect(abs(result.perplexity / expected - 1) < 0.001)
    }
  #endif
}
