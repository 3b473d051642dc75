// Tritsmith: whether what a model computes is finite.

import TritCore
import TritFormats
import TritInference
import TritKernels
import TritModel
import TritReport
import TritSurvey
import TritTokenizer
import VisibleText

/// Runs a few tokens through a model: every number of it can be finite, and a product of them is not.
package struct ComputationCheck {
  let path: String
  let open: OpenOptions
  let work: WorkOptions
  /// Whether a text is scored, too.
  let scoresText: Bool

  package init(path: String, open: OpenOptions, work: WorkOptions, scoresText: Bool = false) {
    (self.path, self.open, self.work, self.scoresText) = (path, open, work, scoresText)
  }

  /// Tokens that are run: enough for a token to look back at others.
  private static let tokens = 8

  package struct Outcome {
    package var findings: [CheckFinding] = []
    package var notes: [String] = []
    /// Whether a text was predicted better than noise is; nil where none was scored.
    package var predictsText: Bool?
    /// Why no text was scored that was to be.
    package var unscored: String?
  }

  /// - Throws: what reading throws, and `CancellationFailure`.
  package func run() throws -> Outcome {
    // Mapped, dense weights are used where they lie.
    var options = RunOptions(mode: .fast, open: open, cancellation: work.parallelism.cancellation)
    options.open.access = .mapped
    options.threads = work.parallelism.threads
    let model: RunnableModel
    do {
      model = try RunnableModel(path, options)
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      let reason = "its computation was not checked: \(error.placedSummary)"
      return Outcome(notes: [reason], unscored: reason)
    }
    try work.parallelism.cancellation.check()
    let configuration = model.model.configuration
    let count = min(ComputationCheck.tokens, configuration.vocabularySize, configuration.contextLength)
    // Spread over the vocabulary: its beginning holds marks and single bytes only.
    let step = configuration.vocabularySize / count
    guard let state = try model.firstNonFinite(in: [(0..<count).map { $0 * step }]) else {
      return scoresText ? try scored(model) : Outcome()
    }
    let detail = "\(state.value) at token \(state.token) of \(count), from numbers that are finite"
    return Outcome(findings: [CheckFinding(.computation, layerName(state.name), detail)])
  }

  /// Tokens of the text that is scored: a model that computes noise is as bad on the first as on any other.
  private static let scoredTokens = 64

  /// How well the model predicts a short text. What is worse than a guess among a tenth of the vocabulary is noise; why
  /// it is no number tells.
  private func scored(_ model: RunnableModel) throws -> Outcome {
    let (ids, begin): ([Int], Int?)
    do {
      let tokenizer = try Tokenizer(of: model.source)
      ids = try tokenizer.encode(String(TextInput.sampleText.prefix(1000)), addSpecialTokens: false)
      begin = tokenizer.bosTokenID
    } catch let error as any DiagnosticError where error.category == .malformedInput {
      return Outcome(unscored: "no text was scored: \(error.placedSummary)")
    }
    let configuration = model.model.configuration
    let window = min(ComputationCheck.scoredTokens, configuration.contextLength)
    guard window >= 2, ids.count >= 2, ids.allSatisfy({ $0 < configuration.vocabularySize }) else {
      return Outcome(unscored: "no text was scored: it has tokens without an embedding, or the context is too short")
    }
    let result = try RunnableModel.locating(path) {
      try model.model.perplexity(
        of: Array(ids.prefix(window - 1)), bos: begin, .chunked(window: window), mode: model.mode,
        engine: model.engine, cancellation: work.parallelism.cancellation)
    }
    let bound = Double(configuration.vocabularySize) / 10
    let text =
      "perplexity \(NumberText.fixed(result.perplexity, digits: 1)) on \(result.negativeLogLikelihoods.count) "
      + "tokens of the built-in text"
    // What is no number is no prediction either.
    if result.perplexity <= bound { return Outcome(notes: [text], predictsText: true) }
    let finding = CheckFinding(
      .noise, "",
      "\(text), above a tenth of the vocabulary (\(NumberText.fixed(bound, digits: 1))): it computes noise; the numbers do "
        + "not say why")
    return Outcome(findings: [finding], predictsText: false)
  }
}
