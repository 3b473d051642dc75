// Tritsmith: how well a model predicts a text.

import TritCore
import TritKernels
import TritModel

/// How a text longer than a context is cut for a perplexity.
package enum PerplexityProtocol: Sendable, Equatable {
  /// Pieces of `window` − 1 tokens, each run on its own after a BOS token; every token of a piece is scored, the last,
  /// shorter piece too. Without BOS, pieces of `window` tokens, of which the first is not scored.
  case chunked(window: Int)
  /// One sequence, BOS and the text; windows of `window` tokens start every `stride`, each scores the tokens no
  /// earlier window scored, and the one that reaches the end is the last. Later windows get no BOS of their own. Without
  /// BOS the first token of the text is not scored.
  case sliding(window: Int, stride: Int)

  /// For reports: `chunked 256`, `sliding 512/256`.
  package var name: String {
    switch self {
    case .chunked(let window): "chunked \(window)"
    case .sliding(let window, let stride): "sliding \(window)/\(stride)"
    }
  }

  /// How many tokens of a text it takes to score so many: without BOS the first of a piece or sequence is not scored.
  package func tokens(toScore count: Int, hasBOS: Bool) -> Int {
    guard count > 0, !hasBOS else { return max(0, count) }
    switch self {
    case .chunked(let window):
      let step = max(1, window - 1)
      return count + (count - 1) / step + 1
    case .sliding: return count + 1
    }
  }
}

/// Negative log-likelihoods of a text, natural logarithm.
public struct Perplexity: Sendable {
  package var scoring: PerplexityProtocol
  package var mode: ArithmeticMode
  /// One number a scored token, in order of the text.
  package var negativeLogLikelihoods: [Double]

  package init(scoring: PerplexityProtocol, mode: ArithmeticMode, negativeLogLikelihoods: [Double]) {
    self.scoring = scoring
    self.mode = mode
    self.negativeLogLikelihoods = negativeLogLikelihoods
  }

  package var mean: Double {
    negativeLogLikelihoods.reduce(0, +) / Double(max(1, negativeLogLikelihoods.count))
  }

  /// Standard error of the mean, as if tokens were independent; 0 for fewer than two tokens.
  public var standardError: Double {
    let count = Double(negativeLogLikelihoods.count)
    guard count > 1 else { return 0 }
    let mean = mean
    let squares = negativeLogLikelihoods.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / (count - 1) / count).squareRoot()
  }

  /// exp of the mean negative log-likelihood of a scored token.
  public var perplexity: Double { exponential(mean) }

  /// Standard error of the perplexity, to first order.
  package var perplexityStandardError: Double { perplexity * standardError }
}

extension LanguageModel {
  /// Perplexity of token ids (without BOS).
  ///
  /// - Parameters:
  ///   - ids: the text.
  ///   - bos: put before every window; nil for a model that begins texts with no token of its own.
  ///   - scoring: how windows are cut and which of their tokens count.
  ///   - mode: which arithmetic.
  ///   - engine: threads and kernels.
  ///   - cancellation: asked before every window.
  ///   - advanced: told the number of tokens scored so far, after every window.
  /// - Throws: `ModelError` for an empty text, ids outside the vocabulary, a window too small, or logits that are not
  ///   finite; what the source throws.
  package func perplexity(
    of ids: [Int], bos: Int?, _ scoring: PerplexityProtocol, mode: ArithmeticMode, engine: InferenceEngine,
    cancellation: CancellationFlag = CancellationFlag(), advanced: ((Int) -> Void)? = nil
  ) throws -> Perplexity {
    guard !ids.isEmpty else { throw ModelError(.emptyPrompt) }
    let windows = try PerplexityWindow.windows(of: ids, bos: bos, scoring)
    guard !windows.isEmpty else {
      throw ModelError(.outOfRange(expected: "a text of 2 tokens or more, without BOS", found: "\(ids.count)"))
    }
    let longest = windows.map(\.ids.count).max() ?? 1
    let session = try Session(self, mode: mode, contextCapacity: longest, engine: engine)
    var result: [Double] = []
    result.reserveCapacity(ids.count)
    for window in windows {
      try cancellation.check()
      session.reset()
      try session.prefill(window.ids, logits: .all) { position, logits in
        let next = position + 1
        guard next < window.ids.count, next >= window.firstScored else { return }
        try checkFinite(logits, of: window.ids, mode: mode, engine: engine)
        result.append(negativeLogLikelihood(logits, of: window.ids[next]))
      }
      advanced?(result.count)
    }
    return Perplexity(scoring: scoring, mode: mode, negativeLogLikelihoods: result)
  }
}

/// One run of a model over a piece of a text.
package struct PerplexityWindow: Equatable, Sendable {
  package var ids: [Int]
  /// Place in `ids` of the first token that is scored; those before it are context.
  package var firstScored: Int

  package init(ids: [Int], firstScored: Int) {
    self.ids = ids
    self.firstScored = firstScored
  }

  /// Windows with at least one token that is scored.
  ///
  /// - Throws: `ModelError` for a window or stride that is too small.
  package static func windows(
    of ids: [Int], bos: Int?, _ scoring: PerplexityProtocol
  ) throws(ModelError) -> [PerplexityWindow] {
    let begin = bos.map { [$0] } ?? []
    var result: [PerplexityWindow] = []
    switch scoring {
    case .chunked(let window):
      guard window >= 2 else {
        throw ModelError(.outOfRange(expected: "a window of 2 tokens or more", found: "\(window)"))
      }
      let step = window - begin.count
      for start in stride(from: 0, to: ids.count, by: step) {
        let piece = begin + ids[start..<min(ids.count, start + step)]
        if piece.count > 1 { result.append(PerplexityWindow(ids: piece, firstScored: 1)) }
      }
    case .sliding(let window, let step):
      guard window >= 2, step >= 1, step < window else {
        throw ModelError(
          .outOfRange(
            expected: "a window of 2 tokens or more and a stride below it", found: "window \(window), stride \(step)"))
      }
      let sequence = begin + ids
      var scored = 1
      var start = 0
      while scored < sequence.count {
        let end = min(sequence.count, start + window)
        result.append(PerplexityWindow(ids: Array(sequence[start..<end]), firstScored: scored - start))
        scored = end
        start += step
      }
    }
    return result
  }
}
