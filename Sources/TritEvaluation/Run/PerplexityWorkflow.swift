// Tritsmith: how well a model predicts a file of text.

import TritCore
import TritFormats
import TritInference
import TritModel
import TritSurvey
import TritTokenizer

/// Which text to score, and how.
package struct PerplexityRequest: Sendable {
  package var path: String
  package var text: TextInput
  /// How the text is cut into windows; 256 tokens each when nothing is said.
  package var scoring = PerplexityProtocol.chunked(window: 256)
  /// Scores only this many tokens from the beginning; nil means all.
  package var tokenLimit: Int?
  /// Arithmetic, threads and kernels.
  package var options = RunOptions(mode: .fast)

  /// - Parameter text: a file of UTF-8 text.
  package init(path: String, text: String) {
    self.init(path: path, .file(text))
  }

  package init(path: String, _ text: TextInput = .sample) {
    self.path = path
    self.text = text
  }
}

/// The perplexity of a text.
package struct PerplexityResult: Sendable {
  package var run: RunDescription
  package var text: String
  /// The number, with its error.
  package var perplexity: Perplexity
  package var seconds: Double
}

/// Scores a text.
package struct PerplexityWorkflow: Sendable {
  let request: PerplexityRequest
  let progress: any ProgressObserver

  package init(_ request: PerplexityRequest, progress: any ProgressObserver = SilentProgress()) {
    self.request = request
    self.progress = progress
  }

  /// - Throws: `ModelError` for an empty text, a window that does not fit or is longer than the context; `RunError`,
  ///   `TokenizerError`, and what opening throws.
  package func run() throws -> PerplexityResult {
    let start = Platform.monotonicSeconds
    let source = try ModelOpener.toRun(request.path, request.options.open)
    // Before weights are loaded, which takes its time.
    let tokenizer = try Tokenizer(toRun: source)
    let runnable = try RunnableModel(source, request.options, engine: request.options.engine())
    let name = request.text.name
    var ids = try tokenizer.encode(fileAt: name, try request.text.bytes(), addSpecialTokens: false)
    if let limit = request.tokenLimit {
      let scored = min(limit, ids.count)
      ids = Array(ids.prefix(request.scoring.tokens(toScore: scored, hasBOS: tokenizer.bosTokenID != nil)))
    }
    guard !ids.isEmpty else { throw ModelError(.emptyPrompt, file: name) }
    let context = runnable.model.configuration.contextLength
    guard window <= context else {
      throw ModelError(.contextOverflow(capacity: context, needed: window), file: runnable.path)
    }
    progress.began(ProgressPhase(name: "scoring", totalTokens: ids.count))
    defer { progress.ended() }
    var done = 0
    let result = try RunnableModel.locating(runnable.path) {
      try runnable.model.perplexity(
        of: ids, bos: tokenizer.bosTokenID, request.scoring, mode: runnable.mode, engine: runnable.engine,
        cancellation: request.options.cancellation
      ) { scored in
        progress.advanced(by: scored - done)
        done = scored
      }
    }
    return PerplexityResult(
      run: runnable.description, text: name, perplexity: result, seconds: Platform.monotonicSeconds - start)
  }

  private var window: Int {
    switch request.scoring {
    case .chunked(let window), .sliding(let window, _): window
    }
  }
}
