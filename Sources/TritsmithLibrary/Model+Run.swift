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

  /// Continues a text greedily, or as `configure` says.
  ///
  /// The weights are loaded anew at every call, before the prompt is computed and `emit` is called; `runnable()` keeps
  /// them.
  ///
  /// - Parameters:
  ///   - prompt: the text to continue.
  ///   - maximumTokens: tokens generated at most.
  ///   - configure: sets further options: sampling, seed, arithmetic.
  ///   - emit: gets text as soon as its characters are complete; false ends the generation.
  public func generate(
    _ prompt: String, maximumTokens: Int = 128, configure: (inout GenerateRequest) -> Void = { _ in },
    emit: (String) -> Bool = { _ in true }
  ) throws -> GenerateResult {
    var request = GenerateRequest(path: path, prompt: prompt)
    request.maximumTokens = maximumTokens
    configure(&request)
    request.options = running(request.options)
    return try GenerateWorkflow(request).run(emit: emit)
  }

  /// How well the model predicts a text; by default the Book of Ruth, which is built in. Loads the weights at every call.
  public func perplexity(
    of text: TextInput = .sample, configure: (inout PerplexityRequest) -> Void = { _ in }
  ) throws -> PerplexityResult {
    var request = PerplexityRequest(path: path, text)
    configure(&request)
    request.options = running(request.options)
    return try PerplexityWorkflow(request).run()
  }

  /// How well the model predicts a UTF-8 file.
  public func perplexity(
    ofFile text: String, configure: (inout PerplexityRequest) -> Void = { _ in }
  ) throws -> PerplexityResult {
    try perplexity(of: .file(text), configure: configure)
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
