// Tritsmith: two models run over a text, token by token.

import TritCore
import TritInference
import TritModel
import TritSurvey
import TritTokenizer

/// Runs two models in lock-step over windows of a text and compares what they predict.
struct ModelComparison {
  let reference: RunnableModel
  let candidate: RunnableModel
  let text: GapText
  let work: WorkOptions
  /// Nil compares no hidden states.
  let activations: ActivationGap?

  /// Tokens listed as the worst ones.
  static let worstCount = 10
  private static let (wordsBefore, wordsAfter) = (14, 6)

  /// A scored token, as much as is kept of it.
  private struct Scored {
    var window: Int
    var place: Int
    var divergence: Double
    var referenceLoss: Double
    var candidateLoss: Double
    var referenceTop: Int
    var candidateTop: Int
  }

  /// - Throws: `ModelError` when a window is longer than a model's context; what running throws.
  func run() throws -> ModelGap {
    let longest = text.windows.map(\.ids.count).max() ?? 1
    let pair = LockStep(
      reference: try reference.session(for: longest), candidate: try candidate.session(for: longest))
    var statistics = TokenStatistics()
    var scored: [Scored] = []
    scored.reserveCapacity(text.count)
    work.progress.began(ProgressPhase(name: "comparing predictions", totalTokens: text.count))
    defer { work.progress.ended() }
    let observers = activations.map { (reference: $0.reference, candidate: $0.candidate) }
    for (number, window) in text.windows.enumerated() {
      try work.parallelism.cancellation.check()
      pair.reset()
      try pair.prefill(window.ids, observers: observers) { rows in
        let positions = try ModelComparison.agreements(rows, work)
        for (row, position) in positions.enumerated() {
          let place = rows.first + row + 1
          guard place < window.ids.count, place >= window.firstScored else { continue }
          let id = window.ids[place]
          let (p, q) = (
            rows.reference[row * rows.vocabulary + id], rows.candidate[row * rows.vocabulary + id]
          )
          statistics.add(position, logitP: p, logitQ: q)
          guard let position else { continue }
          scored.append(
            Scored(
              window: number, place: place, divergence: position.divergence,
              referenceLoss: position.normP - Double(p), candidateLoss: position.normQ - Double(q),
              referenceTop: position.bestP, candidateTop: position.bestQ))
        }
      }
      work.progress.advanced(by: window.ids.count - window.firstScored)
    }
    return statistics.result(worst: worst(scored))
  }

  /// Rows compared, several at a time; nil where a logit is no number.
  static func agreements(_ rows: LockStep.LogitRows, _ work: WorkOptions) throws -> [PositionAgreement?] {
    try work.parallelism.mapBands(rows.count) { row in
      let range = row * rows.vocabulary..<(row + 1) * rows.vocabulary
      return PositionAgreement(rows.reference[range], rows.candidate[range])
    }
  }

  // MARK: - Worst tokens

  private func worst(_ scored: [Scored]) -> [WorstToken] {
    // Earlier tokens first among equals.
    let order = scored.indices.sorted { left, right in
      let (a, b) = (scored[left].divergence, scored[right].divergence)
      return a != b ? a > b : left < right
    }
    var starts: [Int] = []
    var start = 0
    for window in text.windows {
      starts.append(start)
      start += window.ids.count - window.firstScored
    }
    return order.prefix(ModelComparison.worstCount).map { index in
      let token = scored[index]
      let window = text.windows[token.window]
      return WorstToken(
        index: starts[token.window] + token.place - window.firstScored, id: window.ids[token.place],
        divergence: token.divergence, referenceProbability: Logarithm.exponential(-token.referenceLoss),
        candidateProbability: Logarithm.exponential(-token.candidateLoss), referenceTop: token.referenceTop,
        candidateTop: token.candidateTop, text: text.tokenizer.map { quote(token, window, $0) })
    }
  }

  private func quote(_ token: Scored, _ window: PerplexityWindow, _ tokenizer: Tokenizer) -> WorstToken.Text {
    func decoded(_ ids: some Collection<Int>) -> String {
      String(decoding: ids.flatMap { tokenizer.bytes(forID: $0) ?? [] }, as: UTF8.self)
    }
    let first = max(window.firstScored, token.place - ModelComparison.wordsBefore)
    let last = min(window.ids.count, token.place + 1 + ModelComparison.wordsAfter)
    return WorstToken.Text(
      before: decoded(window.ids[first..<token.place]), token: decoded([window.ids[token.place]]),
      after: decoded(window.ids[token.place + 1..<last]), referenceTop: decoded([token.referenceTop]),
      candidateTop: decoded([token.candidateTop]))
  }
}
