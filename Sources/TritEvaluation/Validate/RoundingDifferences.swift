// Tritsmith: what roundings alone do to a model, and gates that follow it.

import TritInference
import TritModel
import TritSurvey
import TritVerification

/// The roundings two sides of a validation do differently, none of which is a fault.
struct RoundingDifferences {
  /// How stored numbers were rounded apart, at worst.
  var stored = StoredRounding.none
  /// What a number of a step is off by in the mean, as a share of it, where numbers were rounded one by one.
  var shares: [String: Float] = [:]
  /// Models whose inputs are not rounded to int8, in a form in which they are, beside a side that rounds them.
  var roundedInputs: [(model: RunnableModel, rounded: LanguageModel)] = []
  /// The model, and a form of it with vectors of the reference where rounding keeps its own from them; nil for none.
  var vectors: (model: RunnableModel, taken: LanguageModel)?
  /// Models whose inputs fast arithmetic rounds, beside a side whose inputs it does not, or in other groups.
  var fast: [RunnableModel] = []
}

/// Gates, and what was measured for their bounds.
struct GateFindings {
  var results: [GateResult]
  var noise: [RoundingNoise] = []
  var explanation: RoundingExplanation?
}

extension ValidateWorkflow {
  /// Gates and how they came out.
  ///
  /// Bounds that were asked for stand. A default that does not hold is held against what rounding alone does to this
  /// model on this text, which is measured then: a deeper or wider model is noisier than those the defaults come from.
  func gates(_ found: Findings, _ model: RunnableModel) throws -> GateFindings {
    let results = gates(found, noise: [])
    // Logits can be excused by noise only where every step was looked at and nothing else is wrong: against a file of
    // logits one wrong scale among many looks like noise.
    let isExcusable =
      found.total.nonFinite == 0 && !found.steps.isEmpty
      && results.filter { $0.basis == .asked || !$0.isOfLogits }.allSatisfy(\.passed)
    guard isExcusable, !results.allSatisfy(\.passed) else { return try gatesOfFloats(found, model, results) }
    // What these roundings do is known, not only how large they are.
    let vectors = try found.differences.vectors.map { model, taken in
      RoundingNoise(
        source: "vectors of delta nets rounded",
        try agreement(found.prompts, model, (model.model, nil), (taken, nil), nil))
    }
    let noise = try noise(found, model) + [vectors].compactMap(\.self)
    guard !found.differences.shares.isEmpty else {
      return GateFindings(results: gates(found, noise: noise, ofDifference: noise), noise: noise)
    }
    // The largest difference follows what was rounded in these two models, step by step.
    let shares = found.differences.shares
    let measured = try repeated("stored numbers rounded, each step as its own are", found, model) {
      StateNoise(steps: shares, seed: $0)
    }
    let all = noise + [measured]
    let differences = [measured, vectors].compactMap(\.self)
    return GateFindings(results: gates(found, noise: all, ofDifference: differences), noise: all)
  }

  /// - Parameter ofDifference: noise that excuses the largest difference of logits.
  func gates(_ found: Findings, noise: [RoundingNoise], ofDifference: [RoundingNoise] = []) -> [GateResult] {
    let total = found.total.result
    let (factor, gates) = (ValidationGates.factor, request.gates)
    let floats = floats(found)
    // Of two models every step was looked at; their logits may be as noisy as what is stored.
    let ceiling = found.steps.isEmpty ? RoundingNoise.ceiling.difference : .infinity
    let differences = ofDifference.map { min(factor * $0.maximumDifference, ceiling) }
    let implied = floats != nil && !found.steps.isEmpty ? differences.map(ValidationGates.meanKL(ofDifference:)) : []
    var results = [
      gate(
        GateResult.meanKL, total.meanKL, gates.maximumMeanKL, ValidationGates.meanKL,
        (noise.map { factor * $0.meanKL } + implied).map { min($0, RoundingNoise.ceiling.meanKL) }, isUpperBound: true),
      gate(
        "top1", total.topOne, gates.minimumTopOne, ValidationGates.topOne(positions: total.positions),
        noise.map { max(1 - factor * (1 - $0.topOne), RoundingNoise.ceiling.topOne) }, isUpperBound: false),
      gate(
        "logit_nmse", total.nmse, gates.maximumNMSE, ValidationGates.nmse,
        noise.map { min(factor * $0.nmse, RoundingNoise.ceiling.nmse) }, isUpperBound: true),
    ]
    if floats != nil || gates.maximumLogitDifference != nil {
      results.append(
        gate(
          GateResult.largestDifference, total.maximumDifference, gates.maximumLogitDifference,
          ValidationGates.logitDifference, differences, isUpperBound: true))
    }
    if !found.steps.isEmpty {
      results.append(none(GateResult.wrongSteps, found.steps.count { !$0.passed } + found.unmatched.count))
    } else if floats != nil, !found.hidden.isEmpty {
      let bound = hiddenBound(found)
      results.append(none(GateResult.divergedStates, found.hidden.count { !($0.relativeError <= bound) }))
    }
    return results
  }

