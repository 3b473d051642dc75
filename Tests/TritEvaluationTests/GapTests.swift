// Tritsmith tests: gaps are those of the references, and parts of a gap add up where they must.

import Testing
import TritCore
import TritFormats
import TritInference
import TritModel
import TritTestSupport
import WorkflowTestSupport

@testable import TritEvaluation
@testable import TritSurvey
@testable import TritVerification

@Suite("Gap")
struct GapTests {
  /// A row of the table of gaps that transformers gave.
  struct Row: Sendable, CustomTestStringConvertible {
    var model: String
    var gap: String
    var reference: String
    var candidate: String
    var projections = ProjectionOverride.automatic
    var candidateProjections = ProjectionOverride.automatic
    var testDescription: String { "\(model): \(gap)" }
  }

  static let rows = [
    Row(
      model: "falcon-e-tiny", gap: "prequantized-plain -> bitnet", reference: "prequantized", candidate: "bitnet",
      projections: .plain),
    Row(model: "falcon-e-tiny", gap: "bfloat16 -> bitnet", reference: "bfloat16", candidate: "bitnet"),
    Row(
      model: "falcon-e-tiny", gap: "prequantized-online -> bitnet", reference: "prequantized", candidate: "bitnet",
      projections: .onlineFloat32),
    Row(model: "plain-tiny", gap: "plain -> absmean-bitnet", reference: "", candidate: "packed"),
    Row(model: "plain-tiny", gap: "plain -> absmean-dequantized", reference: "", candidate: "dense"),
    Row(model: "plain-tiny", gap: "absmean-dequantized -> absmean-bitnet", reference: "dense", candidate: "packed"),
    Row(model: "bitnet-b158-tiny", gap: "bf16-master -> packed", reference: "bf16-master", candidate: "packed"),
    Row(
      model: "bitnet-b158-tiny", gap: "master-plain -> packed", reference: "bf16-master", candidate: "packed",
      projections: .plain),
  ]

  private static let converted = ScratchFolder(removedAtExit: true)
  /// The ordinary model made ternary: packed, and dense.
  private static let plainForms: [String: String] = {
    var result: [String: String] = [:]
    for (name, target) in [("packed", ConversionTarget.hfPacked), ("dense", .dense)] {
      let path = converted[name]
      if (try? Workflow.convert(Checkpoint.plain, path, to: target)) != nil { result[name] = path }
    }
    return result
  }()

  private static func path(_ model: String, _ form: String) throws -> String {
    if form.isEmpty { return Fixtures.checkpoint(model) }
    guard model == "plain-tiny" else { return Fixtures.checkpoint("\(model)/\(form)") }
    return try #require(plainForms[form])
  }

