// Tritsmith: which part of a model its gap comes from.

import TritCore
import TritModel

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

  /// - Throws: `ModelError` when projections of the two have different shapes or one has fewer layers.
  func run() throws -> [AttributedGap] {
    let longest = windows.map(\.ids.count).max() ?? 1
    let base = try reference.session(for: longest)
    var parts = try hybrids().map { part, model in
      Part(
        part: part,
        session: try Session(
          model, mode: candidate.mode, contextCapacity: longest, engine: candidate.engine))
    }
    let vocabulary = reference.model.configuration.vocabularySize
    let step = max(1, min(128, GapAttribution.logitBytes / (4 * vocabulary)))
    let total = windows.reduce(0) { $0 + $1.ids.count }
    work.progress.began(ProgressPhase(name: "attributing", totalTokens: total * (parts.count + 1)))
    defer { work.progress.ended() }
    for window in windows {
      base.reset()
      for part in parts { part.session.reset() }
      for start in stride(from: 0, to: window.ids.count, by: step) {
        try work.parallelism.cancellation.check()
        let ids = Array(window.ids[start..<min(window.ids.count, start + step)])
        let expected = try base.logits(ids)
        work.progress.advanced(by: ids.count)
        for index in parts.indices {
          let found = try parts[index].session.logits(ids)
          let rows = LockStep.LogitRows(
            first: start, count: ids.count, vocabulary: vocabulary, reference: expected, candidate: found)
          for (row, position) in try ModelComparison.agreements(rows, work).enumerated() {
            let place = start + row + 1
            guard place < window.ids.count, place >= window.firstScored else { continue }
            let offset = row * vocabulary + window.ids[place]
            parts[index].statistics.add(position, logitP: expected[offset], logitQ: found[offset])
          }
          work.progress.advanced(by: ids.count)
        }
      }
    }
    return parts.map { part in
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

  private func hybrids() throws -> [(AttributedGap.Part, LanguageModel)] {
    let (p, q) = (reference.model, candidate.model)
    var result: [(AttributedGap.Part, LanguageModel)] = []
    for layer in 0..<p.configuration.layers {
      result.append((.layer(layer), try p.taking(from: q) { index, _ in index == layer }))
    }
    for kind in ProjectionKind.allCases {
      result.append((.kind(kind), try p.taking(from: q) { $1 == kind }))
    }
    result.append((.allProjections, try p.taking(from: q) { _, _ in true }))
    return result
  }
}