  private func gate(
    _ name: String, _ value: Double, _ asked: Double?, _ standard: Double, _ noisy: [Double], isUpperBound: Bool
  ) -> GateResult {
    if let asked { return GateResult(name: name, found: value, bound: asked, isUpperBound: isUpperBound) }
    let measured = (isUpperBound ? noisy.max() : noisy.min()) ?? standard
    let isNoisier = isUpperBound ? measured > standard : measured < standard
    return GateResult(
      name: name, found: value, bound: isNoisier ? measured : standard, isUpperBound: isUpperBound,
      basis: isNoisier ? .noise : .standard)
  }

  /// A gate of what there must be none of.
  private func none(_ name: String, _ count: Int) -> GateResult {
    GateResult(name: name, found: Double(count), bound: 0, isUpperBound: true, basis: .standard)
  }

  /// Relative error from which on a hidden state counts as another one.
  func hiddenBound(_ found: Findings) -> Double {
    let standard = found.steps.isEmpty ? floats(found)?.hiddenBound : nil
    return request.hiddenBound ?? standard ?? ValidateRequest.defaultHiddenBound
  }

  /// What separates the two sides where no inputs are rounded; nil as well where a bound of logits that was asked for is
  /// wider than its default, which says that more does.
  private func floats(_ found: Findings) -> FloatAgreement? {
    request.gates.isWider(positions: found.total.positions) ? nil : found.floats
  }

  // MARK: - Measuring

  /// What each rounding that separates the two sides does on its own.
  private func noise(_ found: Findings, _ model: RunnableModel) throws -> [RoundingNoise] {
    var result: [RoundingNoise] = []
    let stored = found.differences.stored
    result.append(try repeated(stored.phrase, found, model) { StateNoise(embeddings: stored.noise, seed: $0) })
    for (side, rounded) in found.differences.roundedInputs {
      result.append(
        RoundingNoise(
          source: "inputs rounded to int8 or not",
          try agreement(found.prompts, side, (side.model, nil), (rounded, nil), nil)))
    }
    result += try found.differences.fast.map { try fastNoise($0, found) }
    return result
  }

  /// The most that one kind of rounding does: over few tokens one run of it is a matter of chance.
  private func repeated(
    _ source: String, _ found: Findings, _ model: RunnableModel, _ make: (UInt64) -> StateNoise
  ) throws -> RoundingNoise {
    let runs: UInt64 = found.total.result.positions < 16 ? 8 : found.total.result.positions < 64 ? 3 : 1
    var noise = RoundingNoise(source: source, try agreement(found.prompts, model, make(1)))
    for seed in 1..<runs {
      noise.include(
        RoundingNoise(source: source, try agreement(found.prompts, model, make((seed &+ 1) &* 0x9E37_79B9_7F4A_7C15))))
    }
    return noise
  }

  /// How far a model is from itself where its states are moved.
  func agreement(_ prompts: [[Int]], _ model: RunnableModel, _ noise: StateNoise) throws -> LogitAgreement {
    try agreement(prompts, model, (model.model, nil), (model.model, nil), noise)
  }