  /// Two correct implementations differ, since rounding activations to int8 turns a last bit into a step. The summary
  /// says by how much they did for each variant, as mean KL n (the larger of two other implementations). A gap KL then
  /// moves by n itself and by a cross term that averages out over the T tokens: 2 √(n · KL) · 3 / √T at three sigma.
  @Test("mean, median and p99 KL, agreement and perplexities of transformers", arguments: rows)
  func references(_ row: Row) throws {
    let file = Fixtures.checkpoint("\(row.model)/reference/summary.json")
    let summary = try #require(try JSONValue.parse(Disk.bytes(file)).object)
    let gap = try #require(summary["gaps"]?.object?[row.gap]?.object?["perplexity_text"]?.object)
    func number(_ key: String) throws -> Double { try #require(gap[key]?.number?.double) }
    var (noise, logitNoise) = (0.0, 0.0)
    let variants = row.gap.split(separator: " ").filter { $0 != "->" }.map(String.init)
    for variant in variants {
      let known = try #require(summary["noise"]?.object?[variant]?.object)
      var (largest, largestLogit) = (0.0, 0.0)
      for other in ["sdpa", "float64"] {
        largest = max(largest, try #require(known[other]?.object?["kl_mean"]?.number?.double))
        largestLogit = max(largestLogit, try #require(known[other]?.object?["mean_abs_dlogit"]?.number?.double))
      }
      noise += largest
      logitNoise += largestLogit
    }
    var request = GapRequest(
      reference: try GapTests.path(row.model, row.reference), candidate: try GapTests.path(row.model, row.candidate))
    request.referenceOptions.projections = row.projections
    request.comparesTensors = false
    request.checksFidelity = false
    request.text = .file(
      Fixtures.checkpoint("\(row.model == "plain-tiny" ? "falcon-e-tiny" : row.model)/reference/perplexity_text.txt"))
    let result = try GapWorkflow(request).run()
    let model = result.model
    let tokens = try number("positions")
    #expect(Double(model.tokens) == tokens && model.nonFinite == 0)
    let expected = try number("kl_mean")
    let tolerance = noise + 2 * (noise * expected).squareRoot() * 3 / tokens.squareRoot() + 1e-9
    #expect(abs(model.meanKL - expected) <= tolerance, "\(model.meanKL), \(expected) ± \(tolerance)")
    let kld = try #require(model.distribution("kld"))
    let median = try number("kl_median")
    // The median of a skewed distribution moves at most as the mean does, times √(π/2) ≈ 1.25.
    #expect(abs((kld.quantile(0.5) ?? .nan) - median) <= 1.25 * tolerance + 0.01 * median, "\(kld)")
    // 39 of 3,873 tokens lie above: their standard error is about a sixth of their spread, itself half of p99.
    let p99 = try number("kl_p99")
    #expect(abs((kld.quantile(0.99) ?? .nan) - p99) <= 0.08 * p99, "\(kld), \(p99)")
    // The noise table knows agreement to one of 192 positions for each variant.
    let topOne = try number("top1_agreement")
    #expect(abs(model.sameTopOne.value - topOne) <= 2.0 / 192, "\(model.sameTopOne), \(topOne)")
    let logits = try number("mean_abs_dlogit")
    #expect(abs(model.meanLogitDifference - logits) <= logitNoise + 1e-5, "\(model.meanLogitDifference), \(logits)")
    for (variant, found) in Swift.zip(variants, [model.referencePerplexity, model.candidatePerplexity]) {
      let perplexity = try #require(
        summary["variants"]?.object?[variant]?.object?["perplexity_chunked_256"]?.number?.double)
      // A log-probability is off by √(2n) at random.
      let bound = perplexity * ((2 * noise).squareRoot() * 3 / tokens.squareRoot() + 1e-5)
      #expect(abs(found.value - perplexity) <= bound, "\(variant): \(found.value), \(perplexity) ± \(bound)")
    }
  }

  @Test("a model against itself has no gap at all")
  func identity() throws {
    var request = GapRequest(reference: Checkpoint.bitnet, candidate: Checkpoint.bitnet)
    request.tokenLimit = 300
    request.attributes = true
    let result = try GapWorkflow(request).run()
    #expect(result.passed && result.fidelity?.verdict == .exact)
    #expect(result.model.meanKL == 0 && result.model.sameTopOne.value == 1 && result.model.sameTopFive == 1)
    #expect(result.model.ratio == Estimate(value: 1, error: 0) && result.model.logitNMSE == 0)
    #expect(abs(result.model.correlation - 1) < 1e-12)
    #expect(result.layers.allSatisfy { $0.relativeError == 0 && $0.sqnr == nil })
    #expect(result.attribution?.allSatisfy { $0.meanKL == 0 } == true)
    #expect(result.model.tokens == 300)
  }

  @Test("all projections exchanged are the candidate itself, where everything else is equal")
  func attribution() throws {
    var request = GapRequest(reference: Checkpoint.bfloat16, candidate: Checkpoint.bitnet)
    request.tokenLimit = 400
    request.attributes = true
    request.attributionTokens = 400
    let result = try GapWorkflow(request).run()
    let attribution = try #require(result.attribution)
    #expect(attribution.count == 4 + 7 + 1 && result.attributionTokens == 400)
    let whole = try #require(attribution.first { $0.part == .allProjections })
    // The same logits in the same order of additions.
    #expect(whole.meanKL == result.model.meanKL && whole.topOne == result.model.sameTopOne.value)
    #expect(attribution.map(\.meanKL) == attribution.map(\.meanKL).sorted(by: >))
    // Every part costs something, and none as much as ten times the whole.
    #expect(attribution.allSatisfy { $0.meanKL > 0 && $0.meanKL < 10 * whole.meanKL })
  }

  @Test("damage to one layer is attributed to it, and found there first")
  func damagedLayer() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    // Every trit of one matrix turned round: code c becomes 2 − c.
    let name = "model.layers.2.mlp.up_proj.weight"
    model.file[name].bytes = model.file[name].bytes.map { 0xAA &- $0 }
    var request = GapRequest(reference: Checkpoint.bitnet, candidate: model.write(scratch["model"]))
    request.tokenLimit = 200
    request.attributes = true
    let result = try GapWorkflow(request).run()
    #expect(result.firstPastBound?.name == "block2")
    #expect(result.layers.first { $0.relativeError > 0 }?.name == "block2.mlp")
    let attribution = try #require(result.attribution)
    let parts = attribution.filter { $0.meanKL > 0 }.map(\.part)
    #expect(Set(parts) == [.layer(2), .kind(.up), .allProjections])
    #expect(result.fidelity?.verdict == .differs && result.fidelity?.mismatches ?? 0 > 100_000)
    #expect(!result.passed)
    let tensor = try #require(result.tensors?.first { $0.name == name })
    // Q = −W, so the difference is twice the weights and the cosine −1.
    #expect(abs((tensor.relativeError ?? 0) - 2) < 1e-12 && abs((tensor.cosine ?? 0) + 1) < 1e-12)
    #expect(tensor.ternary?.signAgreement == 0)
  }

  @Test("conversion fidelity: exact for every pair of siblings, and only for them")
  func fidelity() throws {
    func verdict(_ reference: String, _ candidate: String, _ quantizer: String? = nil) throws -> ConversionFidelity? {
      var request = GapRequest(reference: reference, candidate: candidate)
      request.tokenLimit = 4
      request.comparesTensors = false
      request.quantizer = quantizer
      return try GapWorkflow(request).run().fidelity
    }
    for reference in [Checkpoint.prequantized, Checkpoint.sharded, Checkpoint.bfloat16] {
      let found = try #require(try verdict(reference, Checkpoint.bitnet))
      #expect(found.verdict == .exact && found.tensors == 28 && found.trits == 3_145_728, "\(found)")
    }
    #expect(try verdict(Checkpoint.master, Checkpoint.packed)?.verdict == .exact)
    #expect(try verdict(Checkpoint.plain, Checkpoint.bitnet)?.verdict == .differs)
    // The number of trits another arithmetic moves was counted by numpy (Docs/Numerics.md).
    #expect(try verdict(Checkpoint.prequantized, Checkpoint.bitnet, "absmean-float32")?.mismatches == 60_424)
    #expect(try verdict(Checkpoint.bitnet, Checkpoint.prequantized)?.verdict == .notApplicable)
  }

  @Test("budgets decide, one line for each")
  func budgets() throws {
    var request = GapRequest(reference: Checkpoint.bfloat16, candidate: Checkpoint.bitnet)
    request.tokenLimit = 255
    request.comparesTensors = false
    request.budgets = GapBudgets(maximumMeanKL: 0.01, minimumTopOne: 0.9, maximumPerplexityRatio: 1.01)
    let good = try GapWorkflow(request).run()
    #expect(good.passed && good.gates.map(\.name) == ["mean_kld", "same_top_1", "ppl_ratio"])
    request.budgets.maximumMeanKL = 1e-6
    let bad = try GapWorkflow(request).run()
    #expect(!bad.passed && bad.gates.map(\.passed) == [false, true, true])
    let notes = bad.report.blocks.compactMap { block -> String? in
      if case .note(.fail, let text) = block { text } else { nil }
    }
    #expect(notes.count == 1 && notes.first?.contains("mean_kld") == true)
    #expect(bad.report.verdict?.outcome == .fail && good.report.verdict?.outcome == .pass)
    // What fails is the first thing that is read.
    let headline = try #require(bad.report.verdict?.headline)
    #expect(headline.hasPrefix("mean KL ") && headline.hasSuffix(" is above the bound 1e-06"), "\(headline)")
    #expect(headline.count < 45, "\(headline)")
  }

  @Test("a gate says its number with few digits, and never as equal to the bound it is past")
  func gateWords() {
    func failure(_ name: String, _ found: Double, _ bound: Double, _ isUpperBound: Bool) -> String {
      GateResult(name: name, found: found, bound: bound, isUpperBound: isUpperBound).failure
    }
    #expect(failure("mean_kld", 0.00071648213, 0.0001, true) == "mean KL 0.000716 is above the bound 0.0001")
    #expect(failure("same_top_1", 0.89996, 0.9, false) == "same top-1 0.89996 is below the bound 0.9")
    #expect(failure("ppl_ratio", 2.5, 2, true) == "perplexity ratio 2.50 is above the bound 2")
  }

  // MARK: - Verdicts

  @Test("latents against their packed sibling: no gap, and nothing to blame")
  func latents() throws {
    var request = GapRequest(reference: Checkpoint.prequantized, candidate: Checkpoint.bitnet)
    request.tokenLimit = 300
    let result = try GapWorkflow(request).run()
    #expect(result.passed && result.model.meanKL == 0 && result.quality == GapQuality.none)
    #expect(result.report.verdict?.outcome == .pass)
    #expect(result.parts.first { $0.part == .weights }?.outcome == .equal)

    // As ordinary numbers the same latents are another model, and the report says so without failing.
    request.referenceOptions.projections = .plain
    let plain = try GapWorkflow(request).run()
    #expect(plain.passed && plain.quality == .severe && plain.report.verdict?.outcome == .warning)
    #expect(plain.parts.first { $0.part == .weights }?.outcome == .differs)
    let warnings = plain.report.blocks.compactMap { block -> String? in
      if case .note(.warning, let text) = block { text } else { nil }
    }
    #expect(warnings.contains { $0.contains("another model") })
  }

  @Test("a part is blamed only where it was measured, and by how much it costs alone")
  func costs() throws {
    var request = GapRequest(reference: Checkpoint.bfloat16, candidate: Checkpoint.bitnet)
    request.tokenLimit = 510
    func points(_ result: GapResult) -> String { (result.report.verdict?.points ?? []).joined(separator: " ") }
    let without = try GapWorkflow(request).run()
    #expect(without.parts.allSatisfy { $0.cost == nil } && points(without).contains("not measured"))
    #expect(!points(without).contains(" cost "))
    request.attributes = true
    request.attributionTokens = 510
    let result = try GapWorkflow(request).run()
    func cost(_ part: GapPart) throws -> Double {
      try #require(result.parts.first { $0.part == part }?.cost?.meanKL)
    }
    // The same trits and nearly the same scales: what is left is rounding inputs, all of the gap to a few percent.
    #expect(try cost(.weights) < 1e-5 && cost(.otherTensors) == 0)
    #expect(try abs(cost(.activations) / result.model.meanKL - 1) < 0.05)
    #expect(result.parts.first { $0.part == .weights }?.outcome == .equal)
    #expect(result.parts.first { $0.part == .activations }?.outcome == .differs)
    #expect(result.parts.first { $0.part == .tokenizer }?.outcome == .equal)
    #expect(result.parts.first { $0.part == .description }?.outcome == .equal)
    #expect(points(result).contains("Inputs rounded to int8 cost") && !points(result).contains("Not compared"))
    // What is said of one model names it.
    func told(_ result: GapResult) -> [String] {
      result.report.blocks.compactMap { block in if case .note(.info, let text) = block { text } else { nil } }
    }
    let ordinary = "the weights are already ternary and compute as ordinary matrices: inputs are not rounded to int8"
    #expect(told(result).contains("reference: " + ordinary), "\(told(result))")
    // The other way round the same parts differ by as much.
    (request.reference, request.candidate) = (request.candidate, request.reference)
    request.checksFidelity = false
    let back = try GapWorkflow(request).run()
    #expect(told(back).contains("candidate: " + ordinary), "\(told(back))")
    #expect(back.parts.first { $0.part == .weights }?.cost.map { $0.meanKL < 1e-5 } == true)
    let rounding = try #require(back.parts.first { $0.part == .activations }?.cost?.meanKL)
    #expect(abs(rounding / back.model.meanKL - 1) < 0.05)
  }

  @Test("parts that were left out are not called equal")
  func notCompared() throws {
    let scratch = ScratchFolder()
    Disk.write("1 47 287 420 226 22 531 925", scratch["ids"])
    Disk.makeFolder(scratch["plain"])
    for name in Disk.names(Checkpoint.plain) where name != "reference" {
      Disk.write(Disk.bytes(Checkpoint.plain + "/" + name), scratch["plain"] + "/" + name)
    }
    var model = ChangedModel(scratch["plain"])
    model.without = ["tokenizer.json"]
    var request = GapRequest(reference: Checkpoint.plain, candidate: model.write(scratch["model"]))
    request.text = .idsFile(scratch["ids"])
    request.comparesTensors = false
    request.checksFidelity = false
    let result = try GapWorkflow(request).run()
    let states = Dictionary(uniqueKeysWithValues: result.parts.map { ($0.part, $0.outcome) })
    #expect(states[.weights] == .notCompared && states[.otherTensors] == .notCompared)
    #expect(states[.tokenizer] == .differs && states[.activations] == .equal && states[.description] == .equal)
    #expect(result.report.verdict?.outcome == .info)
    #expect(result.report.verdict?.headline.contains("not checked") == true)
  }

  @Test("a setting that differs fails fidelity, and is blamed with what it costs alone")
  func setting() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    model.replace("\"rope_theta\": 1000042.0", "\"rope_theta\": 10000.0")
    var request = GapRequest(reference: Checkpoint.prequantized, candidate: model.write(scratch["model"]))
    request.tokenLimit = 255
    request.attributes = true
    let result = try GapWorkflow(request).run()
    #expect(result.fidelity?.verdict == .differs && !result.passed)
    #expect(result.fidelity?.detail.contains("rope_theta: 1000042.0 and 10000.0") == true, "\(result.fidelity as Any)")
    func part(_ part: GapPart) throws -> GapPartFinding { try #require(result.parts.first { $0.part == part }) }
    #expect(try part(.description).outcome == .differs && part(.weights).outcome == .equal)
    // All of the gap, and nothing of it, since nothing else differs.
    #expect(try part(.description).cost?.meanKL == result.model.meanKL && result.model.meanKL > 0.01)
    #expect(try part(.weights).cost?.meanKL == 0 && part(.otherTensors).cost?.meanKL == 0)
    #expect(result.report.verdict?.points.contains { $0.hasPrefix("Settings cost ") } == true)
    // Without measuring, the difference is told and blamed for nothing.
    request.attributes = false
    let points = try GapWorkflow(request).run().report.verdict?.points ?? []
    #expect(points.contains { $0.hasPrefix("Settings differ: rope_theta") })
    #expect(!points.contains { $0.contains(" cost ") })
  }

  @Test("a tokenizer without BOS gives windows without one, as in perplexities")
  func withoutBOS() throws {
    let scratch = ScratchFolder()
    var model = ChangedModel(Checkpoint.bitnet)
    let settings = Disk.text(Checkpoint.bitnet + "/tokenizer_config.json")
    let begin = "  \"bos_token\": \"<|begin_of_text|>\",\n"
    try #require(settings.contains(begin))
    model.files["tokenizer_config.json"] = Array(settings.replacing(begin, with: "").utf8)
    model.without.insert("special_tokens_map.json")
    let path = model.write(scratch["model"])
    var request = GapRequest(reference: path, candidate: path)
    request.context = 64
    request.tokenLimit = 630
    let result = try GapWorkflow(request).run()
    #expect(result.firstTokenRule.contains("there is no BOS") && result.model.meanKL == 0)
    Disk.write(TextInput.sampleText, scratch["text"])
    var perplexity = PerplexityRequest(path: path, text: scratch["text"])
    perplexity.scoring = .chunked(window: 64)
    // 63 of the 64 tokens of a window are scored; the limit counts these, as that of a gap does.
    perplexity.tokenLimit = 630
    let expected = try PerplexityWorkflow(perplexity).run().perplexity
    #expect(expected.negativeLogLikelihoods.count == 630)
    #expect(abs(result.model.candidatePerplexity.value - expected.perplexity) < 1e-6 * expected.perplexity)

    let calibration = CalibrationRequest(text: scratch["text"], tokens: 512, window: 128)
    let statistics = try CalibrationStatistics(path, OpenOptions(), calibration, work: WorkOptions())
    // Four pieces of 128: every token is an input, and there are no more.
    let gram = try #require(try statistics.gram(for: "model.layers.0.self_attn.q_proj.weight"))
    #expect(gram.count == 512)
  }

  @Test("another tokenizer fails fidelity where ids hide it")
  func tokenizer() throws {
    let scratch = ScratchFolder()
    Disk.write("1 47 287 420 226 22 531 925", scratch["ids"])
    var model = ChangedModel(Checkpoint.bitnet)
    let text = Disk.text(Checkpoint.bitnet + "/tokenizer.json")
    let merge = "\"merges\": [\n      [\n        \"t\",\n        \"h\"\n      ],"
    try #require(text.contains(merge))
    model.files["tokenizer.json"] = Array(text.replacing(merge, with: "\"merges\": [").utf8)
    var request = GapRequest(reference: Checkpoint.prequantized, candidate: model.write(scratch["model"]))
    request.text = .idsFile(scratch["ids"])
    let result = try GapWorkflow(request).run()
    #expect(result.model.meanKL == 0 && result.fidelity?.verdict == .differs && !result.passed)
    #expect(result.parts.first { $0.part == .tokenizer }?.outcome == .differs)
    #expect(result.report.verdict?.points.contains { $0.hasPrefix("Tokenizers differ: ") } == true)
  }

  /// Means of llama.cpp's table for LLaMA 3 8B, and of this project's.
  @Test(
    "bands of quality",
    arguments: [
      (0, GapQuality.none), (0.001391, .none), (0.005669, .slight), (0.032032, .slight), (0.073598, .visible),
      (0.236401, .visible), (0.457258, .severe), (5.1, .severe),
    ])
  func bands(_ meanKL: Double, _ quality: GapQuality) {
    #expect(GapQuality(meanKL: meanKL) == quality)
    #expect(GapQuality(meanKL: .nan) == nil)
  }
}
