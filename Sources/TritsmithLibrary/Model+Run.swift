// Tritsmith: computing with models.

extension Model {
  /// A model that keeps its weights loaded, for more than one text; they are loaded here, once.
  public func runnable(_ options: RunOptions = RunOptions()) throws -> RunnableModel {
    try RunnableModel(path, running(options))
  }

  /// Logits of what follows a text, one number for each token of the vocabulary.
  ///
  /// BOS goes in front when the tokenizer names one. The weights are loaded at every call; `runnable()` keeps them.
  public func logits(for text: String, options: RunOptions = RunOptions()) throws -> [Float] {
    try logits(for: try tokenizer().prompt(text), options: options)
  }

  /// Logits of what follows token ids.
  ///
  /// - Throws: a `DiagnosticError`: `misuse` for no ids, an id outside the vocabulary, or more than the context holds;
  ///   `checkFailed` for logits that are not finite.
  public func logits(for ids: [Int], options: RunOptions = RunOptions()) throws -> [Float] {
    let loaded = try runnable(options)
    try loaded.check(ids)
    let logits = try loaded.session(for: ids.count).prefill(ids)
    try loaded.checkFinite(logits.span, of: ids)
    return logits
  }

  /// Continues a text, or a conversation.
  ///
  /// The weights are loaded anew at every call, before the prompt is computed and `emit` is called; `runnable()` keeps
  /// them.
  ///
  /// - Parameters:
  ///   - prompt: the text to continue; BOS goes in front when the tokenizer names one.
  ///   - conversation: `TokenInput.chat` or `.messages`, written as the model's chat template says, in place of the prompt.
  ///   - maximumTokens: tokens generated at most, 1 or more.
  ///   - sampling: how a token is chosen among the likely ones.
  ///   - seed: of `nucleus` sampling: the same seed gives the same tokens.
  ///   - options: arithmetic, projections and threads.
  ///   - emit: gets text as soon as its characters are complete; false ends the generation.
  /// - Throws: a `DiagnosticError`: `misuse` for an empty prompt, one longer than the context, or sampling out of range;
  ///   `malformedInput` for a model without a chat template that is known; `checkFailed` for logits that are not finite.
  public func generate(
    _ prompt: String, conversation: TokenInput? = nil, maximumTokens: Int = 128, sampling: SamplingMethod = .greedy,
    seed: UInt64 = 0, options: RunOptions = RunOptions(mode: .fast), emit: (String) -> Bool = { _ in true }
  ) throws -> GenerateResult {
    var request = GenerateRequest(path: path, prompt: prompt)
    request.conversation = conversation
    request.maximumTokens = maximumTokens
    (request.sampling, request.seed) = (sampling, seed)
    request.options = running(options)
    return try GenerateWorkflow(request).run(emit: emit)
  }

  /// How well the model predicts a text, in windows of 256 tokens. Loads the weights at every call.
  ///
  /// - Parameters:
  ///   - text: by default the Book of Ruth, which is built in.
  ///   - tokenLimit: scores only this many tokens from the beginning; nil means all.
  ///   - options: arithmetic, projections and threads.
  /// - Throws: a `DiagnosticError`: `misuse` for an empty text, or a context shorter than a window; `inputOutput` or
  ///   `cannotOpen` for a file that cannot be read, `malformedInput` for one that is not UTF-8.
  public func perplexity(
    of text: TextInput = .sample, tokenLimit: Int? = nil, options: RunOptions = RunOptions(mode: .fast)
  ) throws -> Perplexity {
    var request = PerplexityRequest(path: path, text)
    request.tokenLimit = tokenLimit
    request.options = running(options)
    return try PerplexityWorkflow(request).run().perplexity
  }

  /// Options of a run, which opens the files once more: what the model was opened with holds where they say nothing.
  func running(_ run: RunOptions) -> RunOptions {
    var run = run
    run.open.scaleConvention = run.open.scaleConvention ?? options.scaleConvention
    run.open.i2sOrder = run.open.i2sOrder ?? options.i2sOrder
    run.open.preTokenizer = run.open.preTokenizer ?? options.preTokenizer
    if run.open.ggmlTypes.isEmpty { run.open.ggmlTypes = options.ggmlTypes }
    run.open.followsLinks = run.open.followsLinks || options.followsLinks
    return run
  }
}