  /// What fast arithmetic alone does to a model that takes inputs as they are, where gates do not hold against logits of a
  /// file; nil elsewhere.
  func fastNoise(_ found: Findings, _ model: RunnableModel, _ gates: [GateResult]) throws -> RoundingNoise? {
    guard model.groupsRoundedByMode != nil, found.total.nonFinite == 0, !gates.allSatisfy(\.passed) else { return nil }
    return try fastNoise(model, found)
  }

  private func fastNoise(_ model: RunnableModel, _ found: Findings) throws -> RoundingNoise {
    RoundingNoise(
      source: "fast arithmetic",
      try agreement(found.prompts, model, (model.model, .reference), (model.model, .fast), nil))
  }

  /// How far a form of a model, in an arithmetic or its own, is from another one.
  private func agreement(
    _ prompts: [[Int]], _ side: RunnableModel, _ left: (model: LanguageModel, mode: ArithmeticMode?),
    _ right: (model: LanguageModel, mode: ArithmeticMode?), _ noise: StateNoise?
  ) throws -> LogitAgreement {
    var comparison = LogitComparison()
    for ids in prompts {
      try request.options.cancellation.check()
      let pair = LockStep(
        reference: try side.session(for: ids.count, running: left.model, left.mode),
        candidate: try side.session(for: ids.count, running: right.model, right.mode))
      let observers = noise.map { (reference: StateNoise(embeddings: 0) as any ForwardObserver, candidate: $0) }
      try pair.prefill(ids, observers: observers.map { ($0.reference, $0.candidate) }) { rows in
        for row in 0..<rows.count {
          let range = row * rows.vocabulary..<(row + 1) * rows.vocabulary
          comparison.add(PositionAgreement(rows.reference[range], rows.candidate[range]))
        }
      }
    }
    return comparison.result
  }
}

extension RoundingNoise {
  /// However noisy a model is, no default gate goes past these: logits that far apart are another model's.
  static let ceiling = (meanKL: 0.02, nmse: 0.01, topOne: 0.8, difference: 0.5)

  /// Takes what another run does more.
  mutating func include(_ other: RoundingNoise) {
    meanKL = max(meanKL, other.meanKL)
    nmse = max(nmse, other.nmse)
    topOne = min(topOne, other.topOne)
    maximumDifference = max(maximumDifference, other.maximumDifference)
  }

  init(source: String, _ agreement: LogitAgreement) {
    self.init(
      source: source, meanKL: agreement.meanKL, nmse: agreement.nmse, topOne: agreement.topOne,
      maximumDifference: agreement.maximumDifference)
  }
}

/// Moves every number of some states by a share of itself, up or down, the same in every run.
final class StateNoise: ForwardCorrector {
  private let shares: [String: Float]
  private var state: UInt64

  /// - Parameter seed: every number moves otherwise with another one.
  init(embeddings share: Float, seed: UInt64 = 1) { (shares, state) = (share > 0 ? ["embed": share] : [:], seed) }

  /// - Parameter steps: shares by the step. No observer may change logits: what they multiply is moved in their place,
  ///   which spreads them as rounded weights do.
  init(steps: [String: Float], seed: UInt64 = 1) {
    state = seed
    var shares = steps
    if let head = shares.removeValue(forKey: "logits") {
      let norm = shares["final_norm"] ?? 0
      shares["final_norm"] = (head * head + norm * norm).squareRoot()
    }
    self.shares = shares
  }

  func observe(_ name: String, tokens: Range<Int>, width: Int, _ values: Span<Float>) throws {}

  func correct(_ name: String, tokens: Range<Int>, width: Int, _ values: inout [Float]) throws {
    guard let share = shares[name] else { return }
    for index in 0..<tokens.count * width {
      // Numerical Recipes' generator; the highest bit is the sign.
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      values[index] *= state >> 63 == 0 ? 1 + share : 1 - share
    }
  }
}
