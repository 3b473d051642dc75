// Tritsmith: holding models against rules and against each other.

extension Model {
  /// Looks for everything that makes the model unusable or suspicious: files, numbers, trits, settings, tokenizer.
  ///
  /// - Parameters:
  ///   - isStrict: warnings fail, too.
  ///   - scoresText: scores a text as well, which takes as long as running it.
  ///   - sibling: another form of the model, whose weights it must hold.
  ///   - work: threads, progress and cancellation; none of them changes the result.
  /// - Throws: a `DiagnosticError`, `cannotOpen` or `inputOutput`, when a file cannot be read; what is wrong with the
  ///   model is a finding.
  public func check(
    isStrict: Bool = false, scoresText: Bool = false, sibling: Model? = nil, work: WorkOptions = WorkOptions()
  ) throws -> CheckResult {
    let request = CheckRequest(
      path: path, open: options, isStrict: isStrict, scoresText: scoresText, sibling: sibling?.path)
    return try CheckWorkflow(request, work: work).run()
  }

  /// Compares two models as they are, whatever their formats: structure, trits, scales, dense numbers, settings and
  /// tokenizer. Nothing is quantized.
  ///
  /// - Parameters:
  ///   - other: the model it is held against, of any format.
  ///   - isExact: what storing numbers in another type did counts as a difference.
  ///   - parts: what the verdict rests on; a file that is weights alone has nothing else.
  ///   - work: threads, progress and cancellation; none of them changes the result.
  /// - Throws: a `DiagnosticError`: `inputOutput` when a file cannot be read, `malformedInput` when it is damaged, `misuse`
  ///   when the two cannot be compared; models that differ are a result.
  public func compare(
    with other: Model, isExact: Bool = false, parts: Set<ModelPart> = ModelPart.needed,
    work: WorkOptions = WorkOptions()
  ) throws -> CompareResult {
    let request = CompareRequest(isExact: isExact, parts: parts)
    return try CompareWorkflow(first: source, second: other.source, request: request, work: work).run()
  }

  /// Runs this model in lock-step with another form of it, or along a file of reference logits, and compares logits.
  ///
  /// - Parameters:
  ///   - reference: the path of a model, or of a safetensors file as `tritsmith logits` writes it.
  ///   - inputs: what both are run on; nothing means the prompts of the reference file, or the opening of a built-in text.
  ///   - options: how this model is run.
  ///   - referenceOptions: how the other is run, when it is a model; nil means as this one.
  /// - Throws: a `DiagnosticError`: `cannotOpen` or `inputOutput` when a file cannot be read, `malformedInput` when it is
  ///   damaged or the model is not understood, `misuse` when the two cannot be compared.
  public func validate(
    against reference: String, inputs: [TokenInput] = [], options: RunOptions = RunOptions(),
    referenceOptions: RunOptions? = nil
  ) throws -> ValidateResult {
    var request = ValidateRequest(path: path, against: reference)
    request.inputs = inputs
    // What this model was opened with says nothing of the other one.
    request.referenceOptions = referenceOptions ?? options
    request.options = running(options)
    return try ValidateWorkflow(request).run()
  }
}
