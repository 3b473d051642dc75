// Tritsmith: which part of a model its gap comes from.

import TritCore
import TritInference
import TritModel
import TritSurvey

/// Measures the gap of models that are the reference but for one layer, or one kind of projection, of the candidate.
///
/// Such a model shares all weights with the two; only its keys and values are its own. The reference runs once, and its
/// logits of a few tokens at a time are held while every other model goes through the same tokens.
struct GapAttribution {
  let reference: RunnableModel
  let candidate: RunnableModel
  let windows: [PerplexityWindow]
  let work: WorkOptions

  /// Logits of the reference held at once.
  private static let logitBytes = 16 << 20

  private struct Part {
    var part: AttributedGap.Part
    var session: Session
    var statistics = TokenStatistics()
  }

  /// A model on the way from the reference to the candidate, which differs from the one before in one part.
  private struct Step {
    var part: GapPart
    var between: String
    var session: Session
    var statistics = TokenStatistics()
  }

  /// What every part costs.
  struct Result {
    var parts: [AttributedGap]
    /// By the part in which two neighbours on the way from the reference to the candidate differ.
    var costs: [GapPart: GapPartFinding.Cost]
  }

  /// - Throws: `ModelError` when projections of the two have different shapes or one has fewer layers.
  func run() throws -> Result {
    let longest = windows.map(\.ids.count).max() ?? 1
    let base = try reference.session(for: longest)
    func session(_ model: LanguageModel) throws -> Session {
      try Session(model, mode: candidate.mode, contextCapacity: longest, engine: candidate.engine)
    }
    var parts = try hybrids().map { Part(part: $0, session: try session($1)) }
    var steps = try way().map { Step(part: $0, between: $1, session: try session($2)) }
    let vocabulary = reference.model.configuration.vocabularySize
    let step = max(1, min(128, GapAttribution.logitBytes / (4 * vocabulary)))
    let total = windows.reduce(0) { $0 + $1.ids.count }
    work.progress.began(ProgressPhase(name: "attributing", totalTokens: total * (parts.count + steps.count + 1)))
    defer { work.progress.ended() }
    for window in windows {
      base.reset()
      for part in parts { part.session.reset() }
      for step in steps { step.session.reset() }
      for start in stride(from: 0, to: window.ids.count, by: step) {
        try work.parallelism.cancellation.check()
        let ids = Array(window.ids[start..<min(window.ids.count, start + step)])
        let expected = try base.logits(ids)
        work.progress.advanced(by: ids.count)
        for index in parts.indices {
          _ = try take(ids, from: start, of: window, parts[index].session, against: expected, &parts[index].statistics)
        }
        var before = expected
        for index in steps.indices {
          before = try take(
            ids, from: start, of: window, steps[index].session, against: before, &steps[index].statistics)
        }
      }
    }
    var costs: [GapPart: GapPartFinding.Cost] = [:]
    for step in steps {
      costs[step.part] = GapPartFinding.Cost(meanKL: step.statistics.agreement.result.meanKL, between: step.between)
    }
    return Result(parts: sorted(parts), costs: costs)
  }

  /// Takes tokens with another model, and adds how far its logits are from those of the one before where they score.
  ///
  /// - Returns: Its logits.
  private func take(
    _ ids: [Int], from start: Int, of window: PerplexityWindow, _ session: Session, against expected: [Float],
    _ statistics: inout TokenStatistics
  ) throws -> [Float] {
    let logits = try session.logits(ids)
    let vocabulary = reference.model.configuration.vocabularySize
    let rows = LockStep.LogitRows(
      first: start, count: ids.count, vocabulary: vocabulary, reference: expected, candidate: logits)
    for (row, agreement) in try ModelComparison.agreements(rows, work).enumerated() {
      let next = start + row + 1
      guard next < window.ids.count, next >= window.firstScored else { continue }
      let offset = row * vocabulary + window.ids[next]
      statistics.add(agreement, logitP: expected[offset], logitQ: logits[offset])
    }
    work.progress.advanced(by: ids.count)
    return logits
  }

  private func sorted(_ parts: [Part]) -> [AttributedGap] {
    parts.map { part in
      let agreement = part.statistics.agreement.result
      let losses = part.statistics.meanLosses
      return AttributedGap(
        part: part.part, meanKL: agreement.meanKL, topOne: agreement.topOne,
        perplexityRatio: Logarithm.exponential(losses.candidate - losses.reference))
    }.sorted { left, right in
      // Largest first; what cannot be compared last.
      if left.meanKL.isNaN || right.meanKL.isNaN { return !left.meanKL.isNaN }
      return left.meanKL > right.meanKL
    }
  }

  /// Models from the reference to the candidate, each differing from the one before in one part only.
  ///
  /// Weights are exchanged where inputs are rounded to int8 as little as possible: rounding turns the smallest
  /// difference of weights into a step. Parts that are alike have no model of their own: they cannot cost anything.
  private func way() throws -> [(part: GapPart, between: String, model: LanguageModel)] {
    let (p, q) = (reference.model, candidate.model)
    let (left, right) = (p.plainInputs(as: q), q.plainInputs(as: p))
    // Each rounds what the other does not: no single model stands between the two.
    if left != nil, right != nil { return [] }
    var result: [(part: GapPart, between: String, model: LanguageModel)] = []
    if let left {
      result.append((.activations, "the reference, and the reference without rounding inputs", left))
    }
    let how = left != nil || right != nil ? ", inputs rounded in neither" : ""
    let taken = try (left ?? p).taking(from: right ?? q) { _, _ in true }
    result.append((.weights, "the reference, and the reference with the candidate's projections\(how)", taken))
    if right != nil {
      let rounded = try p.taking(from: q) { _, _ in true }
      result.append((.activations, "the candidate's projections without rounding inputs, and with it", rounded))
    }
    // Settings stand apart where the candidate's tensors can compute with those of the reference.
    let differ = !p.configuration.differences(from: q.configuration).isEmpty
    let stated = differ ? q.withSettings(of: p) : nil
    result.append(
      (
        .otherTensors,
        "the candidate's projections among other tensors\(differ && stated == nil ? " and settings" : "") of the "
          + "reference, and the candidate\(stated == nil ? "" : " with the settings of the reference")",
        stated ?? q
      ))
    if stated != nil {
      result.append((.description, "the candidate with the settings of the reference, and the candidate", q))
    }
    return result
  }

  private func hybrids() throws -> [(AttributedGap.Part, LanguageModel)] {
    let (p, q) = (reference.model, candidate.model)
    var result: [(AttributedGap.Part, LanguageModel)] = []
    for layer in 0..<p.configuration.layers {
      result.append((.layer(layer), try p.taking(from: q) { index, _ in index == layer }))
    }
    for kind in p.projectionKinds {
      result.append((.kind(kind), try p.taking(from: q) { $1 == kind }))
    }
    result.append((.allProjections, try p.taking(from: q) { _, _ in true }))
    return result
  }
}
